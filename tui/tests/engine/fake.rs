//! A server that does what a test tells it, right or wrong.

use chat_shared::api::Session;
use chat_tui::client::{Client, Update};
use chat_tui::home::Home;
use chat_tui::net::http::Account;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Upgrade, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

pub(crate) type Ws = WebSocketStream<TcpStream>;

/// What the fake server does: with an HTTP request's head, and with a WebSocket.
pub(crate) struct Script<F> {
    pub(crate) http: fn(&str) -> String,
    pub(crate) ws: F,
}

pub(crate) fn answer(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn not_found(_: &str) -> String {
    answer(
        "404 Not Found",
        &json!({"type": "", "title": "", "status": 404, "detail": "no", "code": "not_found"}),
    )
}

/// Accepts whoever comes; returns a client on its way there.
pub(crate) async fn against<F, R>(
    script: Script<F>,
    good_for: u64,
) -> (Client, tokio::sync::mpsc::Receiver<Update>, TempDir)
where
    F: Fn(Ws) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let script = Arc::new(script);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let script = script.clone();
            tokio::spawn(async move { serve(stream, &script).await });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    let session: Session = serde_json::from_value(json!({
        "access_token": "a", "token_type": "Bearer", "expires_in": good_for, "refresh_token": "r",
        "refresh_expires_in": 100, "session_id": "s", "user": user()
    }))
    .unwrap();
    Account::store(&home, &url, &session, false).unwrap();
    let (client, updates) = Client::start(&home, Account::open(&home, None).unwrap()).unwrap();
    (client, updates, dir)
}

async fn serve<F, R>(mut stream: TcpStream, script: &Script<F>)
where
    F: Fn(Ws) -> R,
    R: Future<Output = ()>,
{
    let mut head = [0; 4096];
    let n = stream.peek(&mut head).await.unwrap();
    let text = String::from_utf8_lossy(&head[..n]).into_owned();
    let first = text.lines().next().unwrap_or_default();
    if first.contains("/api/v1/ws") && !(script.http)(first).contains("302") {
        #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
        let choose = |_: &Upgrade, mut response: Response| {
            response.headers_mut().insert("sec-websocket-protocol", "chat.v1".parse().unwrap());
            Ok(response)
        };
        let config = WebSocketConfig::default().max_write_buffer_size(usize::MAX);
        let ws = accept_hdr_async_with_config(stream, choose, Some(config)).await.unwrap();
        (script.ws)(ws).await;
    } else {
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all((script.http)(first).as_bytes()).await;
    }
}

fn user() -> Value {
    json!({"id": 1, "username": "alice", "display_name": "Alice", "created_at": 0})
}

pub(crate) fn room(id: i64, head: i64) -> Value {
    json!({
        "id": id, "kind": "group", "name": format!("room-{id}"), "topic": "", "visibility": "public",
        "role": "member", "member_count": 2, "head_rev": head, "last_seq": head, "read_seq": 0, "unread": 0,
        "mentions": 0, "level": "all", "marked_unread": false
    })
}

pub(crate) fn ready(rooms: Vec<Value>) -> Message {
    let limits = serde_json::to_value(chat_shared::limits::Limits::default()).unwrap();
    Message::text(
        json!({
            "type": "ready", "connection_id": "c", "epoch": "e", "heartbeat_ms": 30000, "user": user(),
            "server": {"name": "evil", "version": "0", "limits": limits}, "conversations": rooms,
            "online": ["alice"]
        })
        .to_string(),
    )
}

pub(crate) fn message(rev: i64, body: &str) -> Message {
    let message = json!({
        "conversation_id": 1, "seq": rev, "rev": rev, "kind": "text", "body": body, "sent_at": 0,
        "sender": {"id": 2, "username": "bob", "display_name": "Bob"}
    });
    let frame = json!({"type": "message", "conversation_id": 1, "rev": rev, "message": message});
    Message::text(frame.to_string())
}

/// Keeps the connection until the client ends it.
pub(crate) async fn listen(mut ws: Ws) {
    while let Some(Ok(_)) = ws.next().await {}
}
