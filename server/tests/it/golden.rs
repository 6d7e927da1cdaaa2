//! Makes a golden database: what the program as it is now leaves behind when everything that can be in a database
//! was done. The next version of the schema is then shown to take it over (`upgrade.rs`).
//!
//! **How to make one.** Before a migration is added (or with it taken out of `MIGRATIONS` for as long as that takes):
//!
//! ```sh
//! cargo test -p chat-server --test it golden -- --ignored
//! ```
//!
//! writes `server/tests/golden/v<version>.sqlite`, and beside it, as `.jsonl`, what this program answers to its users.
//! Both are kept in the repository and never made anew: they are what such a program wrote. What can be in a database
//! since the last one was made, is to be done here before that.

use crate::golden_files::{database, golden, lay, version};
use crate::harness::{Api, PASSWORD, User, eventually, uuid};
use crate::process::{Process, run, stderr};
use chat_server::store::sqlite::{Opening, SqliteStore};
use chat_server::store::{NobodyListens, Store as _, ask};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Who can log in, and with whose eyes the database is looked at.
const USERS: [&str; 3] = ["alice", "bob", "erin"];
/// A group that is deleted has so many messages, of which 500 are purged in one go.
const MANY: usize = 520;
/// The year 2100: a mute that does not end.
const LONG_AFTER: i64 = 4_102_444_800_000;

/// What the program of this version answered: lines of a user, a path and the answer.
pub(crate) fn answers_of(version: i64) -> PathBuf {
    golden(version).with_extension("jsonl")
}

/// Logs somebody in who has an account.
pub(crate) async fn log_in(api: Api, name: &str) -> User {
    let body = json!({"username": name, "password": PASSWORD, "device_name": "a second one"});
    let (status, session) = api.call("POST", "/auth/login", None, Some(body)).await;
    assert_eq!(status, 200, "{name}: {session}");
    User { api, name: name.to_owned(), session }
}

/// What is asked for a user: their conversations, with all that is in them.
async fn paths(user: &User) -> Vec<String> {
    let mut paths = ["/me", "/users", "/groups", "/conversations?limit=200"].map(str::to_owned).to_vec();
    let conversations = user.ok("GET", "/conversations?limit=200", None).await;
    for conversation in conversations["conversations"].as_array().unwrap() {
        let at = format!("/conversations/{}", conversation["id"]);
        for path in ["", "/members", "/messages?limit=200", "/changes?since=0&limit=200"] {
            paths.push(format!("{at}{path}"));
        }
        for message in user.history(conversation["id"].as_i64().unwrap()).await {
            if message["edited_at"].is_i64() {
                paths.push(format!("{at}/messages/{}/edits", message["seq"]));
            }
            if message["reply_count"].as_i64() > Some(0) {
                paths.push(format!("{at}/messages/{}/thread", message["seq"]));
            }
        }
    }
    paths
}

/// An operator's command that works.
fn operate(data: &Path, arguments: &[&str]) {
    let output = run(data, arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
}

fn path_of(conversation: i64, message: &Value) -> String {
    format!("/conversations/{conversation}/messages/{}", message["seq"])
}

/// Everything that people can do, once.
async fn live(server: &Process, data: &Path) {
    let api = server.api();
    let mut users = Vec::new();
    for name in ["alice", "bob", "carol", "dave", "erin"] {
        users.push(api.register(name).await);
    }
    let [alice, bob, carol, dave, erin] = &users[..] else { unreachable!() };
    let me = json!({"display_name": "Alice Ä. 🦀", "status_text": "at the sea"});
    alice.ok("PATCH", "/me", Some(me)).await;
    // A log-in that was refreshed, and one whose last token is still the first.
    let second = log_in(api.clone(), "alice").await;
    let refresh = json!({"refresh_token": second.session["refresh_token"]});
    assert_eq!(api.call("POST", "/auth/refresh", None, Some(refresh)).await.0, 200);
    operate(data, &["invite", "create", "--uses", "3", "--note", "for the cooks"]);
    operate(data, &["invite", "create"]);

    let lab = alice.group("lab", "private").await;
    for (name, role) in [("bob", "moderator"), ("carol", "member"), ("dave", "owner"), ("erin", "member")] {
        alice.ok("PUT", &format!("/groups/{lab}/members/{name}"), Some(json!({"role": role}))).await;
    }
    alice.ok("PUT", &format!("/groups/{lab}/members/carol"), Some(json!({"role": "moderator"}))).await;
    alice.ok("DELETE", &format!("/groups/{lab}/members/erin"), None).await;
    alice.ok("PATCH", &format!("/groups/{lab}"), Some(json!({"topic": "what we cook"}))).await;
    let first = alice.send(lab, "the first, of many lines\n```rust\nfn main() {}\n```").await;
    let messages = format!("/conversations/{lab}/messages");
    for (who, body) in [(bob, "a reply"), (carol, "another, to @alice and @bob"), (dave, "@here too")] {
        let body = json!({"id": uuid(), "body": body, "reply_to": first["seq"]});
        who.ok("POST", &messages, Some(body)).await;
    }
    for body in ["once edited", "twice edited"] {
        alice.ok("PATCH", &path_of(lab, &first), Some(json!({"id": uuid(), "body": body}))).await;
    }
    for emoji in ["%F0%9F%91%8D", "%E2%9D%A4%EF%B8%8F"] {
        for who in [alice, carol, bob] {
            who.ok("PUT", &format!("{}/reactions/{emoji}", path_of(lab, &first)), None).await;
        }
    }
    carol.ok("DELETE", &format!("{}/reactions/%F0%9F%91%8D", path_of(lab, &first)), None).await;
    let gone = bob.send(lab, "to be deleted").await;
    let reply = json!({"id": uuid(), "body": "to what is not there any more", "reply_to": gone["seq"]});
    carol.ok("POST", &messages, Some(reply)).await;
    bob.ok("PATCH", &path_of(lab, &gone), Some(json!({"id": uuid(), "body": "edited before"}))).await;
    bob.ok("DELETE", &path_of(lab, &gone), None).await;
    let by_moderator = carol.send(lab, "to be deleted by a moderator").await;
    bob.ok("DELETE", &path_of(lab, &by_moderator), None).await;
    for n in 1..=30 {
        erin.send(1, &format!("text {n} in general, for @bob")).await;
    }
    bob.ok("PUT", "/conversations/1/read", Some(json!({"seq": 20}))).await;
    let settings = json!({"level": "mentions", "muted_until": LONG_AFTER, "marked_unread": true});
    bob.ok("PUT", &format!("/conversations/{lab}/settings"), Some(settings)).await;
    erin.ok("PUT", "/conversations/1/settings", Some(json!({"level": "nothing"}))).await;

    let direct = async |who: &User, other: &str| {
        let answer = who.ok("POST", "/directs", Some(json!({"username": other}))).await;
        answer["id"].as_i64().unwrap()
    };
    let both = direct(alice, "bob").await;
    alice.send(both, "between us").await;
    bob.send(direct(bob, "alice").await, "likewise").await;
    alice.send(direct(alice, "alice").await, "a note to myself").await;
    alice.send(direct(alice, "dave").await, "never answered").await;
    direct(erin, "alice").await;

    // Two groups that are not there any more: of the one all is purged, of the other a part.
    for (name, count) in [("gone", 3), ("half-gone", MANY)] {
        let group = erin.group(name, "public").await;
        bob.ok("POST", &format!("/groups/{group}/join"), None).await;
        for n in 0..count {
            if n % 2 == 0 {
                erin.send(group, "x").await
            } else {
                bob.send(group, "y").await
            };
        }
        erin.ok("DELETE", &format!("/groups/{group}"), None).await;
    }
    operate(data, &["user", "disable", "carol"]);
    operate(data, &["user", "delete", "dave"]);
    let leaving = alice.group("left", "public").await;
    erin.ok("POST", &format!("/groups/{leaving}/join"), None).await;
    erin.ok("POST", &format!("/groups/{leaving}/leave"), None).await;
    drop(erin.connect().await);
    eventually("it is known when erin was seen last", async || {
        alice.ok("GET", "/users/erin", None).await["last_seen_at"].is_i64()
    })
    .await;
}

/// Purges the first of the deleted groups, and a part of the second.
async fn purge_a_part(path: &Path) {
    let store = SqliteStore::open(&Opening { path: path.to_owned(), reserve: 0 }, NobodyListens).unwrap();
    // The messages of the one, what remains to say of it, and a slice of the other.
    for _ in 0..3 {
        assert!(ask(|reply| store.purge(reply)).await.unwrap());
    }
    store.close().await;
}

/// The tables in which nothing is.
fn empty_tables(db: &Connection) -> Vec<String> {
    let mut tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").unwrap();
    let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    let is_empty = |table: &String| {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM {table})");
        db.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    names.filter(is_empty).collect()
}

#[tokio::test]
#[ignore = "writes the golden database of the present version"]
async fn golden_database_of_the_present_version() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("made");
    let server = Process::start(&data);
    live(&server, &data).await;
    assert_eq!(server.stop().await, Some(0));
    let made = database(&data);
    purge_a_part(&made).await;
    let half = "SELECT (SELECT count(*) FROM retired_sends) > 500 AND
        EXISTS (SELECT 1 FROM messages m JOIN conversations c ON c.id = m.conversation_id
                WHERE c.deleted_at IS NOT NULL)";
    let db = Connection::open(&made).unwrap();
    assert!(db.query_row(half, [], |row| row.get::<_, bool>(0)).unwrap(), "no group is half purged");
    let version = version(&made);
    let file = golden(version);
    let _ = fs::remove_file(&file);
    db.execute("VACUUM INTO ?1", [file.to_str().unwrap()]).unwrap();
    assert!(fs::metadata(&file).unwrap().len() < 200_000, "too large to be kept");
    assert_eq!(empty_tables(&db), [""; 0]);

    let asked = dir.path().join("asked");
    lay(&file, &asked);
    let server = Process::start(&asked);
    let mut lines = String::new();
    for name in USERS {
        let user = log_in(server.api(), name).await;
        for path in paths(&user).await {
            let answer = user.ok("GET", &path, None).await;
            lines.push_str(&format!("{}\n", json!([name, path, answer])));
        }
    }
    assert_eq!(server.stop().await, Some(0));
    fs::write(answers_of(version), lines).unwrap();
}
