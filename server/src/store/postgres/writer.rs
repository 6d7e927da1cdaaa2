//! A batch as one transaction of PostgreSQL, and what becomes of it when the connection is lost.
//!
//! Each operation stands in a savepoint, so that a refused one cannot hurt its neighbours; sends that follow each
//! other go together ([`Run`]). Every transaction leaves its mark in the database. A connection that is lost in the
//! middle of a commit leaves open whether there was one; the next connection has the lock only when the session
//! before it has ended, and finds the mark, or not. So nobody is told of what was not committed, and what was
//! committed is told to everybody who is to know. What was not is done again, once.
//!
//! Whoever finds neither that mark nor the one of the transaction before is not where they were: the database went back,
//! by a fail-over to a standby that was behind, or somebody else has written to it. What is known of it in
//! memory is worth nothing then. It is given a new epoch, so that clients read everything anew, and the server ends
//! ([`Session::abandon`]).

use super::Postgres;
use super::address::Ready;
use super::connection::Connection;
use super::open::{OpenError, Opened, renew_epoch, reopen};
use super::run::{Run, commit, is_plain};
use super::tx::{Fault, Tx};
use crate::planted::{Bug, planted};
use crate::store::disk::Disk;
use crate::store::writer::{Backend, Batches, Operation};
use crate::store::{Change, Completion, SendMessage, Sink, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How long PostgreSQL may take to answer. With [`RECONNECT`]: whoever asked is to have an answer within 5 seconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a lost connection is tried to be made anew, before those who wait are refused.
const RECONNECT: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// How long nothing is written before the connection is looked at: readers follow the writer, to wherever the database
/// is found again.
const IDLE: Duration = Duration::from_secs(1);

/// Changes nothing, and is committed after whatever was committed before it.
const SETTLE: &str = "UPDATE meta SET value = value WHERE key = 'batch'";

/// What is to be known of an operation before it runs.
pub(super) enum Kind {
    /// It sends this, and sees to its savepoint itself.
    Send(Arc<SendMessage>),
    /// Anything else.
    Other,
}

impl Backend for Postgres {
    type Tx<'db> = Tx<'db>;
    type Fault = Fault;
    type Kind = Kind;

    fn settle(fault: Fault) -> StoreError {
        fault.settle()
    }
}

type Batch = Vec<Box<dyn Operation<Postgres>>>;

/// The writer's connection, now and again.
pub(super) struct Session {
    ready: Ready,
    epoch: String,
    db: Option<Connection>,
    /// The last tries to make it anew were in vain: whoever comes is not to wait for the next.
    is_down: Arc<AtomicBool>,
    /// How many transactions were begun; with the word of this run of the server it marks each.
    begun: u64,
    word: String,
    /// The mark of the newest transaction that is known to be committed.
    committed: String,
    doubt: Option<Doubt>,
    /// To be told that the database is not the one that was opened.
    replaced: Arc<Notify>,
    is_replaced: bool,
}

/// A transaction of which is not known whether it was committed, and whose askers were refused meanwhile.
struct Doubt {
    mark: String,
    changes: Vec<Vec<Change>>,
}

impl Doubt {
    /// It was committed. Those who asked were refused long ago; what they did stands all the same.
    fn publish(self) -> impl Iterator<Item = Completion> {
        self.changes.into_iter().map(|changes| Completion { changes, finish: Box::new(|| {}) })
    }
}

/// Why a transaction did not come to its end.
enum Broken {
    /// PostgreSQL refused it: nothing of it stays.
    Refused(StoreError),
    /// The connection was lost before the commit: nothing of it stays.
    Lost,
    /// The connection was lost during the commit. What is to be told if it was done.
    InCommit(Vec<Vec<Change>>),
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Lost => Self::Lost,
            // A fault is told to whoever did it; the neighbours did nothing wrong and may come again.
            other => Self::Refused(match other.settle() {
                StoreError::StorageFull => StoreError::StorageFull,
                _ => StoreError::Unavailable,
            }),
        }
    }
}

/// The writer's thread.
pub(super) fn write(mut session: Session, disk: &Disk, mut batches: Batches<Postgres, impl Sink>) {
    while let Some(batch) = batches.next_within(IDLE) {
        let done = if batch.is_empty() { session.look() } else { session.commit(disk, batch) };
        if !done.is_empty() {
            batches.done(done);
        }
    }
}

/// There is no connection to be had.
struct Down;

impl Session {
    /// With the connection that the database was opened with. `word`: a random one. `is_down` tells others whether there
    /// is a connection, `replaced` that the database turned out to be another one.
    pub(super) fn new(
        ready: Ready,
        opened: Opened,
        word: String,
        is_down: Arc<AtomicBool>,
        replaced: Arc<Notify>,
    ) -> Self {
        let Opened { writer, epoch, mark } = opened;
        writer.set_patience(Some(PATIENCE));
        Self {
            ready,
            epoch,
            db: Some(writer),
            is_down,
            begun: 0,
            word,
            committed: mark,
            doubt: None,
            replaced,
            is_replaced: false,
        }
    }

    /// Looks after the connection while nothing is to be written. Returns what turns out to have been committed.
    fn look(&mut self) -> Vec<Completion> {
        match self.connect() {
            Ok(Some(doubt)) => doubt.publish().collect(),
            Ok(None) | Err(Down) => Vec::new(),
        }
    }

    /// Runs the operations in one transaction, a second time if the first was lost. Never fails as a whole without
    /// telling every one of them.
    fn commit(&mut self, disk: &Disk, mut batch: Batch) -> Vec<Completion> {
        let mut done = Vec::with_capacity(batch.len());
        for _ in 0..2 {
            match self.connect() {
                Err(Down) => break,
                Ok(None) => {}
                Ok(Some(doubt)) => done.extend(doubt.publish()),
            }
            self.begun += 1;
            let mark = format!("{}-{}", self.word, self.begun);
            match self.attempt(disk, &mut batch, &mark) {
                Ok(changes) => {
                    self.committed = mark;
                    done.extend(
                        batch.into_iter().zip(changes).map(|(operation, changes)| told(operation, changes)),
                    );
                    return done;
                }
                Err(Broken::Refused(error)) => {
                    self.roll_back();
                    if error == StoreError::StorageFull {
                        disk.refused();
                    }
                    done.extend(batch.into_iter().map(|operation| refused(operation, error.clone())));
                    return done;
                }
                Err(Broken::Lost) => self.db = None,
                Err(Broken::InCommit(changes)) => {
                    self.db = None;
                    self.doubt = Some(Doubt { mark, changes });
                    match self.connect() {
                        Err(Down) => break,
                        Ok(None) => {}
                        Ok(Some(Doubt { changes, .. })) => {
                            done.extend(
                                batch
                                    .into_iter()
                                    .zip(changes)
                                    .map(|(operation, changes)| told(operation, changes)),
                            );
                            return done;
                        }
                    }
                }
            }
        }
        done.extend(batch.into_iter().map(|operation| refused(operation, StoreError::Unavailable)));
        done
    }

    /// Sees to it that there is a connection. Returns the transaction that was in doubt, if it was committed.
    fn connect(&mut self) -> Result<Option<Doubt>, Down> {
        if self.is_replaced {
            return Err(Down);
        }
        if self.db.as_ref().is_some_and(Connection::is_alive) {
            return Ok(None);
        }
        self.db = None;
        let tried = Instant::now();
        loop {
            match reopen(&self.ready, PATIENCE) {
                Ok(opened) => return self.resume(opened),
                Err(error @ (OpenError::Newer { .. } | OpenError::Empty | OpenError::HalfCopied)) => {
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
                    self.is_down.store(true, Ordering::Relaxed);
                    return Err(Down);
                }
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// Goes on with a new connection, if it leads to where the last one did.
    fn resume(&mut self, opened: Opened) -> Result<Option<Doubt>, Down> {
        let Opened { writer, epoch, mark } = opened;
        let was_done = self.doubt.as_ref().is_some_and(|doubt| doubt.mark == mark);
        if epoch != self.epoch || !was_done && mark != self.committed {
            self.abandon(&writer);
            return Err(Down);
        }
        // Where a commit waits for a standby, that transaction is seen before the standby has it. Whatever is
        // committed after it waits for both.
        if was_done && let Err(fault) = writer.batch(SETTLE) {
            tracing::warn!(?fault, "a commit is not known to last yet");
            self.is_down.store(true, Ordering::Relaxed);
            return Err(Down);
        }
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!("the database is back");
        }
        self.db = Some(writer);
        self.committed = mark;
        Ok(self.doubt.take().filter(|_| was_done))
    }

    /// The database is not the one that was left.
    fn abandon(&mut self, db: &Connection) {
        tracing::error!(
            "the database lacks what was committed, or somebody else has written to it; it gets a new epoch, and the server ends"
        );
        self.is_down.store(true, Ordering::Relaxed);
        match renew_epoch(db) {
            Ok(_) => self.end(),
            // It must not be left with this epoch; the next look tries again.
            Err(error) => tracing::error!(%error, "the database did not get its new epoch"),
        }
    }

    /// Nothing more is written to it, and the server is to end.
    fn end(&mut self) {
        self.is_down.store(true, Ordering::Relaxed);
        self.is_replaced = true;
        self.replaced.notify_one();
    }

    /// Runs the operations in one transaction. Returns what is to be told of each.
    fn attempt(&self, disk: &Disk, batch: &mut Batch, mark: &str) -> Result<Vec<Vec<Change>>, Broken> {
        let Some(db) = &self.db else { return Err(Broken::Lost) };
        db.soon("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
        let mut tx = Tx::new(db);
        let changes = run(&mut tx, disk, batch)?;
        let committed = match tx.run.take() {
            Some(run) => run.commit(db, mark),
            None => commit(db, mark),
        };
        match committed {
            Ok(()) => Ok(changes),
            Err(Fault::Lost) => Err(Broken::InCommit(changes)),
            // Without a word of PostgreSQL's: who knows.
            Err(Fault::Postgres(error)) if error.as_db_error().is_none() => Err(Broken::InCommit(changes)),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Leaves a transaction that PostgreSQL refused. A connection where that does not work is of no use.
    fn roll_back(&mut self) {
        let is_back = self.db.as_ref().is_some_and(|db| {
            // What was to be done soon may fail, and nothing after it would be done.
            let _ = db.flush();
            db.batch("ROLLBACK").is_ok()
        });
        if !is_back {
            self.db = None;
        }
    }
}

/// Runs the operations, up to the commit.
fn run(tx: &mut Tx<'_>, disk: &Disk, batch: &mut Batch) -> Result<Vec<Vec<Change>>, Broken> {
    let mut changes = Vec::with_capacity(batch.len());
    for at in 0..batch.len() {
        if tx.run.is_none() {
            let sends: Vec<&SendMessage> =
                batch[at..].iter().map_while(|operation| plain(&**operation)).collect();
            if !sends.is_empty() {
                tx.run = Some(Run::read(tx.db, &sends)?);
            }
        }
        let operation = &mut batch[at];
        let outcome = match operation.kind() {
            Kind::Send(_) => operation.run(tx),
            Kind::Other => {
                tx.end_run()?;
                tx.savepoint(|tx| operation.run(tx))
            }
        };
        if tx.db.is_lost() {
            return Err(Broken::Lost);
        }
        if outcome == Err(StoreError::StorageFull) {
            disk.refused();
        }
        changes.push(std::mem::take(&mut tx.changes));
    }
    Ok(changes)
}

/// What an operation sends, if a run can answer it.
fn plain(operation: &dyn Operation<Postgres>) -> Option<&SendMessage> {
    match operation.kind() {
        Kind::Send(send) => Some(&**send).filter(|send| is_plain(send)),
        Kind::Other => None,
    }
}

fn told(operation: Box<dyn Operation<Postgres>>, changes: Vec<Change>) -> Completion {
    Completion { changes, finish: Box::new(move || operation.settle(None)) }
}

fn refused(operation: Box<dyn Operation<Postgres>>, error: StoreError) -> Completion {
    let error = Some(error).filter(|_| !planted(Bug::AckFailedCommit));
    Completion { changes: Vec::new(), finish: Box::new(move || operation.settle(error)) }
}
