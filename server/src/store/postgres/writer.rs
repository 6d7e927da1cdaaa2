//! A batch as one transaction of PostgreSQL.
//!
//! Each operation stands in a savepoint, so that a refused one cannot hurt its neighbours; sends that follow each
//! other go together ([`Run`]). What was lost with the connection is done again, once, unless it turns out to have been
//! committed ([`Session`]).

use super::Postgres;
use super::run::{Run, commit, is_plain};
use super::session::{Doubt, Down, Session};
use super::tx::{Fault, Tx};
use crate::planted::{Bug, planted};
use crate::store::disk::Disk;
use crate::store::writer::{Backend, Batches, Operation};
use crate::store::{Change, Completion, SendMessage, Sink, StoreError};
use std::sync::Arc;
use std::time::Duration;

/// How long nothing is written before the connection is looked at: readers follow the writer, to wherever the database
/// is found again.
const IDLE: Duration = Duration::from_secs(1);

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
    session.note();
}

impl Session {
    /// Looks after the connection while nothing is to be written. Returns what turns out to have been committed.
    fn look(&mut self) -> Vec<Completion> {
        match self.connect() {
            Ok(Some(doubt)) => doubt.publish().collect(),
            Ok(None) => {
                self.note();
                Vec::new()
            }
            Err(Down) => Vec::new(),
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
            let mark = self.begin();
            match self.attempt(disk, &mut batch, &mark) {
                Ok(changes) => {
                    self.committed(mark);
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
                Err(Broken::Lost) => self.hang_up(),
                Err(Broken::InCommit(changes)) => {
                    self.doubt(mark, changes);
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

    /// Runs the operations in one transaction. Returns what is to be told of each.
    fn attempt(&self, disk: &Disk, batch: &mut Batch, mark: &str) -> Result<Vec<Vec<Change>>, Broken> {
        let Some(db) = self.db() else { return Err(Broken::Lost) };
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
