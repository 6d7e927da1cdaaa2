//! Opening a database: what it must promise itself, the lock, migrations, epoch.

use super::address::{Address, AddressError, Ready};
use super::connection::Connection;
use super::primary::{Found, connect, connect_in_time};
use super::seen::{Lineage, Notes, Seen, number};
use super::tx::{Fault, describe};
use crate::store::Opener;
use crate::store::epoch::random_word;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Forward only, and never changed once released: a change of the schema is a new entry.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001_initial.sql"), include_str!("migrations/0002_indexes.sql")];

/// What the advisory lock is called, besides the schema: the letters of "chat".
const LOCK: i32 = 0x6368_6174;
/// How long the lock is waited for at a start: so long PostgreSQL may take to find out that a server, or its machine, is
/// gone (see [`super::primary`]).
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Between two tries to get it.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How long an answer may take while nobody waits for one of ours yet.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How a database is opened.
pub struct Opening {
    /// Where it is.
    pub address: Address,
    /// By whom.
    pub opener: Opener,
    /// The file in which is noted what was seen of it, so that an earlier state of it is known. `None`: nothing is noted.
    pub notes: Option<PathBuf>,
}

/// Why a database could not be opened. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The password or the certificate cannot be had.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// It cannot be reached.
    #[error("cannot reach the database: {0}. Check that PostgreSQL runs, and that --database names it.")]
    Unreachable(String),
    /// It does not let us in.
    #[error(
        "cannot connect to the database: {0}. Check the user, the password and the certificate that --database and what goes with it name."
    )]
    Refused(String),
    /// It is there, and does not let anybody in yet.
    #[error("the database is not ready: {0}.")]
    Starting(String),
    /// Another server has it.
    #[error(
        "the database is in use by another chat-server, or still by one that was just ended. Stop the other one, or choose another database with --database."
    )]
    InUse,
    /// Another server has it, and has written to it.
    #[error("another chat-server has taken the database over.")]
    Taken,
    /// It was the primary once.
    #[error(
        "the database is an old primary: it lacks what was written after a fail-over. Name the present primary with --database. If this state is to be gone on with all the same, say `chat-server doctor --new-epoch` first."
    )]
    Superseded,
    /// PostgreSQL is too old.
    #[error("PostgreSQL {0} is too old: 14 or newer is needed.")]
    TooOld(i64),
    /// It does not keep what it confirms.
    #[error(
        "PostgreSQL has fsync = off: a crash of its machine would lose messages that were acknowledged. Set fsync = on in postgresql.conf."
    )]
    NotDurable,
    /// It does not store every letter.
    #[error("the database has the encoding {0}. Make one with ENCODING 'UTF8'.")]
    Encoding(String),
    /// Nothing can be written there.
    #[error("the database is a standby, which nobody can write to. Name the primary with --database.")]
    Standby,
    /// There is nowhere to put the tables.
    #[error("the schema that search_path names does not exist. Make it: CREATE SCHEMA.")]
    NoSchema,
    /// A newer program has written it.
    #[error(
        "the database has schema version {found}, and this chat-server knows versions up to {known}. Start the newer chat-server, or restore a backup made by this one."
    )]
    Newer {
        /// Its version.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A copy into it was cut off.
    #[error(
        "a copy into this database was not brought to its end. Say the same `chat-server copy` again, or empty the database."
    )]
    HalfCopied,
    /// There is nothing of ours in it.
    #[error("there is no chat in this database.")]
    Empty,
    /// It fails.
    #[error("the database cannot be used: {0}.")]
    Failed(String),
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

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Postgres(error) => Self::Failed(describe(&error)),
            Fault::Lost => Self::Unreachable("the connection was lost".to_owned()),
            other => Self::Failed(other.settle().to_string()),
        }
    }
}

/// A connection that may write, and what it found.
pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) epoch: String,
    /// The mark of the newest transaction.
    pub(super) mark: String,
    pub(super) lineage: Option<Lineage>,
}

impl Opened {
    fn read(Found { db: writer, lineage }: Found) -> Result<Self, OpenError> {
        let epoch = writer.value(META, &[&"epoch"])?;
        let mark = writer.value(META, &[&"batch"])?;
        Ok(Self { writer, epoch, mark, lineage })
    }
}

/// A row of `meta`.
pub(super) const META: &str = "SELECT value FROM meta WHERE key = $1";

/// Opens the database for the first time, and brings its schema up to date. `seen`: what was seen of it before.
pub(super) fn open(ready: &Ready, opener: Opener, seen: Option<&Seen>) -> Result<Opened, OpenError> {
    let found = match opener {
        Opener::Server => connect_in_time(ready, seen)?,
        Opener::Command => connect(ready, PATIENCE, seen)?,
    };
    let writer = &found.db;
    let asked = Instant::now();
    while !lock(writer)? {
        if asked.elapsed() >= LOCK_WAIT {
            return Err(OpenError::InUse);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    migrate(writer)?;
    let insert = "INSERT INTO meta (key, value) VALUES ('epoch', $1) ON CONFLICT DO NOTHING";
    writer.execute(insert, &[&random_word()?])?;
    Opened::read(found)
}

/// Opens it to be served. One that lacks what was seen of it before gets a new epoch.
pub(super) fn open_whole(ready: &Ready, opener: Opener, notes: &mut Notes) -> Result<Opened, OpenError> {
    let mut opened = open(ready, opener, notes.kept())?;
    if is_half_copied(&opened.writer)? {
        return Err(OpenError::HalfCopied);
    }
    let (epoch, batch) = (&opened.epoch, number(&opened.mark));
    if notes.kept().is_some_and(|seen| seen.epoch == *epoch && seen.batch > batch) {
        tracing::error!("the database lacks what this server had committed to it; it gets a new epoch");
        opened.epoch = renew_epoch(&opened.writer)?;
    }
    Ok(opened)
}

fn is_half_copied(db: &Connection) -> Result<bool, Fault> {
    db.value("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'copy')", &[])
}

/// Opens it again after the connection was lost. The lock is the session's own, so whoever has it knows that everything
/// that was begun in the session before was committed or is gone. Every answer has to come within the patience.
/// `is_ours`: can a session of ours have left this mark? Else whoever has the lock is another server.
pub(super) fn reopen(
    ready: &Ready,
    patience: Duration,
    seen: &Seen,
    is_ours: impl Fn(&str) -> bool,
) -> Result<Opened, OpenError> {
    let found = connect(ready, patience, Some(seen))?;
    let is_locked = lock(&found.db)?;
    let (version, known) = (version(&found.db)?, MIGRATIONS.len() as i64);
    if version > known {
        return Err(OpenError::Newer { found: version, known });
    }
    if version == 0 {
        return Err(OpenError::Empty);
    }
    if is_half_copied(&found.db)? {
        return Err(OpenError::HalfCopied);
    }
    let opened = Opened::read(found)?;
    match is_locked {
        true => Ok(opened),
        false if opened.epoch == seen.epoch && is_ours(&opened.mark) => Err(OpenError::InUse),
        false => Err(OpenError::Taken),
    }
}

/// Takes the lock that one server at a time has on these tables, for as long as the connection lasts. False:
/// somebody else has it.
fn lock(db: &Connection) -> Result<bool, Fault> {
    db.value("SELECT pg_try_advisory_lock($1, hashtext(current_schema()))", &[&LOCK])
}

/// The version of the schema; 0: there is none yet.
pub(super) fn version(db: &Connection) -> Result<i64, Fault> {
    let exists: bool = db.value(
        "SELECT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'meta')",
        &[],
    )?;
    if !exists {
        return Ok(0);
    }
    let version =
        db.row("SELECT value::bigint FROM meta WHERE key = 'schema'", &[], |row| Ok(row.try_get(0)?))?;
    Ok(version.unwrap_or(0))
}

fn migrate(db: &Connection) -> Result<(), OpenError> {
    let known = MIGRATIONS.len() as i64;
    let found = version(db)?;
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    if found == known {
        return Ok(());
    }
    tracing::info!(from = found, to = known, "bringing the schema up to date");
    // It takes as long as it takes.
    db.set_patience(None);
    for (migration, number) in MIGRATIONS.iter().zip(1..).skip_while(|(_, number)| *number <= found) {
        db.batch(&format!(
            "BEGIN; {migration};
             INSERT INTO meta (key, value) VALUES ('schema', '{number}') ON CONFLICT (key) DO UPDATE SET value = '{number}';
             COMMIT"
        ))?;
    }
    db.set_patience(Some(PATIENCE));
    Ok(())
}

/// Gives the database a new epoch. To be called with the lock. Waits for no standby: where there is none yet, the
/// next server's first commit does.
pub(super) fn renew_epoch(db: &Connection) -> Result<String, OpenError> {
    let epoch = random_word()?;
    db.soon("BEGIN; SET LOCAL synchronous_commit = local");
    db.execute("UPDATE meta SET value = $1 WHERE key = 'epoch'", &[&epoch])?;
    db.batch("COMMIT")?;
    Ok(epoch)
}

/// Gives a database that no server has open a new epoch: clients then read everything anew. To be
/// done to a restored or copied database before it is served.
pub fn new_epoch(address: &Address) -> Result<String, OpenError> {
    let ready = address.ready()?;
    let change = move || {
        let Found { db, .. } = connect(&ready, PATIENCE, None)?;
        if !lock(&db)? {
            return Err(OpenError::InUse);
        }
        if version(&db)? == 0 {
            return Err(OpenError::Empty);
        }
        renew_epoch(&db)
    };
    on_a_thread(change)
}

/// Does something that waits for the database on a thread where that is allowed.
pub(super) fn on_a_thread<T: Send>(
    work: impl FnOnce() -> Result<T, OpenError> + Send,
) -> Result<T, OpenError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, work).map_err(OpenError::Thread)?;
        thread.join().unwrap_or_else(|_| Err(OpenError::Failed("opening it panicked".to_owned())))
    })
}
