//! Checks 7 to 17: access tokens, refresh tokens, and what ends them.

use super::{operate, upgrade};
use crate::harness::{Api, PASSWORD, TestServer, User, uuid};
use crate::process::{Process, run, stderr};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::admin::Command;
use chat_server::auth::keys::Keys;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Somebody who can sign whatever they like, with the server's own key.
struct Forger {
    key: EncodingKey,
    header: Value,
    claims: Value,
}

impl Forger {
    /// Begins with what is in this good token.
    fn of(server: &TestServer, token: &str) -> Self {
        let keys = Keys::load(&server.data_dir().join("secret")).unwrap();
        let part = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        let [header, claims, _] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
        let key = EncodingKey::from_secret(&keys.signing().derive("access token"));
        Self { key, header: part(header), claims: part(claims) }
    }

    fn sign(&self, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    /// With this header field instead.
    fn with_header(&self, name: &str, value: Value, algorithm: Algorithm) -> String {
        let mut header = self.header.clone();
        header[name] = value;
        self.sign(algorithm, &header, &self.claims)
    }

    /// With this claim instead; with none: without it.
    fn with_claim(&self, name: &str, value: Option<Value>) -> String {
        let mut claims = self.claims.clone();
        match value {
            Some(value) => claims[name] = value,
            None => _ = claims.as_object_mut().unwrap().remove(name),
        }
        self.sign(Algorithm::HS256, &self.header, &claims)
    }
}

/// Is the token refused at every door, as one that is not good?
async fn assert_refused(user: &User, what: &str, token: &str) {
    let bearer = format!("Bearer {token}");
    let request = user.api.http.get(format!("{}/me", user.api.base)).header("authorization", &bearer);
    for answer in [request.send().await.unwrap(), upgrade(user, &[("authorization", &bearer)]).await] {
        assert_eq!(answer.status(), 401, "{what}");
        assert_eq!(answer.headers()["www-authenticate"], r#"Bearer error="invalid_token""#, "{what}");
    }
    let mut ws = user.connect().await;
    ws.send(json!({"type": "auth", "id": what, "access_token": token})).await;
    let error = ws.next_of("error").await;
    assert_eq!((&error["id"], &error["code"]), (&json!(what), &json!("unauthorized")));
}

#[tokio::test]
async fn check_07_what_is_not_signed_as_it_should_be_is_refused() {
    let server = TestServer::with(&[("CHAT_MAX_CONNECTIONS_PER_USER", "100")]).await;
    let alice = server.user("alice").await;
    let forger = Forger::of(&server, alice.token());
    // Whatever is refused below is refused for what was changed.
    let good = forger.sign(Algorithm::HS256, &forger.header, &forger.claims);
    assert_eq!(alice.api.call("GET", "/me", Some(&good), None).await.0, 200);
    let (message, signature) = good.rsplit_once('.').unwrap();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[7] ^= 0x10;
    let none = forger.with_header("alg", json!("none"), Algorithm::HS256);
    let table = [
        ("alg none", none.clone()),
        ("alg none, unsigned", format!("{}.", none.rsplit_once('.').unwrap().0)),
        ("HS512", forger.with_header("alg", json!("HS512"), Algorithm::HS512)),
        ("RS256 with a MAC", forger.with_header("alg", json!("RS256"), Algorithm::HS256)),
        ("a flipped bit", format!("{message}.{}", URL_SAFE_NO_PAD.encode(flipped))),
        ("truncated", good[..good.len() - 5].to_owned()),
        ("unsigned", format!("{message}.")),
        ("10 KB", format!("{message}.{}", "A".repeat(10_000))),
        ("null", "null".to_owned()),
        ("dots", "..".to_owned()),
        ("an unknown key", forger.with_header("kid", json!("other"), Algorithm::HS256)),
        ("another type", forger.with_header("typ", json!("JWT"), Algorithm::HS256)),
    ];
    for (what, token) in table {
        assert_refused(&alice, what, &token).await;
    }
    let empty = alice.api.http.get(format!("{}/me", alice.api.base)).header("authorization", "Bearer ");
    assert_eq!(empty.send().await.unwrap().status(), 401);
    server.stop().await;
}

#[tokio::test]
async fn check_08_a_token_that_has_expired_is_refused_within_the_second() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    assert!((1..=900).contains(&alice.session["expires_in"].as_u64().unwrap()));
    let output = run(server.data_dir(), &["config", "check", "--access-ttl", "901"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let forger = Forger::of(&server, alice.token());
    let issued = forger.claims["iat"].as_i64().unwrap();
    assert_eq!(forger.claims["exp"], issued + 900);
    assert_refused(&alice, "expired", &forger.with_claim("exp", Some(json!(issued - 1)))).await;
    server.stop().await;
}

#[tokio::test]
async fn check_08_a_refused_token_is_told_from_none() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let challenge = async |path: &str, token: Option<&str>| {
        let mut request = alice.api.http.get(format!("{}{path}", alice.api.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in super::UPGRADE {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path} {token:?}");
        answer.headers()["www-authenticate"].to_str().unwrap().to_owned()
    };
    alice.ok("POST", "/auth/logout", None).await;
    for path in ["/me", "/ws"] {
        assert_eq!(challenge(path, None).await, "Bearer", "{path}");
        for token in ["nonsense", alice.token(), alice.session["refresh_token"].as_str().unwrap()] {
            assert_eq!(challenge(path, Some(token)).await, r#"Bearer error="invalid_token""#, "{path}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn check_09_a_token_says_everything_or_is_refused() {
    let server = TestServer::with(&[("CHAT_MAX_CONNECTIONS_PER_USER", "100")]).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let forger = Forger::of(&server, alice.token());
    for claim in ["exp", "sub", "iss", "aud", "sid", "iat"] {
        assert_refused(&alice, &format!("no {claim}"), &forger.with_claim(claim, None)).await;
    }
    let (issued, expires) = (forger.claims["iat"].as_i64().unwrap(), forger.claims["exp"].to_string());
    for (claim, value) in [
        ("exp", json!(expires)),
        ("exp", json!("9999999999")),
        ("exp", json!(null)),
        ("nbf", json!(issued + 600)),
        ("iss", json!("another server")),
        ("aud", json!("another")),
        ("sub", json!("x")),
        // Somebody else's session.
        ("sub", bob.session["user"]["id"].as_i64().unwrap().to_string().into()),
        ("sid", bob.session["session_id"].clone()),
        ("sid", json!("AAAAAAAAAAAAAAAAAAAAAA")),
    ] {
        let what = format!("{claim} {value}");
        let token = forger.with_claim(claim, Some(value));
        assert_refused(&alice, &what, &token).await;
    }
    server.stop().await;
}

fn refresh_token(user: &User) -> &str {
    user.session["refresh_token"].as_str().unwrap()
}

async fn refresh(api: &Api, token: &str) -> (u16, Value) {
    api.call("POST", "/auth/refresh", None, Some(json!({"refresh_token": token}))).await
}

#[tokio::test]
async fn check_10_no_token_passes_for_one_of_another_kind() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    assert_refused(&alice, "a refresh token", refresh_token(&alice)).await;
    assert_eq!(refresh(&alice.api, alice.token()).await.0, 401);
    assert_eq!(refresh(&alice.api, refresh_token(&alice)).await.0, 200, "nothing happened to it");
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_14_no_token_and_no_password_lies_in_the_data() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let (_, next) = refresh(&alice.api, refresh_token(&alice)).await;
    let secrets = [refresh_token(&alice), next["refresh_token"].as_str().unwrap(), alice.token(), PASSWORD];
    // Of a refresh token the part that is secret: 256 bits.
    let secrets = secrets.map(|secret| secret.split('.').max_by_key(|part| part.len()).unwrap());
    assert_eq!(URL_SAFE_NO_PAD.decode(secrets[0]).unwrap().len(), 32);
    alice.send(1, "canary in the data").await;
    operate(&server, Command::Backup { to: server.data_dir().join("copy.backup") }).await;
    let (mut files, mut canaries) = (0, 0);
    for entry in fs::read_dir(server.data_dir()).unwrap() {
        let entry = entry.unwrap();
        if !entry.file_type().unwrap().is_file() {
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        canaries += usize::from(has("canary in the data"));
        for secret in secrets {
            assert!(!has(secret), "{secret} in {:?}", entry.path());
        }
        files += 1;
    }
    assert!(canaries >= 2 && files >= 4, "the database or its log, and the backup, were not looked at");
    server.stop().await;
}

#[tokio::test]
async fn check_15_what_ends_a_session_ends_its_tokens_and_its_sockets() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    let another = async || {
        let body = json!({"username": "alice", "password": PASSWORD});
        let (_, session) = alice.api.call("POST", "/auth/login", None, Some(body)).await;
        User { session, ..alice.clone() }
    };
    let mut here = alice.connect().await;
    let ends: [&str; 3] = ["logged out", "ended from elsewhere", "another password"];
    for end in ends {
        let session = another().await;
        let mut sockets = [session.connect().await, session.connect().await];
        match end {
            "logged out" => _ = session.ok("POST", "/auth/logout", None).await,
            "ended from elsewhere" => {
                let id = session.session["session_id"].as_str().unwrap();
                alice.ok("DELETE", &format!("/me/sessions/{id}"), None).await;
            }
            _ => {
                let body = json!({"current_password": PASSWORD, "new_password": "another password"});
                alice.ok("PUT", "/me/password", Some(body)).await;
            }
        }
        assert_eq!(session.call("GET", "/me", None).await.0, 401, "{end}");
        assert_eq!(refresh(&session.api, refresh_token(&session)).await.0, 401, "{end}");
        assert!(session.try_connect().await.is_err(), "{end}");
        for socket in &mut sockets {
            assert_eq!(socket.closed().await, Some(4500), "{end}");
        }
    }
    // The one that did it goes on.
    here.send(json!({"type": "ping"})).await;
    here.next_of("pong").await;
    server.stop().await;
}

/// Rewrites the file of keys.
fn rewrite(data: &Path, change: impl FnOnce(Vec<String>) -> Vec<String>) {
    let path = data.join("secret");
    let lines = fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
    fs::write(&path, change(lines).join("\n")).unwrap();
}

#[tokio::test]
async fn check_16_a_new_key_signs_and_the_one_before_is_believed_until_it_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let server = Process::start(dir.path());
    let before = server.api().register("alice").await;
    assert_eq!(server.stop().await, Some(0));

    let new = format!("new {}", URL_SAFE_NO_PAD.encode([7; 32]));
    rewrite(dir.path(), |old| [vec![new], old].concat());
    let server = Process::start(dir.path());
    let before = User { api: server.api(), ..before };
    before.ok("GET", "/me", None).await;
    let (status, session) = refresh(&before.api, refresh_token(&before)).await;
    assert_eq!(status, 200);
    let after = User { session, ..before.clone() };
    let header = URL_SAFE_NO_PAD.decode(after.token().split('.').next().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap()["kid"], "new");
    assert_eq!(server.stop().await, Some(0));

    rewrite(dir.path(), |mut lines| lines.drain(..1).collect());
    let server = Process::start(dir.path());
    let [before, after] = [before, after].map(|user| User { api: server.api(), ..user });
    assert_eq!(before.call("GET", "/me", None).await.0, 401);
    after.ok("GET", "/me", None).await;
    assert_eq!(refresh(&after.api, refresh_token(&after)).await.0, 200);
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn check_17_rights_are_those_of_now_also_on_an_open_socket() {
    let server = TestServer::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.group("lab", "private").await;
    let path = format!("/groups/{group}/members/bob");
    let role = async |role: &str| _ = alice.ok("PUT", &path, Some(json!({ "role": role }))).await;
    role("moderator").await;
    let mut ws = bob.connect().await;
    let texts = [alice.send(group, "one").await, alice.send(group, "two").await];
    let delete = |of: usize| json!({"type": "delete", "id": uuid(), "conversation_id": group, "seq": texts[of]["seq"]});
    ws.send(delete(0)).await;
    ws.next_of("ack").await;
    role("member").await;
    // The very next one.
    ws.send(delete(1)).await;
    assert_eq!(ws.next_of("error").await["code"], "forbidden");
    role("moderator").await;
    ws.send(delete(1)).await;
    ws.next_of("ack").await;
    alice.ok("DELETE", &path, None).await;
    ws.send(json!({"type": "send", "id": uuid(), "conversation_id": group, "body": "still here?"})).await;
    assert_eq!(ws.next_of("error").await["code"], "not_found");
    server.stop().await;
}
