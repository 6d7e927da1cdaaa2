//! A program in a pseudo terminal that somebody types at and looks at.

use crate::answers::{Answers, Kind, Told};
use crate::{keys, patience};
use portable_pty::{CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use vt100::{Parser, Screen};

/// What program to run, and in what terminal.
pub(crate) struct Setup {
    command: CommandBuilder,
    size: PtySize,
    kind: Kind,
}

impl Setup {
    /// The client.
    pub(crate) fn client(arguments: &[&str]) -> Self {
        Self::program(env!("CARGO_BIN_EXE_chat-tui"), arguments)
    }

    /// Any program, with nothing of this process's environment but where programs are.
    pub(crate) fn program(program: impl AsRef<OsStr>, arguments: &[&str]) -> Self {
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_clear();
        for name in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        Self { command, size: size(80, 24), kind: Kind::default() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn size(mut self, columns: u16, rows: u16) -> Self {
        self.size = size(columns, rows);
        self
    }

    pub(crate) fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    pub(crate) fn home(self, dir: &Path) -> Self {
        self.env("CHAT_TUI_HOME", dir).env("HOME", dir)
    }

    pub(crate) fn start(self) -> Terminal {
        Terminal::start(self)
    }
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, ..PtySize::default() }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

/// What was seen so far.
struct State {
    parser: Parser<Answers>,
    raw: Vec<u8>,
    /// The program holds the terminal no more.
    is_closed: bool,
    exit: Option<ExitStatus>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    writer: Mutex<Box<dyn Write + Send>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn write(&self, bytes: &[u8]) {
        let mut writer = self.writer.lock().unwrap();
        // A program that has ended reads no more.
        let _ = writer.write_all(bytes).and_then(|()| writer.flush());
    }
}

/// A running program. It is killed when this is dropped.
pub(crate) struct Terminal {
    shared: Arc<Shared>,
    master: Box<dyn MasterPty + Send>,
    pid: Pid,
    waiter: Option<JoinHandle<()>>,
}

impl Terminal {
    /// The client with these arguments and this environment.
    pub(crate) fn spawn(arguments: &[&str], env: &[(&str, &str)], columns: u16, rows: u16) -> Self {
        let setup = Setup::client(arguments).size(columns, rows);
        env.iter().fold(setup, |setup, (name, value)| setup.env(name, value)).start()
    }

    fn start(setup: Setup) -> Self {
        let pair = native_pty_system().openpty(setup.size).unwrap();
        let mut child = pair.slave.spawn_command(setup.command).unwrap();
        // Else its end could not be seen.
        drop(pair.slave);
        let pid = child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
        let reader = pair.master.try_clone_reader().unwrap();
        let writer = Mutex::new(pair.master.take_writer().unwrap());
        let (rows, columns) = (cells(setup.size.rows), cells(setup.size.cols));
        let parser = Parser::new_with_callbacks(rows, columns, 0, Answers::new(setup.kind));
        let state = State { parser, raw: Vec::new(), is_closed: false, exit: None };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new(), writer });
        let reads = Arc::clone(&shared);
        thread::spawn(move || read(reader, &reads));
        let waits = Arc::clone(&shared);
        let waiter = thread::spawn(move || {
            let exit = child.wait().unwrap();
            waits.state().exit = Some(exit);
            waits.changed.notify_all();
        });
        Self { shared, master: pair.master, pid, waiter: Some(waiter) }
    }

    /// Types keys; see [`keys::bytes`].
    pub(crate) fn keys(&self, keys: &str) -> &Self {
        self.write(keys::bytes(keys).as_bytes())
    }

    /// Pastes a text in brackets.
    pub(crate) fn paste(&self, text: &str) -> &Self {
        self.write(keys::paste(text).as_bytes())
    }

    /// Sends bytes as they are.
    pub(crate) fn write(&self, bytes: &[u8]) -> &Self {
        self.shared.write(bytes);
        self
    }

    /// The window gains or loses the focus.
    pub(crate) fn focus(&self, has_focus: bool) -> &Self {
        self.write(if has_focus { b"\x1b[I" } else { b"\x1b[O" })
    }

    /// A click at this cell, as SGR mouse reports have it.
    pub(crate) fn click(&self, column: u16, row: u16) -> &Self {
        let (column, row) = (column + 1, row + 1);
        self.write(format!("\x1b[<0;{column};{row}M\x1b[<0;{column};{row}m").as_bytes())
    }

    /// Gives the window another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) -> &Self {
        self.shared.state().parser.set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).unwrap();
        self
    }

    /// Waits until this text is on the screen.
    pub(crate) fn wait_for(&self, text: &str) -> &Self {
        self.wait_until(&format!("{text:?} on the screen"), |screen| screen.contents().contains(text))
    }

    /// Waits until this text is on the screen no more.
    pub(crate) fn wait_gone(&self, text: &str) -> &Self {
        self.wait_until(&format!("no {text:?} on the screen"), |screen| !screen.contents().contains(text))
    }

    /// Waits until the screen is so.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Screen) -> bool) -> &Self {
        drop(self.wait(what, |state| is_so(state.parser.screen())));
        self
    }

    /// Waits until the program has told this.
    pub(crate) fn wait_told(&self, what: &str, is_so: impl Fn(&Told) -> bool) -> &Self {
        drop(self.wait(what, |state| is_so(&state.parser.callbacks().told)));
        self
    }

    /// Waits until the program has ended, and all that it wrote is read. Returns its exit code, or `None` if
    /// a signal ended it.
    pub(crate) fn wait_exit(&self) -> Option<u32> {
        let state = self.wait("the end of the program", |state| state.exit.is_some() && state.is_closed);
        let exit = state.exit.as_ref().unwrap();
        exit.signal().is_none().then(|| exit.exit_code())
    }

    fn wait(&self, what: &str, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let deadline = Instant::now() + patience();
        let mut state = self.shared.state();
        loop {
            if is_so(&state) {
                return state;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let has_ended = state.is_closed && state.exit.is_some();
            if left.is_zero() || has_ended {
                let why = if has_ended { "the program ended" } else { "not in time" };
                let dump = dump(&state);
                // Else whoever looks at it next would only hear of the lock.
                drop(state);
                panic!("{why}: {what}\n{dump}");
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// The text on the screen.
    pub(crate) fn screen(&self) -> String {
        self.shared.state().parser.screen().contents()
    }

    /// The rows of the screen, each filled up with spaces.
    pub(crate) fn rows(&self) -> Vec<String> {
        let state = self.shared.state();
        let screen = state.parser.screen();
        let columns = screen.size().1.get();
        screen
            .rows(0, columns)
            .map(|row| format!("{row:<columns$}", columns = usize::from(columns)))
            .collect()
    }

    /// Looks at the screen in detail.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Screen) -> T) -> T {
        look(self.shared.state().parser.screen())
    }

    /// What was told beside the screen so far.
    pub(crate) fn told(&self) -> Told {
        self.shared.state().parser.callbacks().told.clone()
    }

    /// Every byte that was written so far.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.shared.state().raw.clone()
    }

    /// Waits until what was written so far is so.
    pub(crate) fn wait_raw(&self, what: &str, is_so: impl Fn(&[u8]) -> bool) -> &Self {
        drop(self.wait(what, |state| is_so(&state.raw)));
        self
    }

    /// Waits until so many bytes are written, or the screen shows this text: what is drawn over something like it is
    /// written in parts only.
    pub(crate) fn wait_written(&self, bytes: usize, or_shown: &str) -> &Self {
        let what = format!("{bytes} bytes, or {or_shown:?}");
        drop(self.wait(&what, |state| {
            state.raw.len() >= bytes || state.parser.screen().contents().contains(or_shown)
        }));
        self
    }

    /// How many bytes were written so far.
    pub(crate) fn raw_len(&self) -> usize {
        self.shared.state().raw.len()
    }

    /// The program.
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, signal: Signal) -> &Self {
        kill_process(self.pid, signal).unwrap();
        self
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let has_ended = self.shared.state.lock().is_ok_and(|state| state.exit.is_some());
        if !has_ended {
            // It leads a session of its own; those it started go with it.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        if let Some(waiter) = self.waiter.take() {
            let _ = waiter.join();
        }
    }
}

/// What is between these is one picture.
const UPDATE_BEGINS: &[u8] = b"\x1b[?2026h";
const UPDATE_ENDS: &[u8] = b"\x1b[?2026l";
/// The vt100 crate takes a replacement character for its decoder's and drops it.
const REPLACEMENT: &[u8] = "\u{FFFD}".as_bytes();

fn read(mut reader: Box<dyn Read + Send>, shared: &Shared) {
    let mut buffer = [0; 8_192];
    let mut held: Vec<u8> = Vec::new();
    // When the last program that holds the terminal ends, reading fails.
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        held.extend_from_slice(&buffer[..count]);
        let answers = {
            let mut state = shared.state();
            state.raw.extend_from_slice(&buffer[..count]);
            let shown = take_shown(&mut held);
            state.parser.process(&understood(&shown));
            state.parser.callbacks_mut().take()
        };
        shared.changed.notify_all();
        if !answers.is_empty() {
            shared.write(&answers);
        }
    }
    let mut state = shared.state();
    state.parser.process(&understood(&held));
    state.is_closed = true;
    drop(state);
    shared.changed.notify_all();
}

/// Takes out what can be shown: what belongs together is shown together, as terminals do it, and the beginning of what
/// may be one of these marks waits for its end.
fn take_shown(held: &mut Vec<u8>) -> Vec<u8> {
    let last = |mark: &[u8]| held.windows(mark.len()).rposition(|bytes| bytes == mark);
    let update = last(UPDATE_BEGINS).filter(|begin| last(UPDATE_ENDS).is_none_or(|end| end < *begin));
    let begun = [REPLACEMENT, UPDATE_BEGINS].into_iter().filter_map(|mark| {
        (1..mark.len())
            .rev()
            .find(|length| held.ends_with(&mark[..*length]))
            .map(|length| held.len() - length)
    });
    let end = begun.chain(update).min().unwrap_or(held.len());
    let rest = held.split_off(end);
    std::mem::replace(held, rest)
}

/// With another letter for what the parser does not know.
fn understood(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at..].starts_with(REPLACEMENT) {
            shown.push(b'?');
            at += REPLACEMENT.len();
        } else {
            shown.push(bytes[at]);
            at += 1;
        }
    }
    shown
}

fn dump(state: &State) -> String {
    let screen = state.parser.screen();
    let (row, column) = screen.cursor_position();
    let columns = screen.size().1.get();
    let rows: Vec<_> = screen.rows(0, columns).map(|row| format!("  |{row}")).collect();
    let raw = &state.raw[state.raw.len().saturating_sub(400)..];
    format!(
        "the screen, with the cursor at column {column} of row {row}:\n{}\nthe last bytes: \"{}\"\nended: {:?}",
        rows.join("\n"),
        raw.escape_ascii(),
        state.exit,
    )
}
