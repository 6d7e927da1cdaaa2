//! How long our server takes to start, on nothing and on a million messages.

use crate::filled::{Size, fill, sqlite};
use crate::report::Figures;
use crate::servers::{Running, Server};
use anyhow::Result;
use std::time::Instant;
use tempfile::TempDir;

pub(crate) async fn start(messages: u64, core: usize) -> Result<Figures> {
    let (empty_ms, empty_mib) = ready(TempDir::new()?, core).await?;
    let dir = TempDir::new()?;
    std::fs::create_dir(dir.path().join("data"))?;
    fill(sqlite(&dir.path().join("data"))?, Size { users: 50, groups: 200, messages })
        .await?
        .store
        .close()
        .await;
    let (million_ms, million_mib) = ready(dir, core).await?;
    let figures = [
        ("empty_ms", empty_ms),
        ("empty_mib", empty_mib),
        ("million_ms", million_ms),
        ("million_mib", million_mib),
    ];
    Ok(figures.map(|(name, value)| (name.to_owned(), value)).into())
}

/// Milliseconds from the start of the program until it says that it is ready, and MiB that it holds then.
async fn ready(dir: TempDir, core: usize) -> Result<(f64, f64)> {
    let started = Instant::now();
    let server = Running::start_in(Server::Chat, core, dir).await?;
    let url = format!("http://{}/readyz", server.address);
    while !reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {}
    Ok((started.elapsed().as_secs_f64() * 1e3, server.process.resident_kib() / 1024.0))
}
