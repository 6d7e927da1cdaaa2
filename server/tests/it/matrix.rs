//! Who may call what: every operation of the OpenAPI document for every kind of caller, in a group that
//! is private, and for those outside also in a public group and in a direct. An operation without a row fails here.
//! The same for what is said over the WebSocket: `frames`.

mod frames;

use crate::harness::{PASSWORD, TestServer, User, uuid};
use crate::openapi::DOCUMENT;
use chat_server::admin;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Who calls. Whoever is not in the group knows nothing of it, however they came not to be.
const CALLERS: [&str; 9] =
    ["anonymous", "forger", "disabled", "ended", "outsider", "former", "member", "moderator", "owner"];
const OUTSIDE: [&str; 2] = ["outsider", "former"];

/// What the callers get.
pub(crate) enum Gets {
    /// All the same.
    All(u16),
    /// Those without a valid token 401, the others this.
    LoggedIn(u16),
    /// In the group: member, moderator, owner. Those outside 404, the answer for what is not there.
    Inside(u16, u16, u16),
}
use Gets::{All, Inside, LoggedIn};

impl Gets {
    fn status(&self, caller: &str) -> u16 {
        match (self, caller) {
            (All(status), _) => *status,
            (_, "anonymous" | "forger" | "disabled" | "ended") => 401,
            (LoggedIn(status), _) => *status,
            (Inside(status, ..), "member")
            | (Inside(_, status, _), "moderator")
            | (Inside(.., status), "owner") => *status,
            (Inside(..), _) => 404,
        }
    }
}

/// Every operation, with what its body has (the message's text is the member's, and so is the one who
/// changes it to be).
pub(crate) fn rows() -> Vec<(&'static str, Value, Gets)> {
    let none = Value::Null;
    let text = json!({"id": uuid(), "body": "hello"});
    vec![
        ("GET /", none.clone(), All(200)),
        ("GET /page/{file}", none.clone(), All(200)),
        ("GET /healthz", none.clone(), All(200)),
        ("GET /readyz", none.clone(), All(200)),
        // Not asked who it is before it asks for an upgrade.
        ("GET /api/v1/ws", none.clone(), All(426)),
        ("POST /api/v1/auth/register", json!({"username": "", "password": PASSWORD}), All(201)),
        ("POST /api/v1/auth/login", json!({"username": "owner", "password": PASSWORD}), All(200)),
        ("POST /api/v1/auth/refresh", json!({"refresh_token": "nonsense"}), All(401)),
        ("POST /api/v1/auth/logout", none.clone(), LoggedIn(204)),
        ("GET /api/v1/me", none.clone(), LoggedIn(200)),
        ("PATCH /api/v1/me", json!({"status_text": "here"}), LoggedIn(200)),
        (
            "PUT /api/v1/me/password",
            json!({"current_password": "not the password", "new_password": "another password"}),
            LoggedIn(403),
        ),
        ("GET /api/v1/me/sessions", none.clone(), LoggedIn(200)),
        // Somebody else's.
        ("DELETE /api/v1/me/sessions/{session}", none.clone(), LoggedIn(404)),
        ("GET /api/v1/users", none.clone(), LoggedIn(200)),
        ("GET /api/v1/users/{username}", none.clone(), LoggedIn(200)),
        ("GET /api/v1/conversations", none.clone(), LoggedIn(200)),
        ("GET /api/v1/conversations/{id}", none.clone(), Inside(200, 200, 200)),
        ("PUT /api/v1/conversations/{id}/settings", json!({"level": "mentions"}), Inside(200, 200, 200)),
        ("PUT /api/v1/conversations/{id}/read", json!({"seq": 1}), Inside(200, 200, 200)),
        ("GET /api/v1/conversations/{id}/members", none.clone(), Inside(200, 200, 200)),
        ("GET /api/v1/conversations/{id}/messages", none.clone(), Inside(200, 200, 200)),
        ("POST /api/v1/conversations/{id}/messages", text.clone(), Inside(201, 201, 201)),
        ("GET /api/v1/conversations/{id}/messages/{seq}", none.clone(), Inside(200, 200, 200)),
        ("PATCH /api/v1/conversations/{id}/messages/{seq}", text.clone(), Inside(200, 403, 403)),
        ("DELETE /api/v1/conversations/{id}/messages/{seq}", none.clone(), Inside(200, 200, 200)),
        ("GET /api/v1/conversations/{id}/messages/{seq}/edits", none.clone(), Inside(200, 200, 200)),
        ("GET /api/v1/conversations/{id}/messages/{seq}/thread", none.clone(), Inside(200, 200, 200)),
        (
            "PUT /api/v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
            none.clone(),
            Inside(200, 200, 200),
        ),
        (
            "DELETE /api/v1/conversations/{id}/messages/{seq}/reactions/{emoji}",
            none.clone(),
            Inside(200, 200, 200),
        ),
        ("GET /api/v1/conversations/{id}/changes", none.clone(), Inside(200, 200, 200)),
        ("POST /api/v1/directs", json!({"username": "guest"}), LoggedIn(201)),
        ("GET /api/v1/groups", none.clone(), LoggedIn(200)),
        ("POST /api/v1/groups", json!({"name": ""}), LoggedIn(201)),
        ("PATCH /api/v1/groups/{id}", json!({"topic": "news"}), Inside(403, 200, 200)),
        ("DELETE /api/v1/groups/{id}", none.clone(), Inside(403, 403, 204)),
        ("POST /api/v1/groups/{id}/join", none.clone(), Inside(200, 200, 200)),
        // The last owner has to make somebody else one first.
        ("POST /api/v1/groups/{id}/leave", none.clone(), Inside(204, 204, 409)),
        ("PUT /api/v1/groups/{id}/members/{username}", none.clone(), Inside(403, 201, 201)),
        ("DELETE /api/v1/groups/{id}/members/{username}", none.clone(), Inside(403, 204, 204)),
    ]
}

pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) owner: User,
    member: User,
    disabled: User,
    guest_session: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let server = TestServer::start().await;
        let owner = server.user("owner").await;
        for name in ["moderator", "extra", "outsider", "former"] {
            server.user(name).await;
        }
        let (member, disabled, guest) =
            (server.user("member").await, server.user("disabled").await, server.user("guest").await);
        let disable = admin::Command::UserDisable { username: "disabled".to_owned(), disabled: true };
        admin::call(&server.data_dir().join("admin.sock"), &disable).await.unwrap().unwrap().unwrap();
        let guest_session = guest.session["session_id"].as_str().unwrap().to_owned();
        Self { server, owner, member, disabled, guest_session }
    }

    /// The token with which somebody calls, of a login of its own.
    async fn token(&self, caller: &str) -> Option<String> {
        match caller {
            "anonymous" => None,
            "forger" => Some("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned()),
            "disabled" => Some(self.disabled.token().to_owned()),
            // Whoever was in the group, and has logged out.
            "ended" => {
                let token = self.log_in("member").await;
                self.server.api().call("POST", "/auth/logout", Some(&token), None).await;
                Some(token)
            }
            name => Some(self.log_in(name).await),
        }
    }

    async fn log_in(&self, name: &str) -> String {
        let body = json!({"username": name, "password": PASSWORD});
        let (_, session) = self.server.api().call("POST", "/auth/login", None, Some(body)).await;
        session["access_token"].as_str().unwrap().to_owned()
    }

    /// A private group with everybody in their place, and the seq of a text of the member's.
    pub(crate) async fn group(&self, name: &str) -> (i64, i64) {
        self.group_that_is(name, "private").await
    }

    async fn group_that_is(&self, name: &str, visibility: &str) -> (i64, i64) {
        let group = self.owner.group(name, visibility).await;
        for (name, role) in
            [("moderator", "moderator"), ("member", "member"), ("extra", "member"), ("former", "member")]
        {
            let path = format!("/groups/{group}/members/{name}");
            self.owner.ok("PUT", &path, Some(json!({ "role": role }))).await;
        }
        self.owner.ok("DELETE", &format!("/groups/{group}/members/former"), None).await;
        let seq = self.member.send(group, "hello").await["seq"].as_i64().unwrap();
        (group, seq)
    }

    /// The direct of owner and member, and the seq of a text in it.
    async fn direct(&self) -> (i64, i64) {
        let direct = self.owner.ok("POST", "/directs", Some(json!({"username": "member"}))).await;
        let direct = direct["id"].as_i64().unwrap();
        (direct, self.owner.send(direct, "hello").await["seq"].as_i64().unwrap())
    }

    /// One cell: the status and the body. Without a group: the same call about one that is not there.
    pub(crate) async fn call(
        &self,
        operation: &str,
        body: &Value,
        caller: &str,
        group: Option<(i64, i64)>,
    ) -> (u16, Value) {
        let (method, path) = operation.split_once(' ').unwrap();
        let (id, seq) = group.unwrap_or((9_876_543, 1));
        // Whoever is added was not there, whoever is removed was.
        let username = if method == "PUT" { "guest" } else { "extra" };
        let mut path = path
            .replace("{id}", &id.to_string())
            .replace("{seq}", &seq.to_string())
            .replace("{file}", "app.js")
            .replace("{emoji}", "%F0%9F%91%8D")
            .replace("{username}", username)
            .replace("{session}", &self.guest_session);
        if path.ends_with("/changes") {
            path.push_str("?since=0");
        }
        let mut body = body.clone();
        for name in ["username", "name"] {
            if body.get(name) == Some(&json!("")) {
                body[name] = json!(format!("new-{caller}"));
            }
        }
        if body["id"].is_string() {
            body["id"] = json!(uuid());
        }
        let api = self.server.api();
        let mut request =
            api.http.request(method.parse().unwrap(), format!("http://{}{path}", self.server.address));
        if let Some(token) = self.token(caller).await {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{operation}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{operation}");
        // The page's own files hold nothing of anybody.
        if path != "/" && !path.starts_with("/page/") {
            assert_eq!(headers["cache-control"], "no-store", "{operation}");
        }
        if status == 401 {
            assert!(headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"), "{operation}");
        }
        let text = answer.text().await.unwrap();
        if let Some(path) = path.strip_prefix("/api/v1") {
            let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
            crate::openapi::conforms(method, path, status, &body);
            return (status, body);
        }
        (status, Value::Null)
    }
}

#[tokio::test]
async fn check_31_every_operation_answers_every_caller_as_it_should() {
    let rows = rows();
    let documented: BTreeSet<String> =
        operations().into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    let written: BTreeSet<String> = rows.iter().map(|(operation, ..)| (*operation).to_owned()).collect();
    assert_eq!(written, documented, "each operation has a row");
    let world = World::new().await;
    for (number, (operation, body, gets)) in rows.iter().enumerate() {
        let cells = CALLERS.map(|caller| {
            let world = &world;
            async move {
                let group = if operation.contains("{id}") {
                    Some(world.group(&format!("room-{number}-{caller}")).await)
                } else {
                    None
                };
                let (status, answer) = world.call(operation, body, caller, group).await;
                assert_eq!(status, gets.status(caller), "{operation} by {caller}: {answer}");
                if group.is_none() || !OUTSIDE.contains(&caller) {
                    return;
                }
                let nowhere = world.call(operation, body, caller, None).await;
                assert_eq!((status, answer), nowhere, "{operation} by {caller}");
                let direct = world.call(operation, body, caller, Some(world.direct().await)).await;
                assert_eq!(direct, nowhere, "{operation} by {caller} in a direct");
                // A public group has one door, which stands open.
                if *operation != "POST /api/v1/groups/{id}/join" {
                    let public = world.group_that_is(&format!("open-{number}-{caller}"), "public").await;
                    let public = world.call(operation, body, caller, Some(public)).await;
                    assert_eq!(public, nowhere, "{operation} by {caller} in a public group");
                }
            }
        });
        join_all(cells).await;
    }
    world.server.stop().await;
}

fn operations() -> Vec<(String, String)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let each = |(path, methods): (&String, &Value)| {
        let methods: Vec<String> = methods.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(each).collect()
}

#[tokio::test]
async fn check_49_a_method_that_a_path_does_not_have_is_told_with_those_that_it_has() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let paths: BTreeSet<String> = operations().into_iter().map(|(_, path)| path).collect();
    for path in paths {
        let mut has: BTreeSet<String> =
            operations().into_iter().filter(|(_, other)| *other == path).map(|(method, _)| method).collect();
        if has.contains("GET") {
            has.insert("HEAD".to_owned());
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            if has.contains(method) {
                continue;
            }
            let url = format!("http://{}{}", server.address, path.replace(['{', '}'], ""));
            for token in [None, Some(alice.token())] {
                let mut request = alice.api.http.request(method.parse().unwrap(), &url);
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), 405, "{method} {path}");
                let allow = answer.headers()["allow"].to_str().unwrap();
                let allow: BTreeSet<String> = allow.split(", ").map(str::to_owned).collect();
                assert_eq!(allow, has, "{method} {path}");
                assert_eq!(answer.headers()["content-type"], "application/problem+json");
            }
        }
    }
    server.stop().await;
}
