//! Messages: sending, editing, deleting. Each takes its rev from the conversation's own row, inside
//! the transaction that stores the change.

use super::conversations::{check, check_writer, head_rev, view};
use super::rows::{id, load_message, take_rev, take_seq};
use super::tx::{Fault, Tx};
use super::{directs, rows};
use crate::auth::policy::Action;
use crate::planted::{Bug, planted};
use crate::store::key::key;
use crate::store::{Ack, Change, DeleteMessage, EditMessage, SendMessage, Sent, StoreError};
use chat_shared::api::{ConversationKind, Message, MessageKind, Notice, Sender};
use chat_shared::text::mentioned_names;
use chat_shared::{ConversationId, SendId, Seq, UserId, Username};
use rusqlite::{Connection, OptionalExtension as _, params};

pub(super) fn send(tx: &mut Tx<'_>, send: &SendMessage) -> Result<Sent, Fault> {
    let db = tx.db;
    // Before every other check: whatever became of the message or of its sender, the first answer stands.
    if let Some(ack) = known_send(tx, send.sender, &send.id)? {
        return Ok(Sent { ack, known: true });
    }
    if let Some(refusal) = &send.refuse_new {
        return Err(refusal.clone().into());
    }
    tx.check_space()?;
    let SendMessage { sender, conversation, reply_to, now, .. } = *send;
    let writer = check_writer(tx, sender, conversation)?;
    if let Some(parent) = reply_to {
        check_parent(db, conversation, parent)?;
    }
    let mentions = mentions(db, conversation, send.body.as_str(), &send.here)?;
    let seq = take_seq(tx, conversation, writer.head)?;
    let sql = "INSERT INTO messages (id, rev, sender_id, send_id, kind, body, sent_at, reply_to, mentions)
         VALUES (?1, ?2, ?3, ?4, 'text', ?5, ?6, ?7, ?8)";
    tx.send.insert.of(db, sql)?.execute(params![
        key(conversation, seq),
        seq.get(),
        sender.get(),
        send.id.as_bytes(),
        send.body.as_str(),
        now,
        reply_to.map(Seq::get),
        mentions_json(&mentions)
    ])?;
    let message = Message {
        conversation_id: conversation,
        seq,
        rev: seq.as_rev(),
        kind: MessageKind::Text,
        sender: writer.sender,
        id: Some(send.id),
        body: send.body.as_str().to_owned(),
        sent_at: now,
        edited_at: None,
        deleted_at: None,
        reply_to,
        reply_count: None,
        mentions,
        reactions: Vec::new(),
        event: None,
    };
    let mut joined = Vec::new();
    if writer.kind == ConversationKind::Direct
        && let Some(peer) = directs::wrote(db, conversation, sender, now)?
    {
        joined.push((peer, Box::new(view(db, peer, conversation, false)?)));
    }
    tx.changes.push(Change::Message { message: Box::new(message), joined, left: Vec::new() });
    if let Some(parent) = reply_to {
        count_reply(tx, conversation, parent, 1)?;
    }
    Ok(Sent { ack: Ack { conversation, seq, rev: seq.as_rev(), sent_at: now }, known: false })
}

pub(super) fn edit(tx: &mut Tx<'_>, edit: &EditMessage) -> Result<Ack, Fault> {
    let db = tx.db;
    if let Some(ack) = known_edit(db, edit.editor, &edit.id)? {
        if planted(Bug::LateEditWins) {
            db.prepare_cached("UPDATE messages SET body = ?2 WHERE id = ?1 AND deleted_at IS NULL")?
                .execute(params![key(ack.conversation, ack.seq), edit.body.as_str()])?;
        }
        return Ok(ack);
    }
    if let Some(refusal) = &edit.refuse_new {
        return Err(refusal.clone().into());
    }
    tx.check_space()?;
    let EditMessage { editor, conversation, seq, now, .. } = *edit;
    let before = target(db, editor, conversation, seq)?;
    check(db, editor, conversation, Action::Edit { own: before.sender.id == editor })?;
    let before = changeable(before)?;
    let mentions = mentions(db, conversation, edit.body.as_str(), &edit.here)?;
    let rev = take_rev(db, conversation)?;
    // The text as sent is kept with the first edit.
    db.prepare_cached(
        "INSERT INTO edits (conversation_id, seq, rev, editor_id, edit_id, body, edited_at)
         VALUES (?1, ?2, ?2, ?3, NULL, ?4, ?5) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        conversation.get(),
        seq.get(),
        before.sender.id.get(),
        before.body,
        before.sent_at
    ])?;
    db.prepare_cached(
        "INSERT INTO edits (conversation_id, seq, rev, editor_id, edit_id, body, edited_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        conversation.get(),
        seq.get(),
        rev.get(),
        editor.get(),
        edit.id.as_bytes(),
        edit.body.as_str(),
        now
    ])?;
    db.prepare_cached(
        "UPDATE messages SET rev = ?2, body = ?3, edited_at = ?4, mentions = ?5 WHERE id = ?1",
    )?
    .execute(params![
        key(conversation, seq),
        rev.get(),
        edit.body.as_str(),
        now,
        mentions_json(&mentions)
    ])?;
    if !planted(Bug::EditNotPublished) {
        tell(tx, conversation, seq)?;
    }
    Ok(Ack { conversation, seq, rev, sent_at: before.sent_at })
}

pub(super) fn delete(tx: &mut Tx<'_>, delete: &DeleteMessage) -> Result<Ack, Fault> {
    let db = tx.db;
    let DeleteMessage { actor, conversation, seq, now } = *delete;
    let before = target(db, actor, conversation, seq)?;
    check(db, actor, conversation, Action::Delete { own: before.sender.id == actor })?;
    if before.deleted_at.is_some() {
        return Ok(Ack { conversation, seq, rev: before.rev, sent_at: before.sent_at });
    }
    let before = changeable(before)?;
    let rev = take_rev(db, conversation)?;
    let body = if planted(Bug::DeleteKeepsText) { &before.body } else { "" };
    db.prepare_cached(
        "UPDATE messages SET rev = ?2, body = ?4, deleted_at = ?3, edited_at = NULL, mentions = NULL WHERE id = ?1",
    )?
    .execute(params![key(conversation, seq), rev.get(), now, body])?;
    let place = params![conversation.get(), seq.get()];
    db.prepare_cached("DELETE FROM reactions WHERE conversation_id = ?1 AND seq = ?2")?.execute(place)?;
    // The texts go; the ids stay, so that a late retry of an edit is still recognised.
    if !planted(Bug::DeleteKeepsEdits) {
        db.prepare_cached("UPDATE edits SET body = NULL WHERE conversation_id = ?1 AND seq = ?2")?
            .execute(place)?;
    }
    tell(tx, conversation, seq)?;
    if let Some(parent) = before.reply_to.filter(|_| !planted(Bug::ReplyCountWrong)) {
        count_reply(tx, conversation, parent, -1)?;
    }
    Ok(Ack { conversation, seq, rev, sent_at: before.sent_at })
}

/// Stores a notice. To be told of by the caller.
pub(super) fn insert_notice(
    tx: &mut Tx<'_>,
    conversation: ConversationId,
    sender: UserId,
    notice: Notice,
    now: i64,
) -> Result<Message, Fault> {
    let db = tx.db;
    let seq = take_seq(tx, conversation, head_rev(db, conversation)?)?;
    let event = serde_json::to_string(&notice).map_err(|_| StoreError::Internal)?;
    db.prepare_cached(
        "INSERT INTO messages (id, rev, sender_id, kind, body, sent_at, event) VALUES (?1, ?2, ?3, 'notice', '', ?4, ?5)",
    )?
    .execute(params![key(conversation, seq), seq.get(), sender.get(), now, event])?;
    Ok(Message {
        conversation_id: conversation,
        seq,
        rev: seq.as_rev(),
        kind: MessageKind::Notice,
        sender: sender_of(db, sender)?,
        id: None,
        body: String::new(),
        sent_at: now,
        edited_at: None,
        deleted_at: None,
        reply_to: None,
        reply_count: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        event: Some(notice),
    })
}

/// Tells of a message as it stands now.
pub(super) fn tell(tx: &mut Tx<'_>, conversation: ConversationId, seq: Seq) -> Result<(), Fault> {
    let message = Box::new(load_message(tx.db, conversation, seq)?);
    tx.changes.push(Change::Message { message, joined: Vec::new(), left: Vec::new() });
    Ok(())
}

/// The message that somebody wants to change, if they may see it.
pub(super) fn target(
    db: &Connection,
    actor: UserId,
    conversation: ConversationId,
    seq: Seq,
) -> Result<Message, Fault> {
    check(db, actor, conversation, Action::Read)?;
    let message = load_message(db, conversation, seq)?;
    match message.kind {
        MessageKind::Text => Ok(message),
        MessageKind::Notice => Err(StoreError::Conflict("A notice cannot be changed.").into()),
    }
}

/// Refuses tombstones.
pub(super) fn changeable(message: Message) -> Result<Message, Fault> {
    match message.deleted_at {
        None => Ok(message),
        Some(_) => Err(StoreError::Conflict("This message was deleted.").into()),
    }
}

fn sender_of(db: &Connection, sender: UserId) -> rusqlite::Result<Sender> {
    db.prepare_cached("SELECT id, username, display_name FROM users WHERE id = ?1")?
        .query_row([sender.get()], |row| {
            Ok(Sender { id: id(row, 0)?, username: rows::text(row, 1)?, display_name: row.get(2)? })
        })
}

fn known_send(tx: &mut Tx<'_>, sender: UserId, send_id: &SendId) -> rusqlite::Result<Option<Ack>> {
    if planted(Bug::SendLookupSkipped) {
        return Ok(None);
    }
    if planted(Bug::SentTwice) {
        let other = "UPDATE messages SET send_id = randomblob(16) WHERE sender_id = ?1 AND send_id = ?2";
        tx.db.execute(other, params![sender.get(), send_id.as_bytes()])?;
    }
    let sql = "SELECT conversation_id, seq, sent_at FROM messages WHERE sender_id = ?1 AND send_id = ?2
         UNION ALL
         SELECT conversation_id, seq, sent_at FROM retired_sends WHERE sender_id = ?1 AND send_id = ?2";
    tx.send
        .known
        .of(tx.db, sql)?
        .query_row(params![sender.get(), send_id.as_bytes()], |row| {
            let seq: Seq = id(row, 1)?;
            Ok(Ack { conversation: id(row, 0)?, seq, rev: seq.as_rev(), sent_at: row.get(2)? })
        })
        .optional()
}

fn known_edit(db: &Connection, editor: UserId, edit_id: &SendId) -> rusqlite::Result<Option<Ack>> {
    db.prepare_cached(
        "SELECT e.conversation_id, e.seq, e.rev, m.sent_at FROM edits e
         JOIN messages m ON m.id = (e.conversation_id << 32 | e.seq)
         WHERE e.editor_id = ?1 AND e.edit_id = ?2",
    )?
    .query_row(params![editor.get(), edit_id.as_bytes()], |row| {
        Ok(Ack { conversation: id(row, 0)?, seq: id(row, 1)?, rev: id(row, 2)?, sent_at: row.get(3)? })
    })
    .optional()
}

fn check_parent(db: &Connection, conversation: ConversationId, parent: Seq) -> Result<(), Fault> {
    let found = db
        .prepare_cached("SELECT kind, deleted_at IS NOT NULL FROM messages WHERE id = ?1")?
        .query_row([key(conversation, parent)], |row| {
            Ok((rows::word(row, 0, MessageKind::from_word)?, row.get::<_, bool>(1)?))
        })
        .optional()?;
    match found {
        Some((MessageKind::Text, false)) => Ok(()),
        Some((MessageKind::Text, true)) => {
            Err(StoreError::Conflict("The message that this one replies to was deleted.").into())
        }
        Some((MessageKind::Notice, _)) => Err(StoreError::Conflict("A notice cannot be replied to.").into()),
        None => Err(StoreError::Field {
            field: "reply_to",
            code: "unknown",
            detail: "must be the seq of a message in this conversation",
        }
        .into()),
    }
}

/// A reply came or went: its parent takes the next rev. A tombstone takes no further change.
fn count_reply(tx: &mut Tx<'_>, conversation: ConversationId, parent: Seq, by: i64) -> Result<(), Fault> {
    let db = tx.db;
    let alive: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM messages WHERE id = ?1 AND deleted_at IS NULL)")?
        .query_row([key(conversation, parent)], |row| row.get(0))?;
    if !alive {
        return Ok(());
    }
    let rev = take_rev(db, conversation)?;
    db.prepare_cached("UPDATE messages SET rev = ?2, reply_count = reply_count + ?3 WHERE id = ?1")?
        .execute(params![key(conversation, parent), rev.get(), by])?;
    tell(tx, conversation, parent)
}

/// The members that a text names.
fn mentions(
    db: &Connection,
    conversation: ConversationId,
    body: &str,
    here: &[Username],
) -> Result<Vec<Username>, Fault> {
    if !body.contains('@') {
        return Ok(Vec::new());
    }
    let mut named: Vec<Username> = Vec::new();
    let mut member = db.prepare_cached(
        "SELECT 1 FROM users u JOIN members m ON m.user_id = u.id
         WHERE u.username = ?1 AND u.deleted_at IS NULL AND m.conversation_id = ?2",
    )?;
    for name in mentioned_names(body) {
        if name == "here" {
            let more: Vec<_> = here.iter().filter(|name| !named.contains(name)).cloned().collect();
            named.extend(more);
        } else if (planted(Bug::MentionsStrangers) || member.exists(params![name, conversation.get()])?)
            && let Ok(name) = name.parse()
            && !named.contains(&name)
        {
            named.push(name);
        }
    }
    Ok(named)
}

fn mentions_json(mentions: &[Username]) -> Option<String> {
    if mentions.is_empty() { None } else { serde_json::to_string(mentions).ok() }
}
