//! What a terminal answers when a program asks it something, and what it was told besides drawing.

use std::mem;
use vt100::{Callbacks, Screen};

/// Which terminal it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    /// Answers what it is asked, and knows the kitty keyboard protocol; dark.
    #[default]
    Modern,
    /// The same with a white background.
    Light,
    /// Answers what every terminal does: where the cursor is and what it is.
    Plain,
    /// Answers nothing, as a pipe would.
    Silent,
}

/// Told by the program, beside what is on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The window title, last.
    pub(crate) title: String,
    /// What was to be copied, in base64.
    pub(crate) copied: Vec<String>,
    /// Bells.
    pub(crate) bells: usize,
    /// OSC sequences that are none of these: notifications and links.
    pub(crate) others: Vec<String>,
    /// Control characters and escapes that no terminal program needs.
    pub(crate) strange: Vec<String>,
}

/// Hears what the screen does not understand.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    kind: Kind,
    pub(crate) told: Told,
    answers: Vec<u8>,
}

impl Answers {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, ..Self::default() }
    }

    /// What is to be answered now.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        mem::take(&mut self.answers)
    }

    fn answer(&mut self, is_modern: bool, answer: &str) {
        let knows = match self.kind {
            Kind::Modern | Kind::Light => true,
            Kind::Plain => !is_modern,
            Kind::Silent => false,
        };
        if knows {
            self.answers.extend_from_slice(answer.as_bytes());
        }
    }
}

impl Callbacks for Answers {
    fn audible_bell(&mut self, _: &mut Screen) {
        self.told.bells += 1;
    }

    fn set_window_title(&mut self, _: &mut Screen, title: &[u8]) {
        self.told.title = String::from_utf8_lossy(title).into_owned();
    }

    fn copy_to_clipboard(&mut self, _: &mut Screen, _: &[u8], data: &[u8]) {
        self.told.copied.push(String::from_utf8_lossy(data).into_owned());
    }

    fn unhandled_csi(
        &mut self,
        screen: &mut Screen,
        i1: Option<u8>,
        i2: Option<u8>,
        params: &[&[u16]],
        c: char,
    ) {
        let first = params.first().and_then(|param| param.first()).copied().unwrap_or(0);
        match (i1, i2, c, first) {
            (None, None, 'n', 6) => {
                let (row, column) = screen.cursor_position();
                self.answer(false, &format!("\x1b[{};{}R", row + 1, column + 1));
            }
            (None, None, 'n', 5) => self.answer(false, "\x1b[0n"),
            (None, None, 'c', 0) => self.answer(false, "\x1b[?62;22c"),
            (Some(b'>'), None, 'c', 0) => self.answer(true, "\x1b[>1;10;0c"),
            (Some(b'>'), None, 'q', 0) => self.answer(true, "\x1bP>|harness 1\x1b\\"),
            (Some(b'?'), None, 'u', 0) => self.answer(true, "\x1b[?0u"),
            (Some(b'?'), Some(b'$'), 'p', mode) => self.answer(true, &format!("\x1b[?{mode};2$y")),
            _ => {}
        }
    }

    fn unhandled_osc(&mut self, _: &mut Screen, params: &[&[u8]]) {
        let light = self.kind == Kind::Light;
        match params {
            [b"11", b"?"] => {
                let colour = if light { "ffff/ffff/ffff" } else { "0000/0000/0000" };
                self.answer(true, &format!("\x1b]11;rgb:{colour}\x1b\\"));
            }
            [b"10", b"?"] => {
                let colour = if light { "0000/0000/0000" } else { "ffff/ffff/ffff" };
                self.answer(true, &format!("\x1b]10;rgb:{colour}\x1b\\"));
            }
            _ => {
                let params: Vec<_> = params.iter().map(|param| String::from_utf8_lossy(param)).collect();
                self.told.others.push(params.join(";"));
            }
        }
    }

    fn unhandled_control(&mut self, _: &mut Screen, byte: u8) {
        self.told.strange.push(format!("{byte:#04x}"));
    }

    fn unhandled_char(&mut self, _: &mut Screen, c: char) {
        self.told.strange.push(format!("{c:?}"));
    }
}
