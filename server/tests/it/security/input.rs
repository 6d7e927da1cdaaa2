//! Checks 48 to 57 and 60: what is sent by those who mean harm.

use super::exchange;
use crate::harness::{PASSWORD, TestServer, User, uuid};
use crate::process::{Process, program};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Stdio;

#[tokio::test]
async fn check_48_a_head_has_a_size() {
    let server = TestServer::start().await;
    for path in ["/healthz", "/api/v1/me", "/api/v1/ws", "/"] {
        let with = async |headers: &str| {
            let head = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n");
            exchange(server.address, head.as_bytes()).await
        };
        for headers in ["X-A: b\r\n".repeat(63), format!("X-Long: {}\r\n", "a".repeat(16 << 10))] {
            let answer = with(&headers).await;
            assert!(answer.starts_with("HTTP/1.1 431 "), "{path}: {answer:.200}");
            assert!(answer.contains(r#""code":"headers_too_large""#), "{path}: {answer}");
        }
        let answer = with(&"X-A: b\r\n".repeat(60)).await;
        assert!(!answer.starts_with("HTTP/1.1 431 "), "{path}: {answer:.200}");
    }
    server.stop().await;
}

/// What a process has used of the processors so far, in the hundredths of a second that Linux counts.
fn processor_time(server: &Process) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.child.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
async fn check_51_json_that_is_a_trap_is_refused_and_costs_next_to_nothing() {
    /// How often each is sent.
    const TIMES: u64 = 20;
    /// In hundredths of a second, for one request.
    const MOST: u64 = 5;
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    let send = |rest: &str| format!(r#"{{"id":"{}","body":{rest}}}"#, uuid());
    let table = [
        ("10,000 deep", send(&"[".repeat(10_000)), 400),
        ("10,000 deep, in a field nobody knows", send(&format!(r#""x","y":{}"#, "[".repeat(10_000))), 400),
        ("objects in objects", send(&r#"{"a":"#.repeat(10_000)), 400),
        ("a field twice", send(r#""x","body":"y""#), 400),
        ("a number that is none", send("1e400"), 400),
        ("a number without end", send(&format!(r#""x","reply_to":{}"#, "9".repeat(60_000))), 400),
        ("half a pair", send(r#""\ud800""#), 400),
        ("the other half", send(r#""\udc00\ud800""#), 400),
        ("NUL", send(r#""a\u0000b""#), 422),
        ("NUL as it is", send("\"a\u{0}b\""), 400),
        ("not UTF-8", String::new(), 400),
        ("an array as long as can be", send(&format!("[{}1]", "1,".repeat(30_000))), 400),
        (
            "fields without end, which nobody knows",
            send(&format!(r#""x"{}"#, r#","z":1"#.repeat(10_000))),
            201,
        ),
        ("escapes", send(&format!(r#""{}""#, r"\u0041".repeat(10_000))), 201),
        ("nothing", String::from(" "), 400),
    ];
    for (what, body, status) in table {
        let body = if what == "not UTF-8" { b"{\"body\":\"\xFF\xFE\"}".to_vec() } else { body.into_bytes() };
        let before = processor_time(&server);
        for _ in 0..TIMES {
            let url = format!("{}/conversations/1/messages", alice.api.base);
            let request = alice.api.http.post(url).bearer_auth(alice.token()).body(body.clone());
            let answer = request.header("content-type", "application/json").send().await.unwrap();
            let found = answer.status().as_u16();
            // The second time it is the same message.
            assert!(found == status || (status == 201 && found == 200), "{what}: {found}");
        }
        let used = processor_time(&server) - before;
        assert!(used <= TIMES * MOST, "{what}: {used} hundredths of a second for {TIMES}");
    }
    // The same over the socket.
    let mut ws = alice.connect().await;
    let before = processor_time(&server);
    for _ in 0..TIMES {
        for text in [format!(r#"{{"type":"send","x":{}"#, "[".repeat(60_000)), "[".repeat(60_000)] {
            ws.send(json!({"type": "ping"})).await;
            ws.next_of("pong").await;
            ws.send_text(text).await;
            assert_eq!(ws.next_of("error").await["code"], "invalid_request");
        }
    }
    let used = processor_time(&server) - before;
    assert!(used <= TIMES * 2 * MOST, "{used} hundredths of a second");
    assert_eq!(server.stop().await, Some(0));
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
async fn check_53_every_list_bounds_its_pages_and_knows_its_own_cursors() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let group = alice.group("lab", "public").await;
    for n in 0..3 {
        alice.group(&format!("lab-{n}"), "public").await;
        server.user(&format!("user{n}")).await;
    }
    alice.send(group, "one").await;
    let conversation = format!("/conversations/{group}");
    let lists = [
        "/users?".to_owned(),
        "/conversations?".to_owned(),
        "/groups?".to_owned(),
        format!("{conversation}/members?"),
        format!("{conversation}/messages?"),
        format!("{conversation}/changes?since=0&"),
    ];
    for list in &lists {
        for (limit, status) in [
            ("-1", 422),
            ("0", 422),
            ("abc", 422),
            ("1e3", 422),
            ("", 422),
            ("1&limit=2", 422),
            ("1000000000", 200),
            ("99999999999999999999", 200),
            ("1", 200),
        ] {
            let path = format!("{list}limit={limit}");
            assert_eq!(alice.call("GET", &path, None).await.0, status, "{path}");
        }
    }
    for list in &lists[..4] {
        // What it gave, what another list gave, and what nobody gave. None of them fails or shows more.
        let all = alice.ok("GET", list, None).await;
        for other in &lists[..4] {
            let page = alice.ok("GET", &format!("{other}limit=1"), None).await;
            let given = page["next_cursor"].as_str().unwrap_or("none").to_owned();
            for cursor in
                [&*given, "-1", "9223372036854775808", "99999999999999999999999", "%00", "%ff", "'", "x"]
            {
                let path = format!("{list}cursor={cursor}");
                let (status, page) = alice.call("GET", &path, None).await;
                assert!([200, 422].contains(&status), "{path}: {status} {page}");
                for name in ["users", "conversations", "groups", "members"] {
                    let rows = page[name].as_array().into_iter().flatten();
                    let known = all[name].as_array().cloned().unwrap_or_default();
                    rows.for_each(|row| assert!(known.contains(row), "{path}: {row}"));
                }
            }
        }
    }
    for number in ["-1", "abc", "9007199254740992", "1.5", ""] {
        for name in ["before", "after", "around"] {
            let path = format!("{conversation}/messages?{name}={number}");
            assert_eq!(alice.call("GET", &path, None).await.0, 422, "{path}");
        }
        let path = format!("{conversation}/changes?since={number}");
        assert_eq!(alice.call("GET", &path, None).await.0, 422, "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn check_54_conversations_are_made_at_a_rate_of_their_own() {
    let server = TestServer::with(&[("CHAT_RATE_LIMITS", "on")]).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let create = async |user: &User, name: String| {
        let request = user.api.http.post(format!("{}/groups", user.api.base)).bearer_auth(user.token());
        request.json(&json!({ "name": name })).send().await.unwrap()
    };
    let mut made = 0;
    let refused = loop {
        let answer = create(&alice, format!("lab-{made}")).await;
        if answer.status() != 201 {
            break answer;
        }
        made += 1;
        assert!(made < 1000, "nobody says stop");
    };
    assert_eq!(refused.status(), 429);
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(alice.call("POST", "/directs", Some(json!({"username": "bob"}))).await.0, 429, "one bucket");
    // It is hers, and of this only.
    alice.send(1, "still writing").await;
    assert_eq!(create(&bob, "other".to_owned()).await.status(), 201);
    server.stop().await;
}

/// Fills a database, whose server is stopped.
fn fill(data: &Path, sql: &str) {
    rusqlite::Connection::open(data.join("chat.db")).unwrap().execute_batch(sql).unwrap();
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_56_whatever_one_can_have_many_of_has_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    // 20 different emoji on a message.
    let seq = alice.send(1, "react").await["seq"].clone();
    for n in 0..21_u32 {
        let emoji: String = char::from_u32(0x1F600 + n).unwrap().to_string();
        let encoded: String = emoji.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let path = format!("/conversations/1/messages/{seq}/reactions/{encoded}");
        let expected = if n < 20 { 200 } else { 409 };
        assert_eq!(alice.call("PUT", &path, None).await.0, expected, "{n}");
    }
    // 50 sessions: the one that was not used for longest makes room.
    let login = json!({"username": "alice", "password": PASSWORD});
    let mut newest = alice.clone();
    for _ in 0..50 {
        let (status, session) = server.api().call("POST", "/auth/login", None, Some(login.clone())).await;
        assert_eq!(status, 200);
        newest.session = session;
    }
    assert_eq!(newest.ok("GET", "/me/sessions", None).await["sessions"].as_array().unwrap().len(), 50);
    assert_eq!(alice.call("GET", "/me", None).await.0, 401, "the first one");
    let alice = newest;
    let carol = server.api().register("carol").await;
    let dave = server.api().register("dave").await;
    let full = carol.group("full", "public").await;
    assert_eq!(server.stop().await, Some(0));

    // 2,000 conversations of a user (she is in one), and 20,000 members of a group.
    fill(
        dir.path(),
        &format!(
            "BEGIN;
             WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 1999)
             INSERT INTO conversations (id, kind, member_count, created_at) SELECT 1000 + n, 'group', 1, 0 FROM n;
             INSERT INTO groups (conversation_id, name, topic, visibility)
             SELECT id, 'many-' || id, '', 'public' FROM conversations WHERE id > 1000;
             INSERT INTO members (conversation_id, user_id, role, joined_at, read_seq)
             SELECT id, 1, 'owner', 0, 0 FROM conversations WHERE id > 1000;
             WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 19999)
             INSERT INTO users (id, username, display_name, created_at) SELECT 1000 + n, 'many-' || n, '', 0 FROM n;
             INSERT INTO members (conversation_id, user_id, role, joined_at, read_seq)
             SELECT {full}, id, 'member', 0, 0 FROM users WHERE id > 1000;
             UPDATE conversations SET member_count = 20000 WHERE id = {full};
             COMMIT;"
        ),
    );
    let server = Process::start(dir.path());
    let [alice, carol, dave] = [alice, carol, dave].map(|user| User { api: server.api(), ..user });
    let empty = carol.group("empty", "public").await;
    for (user, method, path, body) in [
        (&alice, "POST", "/groups".to_owned(), json!({"name": "one-more"})),
        (&alice, "POST", "/directs".to_owned(), json!({"username": "carol"})),
        (&alice, "POST", format!("/groups/{empty}/join"), Value::Null),
        (&carol, "PUT", format!("/groups/{empty}/members/alice"), json!({})),
        (&dave, "POST", format!("/groups/{full}/join"), Value::Null),
        (&carol, "PUT", format!("/groups/{full}/members/dave"), json!({})),
    ] {
        let (status, answer) = user.call(method, &path, (!body.is_null()).then_some(body)).await;
        assert_eq!((status, &answer["code"]), (409, &json!("conflict")), "{method} {path}: {answer}");
    }
    // Whoever leaves one may enter another.
    alice.ok("DELETE", "/groups/1001", None).await;
    alice.ok("POST", &format!("/groups/{empty}/join"), None).await;
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn check_57_no_second_request_is_smuggled_in_with_the_first() {
    let server = TestServer::start().await;
    let hidden = "GET /api/v1/hidden HTTP/1.1\r\nHost: x\r\n\r\n";
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let table = [
        (
            "both lengths",
            format!("{head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        (
            "both, the other way",
            format!("{head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        ("two lengths", format!("{head}Content-Length: 2\r\nContent-Length: 60\r\n\r\n{{}}{hidden}")),
        ("two lengths in one", format!("{head}Content-Length: 2, 60\r\n\r\n{{}}{hidden}")),
        ("a signed length", format!("{head}Content-Length: +2\r\n\r\n{{}}{hidden}")),
        ("no coding that is known", format!("{head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{hidden}")),
        (
            "chunked and then something",
            format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        ),
        ("a folded line", format!("{head}X-A: b\r\n Content-Length: 2\r\n\r\n{{}}{hidden}")),
        ("a space before the colon", format!("{head}Content-Length : 2\r\n\r\n{{}}{hidden}")),
        ("a chunk without a size", format!("{head}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{hidden}")),
        (
            "a chunk with too large a size",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{hidden}"),
        ),
        ("bare CR", format!("{head}Content-Length: 2\rX: y\r\n\r\n{{}}{hidden}")),
        ("another protocol", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_owned()),
    ];
    for (what, bytes) in table {
        let answer = exchange(server.address, bytes.as_bytes()).await;
        // One answer at the most, and the connection is of no more use.
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{what}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer}");
        assert!(!answer.contains("HTTP/1.1 404"), "{what}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_60_clock_place_and_language_order_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let start = |zone: &str, locale: &str| {
        let mut command = program(dir.path(), &["--listen", "127.0.0.1:0"]);
        command.env("TZ", zone).env("LC_ALL", locale).env("LANG", locale).stderr(Stdio::null());
        Process::spawn(command)
    };
    let server = start("Pacific/Kiritimati", "tr_TR.UTF-8");
    // In Turkish the small letter of I has no dot.
    let alice = server.api().register("ALICE.INSIDE").await;
    assert_eq!(alice.session["user"]["username"], "alice.inside");
    let first = alice.send(1, "first").await;
    assert_eq!(server.stop().await, Some(0));
    // As if it had been written by a clock that was ten years ahead, and was set back.
    let ahead = 10 * 365 * 24 * 3_600_000_i64;
    fill(dir.path(), &format!("UPDATE messages SET sent_at = sent_at + {ahead}"));
    let server = start("America/Los_Angeles", "C");
    let alice = User { api: server.api(), ..alice };
    let mut ws = alice.connect().await;
    let second = alice.send(1, "second").await;
    assert!(second["sent_at"].as_i64() < Some(first["sent_at"].as_i64().unwrap() + ahead));
    assert!(second["sent_at"].as_i64() >= first["sent_at"].as_i64(), "whatever the zone");
    assert_eq!(ws.next_of("message").await["message"]["body"], "second");
    let bodies = |rows: &Value| {
        let rows = rows.as_array().unwrap().iter();
        rows.filter(|row| row["kind"] == "text").map(|row| row["body"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(bodies(&json!(alice.history(1).await)), ["first", "second"]);
    let changes = alice.ok("GET", "/conversations/1/changes?since=0", None).await;
    assert_eq!(bodies(&changes["messages"]), ["first", "second"]);
    let listed = alice.ok("GET", "/conversations", None).await;
    assert_eq!(listed["conversations"][0]["last_message"]["body"], "second");
    assert_eq!(server.stop().await, Some(0));
}
