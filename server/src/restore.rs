//! Putting a backup in the place of the database, while no server runs.

use crate::data_dir::DataDir;
use crate::durable::keep_name;
use crate::store::sqlite::{OpenError, is_initialised, new_epoch, restoring};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Why a backup was not restored; the database is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The file is no backup of ours, or damaged.
    #[error("{0} is not a whole chat database. Nothing was changed.")]
    NotABackup(PathBuf),
    /// SQLite cannot read it.
    #[error("cannot restore {path}: {source}. Nothing was changed.")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is of a newer version.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A file could not be moved or written.
    #[error("{path}: {source}. The database was not replaced.")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Restores, and returns where the database that was there before is kept. The restored one gets a new
/// epoch, which tells clients to read everything anew.
pub fn restore(
    _held: &DataDir,
    database: &Path,
    backup: &Path,
    now: i64,
) -> Result<Option<PathBuf>, RestoreError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| RestoreError::File { path, source }
    };
    let found = is_initialised(backup).map_err(|error| match error {
        OpenError::Sqlite { path, source } => RestoreError::Unreadable { path, source },
        other => other.into(),
    });
    if !found? {
        return Err(RestoreError::NotABackup(backup.to_owned()));
    }
    let fresh = restoring(database);
    {
        let mut from = File::open(backup).map_err(at(backup))?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut to = options.open(&fresh).map_err(at(&fresh))?;
        io::copy(&mut from, &mut to).map_err(at(&fresh))?;
        to.sync_all().map_err(at(&fresh))?;
    }
    new_epoch(&fresh)?;
    keep_name(&fresh).map_err(at(&fresh))?;
    let old = database.with_extension(format!("before-restore-{now}"));
    let kept = database.exists().then(|| old.clone());
    // In this order also after a power cut: a database without its log, or with that of another one, would be
    // taken for whole. The log of one that an earlier restore put aside, and was cut off, may still be there.
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with_suffix(database, suffix), with_suffix(&old, suffix));
        if from.exists() {
            fs::rename(&from, &to).and_then(|()| keep_name(&from)).map_err(at(&from))?;
        }
    }
    fs::rename(&fresh, database).and_then(|()| keep_name(database)).map_err(at(database))?;
    Ok(kept)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
