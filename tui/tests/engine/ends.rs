//! How connections and sessions end, and what the client makes of it.

use crate::fake::{Script, Ws, against, listen, not_found, ready, room};
use crate::harness::{Face, PASSWORD, Person, World};
use chat_shared::api::Session;
use chat_tui::client::{Answer, Call, Connection, Request};
use chat_tui::credentials::{self, Login};
use chat_tui::net::http::{Account, Http};
use futures_util::StreamExt as _;
use serde_json::json;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// When the first connection is closed.
#[derive(Clone, Copy, PartialEq)]
enum Closed {
    BeforeReady,
    AfterReady,
}

/// A client against a server that closes the first connection with this code and keeps the next.
async fn closed_with(code: u16, closed: Closed) -> (Face, tempfile::TempDir) {
    let connections = Arc::new(AtomicUsize::new(0));
    let script = Script {
        http: not_found,
        ws: move |mut ws: Ws| {
            let first = connections.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                use futures_util::SinkExt as _;
                if !first || closed == Closed::AfterReady {
                    ws.send(ready(vec![room(1, 0)])).await.unwrap();
                }
                if first {
                    let reason = format!("reason {code}").into();
                    let _ = ws.close(Some(CloseFrame { code: code.into(), reason })).await;
                    while let Some(Ok(_)) = ws.next().await {}
                } else {
                    listen(ws).await;
                }
            }
        },
    };
    let (client, updates, dir) = against(script, 3600).await;
    (Face::new(client, updates), dir)
}

#[tokio::test]
async fn each_close_code_has_its_consequence() {
    let online = |face: &Face| matches!(face.connection, Connection::Online { .. });
    // Reconnecting is allowed, also after codes that are not known yet.
    for code in [1000, 1001, 1012, 4001, 4008, 4010, 4099] {
        let (mut face, _dir) = closed_with(code, Closed::AfterReady).await;
        face.until("lost", |face| matches!(face.connection, Connection::Waiting { .. })).await;
        face.until("back", online).await;
        assert_eq!(face.logged_out, None, "{code}");
        face.quit().await;
    }
    // It is not: the user is told why, and may ask.
    for code in [1002, 1003, 1007, 1009, 4501, 4504, 4599] {
        for closed in [Closed::BeforeReady, Closed::AfterReady] {
            let (mut face, _dir) = closed_with(code, closed).await;
            face.until("stopped", |face| matches!(face.connection, Connection::Stopped { .. })).await;
            assert_eq!(face.connection, Connection::Stopped { reason: format!("reason {code}") });
            assert_eq!(face.logged_out, None, "{code}");
            face.client.ask(Request::Reconnect);
            face.until("back", online).await;
            face.quit().await;
        }
    }
    // The session is over: the form.
    for code in [4500, 4503] {
        for closed in [Closed::BeforeReady, Closed::AfterReady] {
            let (mut face, _dir) = closed_with(code, closed).await;
            face.until("logged out", |face| face.logged_out.is_some()).await;
            assert_eq!(face.logged_out, Some(format!("reason {code}")));
            face.client.ask(Request::Reconnect);
            face.quit().await;
        }
    }
}

#[tokio::test]
async fn what_was_not_sent_waits_for_the_next_log_in() {
    let world = World::new().await;
    let alice = world.register("alice").await;
    let other = world.device("alice", "alice-2").await;
    let lab = alice.group("lab").await;
    let (mut a, mut o) = (alice.start(), other.start());
    a.online().await;
    o.online().await;
    o.client.ask(Request::Call(1, Call::Sessions));
    o.until("sessions", |face| face.answers.contains_key(&1)).await;
    let Ok(Answer::Sessions(sessions)) = &o.answers[&1] else { panic!("{:?}", o.answers) };
    let ended = sessions.iter().find(|session| !session.current).unwrap().id.clone();
    o.client.ask(Request::Call(2, Call::EndSession(ended)));
    a.until("logged out", |face| face.logged_out.is_some()).await;
    a.send(lab, "written to nobody");
    a.until("waits", |face| face.waits() == 1).await;
    a.quit().await;

    let http = Http::new(&world.url).unwrap();
    let body = json!({"username": "alice", "password": PASSWORD});
    let session: Session = http.post("/auth/login", &body).await.unwrap();
    Account::store(&alice.home, &world.url, &session, false).unwrap();
    let mut a = alice.start();
    a.until("sent", |face| face.start.is_some() && face.waits() == 0).await;
    assert_eq!(other.texts(lab).await, ["written to nobody"]);
    a.quit().await;
    o.quit().await;
}

#[tokio::test]
async fn a_disabled_account_is_told_so() {
    let world = World::new().await;
    let _owner = world.register("owner").await;
    let alice = world.register("alice").await;
    let mut a = alice.start();
    a.online().await;
    world.operate(&["user", "disable", "alice"]).await;
    a.until("logged out", |face| face.logged_out.is_some()).await;
    assert!(a.logged_out.as_ref().unwrap().contains("disabled"), "{:?}", a.logged_out);
    a.quit().await;
    // Nor does it come in again.
    let mut a = alice.start();
    a.until("logged out", |face| face.logged_out.is_some()).await;
    a.quit().await;
}

fn stored(person: &Person, url: &str) -> Login {
    credentials::read(&person.home).unwrap().servers[url].clone()
}

#[tokio::test]
async fn a_disk_that_has_no_room_for_the_new_token_ends_no_session() {
    let world = World::with(&[("CHAT_ACCESS_TTL", "3")]).await;
    let alice = world.register("alice").await;
    let mut a = alice.start();
    a.online().await;
    // What cannot be written for another reason than this one fails alike.
    let obstacle = alice.home.file("credentials.new");
    std::fs::create_dir(&obstacle).unwrap();
    let failed = |face: &Face| match &face.connection {
        Connection::Waiting { reason, .. } => reason.contains("credentials.new"),
        _ => false,
    };
    // The connection lives on until the server closes it with 4001; to come back a new one is needed.
    a.until("told", failed).await;
    std::fs::remove_dir(&obstacle).unwrap();
    a.client.ask(Request::Reconnect);
    a.online().await;
    assert_eq!(a.logged_out, None);
    a.quit().await;
}

#[tokio::test]
async fn an_open_connection_outlives_its_access_token() {
    let world = World::with(&[("CHAT_ACCESS_TTL", "3")]).await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = alice.group("lab").await;
    bob.join(lab).await;
    let first = stored(&alice, &world.url).access_token;
    let mut a = alice.start();
    a.online().await;
    let mut tokens = vec![first];
    // As often as it takes for the first of them to have expired twice over.
    while tokens.len() < 4 {
        bob.send(lab, &format!("after {} tokens", tokens.len())).await;
        let heard = tokens.len();
        a.until("a message", |face| face.texts(lab).len() == heard).await;
        let known = tokens.last().unwrap().clone();
        // Nothing tells of it but the file.
        let mut again = tokio::time::interval(Duration::from_millis(20));
        let token = loop {
            again.tick().await;
            let token = stored(&alice, &world.url).access_token;
            if token != known {
                break token;
            }
        };
        tokens.push(token);
    }
    bob.send(lab, "at the end").await;
    a.until("the last", |face| face.texts(lab).last().is_some_and(|text| text == "at the end")).await;
    assert_eq!(a.connections_lost, 0);
    a.quit().await;
}

/// A server that knows only how to refresh, slowly, and who I am; it counts the refreshes.
async fn refreshing() -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let n = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..n]).into_owned();
                let user = json!({"id": 1, "username": "alice", "display_name": "Alice", "created_at": 0});
                let body = if head.starts_with("POST /api/v1/auth/refresh") {
                    let n = counted.fetch_add(1, Ordering::SeqCst);
                    json!({"access_token": format!("fresh-{n}"), "token_type": "Bearer", "expires_in": 900,
                        "refresh_token": format!("next-{n}"), "refresh_expires_in": 900, "session_id": "s", "user": user})
                } else {
                    user
                };
                let body = body.to_string();
                let head =
                    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                let _ = stream.write_all((head + &body).as_bytes()).await;
            });
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_share_a_home_refresh_once() {
    const PROGRAMS: usize = 6;
    let (url, count) = refreshing().await;
    let dir = tempfile::tempdir().unwrap();
    let home = chat_tui::home::Home::at(dir.path()).unwrap();
    let session: Session = serde_json::from_value(json!({
        "access_token": "old", "token_type": "Bearer", "expires_in": 0, "refresh_token": "first",
        "refresh_expires_in": 900, "session_id": "s",
        "user": {"id": 1, "username": "alice", "display_name": "Alice", "created_at": 0}
    }))
    .unwrap();
    Account::store(&home, &url, &session, false).unwrap();
    // All of them wait for the lock that is held here.
    let lock = credentials::Credentials::lock(&home).unwrap();
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-tui"));
        command.arg("whoami").env("CHAT_TUI_HOME", dir.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let programs: Vec<_> = (0..PROGRAMS).map(|_| start()).collect();
    drop(lock);
    for program in programs {
        let done = tokio::task::spawn_blocking(move || program.wait_with_output().unwrap()).await.unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(credentials::read(&home).unwrap().servers[&url].refresh_token, "next-0");
}
