//! A server in this process, people who talk on it, and homes of clients that are logged in to it.
//!
//! They wait by themselves, so that a test reads from top to bottom without a word of `async`.

use crate::patience;
use chat_server::app::Server;
use chat_server::config::{Values, args};
use chat_server::listener::{Drain, DrainHandle};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::future::Future;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Everybody's.
pub(crate) const PASSWORD: &str = "a password for tests";

fn wait<T>(runtime: &Runtime, what: &str, future: impl Future<Output = T>) -> T {
    let waiting = async { tokio::time::timeout(patience(), future).await };
    runtime.block_on(waiting).unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// A server that can be stopped and started again where it was.
pub(crate) struct TestServer {
    runtime: Arc<Runtime>,
    address: SocketAddr,
    dir: TempDir,
    settings: Vec<(String, String)>,
    running: Option<(DrainHandle, JoinHandle<()>)>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With these settings besides the ones that make it quick.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut server = Self {
            runtime: Arc::new(runtime),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            dir: tempfile::tempdir().unwrap(),
            settings: settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            running: None,
        };
        server.restart();
        server
    }

    /// Starts it, at the same address and on the same data if it ran before.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let address = self.address.to_string();
        let data = self.dir.path().to_str().unwrap().to_owned();
        let quick = [
            ("CHAT_LISTEN", address.as_str()),
            ("CHAT_DATA_DIR", data.as_str()),
            ("CHAT_PBKDF2_ITERATIONS", "10"),
            ("CHAT_RATE_LIMITS", "off"),
        ];
        let given = |wanted: &str| {
            self.settings.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str())
        };
        let mut values = Values::default();
        values.flags(&args(clap::Command::new("test")).get_matches_from(["test"]));
        values.environment(|wanted| {
            let quick = quick.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
            given(wanted).or(quick).map(str::to_owned)
        });
        let config = values.load().unwrap().config;
        let server = wait(&self.runtime, "the start of the server", Server::start(config, None)).unwrap();
        self.address = server.address().unwrap();
        let (stop, drain) = Drain::new();
        let task = self.runtime.spawn(async move { server.serve(drain).await.unwrap() });
        self.running = Some((stop, task));
    }

    /// Stops it; who is connected is told so.
    pub(crate) fn stop(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            stop.start();
            wait(&self.runtime, "the end of the server", task).unwrap();
        }
    }

    /// What a client is given as the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Somebody with a new account. The first owns the server.
    pub(crate) fn user(&self, name: &str) -> User {
        let user = User {
            runtime: Arc::clone(&self.runtime),
            http: reqwest::Client::new(),
            base: format!("{}/api/v1", self.url()),
            token: String::new(),
        };
        let session =
            user.ok("POST", "/auth/register", Some(json!({"username": name, "password": PASSWORD})));
        User { token: session["access_token"].as_str().unwrap().to_owned(), ..user }
    }

    /// Somebody with an account already, in a session of their own.
    pub(crate) fn log_in(&self, name: &str) -> User {
        self.log_in_as(name, "a test")
    }

    /// The same on a device of this name.
    pub(crate) fn log_in_as(&self, name: &str, device: &str) -> User {
        let user = User {
            runtime: Arc::clone(&self.runtime),
            http: reqwest::Client::new(),
            base: format!("{}/api/v1", self.url()),
            token: String::new(),
        };
        let session = user.ok(
            "POST",
            "/auth/login",
            Some(json!({"username": name, "password": PASSWORD, "device_name": device})),
        );
        User { token: session["access_token"].as_str().unwrap().to_owned(), ..user }
    }

    /// A home of the client in which this name has a new account and is logged in.
    pub(crate) fn home(&self, name: &str) -> TempDir {
        let home = tempfile::tempdir().unwrap();
        let arguments = ["--server", &self.url(), "register", "--username", name, "--password-stdin"];
        run(home.path(), &arguments, &format!("{PASSWORD}\n"));
        home
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // Without waiting: the runtime ends it.
        if let Some((stop, task)) = self.running.take() {
            stop.start();
            task.abort();
        }
    }
}

/// Runs a one-shot command of the client, and insists that it works. Returns what it printed.
pub(crate) fn run(home: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chat-tui"))
        .args(arguments)
        .env("CHAT_TUI_HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Somebody on the other side, who talks to the server without the client.
pub(crate) struct User {
    runtime: Arc<Runtime>,
    http: reqwest::Client,
    base: String,
    token: String,
}

impl User {
    /// A request; its status and its body.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        wait(&self.runtime, path, async {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
            (status, body)
        })
    }

    /// A request that has to work; its body.
    pub(crate) fn ok(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, value) = self.call(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {value}");
        value
    }

    /// Makes a public group; its id.
    pub(crate) fn group(&self, name: &str) -> i64 {
        self.ok("POST", "/groups", Some(json!({"name": name, "visibility": "public"})))["id"]
            .as_i64()
            .unwrap()
    }

    /// Joins a public group by its id.
    pub(crate) fn join(&self, group: i64) {
        self.ok("POST", &format!("/groups/{group}/join"), None);
    }

    /// Opens the direct with somebody; its id.
    pub(crate) fn direct(&self, other: &str) -> i64 {
        self.ok("POST", "/directs", Some(json!({"username": other})))["id"].as_i64().unwrap()
    }

    /// Posts a message.
    pub(crate) fn send(&self, conversation: i64, body: &str) -> Value {
        let body = json!({"id": uuid::Uuid::now_v7().to_string(), "body": body});
        self.ok("POST", &format!("/conversations/{conversation}/messages"), Some(body))
    }

    /// The texts of a conversation, the oldest first.
    pub(crate) fn bodies(&self, conversation: i64) -> Vec<String> {
        let mut bodies = Vec::new();
        let mut after = 0;
        loop {
            let path = format!("/conversations/{conversation}/messages?after={after}&limit=200");
            let page = self.ok("GET", &path, None);
            let messages = page["messages"].as_array().unwrap();
            bodies.extend(messages.iter().filter_map(|message| message["body"].as_str().map(str::to_owned)));
            match messages.last() {
                Some(last) if page["has_after"] == true => after = last["seq"].as_i64().unwrap(),
                _ => return bodies,
            }
        }
    }

    /// Waits until these are the texts of a conversation: the screen shows what is written before it is sent.
    pub(crate) fn wait_texts(&self, conversation: i64, expected: &[&str]) {
        let deadline = Instant::now() + patience();
        loop {
            let mut texts = self.bodies(conversation);
            texts.retain(|body| !body.is_empty());
            if texts == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{texts:?} instead of {expected:?}");
            // The server does not tell when somebody is done.
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Goes online.
    pub(crate) fn connect(&self) -> Ws {
        let mut request =
            format!("{}/ws", self.base.replacen("http", "ws", 1)).into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        headers.insert("sec-websocket-protocol", "chat.v1".parse().unwrap());
        let connecting = tokio_tungstenite::connect_async(request);
        let (socket, _) = wait(&self.runtime, "a connection", connecting).unwrap();
        let mut ws = Ws { runtime: Arc::clone(&self.runtime), socket };
        ws.next_of("ready");
        ws
    }
}

/// Somebody's connection.
pub(crate) struct Ws {
    runtime: Arc<Runtime>,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Ws {
    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: &Value) {
        wait(&self.runtime, "sending", self.socket.send(Message::text(frame.to_string()))).unwrap();
    }

    /// The next frame of this type; others are passed over.
    pub(crate) fn next_of(&mut self, kind: &str) -> Value {
        wait(&self.runtime, kind, async {
            loop {
                match self.socket.next().await {
                    Some(Ok(Message::Text(text))) => {
                        let frame: Value = serde_json::from_str(&text).unwrap();
                        if frame["type"] == kind {
                            return frame;
                        }
                    }
                    Some(Ok(Message::Close(frame))) => panic!("closed with {frame:?}, waiting for {kind}"),
                    Some(Ok(_)) => {}
                    other => panic!("{other:?}, waiting for {kind}"),
                }
            }
        })
    }
}
