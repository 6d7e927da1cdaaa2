//! A batch as one transaction of SQLite, each operation isolated so that a refused one cannot hurt its
//! neighbours ([`Isolation`]).

use super::Sqlite;
use super::log::Log;
use super::tx::{Fault, Tx, settle_sqlite};
use crate::planted::{Bug, planted};
use crate::store::disk::Disk;
use crate::store::writer::{Backend, Batches, Operation};
use crate::store::{Change, Completion, Sink, StoreError};
use rusqlite::Connection;

/// How an operation that is refused leaves its neighbours alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Isolation {
    /// It may write before it is refused: what it wrote is rolled back to its savepoint.
    Savepoint,
    /// It refuses only before it writes, and so needs no savepoint, for which SQLite would copy every
    /// page that it touches. Checked: if it breaks this, the whole batch is rolled back and told to
    /// come again.
    ChecksFirst,
}

impl Backend for Sqlite {
    type Tx<'db> = Tx<'db>;
    type Fault = Fault;
    type Kind = Isolation;

    fn settle(fault: Fault) -> StoreError {
        fault.settle()
    }
}

/// The writer's thread.
pub(super) fn write(db: &Connection, disk: &Disk, mut log: Log, mut batches: Batches<Sqlite, impl Sink>) {
    let mut tx = Tx::new(db);
    while let Some(batch) = batches.next() {
        batches.done(commit(&mut tx, disk, batch));
        log.watch(db);
    }
    drop(log);
    // The last one out folds the log into the database, so that a copy of the file alone is whole.
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "could not fold the write-ahead log into the database");
    }
}

/// An operation that was in the transaction.
struct Ran {
    /// Taken out where it was told too early, which is a bug that can be planted.
    operation: Option<Box<dyn Operation<Sqlite>>>,
    changes: Vec<Change>,
    /// What it alone is told, if the transaction was lost by its doing.
    own: Option<StoreError>,
}

impl Ran {
    fn new(operation: Box<dyn Operation<Sqlite>>, changes: Vec<Change>) -> Self {
        Self { operation: Some(operation), changes, own: None }
    }
}

/// Runs the operations in one transaction. Never fails as a whole without telling every one of them.
fn commit(tx: &mut Tx<'_>, disk: &Disk, operations: Vec<Box<dyn Operation<Sqlite>>>) -> Vec<Completion> {
    let mut ran: Vec<Ran> = Vec::with_capacity(operations.len());
    let db = tx.db;
    tx.is_full = disk.is_low();
    let mut failed = begin(db).err();
    for mut operation in operations {
        if failed.is_some() {
            ran.push(Ran::new(operation, Vec::new()));
            continue;
        }
        match one(tx, &mut *operation) {
            Ok(changes) if planted(Bug::AckBeforeCommit) => {
                operation.settle(None);
                ran.push(Ran { operation: None, changes, own: None });
            }
            Ok(changes) => ran.push(Ran::new(operation, changes)),
            Err(Lost { own, others }) => {
                failed = Some(others);
                ran.push(Ran { own, ..Ran::new(operation, Vec::new()) });
            }
        }
    }
    if failed.is_none() {
        failed = db.execute_batch("COMMIT").err().map(|error| settle_sqlite(&error));
    }
    if failed == Some(StoreError::StorageFull) {
        disk.refused();
    }
    if failed.is_some()
        && !db.is_autocommit()
        && let Err(error) = db.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "could not roll back");
    }
    ran.into_iter()
        .map(|Ran { operation, changes, own }| {
            let error = own.or(failed.clone()).filter(|_| !planted(Bug::AckFailedCommit));
            let changes = if error.is_some() { Vec::new() } else { changes };
            let finish = move || {
                if let Some(operation) = operation {
                    operation.settle(error);
                }
            };
            Completion { changes, finish: Box::new(finish) }
        })
        .collect()
}

fn begin(db: &Connection) -> Result<(), StoreError> {
    db.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([])).map_err(|e| settle_sqlite(&e))?;
    Ok(())
}

/// The whole transaction is lost.
struct Lost {
    /// What the operation is told that did it, if it is not what its neighbours are.
    own: Option<StoreError>,
    /// What all others are told.
    others: StoreError,
}

/// Runs one operation; returns what is to be told if it stays.
fn one(tx: &mut Tx<'_>, operation: &mut dyn Operation<Sqlite>) -> Result<Vec<Change>, Lost> {
    let (db, is_full) = (tx.db, tx.is_full);
    let step = |sql| db.prepare_cached(sql).and_then(|mut s| s.execute([])).map_err(|e| settle_sqlite(&e));
    let isolation = *operation.kind();
    if isolation == Isolation::Savepoint
        && let Err(others) = step("SAVEPOINT operation")
    {
        return Err(Lost { own: None, others });
    }
    let before = db.total_changes();
    let outcome = operation.run(tx);
    let changes = std::mem::take(&mut tx.changes);
    let lost = |own: StoreError| {
        // A fault is its own; the neighbours did nothing wrong and may come again.
        let others = if own == StoreError::StorageFull { own.clone() } else { StoreError::Unavailable };
        Err(Lost { own: Some(own), others })
    };
    // On a full disk or an I/O error SQLite rolls the whole transaction back by itself.
    if db.is_autocommit() {
        return lost(outcome.err().unwrap_or(StoreError::Unavailable));
    }
    let ended = match (&outcome, isolation) {
        (Ok(()), Isolation::ChecksFirst) => Ok(0),
        // Found by SQLite, in the middle of it, or before it wrote and by itself.
        (Err(StoreError::StorageFull), _) if !is_full => Err(StoreError::StorageFull),
        (Err(error), Isolation::ChecksFirst) if db.total_changes() != before => {
            tracing::error!(%error, "an operation was refused after it had written");
            Err(error.clone())
        }
        (Err(_), Isolation::ChecksFirst) => Ok(0),
        (Ok(()), Isolation::Savepoint) => step("RELEASE operation"),
        (Err(_), Isolation::Savepoint) => {
            step("ROLLBACK TO operation").and_then(|_| step("RELEASE operation"))
        }
    };
    match ended {
        Ok(_) => Ok(if outcome.is_ok() { changes } else { Vec::new() }),
        Err(error) => lost(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::writer::operation;
    use std::sync::mpsc::channel;

    type Work = fn(&mut Tx<'_>) -> Result<(), Fault>;
    type Told = Vec<(&'static str, Result<(), StoreError>)>;

    /// Runs these in one transaction; returns what each was told, and what is stored.
    fn batch(operations: Vec<(&'static str, Isolation, Work)>) -> (Told, Vec<String>) {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch("CREATE TABLE t (name TEXT NOT NULL UNIQUE)").unwrap();
        let (told, hears) = channel();
        let operations = operations.into_iter().map(|(name, isolation, work)| {
            let told = told.clone();
            operation(isolation, Box::new(move |result| told.send((name, result)).unwrap()), work)
        });
        let disk = Disk::of(std::path::Path::new("chat.db"), 0);
        for completion in commit(&mut Tx::new(&db), &disk, operations.collect()) {
            (completion.finish)();
        }
        drop(told);
        let mut statement = db.prepare("SELECT name FROM t ORDER BY name").unwrap();
        let stored = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        (hears.into_iter().collect(), stored)
    }

    fn write(tx: &Tx<'_>, name: &str) -> Result<(), Fault> {
        tx.db.execute("INSERT INTO t VALUES (?1)", [name])?;
        Ok(())
    }

    const REFUSED: StoreError = StoreError::Conflict("no");

    #[test]
    fn a_refused_operation_leaves_its_neighbours_alone() {
        let (told, stored) = batch(vec![
            ("a", Isolation::Savepoint, |tx| write(tx, "a")),
            ("b", Isolation::Savepoint, |tx| {
                write(tx, "b")?;
                Err(REFUSED.into())
            }),
            ("c", Isolation::ChecksFirst, |_| Err(REFUSED.into())),
            ("d", Isolation::ChecksFirst, |tx| write(tx, "d")),
        ]);
        assert_eq!(told, [("a", Ok(())), ("b", Err(REFUSED)), ("c", Err(REFUSED)), ("d", Ok(()))]);
        assert_eq!(stored, ["a", "d"]);
    }

    #[test]
    fn an_operation_that_panics_is_refused_alone() {
        let (told, stored) = batch(vec![
            ("a", Isolation::Savepoint, |tx| {
                write(tx, "a")?;
                panic!("a fault")
            }),
            ("b", Isolation::ChecksFirst, |tx| write(tx, "b")),
        ]);
        assert_eq!(told, [("a", Err(StoreError::Internal)), ("b", Ok(()))]);
        assert_eq!(stored, ["b"]);
    }

    #[test]
    fn whoever_breaks_the_rule_loses_the_batch_and_nobody_is_told_otherwise() {
        let (told, stored) = batch(vec![
            ("a", Isolation::Savepoint, |tx| write(tx, "a")),
            ("b", Isolation::ChecksFirst, |tx| {
                write(tx, "b")?;
                Err(REFUSED.into())
            }),
            ("c", Isolation::Savepoint, |tx| write(tx, "c")),
        ]);
        let again = Err(StoreError::Unavailable);
        assert_eq!(told, [("a", again.clone()), ("b", Err(REFUSED)), ("c", again)]);
        assert!(stored.is_empty());
    }
}
