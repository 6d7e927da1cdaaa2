//! What an operation works on, and how it fails.

use crate::store::{Change, StoreError};
use rusqlite::Connection;

/// The transaction of a write, as one operation sees it: the statements of its savepoint, and what
/// it has changed so far.
pub(super) struct Tx<'a> {
    /// For statements. Operations use cached ones.
    pub(super) db: &'a Connection,
    /// What connected people are to be told if this commits.
    pub(super) changes: Vec<Change>,
    /// Is the disk as full as it may get?
    pub(super) is_full: bool,
}

impl Tx<'_> {
    /// Refuses what would take more of a disk that is nearly full. What keeps people logged in, what they
    /// read and what they delete goes on.
    pub(super) fn check_space(&self) -> Result<(), StoreError> {
        if self.is_full { Err(StoreError::StorageFull) } else { Ok(()) }
    }
}

/// Why an operation failed: because the domain says so, or because SQLite did.
#[derive(Debug)]
pub(super) enum Fault {
    Domain(StoreError),
    Sqlite(rusqlite::Error),
}

impl<E: Into<StoreError>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Domain(error.into())
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Fault {
    /// In the words of the domain. What is no answer to the caller is logged here, once.
    pub(super) fn settle(self) -> StoreError {
        match self {
            Self::Domain(error) => error,
            Self::Sqlite(error) => settle_sqlite(&error),
        }
    }
}

/// What a failure of SQLite means to the caller.
pub(super) fn settle_sqlite(error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            // One of many while it lasts; the writer tells of the first.
            tracing::debug!(%error, "the disk is full");
            StoreError::StorageFull
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted) => {
            tracing::warn!(%error, "the database is busy");
            StoreError::Unavailable
        }
        _ => {
            tracing::error!(%error, "the database failed");
            StoreError::Internal
        }
    }
}
