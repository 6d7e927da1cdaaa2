//! A client that follows one group, and does nothing else, as cheaply as can be: it shares the machine with the server.

use super::people::changes;
use super::writer::LAST;
use crate::raw::{Came, RawSocket};
use crate::shared::Login;
use serde::Deserialize;
use serde_json::Value;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What a frame is about, without the rest of it.
#[derive(Deserialize)]
pub(crate) struct Glance<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    rev: Option<i64>,
    #[serde(borrow)]
    message: Option<Words<'a>>,
}

#[derive(Deserialize)]
struct Words<'a> {
    body: &'a str,
}

/// Why a follower does not go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The last message came.
    Last,
    /// It was told that it missed something.
    Resync,
    /// The connection ended.
    End(Came),
    /// It was told something that it must not be told.
    Wrong(String),
}

/// A client that follows one group.
pub(crate) struct Follower {
    login: Login,
    group: i64,
    socket: RawSocket,
    /// Everything up to this rev is known.
    known: i64,
    /// The rev of the event that came last over this connection.
    live: Option<i64>,
    /// Something after `known` was missed, and has not been read yet.
    behind: bool,
    /// When each message was sent, since the begin, and how long it took to come.
    pub(crate) delays: Vec<(Duration, Duration)>,
    begun: Instant,
}

impl Follower {
    /// Connects, and knows what is there. `window`: how much the system may keep unread. `begun`: the begin of the
    /// times that messages name.
    pub(crate) async fn come(
        at: SocketAddr,
        login: &Login,
        group: i64,
        window: Option<u32>,
        begun: Instant,
    ) -> Self {
        let mut socket = RawSocket::connect(at, &login.token, window).await.unwrap();
        let known = head(&mut socket, group).await.unwrap();
        Self {
            login: login.clone(),
            group,
            socket,
            known,
            live: None,
            behind: false,
            delays: Vec::new(),
            begun,
        }
    }

    /// Reads until there is a reason to stop.
    pub(crate) async fn follow(&mut self) -> Stop {
        loop {
            if let Some(stop) = self.step().await {
                return stop;
            }
        }
    }

    /// Reads one frame.
    pub(crate) async fn step(&mut self) -> Option<Stop> {
        let text = match self.socket.text().await {
            Ok(text) => text,
            Err(end) => return Some(Stop::End(end)),
        };
        let Ok(glance) = serde_json::from_slice::<Glance<'_>>(&text) else {
            return Some(Stop::Wrong(String::from_utf8_lossy(&text).into_owned()));
        };
        match (glance.kind, glance.rev, glance.message) {
            ("resync", ..) => {
                // What was dropped for it is no gap of this connection.
                (self.live, self.behind) = (None, true);
                Some(Stop::Resync)
            }
            ("message", Some(rev), Some(words)) => self.take(rev, words.body),
            _ => None,
        }
    }

    fn take(&mut self, rev: i64, body: &str) -> Option<Stop> {
        let is_ahead = !self.behind && rev > self.known + 1;
        if self.live.is_some_and(|live| rev != live + 1) || is_ahead {
            return Some(Stop::Wrong(format!("rev {rev} after {:?} and {}", self.live, self.known)));
        }
        self.live = Some(rev);
        if !self.behind {
            self.known = self.known.max(rev);
        }
        if let Some(sent) = body.split(' ').next().and_then(|micros| micros.parse().ok()) {
            let sent = Duration::from_micros(sent);
            self.delays.push((sent, self.begun.elapsed().saturating_sub(sent)));
        }
        body.starts_with(LAST).then_some(Stop::Last)
    }

    /// Has something been missed that was not read yet?
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Comes back over a new connection. None: nobody answers there. True: something was missed.
    pub(crate) async fn come_back(&mut self, at: SocketAddr, window: Option<u32>) -> Option<bool> {
        let mut socket = RawSocket::connect(at, &self.login.token, window).await.ok()?;
        let head = head(&mut socket, self.group).await?;
        (self.socket, self.live) = (socket, None);
        self.behind |= head > self.known;
        Some(self.behind)
    }

    /// Reads what was missed. True: the last message is among it.
    pub(crate) async fn catch_up(&mut self, at: SocketAddr) -> Result<bool, String> {
        let mut is_last = false;
        for message in changes(at, &self.login, self.group, self.known).await {
            let rev = message["rev"].as_i64().unwrap_or(-1);
            if rev != self.known + 1 {
                return Err(format!("rev {rev} after {} among the changes", self.known));
            }
            self.known = rev;
            is_last |= message["body"].as_str().is_some_and(|body| body.starts_with(LAST));
        }
        // What is still on its way here may be older.
        (self.live, self.behind) = (None, false);
        Ok(is_last)
    }
}

/// Reads `ready`, and in it a group's head.
async fn head(socket: &mut RawSocket, group: i64) -> Option<i64> {
    let ready: Value = serde_json::from_slice(&socket.text().await.ok()?).ok()?;
    let mut groups = ready["conversations"].as_array()?.iter();
    groups.find(|conversation| conversation["id"] == group)?["head_rev"].as_i64()
}
