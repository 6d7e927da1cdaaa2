//! Messages that follow each other in one conversation, and only are to be told: they go to each member as one piece.
//!
//! Where many are sent in one group, queueing each for each member would cost as much as writing them.

use super::publish::{Hole, queue};
use super::{Connection, Counters, Frame, FrameKind, Hub, Inner};
use crate::planted::{Bug, planted};
use crate::store::{Change, Completion, Store};
use bytes::{Bytes, BytesMut};
use chat_shared::api::Message;
use chat_shared::{ConversationId, Rev};
use std::iter::Peekable;
use std::sync::Arc;
use std::vec;

/// Bytes at which a piece is told. It is a small part of what a connection's queue holds, because a reader that is too
/// slow loses pieces as a whole, and for so long the hub is locked.
const PIECE: usize = 32 * 1024;

/// Messages of one conversation in the order of their commits, and the replies to those who sent them.
#[derive(Default)]
pub(super) struct Run {
    messages: Vec<Message>,
    finishes: Vec<Box<dyn FnOnce() + Send>>,
}

impl Run {
    /// Takes what follows in the same conversation, or begins with it; gives back what has to wait for its end.
    pub(super) fn take(&mut self, completion: Completion) -> Option<Completion> {
        let mut conversation = self.messages.first().map(|message| message.conversation_id);
        let follows = completion.changes.iter().all(|change| match change {
            Change::Message { message, joined, left } => {
                let of = *conversation.get_or_insert(message.conversation_id);
                joined.is_empty() && left.is_empty() && message.conversation_id == of
            }
            _ => false,
        });
        if !follows {
            return Some(completion);
        }
        self.messages.extend(completion.changes.into_iter().filter_map(|change| match change {
            Change::Message { message, .. } => Some(*message),
            _ => None,
        }));
        self.finishes.push(completion.finish);
        None
    }

    /// Queues them for the members, and then the replies.
    pub(super) async fn publish(self, hub: &Hub, store: &dyn Store, touched: &mut Vec<Arc<dyn Connection>>) {
        let mut messages = self.messages.into_iter().peekable();
        while messages.peek().is_some() {
            if let Err(hole) = hub.publish_piece(&mut messages, touched) {
                hub.fill(store, hole, touched).await;
            }
        }
        self.finishes.into_iter().for_each(|finish| finish());
    }
}

/// Finished frames of one conversation.
#[derive(Default)]
pub(super) struct Piece {
    /// Of which, and the rev of the first.
    of: Option<(ConversationId, Rev)>,
    frames: Vec<Bytes>,
    bytes: usize,
}

impl Piece {
    pub(super) fn add(&mut self, conversation: ConversationId, rev: Rev, frame: Frame) {
        self.of.get_or_insert((conversation, rev));
        self.bytes += frame.bytes.len();
        self.frames.push(frame.bytes);
    }

    fn join(self) -> Bytes {
        if let [frame] = self.frames.as_slice() {
            return frame.clone();
        }
        let mut all = BytesMut::with_capacity(self.bytes);
        self.frames.iter().for_each(|frame| all.extend_from_slice(frame));
        all.freeze()
    }
}

impl Hub {
    /// Publishes the next messages as one piece, or the next one alone, which fails if its predecessor is missing.
    fn publish_piece(
        &self,
        messages: &mut Peekable<vec::IntoIter<Message>>,
        touched: &mut Vec<Arc<dyn Connection>>,
    ) -> Result<(), Hole> {
        let mut inner = self.lock();
        let mut piece = Piece::default();
        while piece.bytes < PIECE
            && let Some(message) = messages.next_if(|message| inner.advance(message))
        {
            piece.add(message.conversation_id, message.rev, self.message_frame(message));
        }
        Counters::add(&self.counters.changes, piece.frames.len());
        if piece.frames.is_empty()
            && let Some(message) = messages.next()
        {
            Counters::add(&self.counters.changes, 1);
            return self.publish_message(&mut inner, message, Vec::new(), &[], touched);
        }
        self.tell_piece(&inner, piece, touched);
        Ok(())
    }

    /// Tells the members.
    pub(super) fn tell_piece(&self, inner: &Inner, piece: Piece, touched: &mut Vec<Arc<dyn Connection>>) {
        let Some((conversation, rev)) = piece.of else { return };
        let Some(room) = inner.rooms.get(&conversation) else { return };
        let messages = piece.frames.len();
        let mut connections = 0;
        let frame = Frame { bytes: piece.join(), kind: FrameKind::Event(conversation) };
        for (user, online) in inner.connected(room) {
            let is_seventh = (rev.get() + user.get()) % 7 == 0;
            if planted(Bug::EventDropped) && is_seventh {
                continue;
            }
            queue(&online.connections, &frame, touched);
            if planted(Bug::EventTwice) && is_seventh {
                queue(&online.connections, &frame, touched);
            }
            connections += online.connections.len();
        }
        Counters::add(&self.counters.deliveries, messages * connections);
    }
}

impl Inner {
    /// Goes on to a message that only is to be told: the next of its room, and not the first from this side of a direct
    /// conversation, which shows the two of them each other's presence.
    fn advance(&mut self, message: &Message) -> bool {
        let Some(room) = self.rooms.get_mut(&message.conversation_id) else { return false };
        let is_plain =
            message.rev == room.head_rev.next() && (!room.direct || room.wrote.contains(&message.sender.id));
        if is_plain {
            room.head_rev = message.rev;
        }
        is_plain
    }
}
