//! Accounts.

use super::connection::Connection;
use super::rows::{USER, id, sought, user, user_by_id};
use super::tx::{Fault, Tx};
use super::{groups, invites, members, sessions};
use crate::planted::{Bug, planted};
use crate::store::listing::{containing, page};
use crate::store::{Account, Admission, Ends, ListQuery, NewUser, SetPassword, StoreError, UpdateUser};
use chat_shared::api::{User, UserList};
use chat_shared::{UserId, Username};
use tokio_postgres::Row;

pub(super) fn create(tx: &mut Tx<'_>, new: &NewUser) -> Result<User, Fault> {
    let db = tx.db;
    let first: bool = db.value("SELECT NOT EXISTS (SELECT 1 FROM users)", &[])?;
    match &new.admission {
        Admission::Open | Admission::Operator => {}
        Admission::First if first => {}
        Admission::First => return Err(StoreError::Forbidden("The setup code was used already.").into()),
        Admission::Invite(code_hash) => invites::redeem(db, code_hash, new.now)?,
    }
    let inserted = db.row(
        "INSERT INTO users (username, display_name, password_hash, created_at) VALUES ($1, $2, $3, $4) RETURNING id",
        &[&new.username.as_str(), &new.display_name.as_str(), &new.password_hash, &new.now],
        |row| id::<UserId>(row, 0),
    );
    let user = match inserted {
        Err(error) if error.is_unique_violation() => return Err(StoreError::UsernameTaken.into()),
        other => other?.ok_or(Fault::Missing)?,
    };
    if let Some(seed) = &new.session {
        sessions::create(tx, user, seed, new.now)?;
    }
    for name in &new.default_groups {
        groups::join_default(tx, user, name, first, new.now)?;
    }
    user_by_id(db, user)
}

pub(super) fn update(tx: &mut Tx<'_>, change: &UpdateUser) -> Result<User, Fault> {
    tx.db.execute(
        "UPDATE users SET display_name = coalesce($2, display_name), status_text = coalesce($3, status_text)
         WHERE id = $1",
        &[
            &change.user.get(),
            &change.display_name.as_ref().map(AsRef::<str>::as_ref),
            &change.status_text.as_ref().map(AsRef::<str>::as_ref),
        ],
    )?;
    user_by_id(tx.db, change.user)
}

pub(super) fn set_password(tx: &mut Tx<'_>, change: &SetPassword) -> Result<(), Fault> {
    let changed = tx.db.execute(
        "UPDATE users SET password_hash = $2
         WHERE id = $1 AND deleted_at IS NULL AND ($3::text IS NULL OR password_hash = $3)",
        &[&change.user.get(), &change.hash, &change.if_hash],
    )?;
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
    let changed = tx.db.execute(
        "UPDATE users SET disabled_at = $2 WHERE id = $1 AND deleted_at IS NULL",
        &[&user.get(), &disabled.then_some(now)],
    )?;
    if changed == 0 {
        return Err(StoreError::NotFound.into());
    }
    if disabled { sessions::end_all(tx, user, None, true) } else { Ok(()) }
}

pub(super) fn delete(tx: &mut Tx<'_>, user: UserId, now: i64) -> Result<(), Fault> {
    let changed = tx.db.execute(
        "UPDATE users SET deleted_at = $2, password_hash = NULL, display_name = username, status_text = ''
         WHERE id = $1 AND deleted_at IS NULL",
        &[&user.get(), &now],
    )?;
    if changed == 0 {
        return Err(StoreError::NotFound.into());
    }
    sessions::end_all(tx, user, None, true)?;
    members::leave_everything(tx, user, now)
}

pub(super) fn touch(tx: &mut Tx<'_>, seen: &[(UserId, i64)]) -> Result<(), Fault> {
    if seen.is_empty() {
        return Ok(());
    }
    let (users, times): (Vec<i64>, Vec<i64>) = seen.iter().map(|(user, at)| (user.get(), *at)).unzip();
    tx.db.execute(
        "UPDATE users SET last_seen_at = s.at FROM unnest($1::bigint[], $2::bigint[]) AS s (user_id, at)
         WHERE id = s.user_id",
        &[&users, &times],
    )?;
    Ok(())
}

const ACCOUNT: &str = "u.password_hash, u.disabled_at IS NOT NULL, u.last_seen_at";

fn account(row: &Row) -> Result<Account, Fault> {
    Ok(Account {
        user: user(row)?,
        password_hash: row.try_get(6)?,
        disabled: row.try_get(7)?,
        last_seen_at: row.try_get(8)?,
    })
}

pub(super) fn by_name(db: &Connection, username: &Username) -> Result<Option<Account>, Fault> {
    db.row(
        &format!("SELECT {USER}, {ACCOUNT} FROM users u WHERE u.username = $1 AND u.deleted_at IS NULL"),
        &[&username.as_str()],
        account,
    )
}

pub(super) fn by_id(db: &Connection, user: UserId) -> Result<Option<Account>, Fault> {
    db.row(
        &format!("SELECT {USER}, {ACCOUNT} FROM users u WHERE u.id = $1 AND u.deleted_at IS NULL"),
        &[&user.get()],
        account,
    )
}

pub(super) fn all(db: &Connection) -> Result<Vec<Account>, Fault> {
    let sql = format!("SELECT {USER}, {ACCOUNT} FROM users u WHERE u.deleted_at IS NULL ORDER BY u.username");
    db.rows(&sql, &[], account)
}

pub(super) fn public(db: &Connection, username: &Username) -> Result<User, Fault> {
    let found = by_name(db, username)?.filter(|account| !account.disabled);
    Ok(found.ok_or(StoreError::NotFound)?.user)
}

pub(super) fn list(db: &Connection, query: &ListQuery) -> Result<UserList, Fault> {
    let pattern = query.q.as_deref().map(sought).as_deref().map(containing);
    let rows = db.rows(
        &format!(
            r"SELECT {USER} FROM users u
              WHERE u.username > $1 AND u.deleted_at IS NULL AND u.disabled_at IS NULL
                AND ($2::text IS NULL OR u.username ILIKE $2 ESCAPE '\' OR u.display_name ILIKE $2 ESCAPE '\')
              ORDER BY u.username LIMIT $3"
        ),
        &[&sought(query.cursor.as_deref().unwrap_or("")), &pattern, &(query.limit as i64 + 1)],
        user,
    )?;
    let (users, next_cursor) = page(rows, query.limit, |user| user.username.to_string());
    Ok(UserList { users, next_cursor })
}
