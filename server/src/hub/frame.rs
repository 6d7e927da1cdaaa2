//! What goes out, and what takes it.

use bytes::Bytes;
use chat_shared::close::CloseCode;
use chat_shared::frame::ServerFrame;
use chat_shared::{ConversationId, SessionId, UserId};

/// Makes the finished bytes of a frame, header included: once, for all who get it.
pub type Encoder = fn(&ServerFrame) -> Bytes;

/// A finished frame, and what may become of it when its reader is slow.
#[derive(Debug, Clone)]
pub struct Frame {
    /// As they go to the socket.
    pub bytes: Bytes,
    /// What it is.
    pub kind: FrameKind,
}

/// What may become of a frame when its reader is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// Never dropped: answers, and what no later frame makes good.
    Reply,
    /// Of this conversation: dropped together with the conversation's other events, for one `resync`.
    Event(ConversationId),
    /// Dropped first, and replaced by the next of the same kind.
    Ephemeral(Ephemeral),
}

/// Frames of which only the latest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ephemeral {
    /// This user writes in this conversation.
    Typing(ConversationId, UserId),
    /// Who came and went. (Not replaced by the next: each names other people.)
    Presence,
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
