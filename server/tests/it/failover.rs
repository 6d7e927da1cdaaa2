//! PostgreSQL fails over to a standby.

use crate::cluster::Cluster;
use crate::harness::{User, eventually, uuid};
use crate::process::{Process, program};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

pub(crate) const PATH: &str = "/conversations/1/messages";

/// A server whose database is in one of these.
pub(crate) fn server(data: &Path, url: &str) -> Command {
    let mut command = program(data, &["--listen", "127.0.0.1:0"]);
    command.env("CHAT_DATABASE", url).stderr(Stdio::null());
    command
}

/// Starts one, and lets alice go on with it.
fn again(dir: &Path, url: &str, alice: User) -> (Process, User) {
    let server = Process::spawn(server(dir, url));
    let alice = User { api: server.api(), ..alice };
    (server, alice)
}

/// The texts of the first group.
pub(crate) async fn texts(user: &User) -> Vec<(Value, Value)> {
    let history = user.history(1).await;
    let texts = history.iter().filter(|message| message["kind"] == "text");
    texts.map(|message| (message["body"].clone(), message["rev"].clone())).collect()
}

/// How far those who write have come.
#[derive(Default)]
struct Progress {
    acked: AtomicUsize,
    is_enough: AtomicBool,
}

impl Progress {
    /// Waits for so many more acknowledgements.
    async fn more(&self, count: usize) {
        let wanted = self.acked.load(Ordering::Relaxed) + count;
        eventually("more is acknowledged", async || self.acked.load(Ordering::Relaxed) >= wanted).await;
    }
}

/// Sends texts one after the other until it is enough, each until it is acknowledged. Returns them with their revs.
async fn write(user: User, writer: usize, progress: Arc<Progress>) -> Vec<(Value, Value)> {
    let mut acks = Vec::new();
    while !progress.is_enough.load(Ordering::Relaxed) {
        let body = json!({"id": uuid(), "body": format!("{} of {writer}", acks.len())});
        let rev = loop {
            match user.call("POST", PATH, Some(body.clone())).await {
                (200 | 201, ack) => break ack["rev"].clone(),
                (status, problem) => {
                    assert_eq!((status, &problem["code"]), (503, &json!("unavailable")), "{problem}");
                }
            }
        };
        progress.acked.fetch_add(1, Ordering::Relaxed);
        acks.push((body["body"].clone(), rev));
    }
    acks
}

/// A primary, and a standby that each of its commits waits for.
async fn synchronous() -> (Cluster, Cluster) {
    let primary = Cluster::start("");
    let standby = Cluster::standby(&primary, "");
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'").await;
    primary.reload();
    eventually("a commit waits for the standby", async || {
        primary.ask("SELECT sync_state FROM pg_stat_replication").await == ["sync"]
    })
    .await;
    (primary, standby)
}

/// A server whose database is in one of these, and alice with it.
async fn served(clusters: &[&Cluster]) -> (tempfile::TempDir, String, Process, User) {
    let dir = tempfile::tempdir().unwrap();
    let url = Cluster::url(clusters);
    let first = Process::spawn(server(dir.path(), &url));
    let alice = first.api().register("alice").await;
    (dir, url, first, alice)
}

/// From now on the standby lacks what is written, which it has until now.
async fn part(primary: &Cluster, standby: &Cluster) {
    eventually("the standby has it", async || {
        let replayed = "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication";
        primary.ask(replayed).await == ["t"]
    })
    .await;
    standby.ask("ALTER SYSTEM SET primary_conninfo = ''").await;
    standby.reload();
    eventually("nothing is streamed to it", async || {
        primary.ask("SELECT 1 FROM pg_stat_replication").await.is_empty()
    })
    .await;
}

/// Sends this until the database is found to be away.
async fn until_refused(user: &User, body: &Value) {
    eventually("it is away", async || user.call("POST", PATH, Some(body.clone())).await.0 == 503).await;
}

/// Sends this until the database is there.
async fn until_taken(user: &User, body: &Value) {
    eventually("it is there", async || {
        matches!(user.call("POST", PATH, Some(body.clone())).await.0, 200 | 201)
    })
    .await;
}

fn bodies(texts: Vec<(Value, Value)>) -> Vec<Value> {
    texts.into_iter().map(|(body, _)| body).collect()
}

#[tokio::test]
async fn a_fail_over_to_a_standby_that_has_everything_loses_nothing_and_doubles_nothing() {
    let (primary, standby) = synchronous().await;
    let (primary, standby) = (Arc::new(primary), Arc::new(standby));
    let (_dir, _, server, alice) = served(&[&primary, &standby]).await;
    let mut ws = alice.connect().await;
    let progress = Arc::new(Progress::default());
    let writers: Vec<_> =
        (0..4).map(|writer| tokio::spawn(write(alice.clone(), writer, progress.clone()))).collect();
    progress.more(50).await;
    let failing = tokio::task::spawn_blocking(move || {
        primary.crash();
        // While it is away there are those who write, and are refused.
        standby.promote();
        (primary, standby)
    });
    let clusters = failing.await.unwrap();
    progress.more(50).await;
    progress.is_enough.store(true, Ordering::Relaxed);
    let mut acks = Vec::new();
    for writer in writers {
        acks.extend(writer.await.unwrap());
    }
    acks.sort_by_key(|(_, rev)| rev.as_i64());
    assert_eq!(texts(&alice).await, acks, "each once, where it was said to be");
    alice.send(1, "the end").await;
    let mut told = Vec::new();
    loop {
        let message = ws.next_of("message").await["message"].clone();
        if message["body"] == "the end" {
            break;
        }
        told.push((message["body"].clone(), message["rev"].clone()));
    }
    assert_eq!(told, acks, "as it was told");
    assert_eq!(alice.connect().await.ready["epoch"], ws.ready["epoch"]);
    assert_eq!(server.stop().await, Some(0));
    drop(clusters);
}

#[tokio::test]
async fn a_fail_over_to_a_standby_that_was_behind_begins_a_new_epoch() {
    let primary = Cluster::start("");
    let standby = Cluster::standby(&primary, "");
    let (dir, url, first, alice) = served(&[&primary, &standby]).await;
    let mut ws = alice.connect().await;
    let messages: Vec<_> =
        ["kept", "lost", "late"].map(|text| json!({"id": uuid(), "body": text})).into_iter().collect();
    alice.ok("POST", PATH, Some(messages[0].clone())).await;
    part(&primary, &standby).await;
    alice.ok("POST", PATH, Some(messages[1].clone())).await;
    primary.crash();
    standby.promote();
    // Whatever is written next finds it out. It is refused, if the server is still there.
    let late = alice.api.http.post(format!("{}{PATH}", alice.api.base)).bearer_auth(alice.token());
    if let Ok(answer) = late.json(&messages[2]).send().await {
        assert_eq!(answer.status(), 503);
    }
    assert_eq!(ws.closed().await, Some(1012), "come back soon");
    assert_eq!(first.ended().await, Some(1), "whoever looks after it starts it again");

    let (second, alice) = again(dir.path(), &url, alice);
    assert_ne!(alice.connect().await.ready["epoch"], ws.ready["epoch"]);
    assert_eq!(bodies(texts(&alice).await), ["kept"]);
    for message in messages.iter().chain(&messages) {
        alice.ok("POST", PATH, Some(message.clone())).await;
    }
    assert_eq!(bodies(texts(&alice).await), ["kept", "lost", "late"]);
    assert_eq!(second.stop().await, Some(0));
}

#[tokio::test]
async fn nobody_goes_back_to_an_old_primary() {
    let (primary, standby) = synchronous().await;
    let (dir, url, first, alice) = served(&[&primary, &standby]).await;
    let epoch = alice.connect().await.ready["epoch"].clone();
    let messages: Vec<_> =
        ["before", "after", "late"].map(|text| json!({"id": uuid(), "body": text})).into_iter().collect();
    alice.ok("POST", PATH, Some(messages[0].clone())).await;
    primary.crash();
    standby.promote();
    until_taken(&alice, &messages[1]).await;
    // Nobody keeps it from that; and those who read lose their connections.
    primary.again();
    let sessions = "FROM pg_stat_activity WHERE application_name = 'chat-server'";
    standby.ask(&format!("SELECT pg_terminate_backend(pid) {sessions}")).await;
    eventually("it is read", async || alice.call("GET", "/conversations/1", None).await.0 == 200).await;
    assert_eq!(bodies(texts(&alice).await), ["before", "after"]);
    assert!(primary.ask(&format!("SELECT pid {sessions}")).await.is_empty());
    // Not while the present one is away either.
    standby.crash();
    until_refused(&alice, &messages[2]).await;
    standby.again();
    until_taken(&alice, &messages[2]).await;
    assert_eq!(bodies(texts(&alice).await), ["before", "after", "late"]);
    assert_eq!(first.stop().await, Some(0));

    let (second, alice) = again(dir.path(), &url, alice);
    assert_eq!(bodies(texts(&alice).await), ["before", "after", "late"]);
    assert_eq!(alice.connect().await.ready["epoch"], epoch);
    assert_eq!(second.stop().await, Some(0));

    let third = server(dir.path(), &Cluster::url(&[&primary])).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&third.stderr);
    assert_eq!(third.status.code(), Some(1), "{told}");
    assert!(told.contains("an old primary"), "{told}");
}

#[tokio::test]
async fn what_was_lost_while_no_server_ran_is_found_out_by_the_next() {
    let primary = Cluster::start("");
    let standby = Cluster::standby(&primary, "");
    let (dir, url, first, alice) = served(&[&primary, &standby]).await;
    let epoch = alice.connect().await.ready["epoch"].clone();
    alice.send(1, "kept").await;
    part(&primary, &standby).await;
    alice.send(1, "lost").await;
    primary.crash();
    until_refused(&alice, &json!({"id": uuid(), "body": "late"})).await;
    assert_eq!(first.stop().await, Some(0));
    standby.promote();

    let (second, alice) = again(dir.path(), &url, alice);
    let renewed = alice.connect().await.ready["epoch"].clone();
    assert_ne!(renewed, epoch);
    assert_eq!(bodies(texts(&alice).await), ["kept"]);
    alice.send(1, "goes on").await;
    assert_eq!(second.stop().await, Some(0));
    // Once is enough.
    let (third, alice) = again(dir.path(), &url, alice);
    assert_eq!(alice.connect().await.ready["epoch"], renewed);
    assert_eq!(third.stop().await, Some(0));
}

#[tokio::test]
async fn a_commit_that_waits_for_its_standby_is_told_to_nobody_and_may_be_lost_with_it() {
    let (primary, standby) = synchronous().await;
    let (dir, url, first, alice) = served(&[&primary, &standby]).await;
    let mut ws = alice.connect().await;
    alice.send(1, "before").await;
    standby.stop();
    until_refused(&alice, &json!({"id": uuid(), "body": "doubt"})).await;
    // Then it is there, and nobody waits for the standby any more but the server.
    primary.crash();
    primary.again();
    eventually("the server waits for the standby", async || {
        let waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'chat-server' AND wait_event = 'SyncRep'";
        !primary.ask(waiting).await.is_empty()
    })
    .await;
    assert_eq!(alice.call("GET", PATH, None).await.0, 503);
    primary.crash();
    standby.again();
    standby.promote();
    let closed = loop {
        match ws.next().await {
            Ok(frame) => assert_ne!(frame["message"]["body"], "doubt"),
            Err(code) => break code,
        }
    };
    assert_eq!(closed, Some(1012), "come back soon");
    assert_eq!(first.ended().await, Some(1), "whoever looks after it starts it again");

    let (second, alice) = again(dir.path(), &url, alice);
    assert_ne!(alice.connect().await.ready["epoch"], ws.ready["epoch"]);
    assert_eq!(bodies(texts(&alice).await), ["before"]);
    assert_eq!(second.stop().await, Some(0));
}
