//! The write-ahead log, folded into the database and watched.
//!
//! SQLite would fold it in a commit, and whoever waits for that commit would wait for thousands of pages and two
//! flushes. Here a thread of its own folds while the writer writes on ([`Folder`]), and the writer then folds the little
//! that came meanwhile: SQLite begins the log anew at the first commit that finds all of it folded and nobody reading
//! from it.
//!
//! Where reads overlap without end there is no such moment, and the log would grow for as long as they do. Above
//! [`LONG`] the writer therefore waits, a little, until those who read from it are done: who begins meanwhile reads from
//! the database alone.

use super::open::{LOCKED_WAIT, folder};
use super::opening::OpenError;
use rusqlite::Connection;
use std::cell::Cell;
use std::ffi::c_int;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Pages in the log from which on it is folded: 32 MB. A page that is written again and again is then written to the
/// database an eighth as often as by default, and reading the log at a start takes no time yet.
const FOLD: c_int = 8_000;

thread_local! {
    /// How many pages were in the log after the last commit of this thread, which is the one that writes. SQLite tells
    /// it to a function without a place of its own.
    static PAGES: Cell<c_int> = const { Cell::new(0) };
}

/// A log above this is long; SQLite cuts it to this length where it begins it anew.
pub(super) const LONG: u64 = 64 << 20;
/// How much it grows between two tries.
const STEP: u64 = 16 << 20;
/// How long the writer waits for readers: they have their page in milliseconds, and so long nobody's
/// message is stored.
const WAIT: Duration = Duration::from_millis(100);
/// From here on the operator is told: a read takes very long, or the disk is slow.
const TOO_LONG: u64 = 256 << 20;

/// How long the log of a database is, in bytes.
pub(super) fn bytes(database: &Path) -> u64 {
    std::fs::metadata(path(database)).map_or(0, |log| log.len())
}

fn path(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-wal");
    path.into()
}

/// The log of a database, as its writer looks after it.
pub(super) struct Log {
    database: PathBuf,
    folder: Folder,
    /// At which length the next try is due.
    next: u64,
    was_told: bool,
}

impl Log {
    /// Takes it over from SQLite. `db`: the connection that writes.
    pub(super) fn of(database: &Path, db: &Connection) -> Result<Self, OpenError> {
        let folder = Folder::start(database)?;
        let at = |source| OpenError::Sqlite { path: database.to_owned(), source };
        db.execute_batch("PRAGMA wal_autocheckpoint = 0").map_err(at)?;
        db.wal_hook(Some(|_, pages| {
            PAGES.set(pages);
            Ok(())
        }));
        Ok(Self { database: database.to_owned(), folder, next: LONG, was_told: false })
    }

    /// Looks at it; to be called after each commit, by the one who writes.
    pub(super) fn watch(&mut self, db: &Connection) {
        if PAGES.get() < FOLD {
            (self.next, self.was_told) = (LONG, false);
            return;
        }
        match self.folder.state() {
            Folding::UnderWay => {}
            _ if bytes(&self.database) > self.next => self.shorten(db),
            Folding::Idle => self.folder.begin(),
            Folding::Done => report(fold(db)),
        }
    }

    /// It is too long: begins it anew, if nobody reads from it for long.
    fn shorten(&mut self, db: &Connection) {
        match restart(db) {
            Ok(true) => return PAGES.set(0),
            Ok(false) => {}
            failed => report(failed.map(drop)),
        }
        let bytes = bytes(&self.database);
        self.next = bytes + STEP;
        if self.next > TOO_LONG && !std::mem::replace(&mut self.was_told, true) {
            tracing::warn!(bytes, "the write-ahead log grows: something reads the database for very long");
        }
    }
}

/// Folds what is in the log, without waiting for anybody.
fn fold(db: &Connection) -> rusqlite::Result<()> {
    db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}

/// Folds it in and begins it anew. False: somebody reads from it for longer than is waited.
fn restart(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(WAIT)?;
    let is_busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
    db.busy_timeout(LOCKED_WAIT)?;
    Ok(!is_busy?)
}

fn report(folded: rusqlite::Result<()>) {
    if let Err(error) = folded {
        tracing::warn!(%error, "could not fold the write-ahead log into the database");
    }
}

/// A thread that folds the log on a connection of its own.
struct Folder {
    /// Tells it to begin. `None`: it is to end.
    begin: Option<SyncSender<()>>,
    is_done: Arc<AtomicBool>,
    is_under_way: bool,
    thread: Option<JoinHandle<()>>,
}

/// What the thread is about.
enum Folding {
    Idle,
    UnderWay,
    /// It has folded all that was there when it began. Said once.
    Done,
}

impl Folder {
    fn start(database: &Path) -> Result<Self, OpenError> {
        let db = folder(database)?;
        let is_done = Arc::new(AtomicBool::new(false));
        let (begin, begun) = sync_channel(1);
        let done = is_done.clone();
        let work = move || {
            while begun.recv().is_ok() {
                report(fold(&db));
                done.store(true, Ordering::Release);
            }
        };
        let thread = std::thread::Builder::new().name("folder".to_owned()).spawn(work);
        let thread = thread.map_err(OpenError::Thread)?;
        Ok(Self { begin: Some(begin), is_done, is_under_way: false, thread: Some(thread) })
    }

    fn begin(&mut self) {
        // Without room for it, or without the thread, there is nothing to wait for: the next look tries again.
        self.is_under_way = self.begin.as_ref().is_some_and(|begin| begin.try_send(()).is_ok());
    }

    fn state(&mut self) -> Folding {
        if !self.is_under_way {
            return Folding::Idle;
        }
        if !self.is_done.swap(false, Ordering::Acquire) {
            return Folding::UnderWay;
        }
        self.is_under_way = false;
        Folding::Done
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.begin = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that folds the write-ahead log ended badly");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection in the midst of a read.
    fn reader(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.execute_batch("BEGIN").unwrap();
        db.query_row("SELECT count(*) FROM t", [], |_| Ok(())).unwrap();
        db
    }

    /// A database whose log is long because reads of it overlapped all the time; and the last of them, open.
    fn overlapped(path: &Path) -> (Connection, Connection, Log) {
        let db = writer(path);
        let (mut open, mut log) = (reader(path), Log::of(path, &db).unwrap());
        while bytes(path) <= LONG {
            log.watch(&db);
            db.execute("INSERT INTO t VALUES (zeroblob(1 << 20))", []).unwrap();
            open = reader(path);
        }
        settle(&log);
        (db, open, log)
    }

    fn writer(path: &Path) -> Connection {
        let db = Connection::open(path).unwrap();
        db.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA journal_size_limit = {LONG};
             CREATE TABLE t (bytes BLOB)"
        ))
        .unwrap();
        db
    }

    /// Waits until nothing is folded beside the writer.
    fn settle(log: &Log) {
        while log.folder.is_under_way && !log.folder.is_done.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn it_is_folded_beside_the_writer_and_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        let db = writer(&path);
        let mut log = Log::of(&path, &db).unwrap();
        let (mut longest, mut folded) = (0, 0);
        for _ in 0..100 {
            db.execute("INSERT INTO t VALUES (zeroblob(1 << 20))", []).unwrap();
            log.watch(&db);
            settle(&log);
            longest = longest.max(PAGES.get());
            folded = folded.max(std::fs::metadata(&path).unwrap().len());
        }
        // 100 MB in all: begun anew several times, with what one insert more makes of it.
        assert!(longest < FOLD + 2 * (1 << 20) / 4096 + 100, "{longest}");
        assert!(folded > 50 << 20, "{folded}");
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
        assert_eq!(bytes(&path), 0);
    }

    #[test]
    fn a_read_that_does_not_end_is_not_waited_for_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        let (db, open, mut log) = overlapped(&path);
        log.watch(&db);
        assert_eq!(log.next, bytes(&path) + STEP, "the next try is due when it has grown");
        drop(open);
        log.watch(&db);
        assert!(bytes(&path) > LONG, "it was not due");
        while bytes(&path) > LONG {
            db.execute("INSERT INTO t VALUES (zeroblob(1 << 20))", []).unwrap();
            log.watch(&db);
        }
        assert_eq!(log.next, LONG);
    }
}
