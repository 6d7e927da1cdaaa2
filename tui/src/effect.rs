//! What the full-screen client wants done: the only way from its state to the world.

use crate::client::Request;
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, Seq};

/// Something to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the client.
    Client(Request),
    /// Post a message; whoever does it makes the id.
    Send {
        /// Where.
        conversation: ConversationId,
        /// The text.
        body: MessageBody,
        /// The message it answers.
        reply_to: Option<Seq>,
    },
    /// Write a message anew; whoever does it makes the id.
    Edit {
        /// Where.
        conversation: ConversationId,
        /// Which.
        seq: Seq,
        /// The new text.
        body: MessageBody,
    },
    /// Log in or register.
    LogIn(LogIn),
    /// Do not wait any longer for what came of it.
    GiveUpLogIn,
    /// Follow this server with the log-in that is stored.
    Start(String),
    /// Stop following; the form is shown.
    Stop,
    /// To the clipboard, by OSC 52.
    Copy(String),
    /// Open an http(s) address with the system's program.
    OpenLink(String),
    /// Write this in $EDITOR.
    EditExternally(String),
    /// Tell somebody who is not looking.
    Notify {
        /// Who or where.
        title: String,
        /// What.
        body: String,
    },
    /// Let the program have the mouse, or not.
    Mouse(bool),
    /// Draw everything again.
    Redraw,
    /// Stop until `fg`.
    Suspend,
    /// End.
    Quit,
}

/// What the form holds when it is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct LogIn {
    /// The address as typed.
    pub server: String,
    /// Who.
    pub username: String,
    /// Never shown, never logged.
    pub password: String,
    /// Make an account first?
    pub register: bool,
    /// Where registration is by invite.
    pub invite: Option<String>,
    /// For the first account of a server on a public address.
    pub setup_code: Option<String>,
}

impl std::fmt::Debug for LogIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogIn {{ server: {:?}, username: {:?}, … }}", self.server, self.username)
    }
}
