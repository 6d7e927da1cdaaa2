//! A server that says what no correct one would: it stands before a real one, and in everything that the
//! client is told it puts a text in the place of `@@7@@`, the text with that number.

use crate::server::TestServer;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// It runs as long as this is kept.
pub(crate) struct Rewriting {
    _runtime: Runtime,
    address: SocketAddr,
}

struct Shared {
    upstream: String,
    texts: Vec<String>,
    http: reqwest::Client,
}

impl Rewriting {
    pub(crate) fn start(server: &TestServer, texts: Vec<String>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { upstream: server.url(), texts, http: reqwest::Client::new() });
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { _runtime: runtime, address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Shared {
    fn rewrite(&self, value: &mut Value) {
        match value {
            Value::String(text) if text.contains("@@") => {
                let parts = text.split("@@").enumerate().map(|(at, part)| {
                    let number = part.parse::<usize>().ok().filter(|_| at % 2 == 1);
                    number.and_then(|number| self.texts.get(number)).map_or(part, String::as_str)
                });
                *text = parts.collect();
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.rewrite(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.rewrite(value)),
            _ => {}
        }
    }

    fn rewritten(&self, text: &str) -> String {
        let Ok(mut value) = serde_json::from_str(text) else { return text.to_owned() };
        self.rewrite(&mut value);
        value.to_string()
    }
}

/// The head of the request, which stays unread.
async fn head(stream: &TcpStream) -> Option<String> {
    let mut buffer = vec![0; 16_384];
    loop {
        stream.readable().await.ok()?;
        let count = stream.peek(&mut buffer).await.ok()?;
        let text = String::from_utf8_lossy(&buffer[..count]).into_owned();
        match text.split_once("\r\n\r\n") {
            Some((head, _)) => return Some(head.to_owned()),
            None if count == 0 => return None,
            None => tokio::task::yield_now().await,
        }
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> Option<()> {
    let head = head(&stream).await?;
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (other, value) = line.split_once(':')?;
            other.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    if header("upgrade").is_some() {
        return relay(stream, shared, header("authorization")?).await;
    }
    plain(stream, shared, &head, header("content-length"), header("authorization")).await
}

async fn plain(
    mut stream: TcpStream,
    shared: &Shared,
    head: &str,
    length: Option<String>,
    authorization: Option<String>,
) -> Option<()> {
    let mut request = vec![0; head.len() + 4];
    stream.read_exact(&mut request).await.ok()?;
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    let mut words = head.split_whitespace();
    let (method, path) = (words.next()?, words.next()?);
    let mut request = shared.http.request(method.parse().ok()?, format!("{}{path}", shared.upstream));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    if !body.is_empty() {
        request = request.header("content-type", "application/json").body(body);
    }
    let (status, kind, text) = if let Some(number) = path.strip_prefix("/api/v1/users/x") {
        // As if this person were not to be told about.
        let detail = format!("refused {number} @@{number}@@");
        let problem = json!({
            "type": "about:blank", "title": "Conflict", "status": 409, "code": "conflict", "detail": detail
        });
        (409, "application/problem+json".to_owned(), problem.to_string())
    } else {
        let response = request.send().await.ok()?;
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or("application/json").to_owned();
        (response.status().as_u16(), kind, response.text().await.ok()?)
    };
    let text = shared.rewritten(&text);
    let answer = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    let answer = if status == 204 { "HTTP/1.1 204 x\r\nconnection: close\r\n\r\n" } else { &answer };
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

async fn relay(stream: TcpStream, shared: &Shared, authorization: String) -> Option<()> {
    #[allow(clippy::result_large_err, reason = "the trait wants it so")]
    let protocol = |_: &Request, mut response: Response| {
        response.headers_mut().insert("sec-websocket-protocol", "chat.v1".parse().unwrap());
        Ok(response)
    };
    let mut client = tokio_tungstenite::accept_hdr_async(stream, protocol).await.ok()?;
    let url = format!("{}/api/v1/ws", shared.upstream.replacen("http", "ws", 1));
    let mut request = url.into_client_request().ok()?;
    request.headers_mut().insert("authorization", authorization.parse().ok()?);
    request.headers_mut().insert("sec-websocket-protocol", "chat.v1".parse().ok()?);
    let (mut server, _) = tokio_tungstenite::connect_async(request).await.ok()?;
    loop {
        tokio::select! {
            message = client.next() => server.send(message?.ok()?).await.ok()?,
            message = server.next() => {
                let message = match message?.ok()? {
                    Message::Text(text) => Message::text(shared.rewritten(&text)),
                    other => other,
                };
                client.send(message).await.ok()?;
            }
        }
    }
}
