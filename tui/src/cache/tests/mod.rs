//! The cache in all that can happen to its file, and to what is held of a history.

mod file;
mod history;

use super::*;
use crate::client::Pending;
use crate::home::Home;
use chat_shared::api::Message;
use chat_shared::{SendId, Seq};
use serde_json::json;
use std::path::PathBuf;
use tempfile::TempDir;
use uuid::Uuid;

fn seq(seq: i64) -> Seq {
    Seq::new(seq).unwrap()
}

fn rev(rev: i64) -> Rev {
    Rev::new(rev).unwrap()
}

fn id(id: i64) -> ConversationId {
    ConversationId::new(id).unwrap()
}

fn conversation(id: i64) -> Conversation {
    let room = json!({
        "id": id, "kind": "group", "name": format!("room-{id}"), "topic": "", "visibility": "public",
        "role": "member", "member_count": 2, "head_rev": 0, "last_seq": 0, "read_seq": 0, "unread": 0,
        "mentions": 0, "level": "all", "marked_unread": false
    });
    serde_json::from_value(room).unwrap()
}

fn message(id: i64, seq: i64, rev: i64) -> Message {
    let message = json!({
        "conversation_id": id, "seq": seq, "rev": rev, "kind": "text", "sent_at": 0,
        "body": format!("text {seq} at {rev}"),
        "sender": {"id": 2, "username": "bob", "display_name": "Bob"}
    });
    serde_json::from_value(message).unwrap()
}

fn messages(id: i64, seqs: std::ops::RangeInclusive<i64>) -> Vec<Message> {
    seqs.map(|seq| message(id, seq, seq)).collect()
}

fn span(id: i64, seqs: std::ops::RangeInclusive<i64>) -> Span {
    Span { from: seq(*seqs.start()), to: seq(*seqs.end()), messages: messages(id, seqs) }
}

fn pending(n: u128, conversation: i64, body: &str) -> Pending {
    Pending {
        id: SendId::from_uuid(Uuid::from_u128(n)),
        conversation: id(conversation),
        body: body.to_owned(),
        reply_to: None,
        edits: None,
        entered_at: 0,
        failed: None,
    }
}

fn draft(text: &str) -> Draft {
    Draft { text: text.to_owned(), reply_to: Some(seq(3)), editing: None }
}

fn bodies(stored: &Stored) -> Vec<&str> {
    stored.outbox.iter().map(|pending| pending.body.as_str()).collect()
}

fn seqs(span: Option<Span>) -> Vec<i64> {
    span.into_iter().flat_map(|span| span.messages).map(|message| message.seq.get()).collect()
}

fn home() -> (TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    (dir, home)
}

fn open(home: &Home) -> Opened {
    Cache::open(home, "http://127.0.0.1:1", "alice").unwrap()
}

fn file(home: &Home) -> PathBuf {
    home.file("cache-http%3a%2f%2f127.0.0.1%3a1-alice.db")
}
