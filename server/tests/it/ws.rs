//! What the WebSocket promises.

use crate::harness::{TestServer, User, uuid};
use futures_util::SinkExt as _;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};
use tokio_tungstenite::tungstenite::{Bytes, Message};

#[tokio::test]
async fn two_people_talk() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut a, mut b) = (alice.connect().await, bob.connect().await);
    let general = a.ready["conversations"][0]["id"].as_i64().unwrap();
    let id = uuid();
    a.send(json!({"type": "send", "id": id, "conversation_id": general, "body": "hi @bob"})).await;
    let ack = a.next_of("ack").await;
    assert_eq!(ack["id"], id);
    let message = b.next_of("message").await;
    assert_eq!(message["message"]["body"], "hi @bob");
    assert_eq!(message["message"]["mentions"], json!(["bob"]));
    assert_eq!(message["rev"], ack["rev"]);
    b.send(json!({"type": "react", "id": uuid(), "conversation_id": general, "seq": ack["seq"], "emoji": "👍", "on": true})).await;
    loop {
        let frame = a.next_of("message").await;
        if frame["message"]["reactions"][0]["users"] == json!(["bob"]) {
            break;
        }
    }
    b.send(json!({"type": "typing", "conversation_id": general})).await;
    assert_eq!(a.next_of("typing").await["username"], "bob");
    a.send(json!({"type": "ping", "id": "p1"})).await;
    assert_eq!(a.next_of("pong").await["id"], "p1");
    server.stop().await;
}

#[tokio::test]
async fn a_direct_appears_with_its_first_message() {
    let server = TestServer::with(&[("CHAT_DEFAULT_GROUPS", "")]).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut b = bob.connect().await;
    assert_eq!(b.ready["conversations"], json!([]));
    let direct = alice.ok("POST", "/directs", Some(json!({"username": "bob"}))).await;
    assert_eq!(bob.ok("GET", "/conversations", None).await["conversations"], json!([]));
    alice.send(direct["id"].as_i64().unwrap(), "psst").await;
    let appeared = b.next_of("conversation").await;
    assert_eq!(appeared["conversation"]["peer"]["username"], "alice");
    assert_eq!(b.next_of("message").await["message"]["body"], "psst");
    server.stop().await;
}

#[tokio::test]
async fn whoever_is_removed_hears_nothing_more() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.group("lab", "private").await;
    let mut b = bob.connect().await;
    alice.ok("PUT", &format!("/groups/{group}/members/bob"), None).await;
    assert_eq!(b.next_of("conversation").await["conversation"]["id"], group);
    alice.send(group, "welcome").await;
    alice.ok("DELETE", &format!("/groups/{group}/members/bob"), None).await;
    alice.send(group, "about bob").await;
    alice.send(1, "in general").await;
    let mut bodies = Vec::new();
    loop {
        let frame = b.next().await.unwrap();
        bodies.push(format!(
            "{} {}",
            frame["type"].as_str().unwrap(),
            frame["message"]["body"].as_str().unwrap_or("")
        ));
        if frame["message"]["body"] == "in general" {
            break;
        }
    }
    let bodies: Vec<&str> =
        bodies.iter().map(String::as_str).filter(|body| !body.starts_with("presence")).collect();
    assert_eq!(bodies, ["message ", "message welcome", "conversation_removed ", "message in general"]);
    server.stop().await;
}

#[tokio::test]
async fn read_cursors_are_told_to_my_other_connections_only() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut one, mut two) = (bob.connect().await, bob.connect().await);
    let sent = alice.send(1, "read me").await;
    one.next_of("message").await;
    one.send(json!({"type": "read", "conversation_id": 1, "seq": sent["seq"]})).await;
    let read = two.next_of("read").await;
    assert_eq!((&read["seq"], &read["unread"]), (&sent["seq"], &json!(0)));
    one.send(json!({"type": "ping"})).await;
    loop {
        let frame = one.next().await.unwrap();
        assert_ne!(frame["type"], "read");
        if frame["type"] == "pong" {
            break;
        }
    }
    server.stop().await;
}

fn control(kind: Control, is_final: bool) -> Message {
    let opcode = OpCode::Control(kind);
    let header = FrameHeader { is_final, rsv1: false, rsv2: false, rsv3: false, opcode, mask: None };
    Message::Frame(Frame::from_payload(header, Bytes::from_static(b"x")))
}

#[tokio::test]
async fn each_end_has_its_code() {
    let server = TestServer::with(&[("CHAT_MAX_CONNECTIONS_PER_USER", "2")]).await;
    let alice = server.user("alice").await;

    let mut ws = alice.connect().await;
    for _ in 0..9 {
        ws.send(json!({"type": "nonsense"})).await;
        assert_eq!(ws.next_of("error").await["code"], "invalid_request");
    }
    ws.send(json!({"type": "send", "id": uuid(), "conversation_id": 99, "body": "x"})).await;
    assert_eq!(ws.next_of("error").await["code"], "not_found");
    for _ in 0..10 {
        ws.send(json!("not even an object")).await;
    }
    assert_eq!(ws.closed().await, Some(4501));

    let raw: Vec<(Message, u16)> = vec![
        (Message::binary(vec![1, 2, 3]), 1003),
        (Message::text("x".repeat(65_537)), 1009),
        (Message::Frame(Frame::message("x", OpCode::Data(Data::Continue), true)), 1002),
        (
            Message::Frame(Frame::message(Bytes::from_static(b"\xff\xfe"), OpCode::Data(Data::Text), true)),
            1007,
        ),
        (control(Control::Reserved(11), true), 1002),
        (control(Control::Ping, false), 1002),
    ];
    for (message, code) in raw {
        let mut ws = alice.connect().await;
        ws.socket.send(message).await.unwrap();
        assert_eq!(ws.closed().await, Some(code));
    }

    let (mut one, _two) = (alice.connect().await, alice.connect().await);
    match alice.try_connect().await {
        Ok((_, frame)) => panic!("a third connection: {frame}"),
        Err(error) => assert!(error.to_string().contains("4504"), "{error}"),
    }
    alice.ok("POST", "/auth/logout", None).await;
    assert_eq!(one.closed().await, Some(4500));
    server.stop().await;
}

#[tokio::test]
async fn a_token_that_expires_ends_the_connection_unless_it_is_renewed() {
    let server = TestServer::with(&[("CHAT_ACCESS_TTL", "2")]).await;
    let alice = server.user("alice").await;
    let bob = server.user("bob").await;
    let (mut renewed, mut left) = (alice.connect().await, alice.connect().await);
    renewed.send(json!({"type": "auth", "id": "a1", "access_token": bob.token()})).await;
    assert_eq!(renewed.next_of("error").await["code"], "unauthorized");
    assert_eq!(left.closed().await, Some(4001));
    assert_eq!(renewed.closed().await, Some(4001));
    let refresh = json!({"refresh_token": alice.session["refresh_token"]});
    let (_, session) = alice.api.call("POST", "/auth/refresh", None, Some(refresh)).await;
    let alice = User { session, ..alice };
    let mut ws = alice.connect().await;
    ws.send(json!({"type": "auth", "id": "a2", "access_token": alice.token()})).await;
    assert_eq!(ws.next_of("auth_ok").await["id"], "a2");
    server.stop().await;
}

#[tokio::test]
async fn the_door_is_narrow() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let token = alice.token().to_owned();
    let bearer = format!("Bearer {token}");
    let as_protocol = format!("chat.v1, bearer.{token}");
    let twice = format!("{as_protocol}, bearer.{token}");
    let own = format!("http://{}", server.address);
    let upgrade = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    type Case<'a> = (&'a str, Vec<(&'a str, &'a str)>, u16);
    let table: Vec<Case<'_>> = vec![
        ("", vec![], 401),
        ("", vec![("authorization", &bearer)], 101),
        ("", vec![("authorization", "Bearer nonsense")], 401),
        ("?access_token=x", vec![("authorization", &bearer)], 400),
        ("", vec![("authorization", &bearer), ("origin", "https://evil.example")], 403),
        ("", vec![("authorization", &bearer), ("origin", "null")], 403),
        ("", vec![("authorization", &bearer), ("origin", &own)], 101),
        ("", vec![("sec-websocket-protocol", &as_protocol), ("origin", &own)], 101),
        ("", vec![("sec-websocket-protocol", &as_protocol)], 403),
        ("", vec![("sec-websocket-protocol", &twice), ("origin", &own)], 401),
        ("", vec![("sec-websocket-protocol", "chat.v1, bearer."), ("origin", &own)], 401),
        ("", vec![("authorization", &bearer), ("sec-websocket-protocol", "mqtt")], 400),
        ("", vec![("authorization", &bearer), ("sec-websocket-version", "8")], 426),
        ("", vec![("authorization", &bearer), ("sec-websocket-key", "short")], 400),
        ("", vec![("authorization", &bearer), ("upgrade", "h2c")], 426),
    ];
    for (query, headers, status) in table {
        let mut request = alice.api.http.get(format!("{}/ws{query}", alice.api.base));
        for (name, value) in upgrade.iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name))
        {
            request = request.header(*name, *value);
        }
        for (name, value) in &headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{query} {headers:?}");
        match status {
            101 => assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            426 => assert_eq!(answer.headers()["sec-websocket-version"], "13"),
            _ => assert_eq!(answer.headers()["content-type"], "application/problem+json"),
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn presence_is_told_and_taken_back() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut a = alice.connect().await;
    let b = bob.connect().await;
    let came = a.next_of("presence").await;
    assert_eq!(came["changes"][0], json!({"username": "bob", "online": true}));
    drop(b);
    let went = a.next_of("presence").await;
    assert_eq!(
        (&went["changes"][0]["username"], &went["changes"][0]["online"]),
        (&json!("bob"), &json!(false))
    );
    server.stop().await;
}

#[tokio::test]
async fn whoever_does_not_read_is_told_to_read_again_and_slows_nobody() {
    let server = TestServer::with(&[("CHAT_DEFAULT_GROUPS", "")]).await;
    let (alice, bob, carol) =
        (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let group = alice.group("lab", "public").await;
    for user in [&bob, &carol] {
        user.ok("POST", &format!("/groups/{group}/join"), None).await;
    }
    let (mut a, mut fast, mut slow) = (alice.connect().await, bob.connect().await, carol.connect().await);
    // More than the system buffers and the queue hold together.
    let body = "x".repeat(16_000);
    let mut last = 0;
    for _ in 0..60 {
        // Ten at a time: all of it is to take less than what a reader that does not read is given.
        for _ in 0..10 {
            a.send(json!({"type": "send", "id": uuid(), "conversation_id": group, "body": body})).await;
        }
        for _ in 0..10 {
            last = a.next_of("ack").await["seq"].as_i64().unwrap();
        }
        // The one who reads has every one of them, although the other does not read at all.
        while fast.next_of("message").await["rev"] != last {}
    }
    let mut seen = 0;
    loop {
        let frame = slow.next().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "message" => seen = frame["rev"].as_i64().unwrap(),
            "resync" => break assert_eq!(frame["conversation_id"], group),
            _ => {}
        }
    }
    assert!(seen < last, "nothing was dropped");
    let missed = carol.ok("GET", &format!("/conversations/{group}/changes?since={seen}&limit=1"), None).await;
    assert_eq!(missed["head_rev"], last);
    // And from then on it goes on.
    alice.send(group, "still there?").await;
    while slow.next_of("message").await["message"]["body"] != "still there?" {}
    server.stop().await;
}
