//! A damaged file: what the user wrote is carried over into a new one, and the old one is put aside.

use super::open::{Unusable, open_file};
use super::{Cache, Result, notes, outbox};
use crate::client::{Draft, Pending};
use chat_shared::ConversationId;
use rusqlite::{Connection, OpenFlags};
use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

/// What could be read of what the user wrote.
#[derive(Default)]
struct Saved {
    outbox: Vec<Pending>,
    drafts: Vec<(ConversationId, Draft)>,
    entered: Vec<(ConversationId, String)>,
    settings: Vec<(String, String)>,
    /// Something could not.
    lacks: bool,
}

/// Begins a new file with what can be saved of the damaged one. Returns a sentence for people.
///
/// The new file is whole before the old one is touched: where there is no room for it, nothing is lost.
pub(super) fn renew(path: &Path, why: &str) -> std::result::Result<String, Unusable> {
    let saved = Saved::read(path);
    let unreachable = |error: &dyn std::fmt::Display| Unusable::Unreachable(format!("{why}; {error}"));
    let new = path.with_extension("new");
    remove(&new).map_err(|error| unreachable(&error))?;
    let cache = Cache::unowned(open_file(&new)?);
    saved.write(cache).map_err(|error| unreachable(&error))?;
    let aside = set_aside(path).and_then(|aside| std::fs::rename(&new, path).map(|()| aside));
    let aside = aside.map_err(|error| unreachable(&error))?;
    Ok(format!("The cache was damaged ({why}) and lies in {} now. {}", aside.display(), saved.sentence()))
}

impl Saved {
    fn read(path: &Path) -> Self {
        let mut saved = Self::default();
        let Ok(db) = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
            return Self { lacks: true, ..saved };
        };
        // Also of a file that has lost its end.
        saved.lacks = db.pragma_update(None, "writable_schema", true).is_err();
        let cache = Cache::unowned(db);
        saved.outbox = readable(cache.rows(outbox::SELECT, outbox::pending), &mut saved.lacks);
        // A damaged file may have a row twice.
        let mut ids = HashSet::new();
        saved.outbox.retain(|pending| ids.insert(pending.id));
        saved.drafts = readable(cache.rows(notes::DRAFTS, notes::draft), &mut saved.lacks);
        saved.entered = readable(cache.rows(notes::ENTERED, notes::line), &mut saved.lacks);
        saved.settings = readable(cache.rows(notes::SETTINGS, notes::setting), &mut saved.lacks);
        saved
    }

    /// On the disk when it returns: closing the file flushes it.
    fn write(&self, mut cache: Cache) -> Result<()> {
        self.outbox.iter().try_for_each(|pending| cache.keep_pending(pending))?;
        self.drafts.iter().try_for_each(|(id, draft)| cache.keep_draft(*id, draft))?;
        self.entered.iter().try_for_each(|(id, line)| cache.keep_line(*id, line))?;
        self.settings.iter().try_for_each(|(name, value)| cache.keep_setting(name, value))?;
        cache.db.close().map_err(|(_, error)| error)
    }

    fn sentence(&self) -> String {
        let count = |n: usize, one: &str, many: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let parts = [
            count(self.outbox.len(), "message that waits to be sent", "messages that wait to be sent"),
            count(self.drafts.len(), "unfinished text", "unfinished texts"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match (parts.is_empty(), self.lacks) {
            (true, false) => "Nothing waited to be sent.".to_owned(),
            (true, true) => "What waited to be sent, if anything, could not be read.".to_owned(),
            (false, false) => format!("Saved from it: {}.", parts.join(", ")),
            (false, true) => format!("Saved from it: {}; some could not be read.", parts.join(", ")),
        }
    }
}

fn readable<T>(rows: Result<Vec<Result<T>>>, lacks: &mut bool) -> Vec<T> {
    let rows = rows.unwrap_or_else(|error| vec![Err(error)]);
    *lacks |= rows.iter().any(Result::is_err);
    rows.into_iter().flatten().collect()
}

/// The file and the log beside it, which may hold what the file does not.
fn both(path: &Path) -> [PathBuf; 2] {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    [path.to_owned(), PathBuf::from(log)]
}

fn missing_is_fine(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

fn remove(path: &Path) -> io::Result<()> {
    both(path).iter().try_for_each(|file| missing_is_fine(std::fs::remove_file(file)))
}

fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut n = 1;
    let aside = loop {
        let aside = path.with_extension(format!("damaged-{n}"));
        if !aside.try_exists()? {
            break aside;
        }
        n += 1;
    };
    for (from, to) in both(path).iter().zip(both(&aside)) {
        missing_is_fine(std::fs::rename(from, to))?;
    }
    let mut index = path.as_os_str().to_owned();
    index.push("-shm");
    missing_is_fine(std::fs::remove_file(PathBuf::from(index)))?;
    Ok(aside)
}
