//! Invites: codes that let people register.

use super::connection::Connection;
use super::rows::count;
use super::tx::{Fault, Tx};
use crate::store::{Invite, NewInvite, StoreError};

pub(super) fn create(tx: &mut Tx<'_>, invite: &NewInvite) -> Result<(), Fault> {
    tx.db.execute(
        "INSERT INTO invites (code_hash, note, created_at, expires_at, uses_left) VALUES ($1, $2, $3, $4, $5)",
        &[
            &&invite.code_hash[..],
            &invite.note,
            &invite.now,
            &invite.expires_at,
            &i64::from(invite.uses),
        ],
    )?;
    Ok(())
}

/// Uses an invite once. Which of the reasons it is that it cannot be used, is not told.
pub(super) fn redeem(db: &Connection, code_hash: &[u8; 32], now: i64) -> Result<(), Fault> {
    let used = db.execute(
        "UPDATE invites SET uses_left = uses_left - 1 WHERE code_hash = $1 AND uses_left > 0 AND expires_at > $2",
        &[&&code_hash[..], &now],
    )?;
    if used == 0 {
        return Err(StoreError::Forbidden("This invite is not valid (any more). Ask for a new one.").into());
    }
    Ok(())
}

pub(super) fn list(db: &Connection, now: i64) -> Result<Vec<Invite>, Fault> {
    db.rows(
        "SELECT id, note, uses_left, expires_at FROM invites WHERE uses_left > 0 AND expires_at > $1 ORDER BY id",
        &[&now],
        |row| {
            Ok(Invite {
                id: row.try_get(0)?,
                note: row.try_get(1)?,
                uses_left: count(row, 2)?,
                expires_at: row.try_get(3)?,
            })
        },
    )
}

pub(super) fn revoke(tx: &mut Tx<'_>, invite: i64) -> Result<(), Fault> {
    match tx.db.execute("DELETE FROM invites WHERE id = $1", &[&invite])? {
        0 => Err(StoreError::NotFound.into()),
        _ => Ok(()),
    }
}
