//! Which database is to be opened, and why it could not be.

use std::io;
use std::path::PathBuf;

/// Which database to open.
#[derive(Debug, Clone)]
pub struct Opening {
    /// The file. Made if it is not there.
    pub path: PathBuf,
    /// Bytes of its disk to keep free: with less, nothing is stored that would take more.
    pub reserve: u64,
}

/// Why a database could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A newer program has written it.
    #[error(
        "{path} has schema version {found}, and this chat-server knows versions up to {known}. Start the newer chat-server, or restore a backup made by this one."
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// The file cannot be made or read.
    #[error(
        "cannot open {path}: {source}. Check that the directory exists and belongs to the user that runs chat-server."
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It was put aside, and what was to take its place did not.
    #[error(
        "the database {path} is not there, and a restore was cut off. Run `chat-server restore FILE` again, or give the old one, which lies beside it, its name back."
    )]
    HalfRestored {
        /// The file.
        path: PathBuf,
    },
    /// A copy into it was cut off.
    #[error(
        "a copy into the database {0} was not brought to its end. Say the same `chat-server copy` again, or remove the file."
    )]
    HalfCopied(PathBuf),
    /// SQLite refuses it.
    #[error(
        "cannot open the database {path}: {source}. If it is damaged, restore a backup with `chat-server restore`."
    )]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is of an older version, and there is no room for a copy, or another reason that there is none.
    #[error(
        "cannot copy the database {path} to {copy}, which is done before it is brought up to date: {why}. Nothing was changed: make room for as much again on its disk, or start the chat-server from before."
    )]
    Copy {
        /// The file.
        path: PathBuf,
        /// Where to.
        copy: PathBuf,
        /// Why not.
        why: String,
    },
    /// The schema could not be brought up to date.
    #[error("cannot bring the database {path} up to date: {source}. A copy from before is beside it.")]
    Migration {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite_migration::Error,
    },
    /// The linked SQLite is too old.
    #[error("SQLite {0} is too old: 3.51.3 or newer is needed.")]
    TooOld(&'static str),
    /// No reading connection could be made.
    #[error("cannot open the database for reading: {0}")]
    Pool(r2d2::Error),
    /// No thread could be made.
    #[error("cannot start the writing thread: {0}")]
    Thread(io::Error),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}
