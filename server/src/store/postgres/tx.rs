//! What an operation works on, and how it fails.

use super::connection::Connection;
use super::run::Run;
use crate::store::{Change, StoreError};
use tokio_postgres::error::{Severity, SqlState};

/// The transaction of a write, as one operation sees it: the statements of its savepoint, and what
/// it has changed so far.
pub(super) struct Tx<'db> {
    /// For statements.
    pub(super) db: &'db Connection,
    /// What connected people are to be told if this commits.
    pub(super) changes: Vec<Change>,
    /// The sends that follow each other, as long as they do.
    pub(super) run: Option<Run>,
}

impl<'db> Tx<'db> {
    pub(super) fn new(db: &'db Connection) -> Self {
        Self { db, changes: Vec::new(), run: None }
    }

    /// Writes what the sends before have left to be written.
    pub(super) fn end_run(&mut self) -> Result<(), Fault> {
        self.run.take().map_or(Ok(()), |run| run.write(self.db))
    }

    /// Does something of which nothing stays where it fails.
    pub(super) fn savepoint<T, E>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let before = self.changes.len();
        self.db.soon("SAVEPOINT operation");
        let result = work(self);
        if result.is_ok() {
            self.db.soon("RELEASE operation");
        } else {
            self.db.soon("ROLLBACK TO operation; RELEASE operation");
            self.changes.truncate(before);
        }
        result
    }
}

/// Why an operation failed: because the domain says so, or because PostgreSQL did.
#[derive(Debug)]
pub(super) enum Fault {
    Domain(StoreError),
    Postgres(tokio_postgres::Error),
    /// A row that must be there is not.
    Missing,
    /// The connection is lost. Was it in the middle of a commit, it is not known whether that was done.
    Lost,
}

impl<E: Into<StoreError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Domain(error.into())
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        // What ends the session with an error: an order to, a crash, a fail-over.
        let is_fatal = error
            .as_db_error()
            .is_some_and(|told| matches!(told.parsed_severity(), Some(Severity::Fatal | Severity::Panic)));
        let is_broken = error.is_closed()
            || std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>());
        if is_fatal || is_broken {
            tracing::warn!(error = %describe(&error), "the connection to the database is lost");
            return Self::Lost;
        }
        Self::Postgres(error)
    }
}

impl Fault {
    /// In the words of the domain. What is no answer to the caller is logged here, once.
    pub(super) fn settle(self) -> StoreError {
        match self {
            Self::Domain(error) => error,
            Self::Postgres(error) => settle_postgres(&error),
            Self::Missing => {
                tracing::error!("a row that must be in the database is not");
                StoreError::Internal
            }
            Self::Lost => StoreError::Unavailable,
        }
    }

    /// Is it a violation of a unique constraint?
    pub(super) fn is_unique_violation(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }
}

/// What a failure of PostgreSQL means to the caller.
fn settle_postgres(error: &tokio_postgres::Error) -> StoreError {
    /// What passes: it is too busy, is waited for too long, or is a standby now.
    const PASSING: [SqlState; 9] = [
        SqlState::QUERY_CANCELED,
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::OUT_OF_MEMORY,
        SqlState::INSUFFICIENT_RESOURCES,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    let error_told = describe(error);
    match error.code() {
        Some(&SqlState::DISK_FULL) => {
            // One of many while it lasts; the writer tells of the first.
            tracing::debug!(error = %error_told, "the database's disk is full");
            StoreError::StorageFull
        }
        Some(code) if PASSING.contains(code) => {
            tracing::warn!(error = %error_told, "the database is busy");
            StoreError::Unavailable
        }
        _ => {
            tracing::error!(error = %error_told, "the database failed");
            StoreError::Internal
        }
    }
}

/// An error with what PostgreSQL says of it, but never a row's contents (which its details may show).
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(told), _) => format!("{} ({})", told.message(), told.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}
