//! What keeps a database in order: purging, counting, checking, copying.

use super::log;
use super::rows::id;
use super::tx::{Fault, Tx};
use crate::durable::keep_name;
use crate::planted::{Bug, planted};
use crate::store::key::range;
use crate::store::{Counts, StoreError};
use chat_shared::ConversationId;
use rusqlite::{Connection, OptionalExtension as _, backup, params};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

/// Messages of a deleted group that are removed in one go: others wait that long at the most.
const SLICE: i64 = 500;

/// How long a backup waits when the database is locked.
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// Removes a slice. True: there is more. Send ids stay known for ever.
pub(super) fn purge(tx: &mut Tx<'_>) -> Result<bool, Fault> {
    let db = tx.db;
    let found: Option<ConversationId> = db
        .prepare_cached(
            "SELECT id FROM conversations WHERE deleted_at IS NOT NULL AND head_rev > 0 ORDER BY id LIMIT 1",
        )?
        .query_row([], |row| id(row, 0))
        .optional()?;
    let Some(conversation) = found else { return Ok(false) };
    let (first, last) = range(conversation);
    let upto: Option<i64> = db
        .prepare_cached(
            "SELECT max(id) FROM (SELECT id FROM messages WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)",
        )?
        .query_row(params![first, last, SLICE], |row| row.get(0))?;
    match upto {
        Some(upto) => {
            let span = params![first, upto];
            let seqs = params![conversation.get(), upto & i64::from(u32::MAX)];
            if !planted(Bug::RetiredIdsUsable) {
                db.execute(
                    "INSERT OR IGNORE INTO retired_sends (sender_id, send_id, conversation_id, seq, sent_at)
                 SELECT sender_id, send_id, conversation_id, seq, sent_at FROM messages
                 WHERE id BETWEEN ?1 AND ?2 AND send_id IS NOT NULL",
                    span,
                )?;
            }
            db.execute("DELETE FROM edits WHERE conversation_id = ?1 AND seq <= ?2", seqs)?;
            db.execute("DELETE FROM reactions WHERE conversation_id = ?1 AND seq <= ?2", seqs)?;
            db.execute("DELETE FROM messages WHERE id BETWEEN ?1 AND ?2", span)?;
        }
        // Nothing is left: the row itself stays, so that its id is never used again.
        None => {
            db.execute(
                "UPDATE conversations SET head_rev = 0, last_seq = 0 WHERE id = ?1",
                [conversation.get()],
            )?;
        }
    }
    Ok(true)
}

pub(super) fn is_new(db: &Connection) -> Result<bool, Fault> {
    Ok(db.query_row("SELECT NOT EXISTS (SELECT 1 FROM users)", [], |row| row.get(0))?)
}

pub(super) fn counts(db: &Connection) -> Result<Counts, Fault> {
    let path = Path::new(db.path().unwrap_or_default());
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0).map(i64::unsigned_abs));
    Ok(Counts {
        users: count("SELECT count(*) FROM users WHERE deleted_at IS NULL")?,
        sessions: count("SELECT count(*) FROM sessions")?,
        conversations: count("SELECT count(*) FROM conversations WHERE deleted_at IS NULL")?,
        database_bytes: std::fs::metadata(path).map_or(0, |file| file.len()),
        log_bytes: log::bytes(path),
    })
}

pub(super) fn count_messages(db: &Connection) -> Result<u64, Fault> {
    Ok(db.query_row("SELECT count(*) FROM messages", [], |row| row.get(0).map(i64::unsigned_abs))?)
}

pub(super) fn check(db: &Connection) -> Result<(), Fault> {
    db.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |_| Ok(()))?;
    Ok(())
}

/// Copies the database while it is in use: one moment of it, whole, or nothing.
pub(super) fn backup(db: &Connection, to: &Path) -> Result<(), Fault> {
    // Made by ourselves, so that nobody else can read it, and never over something that is there.
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(|error| {
        tracing::warn!(%error, "cannot make the backup file");
        StoreError::Conflict(match error.kind() {
            ErrorKind::AlreadyExists => "there is a file already. Choose another name.",
            ErrorKind::NotFound => "the directory does not exist. Make it first.",
            ErrorKind::PermissionDenied => "the server may not write there. Choose another directory.",
            _ => "the file cannot be made; the server's log tells why.",
        })
    })?;
    copy(db, to).inspect_err(|_| {
        // Half a copy would be taken for a backup one day.
        if let Err(error) = std::fs::remove_file(to) {
            tracing::warn!(%error, "cannot remove what was begun of a backup");
        }
    })
}

fn copy(db: &Connection, to: &Path) -> Result<(), Fault> {
    let mut copy = Connection::open(to)?;
    // In one step, under one read transaction: in smaller ones every commit would start it anew.
    while backup::Backup::new(db, &mut copy)?.step(-1)? != backup::StepResult::Done {
        std::thread::sleep(BUSY_PAUSE);
    }
    // The copy stands alone: no log beside it.
    copy.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL;")?;
    drop(copy);
    // Also that its journal is gone, which would otherwise undo it.
    let synced = std::fs::File::open(to).and_then(|file| file.sync_all()).and_then(|()| keep_name(to));
    synced.map_err(|error| {
        tracing::error!(%error, "cannot flush the backup");
        StoreError::Internal.into()
    })
}

pub(super) fn quick_check(db: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = db.prepare("PRAGMA quick_check(20)")?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}
