//! The real program: its exit codes, its signals, its restart.

use crate::harness::{Api, PATIENCE, User, eventually, uuid};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
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
        .env("CHAT_DISK_RESERVE_MB", "0")
        .env("CHAT_LOG", "warn");
    #[cfg(feature = "postgres")]
    command.env("CHAT_DATABASE", crate::place::Place::of(data).url);
    command
}

impl Process {
    /// Starts it on a free port and waits until it listens.
    pub(crate) fn start(data: &Path) -> Self {
        Self::with(data, &[])
    }

    /// With these arguments besides.
    pub(crate) fn with(data: &Path, arguments: &[&str]) -> Self {
        let mut command = program(data, &[&["--listen", "127.0.0.1:0"], arguments].concat());
        command.stderr(Stdio::null());
        Self::spawn(command)
    }

    /// Runs this command and waits until it listens.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
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

    pub(crate) async fn stop(self) -> Option<i32> {
        self.signal("-TERM");
        self.ended().await
    }

    /// Waits until it ends by itself.
    pub(crate) async fn ended(mut self) -> Option<i32> {
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

pub(crate) fn run(data: &Path, arguments: &[&str]) -> Output {
    program(data, arguments).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn it_stops_as_asked_and_everything_is_still_there() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    assert!(
        server.greeting.contains("No account exists yet.\nNext: chat-tui --server"),
        "{}",
        server.greeting
    );
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
    assert!(
        !server.greeting.contains("No account") && server.greeting.contains("Next: chat-tui --server"),
        "{}",
        server.greeting
    );
    let alice = User { api: server.api(), ..alice };
    assert_eq!(alice.history(1).await.last().unwrap()["body"], "to be kept");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_79_what_is_wrong_is_one_sentence_and_an_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let address = server.base.split('/').nth(2).unwrap().to_owned();
    let other = tempfile::tempdir().unwrap();
    let newer = tempfile::tempdir().unwrap();
    let database = rusqlite::Connection::open(newer.path().join("chat.db")).unwrap();
    database.execute_batch("PRAGMA user_version = 99").unwrap();
    let [open_key, short_key, open_tls] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let write = |path: &Path, text: &str, mode| {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    write(&open_key.path().join("secret"), &"x".repeat(64), 0o644);
    write(&short_key.path().join("secret"), "short", 0o600);
    let tls = open_tls.path().join("both.pem").to_str().unwrap().to_owned();
    write(Path::new(&tls), "nonsense", 0o644);
    let cases: Vec<(&Path, Vec<&str>, i32, &str)> = vec![
        (dir.path(), vec!["--listen", "127.0.0.1:0"], 3, "in use by another chat-server"),
        (other.path(), vec!["--listen", &address], 4, "choose another address with --listen"),
        (other.path(), vec!["--listen", "nonsense"], 2, "--listen"),
        (other.path(), vec!["--listen", "0.0.0.0:0"], 2, "--behind-proxy"),
        (other.path(), vec!["--database", "postgres://x/y"], 2, "without PostgreSQL"),
        (other.path(), vec!["--no-such-flag"], 2, "--no-such-flag"),
        (Path::new("/proc/nowhere"), vec!["--listen", "127.0.0.1:0"], 1, "cannot use the data directory"),
        (dir.path(), vec!["restore", "/nonexistent"], 3, "in use by another chat-server"),
        (other.path(), vec!["restore", "/nonexistent"], 1, "cannot restore /nonexistent"),
        (other.path(), vec!["restore", &tls], 1, "Nothing was changed"),
        (newer.path(), vec!["--listen", "127.0.0.1:0"], 3, "Start the newer chat-server"),
        (newer.path(), vec!["doctor"], 3, "Start the newer chat-server"),
        (open_key.path(), vec!["--listen", "127.0.0.1:0"], 1, "chmod 600"),
        (
            open_tls.path(),
            vec!["--listen", "127.0.0.1:0", "--tls-cert", &tls, "--tls-key", &tls],
            1,
            "holds no certificate",
        ),
        (short_key.path(), vec!["--listen", "127.0.0.1:0"], 1, "secret"),
        (
            other.path(),
            vec!["--listen", "127.0.0.1:0", "--tls-cert", "/no.pem", "--tls-key", "/no.pem"],
            1,
            "/no.pem",
        ),
        (other.path(), vec!["config", "check", "--heartbeat-ms", "5"], 2, "--heartbeat-ms"),
        (other.path(), vec!["config", "check", "--config", "/no.toml"], 2, "/no.toml"),
        (other.path(), vec!["user", "disable", "nobody"], 1, "nobody"),
        (dir.path(), vec!["group", "remove", "general", "nobody"], 1, "There is no user \"nobody\""),
        (other.path(), vec!["backup", "/nonexistent/copy"], 1, "/nonexistent/copy: the directory"),
        (other.path(), vec!["backup", &tls], 1, "both.pem: there is a file already"),
    ];
    for (data, arguments, code, text) in cases {
        let output = run(data, &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("panicked"), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn whoever_saw_more_than_a_restored_database_has_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    let ws = alice.connect().await;
    let epoch = ws.ready["epoch"].clone();
    let path = "/conversations/1/messages";
    let texts: Vec<_> =
        ["before", "after"].map(|text| serde_json::json!({"id": uuid(), "body": text})).into();
    let before = alice.ok("POST", path, Some(texts[0].clone())).await;
    let backup = dir.path().join("copy.backup");
    let output = run(dir.path(), &["backup", backup.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let after = alice.ok("POST", path, Some(texts[1].clone())).await;
    drop(ws);
    assert_eq!(server.stop().await, Some(0));
    let output = run(dir.path(), &["restore", backup.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let server = Process::start(dir.path());
    let alice = User { api: server.api(), ..alice };
    let ws = alice.connect().await;
    // Both of the signs by which a client knows.
    assert_ne!(ws.ready["epoch"], epoch);
    assert!(ws.ready["conversations"][0]["head_rev"].as_i64() < after["rev"].as_i64());
    let changes = alice.ok("GET", "/conversations/1/changes?since=1000", None).await;
    assert_eq!((&changes["messages"], &changes["epoch"]), (&serde_json::json!([]), &ws.ready["epoch"]));
    // It sends again whatever it does not find: what is there stays, what was lost comes back, once.
    for text in texts.iter().chain(&texts) {
        alice.ok("POST", path, Some(text.clone())).await;
    }
    let history = alice.history(1).await;
    let bodies: Vec<_> = history.iter().filter(|m| m["kind"] == "text").map(|m| m["body"].clone()).collect();
    assert_eq!(bodies, ["before", "after"]);
    assert!(history.contains(&before));
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
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
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
    assert!(ok(&["doctor"]).contains("damage: none\n"));
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

    // A restore that was cut off between its two last steps.
    let [database, aside, half] = ["chat.db", "old", "chat.restoring"].map(|name| dir.path().join(name));
    std::fs::rename(&database, aside).unwrap();
    std::fs::write(half, "half").unwrap();
    let output = run(dir.path(), &["--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("a restore was cut off"), "{}", stderr(&output));
    ok(&["restore", backup.to_str().unwrap()]);
    assert!(ok(&["doctor", "--json"]).contains("\"messages\":6"));
}

fn alice_epoch(doctor: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(doctor).unwrap();
    value["epoch"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn check_40_an_invite_lets_exactly_as_many_in_as_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let created = run(dir.path(), &["invite", "create", "--uses", "3", "--json"]);
    let code = serde_json::from_slice::<serde_json::Value>(&created.stdout).unwrap()["code"].clone();
    let server = Process::start(dir.path());
    let api = server.api();
    let tries = (0..100).map(|n| {
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
