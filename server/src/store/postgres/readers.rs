//! The connections that read.
//!
//! A read runs on a blocking thread in one read transaction, so that membership and rows are of one
//! moment, and never across an await. Permits are counted here, so that nobody ever waits inside the
//! pool; those who wait too many or too long are told `unavailable`. A read whose connection was lost is done
//! once more with another one.

use super::address::Ready;
use super::connection::Connection;
use super::open::OpenError;
use super::tx::Fault;
use crate::store::StoreError;
use r2d2::{ManageConnection, Pool};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_postgres::Row;

/// Reads at once. More would only queue for the same few cores.
const READERS: u32 = 4;
/// How long a read may wait for its turn.
const WAIT: Duration = Duration::from_secs(5);
/// How long a connection may be waited for: as long as making one may take.
const CONNECT: Duration = Duration::from_millis(2_500);
/// How long an answer may take: a little more than PostgreSQL itself lets a statement take.
const DEADLINE: Duration = Duration::from_secs(6);

/// A pool of reading connections.
pub(super) struct Readers {
    pool: Pool<Manager>,
    turns: Arc<Semaphore>,
}

struct Manager {
    ready: Ready,
    /// Which database it is.
    epoch: String,
    /// The writer has no connection.
    is_down: Arc<AtomicBool>,
}

impl Manager {
    /// Who reads has to read where the writer writes.
    fn is_there(&self, db: &Connection) -> bool {
        db.at() == self.ready.chosen()
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = OpenError;

    fn connect(&self) -> Result<Connection, OpenError> {
        if self.is_down.load(Ordering::Relaxed) {
            // Whatever is found there now may not be what will be written to.
            return Err(OpenError::Unreachable("who writes has no connection yet".to_owned()));
        }
        // Where the writer writes, and nowhere else: an old primary that came back has an old state.
        let db = Connection::open(&self.ready, self.ready.chosen(), DEADLINE)?;
        // A plan that was made while a table was small must not look through all of it when it is large.
        db.batch(
            "SET statement_timeout = '5s'; SET idle_in_transaction_session_timeout = '60s';
             SET jit = off; SET enable_seqscan = off",
        )?;
        let read = |row: &Row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, bool>(1)?));
        let found = db.row("SELECT value, pg_is_in_recovery() FROM meta WHERE key = 'epoch'", &[], read)?;
        match found {
            Some((_, true)) => Err(OpenError::Standby),
            Some((epoch, false)) if epoch == self.epoch => Ok(db),
            _ => Err(OpenError::Failed("it is not the one that was opened".to_owned())),
        }
    }

    fn is_valid(&self, db: &mut Connection) -> Result<(), OpenError> {
        if self.is_there(db) && db.is_alive() { Ok(()) } else { Err(Fault::Lost.into()) }
    }

    fn has_broken(&self, db: &mut Connection) -> bool {
        !self.is_there(db) || db.is_lost()
    }
}

impl Readers {
    /// Of the database with this epoch. `is_down`: it is not to be had, as far as the writer knows.
    pub(super) fn new(ready: &Ready, epoch: &str, is_down: Arc<AtomicBool>) -> Result<Self, OpenError> {
        let pool = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .connection_timeout(CONNECT)
            .error_handler(Box::new(Quiet))
            .build(Manager { ready: ready.clone(), epoch: epoch.to_owned(), is_down })
            .map_err(OpenError::Pool)?;
        Ok(Self { pool, turns: Arc::new(Semaphore::new(READERS as usize)) })
    }

    /// Reads, within the deadline.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |db| {
            db.set_patience(Some(DEADLINE));
            in_transaction(db, &mut work)
        })
        .await
    }

    /// Reads for as long as it takes: for checks.
    pub(super) async fn read_slowly<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |db| {
            db.set_patience(None);
            in_transaction(db, |db| {
                db.soon("SET LOCAL statement_timeout = 0");
                work(db)
            })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        mut work: impl FnMut(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = tokio::time::timeout(WAIT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(StoreError::Unavailable) };
        let pool = self.pool.clone();
        let done = tokio::task::spawn_blocking(move || {
            let mut attempt = || match pool.get() {
                Ok(db) => work(&db),
                Err(error) => {
                    tracing::warn!(%error, "no reading connection to be had");
                    Err(Fault::Domain(StoreError::Unavailable))
                }
            };
            let result = match attempt() {
                Err(Fault::Lost) => attempt(),
                other => other,
            };
            drop(turn);
            result.map_err(Fault::settle)
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a read panicked");
            Err(StoreError::Internal)
        })
    }
}

fn in_transaction<T>(
    db: &Connection,
    mut work: impl FnMut(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    db.soon("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    let result = work(db);
    // Nothing was written: ending it any way is the same, and nobody has to wait for it.
    db.order("ROLLBACK");
    result
}

/// What keeps a connection from being made is told by whoever wanted it.
#[derive(Debug)]
struct Quiet;

impl<E: std::error::Error> r2d2::HandleError<E> for Quiet {
    fn handle_error(&self, error: E) {
        tracing::debug!(%error, "a connection to the database could not be made");
    }
}
