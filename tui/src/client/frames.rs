//! What the server says.

use super::answers::Done;
use super::follow::{Event, Step};
use super::link::{GiveUp, Link};
use super::reads::Reads;
use super::room::Room;
use super::run::Engine;
use super::{Connection, Update, catchup};
use chat_shared::api::{Conversation, Message};
use chat_shared::frame::{ServerFrame, ServerInfo};
use chat_shared::limits::{PAGE_MAX, TYPING_MS};
use chat_shared::{ConversationId, ErrorCode, Rev, SendId, Seq};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// More conversations than any server lets a user have.
const ROOMS_MAX: usize = 10_000;
/// A text that is longer was not taken by an honest server.
const BODY_MAX: usize = 64 << 10;

impl Engine {
    /// A frame came.
    pub(super) fn frame(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Ready { epoch, server, user, conversations, online, .. } => {
                if user.username != self.me {
                    return self.logged_out(format!("this log-in is of {} now", user.username));
                }
                self.greeted(server);
                if self.list(conversations, Some(epoch), None) {
                    self.news.push_back(Update::Online(online));
                }
            }
            ServerFrame::Message { conversation_id, rev, message } => {
                if message.conversation_id != conversation_id
                    || message.rev != rev
                    || message.seq.as_rev() > rev
                    || message.body.len() > BODY_MAX
                {
                    return self.stopped_by_peer();
                }
                self.event(conversation_id, Event::Message(message));
            }
            ServerFrame::Read { conversation_id, seq, unread, mentions } => {
                self.event(conversation_id, Event::Read { seq, unread, mentions, after: Rev::MIN });
            }
            ServerFrame::Conversation { conversation } => self.told(*conversation),
            ServerFrame::ConversationRemoved { conversation_id } => self.remove(conversation_id),
            ServerFrame::Ack { id, conversation_id, .. } => {
                self.asks.remove(&id);
                self.sent(conversation_id, id);
            }
            ServerFrame::Error { id, code, detail, retry_after_ms } => {
                self.error(id.as_deref(), code, &detail, retry_after_ms);
            }
            ServerFrame::Typing { conversation_id, username, expires_in_ms } => {
                if username != self.me && self.rooms.contains_key(&conversation_id) {
                    let for_so_long = Duration::from_millis(expires_in_ms.min(TYPING_MS * 5));
                    self.news.push_back(Update::Typing(conversation_id, username, for_so_long));
                }
            }
            ServerFrame::Presence { changes } => self
                .news
                .extend(changes.into_iter().map(|change| Update::Presence(change.username, change.online))),
            ServerFrame::Resync { conversation_id: Some(id), .. } => {
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.follow.fall_behind();
                    room.counts.question();
                    self.catch(id);
                    // Whatever else was dropped is in the server's answer.
                    self.doubts.insert(id);
                }
            }
            ServerFrame::Resync { conversation_id: None, .. } => {
                for room in self.rooms.values_mut() {
                    room.follow.fall_behind();
                }
                let known: Vec<ConversationId> = self.rooms.keys().copied().collect();
                let (account, done) = (self.account.clone(), self.done.clone());
                tokio::spawn(async move {
                    let _ = done.send(Done::Listed(known, catchup::conversations(account).await));
                });
            }
            ServerFrame::AuthOk { .. } | ServerFrame::Pong { .. } | ServerFrame::Unknown => {}
        }
    }

    fn stopped_by_peer(&mut self) {
        self.give_up = Some(GiveUp::ForGood("it sent what is not of this protocol".to_owned()));
    }

    fn greeted(&mut self, server: ServerInfo) {
        self.server_name = server.name;
        self.limits = server.limits;
        self.limits.page = self.limits.page.clamp(1, PAGE_MAX);
        self.limits.unread = self.limits.unread.clamp(1, 100_000);
        self.catching_up = true;
    }

    /// Every conversation of mine, in one list: with `ready`, or asked for when only these were `known`.
    /// Returns whether it was taken.
    pub(super) fn list(
        &mut self,
        all: Vec<Conversation>,
        epoch: Option<String>,
        known: Option<&[ConversationId]>,
    ) -> bool {
        if all.len() > ROOMS_MAX {
            self.give_up =
                Some(GiveUp::ForGood("it names more conversations than anybody can have".to_owned()));
            return false;
        }
        let beyond = |told: &Conversation| {
            self.rooms.get(&told.id).is_some_and(|room| room.follow.cursor() > told.head_rev)
        };
        // A list that was asked for may be older than what came live.
        let restored = epoch.is_some() && (self.epoch != epoch || all.iter().any(beyond));
        if restored && let Some(epoch) = &epoch {
            let known = self.epoch.is_some();
            let written = self.cache.reset(epoch);
            self.note(None, written);
            self.epoch = Some(epoch.clone());
            self.rooms.clear();
            self.doubts.clear();
            // What I have read of a history that is lost says nothing of the one that takes its place.
            self.reads = Reads::default();
            if known {
                self.news.push_back(Update::Reset);
            }
        }
        let mine: HashSet<ConversationId> = all.iter().map(|told| told.id).collect();
        let mut gone: Vec<ConversationId> =
            self.rooms.keys().copied().filter(|id| !mine.contains(id)).collect();
        gone.extend(self.outbox.conversations().into_iter().filter(|id| !mine.contains(id)));
        gone.sort_unstable();
        gone.dedup();
        // What came since the list was asked for is not in it.
        gone.retain(|id| known.is_none_or(|known| known.contains(id)));
        gone.into_iter().for_each(|id| self.remove(id));

        let limit = self.limits.unread;
        let is_ready = epoch.is_some();
        let mut anew = Vec::new();
        for told in all {
            let (id, head) = (told.id, told.head_rev);
            match self.rooms.get_mut(&id) {
                Some(room) => {
                    room.told(told, limit);
                    if is_ready && room.counts.is_untold() {
                        self.reads.mark(id, room.counts.read(), Instant::now());
                    }
                    if room.counts.is_in_doubt() {
                        self.doubts.insert(id);
                    }
                }
                None => {
                    self.rooms.insert(id, Room::new(told, head, limit));
                    anew.push(id);
                }
            }
            if self.resume(id, head) {
                anew.push(id);
            }
        }
        self.begin_anew(&anew);
        let known = self.rooms.values().map(|room| (&room.conversation, room.follow.cursor()));
        let written = self.cache.keep_conversations(known);
        self.note(None, written);
        let all = self.rooms.values().map(|room| room.conversation.clone()).collect();
        self.news.push_back(Update::Conversations(all));
        if is_ready {
            self.news.push_back(Update::Connection(Connection::CatchingUp));
            if let Some(id) = self.opened {
                self.reach_head(id);
            }
        }
        true
    }

    /// Follows on to this head. Returns whether the conversation begins anew there.
    fn resume(&mut self, id: ConversationId, head: Rev) -> bool {
        let Some(room) = self.rooms.get_mut(&id) else { return false };
        let cursor = room.follow.cursor();
        if cursor >= head {
            if room.follow.is_behind() {
                self.release(id, cursor, cursor, Vec::new());
            }
            return false;
        }
        if !room.follow.is_behind() {
            room.follow.fall_behind();
        }
        if room.cached {
            self.catch(id);
            return false;
        }
        // Nothing of it is shown or held: its counts are enough.
        self.release(id, head, head, Vec::new());
        true
    }

    /// What came for a conversation, in its order.
    fn event(&mut self, id: ConversationId, event: Event) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let from = room.follow.cursor();
        match room.follow.event(event) {
            Step::Apply(event) => match room.event(event, &self.me) {
                Some(message) => self.applied(id, from, vec![message]),
                None => self.changed(id),
            },
            Step::Read => self.catch(id),
            Step::Skip | Step::Held => {}
        }
    }

    /// Everything up to `head` was applied by these messages (and begins after `from`); what was held
    /// back follows.
    pub(super) fn release(&mut self, id: ConversationId, from: Rev, head: Rev, mut messages: Vec<Message>) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        for event in room.follow.caught_up(head) {
            messages.extend(room.event(event, &self.me));
        }
        let behind = room.follow.is_behind();
        if from < room.follow.cursor() {
            self.applied(id, from, messages);
        } else if room.counts.is_in_doubt() {
            self.doubts.insert(id);
        }
        if behind {
            self.catch(id);
        }
    }

    /// A conversation is told alone: it is new, or something of mine in it has changed.
    pub(super) fn told(&mut self, told: Conversation) {
        let id = told.id;
        if let Some(room) = self.rooms.get_mut(&id) {
            room.told(told, self.limits.unread);
            return self.changed(id);
        }
        if self.rooms.len() >= ROOMS_MAX {
            return;
        }
        // Its first message is news: the notice or the text that made it mine is at its head.
        let before = Rev::new(told.head_rev.get().saturating_sub(1)).unwrap_or(Rev::MIN);
        self.rooms.insert(id, Room::new(told, before, self.limits.unread));
        self.begin_anew(&[id]);
        self.tell_conversation(id);
    }

    fn error(&mut self, id: Option<&str>, code: ErrorCode, detail: &str, retry_after_ms: Option<u64>) {
        let Some(id) = id.and_then(|id| id.parse::<SendId>().ok()) else {
            if id.is_some() && code == ErrorCode::Unauthorized {
                self.give_up = Some(GiveUp::ForNow("the access token was not taken".to_owned()));
            }
            return;
        };
        let asked = retry_after_ms.map(Duration::from_millis);
        if let Some(conversation) = self.asks.remove(&id) {
            self.news.push_back(Update::Refused {
                id: None,
                conversation,
                draft: None,
                reason: detail.to_owned(),
            });
        } else if code.is_retryable() {
            self.outbox.put_off(id, asked, Instant::now());
        } else {
            self.refused(id, detail);
        }
    }

    /// Tells that everything is there, once nothing is behind.
    pub(super) fn tell_online(&mut self) {
        let up = matches!(self.link, Link::Up(_));
        if up && self.catching_up && self.catching.is_empty() && self.to_catch.is_empty() {
            self.catching_up = false;
            let (name, limits) = (self.server_name.clone(), self.limits.clone());
            self.news.push_back(Update::Connection(Connection::Online { name, limits }));
        }
    }

    /// The newest message that is held of a conversation.
    pub(super) fn held_to(&self, id: ConversationId) -> Seq {
        self.cache.newest_seq(id).unwrap_or(Seq::MIN)
    }
}
