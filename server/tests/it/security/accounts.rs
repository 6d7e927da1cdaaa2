//! Checks 1 to 6, 18 and 19: passwords, log-ins and sessions.

use super::operate;
use crate::harness::{Api, PASSWORD, TestServer, User};
use crate::process::{Process, program};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chat_server::admin::Command;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;

/// Everything that a client can see of an answer, but for its time.
async fn seen(api: &Api, path: &str, body: Value) -> (u16, Vec<(String, String)>, String) {
    let answer = api.http.post(format!("{}{path}", api.base)).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let headers = answer.headers().iter().filter(|(name, _)| *name != "date");
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let headers = headers.collect();
    (status, headers, answer.text().await.unwrap())
}

#[tokio::test]
async fn check_01_every_log_in_that_is_refused_looks_and_costs_the_same() {
    let server = TestServer::with(&[("CHAT_METRICS_LISTEN", "127.0.0.1:0")]).await;
    for name in ["alice", "bob", "carol"] {
        server.user(name).await;
    }
    operate(&server, Command::UserDisable { username: "bob".to_owned(), disabled: true }).await;
    operate(&server, Command::UserDelete { username: "carol".to_owned() }).await;
    let mut answers = Vec::new();
    for (name, password) in [
        ("alice", "not the password"),
        ("nobody", "not the password"),
        ("bob", PASSWORD),
        ("bob", "not the password"),
        ("carol", PASSWORD),
        ("\u{430}lice", PASSWORD),
        ("no name at all", PASSWORD),
        ("", ""),
    ] {
        let before = server.metric("password_hashes_total").await;
        answers
            .push(seen(&server.api(), "/auth/login", json!({"username": name, "password": password})).await);
        assert_eq!(server.metric("password_hashes_total").await - before, 1, "{name:?}");
    }
    assert_eq!(answers[0].0, 401);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    // What differs is only the account of the one who knows.
    let right = json!({"username": "ALICE", "password": PASSWORD});
    assert_eq!(seen(&server.api(), "/auth/login", right).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn check_01_names_cannot_be_tried_without_end_by_registering() {
    let server = TestServer::with(&[("CHAT_RATE_LIMITS", "on")]).await;
    server.user("alice").await;
    let body = json!({"username": "alice", "password": PASSWORD});
    let mut tried = 0;
    let problem = loop {
        let (status, answer) = server.api().call("POST", "/auth/register", None, Some(body.clone())).await;
        tried += 1;
        assert!(tried < 1000, "nobody says stop");
        match status {
            409 => assert_eq!(answer["code"], "username_taken"),
            _ => break answer,
        }
    };
    assert_eq!(problem["code"], "rate_limited", "{problem}");
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_02_passwords_are_stored_slow_and_salted() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = program(dir.path(), &["--listen", "127.0.0.1:0"]);
    // As shipped.
    command.env_remove("CHAT_PBKDF2_ITERATIONS").stderr(Stdio::null());
    let server = Process::spawn(command);
    server.api().register("alice").await;
    server.api().register("bob").await;
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for hash in hashes(dir.path()) {
        let parts: Vec<&str> = hash.split('$').collect();
        let ["", "pbkdf2-sha256", "i=600000,l=32", salt, hash] = parts[..] else { panic!("{hash}") };
        for (part, length) in [(salt, 16), (hash, 32)] {
            let part = STANDARD_NO_PAD.decode(part).unwrap();
            assert_eq!(part.len(), length);
            assert!(!seen.contains(&part), "the same for two people");
            seen.push(part);
        }
    }
    assert_eq!(seen.len(), 4);
    assert_eq!(server.stop().await, Some(0));
}

fn hashes(data: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(data.join("chat.db")).unwrap();
    let mut hashes = database.prepare("SELECT password_hash FROM users ORDER BY id").unwrap();
    hashes.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn login(api: &Api, name: &str, password: &str) -> (u16, Value) {
    api.call("POST", "/auth/login", None, Some(json!({"username": name, "password": password}))).await
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_03_a_weaker_hash_is_made_anew_at_the_next_log_in() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    assert!(hashes(dir.path())[0].starts_with("$pbkdf2-sha256$i=10,"));
    assert_eq!(server.stop().await, Some(0));

    let mut command = program(dir.path(), &["--listen", "127.0.0.1:0"]);
    command.env("CHAT_PBKDF2_ITERATIONS", "20").stderr(Stdio::null());
    let server = Process::spawn(command);
    let api = server.api();
    assert_eq!(login(&api, "alice", "not the password").await.0, 401);
    assert!(hashes(dir.path())[0].starts_with("$pbkdf2-sha256$i=10,"), "only by the right password");
    for _ in 0..2 {
        assert_eq!(login(&api, "alice", PASSWORD).await.0, 200);
        assert!(hashes(dir.path())[0].starts_with("$pbkdf2-sha256$i=20,"));
    }
    // Nobody had to log in again for it.
    let alice = User { api, ..alice };
    alice.ok("GET", "/me", None).await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn check_04_a_password_is_neither_guessed_nor_a_weapon() {
    let server = TestServer::with(&[("CHAT_METRICS_LISTEN", "127.0.0.1:0")]).await;
    let api = server.api();
    let register = async |name: &str, password: &str| {
        let body = json!({"username": name, "password": password});
        let (status, answer) = api.call("POST", "/auth/register", None, Some(body)).await;
        (status, answer["errors"][0]["field"].clone())
    };
    let before = server.metric("password_hashes_total").await;
    let long = "xy".repeat(512);
    for password in
        ["", "nine char", "correct.horse", "Correct.Horse", "1234567890", "Password123", "aaaaaaaaaaaa"]
            .into_iter()
            .map(str::to_owned)
            .chain([format!("{long}z"), "x".repeat(60_000)])
    {
        assert_eq!(register("correct.horse", &password).await, (422, json!("password")), "{password:.20}");
    }
    assert_eq!(server.metric("password_hashes_total").await, before, "none of them was hashed");
    let composed = "gr\u{fc}\u{df}e an alle \u{1f44b}";
    let taken = ["x y ".repeat(16), "x y ".repeat(32), long, composed.to_owned()];
    for (number, password) in taken.iter().enumerate() {
        let name = format!("user{number}");
        assert_eq!(register(&name, password).await.0, 201, "{password:.20}");
        assert_eq!(login(&api, &name, password).await.0, 200, "{password:.20}");
    }
    // As another keyboard writes the same.
    assert_eq!(login(&api, "user3", &composed.replace('\u{fc}', "u\u{308}")).await.0, 200);
    // The rules hold for a change, too.
    let alice = server.user("alice").await;
    let change = json!({"current_password": PASSWORD, "new_password": "1234567890"});
    assert_eq!(alice.call("PUT", "/me/password", Some(change)).await.0, 422);
    // Nobody has a longer one, so nothing is hashed to find that out.
    let before = server.metric("password_hashes_total").await;
    assert_eq!(login(&api, "alice", &"x".repeat(60_000)).await.0, 401);
    assert_eq!(server.metric("password_hashes_total").await, before);
    server.stop().await;
}

#[tokio::test]
async fn check_05_an_address_that_logs_in_without_end_is_told_to_wait_and_no_other() {
    let server = TestServer::with(&[("CHAT_RATE_LIMITS", "on"), ("CHAT_TRUSTED_PROXIES", "127.0.0.1")]).await;
    let api = server.api();
    let tries = async |address: &str, name: String| {
        let body = json!({"username": name, "password": "not the password"});
        let request = api.http.post(format!("{}/auth/login", api.base)).json(&body);
        request.header("x-forwarded-for", address).send().await.unwrap()
    };
    let mut tried = 0;
    let refused = loop {
        // Each time somebody else's, so that no account is what it is counted for.
        let answer = tries("203.0.113.9", format!("user{tried}")).await;
        if answer.status() != 401 {
            break answer;
        }
        tried += 1;
        assert!(tried < 1000, "nobody says stop");
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert!(tried >= 60, "a household has to be let in");
    assert_eq!(tries("203.0.113.10", "somebody".to_owned()).await.status(), 401);
    server.stop().await;
}

#[tokio::test]
async fn check_18_nobody_is_there_from_the_start() {
    let server = TestServer::start().await;
    assert_eq!(operate(&server, Command::UserList).await, json!({"users": []}));
    for name in ["admin", "root", "chat", "server", "operator"] {
        for password in ["", name, "password", "changeme", "chat-server"] {
            assert_eq!(login(&server.api(), name, password).await.0, 401, "{name} {password}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn check_19_sessions_are_listed_and_ended_by_their_own_user_only() {
    let server = TestServer::start().await;
    let (alice, mallory) = (server.user("alice").await, server.user("mallory").await);
    let body = json!({"username": "alice", "password": PASSWORD, "device_name": "phone"});
    let (_, session) = alice.api.call("POST", "/auth/login", None, Some(body)).await;
    let phone = User { session, ..alice.clone() };
    let list = phone.ok("GET", "/me/sessions", None).await;
    let sessions = list["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        let is_phone = session["id"] == phone.session["session_id"];
        assert_eq!(session["current"], is_phone);
        assert_eq!(session["device_name"], if is_phone { "phone" } else { "" });
        assert!(session["last_seen_at"].as_i64() >= session["created_at"].as_i64());
    }
    let id = |user: &User| user.session["session_id"].as_str().unwrap().to_owned();
    let of_alice = mallory.call("DELETE", &format!("/me/sessions/{}", id(&phone)), None).await;
    assert_eq!(of_alice, mallory.call("DELETE", "/me/sessions/AAAAAAAAAAAAAAAAAAAAAA", None).await);
    assert_eq!(of_alice.0, 404);
    phone.ok("GET", "/me", None).await;
    alice.ok("DELETE", &format!("/me/sessions/{}", id(&phone)), None).await;
    assert_eq!(phone.call("GET", "/me", None).await.0, 401);
    alice.ok("GET", "/me", None).await;
    server.stop().await;
}
