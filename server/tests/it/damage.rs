//! A database that was damaged while no server had it, and that is found to be so.

use crate::harness::{PASSWORD, User, eventually, uuid};
use crate::process::Process;
use rusqlite::Connection;
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Copies a data directory as a power cut would leave it: with a log that nobody folded into the database.
fn cut_off(from: &Path, to: &Path) {
    let database = Connection::open(from.join("chat.db")).unwrap();
    database
        .execute_batch("PRAGMA wal_autocheckpoint = 0; INSERT OR REPLACE INTO meta VALUES ('cut', random())")
        .unwrap();
    for file in ["chat.db", "chat.db-wal", "secret"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
    assert!(fs::metadata(to.join("chat.db-wal")).unwrap().len() > 0);
}

/// Overwrites a page that is not needed to start: the root of the former texts of messages, which lies where
/// it does in the original.
fn damage(data: &Path, original: &Path) {
    let database = Connection::open(original.join("chat.db")).unwrap();
    let number = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() as u64;
    let page = number("SELECT rootpage FROM sqlite_schema WHERE name = 'edits'");
    let size = number("PRAGMA page_size");
    drop(database);
    let file = OpenOptions::new().write(true).open(data.join("chat.db")).unwrap();
    file.write_all_at(&vec![0xA5; size as usize], (page - 1) * size).unwrap();
}

async fn readiness(user: &User) -> u16 {
    let url = user.api.base.replace("/api/v1", "/readyz");
    user.api.http.get(url).send().await.unwrap().status().as_u16()
}

fn start(data: &Path, log: &Path) -> Process {
    let mut command = crate::process::program(data, &["--listen", "127.0.0.1:0"]);
    command.env("CHAT_LOG", "info").stderr(File::create(log).unwrap());
    Process::spawn(command)
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn damage_after_a_cut_is_found_and_nothing_new_is_written_into_it() {
    let dir = tempfile::tempdir().unwrap();
    let [first, whole, damaged] = ["first", "whole", "damaged"].map(|name| dir.path().join(name));
    let log = dir.path().join("log");
    let logged = |words: &str| fs::read_to_string(&log).unwrap().contains(words);
    let server = start(&first, &log);
    let alice = server.api().register("alice").await;
    alice.send(1, "kept").await;
    assert_eq!(server.stop().await, Some(0));
    // Whoever stopped in order is believed.
    let server = start(&first, &log);
    assert_eq!(server.stop().await, Some(0));
    assert!(!logged("not stopped in order"));

    for to in [&whole, &damaged] {
        fs::create_dir(to).unwrap();
        cut_off(&first, to);
    }
    let server = start(&whole, &log);
    eventually("the check is over", async || logged("its database is whole")).await;
    let alice = User { api: server.api(), ..alice };
    assert_eq!(readiness(&alice).await, 200);
    alice.send(1, "after the cut").await;
    assert_eq!(server.stop().await, Some(0));

    damage(&damaged, &first);
    let server = start(&damaged, &log);
    let alice = User { api: server.api(), ..alice };
    eventually("the damage is found", async || readiness(&alice).await == 503).await;
    assert!(logged("the database is damaged"));
    assert_eq!(alice.history(1).await.last().unwrap()["body"], "kept");
    let mut ws = alice.connect().await;
    ws.send(json!({"type": "send", "id": uuid(), "conversation_id": 1, "body": "not kept"})).await;
    assert_eq!(ws.next_of("error").await["code"], "unavailable");
    let writes = [
        ("POST", "/auth/login", json!({"username": "alice", "password": PASSWORD})),
        ("POST", "/groups", json!({"name": "lab"})),
        ("PUT", "/conversations/1/read", json!({"seq": 1})),
        ("POST", "/conversations/1/messages", json!({"id": uuid(), "body": "not kept"})),
    ];
    for (method, path, body) in writes {
        assert_eq!(alice.call(method, path, Some(body)).await.0, 503, "{method} {path}");
    }
    assert_eq!(server.stop().await, Some(0));
}
