//! The key of a message: its conversation above bit 32, its seq below, so that a conversation's history lies
//! together and in order.

use chat_shared::{ConversationId, Seq};

/// The greatest seq that the key has room for: four thousand million changes to one conversation.
pub(super) const SEQ_MAX: i64 = u32::MAX as i64;

/// The key of a message.
pub(super) fn key(conversation: ConversationId, seq: Seq) -> i64 {
    (conversation.get() << 32) | seq.get().min(SEQ_MAX)
}

/// The keys of all messages of a conversation: the first and the last that there can be.
pub(super) fn range(conversation: ConversationId) -> (i64, i64) {
    (key(conversation, Seq::MIN), (conversation.get() << 32) | SEQ_MAX)
}
