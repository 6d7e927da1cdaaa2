//! The way back from an upgrade: a copy of the database as it was before its schema is brought up to date.

use super::opening::OpenError;
use super::tx::Fault;
use super::upkeep::backup;
use crate::durable::keep_name;
use rusqlite::Connection;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What SQLite may have beside a file that it was writing.
const BESIDE: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// Copies the database that is at `path`. Only a whole copy that is on the disk gets the name of one. What an upgrade
/// that was cut off has left is made anew: nobody has been served by that one, so that the database is still as it
/// was, or the older program has had it again, and it has more in it now.
pub(super) fn keep_copy(db: &Connection, path: &Path, version: i64) -> Result<(), OpenError> {
    let half = path.with_extension(format!("before-v{version}.copying"));
    let copy = path.with_extension(format!("before-v{version}.backup"));
    let failed = |why: String| OpenError::Copy { path: path.to_owned(), copy: copy.clone(), why };
    let at_file = |error: io::Error| failed(error.to_string());
    for suffix in BESIDE {
        remove(&half, suffix).map_err(at_file)?;
    }
    backup(db, &half).map_err(|fault| match fault {
        Fault::Sqlite(error) => failed(error.to_string()),
        Fault::Domain(error) => failed(error.to_string()),
    })?;
    fs::rename(&half, &copy).and_then(|()| keep_name(&copy)).map_err(|error| {
        // One that could not get its name would lie there for ever; that it cannot be removed either changes nothing.
        let _ = remove(&half, "");
        at_file(error)
    })
}

fn remove(path: &Path, suffix: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    match fs::remove_file(PathBuf::from(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
