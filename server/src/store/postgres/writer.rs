//! A batch as one transaction of PostgreSQL, and what becomes of it when the connection is lost.
//!
//! Each operation stands in a savepoint, so that a refused one cannot hurt its neighbours; sends that follow each
//! other go together ([`Run`]). Every transaction leaves its mark in the database. A connection that is lost in the
//! middle of a commit leaves open whether there was one; the next connection has the lock only when the session
//! before it has ended, and finds the mark, or not. So nobody is told of what was not committed, and what was
//! committed is told to everybody who is to know. What was not is done again, once.

use super::Postgres;
use super::address::Ready;
use super::connection::Connection;
use super::open::{Opened, reopen};
use super::run::{Run, commit, is_plain};
use super::tx::{Fault, Tx};
use crate::planted::{Bug, planted};
use crate::store::disk::Disk;
use crate::store::writer::{Backend, Batches, Operation};
use crate::store::{Change, Completion, SendMessage, Sink, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long PostgreSQL may take to answer. With [`RECONNECT`]: whoever asked is to have an answer within 5 seconds.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a lost connection is tried to be made anew, before those who wait are refused.
const RECONNECT: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);

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
    doubt: Option<Doubt>,
}

/// A transaction of which is not known whether it was committed, and whose askers were refused meanwhile.
struct Doubt {
    mark: String,
    changes: Vec<Vec<Change>>,
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
    while let Some(batch) = batches.next() {
        let done = session.commit(disk, batch);
        batches.done(done);
    }
}

/// There is no connection to be had.
struct Down;

impl Session {
    /// With the connection that the database was opened with. `word`: a random one. `is_down` tells others whether there
    /// is a connection.
    pub(super) fn new(ready: Ready, opened: Opened, word: String, is_down: Arc<AtomicBool>) -> Self {
        let Opened { writer, epoch } = opened;
        writer.set_patience(Some(PATIENCE));
        Self { ready, epoch, db: Some(writer), is_down, begun: 0, word, doubt: None }
    }

    /// Runs the operations in one transaction, a second time if the first was lost. Never fails as a whole without
    /// telling every one of them.
    fn commit(&mut self, disk: &Disk, mut batch: Batch) -> Vec<Completion> {
        let mut done = Vec::with_capacity(batch.len());
        for _ in 0..2 {
            match self.connect() {
                Err(Down) => break,
                Ok(None) => {}
                // Those who asked were refused long ago; what they did stands all the same.
                Ok(Some(Doubt { changes, .. })) => done.extend(
                    changes.into_iter().map(|changes| Completion { changes, finish: Box::new(|| {}) }),
                ),
            }
            self.begun += 1;
            let mark = format!("{}-{}", self.word, self.begun);
            match self.attempt(disk, &mut batch, &mark) {
                Ok(changes) => {
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
        if self.db.as_ref().is_some_and(Connection::is_alive) {
            return Ok(None);
        }
        self.db = None;
        let tried = Instant::now();
        loop {
            match reopen(&self.ready, &self.epoch) {
                Ok((db, found)) => {
                    if self.is_down.swap(false, Ordering::Relaxed) {
                        tracing::info!("the database is back");
                    }
                    db.set_patience(Some(PATIENCE));
                    self.db = Some(db);
                    return Ok(self.doubt.take().filter(|doubt| doubt.mark == found));
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
