//! Messages to be shown: from the cache where it holds them, else from the server.

use super::answers::Done;
use super::run::Engine;
use super::{Update, Want};
use crate::cache::Span;
use crate::error::ClientError;
use chat_shared::api::MessagePage;
use chat_shared::id::MAX_SAFE_INTEGER;
use chat_shared::{ConversationId, Seq};
use std::time::{SystemTime, UNIX_EPOCH};

/// Messages that are read at once: several screens.
const PAGE: usize = 100;

/// Milliseconds since the epoch.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// What a page covers, or `None` if it is not what was asked for.
pub(super) fn span(id: ConversationId, want: Option<Want>, page: MessagePage) -> Option<Span> {
    let messages = page.messages;
    let in_order = messages.windows(2).all(|pair| pair[0].seq < pair[1].seq);
    if !in_order || messages.iter().any(|message| message.conversation_id != id || message.seq == Seq::MIN) {
        return None;
    }
    let first = messages.first().map(|message| message.seq.get());
    let last = messages.last().map(|message| message.seq.get());
    let head = page.head_rev.get();
    let begin = if page.has_before { first? } else { 0 };
    let end = if page.has_after { last? } else { head.max(last.unwrap_or(0)) };
    let (from, to) = match want {
        Some(Want::Before(seq)) => (begin, seq.get() - 1),
        Some(Want::After(seq)) => (seq.get() + 1, end),
        Some(Want::Around(_)) | None => (begin, end),
    };
    let fits = first.is_none_or(|first| first >= from) && last.is_none_or(|last| last <= to);
    let (from, to) = (Seq::new(from).ok()?, Seq::new(to).ok()?);
    fits.then_some(Span { from, to, messages })
}

impl Engine {
    /// A conversation is shown now.
    pub(super) fn open(&mut self, id: ConversationId) {
        self.opened = Some(id);
        if !self.rooms.contains_key(&id) {
            let error = ClientError::Other("you are not in this conversation.".to_owned());
            self.news.push_back(Update::LoadFailed(id, NEWEST, error));
            return;
        }
        let written = self.cache.keep_opened(id, now_ms());
        self.note(None, written);
        if let Some(at) = self.to_catch.iter().position(|other| *other == id) {
            self.to_catch.remove(at);
            self.to_catch.push_front(id);
        }
        if let Ok(Some(span)) = self.cache.newest(id, PAGE) {
            self.learn(id, &span);
            self.tell_page(id, span);
        }
        self.reach_head(id);
    }

    /// Asks for the newest page, where what is held does not end at the head.
    pub(super) fn reach_head(&mut self, id: ConversationId) {
        let Some(room) = self.rooms.get(&id) else { return };
        let cursor = room.follow.cursor();
        let held = self.cache.newest(id, PAGE).ok().flatten();
        let enough = held.is_some_and(|span| {
            span.to.as_rev() >= cursor && (span.messages.len() >= PAGE || span.from == Seq::MIN)
        });
        if !enough {
            self.ask(id, None);
        }
    }

    /// Messages that are not held by the interface.
    pub(super) fn load(&mut self, id: ConversationId, want: Want) {
        let held = match want {
            Want::Before(seq) => self.cache.before(id, seq, PAGE),
            Want::After(seq) => self.cache.after(id, seq, PAGE),
            Want::Around(seq) => self.cache.around(id, seq, PAGE),
        };
        match held {
            Ok(Some(span)) => self.tell_page(id, span),
            _ => self.ask(id, Some(want)),
        }
    }

    fn ask(&mut self, id: ConversationId, want: Option<Want>) {
        let (account, done) = (self.account.clone(), self.done.clone());
        let place = match want {
            Some(Want::Before(seq)) => format!("&before={seq}"),
            Some(Want::After(seq)) => format!("&after={seq}"),
            Some(Want::Around(seq)) => format!("&around={seq}"),
            None => String::new(),
        };
        tokio::spawn(async move {
            let page = account.get(&format!("/conversations/{id}/messages?limit={PAGE}{place}")).await;
            let _ = done.send(Done::Loaded(id, want, page));
        });
    }

    /// The server's answer.
    pub(super) fn loaded(
        &mut self,
        id: ConversationId,
        want: Option<Want>,
        page: Result<MessagePage, ClientError>,
    ) {
        let asked = want.unwrap_or(NEWEST);
        let page = match page {
            Ok(page) => page,
            Err(error) => return self.news.push_back(Update::LoadFailed(id, asked, error)),
        };
        let same = self.epoch.as_deref().is_none_or(|epoch| epoch == page.epoch);
        if !same || !self.rooms.contains_key(&id) {
            let error = ClientError::Other("it is not there any more.".to_owned());
            return self.news.push_back(Update::LoadFailed(id, asked, error));
        }
        let Some(span) = span(id, want, page) else {
            let error = ClientError::Other("the server's history is not in order.".to_owned());
            return self.news.push_back(Update::LoadFailed(id, asked, error));
        };
        if let Some(room) = self.rooms.get_mut(&id) {
            room.cached = true;
            room.grown += span.messages.len();
        }
        if self.epoch.is_some() && !self.unkept.contains(&id) {
            let written = self.cache.keep_span(id, &span);
            self.note(Some(id), written);
        }
        self.arrived(&span.messages);
        self.learn(id, &span);
        self.tell_page(id, span);
    }

    /// What is unread may be known one by one from now on.
    fn learn(&mut self, id: ConversationId, span: &Span) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.learn(span.from, span.to, &span.messages, &self.me) {
            self.changed(id);
        }
    }
}

/// The newest page has no place of its own to name.
const NEWEST: Want = match Seq::new(MAX_SAFE_INTEGER) {
    Ok(seq) => Want::Before(seq),
    Err(_) => Want::Before(Seq::MIN),
};
