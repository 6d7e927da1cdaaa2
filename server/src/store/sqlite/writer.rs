//! The one thread that writes.
//!
//! It takes what waits (up to [`BATCH`] operations), runs them in one transaction, each isolated so that
//! a refused one cannot hurt its neighbours ([`Isolation`]), commits once, which flushes once, and then hands
//! the whole batch on, in order. While it commits, the next batch gathers: at low load an operation
//! waits for nobody, at high load many share one flush. Where a flush is quick, what gathers meanwhile is
//! little, and each page would be logged for a few rows only; so under load a batch waits for company about
//! as long as the last one took ([`gathering`]).
//!
//! Readers see an operation's rows from the commit on; the one who asked hears of it after that; the
//! disk has it before either.

use super::disk::Disk;
use super::log::Log;
use super::open::OpenError;
use super::queue::Queue;
use super::tx::{Fault, Tx, settle_sqlite};
use crate::planted::{Bug, planted};
use crate::store::{Change, Completion, Reply, Sink, StoreError};
use chat_shared::UserId;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Operations in one transaction at the most: more would make the first wait for the last.
const BATCH: usize = 512;
/// Operations that shared the last transaction from which on the next one waits for company: so many
/// arrive at once only where many send.
const BUSY: usize = 8;
/// The longest wait for company: a small part of what people notice, and more than most disks need.
const GATHER: Duration = Duration::from_millis(1);
/// Hands operations to the writer's thread.
pub(super) struct Writer {
    queue: Arc<Queue<Box<dyn Operation>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Tells the one who asked: `None`, it went as the operation said; `Some`, the commit failed.
type Settle = Box<dyn FnOnce(Option<StoreError>) + Send>;

/// A write with its reply, whatever its result's type.
trait Operation: Send {
    fn isolation(&self) -> Isolation;
    /// Runs it. The error says that the savepoint is to be rolled back.
    fn run(self: Box<Self>, tx: &mut Tx<'_>) -> (Result<(), StoreError>, Settle);
    /// Does not run it.
    fn refuse(self: Box<Self>, error: StoreError);
}

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

struct Typed<T, F> {
    isolation: Isolation,
    work: F,
    reply: Reply<T>,
}

impl<T, F> Operation for Typed<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send,
{
    fn isolation(&self) -> Isolation {
        self.isolation
    }

    fn run(self: Box<Self>, tx: &mut Tx<'_>) -> (Result<(), StoreError>, Settle) {
        let Self { work, reply, .. } = *self;
        // A fault in one operation must not take the writer with it: everybody else needs it.
        let result = match catch_unwind(AssertUnwindSafe(|| work(tx))) {
            Ok(result) => result.map_err(Fault::settle),
            Err(_) => {
                tracing::error!("an operation panicked");
                Err(StoreError::Internal)
            }
        };
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        (outcome, Box::new(move |failed| reply(failed.map_or(result, Err))))
    }

    fn refuse(self: Box<Self>, error: StoreError) {
        (self.reply)(Err(error));
    }
}

impl Writer {
    pub(super) fn start(
        db: Connection,
        disk: Arc<Disk>,
        log: Log,
        sink: impl Sink,
    ) -> Result<Self, OpenError> {
        let queue = Arc::new(Queue::new());
        let waiting = queue.clone();
        let thread = std::thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run(&db, &disk, log, &waiting, sink))
            .map_err(OpenError::Thread)?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Queues an operation; those of one caller run in the order of its calls. `from` and `weight`: see
    /// [`Queue::push`].
    pub(super) fn submit<T: Send + 'static>(
        &self,
        from: Option<UserId>,
        weight: usize,
        isolation: Isolation,
        reply: Reply<T>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) {
        let operation: Box<dyn Operation> = Box::new(Typed { isolation, work, reply });
        if let Err(operation) = self.queue.push(from, weight, operation) {
            operation.refuse(StoreError::Unavailable);
        }
    }

    /// Lets the thread finish what is queued, and waits for it.
    pub(super) async fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                tracing::error!("the writer ended badly");
            }
        }
    }
}

fn run(db: &Connection, disk: &Disk, mut log: Log, waiting: &Queue<Box<dyn Operation>>, mut sink: impl Sink) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut gather = Duration::ZERO;
    let mut tx = Tx::new(db);
    while waiting.wait() {
        waiting.take(&mut batch, BATCH);
        if !gather.is_zero() && batch.len() < BATCH {
            std::thread::sleep(gather);
            waiting.take(&mut batch, BATCH);
        }
        if planted(Bug::BatchReversed) {
            batch.reverse();
        }
        let (started, operations) = (Instant::now(), batch.len());
        let completions = commit(&mut tx, disk, batch.drain(..));
        gather = gathering(operations, started.elapsed());
        sink.committed(completions);
        log.watch(db);
    }
    // The last one out folds the log into the database, so that a copy of the file alone is whole.
    if let Err(error) = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "could not fold the write-ahead log into the database");
    }
}

/// How long the next batch waits for company, after one of so many operations that took so long.
fn gathering(operations: usize, took: Duration) -> Duration {
    if operations < BUSY { Duration::ZERO } else { took.min(GATHER) }
}

/// Runs the operations in one transaction. Never fails as a whole without telling every one of them.
fn commit(
    tx: &mut Tx<'_>,
    disk: &Disk,
    operations: impl Iterator<Item = Box<dyn Operation>>,
) -> Vec<Completion> {
    let mut ran: Vec<(Vec<Change>, Settle)> = Vec::new();
    let db = tx.db;
    tx.is_full = disk.is_low();
    let mut failed = begin(db).err();
    for operation in operations {
        if let Some(error) = &failed {
            let error = error.clone();
            ran.push((Vec::new(), Box::new(move |_| operation.refuse(error))));
            continue;
        }
        match one(tx, operation) {
            Ok((changes, settle)) if planted(Bug::AckBeforeCommit) => {
                settle(None);
                ran.push((changes, Box::new(|_| {})));
            }
            Ok(done) => ran.push(done),
            Err((settle, error)) => {
                failed = Some(error);
                ran.push((Vec::new(), settle));
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
        .map(|(changes, settle)| {
            let error = failed.clone().filter(|_| !planted(Bug::AckFailedCommit));
            let changes = if error.is_some() { Vec::new() } else { changes };
            Completion { changes, finish: Box::new(move || settle(error)) }
        })
        .collect()
}

fn begin(db: &Connection) -> Result<(), StoreError> {
    db.prepare_cached("BEGIN IMMEDIATE").and_then(|mut s| s.execute([])).map_err(|e| settle_sqlite(&e))?;
    Ok(())
}

/// Runs one operation. An error means that the whole transaction is lost, and what its neighbours are told.
fn one(
    tx: &mut Tx<'_>,
    operation: Box<dyn Operation>,
) -> Result<(Vec<Change>, Settle), (Settle, StoreError)> {
    let (db, is_full) = (tx.db, tx.is_full);
    let step = |sql| db.prepare_cached(sql).and_then(|mut s| s.execute([])).map_err(|e| settle_sqlite(&e));
    let isolation = operation.isolation();
    if isolation == Isolation::Savepoint
        && let Err(error) = step("SAVEPOINT operation")
    {
        let told = error.clone();
        return Err((Box::new(move |_| operation.refuse(told)), error));
    }
    let before = db.total_changes();
    let (outcome, settle) = operation.run(tx);
    let changes = std::mem::take(&mut tx.changes);
    let lost = |settle: Settle, own: StoreError| {
        // A fault is its own; the neighbours did nothing wrong and may come again.
        let others = if own == StoreError::StorageFull { own.clone() } else { StoreError::Unavailable };
        let settle: Settle = Box::new(move |_| settle(Some(own)));
        Err((settle, others))
    };
    // On a full disk or an I/O error SQLite rolls the whole transaction back by itself.
    if db.is_autocommit() {
        return lost(settle, outcome.err().unwrap_or(StoreError::Unavailable));
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
        Ok(_) => Ok((if outcome.is_ok() { changes } else { Vec::new() }, settle)),
        Err(error) => lost(settle, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            let reply: Reply<()> = Box::new(move |result| told.send((name, result)).unwrap());
            Box::new(Typed { isolation, work, reply }) as Box<dyn Operation>
        });
        let disk = Disk::of(std::path::Path::new("chat.db"), 0);
        for completion in commit(&mut Tx::new(&db), &disk, operations) {
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

    #[test]
    fn only_under_load_a_batch_waits_for_company() {
        let took = Duration::from_micros(300);
        assert_eq!(gathering(1, took), Duration::ZERO);
        assert_eq!(gathering(BUSY - 1, took), Duration::ZERO);
        assert_eq!(gathering(BUSY, took), took);
        assert_eq!(gathering(BATCH, Duration::from_secs(1)), GATHER);
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
