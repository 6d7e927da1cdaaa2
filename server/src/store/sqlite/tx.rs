//! What an operation works on, and how it fails.

use crate::store::{Change, StoreError};
use rusqlite::{Connection, PrepFlags, Statement};

/// The transaction of a write, as one operation sees it: the statements of its savepoint, and what
/// it has changed so far.
pub(super) struct Tx<'db> {
    /// For statements. Operations use cached ones.
    pub(super) db: &'db Connection,
    /// What every message needs.
    pub(super) send: SendStatements<'db>,
    /// What connected people are to be told if this commits.
    pub(super) changes: Vec<Change>,
    /// Is the disk as full as it may get?
    pub(super) is_full: bool,
}

/// The statements of a send. The connection finds a cached one by its whole text, and forgets what was bound to it:
/// for these an eighth of what a message takes.
#[derive(Default)]
pub(super) struct SendStatements<'db> {
    pub(super) known: Kept<'db>,
    pub(super) writer: Kept<'db>,
    pub(super) take_seq: Kept<'db>,
    pub(super) insert: Kept<'db>,
}

/// A statement that is prepared when it is first needed, and kept as long as the connection.
#[derive(Default)]
pub(super) struct Kept<'db>(Option<Statement<'db>>);

impl<'db> Kept<'db> {
    /// The statement, which is always of the same text.
    pub(super) fn of(&mut self, db: &'db Connection, sql: &str) -> rusqlite::Result<&mut Statement<'db>> {
        match &mut self.0 {
            Some(statement) => Ok(statement),
            none => Ok(none.insert(db.prepare_with_flags(sql, PrepFlags::SQLITE_PREPARE_PERSISTENT)?)),
        }
    }
}

impl<'db> Tx<'db> {
    pub(super) fn new(db: &'db Connection) -> Self {
        Self { db, send: SendStatements::default(), changes: Vec::new(), is_full: false }
    }

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
