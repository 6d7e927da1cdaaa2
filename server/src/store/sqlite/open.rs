//! Opening a database: settings, migrations, epoch.

use super::opening::{OpenError, Opening};
use super::upgrade::keep_copy;
use crate::planted::{Bug, planted};
use crate::store::epoch::random_word;
use r2d2_sqlite::SqliteConnectionManager;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};
use rusqlite_migration::{M, Migrations};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Forward only, and never changed once released: a change of the schema is a new entry.
const MIGRATIONS: &[M<'static>] =
    &[M::up(include_str!("migrations/0001_initial.sql")), M::up(include_str!("migrations/0002_indexes.sql"))];

/// How long a write waits for another process that has locked the database. Whoever asks just after
/// that began waits for two of them, and is to have an answer within 5 seconds.
pub(super) const LOCKED_WAIT: Duration = Duration::from_millis(2_400);

/// SQLite below this has a bug that can damage a database in WAL mode.
const SQLITE_MIN: i32 = 3_051_003;

/// Where a restore makes what is then renamed to the database.
pub fn restoring(database: &Path) -> PathBuf {
    database.with_extension("restoring")
}

pub(super) struct Opened {
    pub(super) writer: Connection,
    pub(super) epoch: String,
    /// The last one to have it open did not close it.
    pub(super) was_cut_off: bool,
}

pub(super) fn open(opening: &Opening) -> Result<Opened, OpenError> {
    let path = &opening.path;
    let at = |source| OpenError::Sqlite { path: path.clone(), source };
    if rusqlite::version_number() < SQLITE_MIN {
        return Err(OpenError::TooOld(rusqlite::version()));
    }
    // An empty one in its place would look as if everything were lost.
    if !path.exists() && restoring(path).exists() {
        return Err(OpenError::HalfRestored { path: path.clone() });
    }
    // Made by ourselves, so that nobody else can read it; SQLite gives its side files the same mode.
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| OpenError::File { path: path.clone(), source })?;
    // Closing folds the log into the database and removes it.
    let mut log = path.clone().into_os_string();
    log.push("-wal");
    let was_cut_off = std::fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let mut writer =
        Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(at)?;
    writer.busy_timeout(Duration::from_secs(5)).map_err(at)?;
    let known = MIGRATIONS.len() as i64;
    let found: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(at)?;
    if found > known {
        return Err(OpenError::Newer { path: path.clone(), found, known });
    }
    writer
        .execute_batch(&format!(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;
             PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA cache_size = -8192;
             PRAGMA temp_store = MEMORY;
             PRAGMA journal_size_limit = {};",
            super::log::LONG,
        ))
        .map_err(at)?;
    if planted(Bug::FlushSkipped) {
        writer.execute_batch("PRAGMA synchronous = NORMAL").map_err(at)?;
    }
    if planted(Bug::FlushNever) {
        writer.execute_batch("PRAGMA synchronous = OFF").map_err(at)?;
    }
    if found > 0 && found < known {
        keep_copy(&writer, path, known)?;
    }
    Migrations::from_slice(MIGRATIONS)
        .to_latest(&mut writer)
        .map_err(|source| OpenError::Migration { path: path.clone(), source })?;
    writer.set_prepared_statement_cache_capacity(256);
    writer.busy_timeout(LOCKED_WAIT).map_err(at)?;
    let epoch = ensure_epoch(&writer, path)?;
    #[cfg(test)]
    super::plans::watch(&writer);
    Ok(Opened { writer, epoch, was_cut_off })
}

/// Opens it to be served.
pub(super) fn open_whole(opening: &Opening) -> Result<Opened, OpenError> {
    let opened = open(opening)?;
    let at = |source| OpenError::Sqlite { path: opening.path.clone(), source };
    let is_half =
        opened.writer.prepare("SELECT 1 FROM meta WHERE key = 'copy'").and_then(|mut copy| copy.exists([]));
    if is_half.map_err(at)? {
        return Err(OpenError::HalfCopied(opening.path.clone()));
    }
    Ok(opened)
}

fn ensure_epoch(db: &Connection, path: &Path) -> Result<String, OpenError> {
    let at = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let read = || db.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0)).optional();
    if let Some(epoch) = read().map_err(at)? {
        return Ok(epoch);
    }
    let epoch = random_word()?;
    db.execute("INSERT INTO meta (key, value) VALUES ('epoch', ?1)", [&epoch]).map_err(at)?;
    Ok(epoch)
}

/// Gives a database that no server has open a new epoch: clients then read everything anew. To be
/// done to a restored or copied database before it is served.
pub fn new_epoch(path: &Path) -> Result<String, OpenError> {
    let at = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let epoch = random_word()?;
    let db = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).map_err(at)?;
    if planted(Bug::EpochKept) {
        return Ok(epoch);
    }
    db.execute_batch("PRAGMA synchronous = FULL").map_err(at)?;
    db.execute(
        "INSERT INTO meta (key, value) VALUES ('epoch', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1",
        [&epoch],
    )
    .map_err(at)?;
    Ok(epoch)
}

/// Is this file a chat database (of a version that this program knows), and undamaged?
pub fn is_initialised(path: &Path) -> Result<bool, OpenError> {
    let at = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let db = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_ONLY)).map_err(at)?;
    let found: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(at)?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(OpenError::Newer { path: path.to_owned(), found, known });
    }
    let check: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(at)?;
    let tables: i64 = db
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE name IN ('users', 'messages', 'meta')",
            [],
            |row| row.get(0),
        )
        .map_err(at)?;
    Ok(found > 0 && tables == 3 && check == "ok")
}

fn flags(mode: OpenFlags) -> OpenFlags {
    // Each connection is used by one thread at a time, so SQLite need not lock it.
    mode | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// A connection that folds the write-ahead log into the database.
pub(super) fn folder(path: &Path) -> Result<Connection, OpenError> {
    let open = || {
        let db = Connection::open_with_flags(path, flags(OpenFlags::SQLITE_OPEN_READ_WRITE))?;
        db.execute_batch("PRAGMA synchronous = FULL")?;
        Ok(db)
    };
    open().map_err(|source| OpenError::Sqlite { path: path.to_owned(), source })
}

pub(super) fn reader(path: &Path) -> SqliteConnectionManager {
    SqliteConnectionManager::file(path).with_flags(flags(OpenFlags::SQLITE_OPEN_READ_WRITE)).with_init(|db| {
        #[cfg(test)]
        super::plans::watch(db);
        db.set_prepared_statement_cache_capacity(128);
        db.busy_timeout(Duration::from_secs(5))?;
        // Not opened read-only, because a reader of a WAL database must be able to make its index;
        // it still cannot write.
        db.execute_batch(
            "PRAGMA query_only = ON;
             PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA cache_size = -512;
             PRAGMA temp_store = MEMORY;",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a database is made of, without comments and white space.
    fn schema(db: &Connection) -> Vec<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name";
        let mut statement = db.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(|sql| {
            let sql = sql.unwrap();
            let lines = sql.lines().map(|line| line.split("--").next().unwrap_or(""));
            lines.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
        })
        .collect()
    }

    #[test]
    fn every_older_version_migrates_to_exactly_schema_sql() {
        let wanted = Connection::open_in_memory().unwrap();
        wanted.execute_batch(include_str!("../../../../schema.sql")).unwrap();
        let migrations = Migrations::from_slice(MIGRATIONS);
        for older in 0..=MIGRATIONS.len() {
            let mut db = Connection::open_in_memory().unwrap();
            migrations.to_version(&mut db, older).unwrap();
            migrations.to_latest(&mut db).unwrap();
            assert_eq!(schema(&db), schema(&wanted), "from version {older}");
        }
    }

    #[test]
    fn a_newer_database_is_refused_and_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = open(&Opening { path: path.clone(), reserve: 0 }).err().unwrap();
        assert!(matches!(error, OpenError::Newer { found: 99, .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }

    /// A database of the first version, with something in it.
    fn first_version(path: &Path) {
        let mut db = Connection::open(path).unwrap();
        Migrations::from_slice(MIGRATIONS).to_version(&mut db, 1).unwrap();
        db.execute("INSERT INTO meta VALUES ('epoch', 'of the first version')", []).unwrap();
    }

    /// The epoch in a database of the first version.
    fn first_epoch(path: &Path) -> String {
        let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        assert_eq!(db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0)).unwrap(), 1);
        assert_eq!(db.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
        db.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_upgrade_that_was_cut_off_is_done_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        let known = MIGRATIONS.len();
        let [copy, half] =
            ["backup", "copying"].map(|end| path.with_extension(format!("before-v{known}.{end}")));
        // Half a copy, and a log that belongs to it; half a copy under the name of a whole one; a whole one.
        let remains: [&dyn Fn(); 4] = [
            &|| {},
            &|| {
                std::fs::write(&half, "half").unwrap();
                std::fs::write(path.with_extension(format!("before-v{known}.copying-journal")), "of it")
                    .unwrap();
            },
            &|| std::fs::write(&copy, "half").unwrap(),
            &|| first_version(&copy),
        ];
        for (at, remains) in remains.iter().enumerate() {
            for file in std::fs::read_dir(dir.path()).unwrap() {
                std::fs::remove_file(file.unwrap().path()).unwrap();
            }
            first_version(&path);
            remains();
            let opened = open(&Opening { path: path.clone(), reserve: 0 });
            let opened = opened.unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(opened.epoch, "of the first version");
            drop(opened);
            assert_eq!(first_epoch(&copy), "of the first version");
            let mut names: Vec<_> =
                std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().path()).collect();
            names.sort();
            assert_eq!(names, [copy.clone(), path.clone()], "{at}");
        }
    }

    #[test]
    fn without_a_copy_there_is_no_upgrade() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chat.db");
        first_version(&path);
        // A directory of that name cannot be replaced.
        let copy = path.with_extension(format!("before-v{}.backup", MIGRATIONS.len()));
        std::fs::create_dir(&copy).unwrap();
        std::fs::write(copy.join("file"), "").unwrap();
        let error = open(&Opening { path: path.clone(), reserve: 0 }).err().unwrap();
        assert!(error.to_string().contains("Nothing was changed"), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        assert_eq!(first_epoch(&path), "of the first version");
    }

    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        for is_upgrade in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("chat.db");
            if is_upgrade {
                first_version(&path);
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
            let opened = open(&Opening { path: path.clone(), reserve: 0 }).unwrap();
            opened.writer.execute("INSERT INTO meta VALUES ('a', 'b')", []).unwrap();
            for file in std::fs::read_dir(dir.path()).unwrap() {
                let file = file.unwrap();
                assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
            }
        }
    }
}
