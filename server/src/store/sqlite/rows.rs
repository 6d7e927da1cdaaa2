//! From rows to values. What stands in the database was checked when it went in; a value that is
//! wrong all the same is an error of the read, never a panic.

use super::tx::{Fault, Tx};
use crate::planted::{Bug, planted};
use crate::store::StoreError;
use crate::store::key::{SEQ_MAX, key};
use chat_shared::api::{Message, MessageKind, Notice, Reaction, Sender, User};
use chat_shared::limits::REACTION_USERS;
use chat_shared::{ConversationId, Rev, SendId, Seq, UserId, Username};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::str::FromStr;

fn wrong(index: usize, kind: Type, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, kind, Box::new(error))
}

/// An id.
pub(super) fn id<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: TryFrom<i64>,
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(row.get(index)?).map_err(|error| wrong(index, Type::Integer, error))
}

/// A checked text.
pub(super) fn text<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    row.get_ref(index)?.as_str()?.parse().map_err(|error| wrong(index, Type::Text, error))
}

#[derive(Debug, thiserror::Error)]
#[error("unknown word")]
struct UnknownWord;

/// One of the words of an enum.
pub(super) fn word<T>(row: &Row<'_>, index: usize, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    read(row.get_ref(index)?.as_str()?).ok_or_else(|| wrong(index, Type::Text, UnknownWord))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    let text = row.get_ref(index)?.as_str_or_null()?;
    text.map(serde_json::from_str).transpose().map_err(|error| wrong(index, Type::Text, error))
}

/// The columns of [`user`].
pub(super) const USER: &str = "u.id, u.username, u.display_name, u.status_text, u.created_at, u.last_seen_at";

/// A user. `online` is not for the store to know; who may see `last_seen_at` neither.
pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: id(row, 0)?,
        username: text(row, 1)?,
        display_name: row.get(2)?,
        status_text: row.get(3)?,
        created_at: row.get(4)?,
        online: None,
        last_seen_at: row.get(5)?,
    })
}

/// The user of this id.
pub(super) fn user_by_id(db: &Connection, user_id: UserId) -> rusqlite::Result<User> {
    db.prepare_cached(&format!("SELECT {USER} FROM users u WHERE u.id = ?1"))?
        .query_row([user_id.get()], user)
}

/// The id of an account that was not deleted.
pub(super) fn user_id(db: &Connection, username: &Username) -> rusqlite::Result<Option<UserId>> {
    db.prepare_cached("SELECT id FROM users WHERE username = ?1 AND deleted_at IS NULL")?
        .query_row([username.as_str()], |row| id(row, 0))
        .optional()
}

/// The columns of [`message`], from `messages m JOIN users u ON u.id = m.sender_id`.
pub(super) const MESSAGE: &str = "m.conversation_id, m.seq, m.rev, m.kind, m.sender_id, u.username, u.display_name, \
     m.send_id, m.body, m.sent_at, m.edited_at, m.deleted_at, m.reply_to, m.reply_count, m.mentions, m.event";

/// A message, without its reactions.
pub(super) fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let reply_count: u32 = row.get(13)?;
    Ok(Message {
        conversation_id: id(row, 0)?,
        seq: id(row, 1)?,
        rev: id(row, 2)?,
        kind: word(row, 3, MessageKind::from_word)?,
        sender: Sender { id: id(row, 4)?, username: text(row, 5)?, display_name: row.get(6)? },
        id: row.get::<_, Option<[u8; 16]>>(7)?.map(SendId::from_bytes),
        body: row.get(8)?,
        sent_at: row.get(9)?,
        edited_at: row.get(10)?,
        deleted_at: row.get(11)?,
        reply_to: row
            .get::<_, Option<i64>>(12)?
            .map(Seq::new)
            .transpose()
            .map_err(|e| wrong(12, Type::Integer, e))?,
        reply_count: (reply_count > 0).then_some(reply_count),
        mentions: json(row, 14)?.unwrap_or_default(),
        reactions: Vec::new(),
        event: json::<Notice>(row, 15)?,
    })
}

/// Fills in the reactions of messages that can have any.
pub(super) fn with_reactions(db: &Connection, mut messages: Vec<Message>) -> rusqlite::Result<Vec<Message>> {
    let mut statement = db.prepare_cached(
        "SELECT r.emoji, u.username FROM reactions r JOIN users u ON u.id = r.user_id
         WHERE r.conversation_id = ?1 AND r.seq = ?2 ORDER BY r.rev",
    )?;
    for message in &mut messages {
        // A reaction is a change: a message at its first rev has none.
        if message.rev == message.seq.as_rev() || message.deleted_at.is_some() {
            continue;
        }
        let mut rows = statement.query(params![message.conversation_id.get(), message.seq.get()])?;
        while let Some(row) = rows.next()? {
            let emoji = text(row, 0)?;
            let username = text(row, 1)?;
            match message.reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
                Some(reaction) => {
                    reaction.count += 1;
                    if reaction.users.len() < REACTION_USERS {
                        reaction.users.push(username);
                    }
                }
                None => message.reactions.push(Reaction { emoji, count: 1, users: vec![username] }),
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
    let found = db
        .prepare_cached(&format!(
            "SELECT {MESSAGE} FROM messages m JOIN users u ON u.id = m.sender_id WHERE m.id = ?1"
        ))?
        .query_row([key(conversation, seq)], message)
        .optional()?;
    let found = found.ok_or(StoreError::NotFound)?;
    with_reactions(db, vec![found])?.pop().ok_or(Fault::Domain(StoreError::Internal))
}

/// Takes the conversation's next rev, for a change to a message that exists.
pub(super) fn take_rev(db: &Connection, conversation: ConversationId) -> rusqlite::Result<Rev> {
    if planted(Bug::RevTwice) {
        return super::conversations::head_rev(db, conversation);
    }
    db.prepare_cached("UPDATE conversations SET head_rev = head_rev + 1 WHERE id = ?1 RETURNING head_rev")?
        .query_row([conversation.get()], |row| id(row, 0))
}

/// Takes the conversation's next rev, for a new message. `head`: its `head_rev`, read in this transaction and
/// since then unchanged. Asking the update for it (`RETURNING`) would make SQLite build and drop a
/// temporary table for every message.
pub(super) fn take_seq(tx: &mut Tx<'_>, conversation: ConversationId, head: Rev) -> Result<Seq, Fault> {
    let full = || StoreError::Conflict("This conversation is full. Start a new one.");
    let next = if planted(Bug::RevSkipped) { head.next().next() } else { head.next() };
    let seq = Seq::new(next.get()).ok().filter(|seq| seq.get() <= SEQ_MAX).ok_or_else(full)?;
    // The condition holds as long as the rule above does; if not, nothing is written over.
    let sql = "UPDATE conversations SET head_rev = ?2, last_seq = ?2 WHERE id = ?1 AND head_rev = ?3";
    let taken = tx.send.take_seq.of(tx.db, sql)?.execute([conversation.get(), seq.get(), head.get()])?;
    if taken == 1 { Ok(seq) } else { Err(StoreError::Internal.into()) }
}

/// Is this error a violation of a unique constraint?
pub(super) fn is_unique_violation(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|e| {
        e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
            || e.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
    })
}
