//! A disk that is really full: a small file system of its own, mounted where the server alone sees it.

use crate::harness::{User, eventually, uuid};
use crate::process::{Process, program, run, stderr};
use crate::small_volume::{can_mount, mounted};
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A body of almost the largest size.
const BODY: usize = 16_000;
/// How often the disk is filled.
const ROUNDS: usize = 2;
/// Messages that are refused each time before there is room again.
const REFUSED: usize = 20;

/// What the server sees at this path.
fn as_seen_by(server: &Process, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", server.child.id()));
    root.join(path.strip_prefix("/").unwrap())
}

/// Takes all the room that is left, but for this much.
fn fill(filler: &Path, leave: u64) {
    let mut file = OpenOptions::new().create(true).append(true).open(filler).unwrap();
    let end = loop {
        if let Err(error) = file.write_all(&[0; 4096]) {
            break error;
        }
    };
    assert_eq!(end.kind(), ErrorKind::StorageFull);
    file.set_len(file.metadata().unwrap().len().saturating_sub(leave)).unwrap();
}

async fn send(user: &User, id: &str) -> (u16, Value) {
    let body = json!({"id": id, "body": "x".repeat(BODY)});
    user.call("POST", "/conversations/1/messages", Some(body)).await
}

async fn readiness(user: &User) -> u16 {
    let url = user.api.base.replace("/api/v1", "/readyz");
    user.api.http.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn a_disk_that_is_full_is_told_of_served_from_and_left_without_help() {
    let dir = tempfile::tempdir().unwrap();
    let (volume, log) = (dir.path().join("volume"), dir.path().join("log"));
    std::fs::create_dir(&volume).unwrap();
    if !can_mount(&volume) {
        eprintln!("Passed over: a file system cannot be mounted here.");
        return;
    }
    let data = volume.join("data");
    let start = || {
        let chat = program(&data, &["--listen", "127.0.0.1:0"]);
        let mut command = mounted(&volume);
        command.arg(chat.get_program()).args(chat.get_args());
        command.envs(chat.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stderr(File::create(&log).unwrap());
        command
    };
    let server = Process::spawn(start());
    let filler = as_seen_by(&server, &volume).join("filler");
    let alice = server.api().register("alice").await;
    let mut ws = alice.connect().await;
    let mut stored = Vec::new();
    for _ in 0..ROUNDS {
        fill(&filler, 1 << 20);
        let refused = loop {
            let id = uuid();
            match send(&alice, &id).await {
                (201, _) => stored.push(id),
                refused => break refused,
            }
        };
        assert_eq!((refused.0, &refused.1["code"]), (507, &json!("storage_full")));
        fill(&filler, 0);
        for _ in 0..REFUSED {
            assert_eq!(send(&alice, &uuid()).await.0, 507);
        }
        assert_eq!(readiness(&alice).await, 507);
        // Half a copy would be taken for a backup one day.
        let copy = volume.join("copy");
        let output = run(&as_seen_by(&server, &data), &["backup", copy.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("disk is full"), "{}", stderr(&output));
        assert!(!as_seen_by(&server, &copy).exists());
        // What is there is served, and told again to whoever asks again.
        alice.ok("GET", "/conversations/1/messages", None).await;
        assert_eq!(send(&alice, stored.last().unwrap()).await.0, 200);
        ws.send(json!({"type": "ping"})).await;
        ws.next_of("pong").await;
        std::fs::remove_file(&filler).unwrap();
        let id = uuid();
        eventually("it takes messages again", async || send(&alice, &id).await.0 == 201).await;
        stored.push(id);
        eventually("it is ready again", async || readiness(&alice).await == 200).await;
    }
    let history = alice.history(1).await;
    let ids: Vec<_> = history.iter().filter_map(|message| message["id"].as_str()).collect();
    assert_eq!(ids, stored, "neither more nor less than was acknowledged");
    // Stopping needs no room.
    fill(&filler, 0);
    assert_eq!(server.stop().await, Some(0));
    let log = std::fs::read_to_string(&log).unwrap();
    let told = log.lines().filter(|line| line.contains("the disk is full")).count();
    assert!((1..=ROUNDS).contains(&told), "told {told} times:\n{log}");
}
