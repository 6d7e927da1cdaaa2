//! The load benchmark: the real program, real sockets, everything on this machine.
//!
//! `cargo bench --bench load` prints durable messages per second beside what SQLite itself does with the
//! same schema in batches of 1,000 on the same disk, deliveries to one large group, memory per idle
//! connection, and how long a start takes on nothing and on a million messages. The figures are ratios or
//! counts: absolute ones say more about the machine, which the generator shares with the server.
//! With the feature `postgres` the server keeps everything there: `scripts/bench-postgres`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on says where, and prints"
)]

mod frames;
#[cfg(feature = "postgres")]
#[path = "../../tests/support/postgres.rs"]
#[allow(dead_code, reason = "tests give orders there, too")]
mod place;
mod server;

use chat_server::store::sqlite::{Opening, SqliteStore};
use chat_server::store::{Actor, Admission, NewGroup, NewUser, NobodyListens, SendMessage, Store as _, ask};
use chat_shared::SendId;
use chat_shared::api::Visibility;
use chat_shared::text::MessageBody;
use frames::{Acks, Frames};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use server::{Server, own_cpu};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const PASSWORD: &str = "a password for benchmarks";
const SECONDS: Duration = Duration::from_secs(5);
const BODY: usize = 196;
/// Turns of SQLite alone and of publishing, and how long each is.
const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const MESSAGES: u64 = 1_000_000;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Sender = SplitSink<Socket, Message>;
type Receiver = SplitStream<Socket>;

async fn send(sender: &mut Sender, group: i64) {
    let id = uuid::Uuid::now_v7();
    let text = format!(r#"{{"type":"send","id":"{id}","conversation_id":{group},"body":"{:x>BODY$}"}}"#, "");
    sender.send(Message::text(text)).await.unwrap();
}

/// What SQLite does alone: the rows that a send writes, 1,000 in a transaction.
fn sqlite_alone() -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let mut db = rusqlite::Connection::open(dir.path().join("floor.db")).unwrap();
    // As the server has it.
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY; PRAGMA wal_autocheckpoint = 4000;",
    )
    .unwrap();
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema.sql");
    db.execute_batch(&std::fs::read_to_string(schema).unwrap()).unwrap();
    for n in 1..=50 {
        db.execute(
            "INSERT INTO users (username, display_name, created_at) VALUES (?1, ?1, 0)",
            [format!("u{n}")],
        )
        .unwrap();
        db.execute("INSERT INTO conversations (kind, created_at) VALUES ('group', 0)", []).unwrap();
    }
    let body = "x".repeat(BODY);
    let (started, mut rows) = (Instant::now(), 0_i64);
    while started.elapsed() < ROUND {
        let transaction = db.transaction().unwrap();
        for _ in 0..1000 {
            let (user, seq) = (rows % 50 + 1, rows / 50 + 1);
            transaction
                .prepare_cached("UPDATE conversations SET head_rev = ?2, last_seq = ?2 WHERE id = ?1")
                .unwrap()
                .execute([user, seq])
                .unwrap();
            transaction
                .prepare_cached(
                    "INSERT INTO messages (id, rev, sender_id, send_id, kind, body, sent_at) VALUES (?1, ?2, ?3, ?4, 'text', ?5, 0)",
                )
                .unwrap()
                .execute(rusqlite::params![user << 32 | seq, seq, user, uuid::Uuid::now_v7().as_bytes(), body])
                .unwrap();
            rows += 1;
        }
        transaction.commit().unwrap();
    }
    rows as f64 / started.elapsed().as_secs_f64()
}

/// What publishing cost.
struct Published {
    /// Acks in a second.
    rate: f64,
    /// CPU seconds per million acks: of the server, and of the generator.
    cpu: [f64; 2],
}

/// So many senders, each alone in a group, with so many unacknowledged messages each.
async fn publish(server: &Server, senders: usize, in_flight: u64) -> Published {
    let tokens = server.register(senders).await;
    let mut sockets = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        let group = server.group(&format!("alone{n}"), std::slice::from_ref(token)).await;
        sockets.push((group, server.connect(token).await.into_inner()));
    }
    let cpu = [server.cpu(), own_cpu()];
    let tasks = sockets.into_iter().map(|(group, mut socket)| {
        tokio::spawn(async move {
            let (mut frames, mut acks) = (Frames::new(group), Acks::default());
            let (mut out, mut piece) = (Vec::new(), vec![0; 64 << 10]);
            let (started, mut count, mut owed) = (Instant::now(), 0, in_flight);
            while started.elapsed() < ROUND {
                (0..owed).for_each(|_| frames.next(&mut out));
                socket.write_all(&out).await.unwrap();
                out.clear();
                let read = socket.read(&mut piece).await.unwrap();
                assert!(read > 0, "the server closed a socket");
                owed = acks.count(&piece[..read]);
                count += owed;
            }
            count as f64 / started.elapsed().as_secs_f64()
        })
    });
    let mut rate = 0.0;
    for task in tasks.collect::<Vec<_>>() {
        rate += task.await.unwrap();
    }
    let per_million = |before: f64, after: f64| (after - before) * 1e6 / (rate * ROUND.as_secs_f64());
    Published { rate, cpu: [per_million(cpu[0], server.cpu()), per_million(cpu[1], own_cpu())] }
}

/// One sender, 500 readers, 32 messages in flight. Deliveries and server CPU seconds per million.
async fn fan_out(server: &Server) -> (f64, f64) {
    const MEMBERS: usize = 500;
    const WINDOW: u64 = 32;
    let tokens = server.register(MEMBERS).await;
    let group = server.group("all", &tokens).await;
    let mut readers: Vec<(Option<Sender>, Receiver)> = Vec::new();
    for token in &tokens {
        let (sender, receiver) = server.connect(token).await.split();
        readers.push((Some(sender), receiver));
    }
    let (mut sender, mut own) = readers.swap_remove(0);
    let mut sender = sender.take().unwrap();
    // The slowest reader opens the window.
    let (done, mut finished) = tokio::sync::mpsc::unbounded_channel();
    for (kept_open, mut receiver) in readers {
        let done = done.clone();
        tokio::spawn(async move {
            let _kept_open = kept_open;
            while let Some(Ok(message)) = receiver.next().await {
                if message.to_text().unwrap_or("").starts_with(r#"{"type":"message""#)
                    && done.send(()).is_err()
                {
                    return;
                }
            }
        });
    }
    tokio::spawn(async move { while own.next().await.is_some_and(|message| message.is_ok()) {} });
    let each = (MEMBERS - 1) as u64;
    let (started, cpu) = (Instant::now(), server.cpu());
    let (mut sent, mut received) = (0, 0);
    while started.elapsed() < SECONDS || received < sent * each {
        if started.elapsed() < SECONDS && sent * each - received <= (WINDOW - 1) * each {
            send(&mut sender, group).await;
            sent += 1;
        } else {
            let one = tokio::time::timeout(SECONDS, finished.recv()).await;
            one.expect("a delivery was lost").unwrap();
            received += 1;
        }
    }
    let deliveries = received as f64;
    (deliveries / started.elapsed().as_secs_f64(), (server.cpu() - cpu) * 1e6 / deliveries)
}

/// Resident memory per idle connection.
async fn idle(server: &Server, connections: usize) -> f64 {
    let tokens = server.register(connections).await;
    let before = server.resident_kib();
    let mut open = Vec::with_capacity(connections);
    for token in &tokens {
        open.push(server.connect(token).await);
    }
    (server.resident_kib() - before) / open.len() as f64
}

/// Stores this many messages of 50 people through the store itself: 200 groups, a fifth of the people in
/// each.
async fn fill(dir: &Path, messages: u64) {
    const GROUPS: usize = 200;
    let opening = Opening { path: dir.join("chat.db"), reserve: 0 };
    let store = Arc::new(SqliteStore::open(&opening, NobodyListens).unwrap());
    let mut users = Vec::new();
    for n in 0..50 {
        let new = NewUser {
            username: format!("user{n}").parse().unwrap(),
            display_name: format!("user{n}").parse().unwrap(),
            password_hash: "none".to_owned(),
            admission: Admission::Operator,
            default_groups: Vec::new(),
            session: None,
            now: 1,
        };
        users.push(ask(|reply| store.create_user(new, reply)).await.unwrap().id);
    }
    let mut groups = Vec::new();
    for n in 0..GROUPS {
        let owner = users[n % users.len()];
        let new = NewGroup {
            actor: Actor::User(owner),
            name: format!("group{n}").parse().unwrap(),
            topic: "".parse().unwrap(),
            visibility: Visibility::Public,
            now: 1,
        };
        let group = ask(|reply| store.create_group(new, reply)).await.unwrap().id;
        for member in users.iter().skip(n % 5).step_by(5).filter(|user| **user != owner) {
            ask(|reply| store.join_group(*member, group, 1, reply)).await.unwrap();
        }
        groups.push((owner, group));
    }
    let body = MessageBody::new("x".repeat(BODY)).unwrap();
    let send = |n: u64| {
        let (sender, conversation) = groups[n as usize % GROUPS];
        let id = SendId::from_bytes(*uuid::Uuid::now_v7().as_bytes());
        let (body, store) = (body.clone(), store.clone());
        let send = SendMessage {
            sender,
            id,
            conversation,
            body,
            reply_to: None,
            here: Vec::new(),
            refuse_new: None,
            now: 1,
        };
        async move { ask(|reply| store.send_message(send, reply)).await.unwrap() }
    };
    futures_util::stream::iter(0..messages).map(send).buffered(2_000).for_each(|_| async {}).await;
    store.close().await;
}

/// From the start of the program until it says that it is ready, and what it holds then.
async fn start_on(dir: tempfile::TempDir) -> (Duration, f64) {
    let started = Instant::now();
    let server = Server::on(dir);
    let url = server.base.replace("/api/v1", "/readyz");
    while !server.http.get(&url).send().await.is_ok_and(|answer| answer.status() == 200) {}
    (started.elapsed(), server.resident_kib() / 1024.0)
}

/// Is this part asked for? All are unless some are named: `cargo bench --bench load -- publish idle`.
fn is_asked_for(part: &str) -> bool {
    let mut named = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).peekable();
    named.peek().is_none() || named.any(|name| name == part)
}

#[tokio::main]
async fn main() {
    if is_asked_for("start") {
        let empty = start_on(tempfile::tempdir().unwrap()).await;
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path(), MESSAGES).await;
        let full = start_on(dir).await;
        for (what, (time, memory)) in [("an empty directory", empty), ("1,000,000 messages", full)] {
            println!(
                "start to ready on {what}     {:>10.0} ms   {memory:.1} MiB resident",
                time.as_secs_f64() * 1e3
            );
        }
    }
    if is_asked_for("publish") {
        // In turns, since the machine is not the same from one minute to the next; what counts is the
        // ratio within a turn.
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let floor = tokio::task::spawn_blocking(sqlite_alone).await.unwrap();
            let Published { rate, cpu } = publish(&Server::start(), 50, 20).await;
            rounds.push([rate / floor, floor, rate, cpu[0], cpu[1]]);
        }
        rounds.sort_by(|one, other| one[0].total_cmp(&other[0]));
        let [ratio, floor, rate, server, own] = rounds[ROUNDS / 2];
        let (least, most) = (rounds[0][0], rounds[ROUNDS - 1][0]);
        println!("SQLite alone, 1,000 rows a transaction   {floor:>10.0} rows/s");
        println!(
            "publish, 50 senders, 20 in flight        {rate:>10.0} acks/s   {ratio:.2} of SQLite alone ({least:.2} to {most:.2})   {server:.2} CPU s per million, and {own:.2} of the generator"
        );
    }
    if is_asked_for("alone") {
        let Published { rate, .. } = publish(&Server::start(), 1, 1).await;
        println!("publish, 1 sender, 1 in flight           {rate:>10.0} acks/s");
    }
    if is_asked_for("fan-out") {
        let (deliveries, cpu) = fan_out(&Server::start()).await;
        println!(
            "fan-out, 500 members, 32 in flight       {deliveries:>10.0} deliveries/s   {cpu:.2} CPU s per million"
        );
    }
    if is_asked_for("idle") {
        // Both ends of a socket are open files, in two processes.
        let memory = idle(&Server::start(), 5_000).await;
        println!("idle connection, 5,000 of them           {memory:>10.1} KiB");
    }
}
