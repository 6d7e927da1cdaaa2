//! Fields that a request does not have change nothing, nor do optional ones that are null: every operation of
//! the OpenAPI document is called with all the fields that any shape of it has, and a few that attackers try,
//! and has done exactly what it does without them.

use crate::harness::{PATIENCE, uuid};
use crate::matrix::{World, rows};
use crate::openapi::DOCUMENT;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What stands for a number in an extra field. Nothing here counts so far, and it is no time.
const NUMBER: i64 = 77_777_777;
/// What stands for a text.
const TEXT: &str = "canary";
/// Fields that no shape here has, but that some other server once believed.
const TRIED: [&str; 8] =
    ["is_admin", "admin", "user_id", "author_id", "owner_id", "password_hash", "disabled_at", "__proto__"];
/// Larger numbers are times, which differ.
const TIME: i64 = 100_000_000_000;

/// All fields of all shapes, each with a value of its type.
fn extras() -> Map<String, Value> {
    let tried = TRIED.map(|name| (name.to_owned(), json!(NUMBER)));
    let schemas = DOCUMENT["components"]["schemas"].as_object().unwrap().values();
    let properties = schemas.filter_map(|schema| schema["properties"].as_object()).flatten();
    let known = properties.map(|(name, schema)| (name.clone(), value(schema)));
    tried.into_iter().chain(known).collect()
}

fn value(schema: &Value) -> Value {
    // The last word of an enumeration is the one that is not the default.
    if let Some(word) = schema["enum"].as_array().and_then(|words| words.last()) {
        return if word == "member" { json!("owner") } else { word.clone() };
    }
    let kind = schema["type"].as_str().or_else(|| schema["type"][0].as_str());
    match kind {
        Some("integer") => json!(NUMBER),
        Some("boolean") => json!(true),
        Some("array") => json!([TEXT]),
        Some("string") => json!(TEXT),
        _ => json!({"id": NUMBER, "username": TEXT}),
    }
}

/// The fields that the body of this operation has.
fn own_fields(operation: &str) -> Vec<&str> {
    let (method, path) = operation.split_once(' ').unwrap();
    let body = &DOCUMENT["paths"][path][method.to_lowercase()]["requestBody"];
    let reference = body["content"]["application/json"]["schema"]["$ref"].as_str();
    let schema = reference.and_then(|name| DOCUMENT.pointer(name.trim_start_matches('#')));
    let properties = schema.and_then(|schema| schema["properties"].as_object());
    properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// An answer without what differs between two servers that did the same.
fn comparable(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.as_i64().is_some_and(|n| n > TIME) => json!("a time"),
        Value::String(text) if is_random(text) => json!("a random text"),
        Value::Array(items) => items.iter().map(comparable).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), comparable(value))).collect()
        }
        other => other.clone(),
    }
}

/// Ids and tokens, as opposed to what is said to people.
fn is_random(text: &str) -> bool {
    text.len() >= 16 && !text.contains(' ') && !text.contains(TEXT)
}

/// Everything that a server holds, without what differs between two that did the same.
fn dump(data: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(data.join("chat.db")).unwrap();
    let mut tables = database
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%'")
        .unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let mut lines = Vec::new();
    for table in tables {
        let mut select = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns: Vec<String> = select.column_names().into_iter().map(str::to_owned).collect();
        let mut found = select.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let cells = columns.iter().enumerate().map(|(index, column)| match row.get_ref_unwrap(index) {
                ValueRef::Integer(number) if number > TIME => format!("{column} a time"),
                ValueRef::Integer(number) => format!("{column} {number}"),
                ValueRef::Text(text) if is_random(str::from_utf8(text).unwrap()) => {
                    format!("{column} a random text")
                }
                ValueRef::Text(text) => format!("{column} {}", str::from_utf8(text).unwrap()),
                ValueRef::Blob(_) => format!("{column} some bytes"),
                ValueRef::Real(number) => format!("{column} {number}"),
                ValueRef::Null => format!("{column} nothing"),
            });
            lines.push(format!("{table}: {}", cells.collect::<Vec<_>>().join(", ")));
        }
    }
    lines.sort_unstable();
    lines
}

/// Calls every operation that may change something, one after the other; the answers. With more: with all
/// fields that it does not have, and with null in those that it need not have.
async fn call_all(world: &World, with_more: bool) -> Vec<(String, u16, Value)> {
    let mut answers = Vec::new();
    for (number, (operation, body, _)) in rows().into_iter().enumerate() {
        if operation.starts_with("GET ") {
            continue;
        }
        let mut body = body.as_object().cloned().unwrap_or_default();
        if with_more {
            let own = own_fields(operation);
            for (name, value) in extras() {
                if own.contains(&name.as_str()) {
                    body.entry(name).or_insert(Value::Null);
                } else {
                    body.insert(name, value);
                }
            }
        }
        for caller in ["member", "owner"] {
            let group = if operation.contains("{id}") {
                Some(world.group(&format!("room-{number}-{caller}")).await)
            } else {
                None
            };
            let (status, answer) = world.call(operation, &body.clone().into(), caller, group).await;
            answers.push((format!("{operation} by {caller}"), status, comparable(&answer)));
        }
    }
    answers
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_37_fields_that_a_request_does_not_have_change_nothing() {
    let (plain, extra) = (World::new().await, World::new().await);
    let extras = extras();
    assert!(
        ["id", "seq", "rev", "role", "sender", "created_at"].iter().all(|name| extras.contains_key(*name))
    );
    let (expected, found) = tokio::join!(call_all(&plain, false), call_all(&extra, true));
    assert!(expected.iter().filter(|(_, status, _)| (200..300).contains(status)).count() > 20);
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(expected, found);
    }
    // The same over the socket.
    for (world, extras) in [(&plain, Map::new()), (&extra, extras)] {
        let mut ws = world.owner.connect().await;
        let mut seq = json!(0);
        for (kind, fields) in [
            ("send", json!({"body": "hello"})),
            ("react", json!({"emoji": "👍", "on": true})),
            ("edit", json!({"body": "hello you"})),
            ("delete", json!({})),
        ] {
            let mut frame = extras.clone();
            // An answer to nothing is no extra field of a message.
            frame.remove("reply_to");
            frame.extend(fields.as_object().unwrap().clone());
            let addressed = json!({"type": kind, "conversation_id": 1, "id": uuid(), "seq": seq});
            frame.extend(addressed.as_object().unwrap().clone());
            ws.send(frame.into()).await;
            let ack = ws.next_of("ack").await;
            assert!(kind == "send" || ack["seq"] == seq, "{kind}: {ack}");
            seq = ack["seq"].clone();
        }
    }
    // What is deleted is purged by and by.
    let (plain_data, extra_data) = (plain.server.data_dir(), extra.server.data_dir());
    let different = || {
        let (plain, extra) = (dump(plain_data), dump(extra_data));
        let not_in = |lines: &[String], line: &&String| !lines.contains(line);
        let missing = plain.iter().filter(|line| not_in(&extra, line)).map(|line| format!("missing {line}"));
        let added = extra.iter().filter(|line| not_in(&plain, line)).map(|line| format!("added {line}"));
        missing.chain(added).collect::<Vec<_>>()
    };
    let same = async {
        while !different().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, same).await;
    assert!(in_time.is_ok(), "{:#?}", different());
    let stored = dump(extra_data);
    assert!(stored.len() > 100 && stored.iter().any(|line| line.contains("room-")), "{stored:?}");
    for line in stored {
        assert!(!line.contains(TEXT) && !line.contains(&NUMBER.to_string()), "{line}");
    }
    plain.server.stop().await;
    extra.server.stop().await;
}
