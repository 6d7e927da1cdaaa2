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
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes at which a piece is told. It is a small part of what a connection's queue holds, because a reader that is too
/// slow loses pieces as a whole, and for so long the hub is locked.
const PIECE: usize = 32 * 1024;

/// Messages of one conversation in the order of their commits, and the replies to those who sent them.
#[derive(Default)]
pub(super) struct Run {
    messages: VecDeque<Box<Message>>,
    finishes: Vec<Box<dyn FnOnce() + Send>>,
}

impl Run {
    /// Takes what follows in the same conversation, or begins with it; gives back what has to wait for its end.
    pub(super) fn take(&mut self, completion: Completion) -> Option<Completion> {
        let mut conversation = self.messages.front().map(|message| message.conversation_id);
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
            Change::Message { message, .. } => Some(message),
            _ => None,
        }));
        self.finishes.push(completion.finish);
        None
    }

    /// Queues them for the members, and then the replies. Nothing is left.
    pub(super) async fn publish(
        &mut self,
        hub: &Hub,
        store: &dyn Store,
        touched: &mut Vec<Arc<dyn Connection>>,
    ) {
        while !self.messages.is_empty() {
            if let Err(hole) = hub.publish_piece(&mut self.messages, touched) {
                hub.fill(store, hole, touched).await;
            }
        }
        self.finishes.drain(..).for_each(|finish| finish());
    }
}

/// Finished frames of one conversation.
#[derive(Default)]
pub(super) struct Piece {
    /// Of which, and the rev of the first.
    of: Option<(ConversationId, Rev)>,
    frames: usize,
    /// The only frame.
    one: Bytes,
    /// All of them, when they are several.
    all: BytesMut,
}

impl Piece {
    pub(super) fn add(&mut self, conversation: ConversationId, rev: Rev, Frame { bytes, .. }: Frame) {
        self.of.get_or_insert((conversation, rev));
        self.frames += 1;
        if self.frames == 1 {
            self.one = bytes;
        } else {
            self.all.extend_from_slice(&std::mem::take(&mut self.one));
            self.all.extend_from_slice(&bytes);
        }
    }

    fn is_full(&self) -> bool {
        self.one.len().max(self.all.len()) >= PIECE
    }

    fn join(self) -> Bytes {
        if self.frames == 1 { self.one } else { self.all.freeze() }
    }
}

impl Hub {
    /// Publishes the next messages as one piece, or the next one alone, which fails if its predecessor is missing.
    fn publish_piece(
        &self,
        messages: &mut VecDeque<Box<Message>>,
        touched: &mut Vec<Arc<dyn Connection>>,
    ) -> Result<(), Hole> {
        let mut inner = self.lock();
        let mut piece = Piece::default();
        while !piece.is_full()
            && let Some(message) = messages.pop_front_if(|message| inner.advance(message))
        {
            piece.add(message.conversation_id, message.rev, self.message_frame(message));
        }
        Counters::add(&self.counters.changes, piece.frames);
        if piece.frames == 0
            && let Some(message) = messages.pop_front()
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
        let messages = piece.frames;
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
