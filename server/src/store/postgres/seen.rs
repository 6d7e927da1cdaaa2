//! What a server has seen of its database, kept in its own directory.
//!
//! A database can be met again in an earlier state: a standby that was behind was promoted, an old primary came back, a
//! backup was put in its place. A server that runs meanwhile knows it from its memory; one that was stopped, from this
//! file. It is written when the server has nothing else to do, now and then while it has, and before it is without a
//! database. So it may be older than what was seen last, and never newer.

use crate::durable::keep_name;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Where PostgreSQL's own log of changes has come to. Numbers are compared within one system only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lineage {
    /// What `initdb` has named it; its standbys have the same.
    pub(super) system: String,
    /// The timeline: each promotion begins a higher one.
    pub(super) timeline: i64,
}

impl Lineage {
    /// Is it the one that the other was promoted from?
    pub(super) fn is_before(&self, other: &Self) -> bool {
        self.system == other.system && self.timeline < other.timeline
    }
}

/// A state of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) epoch: String,
    /// The number of the newest transaction that was confirmed.
    pub(super) batch: i64,
    /// `None`: it was not told.
    pub(super) lineage: Option<Lineage>,
}

/// The number in a mark; 0 before the first.
pub(super) fn number(mark: &str) -> i64 {
    mark.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The file, if there is to be one.
pub(super) struct Notes {
    path: Option<PathBuf>,
    kept: Option<Seen>,
}

impl Notes {
    pub(super) fn read(path: Option<&Path>) -> Self {
        let kept = path.and_then(|path| {
            let read = match fs::read(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
                read => read.and_then(|text| Ok(serde_json::from_slice(&text)?)),
            };
            read.inspect_err(|error| tracing::warn!(path = %path.display(), %error, "cannot be read")).ok()
        });
        Self { path: path.map(Path::to_owned), kept }
    }

    pub(super) fn kept(&self) -> Option<&Seen> {
        self.kept.as_ref()
    }

    /// Keeps it, if it is not kept yet.
    pub(super) fn keep(&mut self, seen: Seen) {
        let Some(path) = self.path.as_deref().filter(|_| self.kept.as_ref() != Some(&seen)) else { return };
        match store(path, &seen) {
            Ok(()) => self.kept = Some(seen),
            Err(error) => tracing::warn!(path = %path.display(), %error, "cannot be written"),
        }
    }
}

/// All of it or nothing.
fn store(path: &Path, seen: &Seen) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(seen)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    keep_name(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_again_and_what_is_broken_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postgres.json");
        let lineage = Some(Lineage { system: "7".to_owned(), timeline: 2 });
        let seen = Seen { epoch: "epoch".to_owned(), batch: number("word-with-12"), lineage };
        let mut notes = Notes::read(Some(&path));
        assert_eq!(notes.kept(), None);
        notes.keep(seen.clone());
        assert_eq!(Notes::read(Some(&path)).kept(), Some(&Seen { batch: 12, ..seen }));
        fs::write(&path, "{").unwrap();
        assert_eq!(Notes::read(Some(&path)).kept(), None);
        assert_eq!(Notes::read(None).kept(), None);
    }
}
