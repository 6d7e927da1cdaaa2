//! Our server on PostgreSQL, and PostgreSQL alone.
//!
//! The cluster is the one that `scripts/with-postgres` makes; each measurement has a schema of its own in it. While one
//! runs, PostgreSQL has the server's core.

use crate::report::Figures;
use anyhow::{Context as _, Result, ensure};
use chat_server::store::Store;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where the cluster is, if there is one.
fn database() -> Option<String> {
    std::env::var("CHAT_TEST_DATABASE").ok()
}

/// Can anything be measured on PostgreSQL?
pub(crate) fn is_there() -> bool {
    cfg!(feature = "postgres") && database().is_some()
}

/// An empty schema, on this core: what a server is given to work in it.
pub(crate) fn schema(core: usize) -> Result<String> {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let database = database().context("no PostgreSQL: scripts/with-postgres has one")?;
    pin(core)?;
    let name = format!("bench_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    psql(&database, &format!("CREATE SCHEMA {name}"))?;
    let mark = if database.contains('?') { '&' } else { '?' };
    Ok(format!("{database}{mark}options=-csearch_path%3D{name}"))
}

/// A store on an empty schema.
#[cfg(feature = "postgres")]
pub(crate) fn store(core: usize) -> Result<Arc<dyn Store>> {
    use chat_server::store::postgres::{Address, Opening, PostgresStore};
    use chat_server::store::{NobodyListens, Opener};
    let address = Address::parse(&schema(core)?).map_err(anyhow::Error::msg)?;
    let opening = Opening { address, opener: Opener::Command, notes: None };
    Ok(Arc::new(PostgresStore::open(&opening, NobodyListens)?))
}

/// Without the feature there is none.
#[cfg(not(feature = "postgres"))]
pub(crate) fn store(_core: usize) -> Result<Arc<dyn Store>> {
    anyhow::bail!("this benchmark was built without PostgreSQL")
}

/// Puts the cluster's processes, and with them those that they start, on this core.
fn pin(core: usize) -> Result<()> {
    let cluster = std::env::var("CHAT_TEST_CLUSTER").context("CHAT_TEST_CLUSTER")?;
    let file = std::fs::read_to_string(Path::new(&cluster).join("data/postmaster.pid"))?;
    let postmaster = file.lines().next().unwrap_or_default();
    let children = std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))?;
    let mut cores = CpuSet::new();
    cores.set(core);
    for process in children.split_whitespace().chain([postmaster]) {
        let pid = Pid::from_raw(process.parse()?).context("no process has the number 0")?;
        // One may have ended since.
        let _ = sched_setaffinity(Some(pid), &cores);
    }
    Ok(())
}

fn psql(database: &str, sql: &str) -> Result<()> {
    let mut command = Command::new("psql");
    command.args([
        "--quiet",
        "--no-psqlrc",
        "--set",
        "ON_ERROR_STOP=1",
        "--dbname",
        database,
        "--command",
        sql,
    ]);
    let output = command.output().context("psql")?;
    ensure!(output.status.success(), "psql: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a message takes, as whoever has no batches does it: the conversation's row is locked and gives the next number,
/// the message is stored, the transaction is committed.
const TRANSACTION: &str = r"
\set me :client_id + 1
BEGIN;
UPDATE conversations SET head_rev = head_rev + 1, last_seq = last_seq + 1 WHERE id = :me RETURNING last_seq AS seq \gset
INSERT INTO messages (id, rev, sender_id, send_id, kind, body, sent_at) VALUES (:me::bigint << 32 | :seq, :seq, :me,
  decode(lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || substr(md5(random()::text), 1, 20), 'hex'),
  'text', :text, 0);
COMMIT;
";

/// PostgreSQL's own benchmark with that transaction and our schema, each client with a conversation of its own.
pub(crate) fn alone(clients: u32, time: Duration, core: usize) -> Result<Figures> {
    let database = schema(core)?;
    for migration in [
        include_str!("../../src/store/postgres/migrations/0001_initial.sql"),
        include_str!("../../src/store/postgres/migrations/0002_indexes.sql"),
    ] {
        psql(&database, migration)?;
    }
    psql(
        &database,
        &format!(
            "INSERT INTO users (username, display_name, created_at) SELECT n::text, n::text, 0 FROM generate_series(1, {clients}) n;
             INSERT INTO conversations (kind, created_at) SELECT 'group', 0 FROM generate_series(1, {clients})"
        ),
    )?;
    let script = tempfile::NamedTempFile::new()?;
    std::fs::write(script.path(), TRANSACTION)?;
    let mut command = Command::new("pgbench");
    command.args(["--no-vacuum", "--protocol", "prepared", "--client", &clients.to_string()]);
    command.args(["--time", &time.as_secs().max(1).to_string()]);
    command.arg(format!("--define=text='{}'", "x".repeat(crate::stamp::TEXT)));
    command.arg("--file").arg(script.path()).arg(&database);
    let output = command.output().context("pgbench")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "pgbench: {told}");
    let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next());
    let rate = rate.with_context(|| format!("pgbench says no rate: {text}"))?.parse()?;
    Ok(Figures::from([("per_s".to_owned(), rate)]))
}
