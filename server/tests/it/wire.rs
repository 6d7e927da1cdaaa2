//! What is malformed, on the wire, byte for byte: each frame and each request that breaks a rule gets its
//! code, changes nothing, and disturbs nobody else.

use crate::harness::{PATIENCE, TestServer, User, uuid};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A connection of which nothing is done for us: pings are not answered, close frames neither.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(user: &User) -> Self {
        let address = user.api.base.split('/').nth(2).unwrap();
        let head = format!(
            "GET /api/v1/ws HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            user.token()
        );
        Self::try_connect(address.parse().unwrap(), head.as_bytes()).await.unwrap()
    }

    /// Asks with this head; what was answered instead, if it was not the upgrade.
    pub(crate) async fn try_connect(address: SocketAddr, head: &[u8]) -> Result<Self, String> {
        let mut raw = Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() };
        raw.write(head).await;
        let end = loop {
            if let Some(end) = raw.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if !raw.more().await {
                return Err(String::new());
            }
        };
        if !raw.read.starts_with(b"HTTP/1.1 101") {
            return Err(String::from_utf8_lossy(&raw.read).into_owned());
        }
        raw.read.drain(..end);
        Ok(raw)
    }

    /// Writes; whether the other side still listens shows in what it answers.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn more(&mut self) -> bool {
        let mut buffer = [0; 4096];
        let read =
            tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await.expect("an answer in time");
        let count = read.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..count]);
        count > 0
    }

    /// The next frame from the server: its opcode and its payload.
    pub(crate) async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        loop {
            if let Some((head, length)) = header(&self.read)
                && self.read.len() >= head + length
            {
                let payload = self.read[head..head + length].to_vec();
                let opcode = self.read[0] & 0x0F;
                self.read.drain(..head + length);
                return Some((opcode, payload));
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Reads to the end; the code with which the server closed.
    async fn close_code(&mut self) -> Option<u16> {
        let mut code = None;
        while let Some((opcode, payload)) = self.frame().await {
            assert_eq!(code, None, "nothing follows a close frame");
            if opcode == 8 {
                code = Some(u16::from_be_bytes([payload[0], payload[1]]));
            }
        }
        code
    }
}

/// Length of a server's frame's head, and of its payload.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [_, 126, a, b, ..] => Some((4, usize::from(u16::from_be_bytes([a, b])))),
        [_, 127, a, b, c, d, e, f, g, h, ..] => {
            Some((10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize))
        }
        [_, length @ ..=125, ..] => Some((2, usize::from(length))),
        _ => None,
    }
}

/// A client's frame. `first`: FIN, RSV and opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [7, 1, 200, 31];
    let mut bytes = vec![first];
    match payload.len() {
        n @ ..=125 => bytes.push(0x80 | n as u8),
        n @ ..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((n as u16).to_be_bytes());
        }
        n => {
            bytes.push(0x80 | 127);
            bytes.extend((n as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

#[tokio::test]
async fn check_28_each_malformed_frame_closes_with_its_code_and_its_neighbour_hears_nothing() {
    let server = TestServer::with(&[("CHAT_MAX_CONNECTIONS_PER_USER", "100")]).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut neighbour = bob.connect().await;
    let mut unmasked = frame(0x81, b"{}");
    unmasked[1] &= 0x7F;
    let close = |payload: &[u8]| frame(0x88, payload);
    let send = json!({"type": "send", "id": uuid(), "conversation_id": 1, "body": "never whole"}).to_string();
    let (begin, end) = send.as_bytes().split_at(20);
    let flood = || {
        let mut bytes = frame(0x01, b"");
        bytes.extend((0..5_000).flat_map(|_| frame(0x00, b"")));
        bytes
    };
    let table: Vec<(&str, Vec<u8>, u16)> = vec![
        ("rsv1: compressed, which was not negotiated", frame(0xC1, b"x"), 1002),
        ("rsv2", frame(0xA1, b"x"), 1002),
        ("rsv3", frame(0x91, b"x"), 1002),
        ("opcode 3", frame(0x83, b"x"), 1002),
        ("opcode 12", frame(0x8C, b"x"), 1002),
        ("unmasked", unmasked, 1002),
        ("a ping in fragments", frame(0x09, b"x"), 1002),
        ("a ping of 126 bytes", frame(0x89, &[b'x'; 126]), 1002),
        ("a stray continuation", frame(0x80, b"x"), 1002),
        ("a message inside another", [frame(0x01, begin), frame(0x81, end)].concat(), 1002),
        ("a close of one byte", close(b"x"), 1002),
        ("close code 999", close(&999_u16.to_be_bytes()), 1002),
        ("close code 1005", close(&1005_u16.to_be_bytes()), 1002),
        ("a close reason that is not UTF-8", close(&[0x03, 0xE8, 0xFF]), 1007),
        ("text that is not UTF-8", frame(0x81, b"\xFF\xFE"), 1007),
        ("text that ends in the middle of a letter", frame(0x81, b"\xC3"), 1007),
        ("64 KiB and one", frame(0x81, &vec![b'x'; 65_537]), 1009),
        (
            "64 KiB and one, in halves",
            [frame(0x01, &vec![b'x'; 40_000]), frame(0x80, &vec![b'x'; 25_537])].concat(),
            1009,
        ),
        ("a length of 2^63", [&[0x81, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &[0; 64]].concat(), 1009),
        ("binary", frame(0x82, b"x"), 1003),
        ("a flood of empty fragments", flood(), 1002),
        ("a proper good-bye", close(&[0x03, 0xE8, b'b', b'y', b'e']), 1000),
        ("a good-bye without a code", close(b""), 1000),
        ("ten that cannot be understood", (0..10).flat_map(|_| frame(0x81, b"{\"type\":")).collect(), 4501),
    ];
    for (what, bytes, code) in table {
        let mut raw = Raw::connect(&alice).await;
        raw.write(&bytes).await;
        assert_eq!(raw.close_code().await, Some(code), "{what}");
        neighbour.send(json!({"type": "ping", "id": what})).await;
        assert_eq!(neighbour.next_of("pong").await["id"], what);
    }
    let kinds: Vec<Value> =
        alice.history(1).await.into_iter().map(|message| message["kind"].clone()).collect();
    assert!(kinds.iter().all(|kind| kind == "notice"), "none of it was stored");
    server.stop().await;
}

#[tokio::test]
async fn whoever_is_silent_is_cut_and_whoever_answers_is_not() {
    let server = TestServer::with(&[("CHAT_HEARTBEAT_MS", "700")]).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let started = Instant::now();
    let mut silent = Raw::connect(&alice).await;
    let mut answering = Raw::connect(&bob).await;
    let mut pings = 0;
    // Longer than silence may last, for one who only ever answers pings.
    while pings < 4 {
        let (opcode, payload) = answering.frame().await.expect("whoever answers stays");
        if opcode == 9 {
            answering.write(&frame(0x8A, &payload)).await;
            pings += 1;
        }
    }
    assert_eq!(silent.close_code().await, Some(4010));
    assert!(started.elapsed() >= Duration::from_millis(1400), "not before two heartbeats");
    server.stop().await;
}

#[tokio::test]
async fn check_47_what_does_not_arrive_in_time_is_cut() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let address = server.address;
    let half_head = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow:").await.unwrap();
        let started = Instant::now();
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest))
            .await
            .expect("a head has 5 seconds");
        assert!(started.elapsed() >= Duration::from_secs(4), "{:?}", started.elapsed());
    };
    let half_body = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .expect("a body has 10")
            .unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains(r#""code":"timeout""#), "{answer}");
    };
    let half_message = async {
        let mut raw = Raw::connect(&alice).await;
        raw.write(&frame(0x01, b"{")).await;
        assert_eq!(raw.close_code().await, Some(1002));
    };
    tokio::join!(half_head, half_body, half_message);
    server.stop().await;
}

#[tokio::test]
async fn check_46_a_body_that_is_too_large_is_not_read_to_its_end() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let head = format!(
        "POST /api/v1/conversations/1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
        alice.token()
    );
    for (framing, part) in [
        ("Content-Length: 100000000\r\n\r\n", "x".repeat(10_000)),
        ("Transfer-Encoding: chunked\r\n\r\n", format!("2710\r\n{}\r\n", "x".repeat(10_000))),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(format!("{head}{framing}").as_bytes()).await.unwrap();
        let (mut reader, mut writer) = stream.split();
        let mut answer = Vec::new();
        let writing = async {
            // Until the server hangs up.
            while writer.write_all(part.as_bytes()).await.is_ok() {}
        };
        let reading = async {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                answer.extend_from_slice(&buffer[..count]);
            }
        };
        tokio::time::timeout(PATIENCE, async { tokio::join!(writing, reading) }).await.expect("it hangs up");
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 413 ") && answer.contains(r#""code":"too_large""#),
            "{framing}: {answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn check_32_whoever_is_not_in_a_group_cannot_tell_over_the_socket_that_it_is_there() {
    let server = TestServer::start().await;
    let (alice, eve) = (server.user("alice").await, server.user("eve").await);
    let group = alice.group("secret", "private").await;
    let seq = alice.send(group, "for us").await["seq"].clone();
    let mut member = alice.connect().await;
    let mut outsider = eve.connect().await;
    let frames = |id: i64| {
        vec![
            json!({"type": "send", "id": uuid(), "conversation_id": id, "body": "x"}),
            json!({"type": "edit", "id": uuid(), "conversation_id": id, "seq": seq, "body": "x"}),
            json!({"type": "delete", "id": uuid(), "conversation_id": id, "seq": seq}),
            json!({"type": "react", "id": uuid(), "conversation_id": id, "seq": seq, "emoji": "👍", "on": true}),
            json!({"type": "read", "conversation_id": id, "seq": 1}),
            json!({"type": "typing", "conversation_id": id}),
        ]
    };
    let mut answers = Vec::new();
    for id in [group, 9_876_543] {
        for frame in frames(id) {
            outsider.send(frame).await;
        }
        let mut told = Vec::new();
        while told.len() < frames(id).len() {
            let mut answer = outsider.next_of("error").await;
            assert_eq!(answer["code"], "not_found", "{answer}");
            answer["id"].take();
            told.push(answer);
        }
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    member.send(json!({"type": "ping"})).await;
    loop {
        let frame = member.next().await.unwrap();
        assert!(frame["conversation_id"] != group, "a member heard of it: {frame}");
        if frame["type"] == "pong" {
            break;
        }
    }
    server.stop().await;
}
