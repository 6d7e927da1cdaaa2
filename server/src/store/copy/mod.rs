//! Everything from one database into another, whatever their kinds.
//!
//! Both have the same tables and columns, so rows are copied as they are, table by table, in the order of their keys.
//! A page is stored together with the place that it goes up to, and a copy that was cut off goes on from there. In the
//! end every row is read again on both sides, counted and summed by conversation. Until then nobody can serve the
//! target. Neither side may be served meanwhile.

mod tables;
#[cfg(test)]
mod tests;

use super::postgres::{self, Address, PostgresSide};
use super::sqlite::{self, SqliteSide};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::Path;
pub(super) use tables::{Kind, NUMBERED, TABLES, Table};

/// Rows that are read and stored in one go.
const PAGE: usize = 5_000;

/// A value, whatever holds it. A flag is 0 or 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// The values of a table's columns, in their order.
pub(in crate::store) type Row = Vec<Value>;

/// A database that is copied from or into.
pub(in crate::store) trait Side {
    /// What stands in `meta` under a key.
    fn meta(&self, key: &str) -> Result<Option<String>, CopyError>;
    /// How many rows a table has.
    fn count(&self, table: &Table) -> Result<u64, CopyError>;
    /// The next rows of a table, by key, after this one.
    fn page(&self, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<Vec<Row>, CopyError>;
    /// The highest ids that were ever given out, in the order of [`NUMBERED`].
    fn marks(&self) -> Result<[i64; 3], CopyError>;
    /// Stores rows, and the place that they go up to, in one transaction.
    fn store(&self, table: &Table, rows: &[Row], place: &str) -> Result<(), CopyError>;
    /// It is whole: takes the source's epoch and marks, and can be served.
    fn finish(&self, epoch: &str, marks: [i64; 3]) -> Result<(), CopyError>;
}

/// Why it was not copied. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source is none.
    #[error("there is no whole chat in the database that is to be copied.")]
    NoSource,
    /// The target holds something else.
    #[error("there is something in the database that is to be copied into. Name an empty one.")]
    NotEmpty,
    /// The target holds a part of another source.
    #[error("a copy of another database was begun in the one that is to be copied into. Name an empty one.")]
    OtherSource,
    /// What arrived is not what was sent.
    #[error(
        "the copy differs from what was copied: {0}. It cannot be served; copy again, into an empty database."
    )]
    Differs(String),
    /// A SQLite file cannot be opened.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// A PostgreSQL cannot be opened.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// A side failed.
    #[error("the database {side} failed: {what}. The same command goes on from where it was.")]
    Failed {
        /// Which.
        side: &'static str,
        /// What it says.
        what: String,
    },
}

/// Up to where it was copied.
#[derive(Serialize, Deserialize)]
struct Place {
    /// The source's epoch.
    from: String,
    table: usize,
    after: Option<Row>,
}

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Rows of all tables.
    pub rows: u64,
    /// Messages among them.
    pub messages: u64,
    /// Conversations whose sums were compared.
    pub conversations: usize,
}

/// Which database.
pub enum End<'a> {
    /// This file.
    Sqlite(&'a Path),
    /// This PostgreSQL.
    Postgres(&'a Address),
}

impl End<'_> {
    fn open(&self, is_source: bool) -> Result<Box<dyn Side>, CopyError> {
        Ok(match self {
            Self::Sqlite(path) => Box::new(SqliteSide::open(path, is_source)?),
            Self::Postgres(address) => Box::new(PostgresSide::open(address)?),
        })
    }
}

/// Copies, or goes on with it. Blocks. `progress`: how many rows of how many were worked on; each is copied, and read
/// again on both sides.
pub fn copy(from: &End<'_>, to: &End<'_>, progress: &dyn Fn(u64, u64)) -> Result<Copied, CopyError> {
    let from = from.open(true)?;
    transfer(&*from, &*to.open(false)?, progress)
}

/// Copies between two that are open.
fn transfer(from: &dyn Side, to: &dyn Side, progress: &dyn Fn(u64, u64)) -> Result<Copied, CopyError> {
    let epoch = from.meta("epoch")?.filter(|_| from.meta("copy").is_ok_and(|half| half.is_none()));
    let epoch = epoch.ok_or(CopyError::NoSource)?;
    let mut rows = 0;
    for table in TABLES {
        rows += from.count(table)?;
    }
    if rows == 0 {
        return Err(CopyError::NoSource);
    }
    let begun = to.meta("copy")?.and_then(|place| serde_json::from_str::<Place>(&place).ok());
    let mut place = match begun {
        Some(place) if place.from == epoch => place,
        Some(_) => return Err(CopyError::OtherSource),
        None => {
            for table in TABLES {
                if to.count(table)? > 0 {
                    return Err(CopyError::NotEmpty);
                }
            }
            Place { from: epoch.clone(), table: 0, after: None }
        }
    };
    let mut done = 0;
    for table in TABLES {
        done += to.count(table)?;
    }
    while let Some(table) = TABLES.get(place.table) {
        let page = from.page(table, place.after.as_deref(), PAGE)?;
        done += page.len() as u64;
        match page.last().filter(|_| page.len() == PAGE) {
            Some(last) => place.after = Some(last[..table.key].to_vec()),
            None => (place.table, place.after) = (place.table + 1, None),
        }
        let upto = serde_json::to_string(&place).unwrap_or_default();
        to.store(table, &page, &upto)?;
        progress(done, 3 * rows);
    }
    let read = |side: &dyn Side, before: u64| sums(side, &|read| progress(before + read, 3 * rows));
    let (sent, arrived) = (read(from, rows)?, read(to, 2 * rows)?);
    compare(&sent, &arrived)?;
    to.finish(&epoch, from.marks()?)?;
    let of = |name: &str| {
        sent.iter().filter(|((table, _), _)| *table == name).map(|(_, sum)| sum.rows).sum::<u64>()
    };
    let conversations = sent.keys().filter(|(table, _)| *table == "conversations").count();
    Ok(Copied { rows, messages: of("messages"), conversations })
}

/// Rows of a table that belong to one conversation, as a number that hardly any others have.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rows: u64,
    sum: u128,
}

type Sums = BTreeMap<(&'static str, i64), Sum>;

fn sums(side: &dyn Side, progress: &dyn Fn(u64)) -> Result<Sums, CopyError> {
    let mut sums = Sums::new();
    let mut read = 0;
    for table in TABLES {
        let mut after: Option<Row> = None;
        loop {
            let page = side.page(table, after.as_deref(), PAGE)?;
            for row in &page {
                let of = sums.entry((table.name, table.conversation_of(row))).or_default();
                of.rows += 1;
                // Whatever order the databases put texts in, it is the same.
                of.sum = of.sum.wrapping_add(digest(row));
            }
            read += page.len() as u64;
            progress(read);
            match page.last().filter(|_| page.len() == PAGE) {
                Some(last) => after = Some(last[..table.key].to_vec()),
                None => break,
            }
        }
    }
    Ok(sums)
}

fn digest(row: &Row) -> u128 {
    let mut hash = Sha256::new();
    for value in row {
        // Its kind and length go before it, so that two rows are never the same bytes.
        let (kind, bytes) = match value {
            Value::Null => (0_u8, &[][..]),
            Value::Integer(number) => (1, &number.to_be_bytes()[..]),
            Value::Text(text) => (2, text.as_bytes()),
            Value::Bytes(bytes) => (3, &bytes[..]),
        };
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
    let mut first = [0; 16];
    first.copy_from_slice(&hash.finalize()[..16]);
    u128::from_be_bytes(first)
}

fn compare(sent: &Sums, arrived: &Sums) -> Result<(), CopyError> {
    let wrong = sent.keys().chain(arrived.keys()).find(|of| sent.get(of) != arrived.get(of));
    let Some(of @ (table, conversation)) = wrong else { return Ok(()) };
    let rows = |sums: &Sums| sums.get(of).map_or(0, |sum| sum.rows);
    Err(CopyError::Differs(format!(
        "{table} of conversation {conversation}: {} rows, and {} arrived",
        rows(sent),
        rows(arrived)
    )))
}
