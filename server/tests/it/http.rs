//! What HTTP promises.

use crate::harness::{PASSWORD, TestServer, User, eventually, uuid};
use serde_json::{Value, json};

#[tokio::test]
async fn check_50_every_malformed_request_gets_its_documented_error() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let group = alice.group("lab", "public").await;
    let messages = format!("/conversations/{group}/messages");
    let table: Vec<(&str, String, Option<Value>, u16, &str)> = vec![
        ("GET", "/nope".into(), None, 404, "not_found"),
        ("PUT", "/me".into(), None, 405, "method_not_allowed"),
        ("GET", "/conversations/0".into(), None, 404, "not_found"),
        ("GET", "/conversations/x".into(), None, 404, "not_found"),
        ("GET", "/conversations/99999".into(), None, 404, "not_found"),
        ("GET", format!("{messages}?limit=0"), None, 422, "unprocessable"),
        ("GET", format!("{messages}?limit=abc"), None, 422, "unprocessable"),
        ("GET", format!("{messages}?limit=1000000000"), None, 200, ""),
        ("GET", format!("{messages}?before=-1"), None, 422, "unprocessable"),
        ("GET", format!("{messages}?before=1&after=1"), None, 422, "unprocessable"),
        ("GET", format!("/conversations/{group}/changes"), None, 422, "unprocessable"),
        ("GET", "/users?q=%25_'%22*%20NEAR(".into(), None, 200, ""),
        ("GET", "/conversations?cursor=x".into(), None, 422, "unprocessable"),
        ("GET", "/users/%ff".into(), None, 404, "not_found"),
        ("POST", messages.clone(), Some(json!({"id": "x", "body": "hi"})), 422, "unprocessable"),
        ("POST", messages.clone(), Some(json!({"id": uuid(), "body": " "})), 422, "unprocessable"),
        ("POST", messages.clone(), Some(json!({"id": uuid(), "body": "a\u{0}"})), 422, "unprocessable"),
        (
            "POST",
            messages.clone(),
            Some(json!({"id": uuid(), "body": "x".repeat(16_385)})),
            422,
            "unprocessable",
        ),
        ("POST", messages.clone(), Some(json!({"id": uuid(), "body": "x".repeat(70_000)})), 413, "too_large"),
        ("POST", messages.clone(), Some(json!({"id": uuid(), "body": 7})), 400, "invalid_request"),
        (
            "POST",
            messages.clone(),
            Some(json!({"id": uuid(), "body": "x", "reply_to": 999})),
            422,
            "unprocessable",
        ),
        ("POST", messages.clone(), Some(json!([])), 400, "invalid_request"),
        ("POST", "/groups".into(), Some(json!(["by-place"])), 400, "invalid_request"),
        ("PATCH", "/me".into(), Some(json!(["A Name", null])), 400, "invalid_request"),
        ("PATCH", format!("{messages}/1"), Some(json!({"id": uuid(), "body": "x"})), 409, "conflict"),
        ("DELETE", format!("{messages}/1"), None, 409, "conflict"),
        ("PUT", format!("{messages}/1/reactions/x"), None, 422, "unprocessable"),
        ("POST", "/groups".into(), Some(json!({"name": "lab"})), 409, "group_name_taken"),
        ("POST", "/groups".into(), Some(json!({"name": "a b"})), 422, "unprocessable"),
        ("POST", "/groups".into(), Some(json!({"name": "x1", "visibility": "secret"})), 422, "unprocessable"),
        ("POST", "/directs".into(), Some(json!({"username": "nobody"})), 404, "not_found"),
        ("POST", format!("/groups/{group}/leave"), None, 409, "conflict"),
        ("DELETE", "/me/sessions/nope".into(), None, 404, "not_found"),
    ];
    for (method, path, body, status, code) in table {
        let (found, answer) = alice.call(method, &path, body).await;
        assert_eq!(found, status, "{method} {path}: {answer}");
        if !code.is_empty() {
            assert_eq!(answer["code"], code, "{method} {path}");
            assert_eq!(answer["status"], status);
        }
    }
    for (content_type, body, status) in [
        ("text/plain", "{}", 415),
        ("application/json", "{", 400),
        ("application/json", &"[".repeat(10_000), 400),
        ("application/json", r#"{"name":"a1","name":"a2"}"#, 400),
        ("application/json", r#"{"name":"\ud800"}"#, 400),
    ] {
        let request = alice.api.http.post(format!("{}/groups", alice.api.base)).bearer_auth(alice.token());
        let answer = request.header("content-type", content_type).body(body.to_owned()).send().await.unwrap();
        assert_eq!(answer.status(), status, "{content_type}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    server.stop().await;
}

#[tokio::test]
async fn without_a_valid_token_there_is_nothing() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    for token in [None, Some(""), Some("null"), Some("x.y.z"), alice.session["refresh_token"].as_str()] {
        let (status, answer) = alice.api.call("GET", "/me", token, None).await;
        assert_eq!((status, answer["code"].as_str()), (401, Some("unauthorized")), "{token:?}");
    }
    let answer = alice.api.http.get(format!("{}/me", alice.api.base)).send().await.unwrap();
    assert!(answer.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    server.stop().await;
}

#[tokio::test]
async fn check_31_a_private_group_does_not_exist_for_others() {
    let server = TestServer::start().await;
    let (alice, eve) = (server.user("alice").await, server.user("eve").await);
    let group = alice.group("secret", "private").await;
    alice.send(group, "for us").await;
    let base = format!("/conversations/{group}");
    let send = json!({"id": uuid(), "body": "x"});
    let calls: Vec<(&str, String, Option<Value>)> = vec![
        ("GET", base.clone(), None),
        ("GET", format!("{base}/messages"), None),
        ("GET", format!("{base}/messages/2"), None),
        ("GET", format!("{base}/messages/2/edits"), None),
        ("GET", format!("{base}/messages/2/thread"), None),
        ("GET", format!("{base}/changes?since=0"), None),
        ("GET", format!("{base}/members"), None),
        ("POST", format!("{base}/messages"), Some(send.clone())),
        ("PATCH", format!("{base}/messages/2"), Some(send.clone())),
        ("DELETE", format!("{base}/messages/2"), None),
        ("PUT", format!("{base}/messages/2/reactions/%F0%9F%91%8D"), None),
        ("PUT", format!("{base}/read"), Some(json!({"seq": 1}))),
        ("PUT", format!("{base}/settings"), Some(json!({}))),
        ("PATCH", format!("/groups/{group}"), Some(json!({"topic": "x"}))),
        ("DELETE", format!("/groups/{group}"), None),
        ("POST", format!("/groups/{group}/join"), None),
        ("POST", format!("/groups/{group}/leave"), None),
        ("PUT", format!("/groups/{group}/members/eve"), None),
        ("PUT", format!("/groups/{group}/members/nobody"), None),
        ("DELETE", format!("/groups/{group}/members/alice"), None),
    ];
    let id = group.to_string();
    for (method, path, body) in calls {
        let here = eve.call(method, &path, body.clone()).await;
        let nowhere = eve.call(method, &path.replacen(&id, "987654", 1), body).await;
        assert_eq!(here, nowhere, "{method} {path}");
        assert_eq!(here.0, 404, "{method} {path}");
    }
    let listed = eve.ok("GET", "/groups", None).await;
    assert!(!listed.to_string().contains("secret"));
    assert_eq!(alice.history(group).await.len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn check_11_refreshing_survives_a_lost_answer_and_ends_at_a_reuse() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let refresh = async |token: &str| {
        alice.api.call("POST", "/auth/refresh", None, Some(json!({"refresh_token": token}))).await
    };
    let first = alice.session["refresh_token"].as_str().unwrap().to_owned();
    let (status, second) = refresh(&first).await;
    assert_eq!(status, 200);
    // The answer was lost: the same question has the same answer, also fifty times at once.
    let again = futures_util::future::join_all((0..50).map(|_| refresh(&first))).await;
    assert!(
        again
            .iter()
            .all(|(status, answer)| *status == 200 && answer["refresh_token"] == second["refresh_token"])
    );
    let (status, third) = refresh(second["refresh_token"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    let mut ws = User { session: third.clone(), ..alice.clone() }.connect().await;
    assert_eq!(refresh(&first).await.0, 401);
    assert_eq!(ws.closed().await, Some(4500));
    assert_eq!(refresh(third["refresh_token"].as_str().unwrap()).await.0, 401);
    assert_eq!(alice.call("GET", "/me", None).await.0, 401);
    server.stop().await;
}

#[tokio::test]
async fn a_change_of_password_ends_the_other_sessions() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let body = json!({"username": "alice", "password": PASSWORD, "device_name": "phone"});
    let (_, session) = alice.api.call("POST", "/auth/login", None, Some(body)).await;
    let phone = User { session, ..alice.clone() };
    let mut ws = phone.connect().await;
    let list = alice.ok("GET", "/me/sessions", None).await;
    assert_eq!(list["sessions"].as_array().unwrap().len(), 2);
    let change = |current: &str| json!({"current_password": current, "new_password": "another password"});
    assert_eq!(alice.call("PUT", "/me/password", Some(change("wrong wrong wrong"))).await.0, 403);
    assert_eq!(alice.call("PUT", "/me/password", Some(change(PASSWORD))).await.0, 204);
    assert_eq!(ws.closed().await, Some(4500));
    assert_eq!(phone.call("GET", "/me", None).await.0, 401);
    assert_eq!(alice.call("GET", "/me", None).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn check_63_browsers_keep_the_refresh_token_in_a_cookie() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let base = format!("http://{}", server.address);
    let http = &alice.api.http;
    let body = json!({"username": "alice", "password": PASSWORD, "cookie": true});
    let answer = http.post(format!("{base}/api/v1/auth/login")).json(&body).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/api/v1/auth"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(answer.json::<Value>().await.unwrap().get("refresh_token").is_none());
    let pair = cookie.split(';').next().unwrap().to_owned();
    let refresh = async |origin: Option<&str>, body: &'static str, content_type: &str| {
        let mut request = http.post(format!("{base}/api/v1/auth/refresh")).header("cookie", &pair);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.header("content-type", content_type).body(body).send().await.unwrap().status().as_u16()
    };
    assert_eq!(refresh(None, "{}", "application/json").await, 403);
    assert_eq!(refresh(Some("http://evil.example"), "{}", "application/json").await, 403);
    assert_eq!(refresh(Some(&base), "{}", "text/plain").await, 415);
    assert_eq!(refresh(Some(&base), "{}", "application/json").await, 200);
    server.stop().await;
}

#[tokio::test]
async fn unread_and_mentions_are_counted() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.group("lab", "public").await;
    bob.ok("POST", &format!("/groups/{group}/join"), None).await;
    let counts = async || {
        let c = bob.ok("GET", &format!("/conversations/{group}"), None).await;
        (c["unread"].as_i64().unwrap(), c["mentions"].as_i64().unwrap())
    };
    assert_eq!(counts().await, (0, 0));
    let first = alice.send(group, "one").await;
    alice.send(group, "two, @bob").await;
    let third = alice.send(group, "three for bob@example.org").await;
    bob.send(group, "mine does not count").await;
    assert_eq!(counts().await, (3, 1));
    let seq = third["seq"].as_i64().unwrap();
    alice.ok("DELETE", &format!("/conversations/{group}/messages/{seq}"), None).await;
    assert_eq!(counts().await, (2, 1));
    let read =
        bob.ok("PUT", &format!("/conversations/{group}/read"), Some(json!({"seq": first["seq"]}))).await;
    assert_eq!((read["unread"].as_i64(), read["mentions"].as_i64()), (Some(1), Some(1)));
    let back = bob.ok("PUT", &format!("/conversations/{group}/read"), Some(json!({"seq": 0}))).await;
    assert_eq!(back, read);
    server.stop().await;
}

#[tokio::test]
async fn a_known_send_id_is_answered_before_every_other_check() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.group("lab", "public").await;
    bob.ok("POST", &format!("/groups/{group}/join"), None).await;
    let path = format!("/conversations/{group}/messages");
    let body = json!({"id": uuid(), "body": "once"});
    let (status, first) = bob.call("POST", &path, Some(body.clone())).await;
    assert_eq!(status, 201);
    assert_eq!(bob.call("POST", &path, Some(body.clone())).await, (200, first.clone()));
    alice.ok("DELETE", &format!("/groups/{group}/members/bob"), None).await;
    let (status, again) = bob.call("POST", &path, Some(body.clone())).await;
    assert_eq!((status, &again["seq"]), (200, &first["seq"]));
    assert_eq!(bob.call("POST", &path, Some(json!({"id": uuid(), "body": "new"}))).await.0, 404);
    // Also when the group is gone and purged.
    alice.ok("DELETE", &format!("/groups/{group}"), None).await;
    eventually("the known id is still known", async || {
        let (status, again) = bob.call("POST", &path, Some(body.clone())).await;
        status == 200 && again["seq"] == first["seq"]
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn history_goes_in_every_direction() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let group = alice.group("lab", "public").await;
    for n in 0..30 {
        alice.send(group, &n.to_string()).await;
    }
    // Seq 1 is the notice of the group's creation.
    let page = async |query: &str| {
        let page = alice.ok("GET", &format!("/conversations/{group}/messages?{query}"), None).await;
        let seqs: Vec<i64> =
            page["messages"].as_array().unwrap().iter().map(|m| m["seq"].as_i64().unwrap()).collect();
        (seqs, page["has_before"].as_bool().unwrap(), page["has_after"].as_bool().unwrap())
    };
    assert_eq!(page("limit=3").await, (vec![29, 30, 31], true, false));
    assert_eq!(page("limit=3&before=29").await, (vec![26, 27, 28], true, true));
    assert_eq!(page("limit=3&before=3").await, (vec![1, 2], false, true));
    assert_eq!(page("limit=3&after=0").await, (vec![1, 2, 3], false, true));
    assert_eq!(page("limit=3&after=29").await, (vec![30, 31], true, false));
    assert_eq!(page("limit=5&around=10").await, (vec![8, 9, 10, 11, 12], true, true));
    assert_eq!(page("limit=5&around=1").await, (vec![1, 2, 3, 4, 5], false, true));
    assert_eq!(page("limit=5&around=31").await, (vec![27, 28, 29, 30, 31], true, false));
    assert_eq!(page("limit=5&after=1000").await, (vec![], true, false));
    server.stop().await;
}

#[tokio::test]
async fn check_18_the_first_account_of_a_public_server_needs_the_setup_code_once() {
    let server = TestServer::with(&[("CHAT_BEHIND_PROXY", "true")]).await;
    let code = server.greeting.split("setup code: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let api = server.api();
    let register = async |name: &str, code: Option<&str>| {
        let mut body = json!({"username": name, "password": PASSWORD});
        if let Some(code) = code {
            body["setup_code"] = json!(code);
        }
        api.call("POST", "/auth/register", None, Some(body)).await.0
    };
    assert_eq!(register("alice", None).await, 403);
    assert_eq!(register("alice", Some("wrong")).await, 403);
    // As it is read from a screen and typed on a telephone.
    let typed = format!(" {} ", code.to_uppercase());
    assert_eq!(register("alice", Some(&typed)).await, 201);
    assert_eq!(register("bob", Some(&code)).await, 403);
    assert_eq!(register("bob", None).await, 201);
    server.stop().await;
}

#[tokio::test]
async fn check_05_guessing_passwords_is_slowed_down_without_locking_the_owner_out() {
    let server = TestServer::with(&[("CHAT_RATE_LIMITS", "on")]).await;
    server.user("alice").await;
    let bob = server.user("bob").await;
    let login = async |name: &str, password: &str| {
        bob.api.call("POST", "/auth/login", None, Some(json!({"username": name, "password": password}))).await
    };
    assert_eq!(login("bob", PASSWORD).await.0, 200);
    for name in ["alice", "bob"] {
        for _ in 0..10 {
            assert_eq!(login(name, "not the password").await.0, 401);
        }
    }
    let (status, problem) = login("alice", PASSWORD).await;
    assert_eq!((status, problem["code"].as_str()), (429, Some("rate_limited")));
    let http = &bob.api.http;
    let body = json!({"username": "alice", "password": PASSWORD});
    let answer = http.post(format!("{}/auth/login", bob.api.base)).json(&body).send().await.unwrap();
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=600).contains(&wait), "{wait}");
    // This address is known to belong to bob.
    assert_eq!(login("bob", PASSWORD).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn check_54_sending_too_fast_is_refused_but_a_known_id_is_answered() {
    let server = TestServer::with(&[("CHAT_RATE_LIMITS", "on")]).await;
    let alice = server.user("alice").await;
    let mut ws = alice.connect().await;
    let frame = |id: &str| json!({"type": "send", "id": id, "conversation_id": 1, "body": "x"});
    let first = uuid();
    ws.send(frame(&first)).await;
    let ack = ws.next_of("ack").await;
    for _ in 0..100 {
        ws.send(frame(&uuid())).await;
    }
    let refused = ws.next_of("error").await;
    assert_eq!(refused["code"], "rate_limited");
    assert!(refused["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0));
    ws.send(frame(&first)).await;
    loop {
        let again = ws.next_of("ack").await;
        if again["id"] == ack["id"] {
            break assert_eq!(again, ack);
        }
    }
    server.stop().await;
}
