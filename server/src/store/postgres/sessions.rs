//! Sessions and the rotation of their refresh tokens.

use super::connection::Connection;
use super::rows::{USER, bytes, id, text, user as user_row, user_by_id};
use super::tx::{Fault, Tx};
use crate::auth::refresh::{Judgement, StoredRefresh, judge};
use crate::planted::{Bug, planted};
use crate::store::{Change, RefreshSession, Refreshed, SessionSeed, StoreError};
use chat_shared::api::{SessionEntry, User};
use chat_shared::{SessionId, UserId, limits};

pub(super) fn create(tx: &mut Tx<'_>, user: UserId, seed: &SessionSeed, now: i64) -> Result<(), Fault> {
    // The account may have been disabled while its password was being hashed.
    let open: bool = tx.db.value(
        "SELECT disabled_at IS NULL AND deleted_at IS NULL FROM users WHERE id = $1",
        &[&user.get()],
    )?;
    if !open {
        return Err(StoreError::NotFound.into());
    }
    tx.db.execute(
        "INSERT INTO sessions (id, user_id, device_name, created_at, last_seen_at, expires_at, generation, token_hash)
         VALUES ($1, $2, $3, $4, $4, $5, 0, $6)",
        &[
            &seed.id.as_str(),
            &user.get(),
            &seed.device_name.as_str(),
            &now,
            &seed.expires_at,
            &&seed.token_hash[..],
        ],
    )?;
    let surplus = tx.db.rows(
        "DELETE FROM sessions WHERE id IN
           (SELECT id FROM sessions WHERE user_id = $1 AND id <> $2
            ORDER BY expires_at > $3 DESC, last_seen_at DESC OFFSET $4)
         RETURNING id",
        &[&user.get(), &seed.id.as_str(), &now, &(limits::SESSIONS as i64 - 1)],
        |row| text::<SessionId>(row, 0),
    )?;
    if !surplus.is_empty() {
        sessions_ended(tx, user, Some(surplus), false);
    }
    Ok(())
}

pub(super) fn refresh(tx: &mut Tx<'_>, refresh: &RefreshSession) -> Result<Refreshed, Fault> {
    let session = refresh.presented.session();
    let found = tx.db.row(
        "SELECT s.user_id, s.generation, s.token_hash, s.previous_hash, s.expires_at
         FROM sessions s JOIN users u ON u.id = s.user_id
         WHERE s.id = $1 AND s.expires_at > $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL",
        &[&session.as_str(), &refresh.now],
        |row| {
            let stored = StoredRefresh {
                generation: row.try_get(1)?,
                current_hash: bytes(row, 2)?.ok_or(Fault::Missing)?,
                previous_hash: bytes(row, 3)?,
                expires_at: row.try_get(4)?,
            };
            Ok((id::<UserId>(row, 0)?, stored))
        },
    )?;
    let Some((user, stored)) = found else { return Ok(Refreshed::Unknown) };
    match judge(&refresh.presented, &stored) {
        Judgement::Rotate => {
            tx.db.execute(
                "UPDATE sessions SET generation = generation + 1, previous_hash = token_hash, token_hash = $2,
                                     expires_at = $3, last_seen_at = $4
                 WHERE id = $1",
                &[&session.as_str(), &&refresh.next_hash[..], &stored.extended(refresh.expires_at), &refresh.now],
            )?;
            Ok(Refreshed::Good(user_by_id(tx.db, user)?))
        }
        // The answer was lost: the same next token once more. It differs from what is stored only
        // when the signing key was changed in between, and then this is the one that is received.
        Judgement::Repeat => {
            tx.db.execute(
                "UPDATE sessions SET token_hash = $2 WHERE id = $1 AND token_hash <> $2",
                &[&session.as_str(), &&refresh.next_hash[..]],
            )?;
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
        .execute("DELETE FROM sessions WHERE id = $1 AND user_id = $2", &[&session.as_str(), &user.get()])?;
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
    let ended = tx.db.rows(
        "DELETE FROM sessions WHERE user_id = $1 AND ($2::text IS NULL OR id <> $2) RETURNING id",
        &[&user.get(), &keep.map(SessionId::as_str)],
        |row| text::<SessionId>(row, 0),
    )?;
    let sessions = keep.map(|_| ended);
    sessions_ended(tx, user, sessions, disabled);
    Ok(())
}

pub(super) fn user(db: &Connection, session: &SessionId, now: i64) -> Result<Option<User>, Fault> {
    db.row(
        &format!(
            "SELECT {USER} FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.id = $1 AND s.expires_at > $2 AND u.disabled_at IS NULL AND u.deleted_at IS NULL"
        ),
        &[&session.as_str(), &now],
        user_row,
    )
}

pub(super) fn list(db: &Connection, user: UserId, now: i64) -> Result<Vec<SessionEntry>, Fault> {
    db.rows(
        "SELECT id, device_name, created_at, last_seen_at FROM sessions WHERE user_id = $1 AND expires_at > $2
         ORDER BY created_at DESC, id",
        &[&user.get(), &now],
        |row| {
            Ok(SessionEntry {
                id: text(row, 0)?,
                device_name: row.try_get(1)?,
                created_at: row.try_get(2)?,
                last_seen_at: row.try_get(3)?,
                current: false,
            })
        },
    )
}

/// Tells everyone concerned that a user's sessions ended.
fn sessions_ended(tx: &mut Tx<'_>, user: UserId, sessions: Option<Vec<SessionId>>, disabled: bool) {
    tx.changes.push(Change::SessionsEnded { user, sessions, disabled });
}
