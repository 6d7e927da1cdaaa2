//! Who may say what over the WebSocket: every frame that clients send, for every kind of caller. A frame without a
//! row fails here.

use super::{CALLERS, OUTSIDE, World};
use crate::harness::{User, Ws, uuid};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Where the frames are declared.
const FRAMES: &str = include_str!("../../../../shared/src/frame/client.rs");

/// Every frame with its fields; what it is answered with in the group (member, moderator, owner), and outside. An
/// answer is the type of a frame, or the code of an `error`, or none. The message's text is the member's.
type Row = (&'static str, Value, [&'static str; 3], &'static str);

fn rows() -> Vec<Row> {
    let reaction = json!({"emoji": "👍", "on": true});
    vec![
        ("send", json!({"body": "hello"}), ["ack"; 3], "not_found"),
        ("edit", json!({"body": "hello"}), ["ack", "forbidden", "forbidden"], "not_found"),
        ("delete", json!({}), ["ack"; 3], "not_found"),
        ("react", reaction, ["ack"; 3], "not_found"),
        ("read", json!({}), [""; 3], "not_found"),
        ("typing", json!({}), [""; 3], "not_found"),
        // Of no conversation: with the token of somebody else.
        ("auth", json!({"access_token": ""}), ["unauthorized"; 3], "unauthorized"),
        ("ping", json!({}), ["pong"; 3], "pong"),
    ]
}

/// The frames that there are, by their names on the wire.
fn declared() -> BTreeSet<String> {
    let body = FRAMES.split("pub enum ClientFrame {").nth(1).unwrap().split("\n}\n").next().unwrap();
    let names = body.lines().filter_map(|line| line.strip_prefix("    ")?.split([' ', '(', ',']).next());
    let names = names.filter(|name| name.starts_with(|letter: char| letter.is_ascii_uppercase()));
    let mut found = BTreeSet::new();
    for name in names {
        let letters = name.char_indices().map(|(at, letter)| match letter {
            'A'..='Z' if at > 0 => format!("_{}", letter.to_ascii_lowercase()),
            _ => letter.to_ascii_lowercase().to_string(),
        });
        found.insert(letters.collect());
    }
    found
}

/// What a frame is answered with.
async fn answer(ws: &mut Ws, frame: Value) -> Value {
    ws.send(frame.clone()).await;
    // What has no id is refused before the next frame is answered, or not at all.
    let has_answer = frame["id"].is_string();
    if !has_answer {
        ws.send(json!({"type": "ping", "id": "nothing"})).await;
    }
    let mut refusal = Value::Null;
    loop {
        let frame = ws.next().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "pong" if !has_answer => return refusal,
            "error" if !has_answer => refusal = frame,
            "ack" | "error" | "auth_ok" | "pong" => return frame,
            _ => {}
        }
    }
}

fn word(answer: &Value) -> &str {
    answer["code"].as_str().or(answer["type"].as_str()).unwrap_or("")
}

#[tokio::test]
async fn check_32_every_frame_answers_every_caller_as_it_should() {
    let written: BTreeSet<String> = rows().iter().map(|(kind, ..)| (*kind).to_owned()).collect();
    assert_eq!(written, declared(), "each frame has a row");
    let world = World::new().await;
    for caller in CALLERS {
        let token = world.token(caller).await;
        let session = json!({ "access_token": token.as_deref().unwrap_or("") });
        let user = User { name: caller.to_owned(), session, ..world.owner.clone() };
        if ["anonymous", "forger", "disabled", "ended"].contains(&caller) {
            let error = user.try_connect().await.err().unwrap().to_string();
            assert!(error.contains("401"), "{caller}: {error}");
            continue;
        }
        let mut ws = user.connect().await;
        for (kind, fields, inside, outside) in rows() {
            let (group, seq) = world.group(&format!("said-{kind}-{caller}")).await;
            let frame = |group: i64| {
                let mut frame = json!({"type": kind, "conversation_id": group, "seq": seq});
                if !["read", "typing"].contains(&kind) {
                    frame["id"] = json!(uuid());
                }
                frame.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
                if kind == "auth" {
                    frame["access_token"] = json!(world.disabled.token());
                }
                frame
            };
            let before = world.owner.history(group).await;
            let found = answer(&mut ws, frame(group)).await;
            let expected = match caller {
                "member" => inside[0],
                "moderator" => inside[1],
                "owner" => inside[2],
                _ => outside,
            };
            assert_eq!(word(&found), expected, "{kind} by {caller}: {found}");
            if expected != "ack" {
                assert_eq!(world.owner.history(group).await, before, "{kind} by {caller}");
            }
            if OUTSIDE.contains(&caller) {
                let without_id = |mut answer: Value| {
                    answer["id"].take();
                    answer
                };
                let nowhere = without_id(answer(&mut ws, frame(9_876_543)).await);
                assert_eq!(without_id(found), nowhere, "{kind} by {caller}");
                let (direct, _) = world.direct().await;
                assert_eq!(without_id(answer(&mut ws, frame(direct)).await), nowhere, "{kind} by {caller}");
            }
        }
    }
    world.server.stop().await;
}
