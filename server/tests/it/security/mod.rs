//! What attackers try, from outside. Numbers are those of the list of checks in `SECURITY.md`, which says for
//! each where it is shown; many are shown by the tests beside this directory.

mod accounts;
mod authorization;
mod entry;
mod input;
mod names_and_operation;
mod page;
mod privacy;
mod table;
mod tokens;

use crate::harness::{PATIENCE, TestServer, User};
use chat_server::admin::{self, Command};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What an operator does to a server, which is answered as soon as it listens for that.
async fn try_operate(server: &TestServer, command: &Command) -> Result<Value, String> {
    let socket = server.data_dir().join("admin.sock");
    let asking = async {
        loop {
            if let Some(answer) = admin::call(&socket, command).await.unwrap() {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("an answer in time")
}

/// The same, and it works.
async fn operate(server: &TestServer, command: Command) -> Value {
    try_operate(server, &command).await.unwrap()
}

/// Sends these bytes on a new connection; everything that came back until the server closed it.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has closed already shows in what comes back.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("it closes");
    String::from_utf8(answer).unwrap()
}

/// Headers that ask for an upgrade.
const UPGRADE: [(&str, &str); 4] = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// The way in, with these headers.
async fn upgrade(user: &User, headers: &[(&str, &str)]) -> reqwest::Response {
    let mut request = user.api.http.get(format!("{}/ws", user.api.base));
    for (name, value) in UPGRADE.iter().chain(headers) {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}
