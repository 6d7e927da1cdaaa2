//! Directs: the one conversation of two users.

use super::connection::Connection;
use super::conversations::{check_memberships, view};
use super::rows::{id, user_id};
use super::tx::{Fault, Tx};
use crate::store::{Change, StoreError};
use chat_shared::api::Conversation;
use chat_shared::{ConversationId, UserId, Username};

/// The two sides, and who of them has written.
pub(super) struct Direct {
    pub(super) low: UserId,
    pub(super) high: UserId,
    pub(super) low_wrote: bool,
    pub(super) high_wrote: bool,
}

pub(super) fn load(db: &Connection, conversation: ConversationId) -> Result<Direct, Fault> {
    db.row(
        "SELECT low_user, high_user, low_wrote, high_wrote FROM directs WHERE conversation_id = $1",
        &[&conversation.get()],
        |row| {
            Ok(Direct {
                low: id(row, 0)?,
                high: id(row, 1)?,
                low_wrote: row.try_get(2)?,
                high_wrote: row.try_get(3)?,
            })
        },
    )?
    .ok_or(Fault::Missing)
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
    let found: Option<ConversationId> = db.row(
        "SELECT conversation_id FROM directs WHERE low_user = $1 AND high_user = $2",
        &[&low.get(), &high.get()],
        |row| id(row, 0),
    )?;
    let conversation = match found {
        Some(conversation) => conversation,
        None => {
            let conversation: ConversationId = db
                .row(
                    "INSERT INTO conversations (kind, created_at) VALUES ('direct', $1) RETURNING id",
                    &[&now],
                    |row| id(row, 0),
                )?
                .ok_or(Fault::Missing)?;
            db.execute(
                "INSERT INTO directs (low_user, high_user, conversation_id) VALUES ($1, $2, $3)",
                &[&low.get(), &high.get(), &conversation.get()],
            )?;
            conversation
        }
    };
    let member: bool = db.value(
        "SELECT EXISTS (SELECT 1 FROM members WHERE conversation_id = $1 AND user_id = $2)",
        &[&conversation.get(), &actor.get()],
    )?;
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
fn enter(db: &Connection, conversation: ConversationId, user: UserId, now: i64) -> Result<bool, Fault> {
    let entered = db.execute(
        "INSERT INTO members (conversation_id, user_id, role, joined_at, read_seq) VALUES ($1, $2, 'member', $3, 0)
         ON CONFLICT DO NOTHING",
        &[&conversation.get(), &user.get(), &now],
    )?;
    if entered > 0 {
        db.execute(
            "UPDATE conversations SET member_count = member_count + 1 WHERE id = $1",
            &[&conversation.get()],
        )?;
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
    db.execute(
        &format!("UPDATE directs SET {column} = TRUE WHERE conversation_id = $1"),
        &[&conversation.get()],
    )?;
    let peer = if is_low { direct.high } else { direct.low };
    Ok(if enter(db, conversation, peer, now)? { Some(peer) } else { None })
}
