//! Messages: sending, editing, deleting. Each takes its rev from the conversation's own row, inside
//! the transaction that stores the change.

use super::connection::{Connection, Values};
use super::conversations::{check, check_writer, view};
use super::rows::{id, load_message, take_rev, take_seq};
use super::run::new_message;
use super::tx::{Fault, Tx};
use super::{directs, rows};
use crate::auth::policy::Action;
use crate::planted::{Bug, planted};
use crate::store::key::key;
use crate::store::{Ack, Change, DeleteMessage, EditMessage, SendMessage, Sent, StoreError};
use chat_shared::api::{ConversationKind, Message, MessageKind, Notice, Sender};
use chat_shared::text::mentioned_names;
use chat_shared::{ConversationId, SendId, Seq, UserId, Username};

pub(super) fn send(tx: &mut Tx<'_>, send: &SendMessage) -> Result<Sent, Fault> {
    match tx.run.as_mut().and_then(|run| run.send(send)) {
        Some(answer) => {
            let (sent, change) = answer?;
            tx.changes.extend(change);
            Ok(sent)
        }
        None => {
            tx.end_run()?;
            tx.savepoint(|tx| send_alone(tx, send))
        }
    }
}

fn send_alone(tx: &mut Tx<'_>, send: &SendMessage) -> Result<Sent, Fault> {
    let db = tx.db;
    let SendMessage { sender, conversation, reply_to, now, .. } = *send;
    // Its row is locked before anything is looked up, so that nobody stores the same meanwhile.
    db.execute("SELECT 1 FROM conversations WHERE id = $1 FOR UPDATE", &[&conversation.get()])?;
    // Before every other check: whatever became of the message or of its sender, the first answer stands.
    if let Some(ack) = known_send(tx, sender, &send.id)? {
        return Ok(Sent { ack, known: true });
    }
    if let Some(refusal) = &send.refuse_new {
        return Err(refusal.clone().into());
    }
    let writer = check_writer(db, sender, conversation)?;
    if let Some(parent) = reply_to {
        check_parent(db, conversation, parent)?;
    }
    let mentions = mentions(db, conversation, send.body.as_str(), &send.here)?;
    let seq = take_seq(tx, conversation)?;
    db.execute(
        "INSERT INTO messages (id, rev, sender_id, send_id, kind, body, sent_at, reply_to, mentions)
         VALUES ($1, $2, $3, $4, 'text', $5, $6, $7, $8)",
        &[
            &key(conversation, seq),
            &seq.get(),
            &sender.get(),
            &&send.id.as_bytes()[..],
            &send.body.as_str(),
            &now,
            &reply_to.map(Seq::get),
            &mentions_json(&mentions),
        ],
    )?;
    let message = Message { mentions, ..new_message(send, seq, writer.sender) };
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
            db.execute(
                "UPDATE messages SET body = $2 WHERE id = $1 AND deleted_at IS NULL",
                &[&key(ack.conversation, ack.seq), &edit.body.as_str()],
            )?;
        }
        return Ok(ack);
    }
    if let Some(refusal) = &edit.refuse_new {
        return Err(refusal.clone().into());
    }
    let EditMessage { editor, conversation, seq, now, .. } = *edit;
    let before = target(db, editor, conversation, seq)?;
    check(db, editor, conversation, Action::Edit { own: before.sender.id == editor })?;
    let before = changeable(before)?;
    let mentions = mentions(db, conversation, edit.body.as_str(), &edit.here)?;
    let rev = take_rev(db, conversation)?;
    // The text as sent is kept with the first edit.
    db.execute(
        "INSERT INTO edits (conversation_id, seq, rev, editor_id, edit_id, body, edited_at)
         VALUES ($1, $2, $2, $3, NULL, $4, $5) ON CONFLICT DO NOTHING",
        &[&conversation.get(), &seq.get(), &before.sender.id.get(), &before.body, &before.sent_at],
    )?;
    db.execute(
        "INSERT INTO edits (conversation_id, seq, rev, editor_id, edit_id, body, edited_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            &conversation.get(),
            &seq.get(),
            &rev.get(),
            &editor.get(),
            &&edit.id.as_bytes()[..],
            &edit.body.as_str(),
            &now,
        ],
    )?;
    db.execute(
        "UPDATE messages SET rev = $2, body = $3, edited_at = $4, mentions = $5 WHERE id = $1",
        &[&key(conversation, seq), &rev.get(), &edit.body.as_str(), &now, &mentions_json(&mentions)],
    )?;
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
    let body = if planted(Bug::DeleteKeepsText) { before.body.as_str() } else { "" };
    db.execute(
        "UPDATE messages SET rev = $2, body = $4, deleted_at = $3, edited_at = NULL, mentions = NULL WHERE id = $1",
        &[&key(conversation, seq), &rev.get(), &now, &body],
    )?;
    let place: Values<'_> = &[&conversation.get(), &seq.get()];
    db.execute("DELETE FROM reactions WHERE conversation_id = $1 AND seq = $2", place)?;
    // The texts go; the ids stay, so that a late retry of an edit is still recognised.
    if !planted(Bug::DeleteKeepsEdits) {
        db.execute("UPDATE edits SET body = NULL WHERE conversation_id = $1 AND seq = $2", place)?;
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
    let seq = take_seq(tx, conversation)?;
    let event = serde_json::to_string(&notice).map_err(|_| StoreError::Internal)?;
    db.execute(
        "INSERT INTO messages (id, rev, sender_id, kind, body, sent_at, event) VALUES ($1, $2, $3, 'notice', '', $4, $5)",
        &[&key(conversation, seq), &seq.get(), &sender.get(), &now, &event],
    )?;
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

fn sender_of(db: &Connection, sender: UserId) -> Result<Sender, Fault> {
    db.row("SELECT id, username, display_name FROM users WHERE id = $1", &[&sender.get()], |row| {
        Ok(Sender { id: id(row, 0)?, username: rows::text(row, 1)?, display_name: row.try_get(2)? })
    })?
    .ok_or(Fault::Missing)
}

fn known_send(tx: &mut Tx<'_>, sender: UserId, send_id: &SendId) -> Result<Option<Ack>, Fault> {
    if planted(Bug::SendLookupSkipped) {
        return Ok(None);
    }
    let this: Values<'_> = &[&sender.get(), &&send_id.as_bytes()[..]];
    if planted(Bug::SentTwice) {
        let other = "UPDATE messages SET send_id = decode(md5(random()::text), 'hex') WHERE sender_id = $1 AND send_id = $2";
        tx.db.execute(other, this)?;
    }
    tx.db.row(
        "SELECT conversation_id, seq, sent_at FROM messages WHERE sender_id = $1 AND send_id = $2
         UNION ALL
         SELECT conversation_id, seq, sent_at FROM retired_sends WHERE sender_id = $1 AND send_id = $2",
        this,
        |row| {
            let seq: Seq = id(row, 1)?;
            Ok(Ack { conversation: id(row, 0)?, seq, rev: seq.as_rev(), sent_at: row.try_get(2)? })
        },
    )
}

fn known_edit(db: &Connection, editor: UserId, edit_id: &SendId) -> Result<Option<Ack>, Fault> {
    db.row(
        "SELECT e.conversation_id, e.seq, e.rev, m.sent_at FROM edits e
         JOIN messages m ON m.id = (e.conversation_id << 32 | e.seq)
         WHERE e.editor_id = $1 AND e.edit_id = $2",
        &[&editor.get(), &&edit_id.as_bytes()[..]],
        |row| {
            Ok(Ack {
                conversation: id(row, 0)?,
                seq: id(row, 1)?,
                rev: id(row, 2)?,
                sent_at: row.try_get(3)?,
            })
        },
    )
}

fn check_parent(db: &Connection, conversation: ConversationId, parent: Seq) -> Result<(), Fault> {
    let found = db.row(
        "SELECT kind, deleted_at IS NOT NULL FROM messages WHERE id = $1",
        &[&key(conversation, parent)],
        |row| Ok((rows::word(row, 0, MessageKind::from_word)?, row.try_get::<_, bool>(1)?)),
    )?;
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
    let alive: bool = db.value(
        "SELECT EXISTS (SELECT 1 FROM messages WHERE id = $1 AND deleted_at IS NULL)",
        &[&key(conversation, parent)],
    )?;
    if !alive {
        return Ok(());
    }
    let rev = take_rev(db, conversation)?;
    db.execute(
        "UPDATE messages SET rev = $2, reply_count = reply_count + $3 WHERE id = $1",
        &[&key(conversation, parent), &rev.get(), &by],
    )?;
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
    let names = mentioned_names(body);
    let members = db.rows(
        "SELECT u.username FROM users u JOIN members m ON m.user_id = u.id
         WHERE u.username = ANY ($1) AND u.deleted_at IS NULL AND m.conversation_id = $2",
        &[&names, &conversation.get()],
        |row| Ok(row.try_get::<_, String>(0)?),
    )?;
    Ok(mentioned(names, here, |name| members.contains(name)))
}

/// Of the names in a text those of members; for `here`, those who are.
pub(super) fn mentioned(
    names: Vec<String>,
    here: &[Username],
    is_member: impl Fn(&String) -> bool,
) -> Vec<Username> {
    let mut mentioned: Vec<Username> = Vec::new();
    for name in names {
        if name == "here" {
            let more: Vec<_> = here.iter().filter(|name| !mentioned.contains(name)).cloned().collect();
            mentioned.extend(more);
        } else if (planted(Bug::MentionsStrangers) || is_member(&name))
            && let Ok(name) = name.parse()
            && !mentioned.contains(&name)
        {
            mentioned.push(name);
        }
    }
    mentioned
}

pub(super) fn mentions_json(mentions: &[Username]) -> Option<String> {
    if mentions.is_empty() { None } else { serde_json::to_string(mentions).ok() }
}
