//! PostgreSQL fails over to a standby, starts slowly, is reached over TLS, has no room.

use crate::cluster::Cluster;
use crate::harness::{User, eventually, uuid};
use crate::place::Place;
use crate::process::{Process, program};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const PATH: &str = "/conversations/1/messages";

/// A server whose database is in one of these.
fn server(data: &Path, url: &str) -> Command {
    let mut command = program(data, &["--listen", "127.0.0.1:0"]);
    command.env("CHAT_DATABASE", url).stderr(Stdio::null());
    command
}

/// The texts of the first group.
async fn texts(user: &User) -> Vec<(Value, Value)> {
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
    let dir = tempfile::tempdir().unwrap();
    let server = Process::spawn(server(dir.path(), &Cluster::url(&[&primary, &standby])));
    let alice = server.api().register("alice").await;
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
    let dir = tempfile::tempdir().unwrap();
    let url = Cluster::url(&[&primary, &standby]);
    let first = Process::spawn(server(dir.path(), &url));
    let alice = first.api().register("alice").await;
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

    let second = Process::spawn(server(dir.path(), &url));
    let alice = User { api: second.api(), ..alice };
    assert_ne!(alice.connect().await.ready["epoch"], ws.ready["epoch"]);
    assert_eq!(bodies(texts(&alice).await), ["kept"]);
    for message in messages.iter().chain(&messages) {
        alice.ok("POST", PATH, Some(message.clone())).await;
    }
    assert_eq!(bodies(texts(&alice).await), ["kept", "lost", "late"]);
    assert_eq!(second.stop().await, Some(0));
}

#[tokio::test]
async fn a_server_waits_for_a_database_that_is_starting() {
    let primary = Cluster::start("");
    // It says that it is starting for as long as it stands by.
    let standby = Cluster::standby(&primary, "hot_standby = off");
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut command = server(&dir.path().join("data"), &Cluster::url(&[&standby]));
    command.stderr(std::fs::File::create(&log).unwrap());
    let starting = tokio::task::spawn_blocking(move || Process::spawn(command));
    eventually("it waits", async || {
        std::fs::read_to_string(&log).unwrap().contains("waiting for the database")
    })
    .await;
    standby.promote();
    let server = starting.await.unwrap();
    let alice = server.api().register("alice").await;
    alice.send(1, "in time").await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn the_database_is_reached_over_tls_and_by_nobody_else_s_name() {
    let certificate = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    let (right, key) = certificate();
    let cluster = Cluster::start("");
    let (cert_file, key_file) = (cluster.keep("cert.pem", &right), cluster.keep("key.pem", &key));
    // Only what is encrypted is let in over the network.
    let rules = cluster.keep("rules", "local all all trust\nhostssl all all 127.0.0.1/32 trust\n");
    cluster.stop();
    // Its socket is named after the port. Somebody else may take that meanwhile.
    let launched = (0..10).find_map(|_| {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nhba_file = '{rules}'
             ssl = on\nssl_cert_file = '{cert_file}'\nssl_key_file = '{key_file}'"
        );
        cluster.try_launch(&settings).ok().map(|()| port)
    });
    let port = launched.expect("a port that is free");
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (right, wrong) = (file("right.pem", &right), file("wrong.pem", &certificate().0));
    let data = dir.path().join("data");
    let url = |host: &str| format!("postgres://chat@{host}:{port}/postgres?hostaddr=127.0.0.1");
    let with = |ca: Option<&Path>, url: &str| {
        let mut command = server(&data, url);
        if let Some(ca) = ca {
            command.env("CHAT_DATABASE_CA", ca);
        }
        command
    };
    for (ca, host, words) in [
        (Some(&*wrong), "localhost", "invalid peer certificate"),
        (Some(&*right), "elsewhere", "not valid for name"),
        (None, "localhost", "no encryption"),
    ] {
        let mut child = with(ca, &url(host)).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut told = String::new();
        child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{words}: {told}");
        assert!(told.contains(words), "{words}: {told}");
    }
    let url = url("localhost");
    let server = Process::spawn(with(Some(&right), &url));
    let alice = server.api().register("alice").await;
    alice.send(1, "unseen on its way").await;
    let sessions = "SELECT DISTINCT ssl FROM pg_stat_ssl NATURAL JOIN pg_stat_activity WHERE application_name = 'chat-server'";
    assert_eq!(cluster.ask_at(port, sessions).await, ["t"]);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn a_database_without_room_refuses_what_is_new_and_serves_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::of(dir.path());
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    alice.send(1, "before").await;
    let order = async |sql: &'static str| {
        let place = place.clone();
        tokio::task::spawn_blocking(move || place.order(sql).map(|_| ())).await.unwrap().unwrap();
    };
    // What PostgreSQL says when a table cannot grow.
    order(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    .await;
    let body = json!({"id": uuid(), "body": "after"});
    for _ in 0..2 {
        let (status, problem) = alice.call("POST", PATH, Some(body.clone())).await;
        assert_eq!((status, &problem["code"]), (507, &json!("storage_full")), "{problem}");
    }
    assert_eq!(texts(&alice).await.len(), 1);
    order("DROP TRIGGER full_disk ON messages").await;
    alice.ok("POST", PATH, Some(body)).await;
    assert_eq!(texts(&alice).await.len(), 2);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn nobody_goes_back_to_an_old_primary() {
    let (primary, standby) = synchronous().await;
    let dir = tempfile::tempdir().unwrap();
    let url = Cluster::url(&[&primary, &standby]);
    let first = Process::spawn(server(dir.path(), &url));
    let alice = first.api().register("alice").await;
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

    let second = Process::spawn(server(dir.path(), &url));
    let alice = User { api: second.api(), ..alice };
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
    let dir = tempfile::tempdir().unwrap();
    let url = Cluster::url(&[&primary, &standby]);
    let first = Process::spawn(server(dir.path(), &url));
    let alice = first.api().register("alice").await;
    let epoch = alice.connect().await.ready["epoch"].clone();
    alice.send(1, "kept").await;
    part(&primary, &standby).await;
    alice.send(1, "lost").await;
    primary.crash();
    until_refused(&alice, &json!({"id": uuid(), "body": "late"})).await;
    assert_eq!(first.stop().await, Some(0));
    standby.promote();

    let second = Process::spawn(server(dir.path(), &url));
    let alice = User { api: second.api(), ..alice };
    let renewed = alice.connect().await.ready["epoch"].clone();
    assert_ne!(renewed, epoch);
    assert_eq!(bodies(texts(&alice).await), ["kept"]);
    alice.send(1, "goes on").await;
    assert_eq!(second.stop().await, Some(0));
    // Once is enough.
    let third = Process::spawn(server(dir.path(), &url));
    let alice = User { api: third.api(), ..alice };
    assert_eq!(alice.connect().await.ready["epoch"], renewed);
    assert_eq!(third.stop().await, Some(0));
}

#[tokio::test]
async fn a_commit_that_waits_for_its_standby_is_told_to_nobody_and_may_be_lost_with_it() {
    let (primary, standby) = synchronous().await;
    let dir = tempfile::tempdir().unwrap();
    let url = Cluster::url(&[&primary, &standby]);
    let first = Process::spawn(server(dir.path(), &url));
    let alice = first.api().register("alice").await;
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

    let second = Process::spawn(server(dir.path(), &url));
    let alice = User { api: second.api(), ..alice };
    assert_ne!(alice.connect().await.ready["epoch"], ws.ready["epoch"]);
    assert_eq!(bodies(texts(&alice).await), ["before"]);
    assert_eq!(second.stop().await, Some(0));
}
