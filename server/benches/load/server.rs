//! The real program, and what it costs.

use crate::{PASSWORD, Socket};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// The program, running.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) base: String,
    pub(crate) http: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::on(tempfile::tempdir().unwrap())
    }

    pub(crate) fn on(dir: tempfile::TempDir) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-server"));
        #[cfg(feature = "postgres")]
        command.env("CHAT_DATABASE", crate::place::Place::of(dir.path()).url);
        let mut child = command
            .args(["--listen", "127.0.0.1:0", "--default-groups", "", "--log", "error", "--data-dir"])
            .arg(dir.path())
            .env("CHAT_PBKDF2_ITERATIONS", "1")
            .env("CHAT_RATE_LIMITS", "off")
            .env("CHAT_DEFAULT_GROUPS", "")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.split("listens on ").nth(1).unwrap().split(',').next().unwrap().to_owned();
        Self { child, base: format!("http://{address}/api/v1"), http: reqwest::Client::new(), _dir: dir }
    }

    pub(crate) async fn call(&self, path: &str, token: Option<&str>, body: Value) -> Value {
        let mut request = self.http.post(format!("{}{path}", self.base)).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    pub(crate) async fn register(&self, count: usize) -> Vec<String> {
        let one = |n: usize| async move {
            let body = json!({"username": format!("user{n}"), "password": PASSWORD});
            self.call("/auth/register", None, body).await["access_token"].as_str().unwrap().to_owned()
        };
        futures_util::stream::iter(0..count).map(one).buffered(16).collect().await
    }

    pub(crate) async fn connect(&self, token: &str) -> Socket {
        let mut request =
            format!("{}/ws", self.base.replacen("http", "ws", 1)).into_client_request().unwrap();
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket
    }

    pub(crate) async fn group(&self, name: &str, members: &[String]) -> i64 {
        let group =
            self.call("/groups", Some(&members[0]), json!({ "name": name })).await["id"].as_i64().unwrap();
        let path = format!("/groups/{group}/join");
        let join = |token: &String| {
            let (token, path) = (token.clone(), path.clone());
            async move { self.call(&path, Some(&token), json!({})).await }
        };
        futures_util::stream::iter(&members[1..]).map(join).buffered(16).collect::<Vec<_>>().await;
        group
    }

    pub(crate) fn process(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    pub(crate) fn resident_kib(&self) -> f64 {
        let status = self.process("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    pub(crate) fn cpu(&self) -> f64 {
        cpu(&self.process("stat"))
    }
}

/// User and system time so far, in seconds (the kernel counts hundredths).
fn cpu(stat: &str) -> f64 {
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

pub(crate) fn own_cpu() -> f64 {
    cpu(&std::fs::read_to_string("/proc/self/stat").unwrap())
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
