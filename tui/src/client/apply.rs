//! Carrying out what was decided: into the cache, to the interface, and out of the outbox.

use super::run::Engine;
use super::{OutboxChange, Update};
use crate::cache;
use chat_shared::api::{Conversation, Message};
use chat_shared::{ConversationId, Rev, SendId, Seq};

/// Messages of one update together have about so many bytes: updates wait in memory.
const CHUNK: usize = 256 << 10;
/// New rows of a conversation after which its oldest are let go.
const TRIM_AFTER: usize = 200;

fn weight(message: &Message) -> usize {
    let names: usize = message.reactions.iter().map(|reaction| reaction.users.len() + 1).sum();
    512 + message.body.len() + 32 * (names + message.mentions.len())
}

/// Cuts into parts of about [`CHUNK`] bytes each.
fn chunks(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut all = vec![Vec::new()];
    let mut bytes = 0;
    for message in messages {
        bytes += weight(&message);
        if bytes > CHUNK
            && let Some(last) = all.last()
            && !last.is_empty()
        {
            bytes = weight(&message);
            all.push(Vec::new());
        }
        if let Some(last) = all.last_mut() {
            last.push(message);
        }
    }
    all
}

impl Engine {
    /// A write of the cache ended so. What it misses of a conversation it must not seem to have.
    pub(super) fn note(&mut self, conversation: Option<ConversationId>, written: cache::Result<()>) {
        let Err(error) = written else { return };
        self.unkept.extend(conversation);
        let is_damage = cache::is_damage(&error);
        if is_damage {
            self.cache.condemn();
        }
        if self.warned {
            return;
        }
        self.warned = true;
        let notice = if is_damage {
            format!("The cache is damaged ({error}): the next start makes it anew, with what you wrote.")
        } else {
            format!("The cache cannot be written: {error}.")
        };
        self.news.push_back(Update::Notice(notice));
    }

    /// The conversation was followed from this rev to its cursor, by these messages.
    pub(super) fn applied(&mut self, id: ConversationId, from: Rev, messages: Vec<Message>) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let to = room.follow.cursor();
        room.cached |= !messages.is_empty();
        room.grown += messages.len();
        let trim = room.grown > TRIM_AFTER;
        if trim {
            room.grown = 0;
        }
        let conversation = room.conversation.clone();
        let mut written = if self.unkept.remove(&id) {
            self.cache.begin_anew([(&conversation, to)])
        } else {
            self.cache.keep_changes(&conversation, &messages, from, to)
        };
        if trim {
            written = written.and_then(|()| self.cache.trim(id));
        }
        self.note(Some(id), written);
        self.evict();
        self.arrived(&messages);
        self.tell_applied(id, from, to, messages);
        self.tell_conversation(id);
    }

    /// These are the present states of some messages; no span grows by them.
    pub(super) fn tell_changed(&mut self, id: ConversationId, at: Rev, messages: Vec<Message>) {
        if !messages.is_empty() {
            self.tell_applied(id, at, at, messages);
        }
    }

    fn tell_applied(&mut self, conversation: ConversationId, from: Rev, to: Rev, messages: Vec<Message>) {
        let mut parts = chunks(messages);
        let last = parts.pop().unwrap_or_default();
        for messages in parts {
            // Only with the last of them is everything there.
            self.news.push_back(Update::Applied { conversation, messages, from, to: from });
        }
        self.news.push_back(Update::Applied { conversation, messages: last, from, to });
    }

    /// A part of a history, the newest of it first.
    pub(super) fn tell_page(&mut self, conversation: ConversationId, span: cache::Span) {
        let mut to = span.to;
        let mut parts = chunks(span.messages);
        while let Some(messages) = parts.pop() {
            let first = messages.first().map(|message| message.seq);
            let from = first.filter(|_| !parts.is_empty()).unwrap_or(span.from);
            self.news.push_back(Update::Page { conversation, from, to, messages });
            to = Seq::new(from.get() - 1).unwrap_or(Seq::MIN);
        }
    }

    /// The conversation as it is now; and its counts are settled if they are in doubt.
    pub(super) fn tell_conversation(&mut self, id: ConversationId) {
        let Some(room) = self.rooms.get(&id) else { return };
        if room.counts.is_in_doubt() {
            self.doubts.insert(id);
        }
        self.news.push_back(Update::Conversation(Box::new(room.conversation.clone())));
    }

    /// Stores a conversation as it is now, and tells it.
    pub(super) fn changed(&mut self, id: ConversationId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let written = self.cache.keep_conversation(&room.conversation, room.follow.cursor());
        self.note(None, written);
        self.tell_conversation(id);
    }

    /// Messages of mine that the server has are not to be sent any more.
    pub(super) fn arrived(&mut self, messages: &[Message]) {
        let mine = messages.iter().filter(|message| message.sender.username == self.me);
        let found: Vec<_> = mine.filter_map(|m| Some((m.conversation_id, m.id?))).collect();
        for (conversation, id) in found {
            self.sent(conversation, id);
        }
    }

    /// The server has it.
    pub(super) fn sent(&mut self, conversation: ConversationId, id: SendId) {
        if self.outbox.arrived(conversation, id) {
            // If it stays on the disk it is sent once more, and known by its id.
            let written = self.cache.drop_pending(id);
            self.note(None, written);
            self.news.push_back(Update::Outbox(conversation, OutboxChange::Gone(id)));
        }
    }

    /// The server does not take it.
    pub(super) fn refused(&mut self, id: SendId, reason: &str) {
        self.refused_all(&[id], reason);
    }

    fn refused_all(&mut self, ids: &[SendId], reason: &str) {
        for id in ids {
            let Some(conversation) = self.outbox.fail(*id, reason) else { return };
            let marked = OutboxChange::Marked(*id, Some(reason.to_owned()));
            self.news.push_back(Update::Outbox(conversation, marked));
        }
        let written = self.cache.mark_pending(ids, Some(reason));
        self.note(None, written);
    }

    /// It is not mine any more: what waited for it fails, visibly.
    pub(super) fn remove(&mut self, id: ConversationId) {
        if self.rooms.remove(&id).is_some() {
            let written = self.cache.forget(id);
            self.note(None, written);
            if let Some(task) = self.catching.remove(&id) {
                task.abort();
            }
            self.to_catch.retain(|other| *other != id);
            self.doubts.remove(&id);
            self.unkept.remove(&id);
            self.reads.forget(id);
            self.typing.remove(&id);
            self.asks.retain(|_, conversation| *conversation != id);
            self.news.push_back(Update::Removed(id));
        }
        self.fail_all(id);
    }

    /// Nothing can be sent to a conversation that is not mine.
    pub(super) fn fail_all(&mut self, id: ConversationId) {
        let waiting = self.outbox.waiting(id);
        if !waiting.is_empty() {
            // In one flush of the disk, however many they are.
            self.refused_all(&waiting, "you are not in this conversation any more");
        }
    }

    fn evict(&mut self) {
        match self.cache.evict() {
            Ok(gone) => {
                for id in gone {
                    if let Some(room) = self.rooms.get_mut(&id) {
                        room.cached = Some(id) == self.opened;
                    }
                }
            }
            Err(error) => self.note(None, Err(error)),
        }
    }

    /// Conversations whose history is not held: following begins at their cursors.
    pub(super) fn begin_anew(&mut self, ids: &[ConversationId]) {
        let rooms = ids.iter().filter_map(|id| self.rooms.get(id));
        let all: Vec<(&Conversation, Rev)> =
            rooms.map(|room| (&room.conversation, room.follow.cursor())).collect();
        match self.cache.begin_anew(all) {
            Ok(()) => {}
            Err(error) => {
                self.unkept.extend(ids);
                self.note(None, Err(error));
            }
        }
    }
}
