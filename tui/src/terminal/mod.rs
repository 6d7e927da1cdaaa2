//! The terminal: taken over at the start, given back at the end, whatever the end is.
//!
//! This is the only module that writes to it, and all that it writes is made here or comes out of a
//! frame's cells. Nothing is ever asked of the terminal, so that nothing is ever waited for.

mod hang_up;
mod osc;
mod screen;

pub use hang_up::{HangUp, is_gone};
pub use osc::{Osc, tmux};
pub use screen::Screen;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture, KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{execute, queue};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Is the terminal taken over? Panics and the end look here.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal while it is taken over; dropping it gives it back.
#[derive(Debug)]
pub struct Terminal {
    /// What is on the screen.
    pub screen: Screen<io::Stdout>,
    mouse: bool,
}

impl Terminal {
    /// Takes the terminal over. A panic gives it back before it says what happened.
    pub fn enter(mouse: bool, hyperlinks: bool) -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
        take(mouse)?;
        Ok(Self { screen: Screen::new(io::stdout(), hyperlinks), mouse })
    }

    /// Lets the program or the terminal have the mouse.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on {
            execute!(io::stdout(), EnableMouseCapture)
        } else {
            execute!(io::stdout(), DisableMouseCapture)
        }
    }

    /// Writes a sequence of our own.
    pub fn osc(&mut self, osc: &Osc) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(osc.as_bytes())?;
        out.flush()
    }

    /// Gives the terminal back for a while: for $EDITOR, or while stopped.
    pub fn pause(&mut self) {
        leave();
    }

    /// Takes it over again; all of it is drawn anew. Whoever stopped the program without asking may have
    /// changed the terminal's mode, and what is taken over twice would have to be given back twice: first it
    /// is given back, but for the mode, in which no key may be lost.
    pub fn resume(&mut self) -> io::Result<()> {
        if TAKEN.load(Ordering::SeqCst) {
            let _ = give_back();
            let mut modes = tcgetattr(io::stdin())?;
            modes.make_raw();
            tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        }
        take(self.mouse)?;
        self.screen.forget();
        Ok(())
    }
}

/// Has the system say again that there is something to read, if there is.
///
/// The library that reads the terminal waits for news only. Of keys that come together with a resize, or
/// of more of them than it reads in one piece, it would hear when the next one is pressed. A mode that is
/// set, even to what it is, is news.
pub fn nudge() {
    // A terminal that is gone has nothing to read.
    let _ = tcgetattr(io::stdin()).and_then(|modes| tcsetattr(io::stdin(), OptionalActions::Now, &modes));
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

/// Columns and rows.
pub fn size() -> (u16, u16) {
    crossterm::terminal::size().unwrap_or((80, 24))
}

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let mut out = io::stdout();
    queue!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange, Hide)?;
    // Terminals that do not know the newer keyboard protocol pass this over: there is no need to ask.
    queue!(out, PushKeyboardEnhancementFlags(KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES))?;
    if mouse {
        queue!(out, EnableMouseCapture)?;
    }
    // The title is put aside; and nothing at the right edge goes on in the next row.
    out.write_all(b"\x1b[22;0t\x1b[?7l")?;
    out.flush()
}

/// Gives the terminal back, once.
fn leave() {
    if !TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // A terminal that is gone cannot be given back.
    let _ = give_back();
    let _ = disable_raw_mode();
}

/// All but the mode.
fn give_back() -> io::Result<()> {
    let mut out = io::stdout();
    queue!(
        out,
        PopKeyboardEnhancementFlags,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    )?;
    out.write_all(b"\x1b[?7h\x1b[23;0t")?;
    out.flush()
}
