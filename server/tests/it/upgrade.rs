//! A database of every earlier version of the schema is taken over with everything in it, and there is a way back.

use crate::golden::{answers_of, log_in};
use crate::golden_files::{database, differences, golden, lay, version};
use crate::harness::{User, eventually};
use crate::process::{Process, program, run, stderr};
use crate::small_volume::{can_mount, mounted};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The version that this program makes.
fn present(dir: &Path) -> i64 {
    let data = dir.join("new");
    upgrade(&data);
    version(&database(&data))
}

/// Brings a data directory's database up to date, and does nothing else.
fn upgrade(data: &Path) {
    let output = run(data, &["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\"damage\":[]"), "{said}");
}

/// The copy that an upgrade to this version makes.
fn copy(data: &Path, version: i64) -> PathBuf {
    data.join(format!("chat.before-v{version}.backup"))
}

/// How a database differs from the golden one.
fn check_same(version: i64, path: &Path) {
    assert_eq!(differences(&golden(version), path), [""; 0], "version {version}, {path:?}");
}

/// Is everything that was answered answered still? A newer program may say more.
fn says_as_much(older: &Value, newer: &Value) -> bool {
    match (older, newer) {
        (Value::Object(older), Value::Object(newer)) => {
            older.iter().all(|(name, value)| newer.get(name).is_some_and(|newer| says_as_much(value, newer)))
        }
        (Value::Array(older), Value::Array(newer)) => {
            older.len() == newer.len() && older.iter().zip(newer).all(|(a, b)| says_as_much(a, b))
        }
        _ => older == newer,
    }
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn every_earlier_version_is_taken_over_with_everything_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let present = present(dir.path());
    assert!(present > 1);
    for earlier in 1..present {
        assert!(golden(earlier).exists(), "no database of version {earlier} was kept; see golden.rs");
        let data = dir.path().join(earlier.to_string());
        lay(&golden(earlier), &data);
        upgrade(&data);
        assert_eq!(version(&database(&data)), present);
        check_same(earlier, &database(&data));
        let copy = copy(&data, present);
        assert_eq!(version(&copy), earlier);
        check_same(earlier, &copy);

        let server = Process::start(&data);
        let mut users: BTreeMap<String, User> = BTreeMap::new();
        for line in fs::read_to_string(answers_of(earlier)).unwrap().lines() {
            let (name, path, before): (String, String, Value) = serde_json::from_str(line).unwrap();
            if !users.contains_key(&name) {
                users.insert(name.clone(), log_in(server.api(), &name).await);
            }
            let now = users[&name].ok("GET", &path, None).await;
            assert!(says_as_much(&before, &now), "{name}, {path}: {before} before, now {now}");
        }
        // What the older program had begun is brought to its end.
        let db = Connection::open(database(&data)).unwrap();
        let left = "SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id
            WHERE c.deleted_at IS NOT NULL";
        eventually("the deleted group is purged", async || {
            db.query_row(left, [], |row| row.get::<_, i64>(0)).unwrap() == 0
        })
        .await;
        assert_eq!(server.stop().await, Some(0));
    }
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn the_copy_leads_back_and_forward_again() {
    let dir = tempfile::tempdir().unwrap();
    let present = present(dir.path());
    for earlier in 1..present {
        let data = dir.path().join(earlier.to_string());
        lay(&golden(earlier), &data);
        upgrade(&data);
        let server = Process::start(&data);
        log_in(server.api(), "alice").await.send(1, "after the upgrade").await;
        assert_eq!(server.stop().await, Some(0));
        let output = run(&data, &["restore", copy(&data, present).to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        // It is as the older program left it, but that clients are told to read anew.
        assert_eq!(version(&database(&data)), earlier);
        assert_eq!(
            differences(&golden(earlier), &database(&data)),
            ["meta: rows before, after, lost, new: [Ok(1), Ok(1), Ok(1), Ok(1)]"]
        );
        // The copy of the first upgrade is still there when the second one makes its own.
        upgrade(&data);
        assert_eq!((version(&database(&data)), version(&copy(&data, present))), (present, earlier));
        let server = Process::start(&data);
        let bodies = log_in(server.api(), "alice").await.history(1).await;
        assert!(bodies.iter().all(|message| message["body"] != "after the upgrade"));
        assert_eq!(server.stop().await, Some(0));
    }
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn a_program_leaves_alone_what_a_newer_one_has_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    let newer = present(dir.path()) + 1;
    let data = dir.path().join("newer");
    lay(&golden(1), &data);
    let db = Connection::open(database(&data)).unwrap();
    db.execute_batch(&format!("PRAGMA user_version = {newer}")).unwrap();
    drop(db);
    let before = fs::read(database(&data)).unwrap();
    for arguments in [&["--listen", "127.0.0.1:0"][..], &["doctor"], &["user", "list"]] {
        let output = run(&data, arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(&format!("schema version {newer}")), "{}", stderr(&output));
    }
    let backup = dir.path().join("newer.backup");
    fs::copy(database(&data), &backup).unwrap();
    let output = run(&data, &["restore", backup.to_str().unwrap()]);
    assert_ne!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("Start the newer chat-server"), "{}", stderr(&output));
    assert!(fs::read(database(&data)).unwrap() == before, "it was written to");
    assert!(!copy(&data, newer).exists() && !copy(&data, newer - 1).exists());
}

/// On a disk that is full but for 100,000 bytes a database is upgraded, which is refused; then there is room, and it is
/// done. What there was after the first, and in the end, is copied to where it can be looked at.
const WITHOUT_ROOM: &str = r#"
volume=$1 golden=$2 refused=$3 done=$4
shift 4
mkdir "$volume/data" && cp "$golden" "$volume/data/chat.db" || exit 90
head -c 100m /dev/zero >"$volume/filler" 2>/dev/null && exit 91
truncate -s -100000 "$volume/filler" || exit 92
"$@"
[ $? = 1 ] || exit 93
cp -r "$volume/data" "$refused" && rm "$volume/filler" || exit 94
"$@" && cp -r "$volume/data" "$done"
"#;

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn without_room_for_the_copy_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).unwrap();
    if !can_mount(&volume) {
        eprintln!("Passed over: a file system cannot be mounted here.");
        return;
    }
    let present = present(dir.path());
    let [refused, done] = ["refused", "done"].map(|name| dir.path().join(name));
    let chat = program(&volume.join("data"), &["doctor"]);
    let mut command = mounted(&volume);
    command.args(["sh", "-c", WITHOUT_ROOM, "sh"]).args([&volume, &golden(1), &refused, &done]);
    command.arg(chat.get_program()).args(chat.get_args());
    command.envs(chat.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for words in ["database or disk is full. Nothing was changed", "make room for as much again on its disk"]
    {
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    // Nor is there half a copy, which would take the room that is left.
    let is_copy = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("chat.before");
    assert_eq!(fs::read_dir(&refused).unwrap().map(Result::unwrap).filter(is_copy).count(), 0);
    for (path, version_there) in
        [(database(&refused), 1), (database(&done), present), (copy(&done, present), 1)]
    {
        assert_eq!(version(&path), version_there);
        check_same(1, &path);
    }
}
