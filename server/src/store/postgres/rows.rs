//! From rows to values. What stands in the database was checked when it went in; a value that is
//! wrong all the same is an error of the read, never a panic.

use super::connection::Connection;
use super::tx::{Fault, Tx};
use crate::planted::{Bug, planted};
use crate::store::StoreError;
use crate::store::key::{SEQ_MAX, key};
use chat_shared::api::{Message, MessageKind, Notice, Reaction, Sender, User};
use chat_shared::limits::REACTION_USERS;
use chat_shared::{ConversationId, Rev, SendId, Seq, UserId, Username};
use std::collections::HashMap;
use std::str::FromStr;
use tokio_postgres::Row;

fn wrong(index: usize, error: impl std::error::Error) -> Fault {
    tracing::error!(index, %error, "a value in the database is wrong");
    StoreError::Internal.into()
}

/// An id.
pub(super) fn id<T>(row: &Row, index: usize) -> Result<T, Fault>
where
    T: TryFrom<i64>,
    T::Error: std::error::Error,
{
    T::try_from(row.try_get(index)?).map_err(|error| wrong(index, error))
}

/// A number that is never negative.
pub(super) fn count(row: &Row, index: usize) -> Result<u32, Fault> {
    u32::try_from(row.try_get::<_, i64>(index)?).map_err(|error| wrong(index, error))
}

/// A checked text.
pub(super) fn text<T>(row: &Row, index: usize) -> Result<T, Fault>
where
    T: FromStr,
    T::Err: std::error::Error,
{
    row.try_get::<_, &str>(index)?.parse().map_err(|error| wrong(index, error))
}

#[derive(Debug, thiserror::Error)]
#[error("unknown word")]
struct UnknownWord;

/// One of the words of an enum.
pub(super) fn word<T>(row: &Row, index: usize, read: fn(&str) -> Option<T>) -> Result<T, Fault> {
    read(row.try_get(index)?).ok_or_else(|| wrong(index, UnknownWord))
}

/// One of the words of an enum, where there is one.
pub(super) fn word_or_null<T>(
    row: &Row,
    index: usize,
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    row.try_get::<_, Option<&str>>(index)?.map(|_| word(row, index, read)).transpose()
}

/// So many bytes, where there are any.
pub(super) fn bytes<const N: usize>(row: &Row, index: usize) -> Result<Option<[u8; N]>, Fault> {
    let bytes = row.try_get::<_, Option<&[u8]>>(index)?;
    bytes.map(TryInto::try_into).transpose().map_err(|error| wrong(index, error))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row, index: usize) -> Result<Option<T>, Fault> {
    let text = row.try_get::<_, Option<&str>>(index)?;
    text.map(serde_json::from_str).transpose().map_err(|error| wrong(index, error))
}

/// A text that somebody looks for. No text here has a NUL, and PostgreSQL takes none that has.
pub(super) fn sought(text: &str) -> String {
    text.replace('\0', "\u{FFFF}")
}

/// The columns of [`user`].
pub(super) const USER: &str = "u.id, u.username, u.display_name, u.status_text, u.created_at, u.last_seen_at";

/// A user. `online` is not for the store to know; who may see `last_seen_at` neither.
pub(super) fn user(row: &Row) -> Result<User, Fault> {
    Ok(User {
        id: id(row, 0)?,
        username: text(row, 1)?,
        display_name: row.try_get(2)?,
        status_text: row.try_get(3)?,
        created_at: row.try_get(4)?,
        online: None,
        last_seen_at: row.try_get(5)?,
    })
}

/// The user of this id.
pub(super) fn user_by_id(db: &Connection, user_id: UserId) -> Result<User, Fault> {
    db.row(&format!("SELECT {USER} FROM users u WHERE u.id = $1"), &[&user_id.get()], user)?
        .ok_or(Fault::Missing)
}

/// The users of these ids.
pub(super) fn users_by_id(
    db: &Connection,
    users: impl Iterator<Item = UserId>,
) -> Result<HashMap<UserId, User>, Fault> {
    let ids: Vec<i64> = users.map(UserId::get).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!("SELECT {USER} FROM users u WHERE u.id = ANY ($1)");
    let found = db.rows(&sql, &[&ids], user)?;
    Ok(found.into_iter().map(|user| (user.id, user)).collect())
}

/// The id of an account that was not deleted.
pub(super) fn user_id(db: &Connection, username: &Username) -> Result<Option<UserId>, Fault> {
    db.row("SELECT id FROM users WHERE username = $1 AND deleted_at IS NULL", &[&username.as_str()], |row| {
        id(row, 0)
    })
}

/// The columns of [`message`], from `messages m JOIN users u ON u.id = m.sender_id`.
pub(super) const MESSAGE: &str = "m.conversation_id, m.seq, m.rev, m.kind, m.sender_id, u.username, u.display_name, \
     m.send_id, m.body, m.sent_at, m.edited_at, m.deleted_at, m.reply_to, m.reply_count, m.mentions, m.event";

/// A message, without its reactions.
pub(super) fn message(row: &Row) -> Result<Message, Fault> {
    let reply_count = count(row, 13)?;
    Ok(Message {
        conversation_id: id(row, 0)?,
        seq: id(row, 1)?,
        rev: id(row, 2)?,
        kind: word(row, 3, MessageKind::from_word)?,
        sender: Sender { id: id(row, 4)?, username: text(row, 5)?, display_name: row.try_get(6)? },
        id: bytes(row, 7)?.map(SendId::from_bytes),
        body: row.try_get(8)?,
        sent_at: row.try_get(9)?,
        edited_at: row.try_get(10)?,
        deleted_at: row.try_get(11)?,
        reply_to: row
            .try_get::<_, Option<i64>>(12)?
            .map(Seq::new)
            .transpose()
            .map_err(|error| wrong(12, error))?,
        reply_count: (reply_count > 0).then_some(reply_count),
        mentions: json(row, 14)?.unwrap_or_default(),
        reactions: Vec::new(),
        event: json::<Notice>(row, 15)?,
    })
}

/// Fills in the reactions of messages that can have any, with one statement for all of them.
pub(super) fn with_reactions(db: &Connection, mut messages: Vec<Message>) -> Result<Vec<Message>, Fault> {
    // A reaction is a change: a message at its first rev has none.
    let may_have = |message: &Message| message.rev != message.seq.as_rev() && message.deleted_at.is_none();
    let keys: Vec<i64> =
        messages.iter().filter(|m| may_have(m)).map(|m| key(m.conversation_id, m.seq)).collect();
    if keys.is_empty() {
        return Ok(messages);
    }
    let found = db.rows(
        "SELECT k.id, r.emoji, u.username FROM unnest($1::bigint[]) AS k (id)
         JOIN reactions r ON r.conversation_id = k.id >> 32 AND r.seq = k.id & 4294967295
         JOIN users u ON u.id = r.user_id ORDER BY r.rev",
        &[&keys],
        |row| Ok((row.try_get::<_, i64>(0)?, text(row, 1)?, text::<Username>(row, 2)?)),
    )?;
    for message in messages.iter_mut().filter(|message| may_have(message)) {
        let own = key(message.conversation_id, message.seq);
        for (_, emoji, username) in found.iter().filter(|(of, _, _)| *of == own) {
            match message.reactions.iter_mut().find(|reaction| reaction.emoji == *emoji) {
                Some(reaction) => {
                    reaction.count += 1;
                    if reaction.users.len() < REACTION_USERS {
                        reaction.users.push(username.clone());
                    }
                }
                None => message.reactions.push(Reaction {
                    emoji: emoji.clone(),
                    count: 1,
                    users: vec![username.clone()],
                }),
            }
        }
    }
    Ok(messages)
}

/// A message as it stands now.
pub(super) fn load_message(
    db: &Connection,
    conversation: ConversationId,
    seq: Seq,
) -> Result<Message, Fault> {
    let found = db.row(
        &format!("SELECT {MESSAGE} FROM messages m JOIN users u ON u.id = m.sender_id WHERE m.id = $1"),
        &[&key(conversation, seq)],
        message,
    )?;
    let found = found.ok_or(StoreError::NotFound)?;
    with_reactions(db, vec![found])?.pop().ok_or(Fault::Missing)
}

/// The same of several, each of a conversation of its own.
pub(super) fn load_messages(
    db: &Connection,
    messages: impl Iterator<Item = (ConversationId, Seq)>,
) -> Result<HashMap<ConversationId, Message>, Fault> {
    let keys: Vec<i64> = messages.map(|(conversation, seq)| key(conversation, seq)).collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let sql =
        format!("SELECT {MESSAGE} FROM messages m JOIN users u ON u.id = m.sender_id WHERE m.id = ANY ($1)");
    let found = with_reactions(db, db.rows(&sql, &[&keys], message)?)?;
    Ok(found.into_iter().map(|message| (message.conversation_id, message)).collect())
}

/// Takes the conversation's next rev, for a change to a message that exists.
pub(super) fn take_rev(db: &Connection, conversation: ConversationId) -> Result<Rev, Fault> {
    if planted(Bug::RevTwice) {
        return super::conversations::head_rev(db, conversation);
    }
    db.row(
        "UPDATE conversations SET head_rev = head_rev + 1 WHERE id = $1 RETURNING head_rev",
        &[&conversation.get()],
        |row| id(row, 0),
    )?
    .ok_or(Fault::Missing)
}

/// The seq of a new message after this rev, if the conversation has room for one.
pub(super) fn seq_after(head: Rev) -> Result<Seq, StoreError> {
    let full = StoreError::Conflict("This conversation is full. Start a new one.");
    let next = if planted(Bug::RevSkipped) { head.next().next() } else { head.next() };
    Seq::new(next.get()).ok().filter(|seq| seq.get() <= SEQ_MAX).ok_or(full)
}

/// Takes the conversation's next rev, for a new message. Its row is locked from here to the commit.
pub(super) fn take_seq(tx: &mut Tx<'_>, conversation: ConversationId) -> Result<Seq, Fault> {
    let head: Rev = tx
        .db
        .row("SELECT head_rev FROM conversations WHERE id = $1 FOR UPDATE", &[&conversation.get()], |row| {
            id(row, 0)
        })?
        .ok_or(Fault::Missing)?;
    let seq = seq_after(head)?;
    tx.db.execute(
        "UPDATE conversations SET head_rev = $2, last_seq = $2 WHERE id = $1",
        &[&conversation.get(), &seq.get()],
    )?;
    Ok(seq)
}
