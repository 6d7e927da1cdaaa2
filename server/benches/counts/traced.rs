//! The system calls of the real program: a group of ten, all connected, and one message at a time.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

const MEMBERS: usize = 10;
pub(crate) const FEW: u32 = 100;
pub(crate) const MANY: u32 = 600;

/// The calls that are counted, and what they are to us. Waiting and waking is left out: it depends on the moment.
const KINDS: [(&str, &[&str]); 4] = [
    ("socket reads", &["recvfrom", "readv", "recvmsg"]),
    ("socket writes", &["sendto", "writev", "sendmsg"]),
    ("disk writes", &["pwrite64"]),
    ("disk flushes", &["fdatasync", "fsync"]),
];

/// What the program called while so many messages were sent, by kind.
pub(crate) fn calls(messages: u32) -> BTreeMap<&'static str, f64> {
    let dir = tempfile::tempdir().unwrap();
    let summary = dir.path().join("calls");
    let mut child = Command::new("strace")
        .args(["--follow-forks", "--summary-only", "--output"])
        .arg(&summary)
        .arg(env!("CARGO_BIN_EXE_chat-server"))
        .args(["--listen", "127.0.0.1:0", "--log", "error", "--default-groups", "", "--data-dir"])
        .arg(dir.path().join("data"))
        .envs([("CHAT_PBKDF2_ITERATIONS", "1"), ("CHAT_RATE_LIMITS", "off")])
        .stdout(Stdio::piped())
        // It warns of these two settings.
        .stderr(Stdio::null())
        .spawn()
        .expect("strace");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("listens on ").nth(1).unwrap().split(',').next().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(talk(address, messages));
    stop(&mut child);
    counted(&summary)
}

/// Asks the program, not the one who watches it, to stop.
fn stop(strace: &mut Child) {
    let id = strace.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    let program = children.split_whitespace().next().unwrap();
    assert!(Command::new("kill").arg(program).status().unwrap().success());
    strace.wait().unwrap();
}

/// Reads the summary: share, seconds, microseconds a call, calls, errors (or nothing), name.
fn counted(summary: &Path) -> BTreeMap<&'static str, f64> {
    let text = std::fs::read_to_string(summary).unwrap();
    let calls: BTreeMap<&str, f64> = text
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            Some((*fields.last()?, fields.get(3)?.parse().ok()?))
        })
        .collect();
    let sum = |names: &[&str]| names.iter().filter_map(|name| calls.get(name)).sum();
    KINDS.iter().map(|(kind, names)| (*kind, sum(names))).collect()
}

async fn talk(address: &str, messages: u32) {
    let http = reqwest::Client::new();
    let call = async |path: &str, token: Option<&str>, body: Value| -> Value {
        let mut request = http.post(format!("http://{address}/api/v1{path}")).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    };
    let mut tokens = Vec::new();
    for n in 0..MEMBERS {
        let body = json!({"username": format!("user{n}"), "password": "a password for benchmarks"});
        let session = call("/auth/register", None, body).await;
        tokens.push(session["access_token"].as_str().unwrap().to_owned());
    }
    let group = call("/groups", Some(&tokens[0]), json!({"name": "all"})).await["id"].as_i64().unwrap();
    for token in &tokens[1..] {
        call(&format!("/groups/{group}/join"), Some(token), json!({})).await;
    }
    let mut sockets = Vec::new();
    for token in &tokens {
        let mut request = format!("ws://{address}/api/v1/ws").into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        sockets.push(tokio_tungstenite::connect_async(request).await.unwrap().0);
    }
    for _ in 0..messages {
        let id = uuid::Uuid::now_v7();
        let text =
            format!(r#"{{"type":"send","id":"{id}","conversation_id":{group},"body":"{:x>196}"}}"#, "");
        sockets[0].send(Message::text(text)).await.unwrap();
        until(&mut sockets[0], "ack").await;
        for socket in &mut sockets[1..] {
            until(socket, "message").await;
        }
    }
}

/// Reads until a frame of this type is there.
async fn until(socket: &mut Socket, kind: &str) {
    let begin = format!(r#"{{"type":"{kind}""#);
    loop {
        let frame = socket.next().await.unwrap().unwrap();
        if frame.to_text().is_ok_and(|text| text.starts_with(&begin)) {
            return;
        }
    }
}
