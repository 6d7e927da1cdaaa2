//! What the machine does without a server: the disk, and SQLite on it.

use crate::report::Figures;
use anyhow::Result;
use hdrhistogram::Histogram;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Writes 4 KiB within a file that is there already, as SQLite's log does it, and waits until the disk has it.
pub(crate) fn disk(time: Duration) -> Result<Figures> {
    const PAGES: u64 = 1024;
    let dir = tempfile::tempdir()?;
    let file = std::fs::File::create(dir.path().join("pages"))?;
    file.write_all_at(&vec![1; PAGES as usize * 4096], 0)?;
    file.sync_all()?;
    let mut histogram = Histogram::<u64>::new(3)?;
    let (page, started) = ([7; 4096], Instant::now());
    while started.elapsed() < time {
        let begin = Instant::now();
        file.write_all_at(&page, histogram.len() % PAGES * 4096)?;
        file.sync_data()?;
        histogram.record(begin.elapsed().as_micros() as u64)?;
    }
    let quantile = |at| histogram.value_at_quantile(at) as f64 / 1e3;
    Ok(Figures::from([
        ("per_s".to_owned(), histogram.len() as f64 / started.elapsed().as_secs_f64()),
        ("ack_p50_ms".to_owned(), quantile(0.5)),
        ("ack_p99_ms".to_owned(), quantile(0.99)),
    ]))
}

/// Writes the rows that a send writes, 1,000 in a transaction, with the server's schema and settings.
pub(crate) fn sqlite(time: Duration) -> Result<Figures> {
    let dir = tempfile::tempdir()?;
    let mut db = rusqlite::Connection::open(dir.path().join("floor.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;",
    )?;
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema.sql");
    db.execute_batch(&std::fs::read_to_string(schema)?)?;
    for n in 1..=50 {
        db.execute(
            "INSERT INTO users (username, display_name, created_at) VALUES (?1, ?1, 0)",
            [format!("u{n}")],
        )?;
        db.execute("INSERT INTO conversations (kind, created_at) VALUES ('group', 0)", [])?;
    }
    let body = "x".repeat(crate::stamp::TEXT);
    let (started, mut rows) = (Instant::now(), 0_i64);
    while started.elapsed() < time {
        let transaction = db.transaction()?;
        for _ in 0..1000 {
            let (user, seq) = (rows % 50 + 1, rows / 50 + 1);
            transaction
                .prepare_cached("UPDATE conversations SET head_rev = ?2, last_seq = ?2 WHERE id = ?1")?
                .execute([user, seq])?;
            transaction
                .prepare_cached(
                    "INSERT INTO messages (id, rev, sender_id, send_id, kind, body, sent_at) VALUES (?1, ?2, ?3, ?4, 'text', ?5, 0)",
                )?
                .execute(rusqlite::params![user << 32 | seq, seq, user, uuid::Uuid::now_v7().as_bytes(), body])?;
            rows += 1;
        }
        transaction.commit()?;
    }
    Ok(Figures::from([("per_s".to_owned(), rows as f64 / started.elapsed().as_secs_f64())]))
}
