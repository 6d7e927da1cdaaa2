//! The frames as they stand on the wire: one file each, read by every client's tests too.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

#[path = "properties/client_frame.rs"]
mod client_frame;
#[path = "support/mutated.rs"]
mod mutated;
#[path = "properties/server_frame.rs"]
mod server_frame;

use chat_shared::frame::{ClientFrame, ServerFrame};
use mutated::{many, mutated, seeds};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::Path;

fn files(side: &str) -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut files: Vec<(String, String)> = std::fs::read_dir(dir)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            name.starts_with(side)
                .then(|| (name, std::fs::read_to_string(path).unwrap().trim_end().to_owned()))
        })
        .collect();
    files.sort();
    files
}

fn kind(text: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(text).unwrap();
    value["type"].as_str().unwrap().to_owned()
}

fn with_an_unknown_field(text: &str) -> String {
    format!("{{\"unknown\":{{\"deep\":[1,2]}},{}", &text[1..])
}

#[test]
fn every_server_frame_is_read_and_written_to_the_letter() {
    let mut kinds = BTreeSet::new();
    for (name, text) in files("server.") {
        let frame: ServerFrame =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_ne!(frame, ServerFrame::Unknown, "{name}");
        assert_eq!(frame.to_json(), text, "{name}");
        assert_eq!(
            serde_json::from_str::<ServerFrame>(&with_an_unknown_field(&text)).unwrap(),
            frame,
            "{name}"
        );
        kinds.insert(kind(&text));
    }
    let expected =
        "ack auth_ok conversation conversation_removed error message pong presence read ready resync typing";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(" "), expected);
    assert_eq!(serde_json::from_str::<ServerFrame>(r#"{"type":"later"}"#).unwrap(), ServerFrame::Unknown);
}

#[test]
fn every_client_frame_is_read_and_written_to_the_letter() {
    let mut kinds = BTreeSet::new();
    for (name, text) in files("client.") {
        let frame = ClientFrame::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(frame.to_json(), text, "{name}");
        assert_eq!(ClientFrame::parse(&with_an_unknown_field(&text)).unwrap(), frame, "{name}");
        kinds.insert(kind(&text));
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>().join(" "),
        "auth delete edit ping react read send typing"
    );
}

#[test]
fn bad_frames_say_what_is_wrong() {
    const ID: &str = "0198c1a2-7e3b-7c44-9d1f-2a51c9f0e8b7";
    let send = |rest: &str| format!(r#"{{"type":"send","id":"{ID}"{rest}}}"#);
    let long = "x".repeat(16_385);
    let table: Vec<(String, &str, bool)> = vec![
        (String::new(), "invalid_request", false),
        ("[]".into(), "invalid_request", false),
        (r#"["ping"]"#.into(), "invalid_request", false),
        ("null".into(), "invalid_request", false),
        ("[".repeat(10_000), "invalid_request", false),
        (r#"{"type":"nonsense"}"#.into(), "invalid_request", false),
        (r#"{"type":7}"#.into(), "invalid_request", false),
        (r#"{"type":"ping","type":"ping"}"#.into(), "invalid_request", false),
        (r#"{"type":"ping","id":"\ud800"}"#.into(), "invalid_request", false),
        (r#"{"type":"read","conversation_id":1e400,"seq":1}"#.into(), "invalid_request", false),
        (r#"{"type":"read","conversation_id":9007199254740992,"seq":1}"#.into(), "unprocessable", false),
        (send(""), "unprocessable", true),
        (send(r#","conversation_id":0,"body":"x""#), "unprocessable", true),
        (send(r#","conversation_id":1,"body":" \n""#), "unprocessable", true),
        (send(r#","conversation_id":1,"body":"a\u0000""#), "unprocessable", true),
        (send(&format!(r#","conversation_id":1,"body":"{long}""#)), "unprocessable", true),
        (send(r#","conversation_id":1,"body":"x","reply_to":0"#), "unprocessable", true),
        (r#"{"type":"send","id":"x","conversation_id":1,"body":"x"}"#.into(), "unprocessable", true),
        (format!(r#"{{"type":"typing","conversation_id":"{long}"}}"#), "invalid_request", false),
    ];
    for (text, code, with_id) in table {
        let bad = ClientFrame::parse(&text).unwrap_err();
        assert_eq!(bad.code.as_str(), code, "{text:.80}");
        assert_eq!(bad.id.is_some(), with_id, "{text:.80}");
        client_frame::check(text.as_bytes());
    }
    // What is not known is passed over, however deep it is.
    let deep = format!(r#"{{"type":"ping","x":{}{}}}"#, "[".repeat(100), "]".repeat(100));
    assert!(ClientFrame::parse(&deep).is_ok());
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn whatever_clients_say_is_understood_or_refused(frame in mutated(seeds("tests/golden"))) {
        client_frame::check(&frame);
    }

    #[test]
    fn whatever_a_server_says_is_read_as_it_is_written(frame in mutated(seeds("tests/golden"))) {
        server_frame::check(&frame);
    }
}

proptest! {
    #[test]
    fn sends_come_through_unchanged(body in "\\PC{1,300}", conversation in 1_i64..1 << 53, id: [u8; 16]) {
        prop_assume!(!body.trim().is_empty());
        let id = chat_shared::SendId::from_bytes(id);
        let frame = ClientFrame::Send {
            id,
            conversation_id: conversation.try_into().unwrap(),
            body: chat_shared::text::MessageBody::new(body.as_str()).unwrap(),
            reply_to: None,
        };
        prop_assert_eq!(ClientFrame::parse(&frame.to_json()).unwrap(), frame);
    }
}
