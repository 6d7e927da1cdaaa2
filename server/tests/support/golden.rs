//! Databases of earlier versions of the schema, each as a program of that version left it, and what has to stay of
//! them: everything. `it/golden.rs` says how one is made.

use rusqlite::Connection;
use std::fs;
use std::path::{Path, PathBuf};

/// The database of this version.
pub(crate) fn golden(version: i64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{version}.sqlite"))
}

/// Where a data directory has its database.
pub(crate) fn database(data: &Path) -> PathBuf {
    data.join("chat.db")
}

/// Makes a data directory with a copy of this database.
pub(crate) fn lay(from: &Path, data: &Path) {
    fs::create_dir_all(data).unwrap();
    fs::copy(from, database(data)).unwrap();
}

/// Which version of the schema a database has.
pub(crate) fn version(path: &Path) -> i64 {
    Connection::open(path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

/// The names in the first column of what is asked.
fn names(db: &Connection, sql: &str) -> Vec<String> {
    let mut statement = db.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// How two databases differ: each table of the older one has to be in the newer one, with the same rows. Of these
/// all columns that the older one has are compared. And the newer one has to be whole.
pub(crate) fn differences(older: &Path, newer: &Path) -> Vec<String> {
    let db = Connection::open(newer).unwrap();
    let mut found = names(&db, "PRAGMA integrity_check");
    found.retain(|line| line != "ok");
    found.extend(names(&db, "SELECT 'without its parent: ' || \"table\" FROM pragma_foreign_key_check"));
    db.execute("ATTACH ?1 AS older", [older.to_str().unwrap()]).unwrap();
    for table in names(&db, "SELECT name FROM older.sqlite_schema WHERE type = 'table' ORDER BY name") {
        let columns = format!("SELECT name FROM pragma_table_xinfo('{table}', 'older') ORDER BY cid");
        let columns = names(&db, &columns).join(", ");
        let [old, new] = ["older", "main"].map(|side| format!("SELECT {columns} FROM {side}.{table}"));
        let count = |sql: &str| {
            let sql = format!("SELECT count(*) FROM ({sql})");
            db.query_row(&sql, [], |row| row.get::<_, i64>(0)).map_err(|error| error.to_string())
        };
        let counts = [
            count(&old),
            count(&new),
            count(&format!("{old} EXCEPT {new}")),
            count(&format!("{new} EXCEPT {old}")),
        ];
        match counts {
            [Ok(before), Ok(after), Ok(0), Ok(0)] if before == after => {}
            counts => found.push(format!("{table}: rows before, after, lost, new: {counts:?}")),
        }
    }
    found
}
