//! From frames to use cases, about a line a frame; and what a connection remembers between frames.

use super::link::Link;
use crate::chat::{Caller, Chat};
use crate::error::AppError;
use crate::hub::Connection as _;
use crate::planted::{Bug, planted};
use crate::store::{Ack, Reply, StoreError};
use chat_shared::frame::{ClientFrame, ServerFrame};
use chat_shared::limits::BAD_FRAMES;
use chat_shared::{ConversationId, SendId, Seq};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Read cursors are stored at most this often per conversation; what comes in between is folded.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// Typing is passed on at most this often per conversation.
const TYPING_PAUSE: Duration = Duration::from_secs(2);
/// How long after its expiry a token still holds a connection open, so that clients whose clock
/// starts at receipt are never cut for a round trip.
const EXPIRY_GRACE: Duration = Duration::from_secs(2);

pub(super) struct Dispatch {
    chat: Arc<Chat>,
    caller: Caller,
    link: Arc<Link>,
    bad_frames: u32,
    /// When the access token expires.
    expires: Instant,
    reads: Vec<ReadMark>,
    typing: Vec<(ConversationId, Instant)>,
}

/// A conversation's cursor: when it was last stored, and what waits to be.
struct ReadMark {
    conversation: ConversationId,
    stored: Instant,
    waiting: Option<Seq>,
}

impl Dispatch {
    /// `expires_at`: seconds since the epoch.
    pub(super) fn new(chat: Arc<Chat>, caller: Caller, expires_at: i64, link: Arc<Link>) -> Self {
        let expires = expiry(&chat, expires_at);
        Self { chat, caller, link, bad_frames: 0, expires, reads: Vec::new(), typing: Vec::new() }
    }

    pub(super) fn chat(&self) -> &Chat {
        &self.chat
    }

    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Handles a text frame. False: it was one bad frame too many.
    pub(super) fn text(&mut self, text: &str, now: Instant) -> bool {
        match ClientFrame::parse(text) {
            Ok(frame) => {
                self.bad_frames = 0;
                self.frame(frame, now);
                true
            }
            Err(bad) => {
                self.bad_frames += 1;
                self.link.reply(&ServerFrame::Error {
                    id: bad.id,
                    code: bad.code,
                    detail: bad.detail,
                    retry_after_ms: None,
                });
                self.bad_frames < BAD_FRAMES || planted(Bug::BadFramesForgiven)
            }
        }
    }

    fn frame(&mut self, frame: ClientFrame, now: Instant) {
        match frame {
            ClientFrame::Send { id, conversation_id, body, reply_to } => {
                // A message ends the notice: what is written next is news again.
                self.typing.retain(|(conversation, _)| *conversation != conversation_id);
                let reply = self.acknowledge(id);
                let reply: Reply<_> =
                    Box::new(move |sent: Result<crate::store::Sent, _>| reply(sent.map(|sent| sent.ack)));
                self.chat.send_message(&self.caller, id, conversation_id, body, reply_to, reply);
            }
            ClientFrame::Edit { id, conversation_id, seq, body } => {
                self.chat.edit_message(&self.caller, id, conversation_id, seq, body, self.acknowledge(id));
            }
            ClientFrame::Delete { id, conversation_id, seq } => {
                self.chat.delete_message(&self.caller, conversation_id, seq, self.acknowledge(id));
            }
            ClientFrame::React { id, conversation_id, seq, emoji, on } => {
                self.chat.react(&self.caller, conversation_id, seq, emoji, on, self.acknowledge(id));
            }
            ClientFrame::Read { conversation_id, seq } => self.read(conversation_id, seq, now),
            ClientFrame::Typing { conversation_id } => self.type_in(conversation_id, now),
            ClientFrame::Auth { id, access_token } => self.renew(id, &access_token),
            ClientFrame::Ping { id } => self.link.reply(&ServerFrame::Pong { id }),
        }
    }

    /// A reply that answers with `ack` or `error`.
    fn acknowledge(&self, id: SendId) -> Reply<Ack> {
        self.link.begin();
        let link = self.link.clone();
        Box::new(move |result| {
            match result {
                Ok(Ack { conversation, seq, rev, sent_at }) => {
                    link.reply(&ServerFrame::Ack { id, conversation_id: conversation, seq, rev, sent_at });
                }
                Err(error) => refuse(&link, Some(id.to_string()), error.into()),
            }
            link.finish();
        })
    }

    fn read(&mut self, conversation: ConversationId, seq: Seq, now: Instant) {
        self.reads.retain(|mark| mark.waiting.is_some() || now < mark.stored + READ_PAUSE);
        match self.reads.iter_mut().find(|mark| mark.conversation == conversation) {
            Some(mark) => mark.waiting = mark.waiting.max(Some(seq)),
            // Told before the writer is asked, or a flood of them would keep it from others.
            None if !self.chat.hub().is_member(self.caller.user, conversation) => {
                refuse(&self.link, None, AppError::not_found());
            }
            None => {
                self.reads.push(ReadMark { conversation, stored: now, waiting: None });
                self.store_read(conversation, seq);
            }
        }
    }

    fn store_read(&self, conversation: ConversationId, seq: Seq) {
        self.link.begin();
        let link = self.link.clone();
        let reply: Reply<_> = Box::new(move |result: Result<_, StoreError>| {
            if let Err(error) = result {
                refuse(&link, None, error.into());
            }
            link.finish();
        });
        self.chat.mark_read(&self.caller, conversation, seq, Some(self.link.id()), reply);
    }

    fn type_in(&mut self, conversation: ConversationId, now: Instant) {
        self.typing.retain(|(_, at)| now < *at + TYPING_PAUSE);
        if self.typing.iter().any(|(other, _)| *other == conversation) {
            return;
        }
        if self.chat.hub().typing(self.caller.user, conversation) {
            self.typing.push((conversation, now));
        } else {
            refuse(&self.link, None, AppError::not_found());
        }
    }

    /// A fresh token of the same user and session; any other changes nothing.
    fn renew(&mut self, id: String, access_token: &str) {
        let verified = self.chat.verify_access(access_token).and_then(|claims| {
            if claims.user == self.caller.user && claims.session == self.caller.session {
                Ok(claims)
            } else {
                Err(AppError::unauthorized("This token belongs to another user or session."))
            }
        });
        match verified {
            Ok(claims) => {
                self.expires = expiry(&self.chat, claims.expires_at);
                let expires_in = (claims.expires_at - self.chat.now() / 1000).max(0).unsigned_abs();
                self.link.reply(&ServerFrame::AuthOk { id, expires_in });
            }
            Err(error) => refuse(&self.link, Some(id), error),
        }
    }

    /// When to look at the clock next.
    pub(super) fn next_alarm(&self) -> Instant {
        let waiting = self.reads.iter().filter(|mark| mark.waiting.is_some());
        waiting.map(|mark| mark.stored + READ_PAUSE).fold(self.expires, Instant::min)
    }

    /// Looks at the clock. True: the token has expired.
    pub(super) fn ring(&mut self, now: Instant) -> bool {
        for at in 0..self.reads.len() {
            let mark = &mut self.reads[at];
            if now >= mark.stored + READ_PAUSE
                && let Some(seq) = mark.waiting.take()
            {
                mark.stored = now;
                let conversation = mark.conversation;
                self.store_read(conversation, seq);
            }
        }
        now >= self.expires
    }

    /// The connection ends: what was folded is stored.
    pub(super) fn finish(&mut self) {
        for mark in std::mem::take(&mut self.reads) {
            if let Some(seq) = mark.waiting {
                self.store_read(mark.conversation, seq);
            }
        }
    }
}

fn expiry(chat: &Chat, expires_at: i64) -> Instant {
    let left = expires_at.saturating_mul(1000).saturating_sub(chat.now()).clamp(0, 1 << 40);
    Instant::now() + Duration::from_millis(left.unsigned_abs()) + EXPIRY_GRACE
}

fn refuse(link: &Link, id: Option<String>, error: AppError) {
    let retry_after_ms = error.retry_after.map(|after| after.as_millis().try_into().unwrap_or(u64::MAX));
    link.reply(&ServerFrame::Error { id, code: error.code, detail: error.detail, retry_after_ms });
}
