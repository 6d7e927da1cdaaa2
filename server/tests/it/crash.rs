//! `kill -9` in a loop, under load, with a checker: what was acknowledged is there, once, at its place.

use crate::harness::{User, Ws, uuid};
use crate::process::Process;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How often the server is killed.
const KILLS: usize = 8;
/// Acknowledgements between two kills.
const ACKS: u64 = 150;

/// What one writer knows.
#[derive(Default)]
struct Book {
    /// Asked for and not yet answered: to be asked again.
    open: Vec<Value>,
    /// By send id: seq and rev.
    sent: HashMap<String, (i64, i64)>,
    /// Its own texts that stand.
    texts: Vec<i64>,
    /// By seq: it was acknowledged that it is deleted.
    deleted: Vec<i64>,
}

/// Writes until the connection breaks.
async fn write(user: User, book: Arc<Mutex<Book>>, acks: Arc<AtomicU64>) {
    let Ok((mut ws, _ready)) = user.try_connect().await else { return };
    let open = book.lock().unwrap().open.clone();
    for frame in &open {
        if !ws.try_send(frame.clone()).await {
            return;
        }
    }
    let mut turn = 0_u64;
    loop {
        while book.lock().unwrap().open.len() < 8 {
            turn += 1;
            let frame = next(&book.lock().unwrap(), turn);
            book.lock().unwrap().open.push(frame.clone());
            if !ws.try_send(frame).await {
                return;
            }
        }
        let Ok(frame) = ws.next().await else { return };
        settle(&frame, &book, &acks);
    }
}

/// The next thing to ask for: mostly sends, between them the rest.
fn next(book: &Book, turn: u64) -> Value {
    let text = book.texts.get((turn as usize * 7) % book.texts.len().max(1)).copied();
    match (turn % 6, text) {
        (1, Some(seq)) => {
            json!({"type": "edit", "id": uuid(), "conversation_id": 1, "seq": seq, "body": "edited"})
        }
        (2, Some(seq)) if turn % 12 == 2 => {
            json!({"type": "delete", "id": uuid(), "conversation_id": 1, "seq": seq})
        }
        (3, Some(seq)) => {
            json!({"type": "react", "id": uuid(), "conversation_id": 1, "seq": seq, "emoji": "👍", "on": turn % 4 == 1})
        }
        (4, Some(seq)) => {
            json!({"type": "send", "id": uuid(), "conversation_id": 1, "body": "reply", "reply_to": seq})
        }
        _ => json!({"type": "send", "id": uuid(), "conversation_id": 1, "body": format!("text {turn}")}),
    }
}

/// Somebody who comes and goes: by themselves, or because an owner wants it.
struct Guest {
    name: &'static str,
    comes: (&'static str, &'static str),
    goes: (&'static str, &'static str),
}

const GUESTS: [Guest; 2] = [
    Guest { name: "erin", comes: ("POST", "/groups/1/join"), goes: ("POST", "/groups/1/leave") },
    Guest {
        name: "frank",
        comes: ("PUT", "/groups/1/members/frank"),
        goes: ("DELETE", "/groups/1/members/frank"),
    },
];

/// What was acknowledged of a guest.
#[derive(Default)]
struct Visits {
    goings: usize,
    /// Inside after the last answer; unknown while a question is open.
    inside: Option<bool>,
}

/// Lets a guest come and go until the server is gone. `who` asks for it.
async fn visit(who: User, guest: &'static Guest, visits: Arc<Mutex<Visits>>) {
    let ask = async |(method, path): (&str, &str)| {
        let url = format!("{}{path}", who.api.base);
        let request = who.api.http.request(method.parse().unwrap(), url);
        let answer = request.bearer_auth(who.token()).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    };
    loop {
        visits.lock().unwrap().inside = None;
        // Coming twice is coming once.
        if !ask(guest.comes).await || !ask(guest.goes).await {
            return;
        }
        let mut visits = visits.lock().unwrap();
        visits.goings += 1;
        visits.inside = Some(false);
    }
}

fn settle(frame: &Value, book: &Mutex<Book>, acks: &AtomicU64) {
    let kind = frame["type"].as_str().unwrap();
    if kind != "ack" && kind != "error" {
        return;
    }
    let mut book = book.lock().unwrap();
    let Some(at) = book.open.iter().position(|asked| asked["id"] == frame["id"]) else { return };
    let asked = book.open.remove(at);
    if kind == "error" {
        // A tombstone takes no further change; a retryable error is asked again by the next round.
        assert!(["conflict", "unavailable"].contains(&frame["code"].as_str().unwrap()), "{frame} to {asked}");
        return;
    }
    acks.fetch_add(1, Ordering::Relaxed);
    let (seq, rev) = (frame["seq"].as_i64().unwrap(), frame["rev"].as_i64().unwrap());
    match asked["type"].as_str().unwrap() {
        "send" => {
            let before = book.sent.insert(asked["id"].as_str().unwrap().to_owned(), (seq, rev));
            assert!(before.is_none_or(|before| before == (seq, rev)), "two answers to one send");
            book.texts.push(seq);
        }
        "delete" => {
            book.texts.retain(|other| *other != seq);
            book.deleted.push(seq);
        }
        _ => {}
    }
}

/// Follows by `ready`, events and `changes` until the connection breaks.
async fn follow(user: User, held: Arc<Mutex<(BTreeMap<i64, Value>, i64)>>) {
    let Ok((mut ws, _ready)) = user.try_connect().await else { return };
    if catch_up(&user, &held).await.is_none() {
        return;
    }
    follow_live(&mut ws, &held).await;
}

async fn follow_live(ws: &mut Ws, held: &Mutex<(BTreeMap<i64, Value>, i64)>) {
    while let Ok(frame) = ws.next().await {
        if frame["type"] == "message" && frame["conversation_id"] == 1 {
            let mut held = held.lock().unwrap();
            let rev = frame["rev"].as_i64().unwrap();
            if rev > held.1 {
                assert_eq!(rev, held.1 + 1, "a hole in the revs");
                apply(&mut held, &frame["message"]);
            }
        }
    }
}

fn apply(held: &mut (BTreeMap<i64, Value>, i64), message: &Value) {
    held.0.insert(message["seq"].as_i64().unwrap(), message.clone());
    held.1 = message["rev"].as_i64().unwrap();
}

/// Reads what changed; `None` when the server went away in between.
async fn catch_up(user: &User, held: &Mutex<(BTreeMap<i64, Value>, i64)>) -> Option<()> {
    loop {
        let since = held.lock().unwrap().1;
        let url = format!("{}/conversations/1/changes?since={since}&limit=200", user.api.base);
        let answer = user.api.http.get(url).bearer_auth(user.token()).send().await.ok()?;
        let changes: Value = answer.json().await.ok()?;
        let mut held = held.lock().unwrap();
        for message in changes["messages"].as_array()? {
            apply(&mut held, message);
        }
        if changes["has_more"] == false {
            return Some(());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_or_there_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Process::start(dir.path());
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol"] {
        users.push(server.api().register(name).await);
    }
    let watcher = server.api().register("dave").await;
    // Whoever asks for a guest's visits: the guest, and the group's owner.
    let erin = server.api().register("erin").await;
    server.api().register("frank").await;
    let hosts = [erin, users[0].clone()];
    let visits: [Arc<Mutex<Visits>>; 2] = Default::default();
    let books: Vec<Arc<Mutex<Book>>> = users.iter().map(|_| Arc::default()).collect();
    let held = Arc::new(Mutex::new((BTreeMap::new(), 0)));
    let acks = Arc::new(AtomicU64::new(0));
    for round in 1..=KILLS as u64 {
        let at = |user: &User| User { api: server.api(), ..user.clone() };
        let mut tasks: Vec<_> = users
            .iter()
            .zip(&books)
            .map(|(user, book)| tokio::spawn(write(at(user), book.clone(), acks.clone())))
            .collect();
        for ((host, guest), visits) in hosts.iter().zip(&GUESTS).zip(&visits) {
            tasks.push(tokio::spawn(visit(at(host), guest, visits.clone())));
        }
        tasks.push(tokio::spawn(follow(at(&watcher), held.clone())));
        crate::harness::eventually("enough was acknowledged", async || {
            acks.load(Ordering::Relaxed) >= round * ACKS
        })
        .await;
        server.kill();
        for task in tasks {
            task.await.unwrap();
        }
        server = Process::start(dir.path());
    }
    check(&server, &users, &books, &watcher, &held).await;
    for (guest, visits) in GUESTS.iter().zip(&visits) {
        let visits = std::mem::take(&mut *visits.lock().unwrap());
        check_visits(&server, &watcher, guest, &visits).await;
    }
    assert_eq!(server.stop().await, Some(0));
}

/// Coming and going alternate, each told by exactly one notice, and none that was acknowledged is missing.
async fn check_visits(server: &Process, watcher: &User, guest: &Guest, visits: &Visits) {
    let watcher = User { api: server.api(), ..watcher.clone() };
    let history = watcher.history(1).await;
    let told: Vec<&str> = history
        .iter()
        .filter(|message| message["event"]["user"] == guest.name)
        .map(|message| message["event"]["kind"].as_str().unwrap())
        .collect();
    for (index, kind) in told.iter().enumerate() {
        // An account begins inside.
        let expected = if index % 2 == 0 { ["joined", "added"] } else { ["left", "removed"] };
        assert!(expected.contains(kind), "{told:?}");
    }
    let gone = told.len() / 2;
    assert!(gone >= visits.goings && visits.goings > 0, "{gone} of {}", visits.goings);
    let members = watcher.ok("GET", "/conversations/1/members", None).await;
    let inside = members["members"].as_array().unwrap().iter().any(|m| m["user"]["username"] == guest.name);
    assert_eq!(inside, told.len() % 2 == 1, "the notices and the members differ");
    if let Some(expected) = visits.inside {
        assert_eq!(inside, expected);
    }
}

async fn check(
    server: &Process,
    users: &[User],
    books: &[Arc<Mutex<Book>>],
    watcher: &User,
    held: &Mutex<(BTreeMap<i64, Value>, i64)>,
) {
    let watcher = User { api: server.api(), ..watcher.clone() };
    let history = watcher.history(1).await;
    let by_seq: HashMap<i64, &Value> = history.iter().map(|m| (m["seq"].as_i64().unwrap(), m)).collect();
    let mut ids: Vec<&str> = history.iter().filter_map(|m| m["id"].as_str()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "a send id stands twice");
    let mut acked = 0;
    for (user, book) in users.iter().zip(books) {
        let book = book.lock().unwrap();
        for (id, (seq, _)) in &book.sent {
            let message = by_seq.get(seq).unwrap_or_else(|| panic!("{id} at {seq} is lost"));
            assert_eq!(
                (message["id"].as_str(), message["sender"]["username"].as_str()),
                (Some(&**id), Some(&*user.name))
            );
            acked += 1;
        }
        for seq in &book.deleted {
            assert!(by_seq[seq]["deleted_at"].is_i64(), "the deletion of {seq} is lost");
        }
    }
    assert!(acked >= KILLS as u64 * ACKS / 2, "{acked}");
    // The replica that followed through all of it, and the revs of the present states.
    catch_up(&watcher, held).await.unwrap();
    let held = held.lock().unwrap();
    assert_eq!(held.0.values().collect::<Vec<_>>(), history.iter().collect::<Vec<_>>());
    let mut revs: Vec<i64> = history.iter().map(|m| m["rev"].as_i64().unwrap()).collect();
    revs.sort_unstable();
    revs.dedup();
    assert_eq!(revs.len(), history.len(), "two messages carry one rev");
    assert_eq!(revs.last(), Some(&held.1));
}
