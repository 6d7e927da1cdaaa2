//! The connections that read.
//!
//! A read runs on a blocking thread in one read transaction, so that membership and rows are of one
//! moment, and never across an await. Permits are counted here, so that nobody ever waits inside the
//! pool; those who wait too many or too long are told `unavailable`.

use super::open::reader;
use super::opening::OpenError;
use super::tx::Fault;
use crate::store::StoreError;
use r2d2::{Pool, PooledConnection};
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Reads at once. More would only queue for the same few cores.
const READERS: u32 = 4;
/// How long a read may wait for its turn.
const WAIT: Duration = Duration::from_secs(5);
/// How long a read may take: a page is milliseconds, and an open read keeps the log from shrinking.
const DEADLINE: Duration = Duration::from_secs(5);
/// Virtual machine steps between two looks at the clock.
const STEPS: i32 = 20_000;

/// A pool of reading connections.
pub(super) struct Readers {
    pool: Pool<SqliteConnectionManager>,
    turns: Arc<Semaphore>,
}

type Pooled = PooledConnection<SqliteConnectionManager>;

impl Readers {
    pub(super) fn new(path: &Path) -> Result<Self, OpenError> {
        let pool = Pool::builder()
            .max_size(READERS)
            .min_idle(Some(1))
            .connection_timeout(Duration::from_millis(250))
            .test_on_check_out(false)
            .build(reader(path))
            .map_err(OpenError::Pool)?;
        Ok(Self { pool, turns: Arc::new(Semaphore::new(READERS as usize)) })
    }

    /// Reads, within the deadline.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |db| {
            let started = Instant::now();
            let _ = db.progress_handler(STEPS, Some(move || started.elapsed() > DEADLINE));
            let result = in_transaction(db, work);
            let _ = db.progress_handler(STEPS, None::<fn() -> bool>);
            result
        })
        .await
    }

    /// Reads for as long as it takes: for backups and checks.
    pub(super) async fn read_slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run(move |db| work(db)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Pooled) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = tokio::time::timeout(WAIT, self.turns.clone().acquire_owned()).await;
        let Ok(Ok(turn)) = turn else { return Err(StoreError::Unavailable) };
        let pool = self.pool.clone();
        let done = tokio::task::spawn_blocking(move || {
            let result = match pool.get() {
                Ok(db) => work(&db).map_err(Fault::settle),
                Err(error) => {
                    tracing::error!(%error, "no reading connection to be had");
                    Err(StoreError::Unavailable)
                }
            };
            drop(turn);
            result
        });
        done.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a read panicked");
            Err(StoreError::Internal)
        })
    }
}

fn in_transaction<T>(
    db: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = db.unchecked_transaction()?;
    let result = work(&transaction)?;
    // Nothing was written: ending it any way is the same.
    transaction.finish()?;
    Ok(result)
}
