//! Accounts.

use super::rows::{USER, is_unique_violation, user, user_by_id};
use super::tx::{Fault, Tx};
use super::{groups, invites, members, sessions};
use crate::planted::{Bug, planted};
use crate::store::listing::{containing, page};
use crate::store::{Account, Admission, Ends, ListQuery, NewUser, SetPassword, StoreError, UpdateUser};
use chat_shared::api::{User, UserList};
use chat_shared::{UserId, Username};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

pub(super) fn create(tx: &mut Tx<'_>, new: &NewUser) -> Result<User, Fault> {
    tx.check_space()?;
    let db = tx.db;
    let first: bool =
        db.prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM users)")?.query_row([], |row| row.get(0))?;
    match &new.admission {
        Admission::Open | Admission::Operator => {}
        Admission::First if first => {}
        Admission::First => return Err(StoreError::Forbidden("The setup code was used already.").into()),
        Admission::Invite(code_hash) => invites::redeem(db, code_hash, new.now)?,
    }
    let inserted = db
        .prepare_cached(
            "INSERT INTO users (username, display_name, password_hash, created_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .insert(params![new.username.as_str(), new.display_name.as_str(), new.password_hash, new.now]);
    let user = match inserted {
        Err(error) if is_unique_violation(&error) => return Err(StoreError::UsernameTaken.into()),
        other => UserId::new(other?).map_err(|_| StoreError::Internal)?,
    };
    if let Some(seed) = &new.session {
        sessions::create(tx, user, seed, new.now)?;
    }
    for name in &new.default_groups {
        groups::join_default(tx, user, name, first, new.now)?;
    }
    Ok(user_by_id(db, user)?)
}

pub(super) fn update(tx: &mut Tx<'_>, change: &UpdateUser) -> Result<User, Fault> {
    tx.db
        .prepare_cached(
            "UPDATE users SET display_name = coalesce(?2, display_name), status_text = coalesce(?3, status_text)
             WHERE id = ?1",
        )?
        .execute(params![
            change.user.get(),
            change.display_name.as_ref().map(AsRef::as_ref),
            change.status_text.as_ref().map(AsRef::as_ref)
        ])?;
    Ok(user_by_id(tx.db, change.user)?)
}

pub(super) fn set_password(tx: &mut Tx<'_>, change: &SetPassword) -> Result<(), Fault> {
    let changed = tx
        .db
        .prepare_cached(
            "UPDATE users SET password_hash = ?2
             WHERE id = ?1 AND deleted_at IS NULL AND (?3 IS NULL OR password_hash = ?3)",
        )?
        .execute(params![change.user.get(), change.hash, change.if_hash])?;
    if changed == 0 {
        return match change.if_hash {
            Some(_) => Err(StoreError::Conflict("The password was changed in the meantime.").into()),
            None => Err(StoreError::NotFound.into()),
        };
    }
    match &change.ends {
        Ends::None => Ok(()),
        Ends::AllBut(_) if planted(Bug::PasswordKeepsSessions) => Ok(()),
        Ends::All => sessions::end_all(tx, change.user, None, false),
        Ends::AllBut(keep) => sessions::end_all(tx, change.user, Some(keep), false),
    }
}

pub(super) fn set_disabled(tx: &mut Tx<'_>, user: UserId, disabled: bool, now: i64) -> Result<(), Fault> {
    let changed = tx
        .db
        .prepare_cached("UPDATE users SET disabled_at = ?2 WHERE id = ?1 AND deleted_at IS NULL")?
        .execute(params![user.get(), disabled.then_some(now)])?;
    if changed == 0 {
        return Err(StoreError::NotFound.into());
    }
    if disabled { sessions::end_all(tx, user, None, true) } else { Ok(()) }
}

pub(super) fn delete(tx: &mut Tx<'_>, user: UserId, now: i64) -> Result<(), Fault> {
    let changed = tx
        .db
        .prepare_cached(
            "UPDATE users SET deleted_at = ?2, password_hash = NULL, display_name = username, status_text = ''
             WHERE id = ?1 AND deleted_at IS NULL",
        )?
        .execute(params![user.get(), now])?;
    if changed == 0 {
        return Err(StoreError::NotFound.into());
    }
    sessions::end_all(tx, user, None, true)?;
    members::leave_everything(tx, user, now)
}

pub(super) fn touch(tx: &mut Tx<'_>, seen: &[(UserId, i64)]) -> Result<(), Fault> {
    let mut statement = tx.db.prepare_cached("UPDATE users SET last_seen_at = ?2 WHERE id = ?1")?;
    for (user, at) in seen {
        statement.execute(params![user.get(), at])?;
    }
    Ok(())
}

const ACCOUNT: &str = "u.password_hash, u.disabled_at IS NOT NULL, u.last_seen_at";

fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    let user = user(row)?;
    Ok(Account { user, password_hash: row.get(6)?, disabled: row.get(7)?, last_seen_at: row.get(8)? })
}

pub(super) fn by_name(db: &Connection, username: &Username) -> Result<Option<Account>, Fault> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT {USER}, {ACCOUNT} FROM users u WHERE u.username = ?1 AND u.deleted_at IS NULL"
        ))?
        .query_row([username.as_str()], account)
        .optional()?)
}

pub(super) fn by_id(db: &Connection, user: UserId) -> Result<Option<Account>, Fault> {
    Ok(db
        .prepare_cached(&format!(
            "SELECT {USER}, {ACCOUNT} FROM users u WHERE u.id = ?1 AND u.deleted_at IS NULL"
        ))?
        .query_row([user.get()], account)
        .optional()?)
}

pub(super) fn all(db: &Connection) -> Result<Vec<Account>, Fault> {
    let sql = format!("SELECT {USER}, {ACCOUNT} FROM users u WHERE u.deleted_at IS NULL ORDER BY u.username");
    let mut statement = db.prepare(&sql)?;
    let rows = statement.query_map([], account)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn public(db: &Connection, username: &Username) -> Result<User, Fault> {
    let found = by_name(db, username)?.filter(|account| !account.disabled);
    Ok(found.ok_or(StoreError::NotFound)?.user)
}

pub(super) fn list(db: &Connection, query: &ListQuery) -> Result<UserList, Fault> {
    let pattern = query.q.as_deref().map(containing);
    let rows = db
        .prepare_cached(&format!(
            r"SELECT {USER} FROM users u
              WHERE u.username > ?1 AND u.deleted_at IS NULL AND u.disabled_at IS NULL
                AND (?2 IS NULL OR u.username LIKE ?2 ESCAPE '\' OR u.display_name LIKE ?2 ESCAPE '\')
              ORDER BY u.username LIMIT ?3"
        ))?
        .query_map(params![query.cursor.as_deref().unwrap_or(""), pattern, query.limit as i64 + 1], user)?
        .collect::<Result<Vec<_>, _>>()?;
    let (users, next_cursor) = page(rows, query.limit, |user| user.username.to_string());
    Ok(UserList { users, next_cursor })
}
