//! Servers and clients for tests. Nothing here sleeps: it waits for what is to happen, with patience.

use chat_server::app::Server;
use chat_server::config::{Values, args};
use chat_server::listener::{Drain, DrainHandle};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const PASSWORD: &str = "a password for tests";

/// A server in this process.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    pub(crate) greeting: String,
    metrics: Option<SocketAddr>,
    dir: TempDir,
    stop: DrainHandle,
    task: JoinHandle<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these settings besides the ones that make it quick.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().to_str().unwrap().to_owned();
        let mut all = vec![
            ("CHAT_LISTEN", "127.0.0.1:0"),
            ("CHAT_DATA_DIR", &data),
            ("CHAT_PBKDF2_ITERATIONS", "10"),
            ("CHAT_RATE_LIMITS", "off"),
            ("CHAT_DISK_RESERVE_MB", "0"),
        ];
        #[cfg(feature = "postgres")]
        let database = crate::place::Place::of(dir.path()).url;
        #[cfg(feature = "postgres")]
        all.push(("CHAT_DATABASE", &database));
        all.retain(|(name, _)| settings.iter().all(|(other, _)| other != name));
        all.extend(settings);
        let matches = args(clap::Command::new("test")).get_matches_from(["test"]);
        let mut values = Values::default();
        values.flags(&matches);
        values.environment(|name| all.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        let server = Server::start(values.load().unwrap().config, None).await.unwrap();
        let address = server.address().unwrap();
        let greeting = server.greeting();
        let metrics = server.metrics_address();
        let (stop, drain) = Drain::new();
        let task = tokio::spawn(async move { server.serve(drain).await.unwrap() });
        Self { address, greeting, metrics, dir, stop, task }
    }

    pub(crate) fn api(&self) -> Api {
        Api { http: reqwest::Client::new(), base: format!("http://{}/api/v1", self.address) }
    }

    /// Where its data lies.
    pub(crate) fn data_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The value of a metric. The server has to be started with an address for them.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = reqwest::get(format!("http://{}/metrics", self.metrics.unwrap())).await.unwrap();
        let text = text.text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("chat_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    pub(crate) async fn user(&self, name: &str) -> User {
        self.api().register(name).await
    }

    pub(crate) async fn stop(self) {
        self.stop.start();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

/// A client without a login.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
}

impl Api {
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> (u16, Value) {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.timeout(PATIENCE).send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        crate::openapi::conforms(method, path, status, &body);
        (status, body)
    }

    pub(crate) async fn register(&self, name: &str) -> User {
        let body = json!({"username": name, "password": PASSWORD});
        let (status, session) = self.call("POST", "/auth/register", None, Some(body)).await;
        assert_eq!(status, 201, "{session}");
        User { api: self.clone(), name: name.to_owned(), session }
    }
}

/// A client with a login.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) api: Api,
    pub(crate) name: String,
    pub(crate) session: Value,
}

impl User {
    pub(crate) fn token(&self) -> &str {
        self.session["access_token"].as_str().unwrap()
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        self.api.call(method, path, Some(self.token()), body).await
    }

    /// Calls, and insists that it works.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, value) = self.call(method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path}: {status} {value}");
        value
    }

    pub(crate) async fn group(&self, name: &str, visibility: &str) -> i64 {
        let body = json!({"name": name, "visibility": visibility});
        self.ok("POST", "/groups", Some(body)).await["id"].as_i64().unwrap()
    }

    pub(crate) async fn send(&self, conversation: i64, body: &str) -> Value {
        let body = json!({"id": uuid(), "body": body});
        self.ok("POST", &format!("/conversations/{conversation}/messages"), Some(body)).await
    }

    pub(crate) async fn history(&self, conversation: i64) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        let mut after = 0;
        loop {
            let path = format!("/conversations/{conversation}/messages?after={after}&limit=200");
            let page = self.ok("GET", &path, None).await;
            all.extend(page["messages"].as_array().unwrap().iter().cloned());
            if page["has_after"] == false {
                return all;
            }
            after = all.last().unwrap()["seq"].as_i64().unwrap();
        }
    }

    pub(crate) async fn connect(&self) -> Ws {
        let (ws, ready) = self.try_connect().await.unwrap();
        assert_eq!(ready["type"], "ready");
        let mut ws = ws;
        ws.ready = ready;
        ws
    }

    /// Connects; the first frame comes with it.
    pub(crate) async fn try_connect(&self) -> Result<(Ws, Value), Error> {
        let url = format!("{}/ws", self.api.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", self.token()).parse().unwrap());
        headers.insert("sec-websocket-protocol", "chat.v1".parse().unwrap());
        let (socket, response) = tokio_tungstenite::connect_async(request).await?;
        assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v1");
        let mut ws = Ws { socket, ready: Value::Null };
        match ws.next().await {
            Ok(ready) => Ok((ws, ready)),
            Err(code) => Err(Error::Io(std::io::Error::other(format!("closed with {code:?}")))),
        }
    }
}

pub(crate) fn uuid() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A WebSocket. tungstenite is the peer, so that two implementations face each other.
pub(crate) struct Ws {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) ready: Value,
}

/// The connection ended with this code, if with any.
pub(crate) type Closed = Option<u16>;

impl Ws {
    pub(crate) async fn send(&mut self, frame: Value) {
        self.socket.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Whatever text it is.
    pub(crate) async fn send_text(&mut self, text: String) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn try_send(&mut self, frame: Value) -> bool {
        self.socket.send(Message::text(frame.to_string())).await.is_ok()
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Result<Value, Closed> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a frame in time");
            match next {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next frame of this type; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame =
                self.next().await.unwrap_or_else(|code| panic!("closed with {code:?}, waiting for {kind}"));
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Passes everything over until the connection is closed.
    pub(crate) async fn closed(&mut self) -> Closed {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

/// Waits until something is so.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    let waiting = async {
        while !check().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}
