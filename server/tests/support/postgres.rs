//! A schema of its own for one test, in the PostgreSQL that `CHAT_TEST_DATABASE` names (`scripts/with-postgres` has one).

use std::sync::atomic::{AtomicU32, Ordering};
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// The schema; dropped with this.
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
fn order(sql: String) -> Vec<String> {
    let ordered = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (client, socket) = tokio_postgres::connect(&database(), NoTls).await.unwrap();
            tokio::spawn(socket);
            client.simple_query(&sql).await.unwrap()
        })
    });
    let rows = ordered.join().unwrap();
    rows.iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        })
        .collect()
}

impl Place {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        order(format!("CREATE SCHEMA {name}"));
        let database = database();
        let mark = if database.contains('?') { '&' } else { '?' };
        Self { url: format!("{database}{mark}options=-csearch_path%3D{name}"), name }
    }

    /// Gives an order there; returns the first column of what is answered.
    pub(crate) fn order(&self, sql: &str) -> Vec<String> {
        order(format!("SET search_path = {}; {sql}", self.name))
    }

    /// Ends the sessions of those who have a lock there: of the servers' writers.
    pub(crate) fn cut(&self) -> Vec<String> {
        self.order(
            "SELECT pg_terminate_backend(pid)::text FROM pg_locks
             WHERE locktype = 'advisory' AND objid = (hashtext(current_schema())::bigint & 4294967295)::oid",
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        order(format!("DROP SCHEMA {} CASCADE", self.name));
    }
}
