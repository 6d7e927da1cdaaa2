//! What an operator sees of a server whose database is PostgreSQL.

use crate::harness::User;
use crate::place::Place;
use crate::process::{Process, program, run, stderr};
use serde_json::Value;

#[tokio::test]
async fn operators_work_on_a_running_and_on_a_stopped_server_with_postgresql() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    alice.send(1, "to be kept").await;
    let ok = |arguments: &[&str]| {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    };
    assert!(ok(&["user", "list"]).contains("alice"));
    assert!(ok(&["doctor"]).contains("damage: none\n"));
    let file = dir.path().join("copy.backup").to_str().unwrap().to_owned();
    refused(&["backup", &file], 1, "pg_dump");
    refused(&["restore", &file], 1, "pg_restore");
    // Another server, with another data directory and the same database.
    let other = tempfile::tempdir().unwrap();
    let mut second = program(other.path(), &["--listen", "127.0.0.1:0"]);
    let second = second.env("CHAT_DATABASE", Place::of(dir.path()).url).output().unwrap();
    assert_eq!(second.status.code(), Some(3), "{}", stderr(&second));
    assert!(stderr(&second).contains("in use by another chat-server"), "{}", stderr(&second));

    let epoch = |doctor: &str| serde_json::from_str::<Value>(doctor).unwrap()["epoch"].clone();
    let before = epoch(&ok(&["doctor", "--json"]));
    assert_eq!(server.stop().await, Some(0));
    ok(&["doctor", "--new-epoch"]);
    assert_ne!(epoch(&ok(&["doctor", "--json"])), before);
    let server = Process::start(dir.path());
    let alice = User { api: server.api(), ..alice };
    assert_eq!(alice.history(1).await.last().unwrap()["body"], "to be kept");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn whoever_is_told_that_a_write_is_unavailable_can_repeat_it() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::of(dir.path());
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    // Nobody gets past this lock, and whoever waits for it is refused in time.
    let lock = "BEGIN; LOCK TABLE messages IN SHARE MODE; SELECT pg_sleep(6); COMMIT";
    let locking = tokio::task::spawn_blocking({
        let place = place.clone();
        move || place.order(lock).map(|_| ())
    });
    let locked = "SELECT count(*) FROM pg_locks WHERE relation = 'messages'::regclass AND mode = 'ShareLock'";
    while place.order(locked).unwrap() != ["1"] {
        tokio::task::yield_now().await;
    }
    let body = serde_json::json!({"id": crate::harness::uuid(), "body": "later"});
    let path = "/conversations/1/messages";
    let (status, problem) = alice.call("POST", path, Some(body.clone())).await;
    assert_eq!((status, &problem["code"]), (503, &serde_json::json!("unavailable")), "{problem}");
    assert_eq!(alice.history(1).await.iter().filter(|message| message["kind"] == "text").count(), 0);
    locking.await.unwrap().unwrap();
    // What an administrator ends comes back without anybody being told.
    assert_eq!(place.cut().unwrap(), ["t"]);
    alice.ok("POST", path, Some(body)).await;
    assert_eq!(server.stop().await, Some(0));
}
