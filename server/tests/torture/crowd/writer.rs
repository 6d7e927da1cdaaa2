//! Somebody who writes into a group at a steady pace, until told to end.

use super::people::Backoff;
use crate::chance::Chance;
use crate::raw::{Came, RawSocket};
use crate::shared::Login;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How the last message begins.
pub(crate) const LAST: &str = "last";

/// What writers are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Write,
    /// Say the last thing, and end.
    End,
}

/// How and where somebody writes.
pub(crate) struct Writer {
    pub(crate) login: Login,
    pub(crate) group: i64,
    /// Between two messages.
    pub(crate) pause: Duration,
    /// Bytes of a message.
    pub(crate) size: usize,
    pub(crate) begun: Instant,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Written {
    /// The ids that were acknowledged.
    pub(crate) acked: Vec<String>,
    /// How long each took, from the moment at which it was to be sent.
    pub(crate) delays: Vec<Duration>,
    /// Refusals that say: come again.
    pub(crate) put_off: u64,
    /// Any other refusal.
    pub(crate) refused: Vec<Value>,
    /// How the first connection ended, if it did.
    pub(crate) end: Option<Came>,
}

/// A group, and what was written into it.
pub(crate) type Wrote = (i64, Login, Written);

impl Writer {
    /// Writes in a task of its own: to where `server` says, waiting while it says nowhere, and where the connection
    /// breaks, once more the same.
    pub(crate) fn start(
        self,
        server: watch::Receiver<Option<SocketAddr>>,
        word: watch::Receiver<Word>,
    ) -> JoinHandle<Wrote> {
        tokio::spawn(async move {
            let written = self.write(server, word).await;
            (self.group, self.login, written)
        })
    }

    async fn write(
        &self,
        mut server: watch::Receiver<Option<SocketAddr>>,
        word: watch::Receiver<Word>,
    ) -> Written {
        let mut written = Written::default();
        let mut ids = Chance::new(self.group as u64, "writer");
        let mut pace = tokio::time::interval(self.pause);
        let mut open: Option<RawSocket> = None;
        let mut next = None;
        loop {
            let due = pace.tick().await.into_std();
            let fresh = || (ids.send_id().to_string(), *word.borrow() == Word::End, due);
            let (id, is_last, due) = next.take().unwrap_or_else(fresh);
            let mut socket = match open.take() {
                Some(socket) => socket,
                None => connected(&mut server, &self.login).await,
            };
            match self.say(&mut socket, &id, is_last).await {
                Ok(answer) if answer["type"] == "ack" => {
                    written.acked.push(id);
                    written.delays.push(due.elapsed());
                    if is_last {
                        return written;
                    }
                    open = Some(socket);
                }
                Ok(answer) => {
                    // What is refused for now is sent again, as after a connection that broke.
                    if answer["code"] == "unavailable" {
                        written.put_off += 1
                    } else {
                        written.refused.push(answer)
                    }
                    next = Some((id, is_last, due));
                    open = Some(socket);
                }
                Err(end) => {
                    written.end.get_or_insert(end);
                    next = Some((id, is_last, due));
                }
            }
        }
    }

    /// Sends, and waits for the answer; others' messages pass by.
    async fn say(&self, socket: &mut RawSocket, id: &str, is_last: bool) -> Result<Value, Came> {
        let first = if is_last { LAST.to_owned() } else { self.begun.elapsed().as_micros().to_string() };
        let body = format!("{first} {:x>1$}", "", self.size);
        let frame = json!({"type": "send", "id": id, "conversation_id": self.group, "body": body});
        socket.send(&frame).await.map_err(|_| Came::Gone)?;
        loop {
            let text = socket.text().await?;
            let answers = |kind: &str| text.starts_with(format!(r#"{{"type":"{kind}""#).as_bytes());
            if answers("ack") || answers("error") {
                return Ok(serde_json::from_slice(&text).unwrap_or_default());
            }
        }
    }
}

/// A connection to where the server is, as soon as it is somewhere and answers.
async fn connected(server: &mut watch::Receiver<Option<SocketAddr>>, login: &Login) -> RawSocket {
    let mut backoff = Backoff::default();
    loop {
        let at = server.wait_for(Option::is_some).await.unwrap().unwrap();
        if let Ok(socket) = RawSocket::connect(at, &login.token, None).await {
            return socket;
        }
        backoff.wait().await;
    }
}
