//! Logging in and staying so, when everybody does it at once and when answers are lost.

use crate::harness::{PASSWORD, PATIENCE, TestServer, User};
use futures_util::future::join_all;
use serde_json::{Value, json};
use socket2::SockRef;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Logins at once: far more than run and wait.
const CROWD: usize = 200;
/// Passwords that wait to be hashed, besides those that are (`auth/password.rs`).
const QUEUE: usize = 32;
/// No answer that needs no hash may take so long, however busy the machine of the test.
const PROMPT: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_06_a_crowd_that_logs_in_is_held_at_the_door_and_disturbs_nobody() {
    // Many cores hash many passwords: each has to take so much longer, or none would have to wait.
    let threads =
        std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
    let iterations = (threads * 40_000).to_string();
    let server = TestServer::with(&[("CHAT_PBKDF2_ITERATIONS", &iterations)]).await;
    let alice = server.user("alice").await;
    let mut ws = alice.connect().await;
    let waiting = AtomicUsize::new(CROWD);
    let login = async |name: String| {
        let body = json!({"username": name, "password": "not the password"});
        let request = alice.api.http.post(format!("{}/auth/login", alice.api.base)).json(&body);
        let answer = request.timeout(PATIENCE * 3).send().await.unwrap();
        waiting.fetch_sub(1, Ordering::Relaxed);
        let retry_after = answer.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        (status, retry_after, answer.json::<Value>().await.unwrap()["code"].clone())
    };
    let crowd = join_all((0..CROWD).map(|n| login(format!("user{n}"))));
    let healthz = alice.api.base.replace("/api/v1", "/healthz");
    let meanwhile = async {
        let mut beats = 0;
        while waiting.load(Ordering::Relaxed) > 0 {
            let asked = Instant::now();
            assert_eq!(alice.api.http.get(&healthz).send().await.unwrap().status(), 200);
            ws.send(json!({"type": "ping", "id": beats.to_string()})).await;
            assert_eq!(ws.next_of("pong").await["id"], beats.to_string());
            assert!(asked.elapsed() < PROMPT, "{:?}", asked.elapsed());
            beats += 1;
        }
        beats
    };
    let (answers, beats) = tokio::join!(crowd, meanwhile);
    assert!(beats >= 5, "the logins were over after {beats} beats");
    let (hashed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(status, ..)| *status == 401);
    assert!(hashed.len() >= QUEUE, "only {} got in", hashed.len());
    assert!(!refused.is_empty(), "the queue has no end");
    for answer in refused {
        assert_eq!(answer, (503, Some("1".to_owned()), json!("unavailable")));
    }
    // The queue is free again, and everything else as it was.
    let body = json!({"username": "alice", "password": PASSWORD});
    let (status, _) = alice.api.call("POST", "/auth/login", None, Some(body)).await;
    assert_eq!(status, 200);
    alice.send(1, "still here").await;
    assert_eq!(ws.next_of("message").await["message"]["body"], "still here");
    server.stop().await;
}

async fn refresh(user: &User, token: &str) -> (u16, Value) {
    user.api.call("POST", "/auth/refresh", None, Some(json!({"refresh_token": token}))).await
}

fn refresh_token(session: &Value) -> &str {
    session["refresh_token"].as_str().unwrap()
}

async fn session_ids(user: &User) -> Vec<Value> {
    let list = user.ok("GET", "/me/sessions", None).await;
    list["sessions"].as_array().unwrap().iter().map(|session| session["id"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_13_a_token_that_is_refreshed_fifty_times_at_once_has_one_child() {
    let server = TestServer::start().await;
    let mut alice = server.user("alice").await;
    for _ in 0..5 {
        let token = refresh_token(&alice.session).to_owned();
        let answers = join_all((0..50).map(|_| refresh(&alice, &token))).await;
        let statuses: BTreeSet<u16> = answers.iter().map(|(status, _)| *status).collect();
        assert_eq!(statuses, BTreeSet::from([200]));
        let children: BTreeSet<&str> = answers.iter().map(|(_, session)| refresh_token(session)).collect();
        assert_eq!(children.len(), 1);
        alice.session = answers[0].1.clone();
        assert_eq!(session_ids(&alice).await, [alice.session["session_id"].clone()]);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_13_a_replaced_token_among_good_ones_ends_the_family_and_nothing_fails() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let first = refresh_token(&alice.session).to_owned();
    let (_, second) = refresh(&alice, &first).await;
    let (_, third) = refresh(&alice, refresh_token(&second)).await;
    // A thief with the first one and the owner with the newest, at once.
    let tokens = (0..50).map(|n| if n % 2 == 0 { refresh_token(&third) } else { &*first });
    let answers = join_all(tokens.map(|token| refresh(&alice, token))).await;
    assert!(answers.iter().all(|(status, _)| [200, 401].contains(status)), "{answers:?}");
    for session in [&third].into_iter().chain(answers.iter().map(|(_, session)| session)) {
        if let Some(token) = session["refresh_token"].as_str() {
            assert_eq!(refresh(&alice, token).await.0, 401);
        }
    }
    assert_eq!(alice.call("GET", "/me", None).await.0, 401);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_out_many_times_at_once_is_logging_out() {
    let server = TestServer::start().await;
    for n in 0..5 {
        let user = server.user(&format!("user{n}")).await;
        let statuses = join_all((0..20).map(|_| user.call("POST", "/auth/logout", None))).await;
        assert!(statuses.iter().any(|(status, _)| *status == 204), "{statuses:?}");
        assert!(statuses.iter().all(|(status, _)| [204, 401].contains(status)), "{statuses:?}");
    }
    server.stop().await;
}

/// Asks for the next token and cuts the connection within the answer.
async fn refresh_and_cut(server: &TestServer, token: &str, after: usize) {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let body = json!({"refresh_token": token}).to_string();
    let request = format!(
        "POST /api/v1/auth/refresh HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut some = vec![0; after];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut some)).await.unwrap().unwrap();
    // Cut, not closed: what the server still writes is answered with a reset.
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_12_a_thousand_lost_answers_log_nobody_out() {
    let server = TestServer::start().await;
    let mut alice = server.user("alice").await;
    let mut ws = alice.connect().await;
    let session = alice.session["session_id"].clone();
    let mut all = 0;
    for round in 0..500 {
        let token = refresh_token(&alice.session).to_owned();
        for lost in 0..=round % 3 {
            refresh_and_cut(&server, &token, 1 + (round * 7 + lost) % 400).await;
            all += 1;
        }
        let (status, next) = refresh(&alice, &token).await;
        assert_eq!(status, 200, "after {round} lost answers: {next}");
        alice.session = next;
    }
    assert_eq!((all, session_ids(&alice).await), (999, vec![session]));
    ws.send(json!({"type": "ping"})).await;
    ws.next_of("pong").await;
    server.stop().await;
}
