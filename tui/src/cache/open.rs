//! Opening: the lock, the schema, and what is done with a file that cannot be used.

use super::{Cache, Result};
use crate::client::Pending;
use crate::home::Home;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
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

/// A cache, and what a user should know about it.
#[derive(Debug)]
pub struct Opened {
    /// To be used.
    pub cache: Cache,
    /// Sentences for people.
    pub notices: Vec<String>,
}

/// Why a file cannot be used.
enum Unusable {
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
        Self { db, kept: true, _lock: Some(lock), fresh_rows: 0 }
    }

    /// One that ends with the process.
    pub fn in_memory() -> Result<Self> {
        let mut db = Connection::open_in_memory()?;
        Migrations::new(vec![M::up(SCHEMA)]).to_latest(&mut db).map_err(migration)?;
        Ok(Self { db, kept: false, _lock: None, fresh_rows: 0 })
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

    /// Moves a damaged file aside and begins anew, with what can still be read of the outbox.
    fn anew(lock: File, path: &Path, why: &str) -> Result<Opened> {
        let saved = salvage(path);
        let aside = match set_aside(path) {
            Ok(aside) => aside,
            Err(error) => return Self::unkept(&Unusable::Unreachable(format!("{why}; {error}")), path),
        };
        let db = match open_file(path) {
            Ok(db) => db,
            Err(unusable) => return Self::unkept(&unusable, path),
        };
        let mut cache = Self::owned(db, lock);
        let unsent = match saved {
            Some(pending) => {
                for entry in &pending {
                    cache.keep_pending(entry)?;
                }
                match pending.len() {
                    0 => "nothing waited to be sent".to_owned(),
                    1 => "the message that waited to be sent was saved".to_owned(),
                    n => format!("the {n} messages that waited to be sent were saved"),
                }
            }
            None => "messages that waited to be sent could not be read".to_owned(),
        };
        let notice = format!("The cache was damaged ({why}); {unsent}. It was moved to {}.", aside.display());
        Ok(Opened { cache, notices: vec![notice] })
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

fn open_file(path: &Path) -> std::result::Result<Connection, Unusable> {
    let mut options = OpenOptions::new();
    // SQLite would make it readable for others; its other files take the mode of this one.
    let made = options.create(true).truncate(false).write(true).mode(0o600).open(path);
    made.map_err(|error| Unusable::Unreachable(error.to_string()))?;
    let opened = (|| {
        let mut db = Connection::open(path)?;
        db.busy_timeout(Duration::from_secs(1))?;
        db.pragma_update(None, "journal_mode", "WAL")?;
        db.pragma_update(None, "synchronous", "NORMAL")?;
        let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version > 1 {
            return Ok(Err(Unusable::Newer));
        }
        Migrations::new(vec![M::up(SCHEMA)]).to_latest(&mut db).map_err(migration)?;
        Ok(Ok(db))
    })();
    let db = opened.map_err(unusable)??;
    let cache = Cache { db, kept: true, _lock: None, fresh_rows: 0 };
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
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Unusable::Damaged(text),
        Some(ErrorCode::Unknown) | None => Unusable::Damaged(text),
        Some(_) => Unusable::Unreachable(text),
    }
}

/// What waits to be sent, from a damaged file; `None`: it cannot be read.
fn salvage(path: &Path) -> Option<Vec<Pending>> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
    let cache = Cache { db, kept: false, _lock: None, fresh_rows: 0 };
    cache.outbox().ok()
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
    std::fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let mut beside = path.as_os_str().to_owned();
        beside.push(suffix);
        match std::fs::remove_file(PathBuf::from(beside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
