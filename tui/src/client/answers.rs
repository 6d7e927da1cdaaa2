//! Tasks over HTTP: begun where there is room for them, and what they bring.

use super::calls::{self, Brought};
use super::catchup::{Caught, catch_up};
use super::follow::FAR;
use super::link::GiveUp;
use super::loader;
use super::run::Engine;
use super::{Call, Connection, Ticket, Update, Want};
use crate::cache::Span;
use crate::error::ClientError;
use crate::net::ws::Socket;
use chat_shared::api::{Conversation, MessagePage, SettingsRequest};
use chat_shared::frame::{ClientFrame, ServerFrame};
use chat_shared::limits::FRAME_MAX_BYTES;
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, ErrorCode, Rev};
use std::time::Duration;
use tokio::time::Instant;

/// Conversations that are read anew at once: the opened one must not wait for a hundred others.
const CATCHING_AT_ONCE: usize = 4;
/// After a reading that did not work, and between two questions for counts.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause that a server can ask for.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What a task brings.
pub(super) enum Done {
    /// A connection, with its first frame.
    Connected(Result<(Box<Socket>, Box<ServerFrame>), ClientError>),
    /// What a conversation has missed since this rev.
    Caught(ConversationId, Rev, Result<Caught, ClientError>),
    /// Every conversation, after events were dropped; and those that were known when it was asked for.
    Listed(Vec<ConversationId>, Result<Vec<Conversation>, ClientError>),
    /// One conversation, to settle its counts.
    Told(ConversationId, Result<Box<Conversation>, ClientError>),
    /// Messages that were to be shown; `None`: the newest.
    Loaded(ConversationId, Option<Want>, Result<MessagePage, ClientError>),
    /// An errand of the interface.
    Called(Ticket, Result<Brought, ClientError>),
    /// The mark "unread".
    Marked(ConversationId, Result<Brought, ClientError>),
}

/// How long to wait after this error.
fn pause(error: &ClientError) -> Duration {
    match error {
        ClientError::Api { retry_after: Some(asked), .. } => (*asked).clamp(PAUSE, PAUSE_MAX),
        _ => PAUSE,
    }
}

fn code(error: &ClientError) -> Option<ErrorCode> {
    match error {
        ClientError::Api { problem, .. } => Some(problem.code),
        _ => None,
    }
}

impl Engine {
    /// Begins everything whose time has come.
    pub(super) fn settle_all(&mut self) {
        if !self.is_up() {
            return;
        }
        let now = Instant::now();
        for (conversation_id, seq) in self.reads.due(now, self.quit) {
            self.outgoing.push_back(ClientFrame::Read { conversation_id, seq });
        }
        if self.quit {
            return;
        }
        self.send_due(now);
        while self.catching.len() < CATCHING_AT_ONCE && now >= self.catch_at {
            let Some(id) = self.to_catch.pop_front() else { break };
            self.begin_catching(id);
        }
        if self.settling.is_none() && now >= self.settle_at {
            self.begin_settling();
        }
        self.tell_online();
    }

    fn send_due(&mut self, now: Instant) {
        for pending in self.outbox.due(now) {
            let frame = match (MessageBody::new(pending.body.as_str()), pending.edits) {
                (Err(error), _) => return self.refused(pending.id, &format!("the text {error}")),
                (Ok(body), Some(seq)) => {
                    ClientFrame::Edit { id: pending.id, conversation_id: pending.conversation, seq, body }
                }
                (Ok(body), None) => ClientFrame::Send {
                    id: pending.id,
                    conversation_id: pending.conversation,
                    body,
                    reply_to: pending.reply_to,
                },
            };
            // The server would end the connection for it.
            if frame.to_json().len() > self.limits.frame.min(FRAME_MAX_BYTES) {
                self.refused(pending.id, "the text has too many characters that cannot be sent as they are");
                continue;
            }
            self.outgoing.push_back(frame);
        }
    }

    /// Reads what a conversation has missed, as soon as there is room.
    pub(super) fn catch(&mut self, id: ConversationId) {
        if self.catching.contains_key(&id) || self.to_catch.contains(&id) {
            return;
        }
        if self.opened == Some(id) {
            self.to_catch.push_front(id);
        } else {
            self.to_catch.push_back(id);
        }
    }

    fn begin_catching(&mut self, id: ConversationId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let since = room.follow.cursor();
        let far = room.conversation.head_rev.get() - since.get() > FAR;
        let held_to = self.held_to(id);
        let (account, done) = (self.account.clone(), self.done.clone());
        let task = tokio::spawn(async move {
            let caught = catch_up(account, id, since, far, held_to).await;
            let _ = done.send(Done::Caught(id, since, caught));
        });
        self.catching.insert(id, task);
    }

    fn begin_settling(&mut self) {
        // While it is behind the answer may be of another moment than what is known.
        let rooms = &self.rooms;
        let is_behind = |id: &ConversationId| rooms.get(id).is_some_and(|room| room.follow.is_behind());
        let Some(id) = self.doubts.iter().copied().find(|id| !is_behind(id)) else { return };
        self.doubts.remove(&id);
        let (account, done) = (self.account.clone(), self.done.clone());
        self.settling = Some(tokio::spawn(async move {
            let told = account.get(&format!("/conversations/{id}")).await;
            let _ = done.send(Done::Told(id, told));
        }));
    }

    /// Something was brought.
    pub(super) fn done(&mut self, done: Done) {
        match done {
            Done::Connected(Ok(_)) => {}
            Done::Connected(Err(error)) => self.not_connected(error),
            Done::Caught(id, since, caught) => {
                if self.catching.remove(&id).is_some() {
                    self.caught(id, since, caught);
                }
            }
            Done::Listed(..) if !self.is_up() => {}
            Done::Listed(known, Ok(all)) => {
                self.list(all, None, Some(&known));
            }
            Done::Listed(_, Err(error)) => self.give_up = Some(GiveUp::ForNow(error.to_string())),
            Done::Told(id, told) => self.settled(id, told),
            Done::Loaded(id, want, page) => self.loaded(id, want, page),
            Done::Called(ticket, brought) => {
                let answer = brought.map(|brought| self.brought(brought));
                self.news.push_back(Update::Answer(ticket, answer));
            }
            Done::Marked(_, Ok(brought)) => {
                self.brought(brought);
            }
            Done::Marked(conversation, Err(error)) => {
                let reason = error.to_string();
                self.news.push_back(Update::Refused { id: None, conversation, draft: None, reason });
            }
        }
    }

    fn not_connected(&mut self, error: ClientError) {
        match error {
            ClientError::NotLoggedIn => self.logged_out("you are not logged in any more".to_owned()),
            ClientError::Closed(reason) => self.stopped(reason),
            error if error.ends_session() => self.logged_out(error.to_string()),
            ClientError::Other(reason) => self.stopped(reason),
            error => {
                let asked = match &error {
                    ClientError::Api { retry_after, .. } => *retry_after,
                    _ => None,
                };
                self.lost_because(asked, error.to_string());
            }
        }
    }

    fn caught(&mut self, id: ConversationId, since: Rev, caught: Result<Caught, ClientError>) {
        let epoch = self.epoch.clone().unwrap_or_default();
        let Some(room) = self.rooms.get_mut(&id) else { return };
        match caught {
            Ok(Caught::Near(changes)) if changes.epoch == epoch && changes.head_rev >= since => {
                room.apply(&changes.messages, &self.me);
                room.caught_up(changes.head_rev, changes.unread, changes.mentions);
                self.release(id, since, changes.head_rev, changes.messages);
                self.tell_conversation(id);
            }
            Ok(Caught::Far { page, changed, head }) if page.epoch == epoch && page.head_rev >= since => {
                let cursor = page.head_rev.min(head);
                let span = loader::span(id, None, page);
                let Some(span) = span else {
                    self.give_up = Some(GiveUp::ForGood("its history is not in order".to_owned()));
                    return;
                };
                room.jumped(cursor);
                self.jumped(id, cursor, span, changed);
            }
            // Another database: the next `ready` tells.
            Ok(_) => self.give_up = Some(GiveUp::ForNow("its database was restored".to_owned())),
            Err(error) if code(&error) == Some(ErrorCode::NotFound) => self.remove(id),
            Err(error) if error.is_retryable() => {
                self.catch_at = Instant::now() + pause(&error);
                self.catch(id);
            }
            Err(error) => self.give_up = Some(GiveUp::ForNow(error.to_string())),
        }
    }

    /// The newest page was read, and what had changed of what is held.
    fn jumped(
        &mut self,
        id: ConversationId,
        cursor: Rev,
        span: Span,
        changed: Vec<chat_shared::api::Message>,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        room.cached = true;
        let conversation = room.conversation.clone();
        self.unkept.remove(&id);
        let written = self.cache.keep_jump(&conversation, cursor, &span, &changed);
        self.note(Some(id), written);
        self.arrived(&span.messages);
        self.arrived(&changed);
        self.tell_page(id, span);
        self.tell_changed(id, cursor, changed);
        // Names and counts of what lies in the gap are the server's to tell.
        self.doubts.insert(id);
        self.release(id, cursor, cursor, Vec::new());
    }

    fn settled(&mut self, id: ConversationId, told: Result<Box<Conversation>, ClientError>) {
        self.settling = None;
        self.settle_at = Instant::now();
        match told {
            Ok(told) if told.id == id => {
                let limit = self.limits.unread;
                let Some(room) = self.rooms.get_mut(&id) else { return };
                let changed = room.told(*told, limit);
                if room.counts.is_in_doubt() {
                    self.settle_at += PAUSE;
                    self.doubts.insert(id);
                }
                if changed {
                    self.changed(id);
                }
            }
            Ok(_) => {}
            Err(error) if code(&error) == Some(ErrorCode::NotFound) => self.remove(id),
            Err(error) => {
                self.settle_at += pause(&error);
                self.doubts.insert(id);
            }
        }
    }

    /// Begins an errand.
    pub(super) fn call(&mut self, ticket: Ticket, call: Call) {
        let (account, done, calls) = (self.account.clone(), self.done.clone(), self.calls.clone());
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _turn = calls.acquire().await;
            let _ = done.send(Done::Called(ticket, calls::run(&account, call).await));
        });
    }

    /// Sets or clears the mark "unread".
    pub(super) fn mark_unread(&mut self, id: ConversationId, on: bool) {
        let (account, done) = (self.account.clone(), self.done.clone());
        let body = SettingsRequest { marked_unread: Some(on), ..SettingsRequest::default() };
        tokio::spawn(async move {
            let _ = done.send(Done::Marked(id, calls::settings(&account, id, &body).await));
        });
    }

    fn brought(&mut self, brought: Brought) -> super::Answer {
        if let Some(conversation) = brought.conversation {
            self.told(*conversation);
        }
        if let Some(id) = brought.left {
            self.remove(id);
        }
        if let super::Answer::Messages(messages) = &brought.answer {
            self.arrived(messages);
        }
        if brought.logged_out {
            self.logged_out("you have logged out".to_owned());
        }
        brought.answer
    }
}

impl Connection {
    /// Is it there?
    pub fn is_up(&self) -> bool {
        matches!(self, Self::CatchingUp | Self::Online { .. })
    }
}
