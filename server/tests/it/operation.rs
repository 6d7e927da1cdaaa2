//! What an operator sees of the running program: its first words, how it is stopped twice, what its log
//! keeps to itself.

use crate::harness::{PATIENCE, TestServer, User, Ws, uuid};
use crate::process::{Process, program};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn address(server: &Process) -> &str {
    server.base.split('/').nth(2).unwrap()
}

#[tokio::test]
async fn its_first_words_say_where_it_is_and_what_to_do_next() {
    let dir = tempfile::tempdir().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let server = Process::start(dir.path());
    let (address, data) = (address(&server).to_owned(), dir.path().display());
    let first = format!(
        "chat-server {version} listens on {address}, data in {data}\n\
         No account exists yet.\n\
         Next: chat-tui --server http://{address}\n"
    );
    assert_eq!(server.greeting, first);
    server.api().register("alice").await;
    assert_eq!(server.stop().await, Some(0));
    let public = ["--behind-proxy", "--public-url", "https://chat.example.org"];
    let server = Process::with(dir.path(), &public);
    let later = format!(
        "chat-server {version} listens on {}, data in {data}\n\
         Next: chat-tui --server https://chat.example.org\n",
        self::address(&server)
    );
    assert_eq!(server.greeting, later);
    assert_eq!(server.stop().await, Some(0));
    // Whoever comes first from the world has to be the operator.
    let dir = tempfile::tempdir().unwrap();
    let server = Process::with(dir.path(), &public);
    let words = "No account exists yet. The first one needs this setup code: ";
    let code = server.greeting.split(words).nth(1).unwrap().lines().next().unwrap();
    assert_eq!((code.len(), code.matches('-').count()), (14, 2), "{code}");
    assert_eq!(server.stop().await, Some(0));
}

#[tokio::test]
async fn browsers_are_told_to_stay_with_https_where_it_is_https() {
    let header = async |settings: &[(&str, &str)], path: &str| {
        let server = TestServer::with(settings).await;
        let url = format!("http://{}{path}", server.address);
        let answer = reqwest::get(url).await.unwrap();
        let found = answer.headers().get("strict-transport-security").cloned();
        server.stop().await;
        found
    };
    for path in ["/", "/healthz", "/api/v1/me", "/nope"] {
        let https = header(&[("CHAT_PUBLIC_URL", "https://chat.example.org")], path).await;
        assert_eq!(https.unwrap(), "max-age=31536000", "{path}");
        assert_eq!(header(&[("CHAT_PUBLIC_URL", "http://chat.example.org")], path).await, None);
        assert_eq!(header(&[], path).await, None);
    }
}

#[tokio::test]
async fn whoever_watches_may_ask_without_the_body() {
    let server = TestServer::start().await;
    let alice = server.user("alice").await;
    for (path, status) in
        [("/healthz", 200), ("/readyz", 200), ("/", 200), ("/api/v1/me", 200), ("/nope", 404)]
    {
        let ask = async |method: &str| {
            let url = format!("http://{}{path}", server.address);
            let request = alice.api.http.request(method.parse().unwrap(), url).bearer_auth(alice.token());
            let answer = request.send().await.unwrap();
            let header = |name: &str| answer.headers().get(name).cloned();
            let told = (answer.status(), header("content-type"), header("content-length"), header("etag"));
            (told, answer.bytes().await.unwrap().len())
        };
        let ((get, body), (head, nothing)) = (ask("GET").await, ask("HEAD").await);
        assert_eq!(head, get, "{path}");
        assert_eq!(get.0, status, "{path}");
        assert!(body > 0 && nothing == 0, "{path}: {body} {nothing}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Process::start(dir.path());
    let alice = server.api().register("alice").await;
    alice.send(1, "kept").await;
    // A request that is under way, as the answer to its head shows, and whose body does not end.
    let mut slow = TcpStream::connect(address(&server)).await.unwrap();
    let head = "POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                Content-Length: 100\r\nExpect: 100-continue\r\n\r\n";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 21];
    tokio::time::timeout(PATIENCE, slow.read_exact(&mut told)).await.unwrap().unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&told));
    server.signal("-TERM");
    let refused = async { while TcpStream::connect(address(&server)).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, refused).await.expect("nobody is let in any more");
    assert_eq!(server.child.try_wait().unwrap(), None, "it waits for the request");
    // Not 0, as when everything was brought to its end.
    assert_eq!(server.stop().await, Some(1));

    let server = Process::start(dir.path());
    let alice = User { api: server.api(), ..alice };
    assert_eq!(alice.history(1).await.last().unwrap()["body"], "kept");
    assert_eq!(server.stop().await, Some(0));
}

/// What must never be logged. None of them is part of another, or of anything else.
const SECRETS: [&str; 8] = [
    "canary-password-1",
    "canary-password-2",
    "canary-password-3",
    "canary-wrong-1",
    "canary-body-1",
    "canary-body-2",
    "canary-malformed",
    "canary-url",
];

/// Everything in which somebody says something secret, done right and done wrong; the tokens that were given.
async fn confide(server: &Process, data: &Path) -> Vec<String> {
    let api = server.api();
    let code = server.greeting.split("setup code: ").nth(1).unwrap().lines().next().unwrap().to_owned();
    let post = async |path: &str, body: Value| api.call("POST", path, None, Some(body)).await;
    let body = json!({"username": "alice", "password": SECRETS[0], "setup_code": code});
    let (status, session) = post("/auth/register", body).await;
    assert_eq!(status, 201);
    let mut tokens = vec![code, session["refresh_token"].as_str().unwrap().to_owned()];
    let alice = User { api: api.clone(), name: "alice".to_owned(), session };
    let login = |password: &str| json!({"username": "alice", "password": password});
    assert_eq!(post("/auth/login", login(SECRETS[3])).await.0, 401);
    assert_eq!(post("/auth/login", login(SECRETS[0])).await.0, 200);
    let change = json!({"current_password": SECRETS[0], "new_password": SECRETS[1]});
    assert_eq!(alice.call("PUT", "/me/password", Some(change)).await.0, 204);
    // By the operator, on the standard input.
    let mut operator = program(data, &["user", "reset-password", "alice", "--password-stdin"]);
    let mut child =
        operator.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", SECRETS[2]).unwrap();
    assert!(child.wait().unwrap().success());

    let (status, session) = post("/auth/login", login(SECRETS[2])).await;
    assert_eq!(status, 200);
    let alice = User { session, ..alice };
    say(&mut alice.connect().await).await;
    alice.ok("POST", "/conversations/1/messages", Some(json!({"id": uuid(), "body": SECRETS[4]}))).await;
    // Not JSON, not of the right type, and in a place where it does not belong.
    for body in [r#"{"password": "canary-malformed"#, r#"{"password": ["canary-malformed"]}"#] {
        let request = api.http.post(format!("{}/auth/login", api.base)).body(body);
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), 400);
    }
    let url = format!("{}/ws?access_token=canary-url", api.base);
    api.http.get(url).send().await.unwrap();
    api.http.get(format!("{}/me", api.base)).bearer_auth("canary-url").send().await.unwrap();

    // As a browser: the tokens in a cookie and in the name of a sub-protocol.
    let mut body = login(SECRETS[2]);
    body["cookie"] = json!(true);
    let answer = api.http.post(format!("{}/auth/login", api.base)).json(&body).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    tokens.push(cookie.split_once('=').unwrap().1.to_owned());
    let refresh = api.http.post(format!("{}/auth/refresh", api.base)).json(&json!({}));
    let origin = api.base.replace("/api/v1", "");
    let answer = refresh.header("cookie", &cookie).header("origin", origin).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let token = answer.json::<Value>().await.unwrap()["access_token"].as_str().unwrap().to_owned();
    let upgrade = api.http.get(format!("{}/ws", api.base)).header("origin", "https://evil.example");
    let upgrade = upgrade.header("connection", "upgrade").header("upgrade", "websocket");
    let upgrade = upgrade.header("sec-websocket-version", "13");
    let upgrade = upgrade.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let upgrade = upgrade.header("sec-websocket-protocol", format!("chat.v1, bearer.{token}"));
    assert_eq!(upgrade.send().await.unwrap().status(), 403);
    tokens.push(token);

    // Refreshed twice, and then with the first again: somebody has a copy.
    let mut newest = alice.session.clone();
    for _ in 0..2 {
        tokens
            .extend(["access_token", "refresh_token"].map(|name| newest[name].as_str().unwrap().to_owned()));
        newest = post("/auth/refresh", json!({"refresh_token": newest["refresh_token"]})).await.1;
    }
    tokens.extend(["access_token", "refresh_token"].map(|name| newest[name].as_str().unwrap().to_owned()));
    let reused = json!({"refresh_token": alice.session["refresh_token"]});
    assert_eq!(post("/auth/refresh", reused).await.0, 401);
    tokens
}

/// The same over the socket.
async fn say(ws: &mut Ws) {
    ws.send(json!({"type": "send", "id": uuid(), "conversation_id": 1, "body": SECRETS[4]})).await;
    let seq = ws.next_of("ack").await["seq"].clone();
    ws.send(json!({"type": "edit", "id": uuid(), "conversation_id": 1, "seq": seq, "body": SECRETS[5]}))
        .await;
    ws.next_of("ack").await;
    ws.send(json!({"type": "canary-malformed", "access_token": "canary-malformed"})).await;
    ws.next_of("error").await;
    ws.send(json!({"type": "auth", "id": "1", "access_token": "canary-malformed"})).await;
    ws.next_of("error").await;
    ws.socket.close(None).await.unwrap();
    ws.closed().await;
}

#[tokio::test]
async fn check_75_the_log_keeps_passwords_tokens_and_messages_to_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let log = dir.path().join("log");
    let arguments = ["--listen", "127.0.0.1:0", "--behind-proxy", "--log-format", "json"];
    let mut command = program(&data, &arguments);
    command.env("CHAT_LOG", "trace").stderr(File::create(&log).unwrap());
    let server = Process::spawn(command);
    let tokens = confide(&server, &data).await;
    assert_eq!(server.stop().await, Some(0));

    let log = std::fs::read_to_string(&log).unwrap();
    // It says something, of each kind and at each level.
    for word in ["account made", "was used again", "connection closed", "\"TRACE\"", "\"DEBUG\"", "\"INFO\""]
    {
        assert!(log.contains(word), "{word}");
    }
    for line in log.lines().filter(|line| !line.starts_with("chat-server: warning: ")) {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
    for secret in tokens.iter().map(String::as_str).chain(SECRETS) {
        let found: Vec<&str> = log.lines().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{secret} in {found:#?}");
    }
}
