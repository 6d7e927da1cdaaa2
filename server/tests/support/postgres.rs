//! A schema of its own for each test, in the PostgreSQL that `CHAT_TEST_DATABASE` names: `scripts/with-postgres` has
//! one that is thrown away afterwards, with everything that is in it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::Path;
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// The schema that belongs to a data directory.
#[derive(Clone)]
pub(crate) struct Place {
    /// What a server is given.
    pub(crate) url: String,
    name: String,
}

/// Where the tests' PostgreSQL is.
fn database() -> String {
    std::env::var("CHAT_TEST_DATABASE").expect(
        "CHAT_TEST_DATABASE names no PostgreSQL for tests: run them with scripts/with-postgres, or without the feature",
    )
}

/// Gives an order, and returns the first column of what is answered. On a thread of its own, so that it can be given
/// anywhere.
fn order(sql: String) -> Result<Vec<String>, tokio_postgres::Error> {
    let ordered = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, socket) = tokio_postgres::connect(&database(), NoTls).await?;
            tokio::spawn(socket);
            client.simple_query(&sql).await
        })
    });
    let rows = ordered.join().unwrap()?;
    let first = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    };
    Ok(rows.iter().filter_map(first).collect())
}

impl Place {
    /// Makes it if it is not there.
    pub(crate) fn of(data: &Path) -> Self {
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        let name = format!("test_{:016x}", hasher.finish());
        order(format!("CREATE SCHEMA IF NOT EXISTS {name}")).unwrap();
        let database = database();
        let mark = if database.contains('?') { '&' } else { '?' };
        Self { url: format!("{database}{mark}options=-csearch_path%3D{name}"), name }
    }

    /// Gives an order there.
    pub(crate) fn order(&self, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
        order(format!("SET search_path = {}; {sql}", self.name))
    }

    /// Ends the session of the server that writes there.
    pub(crate) fn cut(&self) -> Result<Vec<String>, tokio_postgres::Error> {
        self.order(
            "SELECT pg_terminate_backend(pid) FROM pg_locks
             WHERE locktype = 'advisory' AND objid::bigint = hashtext(current_schema())::bigint & 4294967295",
        )
    }
}
