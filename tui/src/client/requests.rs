//! What the interface asks.

use super::link::Link;
use super::loader::now_ms;
use super::run::Engine;
use super::{Draft, OutboxChange, Pending, Request, Update};
use chat_shared::frame::ClientFrame;
use chat_shared::{ConversationId, SendId, Seq};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// "I am writing" is said again after so long.
const TYPING_PAUSE: Duration = Duration::from_secs(3);

impl Engine {
    /// Something is asked.
    pub(super) fn request(&mut self, request: Request) {
        match request {
            Request::Open(id) => self.open(id),
            Request::Load(id, want) => self.load(id, want),
            Request::Send { id, conversation, body, reply_to } => self.post(Pending {
                id,
                conversation,
                body: body.into_string(),
                reply_to,
                edits: None,
                entered_at: now_ms(),
                failed: None,
            }),
            Request::Edit { id, conversation, seq, body } => self.post(Pending {
                id,
                conversation,
                body: body.into_string(),
                reply_to: None,
                edits: Some(seq),
                entered_at: now_ms(),
                failed: None,
            }),
            Request::Delete(conversation_id, seq) => {
                let id = SendId::from_uuid(Uuid::now_v7());
                self.say_now(conversation_id, id, ClientFrame::Delete { id, conversation_id, seq });
            }
            Request::React(conversation_id, seq, emoji, on) => {
                let id = SendId::from_uuid(Uuid::now_v7());
                self.say_now(conversation_id, id, ClientFrame::React { id, conversation_id, seq, emoji, on });
            }
            Request::Retry(id) => self.retry(id),
            Request::Discard(id) => self.discard(id),
            Request::Read(id, seq) => self.read(id, seq),
            Request::MarkUnread(id, on) => self.mark_unread(id, on),
            Request::Typing(id) => self.type_in(id),
            Request::SaveDraft(id, draft) => self.save_draft(id, draft),
            Request::Remember(id, line) => {
                let written = self.cache.keep_line(id, &line);
                self.note(None, written);
            }
            Request::SaveSetting(name, value) => {
                let written = self.cache.keep_setting(&name, &value);
                self.note(None, written);
            }
            Request::Call(ticket, call) => self.call(ticket, call),
            Request::Reconnect => self.reconnect(),
            Request::Quit => self.quit = true,
        }
    }

    fn post(&mut self, pending: Pending) {
        let (id, conversation) = (pending.id, pending.conversation);
        if self.outbox.holds(id) {
            return;
        }
        let refused = if self.rooms.contains_key(&conversation) {
            // It is shown only when it is on the disk.
            self.cache.keep_pending(&pending).err().map(|error| format!("it could not be stored: {error}"))
        } else {
            Some("you are not in this conversation".to_owned())
        };
        match refused {
            None => {
                self.news.push_back(Update::Outbox(conversation, OutboxChange::Added(pending.clone())));
                self.outbox.add(pending, false);
            }
            Some(reason) => self.news.push_back(Update::Refused {
                id: Some(id),
                conversation,
                draft: Some(Draft { text: pending.body, reply_to: pending.reply_to, editing: pending.edits }),
                reason,
            }),
        }
    }

    fn say_now(&mut self, conversation: ConversationId, id: SendId, frame: ClientFrame) {
        if self.is_up() {
            self.asks.insert(id, conversation);
            self.outgoing.push_back(frame);
        } else {
            self.news.push_back(Update::Refused {
                id: None,
                conversation,
                draft: None,
                reason: "there is no connection".to_owned(),
            });
        }
    }

    fn retry(&mut self, id: SendId) {
        let Some(conversation) = self.outbox.retry(id) else { return };
        let written = self.cache.mark_pending(&[id], None);
        self.note(None, written);
        self.news.push_back(Update::Outbox(conversation, OutboxChange::Marked(id, None)));
        if !self.rooms.contains_key(&conversation) {
            self.fail_all(conversation);
        }
    }

    fn discard(&mut self, id: SendId) {
        let Some(conversation) = self.outbox.discard(id) else { return };
        let written = self.cache.drop_pending(id);
        self.note(None, written);
        self.news.push_back(Update::Outbox(conversation, OutboxChange::Gone(id)));
    }

    fn read(&mut self, id: ConversationId, seq: Seq) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.read(seq) {
            self.reads.mark(id, room.counts.read(), Instant::now());
            self.changed(id);
        }
    }

    fn type_in(&mut self, conversation_id: ConversationId) {
        let now = Instant::now();
        self.typing.retain(|_, said| now < *said + TYPING_PAUSE);
        if self.is_up() && !self.typing.contains_key(&conversation_id) {
            self.typing.insert(conversation_id, now);
            self.outgoing.push_back(ClientFrame::Typing { conversation_id });
        }
    }

    fn save_draft(&mut self, conversation: ConversationId, draft: Draft) {
        if let Err(error) = self.cache.keep_draft(conversation, &draft) {
            let reason = error.to_string();
            self.note(None, Err(error));
            self.news.push_back(Update::Unkept { conversation, draft, reason });
        }
    }

    fn reconnect(&mut self) {
        if let Link::Waiting(_) | Link::Stopped = self.link {
            self.backoff.reset();
            self.connect();
        }
    }
}
