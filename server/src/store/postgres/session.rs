//! The writer's connection, and what becomes of a transaction when it is lost.
//!
//! Every transaction leaves its mark in the database. A connection that is lost in the middle of a commit leaves open
//! whether there was one; the next connection has the lock only when the session before it has ended, and finds the
//! mark, or not. So nobody is told of what was not committed, and what was committed is told to everybody who is to know.
//!
//! Whoever finds neither that mark nor the one of the transaction before is not where they were: the database went back,
//! by a fail-over to a standby that was behind, or somebody else has written to it. What is known of it in
//! memory is worth nothing then. It is given a new epoch, so that clients read everything anew, and the server ends
//! ([`Session::abandon`]).

use super::address::Ready;
use super::connection::Connection;
use super::open::{OpenError, Opened, renew_epoch, reopen};
use super::seen::{Lineage, Notes, Seen, number};
use crate::store::{Change, Completion};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long PostgreSQL may take to answer. With [`RECONNECT`]: whoever asked is to have an answer within 5 seconds, or some
/// more where several places are silent.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a lost connection is tried to be made anew, before those who wait are refused.
const RECONNECT: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How often is noted how far the database has come, where the writer is never idle.
const NOTE: Duration = Duration::from_secs(10);

/// Changes nothing, and is committed after whatever was committed before it.
const SETTLE: &str = "UPDATE meta SET value = value WHERE key = 'batch'";

/// The writer's connection, now and again.
pub(super) struct Session {
    ready: Ready,
    epoch: String,
    db: Option<Connection>,
    lineage: Option<Lineage>,
    notes: Notes,
    noted: Instant,
    /// The last tries to make it anew were in vain: whoever comes is not to wait for the next.
    is_down: Arc<AtomicBool>,
    /// The number of the newest transaction that was begun; with the word of this run of the server it marks each. It goes
    /// on from one run to the next.
    begun: i64,
    word: String,
    /// The mark of the newest transaction that is known to be committed.
    committed: String,
    doubt: Option<Doubt>,
    /// To be told that the database is not the one that was opened.
    replaced: Arc<Notify>,
    is_replaced: bool,
}

/// A transaction of which is not known whether it was committed, and whose askers were refused meanwhile.
pub(super) struct Doubt {
    mark: String,
    /// What is to be told of each operation.
    pub(super) changes: Vec<Vec<Change>>,
    /// It was found to be there once, and others may have read it.
    was_seen: bool,
}

impl Doubt {
    /// It was committed. Those who asked were refused long ago; what they did stands all the same.
    pub(super) fn publish(self) -> impl Iterator<Item = Completion> {
        self.changes.into_iter().map(|changes| Completion { changes, finish: Box::new(|| {}) })
    }
}

/// There is no connection to be had.
pub(super) struct Down;

impl Session {
    /// With the connection that the database was opened with. `word`: a random one. `is_down` tells others whether there
    /// is a connection, `replaced` that the database turned out to be another one.
    pub(super) fn new(
        ready: Ready,
        opened: Opened,
        notes: Notes,
        word: String,
        is_down: Arc<AtomicBool>,
        replaced: Arc<Notify>,
    ) -> Self {
        let Opened { writer, epoch, mark, lineage } = opened;
        writer.set_patience(Some(PATIENCE));
        let mut session = Self {
            ready,
            epoch,
            db: Some(writer),
            lineage,
            notes,
            noted: Instant::now(),
            is_down,
            begun: number(&mark),
            word,
            committed: mark,
            doubt: None,
            replaced,
            is_replaced: false,
        };
        session.note();
        session
    }

    fn seen(&self) -> Seen {
        let (epoch, lineage) = (self.epoch.clone(), self.lineage.clone());
        Seen { epoch, batch: number(&self.committed), lineage }
    }

    /// Notes how far the database has come, for whoever meets it next.
    pub(super) fn note(&mut self) {
        if !self.is_replaced {
            self.notes.keep(self.seen());
            self.noted = Instant::now();
        }
    }

    /// The database is away.
    fn go_down(&mut self) {
        self.is_down.store(true, Ordering::Relaxed);
        self.note();
    }

    /// The connection, if there is one.
    pub(super) fn db(&self) -> Option<&Connection> {
        self.db.as_ref()
    }

    /// The mark for the next transaction.
    pub(super) fn begin(&mut self) -> String {
        self.begun += 1;
        format!("{}-{}", self.word, self.begun)
    }

    /// The transaction with this mark is committed.
    pub(super) fn committed(&mut self, mark: String) {
        self.committed = mark;
        if self.noted.elapsed() >= NOTE {
            self.note();
        }
    }

    /// The connection is of no use any more.
    pub(super) fn hang_up(&mut self) {
        self.db = None;
    }

    /// It was lost while the transaction with this mark was being committed.
    pub(super) fn doubt(&mut self, mark: String, changes: Vec<Vec<Change>>) {
        self.hang_up();
        self.doubt = Some(Doubt { mark, changes, was_seen: false });
    }

    /// Leaves a transaction that PostgreSQL refused. A connection where that does not work is of no use.
    pub(super) fn roll_back(&mut self) {
        let is_back = self.db.as_ref().is_some_and(|db| {
            // What was to be done soon may fail, and nothing after it would be done.
            let _ = db.flush();
            db.batch("ROLLBACK").is_ok()
        });
        if !is_back {
            self.hang_up();
        }
    }

    /// Sees to it that there is a connection. Returns the transaction that was in doubt, if it was committed.
    pub(super) fn connect(&mut self) -> Result<Option<Doubt>, Down> {
        if self.is_replaced {
            return Err(Down);
        }
        if self.db.as_ref().is_some_and(Connection::is_alive) {
            return Ok(None);
        }
        self.db = None;
        let (tried, seen) = (Instant::now(), self.seen());
        loop {
            let doubt = self.doubt.as_ref();
            let is_ours =
                |mark: &str| mark == self.committed || doubt.is_some_and(|doubt| doubt.mark == mark);
            match reopen(&self.ready, PATIENCE, &seen, is_ours) {
                Ok(opened) => return self.resume(opened),
                Err(
                    error @ (OpenError::Newer { .. }
                    | OpenError::Empty
                    | OpenError::HalfCopied
                    | OpenError::Taken),
                ) => {
                    tracing::error!(%error, "the database is not the one that was served");
                    self.end();
                    return Err(Down);
                }
                Err(error) if self.is_down.load(Ordering::Relaxed) => {
                    tracing::debug!(%error, "still no connection to the database");
                    return Err(Down);
                }
                Err(error) if tried.elapsed() >= RECONNECT => {
                    tracing::error!(%error, "the database is away; nothing new is taken until it is back");
                    self.go_down();
                    return Err(Down);
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Goes on with a new connection, if it leads to where the last one did.
    fn resume(&mut self, opened: Opened) -> Result<Option<Doubt>, Down> {
        let Opened { writer, epoch, mark, lineage } = opened;
        let was_done = self.doubt.as_ref().is_some_and(|doubt| doubt.mark == mark);
        let was_seen = self.doubt.as_ref().is_some_and(|doubt| doubt.was_seen);
        let is_where_it_was = was_done || !was_seen && mark == self.committed;
        if epoch != self.epoch || !is_where_it_was {
            self.abandon(&writer, &mark, lineage);
            return Err(Down);
        }
        // Where a commit waits for a standby, that transaction is seen before the standby has it. Whatever is
        // committed after it waits for both.
        if was_done && let Err(fault) = writer.batch(SETTLE) {
            tracing::warn!(?fault, "a commit is not known to last yet");
            if let Some(doubt) = &mut self.doubt {
                doubt.was_seen = true;
            }
            self.go_down();
            return Err(Down);
        }
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!("the database is back");
        }
        self.db = Some(writer);
        self.lineage = lineage;
        self.committed = mark;
        Ok(self.doubt.take().filter(|_| was_done))
    }

    /// The database is not the one that was left.
    fn abandon(&mut self, db: &Connection, mark: &str, lineage: Option<Lineage>) {
        tracing::error!(
            "the database lacks what was committed, or somebody else has written to it; it gets a new epoch, and the server ends"
        );
        self.go_down();
        match renew_epoch(db) {
            Ok(epoch) => {
                self.notes.keep(Seen { epoch, batch: number(mark), lineage });
                self.end();
            }
            // It must not be left with this epoch; the next look tries again, or the next server.
            Err(error) => tracing::error!(%error, "the database did not get its new epoch"),
        }
    }

    /// Nothing more is written to it, and the server is to end.
    fn end(&mut self) {
        self.is_down.store(true, Ordering::Relaxed);
        self.is_replaced = true;
        self.replaced.notify_one();
    }
}
