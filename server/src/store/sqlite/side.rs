//! A SQLite file that is copied from or into.

use super::open::{Opened, open};
use super::opening::{OpenError, Opening};
use crate::store::copy::{CopyError, NUMBERED, Row, Side, Table, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, ToSql, params, params_from_iter};
use std::path::Path;

pub(crate) struct SqliteSide(Connection);

impl SqliteSide {
    /// Opens the file. One that is copied from must be there, and nobody else writes into it meanwhile.
    pub(crate) fn open(path: &Path, is_source: bool) -> Result<Self, OpenError> {
        if is_source && !path.exists() {
            let source = std::io::ErrorKind::NotFound.into();
            return Err(OpenError::File { path: path.to_owned(), source });
        }
        let Opened { writer, .. } = open(&Opening { path: path.to_owned(), reserve: 0 })?;
        if is_source {
            let at = |source| OpenError::Sqlite { path: path.to_owned(), source };
            writer.execute_batch("BEGIN IMMEDIATE").map_err(at)?;
        }
        Ok(Self(writer))
    }
}

impl From<rusqlite::Error> for CopyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed { side: "in SQLite", what: error.to_string() }
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> rusqlite::Result<Value> {
    Ok(match value {
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Text(_) => Value::Text(value.as_str()?.to_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
        // No column holds a number with a point: every table is strict.
        ValueRef::Null | ValueRef::Real(_) => Value::Null,
    })
}

/// As many placeholders as there are values.
fn places(count: usize) -> String {
    vec!["?"; count].join(", ")
}

impl Side for SqliteSide {
    fn meta(&self, key: &str) -> Result<Option<String>, CopyError> {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        Ok(self.0.query_row(sql, [key], |row| row.get(0)).optional()?)
    }

    fn count(&self, table: &Table) -> Result<u64, CopyError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        Ok(self.0.query_row(&sql, [], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))?)
    }

    fn page(&self, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<Vec<Row>, CopyError> {
        let key = table.key_names();
        let above = after.map_or(String::new(), |after| format!("WHERE ({key}) > ({})", places(after.len())));
        let sql =
            format!("SELECT {} FROM {} {above} ORDER BY {key} LIMIT {limit}", table.names(), table.name);
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(after.into_iter().flatten()), |row| {
            (0..table.columns.len()).map(|at| value(row.get_ref(at)?)).collect()
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    fn marks(&self) -> Result<[i64; 3], CopyError> {
        let mut marks = [0; 3];
        for (mark, table) in marks.iter_mut().zip(NUMBERED) {
            let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
            *mark = self.0.query_row(sql, [table], |row| row.get(0)).optional()?.unwrap_or(0);
        }
        Ok(marks)
    }

    fn store(&self, table: &Table, rows: &[Row], place: &str) -> Result<(), CopyError> {
        let transaction = self.0.unchecked_transaction()?;
        let insert = format!(
            "INSERT INTO {} ({}) VALUES ({})",
            table.name,
            table.names(),
            places(table.columns.len())
        );
        let mut insert = transaction.prepare_cached(&insert)?;
        for row in rows {
            insert.execute(params_from_iter(row))?;
        }
        drop(insert);
        let note =
            "INSERT INTO meta (key, value) VALUES ('copy', ?1) ON CONFLICT (key) DO UPDATE SET value = ?1";
        transaction.execute(note, [place])?;
        Ok(transaction.commit()?)
    }

    fn finish(&self, epoch: &str, marks: [i64; 3]) -> Result<(), CopyError> {
        let transaction = self.0.unchecked_transaction()?;
        for (mark, table) in marks.iter().zip(NUMBERED) {
            transaction.execute("DELETE FROM sqlite_sequence WHERE name = ?1", [table])?;
            transaction
                .execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, mark])?;
        }
        transaction.execute("UPDATE meta SET value = ?1 WHERE key = 'epoch'", [epoch])?;
        transaction.execute("DELETE FROM meta WHERE key = 'copy'", [])?;
        Ok(transaction.commit()?)
    }
}
