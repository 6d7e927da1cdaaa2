//! Whatever is asked over HTTP is answered: never by a fault of the server's own, and never with what the
//! caller may not read.
//!
//! An input is a request without what belongs to the connection: method and target, lines of headers, an
//! empty line, the body. `TOKEN` stands for an access token.

use chat_shared::ErrorCode;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// What is written where the caller may not read it.
const SECRET: &str = "nobody-else-reads-this";

/// No answer quotes a request at length.
const DETAIL_MAX: usize = 1_000;

/// What a request may be answered with: 405, say, is right for each that asks wrongly, 500 for none.
const STATUSES: [u16; 17] =
    [200, 201, 204, 304, 400, 401, 403, 404, 405, 409, 411, 413, 414, 415, 422, 426, 431];

/// Headers that say where a message ends and what becomes of its connection.
const OF_THE_CONNECTION: [&str; 5] =
    ["connection", "content-length", "transfer-encoding", "upgrade", "expect"];

/// A user of a server who asks anything.
pub(crate) struct Caller {
    address: SocketAddr,
    token: Mutex<String>,
}

impl Caller {
    /// Registers, as does somebody else who has a secret.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let other = session(address, "register", "other");
        let post = |path: &str, body: Value| {
            let answer = ask(
                address,
                format!(
                    "POST {path}\nAuthorization: Bearer {other}\nContent-Type: application/json\n\n{body}"
                )
                .as_bytes(),
            );
            assert_eq!(answer.status, 201);
            serde_json::from_slice::<Value>(&answer.body).unwrap()
        };
        let group = post(
            "/api/v1/groups",
            json!({"name": "private-group", "topic": SECRET, "visibility": "private"}),
        );
        let body = json!({"id": "0198c1a2-7e3b-7c44-9d1f-2a51c9f0e8b7", "body": SECRET});
        post(&format!("/api/v1/conversations/{}/messages", group["id"]), body);
        Self { address, token: Mutex::new(session(address, "register", "caller")) }
    }

    /// Asks, and looks at the answer.
    pub(crate) fn check(&self, data: &[u8]) {
        let token = self.token.lock().unwrap().clone();
        let with_token = replace(data, b"TOKEN", token.as_bytes());
        let answer = ask(self.address, &with_token);
        answer.check(data);
        // The session may have been ended, as was asked for.
        if answer.status == 401 && with_token != data {
            *self.token.lock().unwrap() = session(self.address, "login", "caller");
        }
    }
}

/// Registers or logs in; the access token.
fn session(address: SocketAddr, how: &str, name: &str) -> String {
    let body = json!({"username": name, "password": format!("the password of {name}")});
    let request = format!("POST /api/v1/auth/{how}\nContent-Type: application/json\n\n{body}");
    let answer = ask(address, request.as_bytes());
    let session: Value = serde_json::from_slice(&answer.body).unwrap();
    session["access_token"].as_str().unwrap().to_owned()
}

struct Answer {
    status: u16,
    content_type: String,
    body: Vec<u8>,
}

impl Answer {
    fn check(&self, data: &[u8]) {
        let asked = String::from_utf8_lossy(data);
        let body = String::from_utf8_lossy(&self.body);
        assert!(STATUSES.contains(&self.status), "{} for {asked:?}: {body}", self.status);
        assert!(!body.contains(SECRET), "told to {asked:?}: {body}");
        match &*self.content_type {
            "application/json" if !self.body.is_empty() => {
                assert!(serde_json::from_str::<Value>(&body).unwrap().is_object(), "{body}");
            }
            "application/problem+json" if !self.body.is_empty() => {
                let problem: Value = serde_json::from_str(&body).unwrap();
                assert_eq!(problem["status"], self.status, "{body}");
                assert!(problem["detail"].as_str().unwrap().len() <= DETAIL_MAX, "{body}");
                let code = problem["code"].as_str().unwrap();
                assert!(ErrorCode::ALL.iter().any(|known| known.as_str() == code), "{body}");
            }
            _ => assert!(self.status < 400 || self.body.is_empty(), "{} for {asked:?}: {body}", self.status),
        }
    }
}

/// Sends a request on a connection of its own.
fn ask(address: SocketAddr, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The answer to a request that is refused early may come before all of it was written.
    let _ = stream.write_all(&on_the_wire(request));
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    let shown = String::from_utf8_lossy(request);
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer to {shown:?}: {read:?}"));
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let content_type = head.lines().find_map(|line| line.strip_prefix("content-type: "));
    Answer { status, content_type: content_type.unwrap_or("").to_owned(), body: answer[end + 4..].to_vec() }
}

/// The request as it is sent: with line ends, its length, and the last one of its connection.
fn on_the_wire(request: &[u8]) -> Vec<u8> {
    let middle = request.windows(2).position(|two| two == b"\n\n").unwrap_or(request.len());
    let (head, body) = (&request[..middle], request.get(middle + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut bytes = lines.next().unwrap_or_default().to_vec();
    bytes.extend(b" HTTP/1.1\r\nHost: chat.example\r\n");
    for line in lines {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
        // An empty line would be the end of the head.
        if !name.is_empty() && !OF_THE_CONNECTION.contains(&&*name) {
            bytes.extend([line, b"\r\n"].concat());
        }
    }
    bytes.extend(format!("Connection: close\r\nContent-Length: {}\r\n\r\n", body.len()).bytes());
    bytes.extend(body);
    bytes
}

fn replace(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(what.len()).position(|window| window == what) {
        out.extend([&rest[..at], with].concat());
        rest = &rest[at + what.len()..];
    }
    [&out, rest].concat()
}
