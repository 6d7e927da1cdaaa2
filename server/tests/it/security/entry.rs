//! Checks 20 to 30, as far as they are not with the tests of the WebSocket (`ws`), of its frames (`frames`) and of
//! what is malformed (`wire`): the way in, and what comes through it.

use super::{UPGRADE, exchange, upgrade};
use crate::harness::{PATIENCE, TestServer, User};
use crate::process::Process;
use crate::wire::Raw;
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use tokio_tungstenite::MaybeTlsStream;

/// A request for an upgrade with these headers besides, as it goes over the wire.
fn asking(headers: &str) -> Vec<u8> {
    let upgrade: String = UPGRADE.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET /api/v1/ws HTTP/1.1\r\nHost: x\r\n{upgrade}{headers}\r\n").into_bytes()
}

#[tokio::test]
async fn check_20_whoever_has_no_credential_costs_nothing() {
    /// Sockets at once, and how often.
    const SOCKETS: usize = 200;
    const WAVES: usize = 5;
    /// Sooner or later a thousand of them take no more than this: two kilobytes each. What the allocator's pools
    /// hold it does not give back, but it fills them once.
    const MORE: u64 = 2 << 20;
    const ROUNDS: usize = 10;
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let address = server.base.split('/').nth(2).unwrap().parse().unwrap();
    let wave = async || {
        let request = asking("Connection: close\r\n");
        let answers = (0..SOCKETS).map(|_| exchange(address, &request));
        for answer in futures_util::future::join_all(answers).await {
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        }
    };
    let resident = || {
        let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
    };
    let mut more = Vec::new();
    while more.last().is_none_or(|more| *more >= MORE) {
        assert!(more.len() < ROUNDS, "it never has enough: {more:?}");
        let before = resident();
        for _ in 0..WAVES {
            wave().await;
        }
        more.push(resident().saturating_sub(before));
    }
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn check_26_an_address_has_its_share_and_cannot_pretend_to_be_others() {
    let full = ("CHAT_MAX_CONNECTIONS_PER_ADDRESS", "2");
    let server = TestServer::with(&[full, ("CHAT_RATE_LIMITS", "on")]).await;
    let alice = server.user("alice").await;
    // Its connection is kept for the next request, and counts.
    drop(alice.api.http);
    let bearer = format!("Authorization: Bearer {}\r\n", alice.session["access_token"].as_str().unwrap());
    let from = |client: u8| asking(&format!("{bearer}X-Forwarded-For: 203.0.113.{client}\r\n"));
    let mut inside = Vec::new();
    // The server notices by and by that the first one has gone.
    let entering = async {
        while inside.len() < 2 {
            inside.extend(Raw::try_connect(server.address, &from(1)).await.ok());
        }
    };
    tokio::time::timeout(PATIENCE, entering).await.expect("two are let in");
    assert_eq!(exchange(server.address, &from(7)).await, "", "whatever it says of itself");
    server.stop().await;

    // A proxy that is trusted has no share, whoever is behind it has one.
    let trusted = ("CHAT_TRUSTED_PROXIES", "127.0.0.1");
    let server = TestServer::with(&[full, ("CHAT_RATE_LIMITS", "on"), trusted]).await;
    let alice = server.user("alice").await;
    let bearer = format!("Authorization: Bearer {}\r\n", alice.token());
    let from = |client: u8| asking(&format!("{bearer}X-Forwarded-For: 6.6.6.6, 203.0.113.{client}\r\n"));
    let mut inside = Vec::new();
    for client in [1, 1, 2, 2] {
        inside.push(Raw::try_connect(server.address, &from(client)).await.unwrap());
    }
    let refused = Raw::try_connect(server.address, &from(1)).await.err().unwrap();
    assert!(refused.starts_with("HTTP/1.1 429 ") && refused.contains("retry-after: "), "{refused}");
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
async fn check_30_nothing_is_ever_compressed() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let bearer = format!("Bearer {}", alice.token());
    for offer in ["permessage-deflate", "permessage-deflate; client_max_window_bits, x-webkit-deflate-frame"]
    {
        let headers = [("authorization", &*bearer), ("sec-websocket-extensions", offer)];
        let answer = upgrade(&alice, &headers).await;
        assert_eq!(answer.status(), 101);
        assert!(!answer.headers().contains_key("sec-websocket-extensions"), "{offer}");
    }
    server.stop().await;
}
