//! Checks 35, 39, 44 and 45: what is told to whom. The calls that answer 404 to whoever is not a member are all in
//! `matrix`; here is what could tell of a conversation elsewhere.

use crate::harness::{TestServer, User, Ws, uuid};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Everything that this user can list, with what a new connection is told first.
async fn listed(user: &User) -> Vec<Value> {
    let mut all = vec![user.connect().await.ready];
    for path in ["/conversations", "/groups", "/users", "/me", "/me/sessions"] {
        all.push(user.ok("GET", path, None).await);
    }
    all
}

/// The ids of all conversations that something names.
fn conversations(value: &Value) -> BTreeSet<i64> {
    match value {
        Value::Array(items) => items.iter().flat_map(conversations).collect(),
        Value::Object(fields) => {
            let is_conversation = fields.contains_key("head_rev") || fields.contains_key("member_count");
            let own = fields.get("conversation_id").or(fields.get("id").filter(|_| is_conversation));
            let own = own.and_then(Value::as_i64);
            fields.values().flat_map(conversations).chain(own).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Goes on until the connection has heard of this; what came before it, without presence.
async fn heard(ws: &mut Ws) -> Vec<Value> {
    ws.send(json!({"type": "ping", "id": "so far"})).await;
    let mut frames = Vec::new();
    loop {
        let frame = ws.next().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "pong" => return frames,
            "presence" => {}
            _ => frames.push(frame),
        }
    }
}

#[tokio::test]
async fn check_35_whoever_has_left_finds_nothing_of_it_any_more() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for going in ["left", "removed"] {
        let group = alice.group(&format!("lab-{going}"), "private").await;
        let member = format!("/groups/{group}/members/bob");
        alice.ok("PUT", &member, None).await;
        let asked = bob.send(group, "where is the canary?").await["seq"].as_i64().unwrap();
        assert!(listed(&bob).await.iter().any(|value| conversations(value).contains(&group)));
        match going {
            "left" => _ = bob.ok("POST", &format!("/groups/{group}/leave"), None).await,
            _ => _ = alice.ok("DELETE", &member, None).await,
        }
        let answer = json!({"id": uuid(), "body": "@bob the canary is here", "reply_to": asked});
        alice.ok("POST", &format!("/conversations/{group}/messages"), Some(answer)).await;
        for value in listed(&bob).await {
            assert!(!conversations(&value).contains(&group), "{going}: {value}");
            assert!(!value.to_string().contains("canary"), "{going}: {value}");
        }
        // Also what was one's own, and what answers it.
        for path in ["", "/edits", "/thread"] {
            let path = format!("/conversations/{group}/messages/{asked}{path}");
            assert_eq!(bob.call("GET", &path, None).await.0, 404, "{going}: {path}");
        }
        let changes = format!("/conversations/{group}/changes?since=0");
        assert_eq!(bob.call("GET", &changes, None).await.0, 404, "{going}");
    }
    server.stop().await;
}

#[tokio::test]
async fn check_39_who_writes_is_told_only_to_whom_presence_is() {
    let server = TestServer::with(&[("CHAT_DEFAULT_GROUPS", "")]).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let direct = alice.ok("POST", "/directs", Some(json!({"username": "bob"}))).await;
    let direct = direct["id"].as_i64().unwrap();
    alice.send(direct, "are you there?").await;
    let (mut a, mut b) = (alice.connect().await, bob.connect().await);
    // Whoever was only written to is not found out by beginning an answer.
    let typing = json!({"type": "typing", "conversation_id": direct});
    b.send(typing.clone()).await;
    b.send(json!({"type": "send", "id": uuid(), "conversation_id": direct, "body": "yes"})).await;
    loop {
        let frame = a.next().await.unwrap();
        assert_ne!(frame["type"], "typing", "{frame}");
        if frame["message"]["body"] == "yes" {
            break;
        }
    }
    // From then on both see it.
    a.send(typing).await;
    assert_eq!(b.next_of("typing").await["username"], "alice");
    server.stop().await;
}

#[tokio::test]
async fn check_39_strangers_are_told_neither_presence_nor_anything_that_is_not_public() {
    let server = TestServer::with(&[("CHAT_DEFAULT_GROUPS", "")]).await;
    let (alice, eve) = (server.user("alice").await, server.user("eve").await);
    let group = alice.group("lab", "public").await;
    let as_eve_sees = async || {
        let one = eve.ok("GET", "/users/alice", None).await;
        let list = eve.ok("GET", "/users?q=alice", None).await;
        assert_eq!(list["users"], json!([one]));
        one.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let public = ["created_at", "display_name", "id", "status_text", "username"];
    let mut ws = alice.connect().await;
    assert_eq!(as_eve_sees().await, public);
    let mut stranger = eve.connect().await;
    assert_eq!(stranger.ready["online"], json!(["eve"]));
    ws.send(json!({"type": "typing", "conversation_id": group})).await;
    heard(&mut ws).await;
    assert_eq!(heard(&mut stranger).await, [] as [Value; 0]);
    // Once they share a group they see each other, and afterwards no longer.
    eve.ok("POST", &format!("/groups/{group}/join"), None).await;
    assert!(as_eve_sees().await.contains(&"online".to_owned()));
    eve.ok("POST", &format!("/groups/{group}/leave"), None).await;
    assert_eq!(as_eve_sees().await, public);
    server.stop().await;
}

#[tokio::test]
async fn check_44_no_count_and_no_list_tells_of_what_one_cannot_read() {
    let server = TestServer::start().await;
    let (alice, bob, eve) = (server.user("alice").await, server.user("bob").await, server.user("eve").await);
    let mut ws = eve.connect().await;
    let before = listed(&eve).await;
    let group = alice.group("secret", "private").await;
    alice.ok("PUT", &format!("/groups/{group}/members/bob"), None).await;
    let direct = alice.ok("POST", "/directs", Some(json!({"username": "bob"}))).await["id"].as_i64().unwrap();
    // Opened with eve, but nothing written: she does not see it yet.
    alice.ok("POST", "/directs", Some(json!({"username": "eve"}))).await;
    for conversation in [group, direct] {
        let seq = alice.send(conversation, "@eve @here what a secret").await["seq"].clone();
        let path = format!("/conversations/{conversation}");
        bob.ok("PUT", &format!("{path}/messages/{seq}/reactions/%F0%9F%91%8D"), None).await;
        bob.ok("PUT", &format!("{path}/read"), Some(json!({"seq": seq}))).await;
        bob.ok("PUT", &format!("{path}/settings"), Some(json!({"level": "nothing"}))).await;
    }
    alice.ok("PATCH", &format!("/groups/{group}"), Some(json!({"topic": "secret plans"}))).await;
    assert_eq!(heard(&mut ws).await, [] as [Value; 0]);
    let without = |mut value: Value| {
        // The connection's number, and when a session was seen last, are of one's own.
        value.as_object_mut().unwrap().remove("connection_id");
        value.as_object_mut().unwrap().remove("sessions");
        value
    };
    let after = listed(&eve).await.into_iter().map(without).collect::<Vec<_>>();
    assert_eq!(after, before.into_iter().map(without).collect::<Vec<_>>());
    assert_eq!(after.iter().flat_map(conversations).collect::<BTreeSet<_>>(), BTreeSet::from([1]));
    server.stop().await;
}

/// All pages of a list, each of one row; and how many pages there were.
async fn paged(user: &User, path: &str, name: &str) -> (Vec<Value>, usize) {
    let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = user.ok("GET", &format!("{path}limit=1{cursor}"), None).await;
        rows.extend(page[name].as_array().unwrap().iter().cloned());
        pages += 1;
        assert!(pages < 100, "it never ends: {page}");
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (rows, pages),
        }
    }
}

#[tokio::test]
async fn check_45_what_is_left_out_of_a_page_does_not_end_the_paging() {
    let server = TestServer::start().await;
    let (alice, eve) = (server.user("alice").await, server.user("eve").await);
    let mut public = vec!["general".to_owned()];
    for n in 0..5 {
        // Between two that are seen there are several that are not.
        public.push(format!("lab-{n}"));
        alice.group(&format!("lab-{n}"), "public").await;
        for m in 0..3 {
            alice.group(&format!("lab-{n}-{m}"), "private").await;
        }
        let quiet = server.user(&format!("quiet-{n}")).await;
        quiet.ok("POST", "/directs", Some(json!({"username": "eve"}))).await;
        eve.group(&format!("mine-{n}"), "private").await;
    }
    let (groups, _) = paged(&eve, "/groups?", "groups").await;
    let names = |rows: &[Value]| rows.iter().map(|row| row["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&groups), public);
    let (own, _) = paged(&eve, "/conversations?", "conversations").await;
    assert_eq!(names(&own), ["general", "mine-0", "mine-1", "mine-2", "mine-3", "mine-4"]);
    let (users, _) = paged(&eve, "/users?q=quiet&", "users").await;
    assert_eq!(users.len(), 5);
    // A page of nothing but what was deleted, in the midst of a history.
    let group = alice.group("deleted", "public").await;
    for n in 0..30 {
        let seq = alice.send(group, &n.to_string()).await["seq"].clone();
        if (5..25).contains(&n) {
            alice.ok("DELETE", &format!("/conversations/{group}/messages/{seq}"), None).await;
        }
    }
    let mut seen = BTreeSet::new();
    let mut after = 0;
    loop {
        let path = format!("/conversations/{group}/messages?after={after}&limit=4");
        let page = alice.ok("GET", &path, None).await;
        for message in page["messages"].as_array().unwrap() {
            after = message["seq"].as_i64().unwrap();
            seen.insert(message["body"].as_str().unwrap().to_owned());
        }
        if page["has_after"] == false {
            break;
        }
    }
    let texts: BTreeSet<String> = (0..5).chain(25..30).map(|n| n.to_string()).collect();
    assert!(seen.is_superset(&texts), "{seen:?}");
    server.stop().await;
}
