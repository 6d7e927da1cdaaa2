//! Directs: the one conversation of two users.

use super::conversations::{check_memberships, view};
use super::rows::{id, user_id};
use super::tx::{Fault, Tx};
use crate::store::{Change, StoreError};
use chat_shared::api::Conversation;
use chat_shared::{ConversationId, UserId, Username};
use rusqlite::{Connection, OptionalExtension as _, params};

/// The two sides, and who of them has written.
pub(super) struct Direct {
    pub(super) low: UserId,
    pub(super) high: UserId,
    pub(super) low_wrote: bool,
    pub(super) high_wrote: bool,
}

pub(super) fn load(db: &Connection, conversation: ConversationId) -> rusqlite::Result<Direct> {
    db.prepare_cached(
        "SELECT low_user, high_user, low_wrote, high_wrote FROM directs WHERE conversation_id = ?1",
    )?
    .query_row([conversation.get()], |row| {
        Ok(Direct { low: id(row, 0)?, high: id(row, 1)?, low_wrote: row.get(2)?, high_wrote: row.get(3)? })
    })
}

pub(super) fn open(
    tx: &mut Tx<'_>,
    actor: UserId,
    peer: &Username,
    now: i64,
) -> Result<(Conversation, bool), Fault> {
    let db = tx.db;
    let peer = user_id(db, peer)?.ok_or(StoreError::NotFound)?;
    let (low, high) = (actor.min(peer), actor.max(peer));
    let found: Option<ConversationId> = db
        .prepare_cached("SELECT conversation_id FROM directs WHERE low_user = ?1 AND high_user = ?2")?
        .query_row(params![low.get(), high.get()], |row| id(row, 0))
        .optional()?;
    let conversation = match found {
        Some(conversation) => conversation,
        None => {
            tx.check_space()?;
            let conversation: ConversationId = db
                .prepare_cached(
                    "INSERT INTO conversations (kind, created_at) VALUES ('direct', ?1) RETURNING id",
                )?
                .query_row([now], |row| id(row, 0))?;
            db.prepare_cached(
                "INSERT INTO directs (low_user, high_user, conversation_id) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![low.get(), high.get(), conversation.get()])?;
            conversation
        }
    };
    let member: bool = db
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM members WHERE conversation_id = ?1 AND user_id = ?2)")?
        .query_row(params![conversation.get(), actor.get()], |row| row.get(0))?;
    if !member {
        check_memberships(db, actor)?;
        enter(db, conversation, actor, now)?;
        tx.changes.push(Change::Opened {
            user: actor,
            conversation: Box::new(view(db, actor, conversation, false)?),
        });
    }
    Ok((view(db, actor, conversation, true)?, found.is_none()))
}

/// Makes a side a member. True: it was not one.
fn enter(db: &Connection, conversation: ConversationId, user: UserId, now: i64) -> rusqlite::Result<bool> {
    let entered = db
        .prepare_cached(
            "INSERT INTO members (conversation_id, user_id, role, joined_at, read_seq) VALUES (?1, ?2, 'member', ?3, 0)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![conversation.get(), user.get(), now])?;
    if entered > 0 {
        db.prepare_cached("UPDATE conversations SET member_count = member_count + 1 WHERE id = ?1")?
            .execute([conversation.get()])?;
    }
    Ok(entered > 0)
}

/// Notes that a side has written. The first message also makes the other side a member, which is
/// returned then.
pub(super) fn wrote(
    db: &Connection,
    conversation: ConversationId,
    sender: UserId,
    now: i64,
) -> Result<Option<UserId>, Fault> {
    let direct = load(db, conversation)?;
    let is_low = sender == direct.low;
    if if is_low { direct.low_wrote } else { direct.high_wrote } {
        return Ok(None);
    }
    let column = if is_low { "low_wrote" } else { "high_wrote" };
    db.prepare_cached(&format!("UPDATE directs SET {column} = 1 WHERE conversation_id = ?1"))?
        .execute([conversation.get()])?;
    let peer = if is_low { direct.high } else { direct.low };
    Ok(if enter(db, conversation, peer, now)? { Some(peer) } else { None })
}
