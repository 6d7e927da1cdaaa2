//! Messages and what is done with them.

use crate::store::StoreError;
use chat_shared::name::Emoji;
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, Rev, SendId, Seq, UserId, Username};

/// Moving a read cursor.
#[derive(Debug, Clone, Copy)]
pub struct MarkRead {
    /// Whose.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// Up to where.
    pub seq: Seq,
    /// The connection that asked, which need not be told.
    pub origin: Option<u64>,
}

/// A message to store.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// By whom.
    pub sender: UserId,
    /// Client-made.
    pub id: SendId,
    /// Where.
    pub conversation: ConversationId,
    /// The text.
    pub body: MessageBody,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// Whom `@here` names, if the text has it.
    pub here: Vec<Username>,
    /// Why it is refused unless it was answered before.
    pub refuse_new: Option<StoreError>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A message written anew.
#[derive(Debug, Clone)]
pub struct EditMessage {
    /// By whom.
    pub editor: UserId,
    /// Client-made.
    pub id: SendId,
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub seq: Seq,
    /// The new text.
    pub body: MessageBody,
    /// Whom `@here` names, if the text has it.
    pub here: Vec<Username>,
    /// Why it is refused unless it was answered before.
    pub refuse_new: Option<StoreError>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A message to delete.
#[derive(Debug, Clone, Copy)]
pub struct DeleteMessage {
    /// By whom.
    pub actor: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub seq: Seq,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A reaction to add or take back.
#[derive(Debug, Clone)]
pub struct React {
    /// By whom.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// To which message.
    pub seq: Seq,
    /// Which.
    pub emoji: Emoji,
    /// Add, or take back?
    pub on: bool,
}

/// What `ack` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Where.
    pub conversation: ConversationId,
    /// Which message.
    pub seq: Seq,
    /// The rev of the change.
    pub rev: Rev,
    /// When the message was committed.
    pub sent_at: i64,
}

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The answer, the same however often it is asked.
    pub ack: Ack,
    /// Was it there already?
    pub known: bool,
}
