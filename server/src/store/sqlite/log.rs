//! The write-ahead log, watched.
//!
//! As it grows SQLite folds it into the database, and it begins the log anew at the first commit that finds nobody
//! reading from it. Where reads overlap without end there is no such moment, and the log would grow for as long as
//! they do. Above [`LONG`] the writer therefore waits, a little, until those who read from it are done: who begins
//! meanwhile reads from the database alone.

use super::open::LOCKED_WAIT;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A log above this is long; SQLite cuts it to this length where it begins it anew.
pub(super) const LONG: u64 = 64 << 20;
/// How much it grows between two tries.
const STEP: u64 = 16 << 20;
/// How long the writer waits for readers: they have their page in milliseconds, and so long nobody's
/// message is stored.
const WAIT: Duration = Duration::from_millis(100);
/// From here on the operator is told: a read takes very long, or the disk is slow.
const TOO_LONG: u64 = 256 << 20;

/// The log of a database.
pub(super) struct Log {
    path: PathBuf,
    /// At which length the next try is due.
    next: u64,
    was_told: bool,
}

impl Log {
    pub(super) fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), next: LONG, was_told: false }
    }

    /// Its length in bytes.
    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |log| log.len())
    }

    /// Looks at its length; to be called after each commit, by the one who writes.
    pub(super) fn watch(&mut self, db: &Connection) {
        let bytes = self.bytes();
        if bytes <= LONG {
            (self.next, self.was_told) = (LONG, false);
        }
        if bytes <= self.next {
            return;
        }
        match restart(db) {
            // The next look finds it short.
            Ok(true) => return,
            Ok(false) => self.next = bytes + STEP,
            Err(error) => {
                tracing::warn!(%error, "could not fold the write-ahead log into the database");
                self.next = bytes + STEP;
            }
        }
        if self.next > TOO_LONG && !std::mem::replace(&mut self.was_told, true) {
            tracing::warn!(bytes, "the write-ahead log grows: something reads the database for very long");
        }
    }
}

/// Folds it in and begins it anew. False: somebody reads from it for longer than is waited.
fn restart(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(WAIT)?;
    let is_busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    db.busy_timeout(LOCKED_WAIT)?;
    Ok(!is_busy?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    /// A connection in the midst of a read.
    fn reader(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.execute_batch("BEGIN").unwrap();
        db.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
        db
    }

    /// A database whose log is long because reads of it overlapped all the time; and the last of them, open.
    fn overlapped(path: &Path) -> (Connection, Connection, Log) {
        let db = Connection::open(path).unwrap();
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA journal_size_limit = {LONG};
             CREATE TABLE t (bytes BLOB)"
        ))
        .unwrap();
        let (mut open, mut log) = (reader(path), Log::of(path));
        while log.bytes() <= LONG {
            log.watch(&db);
            db.execute("INSERT INTO t VALUES (zeroblob(1 << 20))", []).unwrap();
            open = reader(path);
        }
        (db, open, log)
    }

    #[test]
    fn it_is_begun_anew_although_reads_overlap() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        let (db, mut open, mut log) = overlapped(&path);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    // The next begins before the last one ends.
                    open = reader(&path);
                }
            });
            log.watch(&db);
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(log.bytes(), 0);
    }

    #[test]
    fn a_read_that_does_not_end_is_not_waited_for_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        let (db, open, mut log) = overlapped(&path);
        log.watch(&db);
        assert_eq!(log.next, log.bytes() + STEP, "the next try is due when it has grown");
        drop(open);
        log.watch(&db);
        assert!(log.bytes() > LONG, "it was not due");
        while log.bytes() > LONG {
            db.execute("INSERT INTO t VALUES (zeroblob(1 << 20))", []).unwrap();
            log.watch(&db);
        }
        assert_eq!(log.next, LONG);
    }
}
