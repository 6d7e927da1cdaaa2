//! The client without a face: everything between a user's intent and the server.
//!
//! It holds the cache and the outbox, keeps a connection, follows every conversation by rev, and
//! counts what is unread. Whoever shows it (the full screen, the line mode, a test) asks with a
//! [`Request`] and is told by [`Update`]s; neither knows sockets, files or clocks of the other.

mod answers;
mod apply;
mod calls;
mod catchup;
mod counts;
mod follow;
mod frames;
mod link;
mod loader;
#[cfg(test)]
mod model;
mod outbox;
mod reads;
mod requests;
mod room;
mod run;
mod start;

pub use start::Client;

use crate::error::ClientError;
use chat_shared::api::{
    Conversation, Edit, Group, Level, Member, Message, Millis, Role, SessionEntry, User, Visibility,
};
use chat_shared::limits::Limits;
use chat_shared::name::Emoji;
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, Rev, SendId, Seq, SessionId, Username};
use std::time::Duration;

/// What is asked of the client. Nothing here waits: what comes of it arrives as [`Update`]s.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// This conversation is shown now: the newest page from the cache at once, and from the server where
    /// the cache does not reach its head. Answered by [`Update::Page`] (both may come), or
    /// [`Update::LoadFailed`].
    Open(ConversationId),
    /// Messages that are not held. Answered by [`Update::Page`] or [`Update::LoadFailed`].
    Load(ConversationId, Want),
    /// Post a message: on disk in the outbox before [`Update::Outbox`] shows it, sent once.
    Send {
        /// Made by the asker, so that it can follow its fate.
        id: SendId,
        /// Where.
        conversation: ConversationId,
        /// The text.
        body: MessageBody,
        /// The message it answers.
        reply_to: Option<Seq>,
    },
    /// Write one's own message anew; goes through the outbox like a send.
    Edit {
        /// Made by the asker.
        id: SendId,
        /// Where.
        conversation: ConversationId,
        /// Which message.
        seq: Seq,
        /// The new text.
        body: MessageBody,
    },
    /// Delete a message. Needs a connection; refused with [`Update::Refused`] without one.
    Delete(ConversationId, Seq),
    /// Add (`true`) or take back a reaction. Needs a connection.
    React(ConversationId, Seq, Emoji, bool),
    /// Try a failed entry of the outbox again.
    Retry(SendId),
    /// Drop an entry of the outbox that has failed or was never tried.
    Discard(SendId),
    /// Read up to this message. At most one frame a second goes out for a conversation.
    Read(ConversationId, Seq),
    /// Set or clear the mark "unread".
    MarkUnread(ConversationId, bool),
    /// I am writing; sent at most every few seconds.
    Typing(ConversationId),
    /// Keep this unfinished text (empty: forget it).
    SaveDraft(ConversationId, Draft),
    /// A line that was entered, for the input history of its conversation.
    Remember(ConversationId, String),
    /// Something of the interface to be kept by name: which conversation was open, which panels.
    SaveSetting(String, String),
    /// An errand over HTTP. Answered by [`Update::Answer`] with the same ticket.
    Call(Ticket, Call),
    /// Do not wait for the next attempt to connect.
    Reconnect,
    /// End: what waits for the disk is written, the connection closed.
    Quit,
}

/// Names an errand and its answer.
pub type Ticket = u64;

/// Which messages to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// Before this one.
    Before(Seq),
    /// After this one.
    After(Seq),
    /// Around this one.
    Around(Seq),
}

/// An errand: one HTTP request that is no part of following.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Public groups whose name holds this.
    Groups(String),
    /// Users whose name holds this.
    Users(String),
    /// Make a group.
    CreateGroup {
        /// Without `#`.
        name: String,
        /// May be empty.
        topic: String,
        /// Who can find it.
        visibility: Visibility,
    },
    /// Join a public group, by name (without `#`).
    Join(String),
    /// Leave.
    Leave(ConversationId),
    /// Delete a group.
    DeleteGroup(ConversationId),
    /// Change a group; what is `None` stays.
    UpdateGroup {
        /// Which.
        conversation: ConversationId,
        /// New name.
        name: Option<String>,
        /// New topic.
        topic: Option<String>,
        /// New visibility.
        visibility: Option<Visibility>,
    },
    /// Add somebody.
    AddMember(ConversationId, String),
    /// Change what a member may do; refused for somebody who is none.
    SetRole(ConversationId, String, Role),
    /// Remove somebody.
    RemoveMember(ConversationId, String),
    /// Who is in it (all pages).
    Members(ConversationId),
    /// Open the direct with this user.
    Direct(String),
    /// About what to be notified.
    SetLevel(ConversationId, Level),
    /// Be quiet until then; `None` ends it.
    Mute(ConversationId, Option<Millis>),
    /// Where I am logged in.
    Sessions,
    /// End one of these.
    EndSession(SessionId),
    /// What is known of a user.
    User(String),
    /// My display name and status text; what is `None` stays.
    UpdateMe(Option<String>, Option<String>),
    /// Present and new password.
    ChangePassword(String, String),
    /// Earlier texts of a message.
    Edits(ConversationId, Seq),
    /// What replies to a message.
    Thread(ConversationId, Seq),
    /// One message, for its text.
    Message(ConversationId, Seq),
    /// End this session, here and at the server.
    Logout,
}

/// What an errand brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It is done.
    Done,
    /// A conversation of mine (it was told by [`Update::Conversation`] before).
    Conversation(ConversationId),
    /// For [`Call::Groups`].
    Groups(Vec<Group>),
    /// For [`Call::Users`].
    Users(Vec<User>),
    /// For [`Call::Members`].
    Members(ConversationId, Vec<Member>),
    /// For [`Call::Sessions`].
    Sessions(Vec<SessionEntry>),
    /// For [`Call::User`] and [`Call::UpdateMe`].
    User(Box<User>),
    /// For [`Call::Edits`].
    Edits(ConversationId, Seq, Vec<Edit>),
    /// For [`Call::Thread`] and [`Call::Message`].
    Messages(Vec<Message>),
}

/// What the client tells.
#[derive(Debug)]
pub enum Update {
    /// The first update, from the cache and without the network.
    Start(Box<Start>),
    /// The connection's state changed.
    Connection(Connection),
    /// Every conversation of mine, in place of what was told before.
    Conversations(Vec<Conversation>),
    /// One conversation is new or changed: names, counts, cursor, settings. Never has `last_message`.
    Conversation(Box<Conversation>),
    /// A conversation is not mine any more; its cache is dropped.
    Removed(ConversationId),
    /// The database was restored or is another: every message told so far is void, outbox and drafts are not.
    Reset,
    /// Every change of the conversation with a rev in `(from, to]` has been applied; these are the
    /// present states of the messages they made or changed, by rev. A span of messages that was complete up to
    /// `from` is complete up to `to`. Where `from` is `to` no span grows: changes of single messages, as after a gap.
    Applied {
        /// Where.
        conversation: ConversationId,
        /// Insert or replace where rev is newer.
        messages: Vec<Message>,
        /// The rev before.
        from: Rev,
        /// The rev now.
        to: Rev,
    },
    /// Every message with a seq in `[from, to]`, by seq. `from` 0: the history begins here.
    Page {
        /// Where.
        conversation: ConversationId,
        /// The first seq of the complete span.
        from: Seq,
        /// Its last; at or above the head when there is nothing newer.
        to: Seq,
        /// Insert or replace where rev is newer.
        messages: Vec<Message>,
    },
    /// Could not be loaded. The newest page is told as `Before` the highest seq there can be.
    LoadFailed(ConversationId, Want, ClientError),
    /// What waits to be sent to this conversation has changed.
    Outbox(ConversationId, OutboxChange),
    /// A request was refused for good, and what was written is handed back so that nothing typed is lost.
    Refused {
        /// Of the request, where it had one.
        id: Option<SendId>,
        /// Where.
        conversation: ConversationId,
        /// What was not stored, if anything was written.
        draft: Option<Draft>,
        /// Why, for people.
        reason: String,
    },
    /// This unfinished text could not be kept: it ends with the program.
    Unkept {
        /// Where.
        conversation: ConversationId,
        /// The text.
        draft: Draft,
        /// Why, for people.
        reason: String,
    },
    /// Who is online now, in place of what was told before.
    Online(Vec<Username>),
    /// Somebody came (`true`) or went.
    Presence(Username, bool),
    /// Somebody is writing, for so long.
    Typing(ConversationId, Username, Duration),
    /// What came of an errand.
    Answer(Ticket, Result<Answer, ClientError>),
    /// The session is over: log in again. Drafts and outbox are kept for the same user.
    LoggedOut(String),
    /// Something a user should know, once.
    Notice(String),
    /// The client has ended, after [`Request::Quit`] or for this reason.
    Ended(Option<String>),
}

/// What the cache holds when the client starts.
#[derive(Debug, Default)]
pub struct Start {
    /// Where.
    pub server: String,
    /// Who is logged in.
    pub me: String,
    /// Is the cache kept, or does another program own it, so that nothing of this run outlives it?
    pub kept: bool,
    /// As they were known last.
    pub conversations: Vec<Conversation>,
    /// What waits to be sent.
    pub outbox: Vec<Pending>,
    /// Unfinished texts.
    pub drafts: Vec<(ConversationId, Draft)>,
    /// Lines that were entered, by conversation, the oldest first.
    pub entered: Vec<(ConversationId, Vec<String>)>,
    /// What [`Request::SaveSetting`] kept.
    pub settings: Vec<(String, String)>,
}

/// The connection, for the status line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// Trying for the first time or again.
    Connecting,
    /// Connected, and reading what was missed.
    CatchingUp,
    /// Live.
    Online {
        /// What the operator calls the server.
        name: String,
        /// What it wants clients to keep to.
        limits: Limits,
    },
    /// Not connected; the next attempt is in this time.
    Waiting {
        /// From now.
        retry_in: Duration,
        /// What went wrong, for people.
        reason: String,
    },
    /// Not connected, and it will not be tried again unless asked.
    Stopped {
        /// What the server said.
        reason: String,
    },
}

/// A change of what waits to be sent. Each is told by itself: telling all that waits with every change
/// would take ever longer the more there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutboxChange {
    /// Another entry, at the end.
    Added(Pending),
    /// This entry was refused for this reason, or (`None`) is tried again.
    Marked(SendId, Option<String>),
    /// This entry was sent, or dropped as it was asked for.
    Gone(SendId),
}

/// An unfinished text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// The text.
    pub text: String,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// The message it would replace.
    pub editing: Option<Seq>,
}

/// An entry of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its id on the wire.
    pub id: SendId,
    /// Where.
    pub conversation: ConversationId,
    /// The text.
    pub body: String,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// The message it replaces the text of: an edit.
    pub edits: Option<Seq>,
    /// When it was entered, by this machine's clock.
    pub entered_at: Millis,
    /// Why it was refused; `None`: it waits or is under way.
    pub failed: Option<String>,
}
