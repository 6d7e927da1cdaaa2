//! What attackers try, from outside. Numbers are those of the list of checks that the project keeps.

use crate::harness::{PASSWORD, TestServer, User, uuid};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio_tungstenite::MaybeTlsStream;

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_02_equal_passwords_are_stored_differently() {
    let server = TestServer::start().await;
    server.user("alice").await;
    server.user("bob").await;
    let database = rusqlite::Connection::open(server.data_dir().join("chat.db")).unwrap();
    let mut hashes = database.prepare("SELECT password_hash FROM users").unwrap();
    let hashes: Vec<String> = hashes.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(hashes.len(), 2);
    assert!(hashes.iter().all(|hash| hash.starts_with("$pbkdf2-sha256$")), "{hashes:?}");
    let parts = hashes.iter().map(|hash| hash.rsplit('$').take(2).collect::<Vec<_>>());
    let [one, other] = parts.collect::<Vec<_>>().try_into().unwrap();
    assert!(one[0] != other[0] && one[1] != other[1], "{hashes:?}");
    server.stop().await;
}

#[tokio::test]
async fn check_08_a_refused_token_is_told_from_none() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let challenge = async |path: &str, token: Option<&str>| {
        let mut request = alice.api.http.get(format!("{}{path}", alice.api.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path} {token:?}");
        answer.headers()["www-authenticate"].to_str().unwrap().to_owned()
    };
    alice.ok("POST", "/auth/logout", None).await;
    for path in ["/me", "/ws"] {
        assert_eq!(challenge(path, None).await, "Bearer", "{path}");
        for token in ["nonsense", alice.token(), alice.session["refresh_token"].as_str().unwrap()] {
            assert_eq!(challenge(path, Some(token)).await, r#"Bearer error="invalid_token""#, "{path}");
        }
    }
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_14_no_token_and_no_password_lies_in_the_data() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let first = alice.session["refresh_token"].as_str().unwrap();
    let body = json!({"refresh_token": first});
    let (_, next) = alice.api.call("POST", "/auth/refresh", None, Some(body)).await;
    let secrets = [first, next["refresh_token"].as_str().unwrap(), alice.token(), PASSWORD];
    // Of a refresh token the part that is secret.
    let secrets = secrets.map(|secret| secret.split('.').max_by_key(|part| part.len()).unwrap());
    alice.send(1, "canary in the data").await;
    let (mut files, mut canary) = (0, false);
    for entry in fs::read_dir(server.data_dir()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_file() {
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        canary |= has("canary in the data");
        for secret in secrets {
            assert!(!has(secret), "{secret} in {:?}", entry.path());
        }
        files += 1;
    }
    assert!(canary && files >= 3, "nothing was looked at");
    server.stop().await;
}

/// The socket of a new connection of this user, for writing whatever one likes.
async fn raw(user: &User) -> TcpStream {
    let MaybeTlsStream::Plain(socket) = user.connect().await.socket.into_inner() else {
        panic!("the test's server speaks no TLS")
    };
    let socket = socket.into_std().unwrap();
    socket.set_nonblocking(false).unwrap();
    socket
}

/// One thread serves everybody here, so that who has to wait for whom can be counted.
#[tokio::test(flavor = "current_thread")]
async fn check_29_a_flood_of_frames_leaves_the_others_their_turn() {
    /// Connections that flood.
    const FLOODS: usize = 4;
    /// What they may get rid of while somebody else says one thing and is answered: each a read or two
    /// at every step on the way, not what fits into a time slice.
    const SHARE: usize = FLOODS * (1 << 20);
    const ROUNDS: usize = 20;
    let server = TestServer::start().await;
    let (mallory, bob) = (server.user("mallory").await, server.user("bob").await);
    let mut ws = bob.connect().await;
    // Typing that was just told is told no more and not answered: nothing but reading is done for it.
    let text = br#"{"type":"typing","conversation_id":1}"#;
    let frame = [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], &text[..]].concat();
    let frames = frame.repeat(1000);
    let written = Arc::new(AtomicUsize::new(0));
    let mut floods = Vec::new();
    for _ in 0..FLOODS {
        let socket = raw(&mallory).await;
        let (mut writer, frames, written) = (socket.try_clone().unwrap(), frames.clone(), written.clone());
        let flood = thread::spawn(move || {
            while writer.write_all(&frames).is_ok() {
                written.fetch_add(frames.len(), Ordering::Relaxed);
            }
        });
        floods.push((socket, flood));
    }
    for round in 0..ROUNDS {
        ws.send(json!({"type": "ping", "id": round.to_string()})).await;
        assert_eq!(ws.next_of("pong").await["id"], round.to_string());
    }
    let share = written.load(Ordering::Relaxed) / ROUNDS;
    for (socket, flood) in floods {
        socket.shutdown(Shutdown::Both).unwrap();
        flood.join().unwrap();
    }
    assert!(share <= SHARE, "{share} bytes came before one answer");
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_29_what_is_not_the_callers_costs_the_writer_nothing() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let mut ws = alice.connect().await;
    // Whoever asks the writer now has to wait.
    let database = rusqlite::Connection::open(server.data_dir().join("chat.db")).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    for frame in ["read", "typing"] {
        ws.send(json!({"type": frame, "conversation_id": 99, "seq": 1})).await;
        assert_eq!(ws.next_of("error").await["code"], "not_found", "{frame}");
    }
    database.execute_batch("ROLLBACK").unwrap();
    server.stop().await;
}

#[tokio::test]
async fn check_39_who_writes_is_told_only_to_whom_presence_is() {
    let server = TestServer::with(&[("CHAT_DEFAULT_GROUPS", "")]).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let direct = alice.ok("POST", "/directs", Some(json!({"username": "bob"}))).await;
    let direct = direct["id"].as_i64().unwrap();
    alice.send(direct, "are you there?").await;
    let (mut a, mut b) = (alice.connect().await, bob.connect().await);
    // Whoever was only written to is not found out by beginning an answer.
    let typing = json!({"type": "typing", "conversation_id": direct});
    b.send(typing.clone()).await;
    b.send(json!({"type": "send", "id": uuid(), "conversation_id": direct, "body": "yes"})).await;
    loop {
        let frame = a.next().await.unwrap();
        assert_ne!(frame["type"], "typing", "{frame}");
        if frame["message"]["body"] == "yes" {
            break;
        }
    }
    // From then on both see it.
    a.send(typing).await;
    assert_eq!(b.next_of("typing").await["username"], "alice");
    server.stop().await;
}

#[tokio::test]
async fn check_52_what_means_something_to_sql_is_text() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let path = |q: &str| {
        let encoded: String = q.bytes().map(|byte| format!("%{byte:02x}")).collect();
        [format!("/users?q={encoded}"), format!("/groups?q={encoded}"), format!("/users/{encoded}")]
    };
    for q in ["%", "_", "a%", "' OR 1=1 --", "\"", "*", "NEAR(", "a-b:", "\\", "l_ce", "ali\u{0}"] {
        for path in path(q) {
            let (status, answer) = alice.call("GET", &path, None).await;
            assert!([200, 404, 422].contains(&status), "{path}: {status}");
            let rows = answer["users"].as_array().or_else(|| answer["groups"].as_array());
            assert!(rows.is_none_or(Vec::is_empty), "{q:?} found {answer}");
        }
    }
    for path in &path("lic")[..1] {
        assert_eq!(alice.ok("GET", path, None).await["users"][0]["username"], "alice");
    }
    server.stop().await;
}

#[tokio::test]
async fn check_64_another_pages_login_leaves_no_cookie_here() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let api = server.api();
    let own = format!("http://{}", server.address);
    let ask = async |path: &str, name: &str, origin: Option<&str>, cookie: bool| {
        let body = json!({"username": name, "password": PASSWORD, "cookie": cookie});
        let mut request = api.http.post(format!("{}{path}", api.base)).json(&body);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.headers().contains_key("set-cookie"))
    };
    for origin in ["https://evil.example", "null", &format!("{own}.evil.example")] {
        assert_eq!(ask("/auth/login", "alice", Some(origin), true).await, (403, false), "{origin}");
        assert_eq!(ask("/auth/register", "mallory", Some(origin), true).await, (403, false), "{origin}");
        // Without a cookie nothing stays in the browser.
        assert_eq!(ask("/auth/login", "alice", Some(origin), false).await, (200, false), "{origin}");
    }
    assert_eq!(ask("/auth/login", "alice", Some(&own), true).await, (200, true));
    assert_eq!(ask("/auth/login", "alice", None, true).await, (200, true));
    assert_eq!(ask("/auth/register", "mallory", Some(&own), true).await, (201, true));
    server.stop().await;
}

#[tokio::test]
async fn check_76_nobody_looks_like_somebody_else() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let body = |name: &str| Some(json!({"username": name, "password": PASSWORD}));
    for (name, status) in [
        ("ALICE", 409),
        ("Alice", 409),
        ("\u{430}lice", 422),
        ("ali\u{200b}ce", 422),
        ("alice ", 422),
        ("ａlice", 422),
        ("admin", 422),
        ("Everyone", 422),
        ("HERE", 422),
    ] {
        let (found, answer) = server.api().call("POST", "/auth/register", None, body(name)).await;
        assert_eq!(found, status, "{name:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_80_nobody_else_on_the_machine_reads_the_data() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let mut seen = 0;
    for entry in fs::read_dir(server.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0, "{path:?}");
        seen += 1;
    }
    assert!(seen >= 4, "the database, its log, the lock and the secret");
    let answer = reqwest::get(format!("http://{}/metrics", server.address)).await.unwrap();
    assert_eq!(answer.status(), 404);
    server.stop().await;
}
