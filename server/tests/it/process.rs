//! The real program: its exit codes, its signals, its restart.

use crate::harness::{Api, PATIENCE, eventually};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program, running.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) base: String,
    pub(crate) greeting: String,
}

pub(crate) fn program(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
    command
        .args(arguments)
        .arg("--data-dir")
        .arg(data)
        .env("CHAT_PBKDF2_ITERATIONS", "10")
        .env("CHAT_RATE_LIMITS", "off")
        .env("CHAT_LOG", "warn");
    command
}

impl Process {
    /// Starts it on a free port and waits until it listens.
    pub(crate) fn start(data: &Path) -> Self {
        let mut child = program(data, &["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Next: ") {
            assert!(out.read_line(&mut greeting).unwrap() > 0, "it ended: {greeting}");
        }
        let address = greeting.split("listens on ").nth(1).unwrap().split(',').next().unwrap();
        Self { child, base: format!("http://{address}/api/v1"), greeting }
    }

    pub(crate) fn api(&self) -> Api {
        Api { http: reqwest::Client::new(), base: self.base.clone() }
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) async fn stop(mut self) -> Option<i32> {
        self.signal("-TERM");
        let waiting = tokio::task::spawn_blocking(move || self.child.wait().unwrap().code());
        tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only what a failed test left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(data: &Path, arguments: &[&str]) -> Output {
    program(data, arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn it_stops_as_asked_and_everything_is_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    assert!(server.greeting.contains("chat-tui register"), "{}", server.greeting);
    let alice = server.api().register("alice").await;
    let mut ws = alice.connect().await;
    alice.send(1, "to be kept").await;
    let half = tokio::net::TcpStream::connect(server.base.split('/').nth(2).unwrap()).await.unwrap();
    half.writable().await.unwrap();
    half.try_write(b"GET / HTTP/1.1\r\nHost:").unwrap();
    let stopping = tokio::spawn(server.stop());
    assert_eq!(ws.closed().await, Some(1012));
    assert_eq!(stopping.await.unwrap(), Some(0));
    let server = Process::start(dir.path());
    assert!(server.greeting.contains("chat-tui login"), "{}", server.greeting);
    let alice = crate::harness::User { api: server.api(), ..alice };
    assert_eq!(alice.history(1).await.last().unwrap()["body"], "to be kept");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn what_is_wrong_is_one_sentence_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let address = server.base.split('/').nth(2).unwrap().to_owned();
    let other = tempfile::tempdir().unwrap();
    let cases: Vec<(&Path, Vec<&str>, i32, &str)> = vec![
        (dir.path(), vec!["--listen", "127.0.0.1:0"], 3, "in use by another chat-server"),
        (other.path(), vec!["--listen", &address], 4, "choose another address with --listen"),
        (other.path(), vec!["--listen", "nonsense"], 2, "--listen"),
        (other.path(), vec!["--listen", "0.0.0.0:0"], 2, "--behind-proxy"),
        (other.path(), vec!["--database", "postgres://x/y"], 2, "without PostgreSQL"),
        (other.path(), vec!["--no-such-flag"], 2, "--no-such-flag"),
        (Path::new("/proc/nowhere"), vec!["--listen", "127.0.0.1:0"], 1, "cannot use the data directory"),
        (dir.path(), vec!["restore", "/nonexistent"], 3, "in use by another chat-server"),
        (other.path(), vec!["restore", "/nonexistent"], 1, "/nonexistent"),
    ];
    for (data, arguments, code, text) in cases {
        let output = run(data, &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn the_example_starts_as_shipped() {
    let dir = tempfile::tempdir().unwrap();
    let example = run(dir.path(), &["config", "example"]);
    let file = dir.path().join("chat.toml");
    std::fs::write(&file, &example.stdout).unwrap();
    let checked = run(dir.path(), &["config", "check", "--config", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", stderr(&checked));
}

#[tokio::test]
async fn operators_work_on_a_running_and_on_a_stopped_server() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    let mut ws = alice.connect().await;
    let ok = |arguments: &[&str]| {
        let output = run(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(ok(&["user", "list"]).contains("alice"));
    assert!(ok(&["group", "list"]).contains("general"));
    let lab = alice.group("lab", "private").await;
    server.api().register("bob").await;
    ok(&["group", "add", "lab", "bob"]);
    ok(&["group", "add", "lab", "bob", "--role", "owner"]);
    ok(&["group", "remove", "lab", "bob"]);
    let told: Vec<_> = alice.history(lab).await.iter().map(|message| message["event"].clone()).collect();
    let expected = [
        serde_json::json!({"kind": "created", "by": "alice"}),
        serde_json::json!({"kind": "added", "user": "bob"}),
        serde_json::json!({"kind": "role", "user": "bob", "value": "owner"}),
        serde_json::json!({"kind": "removed", "user": "bob"}),
    ];
    // What the operator does is signed by nobody.
    assert_eq!(told, expected);
    let backup = dir.path().join("copy.backup");
    ok(&["backup", backup.to_str().unwrap()]);
    alice.send(1, "after the backup").await;
    ok(&["user", "disable", "alice"]);
    assert_eq!(ws.closed().await, Some(4503));
    assert_eq!(alice.call("GET", "/me", None).await.0, 401);
    ok(&["user", "enable", "alice"]);
    let doctor = ok(&["doctor", "--json"]);
    assert!(doctor.contains("\"damage\":[]"), "{doctor}");
    let epoch = alice_epoch(&doctor);
    assert_eq!(server.stop().await, Some(0));

    assert!(ok(&["user", "list", "--json"]).contains("alice"));
    ok(&["restore", backup.to_str().unwrap()]);
    let doctor = ok(&["doctor", "--json"]);
    assert_ne!(alice_epoch(&doctor), epoch);
    assert!(doctor.contains("\"messages\":6"), "{doctor}");
    let databases = std::fs::read_dir(dir.path()).unwrap();
    let databases = databases.filter(|f| f.as_ref().unwrap().path().extension().is_some_and(|e| e == "db"));
    assert_eq!(databases.count(), 1);
}

fn alice_epoch(doctor: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(doctor).unwrap();
    value["epoch"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_invite_lets_exactly_as_many_in_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let created = run(dir.path(), &["invite", "create", "--uses", "3", "--json"]);
    let code = serde_json::from_slice::<serde_json::Value>(&created.stdout).unwrap()["code"].clone();
    let server = Process::start(dir.path());
    let api = server.api();
    let tries = (0..10).map(|n| {
        let body = serde_json::json!({"username": format!("user{n}"), "password": "a password of mine", "invite": code});
        let api = api.clone();
        async move { api.call("POST", "/auth/register", None, Some(body)).await.0 }
    });
    let found = futures_util::future::join_all(tries).await;
    assert_eq!(found.iter().filter(|status| **status == 201).count(), 3, "{found:?}");
    eventually("the server is ready", async || {
        api.http.get(api.base.replace("/api/v1", "/readyz")).send().await.is_ok_and(|r| r.status() == 200)
    })
    .await;
    assert_eq!(server.stop().await, Some(0));
}
