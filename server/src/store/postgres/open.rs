//! Opening a database: what it must promise itself, the lock, migrations, epoch.

use super::address::{Address, AddressError, Ready};
use super::connection::Connection;
use super::tx::{Fault, describe};
use crate::planted::{Bug, planted};
use crate::store::Opener;
use crate::store::epoch::random_word;
use std::io;
use std::time::{Duration, Instant};

/// Forward only, and never changed once released: a change of the schema is a new entry.
const MIGRATIONS: &[&str] =
    &[include_str!("migrations/0001_initial.sql"), include_str!("migrations/0002_indexes.sql")];

/// PostgreSQL below this is not looked after any more.
const VERSION_MIN: i64 = 14;

/// What the advisory lock is called, besides the schema: the letters of "chat".
const LOCK: i32 = 0x6368_6174;
/// How long the lock is waited for at a start: so long a session of a server that was killed may take to end.
const LOCK_WAIT: Duration = Duration::from_secs(5);
/// Between two tries to get it.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// How long a PostgreSQL is waited for that says that it starts (after a crash it puts itself in order first), or
/// several that all stand by for another.
const START_WAIT: Duration = Duration::from_secs(120);
/// How long one is waited for that cannot be reached: when a machine starts, everything on it does at once.
const REACH_WAIT: Duration = Duration::from_secs(10);
/// Between two looks at it.
const START_PAUSE: Duration = Duration::from_millis(200);
/// How long an answer may take while nobody waits for one of ours yet.
const PATIENCE: Duration = Duration::from_secs(30);

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
        "the database is in use by another chat-server. Stop that one, or choose another database with --database."
    )]
    InUse,
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
}

impl Opened {
    fn read(writer: Connection) -> Result<Self, OpenError> {
        let value = "SELECT value FROM meta WHERE key = $1";
        let epoch = writer.value(value, &[&"epoch"])?;
        let mark = writer.value(value, &[&"batch"])?;
        Ok(Self { writer, epoch, mark })
    }
}

/// Opens the database for the first time, and brings its schema up to date.
pub(super) fn open(ready: &Ready, opener: Opener) -> Result<Opened, OpenError> {
    let writer = match opener {
        Opener::Server => connect_in_time(ready)?,
        Opener::Command => connect(ready, PATIENCE)?,
    };
    let asked = Instant::now();
    while !lock(&writer)? {
        if asked.elapsed() >= LOCK_WAIT {
            return Err(OpenError::InUse);
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    // A migration takes as long as it takes.
    writer.set_patience(None);
    migrate(&writer)?;
    writer.set_patience(Some(PATIENCE));
    let insert = "INSERT INTO meta (key, value) VALUES ('epoch', $1) ON CONFLICT DO NOTHING";
    writer.execute(insert, &[&random_word()?])?;
    Opened::read(writer)
}

/// Opens it to be served.
pub(super) fn open_whole(ready: &Ready, opener: Opener) -> Result<Opened, OpenError> {
    let opened = open(ready, opener)?;
    if is_half_copied(&opened.writer)? { Err(OpenError::HalfCopied) } else { Ok(opened) }
}

fn is_half_copied(db: &Connection) -> Result<bool, Fault> {
    db.value("SELECT EXISTS (SELECT 1 FROM meta WHERE key = 'copy')", &[])
}

/// Opens it again after the connection was lost. The lock is the session's own, so whoever has it knows that everything
/// that was begun in the session before was committed or is gone. Every answer has to come within the patience.
pub(super) fn reopen(ready: &Ready, patience: Duration) -> Result<Opened, OpenError> {
    let writer = connect(ready, patience)?;
    if !lock(&writer)? {
        return Err(OpenError::InUse);
    }
    let (found, known) = (version(&writer)?, MIGRATIONS.len() as i64);
    if found > known {
        return Err(OpenError::Newer { found, known });
    }
    if found == 0 {
        return Err(OpenError::Empty);
    }
    if is_half_copied(&writer)? {
        return Err(OpenError::HalfCopied);
    }
    Opened::read(writer)
}

/// Connects, and waits for a PostgreSQL that will be there.
fn connect_in_time(ready: &Ready) -> Result<Connection, OpenError> {
    let asked = Instant::now();
    let mut was_told = false;
    loop {
        let error = match connect(ready, PATIENCE) {
            Ok(db) => return Ok(db),
            Err(error) => error,
        };
        let wait = match error {
            OpenError::Starting(_) => START_WAIT,
            OpenError::Standby if ready.places.len() > 1 => START_WAIT,
            OpenError::Unreachable(_) => REACH_WAIT,
            _ => Duration::ZERO,
        };
        if asked.elapsed() >= wait {
            return Err(error);
        }
        if !std::mem::replace(&mut was_told, true) {
            tracing::warn!(%error, "waiting for the database");
        }
        std::thread::sleep(START_PAUSE);
    }
}

/// Connects to whichever of the places can be written to; where none can, says what gives most hope.
fn connect(ready: &Ready, patience: Duration) -> Result<Connection, OpenError> {
    let mut told: Option<OpenError> = None;
    for at in ready.order() {
        match connect_to(ready, at, patience) {
            Ok(db) => {
                ready.choose(at);
                return Ok(db);
            }
            Err(error) => {
                if told.as_ref().is_none_or(|told| hope(&error) > hope(told)) {
                    told = Some(error);
                }
            }
        }
    }
    Err(told.unwrap_or_else(|| OpenError::Unreachable("no place is named".to_owned())))
}

fn hope(error: &OpenError) -> u8 {
    match error {
        OpenError::Unreachable(_) => 0,
        OpenError::Standby => 2,
        OpenError::Starting(_) => 3,
        _ => 1,
    }
}

/// Connects, checks that PostgreSQL can keep what is promised, and sets what a writer needs.
fn connect_to(ready: &Ready, at: usize, patience: Duration) -> Result<Connection, OpenError> {
    let db = Connection::open(ready, at, patience)?;
    let (version, fsync, encoding, is_standby, schema) = db
        .row(
            "SELECT current_setting('server_version_num')::bigint, current_setting('fsync'),
                    current_setting('server_encoding'), pg_is_in_recovery(), current_schema()::text",
            &[],
            |row| {
                Ok((
                    row.try_get::<_, i64>(0)?,
                    row.try_get::<_, String>(1)?,
                    row.try_get::<_, String>(2)?,
                    row.try_get::<_, bool>(3)?,
                    row.try_get::<_, Option<String>>(4)?,
                ))
            },
        )?
        .ok_or(Fault::Missing)?;
    if version / 10_000 < VERSION_MIN {
        return Err(OpenError::TooOld(version / 10_000));
    }
    if fsync != "on" {
        return Err(OpenError::NotDurable);
    }
    if encoding != "UTF8" {
        return Err(OpenError::Encoding(encoding));
    }
    if is_standby {
        return Err(OpenError::Standby);
    }
    if schema.is_none() {
        return Err(OpenError::NoSchema);
    }
    // No statement_timeout: where PostgreSQL waits for a standby before it confirms a commit, that would end the
    // waiting and confirm all the same. Who does not answer in time is hung up on instead.
    db.batch(
        "SET synchronous_commit = on; SET lock_timeout = '2400ms'; SET statement_timeout = 0;
         SET idle_in_transaction_session_timeout = '60s'",
    )?;
    // Whatever is written is found by a key; a plan that was made while a table was small must not look through all of
    // it when it is large.
    db.batch(
        "SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off",
    )?;
    if planted(Bug::FlushSkipped) {
        db.batch("SET synchronous_commit = off")?;
    }
    Ok(db)
}

/// Takes the lock that one server at a time has on these tables, for as long as the connection lasts. False:
/// somebody else has it.
fn lock(db: &Connection) -> Result<bool, Fault> {
    db.value("SELECT pg_try_advisory_lock($1, hashtext(current_schema()))", &[&LOCK])
}

/// The version of the schema; 0: there is none yet.
fn version(db: &Connection) -> Result<i64, Fault> {
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
    for (migration, number) in MIGRATIONS.iter().zip(1..).skip_while(|(_, number)| *number <= found) {
        db.batch(&format!(
            "BEGIN; {migration};
             INSERT INTO meta (key, value) VALUES ('schema', '{number}') ON CONFLICT (key) DO UPDATE SET value = '{number}';
             COMMIT"
        ))?;
    }
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
        let db = connect(&ready, PATIENCE)?;
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
