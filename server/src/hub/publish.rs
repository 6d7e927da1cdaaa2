//! Publishing: from the store's completions, in commit order, to the queues of those concerned.
//!
//! One task does it. It first queues the frames of a whole batch, calls the replies (whose answers
//! go into the same queues), and only then writes: several frames to one connection are one write.
//!
//! Messages that follow each other in one conversation go as one piece ([`Run`]).

use super::run::{Piece, Run};
use super::{Connection, Counters, Frame, FrameKind, Hub, Inner, Room};
use crate::planted::{Bug, planted};
use crate::store::{Change, Completion, Sink, Store};
use chat_shared::api::{Conversation, Message, MessageKind};
use chat_shared::close::CloseCode;
use chat_shared::frame::ServerFrame;
use chat_shared::{ConversationId, Rev, UserId};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Batches between the writer and the publisher: a publisher that cannot keep up slows the writer.
const BATCHES: usize = 4;

/// The writer's end.
pub struct PublishQueue(mpsc::Sender<Vec<Completion>>);

impl Sink for PublishQueue {
    fn committed(&mut self, batch: Vec<Completion>) {
        // Without a publisher (the runtime is gone) nobody is left to be told or answered.
        let _ = self.0.blocking_send(batch);
    }
}

/// The hub's end.
pub struct Publisher(mpsc::Receiver<Vec<Completion>>);

impl Publisher {
    /// Both ends.
    pub fn channel() -> (PublishQueue, Self) {
        let (sender, receiver) = mpsc::channel(BATCHES);
        (PublishQueue(sender), Self(receiver))
    }

    /// Publishes until the store is closed.
    pub async fn run(mut self, hub: Arc<Hub>, store: Arc<dyn Store>) {
        let mut touched: Vec<Arc<dyn Connection>> = Vec::new();
        let mut run = Run::default();
        while let Some(batch) = self.0.recv().await {
            for completion in batch {
                if let Some(completion) = run.take(completion) {
                    run.publish(&hub, &*store, &mut touched).await;
                    let Some(Completion { changes, finish }) = run.take(completion) else { continue };
                    for change in changes {
                        if let Err(hole) = hub.publish(change, &mut touched) {
                            hub.fill(&*store, hole, &mut touched).await;
                        }
                    }
                    finish();
                }
            }
            run.publish(&hub, &*store, &mut touched).await;
            touched.drain(..).for_each(|connection| connection.flush());
        }
    }
}

/// A change whose predecessor the hub has not seen.
pub(super) struct Hole {
    conversation: ConversationId,
    since: Rev,
}

impl Hub {
    pub(super) fn publish(&self, change: Change, touched: &mut Vec<Arc<dyn Connection>>) -> Result<(), Hole> {
        Counters::add(&self.counters.changes, 1);
        let mut inner = self.lock();
        match change {
            Change::Message { message, joined, left } => {
                return self.publish_message(&mut inner, message, joined, &left, touched);
            }
            Change::Opened { user, conversation } => {
                inner.enter(user, &conversation);
                self.tell_conversation(&inner, user, *conversation, touched);
            }
            Change::Deleted { conversation } => {
                if let Some(room) = inner.forget_room(conversation) {
                    let frame = self.removed(conversation);
                    for (_, online) in inner.connected(&room) {
                        self.tell(&online.connections, &frame, touched);
                    }
                    for (recipient, frame) in self.scatter(&inner, &room) {
                        self.tell(inner.connections_of(recipient), &frame, touched);
                    }
                }
            }
            Change::Read { user, conversation, seq, unread, mentions, origin } => {
                let frame = self.frame(
                    FrameKind::Reply,
                    &ServerFrame::Read { conversation_id: conversation, seq, unread, mentions },
                );
                for connection in inner.connections_of(user) {
                    if Some(connection.id()) != origin && !planted(Bug::CursorNotTold) {
                        self.tell(std::slice::from_ref(connection), &frame, touched);
                    }
                }
            }
            Change::Settings { user, conversation } => {
                self.tell_conversation(&inner, user, *conversation, touched);
            }
            Change::SessionsEnded { .. } if planted(Bug::EndedStaysConnected) => {}
            Change::SessionsEnded { user, sessions, disabled } => {
                let code = if disabled { CloseCode::AccountDisabled } else { CloseCode::SessionEnded };
                let ended: Vec<_> = inner
                    .connections_of(user)
                    .iter()
                    .filter(|connection| {
                        sessions.as_ref().is_none_or(|sessions| sessions.contains(connection.session()))
                    })
                    .cloned()
                    .collect();
                drop(inner);
                for connection in ended {
                    connection.close(code, code.reason().to_owned());
                }
            }
        }
        Ok(())
    }

    pub(super) fn publish_message(
        &self,
        inner: &mut Inner,
        message: Box<Message>,
        joined: Vec<(UserId, Box<Conversation>)>,
        left: &[UserId],
        touched: &mut Vec<Arc<dyn Connection>>,
    ) -> Result<(), Hole> {
        let conversation = message.conversation_id;
        let rev = message.rev;
        let known = inner.rooms.get(&conversation).map_or(Rev::MIN, |room| room.head_rev);
        if rev <= known {
            // Published already, when a hole was filled.
            return Ok(());
        }
        if rev != known.next() {
            return Err(Hole { conversation, since: known });
        }
        let pushed = inner.rooms.get(&conversation).map(Room::pushes_presence);
        let mut news: Vec<UserId> = Vec::new();
        for (user, seen) in joined {
            if !planted(Bug::JoinedMissesEvents) {
                inner.enter(user, &seen);
            }
            self.tell_conversation(inner, user, *seen, touched);
            news.push(user);
        }
        for user in left {
            let stays = planted(Bug::RemovedStillReceives);
            if let Some(room) = inner.rooms.get_mut(&conversation).filter(|_| !stays) {
                room.members.remove(user);
            }
            inner.left(*user, conversation);
            let frame = self.removed(conversation);
            if !planted(Bug::RemovalNotTold) {
                self.tell(inner.connections_of(*user), &frame, touched);
            }
            if let Some(room) = inner.rooms.get(&conversation) {
                for (recipient, frame) in self.part(inner, room, *user) {
                    self.tell(inner.connections_of(recipient), &frame, touched);
                }
            }
        }
        self.note_crossing(inner, conversation, pushed);
        let Some(room) = inner.rooms.get_mut(&conversation) else {
            // Deleted since: nobody is left to be told.
            return Ok(());
        };
        room.head_rev = rev;
        if room.direct && message.kind == MessageKind::Text && !room.wrote.contains(&message.sender.id) {
            room.wrote.push(message.sender.id);
            news.push(message.sender.id);
        }
        let mut piece = Piece::default();
        piece.add(conversation, rev, self.message_frame(message));
        self.tell_piece(inner, piece, touched);
        for user in news {
            for (recipient, frame) in self.greet(inner, conversation, user) {
                self.tell(inner.connections_of(recipient), &frame, touched);
            }
        }
        Ok(())
    }

    /// Reads what is missing and publishes it in place of what could not be.
    pub(super) async fn fill(&self, store: &dyn Store, hole: Hole, touched: &mut Vec<Arc<dyn Connection>>) {
        let Hole { conversation, since } = hole;
        Counters::add(&self.counters.holes, 1);
        tracing::error!(%conversation, %since, "a change came out of order; reading what is missing");
        let replay = match store.replay(conversation, since).await {
            Ok(replay) => replay,
            Err(error) => {
                // The clients see the gap and read for themselves.
                tracing::error!(%conversation, %error, "could not read what is missing");
                return;
            }
        };
        let mut inner = self.lock();
        let before: HashSet<UserId> =
            inner.rooms.get(&conversation).map(|room| room.members.clone()).unwrap_or_default();
        match replay.room {
            Some(room) => inner.set_room(room),
            None => {
                inner.forget_room(conversation);
            }
        }
        let now: HashSet<UserId> =
            inner.rooms.get(&conversation).map(|room| room.members.clone()).unwrap_or_default();
        let removed = self.removed(conversation);
        for user in before.difference(&now) {
            self.tell(inner.connections_of(*user), &removed, touched);
        }
        let Some(room) = inner.rooms.get(&conversation) else { return };
        for change in replay.changes {
            if let Change::Message { message, .. } = change {
                let frame = self.message_frame(message);
                for (_, online) in inner.connected(room) {
                    self.tell(&online.connections, &frame, touched);
                }
            }
        }
    }

    pub(super) fn message_frame(&self, message: Box<Message>) -> Frame {
        let conversation = message.conversation_id;
        self.frame(
            FrameKind::Event(conversation),
            &ServerFrame::Message { conversation_id: conversation, rev: message.rev, message },
        )
    }

    fn removed(&self, conversation: ConversationId) -> Frame {
        self.frame(FrameKind::Reply, &ServerFrame::ConversationRemoved { conversation_id: conversation })
    }

    fn tell_conversation(
        &self,
        inner: &Inner,
        user: UserId,
        mut conversation: Conversation,
        touched: &mut Vec<Arc<dyn Connection>>,
    ) {
        let connections = inner.connections_of(user);
        if connections.is_empty() {
            return;
        }
        if let Some(peer) = &mut conversation.peer {
            inner.dress(user, peer);
        }
        let frame =
            self.frame(FrameKind::Reply, &ServerFrame::Conversation { conversation: Box::new(conversation) });
        self.tell(connections, &frame, touched);
    }

    pub(super) fn tell(
        &self,
        connections: &[Arc<dyn Connection>],
        frame: &Frame,
        touched: &mut Vec<Arc<dyn Connection>>,
    ) {
        queue(connections, frame, touched);
        Counters::add(&self.counters.deliveries, connections.len());
    }
}

/// Queues a frame, and notes who has something to write now.
pub(super) fn queue(
    connections: &[Arc<dyn Connection>],
    frame: &Frame,
    touched: &mut Vec<Arc<dyn Connection>>,
) {
    for connection in connections {
        if connection.push(frame) {
            touched.push(connection.clone());
        }
    }
}

impl Inner {
    /// Makes a user a member of a room, which begins to exist if it did not.
    fn enter(&mut self, user: UserId, seen: &Conversation) {
        let room = self.rooms.entry(seen.id).or_insert_with(|| Room {
            head_rev: Rev::MIN,
            direct: seen.kind == chat_shared::api::ConversationKind::Direct,
            wrote: Vec::new(),
            members: HashSet::new(),
        });
        room.members.insert(user);
        self.rooms_of.entry(user).or_default().insert(seen.id);
    }
}
