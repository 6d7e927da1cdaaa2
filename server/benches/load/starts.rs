//! How long our server takes to start, on nothing and on a million messages.

use crate::report::Figures;
use crate::servers::{Running, Server};
use anyhow::{Context as _, Result};
use chat_server::store::sqlite::{Opening, SqliteStore};
use chat_server::store::{Actor, Admission, NewGroup, NewUser, NobodyListens, SendMessage, Store as _, ask};
use chat_shared::SendId;
use chat_shared::api::Visibility;
use chat_shared::text::MessageBody;
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tempfile::TempDir;

const GROUPS: usize = 200;
const USERS: usize = 50;

pub(crate) async fn start(messages: u64, core: usize) -> Result<Figures> {
    let (empty_ms, empty_mib) = ready(TempDir::new()?, core).await?;
    let dir = TempDir::new()?;
    std::fs::create_dir(dir.path().join("data"))?;
    fill(&dir.path().join("data"), messages).await?;
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

/// Stores this many messages of 50 people through the store itself: 200 groups, a fifth of the people in each.
async fn fill(dir: &Path, messages: u64) -> Result<()> {
    let opening = Opening { path: dir.join("chat.db"), reserve: 0 };
    let store = Arc::new(SqliteStore::open(&opening, NobodyListens)?);
    let mut users = Vec::new();
    for n in 0..USERS {
        let new = NewUser {
            username: format!("user{n}").parse()?,
            display_name: format!("user{n}").parse()?,
            password_hash: "none".to_owned(),
            admission: Admission::Operator,
            default_groups: Vec::new(),
            session: None,
            now: 1,
        };
        users.push(ask(|reply| store.create_user(new, reply)).await?.id);
    }
    let mut groups = Vec::new();
    for n in 0..GROUPS {
        let owner = users[n % USERS];
        let new = NewGroup {
            actor: Actor::User(owner),
            name: format!("group{n}").parse()?,
            topic: "".parse()?,
            visibility: Visibility::Public,
            now: 1,
        };
        let group = ask(|reply| store.create_group(new, reply)).await?.id;
        for member in users.iter().skip(n % 5).step_by(5).filter(|user| **user != owner) {
            ask(|reply| store.join_group(*member, group, 1, reply)).await?;
        }
        groups.push((owner, group));
    }
    let body = MessageBody::new("x".repeat(crate::stamp::TEXT)).ok().context("the text is refused")?;
    let send = |n: u64| {
        let (sender, conversation) = groups[n as usize % GROUPS];
        let send = SendMessage {
            sender,
            id: SendId::from_bytes(*uuid::Uuid::now_v7().as_bytes()),
            conversation,
            body: body.clone(),
            reply_to: None,
            here: Vec::new(),
            refuse_new: None,
            now: 1,
        };
        let store = store.clone();
        async move { ask(|reply| store.send_message(send, reply)).await }
    };
    futures_util::stream::iter(0..messages)
        .map(send)
        .buffered(2_000)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    store.close().await;
    Ok(())
}
