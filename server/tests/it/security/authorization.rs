//! Checks 36 and 40 to 43: who may do what. That what one may not read does not exist: `matrix`, `http`, `wire` and
//! `privacy`.

use super::operate;
use crate::harness::{PASSWORD, TestServer, User, uuid};
use chat_server::admin::Command;
use chat_server::http::RESOURCES;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test]
async fn check_36_nobody_changes_what_somebody_else_wrote() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let group = alice.group("lab", "private").await;
    let [member, moderator, owner, outsider] = futures_util::future::join_all(
        ["member", "moderator", "owner", "outsider"].map(|name| server.user(name)),
    )
    .await
    .try_into()
    .ok()
    .unwrap();
    for user in [&member, &moderator, &owner] {
        let role = json!({ "role": user.name });
        alice.ok("PUT", &format!("/groups/{group}/members/{}", user.name), Some(role)).await;
    }
    for (user, edit, delete) in [
        (&outsider, "not_found", "not_found"),
        (&member, "forbidden", "forbidden"),
        (&moderator, "forbidden", ""),
        (&owner, "forbidden", ""),
    ] {
        let mut ws = user.connect().await;
        for by_socket in [false, true] {
            let seq = alice.send(group, "as I wrote it").await["seq"].clone();
            let path = format!("/conversations/{group}/messages/{seq}");
            for (kind, method, expected) in [("edit", "PATCH", edit), ("delete", "DELETE", delete)] {
                let mut body = json!({"id": uuid(), "body": "as I never wrote it"});
                let answer = if by_socket {
                    for (name, value) in
                        [("type", json!(kind)), ("conversation_id", json!(group)), ("seq", seq.clone())]
                    {
                        body[name] = value;
                    }
                    ws.send(body).await;
                    ws.next_of(if expected.is_empty() { "ack" } else { "error" }).await
                } else {
                    user.call(method, &path, Some(body)).await.1
                };
                assert_eq!(
                    answer["code"].as_str().unwrap_or(""),
                    expected,
                    "{kind} by {}: {answer}",
                    user.name
                );
            }
            let after = alice.ok("GET", &path, None).await;
            let left = if delete.is_empty() { "" } else { "as I wrote it" };
            assert_eq!((&after["body"], &after["edited_at"]), (&json!(left), &Value::Null), "{}", user.name);
        }
    }
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_40_an_invite_that_has_expired_or_was_taken_back_lets_nobody_in() {
    let server = TestServer::with(&[("CHAT_REGISTRATION", "invite")]).await;
    let invite = async || {
        let invite = Command::InviteCreate { uses: 5, days: 1, note: String::new() };
        operate(&server, invite).await["code"].clone()
    };
    let register = async |name: &str, code: &Value| {
        let body = json!({"username": name, "password": PASSWORD, "invite": code});
        let (status, answer) = server.api().call("POST", "/auth/register", None, Some(body)).await;
        (status, answer["detail"].clone())
    };
    let (good, old, taken) = (invite().await, invite().await, invite().await);
    assert_eq!(register("alice", &good).await.0, 201);
    let database = rusqlite::Connection::open(server.data_dir().join("chat.db")).unwrap();
    // As time does it.
    database.execute("UPDATE invites SET expires_at = 1 WHERE id = 2", []).unwrap();
    operate(&server, Command::InviteRevoke { id: 3 }).await;
    let never = json!("abcd-efgh-jkmn");
    let refused = register("bob", &never).await;
    assert_eq!(refused.0, 403);
    for code in [&old, &taken] {
        assert_eq!(register("bob", code).await, refused, "which of the reasons it is, is not told");
    }
    assert_eq!(register("bob", &Value::Null).await.0, 403);
    assert_eq!(register("bob", &good).await.0, 201);
    server.stop().await;
}

#[tokio::test]
async fn check_41_no_group_is_left_without_an_owner() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for round in 0..5 {
        let group = alice.group(&format!("lab-{round}"), "private").await;
        let path = |name: &str| format!("/groups/{group}/members/{name}");
        let role = |role: &str| Some(json!({ "role": role }));
        let leave = format!("/groups/{group}/leave");
        for (method, path, body) in [
            ("POST", leave.clone(), None),
            ("PUT", path("alice"), role("member")),
            ("PUT", path("alice"), role("moderator")),
            ("DELETE", path("alice"), None),
        ] {
            let (status, answer) = alice.call(method, &path, body).await;
            assert_eq!((status, &answer["code"]), (409, &json!("conflict")), "{method} {path}");
        }
        alice.ok("PUT", &path("bob"), role("owner")).await;
        // Both at once, each believing that the other stays.
        let (one, other) = if round % 2 == 0 {
            tokio::join!(alice.call("POST", &leave, None), bob.call("POST", &leave, None))
        } else {
            let (alices, bobs) = (path("alice"), path("bob"));
            tokio::join!(alice.call("PUT", &alices, role("member")), bob.call("PUT", &bobs, role("member")))
        };
        let refused = [one.0, other.0].iter().filter(|status| **status == 409).count();
        assert_eq!(refused, 1, "{one:?} {other:?}");
    }
    let groups = operate(&server, Command::GroupList).await;
    for group in groups["groups"].as_array().unwrap() {
        assert_eq!(group["owners"].as_array().unwrap().len(), 1, "{group}");
    }
    server.stop().await;
}

#[tokio::test]
async fn check_42_the_operator_has_a_socket_of_their_own_and_reads_nothing_in_secret() {
    let server = TestServer::start().await;
    // The first account is the one that a server's owner makes.
    let (first, bob) = (server.user("first").await, server.user("bob").await);
    let group = bob.group("secret", "private").await;
    bob.send(group, "not for the operator").await;
    assert_eq!(first.call("GET", &format!("/conversations/{group}/messages"), None).await.0, 404);
    assert!(RESOURCES.iter().all(|resource| !resource.path.contains("admin")));
    for path in ["/admin", "/admin/users", "/users/bob/disable", "/groups/1/owners", "/backup"] {
        assert_eq!(first.call("POST", path, Some(json!({}))).await.0, 404, "{path}");
    }
    let socket = server.data_dir().join("admin.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // Whoever the operator lets in, and where, is told to those who are there.
    let spy =
        Command::GroupPutMember { group: "secret".to_owned(), username: "first".to_owned(), role: None };
    operate(&server, spy).await;
    assert_eq!(bob.history(group).await.last().unwrap()["event"], json!({"kind": "added", "user": "first"}));
    server.stop().await;
}

#[tokio::test]
async fn check_43_a_deleted_account_leaves_its_messages_and_nothing_else() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let text = json!({"id": uuid(), "body": "said once"});
    let path = "/conversations/1/messages";
    let sent = bob.ok("POST", path, Some(text.clone())).await;
    let mut ws = bob.connect().await;
    operate(&server, Command::UserDelete { username: "bob".to_owned() }).await;
    assert_eq!(ws.closed().await, Some(4503));
    assert_eq!(bob.call("POST", path, Some(text.clone())).await.0, 401, "not even what is known already");
    let refresh = json!({"refresh_token": bob.session["refresh_token"]});
    assert_eq!(bob.api.call("POST", "/auth/refresh", None, Some(refresh)).await.0, 401);
    let credentials = json!({"username": "bob", "password": PASSWORD});
    assert_eq!(bob.api.call("POST", "/auth/login", None, Some(credentials.clone())).await.0, 401);
    assert_eq!(bob.api.call("POST", "/auth/register", None, Some(credentials)).await.0, 409);
    let history = alice.history(1).await;
    let left = history.iter().find(|message| message["seq"] == sent["seq"]).unwrap();
    assert_eq!((&left["body"], &left["sender"]["username"]), (&json!("said once"), &json!("bob")));
    for path in ["/users", "/conversations/1/members"] {
        assert!(!alice.ok("GET", path, None).await.to_string().contains("bob"), "{path}");
    }
    assert_eq!(alice.call("GET", "/users/bob", None).await.0, 404);
    // The same id of somebody else is a message of theirs.
    let other: User = server.user("carol").await;
    let (status, again) = other.call("POST", path, Some(text)).await;
    assert_eq!((status, &again["sender"]["username"]), (201, &json!("carol")));
    server.stop().await;
}
