//! A PostgreSQL that is copied from or into.

use super::address::Address;
use super::connection::Connection;
use super::open::{OpenError, Opened, open};
use super::tx::{Fault, describe};
use crate::store::Opener;
use crate::store::copy::{CopyError, Kind, NUMBERED, Row, Side, Table, Value};
use tokio_postgres::types::ToSql;

pub(crate) struct PostgresSide(Connection);

impl PostgresSide {
    /// Opens the database, as a server would: with its lock. To be called on a thread that may block.
    pub(crate) fn open(address: &Address) -> Result<Self, OpenError> {
        let Opened { writer, .. } = open(&address.ready()?, Opener::Command, None)?;
        Ok(Self(writer))
    }
}

impl From<Fault> for CopyError {
    fn from(fault: Fault) -> Self {
        let what = match fault {
            Fault::Postgres(error) => describe(&error),
            Fault::Lost => "the connection was lost".to_owned(),
            other => other.settle().to_string(),
        };
        Self::Failed { side: "in PostgreSQL", what }
    }
}

fn boxed(value: &Value) -> Box<dyn ToSql + Sync + '_> {
    match value {
        Value::Null => Box::new(None::<i64>),
        Value::Integer(number) => Box::new(*number),
        Value::Text(text) => Box::new(text.as_str()),
        Value::Bytes(bytes) => Box::new(bytes.as_slice()),
    }
}

/// One column of many rows, as an array.
fn column<'a>(rows: &'a [Row], at: usize, kind: Kind) -> Box<dyn ToSql + Sync + 'a> {
    let values = rows.iter().map(|row| &row[at]);
    let integers = values.clone().map(|value| match value {
        Value::Integer(number) => Some(*number),
        _ => None,
    });
    match kind {
        Kind::Integer => Box::new(integers.collect::<Vec<_>>()),
        Kind::Flag => Box::new(integers.map(|flag| flag.map(|flag| flag != 0)).collect::<Vec<_>>()),
        Kind::Text => Box::new(
            values
                .map(|value| match value {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
        Kind::Bytes => Box::new(
            values
                .map(|value| match value {
                    Value::Bytes(bytes) => Some(bytes.as_slice()),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
    }
}

fn value(row: &tokio_postgres::Row, at: usize, kind: Kind) -> Result<Value, Fault> {
    let value = match kind {
        Kind::Integer => row.try_get::<_, Option<i64>>(at)?.map(Value::Integer),
        Kind::Flag => row.try_get::<_, Option<bool>>(at)?.map(|flag| Value::Integer(flag.into())),
        Kind::Text => row.try_get::<_, Option<String>>(at)?.map(Value::Text),
        Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(at)?.map(Value::Bytes),
    };
    Ok(value.unwrap_or(Value::Null))
}

const NOTE: &str =
    "INSERT INTO meta (key, value) VALUES ('copy', $1) ON CONFLICT (key) DO UPDATE SET value = $1";

impl Side for PostgresSide {
    fn meta(&self, key: &str) -> Result<Option<String>, CopyError> {
        Ok(self.0.row("SELECT value FROM meta WHERE key = $1", &[&key], |row| Ok(row.try_get(0)?))?)
    }

    fn count(&self, table: &Table) -> Result<u64, CopyError> {
        let count: i64 = self.0.value(&format!("SELECT count(*) FROM {}", table.name), &[])?;
        Ok(count.unsigned_abs())
    }

    fn page(&self, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<Vec<Row>, CopyError> {
        let key = table.key_names();
        let places = (1..=table.key).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        let above = after.map_or(String::new(), |_| format!("WHERE ({key}) > ({places})"));
        let sql =
            format!("SELECT {} FROM {} {above} ORDER BY {key} LIMIT {limit}", table.names(), table.name);
        let values: Vec<_> = after.into_iter().flatten().map(boxed).collect();
        let values: Vec<_> = values.iter().map(|value| &**value).collect();
        let read = |row: &tokio_postgres::Row| {
            table.columns.iter().enumerate().map(|(at, (_, kind))| value(row, at, *kind)).collect()
        };
        Ok(self.0.rows(&sql, &values, read)?)
    }

    fn marks(&self) -> Result<[i64; 3], CopyError> {
        let mut marks = [0; 3];
        for (mark, table) in marks.iter_mut().zip(NUMBERED) {
            let sql = format!("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {table}_id_seq");
            *mark = self.0.value(&sql, &[])?;
        }
        Ok(marks)
    }

    fn store(&self, table: &Table, rows: &[Row], place: &str) -> Result<(), CopyError> {
        let arrays = table.columns.iter().enumerate().map(|(at, (_, kind))| {
            let kind = match kind {
                Kind::Integer => "bigint",
                Kind::Flag => "boolean",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{kind}[]", at + 1)
        });
        let arrays = arrays.collect::<Vec<_>>().join(", ");
        let insert = format!("INSERT INTO {} ({}) SELECT * FROM unnest({arrays})", table.name, table.names());
        let columns: Vec<_> =
            table.columns.iter().enumerate().map(|(at, (_, kind))| column(rows, at, *kind)).collect();
        let columns: Vec<_> = columns.iter().map(|column| &**column).collect();
        self.0.soon("BEGIN");
        // The place comes last: in a transaction that is broken it fails, and what looks like a commit is none.
        self.0.together(&[(&insert, &columns), (NOTE, &[&place]), ("COMMIT", &[])])?;
        Ok(())
    }

    fn finish(&self, epoch: &str, marks: [i64; 3]) -> Result<(), CopyError> {
        for (mark, table) in marks.iter().zip(NUMBERED).filter(|(mark, _)| **mark > 0) {
            let sql = format!("SELECT setval('{table}_id_seq', $1)");
            self.0.execute(&sql, &[mark])?;
        }
        self.0.soon("BEGIN");
        self.0.together(&[
            ("UPDATE meta SET value = $1 WHERE key = 'epoch'", &[&epoch]),
            ("DELETE FROM meta WHERE key = 'copy'", &[]),
            ("COMMIT", &[]),
        ])?;
        Ok(())
    }
}
