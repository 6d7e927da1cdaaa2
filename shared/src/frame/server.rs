//! What the server says.

use crate::api::{Conversation, Message, Millis, User};
use crate::error::ErrorCode;
use crate::id::{ConversationId, Rev, SendId, Seq};
use crate::limits::Limits;
use crate::name::Username;
use serde::{Deserialize, Serialize};

/// The server, as told in `ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerInfo {
    /// What the operator calls it.
    pub name: String,
    /// The program's version.
    pub version: String,
    /// What clients must keep to.
    pub limits: Limits,
}

/// Somebody came or went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceChange {
    /// Who.
    pub username: Username,
    /// Connected now?
    pub online: bool,
    /// When the last connection ended, if they are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Millis>,
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[allow(clippy::large_enum_variant, reason = "frames are made, written and dropped one at a time")]
pub enum ServerFrame {
    /// Always the first.
    Ready {
        /// Names this connection in the server's logs.
        connection_id: String,
        /// The database's; another one means: drop the whole cache.
        epoch: String,
        /// Who speaks.
        server: ServerInfo,
        /// How often both sides should be heard, in milliseconds.
        heartbeat_ms: u64,
        /// Who I am.
        user: User,
        /// Every conversation I am a member of, without `last_message`.
        conversations: Vec<Conversation>,
        /// Who is online among the people I see, myself included.
        online: Vec<Username>,
    },
    /// Answers send, edit, delete and react: committed and flushed.
    Ack {
        /// Of the frame that it answers.
        id: SendId,
        /// Where.
        conversation_id: ConversationId,
        /// Which message.
        seq: Seq,
        /// The rev of the change.
        rev: Rev,
        /// When the message was committed.
        sent_at: Millis,
    },
    /// Answers `auth`.
    AuthOk {
        /// Of the frame that it answers.
        id: String,
        /// Seconds until the new token expires.
        expires_in: u64,
    },
    /// A message was created or changed.
    Message {
        /// Where.
        conversation_id: ConversationId,
        /// The message's rev.
        rev: Rev,
        /// Its present state.
        message: Box<Message>,
    },
    /// I was added to this one, or my own settings in it changed.
    Conversation {
        /// As I see it now.
        conversation: Box<Conversation>,
    },
    /// I am no longer a member, or it is gone.
    ConversationRemoved {
        /// Which.
        conversation_id: ConversationId,
    },
    /// My cursor moved on another of my connections.
    Read {
        /// Where.
        conversation_id: ConversationId,
        /// Up to which message.
        seq: Seq,
        /// What is unread now.
        unread: u32,
        /// How much of it names me.
        mentions: u32,
    },
    /// Somebody is writing.
    Typing {
        /// Where.
        conversation_id: ConversationId,
        /// Who.
        username: Username,
        /// For how long this is good.
        expires_in_ms: u64,
    },
    /// People came or went.
    Presence {
        /// Coalesced.
        changes: Vec<PresenceChange>,
    },
    /// Events were dropped for this connection: ask for `changes`.
    Resync {
        /// Where; of all conversations if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation_id: Option<ConversationId>,
        /// Why, for people.
        reason: String,
    },
    /// A frame was refused; the connection stays open.
    Error {
        /// Of the frame, if it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// The same codes as over HTTP.
        code: ErrorCode,
        /// What happened, for people.
        detail: String,
        /// When to try again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
    /// Answers `ping`.
    Pong {
        /// Of the frame that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// A frame that this program does not know yet: ignore it.
    #[serde(other)]
    Unknown,
}

impl ServerFrame {
    /// The frame as JSON text.
    pub fn to_json(&self) -> String {
        // A value of this type has only string keys and finite numbers: it can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}
