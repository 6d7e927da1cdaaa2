//! What goes out, and what takes it.

use bytes::Bytes;
use chat_shared::close::CloseCode;
use chat_shared::frame::{PresenceChange, ServerFrame};
use chat_shared::{ConversationId, SessionId, UserId};
use std::sync::Arc;

/// Makes the finished bytes of a frame, header included: once, for all who get it.
pub type Encoder = fn(&ServerFrame) -> Bytes;

/// Finished bytes, and what may become of them when their reader is slow: a frame, or several that follow each other in a
/// conversation.
#[derive(Debug, Clone)]
pub struct Frame {
    /// As they go to the socket.
    pub bytes: Bytes,
    /// What it is.
    pub kind: FrameKind,
}

/// What may become of a frame when its reader is slow.
#[derive(Debug, Clone)]
pub enum FrameKind {
    /// Never dropped: answers, and what no later frame makes good.
    Reply,
    /// Of this conversation: dropped together with the conversation's other events, for one `resync`.
    Event(ConversationId),
    /// This user writes in this conversation: dropped first, and replaced by the next of the same.
    Typing(ConversationId, UserId),
    /// These came or went: dropped first; of each the latest is told when there is room again.
    Presence(Arc<[PresenceChange]>),
}

/// A connection, as the hub sees it.
pub trait Connection: Send + Sync {
    /// Its number, unique while the server runs.
    fn id(&self) -> u64;
    /// The session it belongs to.
    fn session(&self) -> &SessionId;
    /// Queues a frame. Never blocks and never writes. True: somebody has to call [`Connection::flush`].
    fn push(&self, frame: &Frame) -> bool;
    /// Writes what is queued, as far as the socket takes it now.
    fn flush(&self);
    /// Ends it.
    fn close(&self, code: CloseCode, reason: String);
}
