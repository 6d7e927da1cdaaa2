//! Opening: the lock, the schema, and what is done with a file that cannot be used.

use super::history::COUNT_AFTER;
use super::{Cache, Result, is_damage, salvage};
use crate::home::Home;
use rusqlite::{Connection, ErrorCode};
use rusqlite_migration::{M, Migrations};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

const SCHEMA: &str = "
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE conversations (
    id INTEGER PRIMARY KEY, cursor INTEGER NOT NULL, opened_at INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL
);
CREATE TABLE messages (
    conversation INTEGER NOT NULL, seq INTEGER NOT NULL, rev INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (conversation, seq)
) WITHOUT ROWID;
-- Every message with a seq from first to last is held. last = first - 1: none yet, but all that follow.
CREATE TABLE spans (
    conversation INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (conversation, first)
) WITHOUT ROWID;
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, conversation INTEGER NOT NULL,
    body TEXT NOT NULL, reply_to INTEGER, edits INTEGER, entered_at INTEGER NOT NULL, failed TEXT
);
CREATE TABLE drafts (
    conversation INTEGER PRIMARY KEY, text TEXT NOT NULL, reply_to INTEGER, editing INTEGER
);
CREATE TABLE entered (
    position INTEGER PRIMARY KEY AUTOINCREMENT, conversation INTEGER NOT NULL, line TEXT NOT NULL
);
CREATE INDEX entered_conversation ON entered (conversation, position);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

/// The version of a file that is to be put aside.
pub(super) const CONDEMNED: i64 = -1;

/// A cache, and what a user should know about it.
#[derive(Debug)]
pub struct Opened {
    /// To be used.
    pub cache: Cache,
    /// Sentences for people.
    pub notices: Vec<String>,
}

/// Why a file cannot be used.
pub(super) enum Unusable {
    /// Another program has it.
    Owned,
    /// A later version of this program wrote it.
    Newer,
    /// It is no database, or a broken one.
    Damaged(String),
    /// Anything else: no permission, no room.
    Unreachable(String),
}

impl Cache {
    /// The cache of this user at this server. There always is one; where the file cannot be used it
    /// ends with the process, and the notices say so.
    pub fn open(home: &Home, server: &str, user: &str) -> Result<Opened> {
        let name = format!("cache-{}-{}", file_name(server), file_name(user));
        let path = home.file(&format!("{name}.db"));
        let lock = match lock(&home.file(&format!("{name}.lock"))) {
            Ok(lock) => lock,
            Err(unusable) => return Self::unkept(&unusable, &path),
        };
        match open_file(&path) {
            Ok(db) => Ok(Opened { cache: Self::owned(db, lock), notices: Vec::new() }),
            Err(Unusable::Damaged(why)) => Self::anew(lock, &path, &why),
            Err(unusable) => Self::unkept(&unusable, &path),
        }
    }

    fn owned(db: Connection, lock: File) -> Self {
        Self { kept: true, _lock: Some(lock), ..Self::unowned(db) }
    }

    /// Not locked: for a file that nobody else has, or that is only looked at.
    pub(super) fn unowned(db: Connection) -> Self {
        // What other runs have left was not counted yet.
        Self { db, kept: false, _lock: None, fresh_rows: COUNT_AFTER }
    }

    /// One that ends with the process.
    pub fn in_memory() -> Result<Self> {
        let mut db = Connection::open_in_memory()?;
        Migrations::new(vec![M::up(SCHEMA)]).to_latest(&mut db).map_err(migration)?;
        Ok(Self::unowned(db))
    }

    fn unkept(unusable: &Unusable, path: &Path) -> Result<Opened> {
        let path = path.display();
        let notice = match unusable {
            Unusable::Owned => {
                "Another chat-tui uses this home: what you leave unsent here is lost when you quit."
                    .to_owned()
            }
            Unusable::Newer => format!(
                "{path} is of a newer chat-tui and is left alone: what you leave unsent here is lost when you quit."
            ),
            Unusable::Damaged(why) | Unusable::Unreachable(why) => {
                format!("{path} cannot be used ({why}): what you leave unsent here is lost when you quit.")
            }
        };
        Ok(Opened { cache: Self::in_memory()?, notices: vec![notice] })
    }

    /// Puts a damaged file aside and begins anew, with what could be saved.
    fn anew(lock: File, path: &Path, why: &str) -> Result<Opened> {
        let opened = salvage::renew(path, why).and_then(|notice| Ok((open_file(path)?, notice)));
        match opened {
            Ok((db, notice)) => Ok(Opened { cache: Self::owned(db, lock), notices: vec![notice] }),
            Err(unusable) => Self::unkept(&unusable, path),
        }
    }
}

/// A name that no two servers share.
fn file_name(text: &str) -> String {
    let mut name = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02x}"));
        }
    }
    name
}

fn lock(path: &Path) -> std::result::Result<File, Unusable> {
    let mut options = OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).mode(0o600).open(path);
    let file = file.map_err(|error| Unusable::Unreachable(error.to_string()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Unusable::Owned),
        Err(std::fs::TryLockError::Error(error)) => Err(Unusable::Unreachable(error.to_string())),
    }
}

/// The file at this place, made if it is not there.
pub(super) fn open_file(path: &Path) -> std::result::Result<Connection, Unusable> {
    let mut options = OpenOptions::new();
    // SQLite would make it readable for others; its other files take the mode of this one.
    let made = options.create(true).truncate(false).write(true).mode(0o600).open(path);
    made.map_err(|error| Unusable::Unreachable(error.to_string()))?;
    let opened = (|| {
        let mut db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(1))?;
        // Before anything is written.
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        match version {
            CONDEMNED => return Ok(Err(Unusable::Damaged("it was found so before".to_owned()))),
            2.. => return Ok(Err(Unusable::Newer)),
            _ => {}
        }
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        Migrations::new(vec![M::up(SCHEMA)]).to_latest(&mut db).map_err(migration)?;
        Ok(Ok(db))
    })();
    let db = opened.map_err(unusable)??;
    let cache = Cache::unowned(db);
    // What a start reads is whole, or the file is not used.
    cache.stored().map_err(unusable)?;
    Ok(cache.db)
}

fn migration(error: rusqlite_migration::Error) -> rusqlite::Error {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => err,
        other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
    }
}

fn unusable(error: rusqlite::Error) -> Unusable {
    let text = error.to_string();
    match error.sqlite_error_code() {
        _ if is_damage(&error) => Unusable::Damaged(text),
        Some(ErrorCode::Unknown) | None => Unusable::Damaged(text),
        Some(_) => Unusable::Unreachable(text),
    }
}
