//! What happens to the full-screen client: everything that can change its state.

use crate::client::Update;
use crate::error::ClientError;
use crate::keymap::Key;
use chat_shared::api::Millis;
use crossterm::event::MouseEvent;

/// Something happened.
#[derive(Debug)]
pub enum Event {
    /// A key was pressed.
    Key(Key),
    /// A text was pasted, told apart by the terminal's brackets.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The screen has this many columns and rows.
    Resize(u16, u16),
    /// The terminal has (`true`) or has not the focus.
    Focus(bool),
    /// The client tells something.
    Client(Update),
    /// What came of a log-in.
    LoggedIn(Result<LoggedIn, ClientError>),
    /// $EDITOR has ended, with this text.
    Edited(Result<String, String>),
    /// The link was opened, or not.
    Opened(Result<(), String>),
    /// A moment came that the state had asked for.
    Tick,
}

/// A log-in that worked and is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The server's address as it is stored.
    pub server: String,
    /// Who.
    pub username: String,
}

/// An event and when it came, in milliseconds since the epoch.
#[derive(Debug)]
pub struct Timed {
    /// When.
    pub now: Millis,
    /// What.
    pub event: Event,
}
