//! A client on bare sockets: HTTP and WebSocket frames made by hand. It shares no code with the server, so that
//! a mistake of theirs is not made here too. The checker reads through it.

use serde_json::Value;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn broken(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

/// Calls the server once, on a connection of its own: status and body.
pub(crate) async fn call(
    at: SocketAddr,
    token: &str,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> io::Result<(u16, Value)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut head = format!("{method} /api/v1{path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n");
    if !token.is_empty() {
        head.push_str(&format!("Authorization: Bearer {token}\r\n"));
    }
    if !body.is_empty() {
        head.push_str("Content-Type: application/json\r\n");
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    let exchange = async {
        let mut socket = TcpStream::connect(at).await?;
        socket.write_all(head.as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            if let Some(answer) = whole_answer(&answer)? {
                return Ok(answer);
            }
            if socket.read_buf(&mut answer).await? == 0 {
                return Err(broken("no whole answer"));
            }
        }
    };
    tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| io::Error::from(ErrorKind::TimedOut))?
}

/// Status and body, once all of it is there.
fn whole_answer(answer: &[u8]) -> io::Result<Option<(u16, Value)>> {
    let Some(split) = position(answer, b"\r\n\r\n") else { return Ok(None) };
    let (head, body) = (String::from_utf8_lossy(&answer[..split]).to_ascii_lowercase(), &answer[split + 4..]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status: u16 = status.ok_or_else(|| broken("no status"))?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize =
        if status == 204 { 0 } else { length.ok_or_else(|| broken("a body without length"))? };
    if body.len() < length {
        return Ok(None);
    }
    let value = if length == 0 { Value::Null } else { serde_json::from_slice(&body[..length])? };
    Ok(Some((status, value)))
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// A WebSocket of which nothing is done for us, but that pings are answered.
pub(crate) struct RawSocket {
    pub(crate) stream: TcpStream,
    read: Vec<u8>,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Came {
    Frame(Value),
    /// The server closed, with this code.
    Closed(u16),
    /// The connection is gone without a word.
    Gone,
}

impl RawSocket {
    /// Connects. `window`: how much the system may keep for us unread.
    pub(crate) async fn connect(at: SocketAddr, token: &str, window: Option<u32>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if let Some(window) = window {
            socket.set_recv_buffer_size(window)?;
        }
        let mut raw = Self { stream: socket.connect(at).await?, read: Vec::new() };
        let head = format!(
            "GET /api/v1/ws HTTP/1.1\r\nHost: {at}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        raw.stream.write_all(head.as_bytes()).await?;
        let end = loop {
            if let Some(end) = position(&raw.read, b"\r\n\r\n") {
                break end + 4;
            }
            raw.more().await?;
        };
        let answer = String::from_utf8_lossy(&raw.read[..end]).into_owned();
        raw.read.drain(..end);
        // The accept value of RFC 6455's own example.
        let accepted = answer.starts_with("HTTP/1.1 101") && answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        if accepted { Ok(raw) } else { Err(broken(&answer)) }
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    pub(crate) async fn send(&mut self, frame: &Value) -> io::Result<()> {
        self.stream.write_all(&client_frame(0x81, frame.to_string().as_bytes())).await
    }

    /// The next frame of the chat. One that does not come in time is taken for the end.
    pub(crate) async fn next(&mut self) -> Came {
        tokio::time::timeout(PATIENCE, self.packet()).await.unwrap_or(Came::Gone)
    }

    async fn packet(&mut self) -> Came {
        match self.text().await {
            Ok(text) => Came::Frame(serde_json::from_slice(&text).unwrap_or(Value::Null)),
            Err(end) => end,
        }
    }

    /// The next frame of the chat as it came, however long it takes; or the end.
    pub(crate) async fn text(&mut self) -> Result<Vec<u8>, Came> {
        loop {
            while let Some((opcode, payload)) = self.whole_frame() {
                match opcode {
                    1 => return Ok(payload),
                    8 => {
                        let code = payload.get(..2).map_or(1005, |c| u16::from_be_bytes([c[0], c[1]]));
                        return Err(Came::Closed(code));
                    }
                    // A server that does not hear from us gives us up.
                    9 if self.stream.write_all(&client_frame(0x8A, &payload)).await.is_err() => {
                        return Err(Came::Gone);
                    }
                    _ => {}
                }
            }
            if self.more().await.is_err() {
                return Err(Came::Gone);
            }
        }
    }

    /// The next frame of this type. None: the connection ended before.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Option<Value> {
        loop {
            match self.next().await {
                Came::Frame(frame) if frame["type"] == kind => return Some(frame),
                Came::Frame(_) => {}
                Came::Closed(_) | Came::Gone => return None,
            }
        }
    }

    /// Takes a whole frame out of what was read.
    fn whole_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (head, length) = match *self.read {
            [_, 126, a, b, ..] => (4, usize::from(u16::from_be_bytes([a, b]))),
            [_, 127, a, b, c, d, e, f, g, h, ..] => {
                (10, u64::from_be_bytes([a, b, c, d, e, f, g, h]) as usize)
            }
            [_, length @ ..=125, ..] => (2, usize::from(length)),
            _ => return None,
        };
        let frame = self.read.get(head..head + length)?.to_vec();
        let opcode = self.read[0] & 0x0F;
        self.read.drain(..head + length);
        Some((opcode, frame))
    }
}

/// A masked frame. `first`: FIN, RSV and opcode.
pub(crate) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut bytes = vec![first];
    match payload.len() {
        length @ ..=125 => bytes.push(0x80 | length as u8),
        length @ ..=0xFFFF => {
            bytes.push(0xFE);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0xFF);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
