//! Sessions and the rotation of their refresh tokens.

use super::rows::{USER, text, user as user_row, user_by_id};
use super::tx::{Fault, Tx};
use crate::auth::refresh::{Judgement, StoredRefresh, judge};
use crate::planted::{Bug, planted};
use crate::store::{Change, RefreshSession, Refreshed, SessionSeed, StoreError};
use chat_shared::api::{SessionEntry, User};
use chat_shared::{SessionId, UserId, limits};
use rusqlite::{Connection, OptionalExtension as _, params};

pub(super) fn create(tx: &mut Tx<'_>, user: UserId, seed: &SessionSeed, now: i64) -> Result<(), Fault> {
    // The account may have been disabled while its password was being hashed.
    let open: bool = tx
        .db
        .prepare_cached("SELECT disabled_at IS NULL AND deleted_at IS NULL FROM users WHERE id = ?1")?
        .query_row([user.get()], |row| row.get(0))?;
    if !open {
        return Err(StoreError::NotFound.into());
    }
    tx.db
        .prepare_cached(
            "INSERT INTO sessions (id, user_id, device_name, created_at, last_seen_at, expires_at, generation, token_hash)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, 0, ?6)",
        )?
        .execute(params![
            seed.id.as_str(),
            user.get(),
            seed.device_name.as_str(),
            now,
            seed.expires_at,
            seed.token_hash
        ])?;
    let surplus = tx
        .db
        .prepare_cached(
            "DELETE FROM sessions WHERE id IN
               (SELECT id FROM sessions WHERE user_id = ?1 AND id <> ?2
                ORDER BY expires_at > ?3 DESC, last_seen_at DESC LIMIT -1 OFFSET ?4)
             RETURNING id",
        )?
        .query_map(params![user.get(), seed.id.as_str(), now, limits::SESSIONS as i64 - 1], |row| {
            text(row, 0)
        })?
        .collect::<Result<Vec<SessionId>, _>>()?;
    if !surplus.is_empty() {
        sessions_ended(tx, user, Some(surplus), false);
    }
    Ok(())
}

pub(super) fn refresh(tx: &mut Tx<'_>, refresh: &RefreshSession) -> Result<Refreshed, Fault> {
    let session = refresh.presented.session();
    let found = tx
        .db
        .prepare_cached(
            "SELECT s.user_id, s.generation, s.token_hash, s.previous_hash, s.expires_at
             FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = ?1 AND s.expires_at > ?2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL",
        )?
        .query_row(params![session.as_str(), refresh.now], |row| {
            let stored = StoredRefresh {
                generation: row.get(1)?,
                current_hash: row.get(2)?,
                previous_hash: row.get(3)?,
                expires_at: row.get(4)?,
            };
            Ok((super::rows::id::<UserId>(row, 0)?, stored))
        })
        .optional()?;
    let Some((user, stored)) = found else { return Ok(Refreshed::Unknown) };
    match judge(&refresh.presented, &stored) {
        Judgement::Rotate => {
            tx.db
                .prepare_cached(
                    "UPDATE sessions SET generation = generation + 1, previous_hash = token_hash, token_hash = ?2,
                                         expires_at = ?3, last_seen_at = ?4
                     WHERE id = ?1",
                )?
                .execute(params![
                    session.as_str(),
                    refresh.next_hash,
                    stored.extended(refresh.expires_at),
                    refresh.now
                ])?;
            Ok(Refreshed::Good(user_by_id(tx.db, user)?))
        }
        // The answer was lost: the same next token once more. It differs from what is stored only
        // when the signing key was changed in between, and then this is the one that is received.
        Judgement::Repeat => {
            tx.db
                .prepare_cached("UPDATE sessions SET token_hash = ?2 WHERE id = ?1 AND token_hash <> ?2")?
                .execute(params![session.as_str(), refresh.next_hash])?;
            Ok(Refreshed::Good(user_by_id(tx.db, user)?))
        }
        Judgement::Reused => {
            end(tx, user, session)?;
            Ok(Refreshed::Reused)
        }
        Judgement::Unknown => Ok(Refreshed::Unknown),
    }
}

pub(super) fn end(tx: &mut Tx<'_>, user: UserId, session: &SessionId) -> Result<(), Fault> {
    if planted(Bug::EndedTokenAccepted) {
        sessions_ended(tx, user, Some(vec![session.clone()]), false);
        return Ok(());
    }
    let deleted = tx
        .db
        .prepare_cached("DELETE FROM sessions WHERE id = ?1 AND user_id = ?2")?
        .execute(params![session.as_str(), user.get()])?;
    if deleted == 0 {
        return Err(StoreError::NotFound.into());
    }
    sessions_ended(tx, user, Some(vec![session.clone()]), false);
    Ok(())
}

/// Ends every session of a user, perhaps except one.
pub(super) fn end_all(
    tx: &mut Tx<'_>,
    user: UserId,
    keep: Option<&SessionId>,
    disabled: bool,
) -> Result<(), Fault> {
    let ended = tx
        .db
        .prepare_cached("DELETE FROM sessions WHERE user_id = ?1 AND (?2 IS NULL OR id <> ?2) RETURNING id")?
        .query_map(params![user.get(), keep.map(SessionId::as_str)], |row| text(row, 0))?
        .collect::<Result<Vec<SessionId>, _>>()?;
    let sessions = keep.map(|_| ended);
    sessions_ended(tx, user, sessions, disabled);
    Ok(())
}

pub(super) fn user(db: &Connection, session: &SessionId, now: i64) -> Result<Option<User>, Fault> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT {USER} FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = ?1 AND s.expires_at > ?2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL"
        ))?
        .query_row(params![session.as_str(), now], user_row)
        .optional()?)
}

pub(super) fn list(db: &Connection, user: UserId, now: i64) -> Result<Vec<SessionEntry>, Fault> {
    Ok(db
        .prepare_cached(
            "SELECT id, device_name, created_at, last_seen_at FROM sessions WHERE user_id = ?1 AND expires_at > ?2
             ORDER BY created_at DESC, id",
        )?
        .query_map(params![user.get(), now], |row| {
            Ok(SessionEntry {
                id: text(row, 0)?,
                device_name: row.get(1)?,
                created_at: row.get(2)?,
                last_seen_at: row.get(3)?,
                current: false,
            })
        })?
        .collect::<Result<_, _>>()?)
}

/// Tells everyone concerned that a user's sessions ended.
fn sessions_ended(tx: &mut Tx<'_>, user: UserId, sessions: Option<Vec<SessionId>>, disabled: bool) {
    tx.changes.push(Change::SessionsEnded { user, sessions, disabled });
}
