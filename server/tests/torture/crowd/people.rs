//! A server with many people, and what it says of itself.

use crate::raw;
use crate::server::{Place, Server};
use crate::shared::Login;
use crate::world::{call, register};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Calls that are under way at once.
const AT_ONCE: usize = 16;
/// Between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(50);
/// After the first try that failed, and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(1_600));

/// A server, and people with accounts.
pub(crate) struct Crowd {
    pub(crate) place: Place,
    pub(crate) people: Vec<Login>,
    server: Option<Server>,
    metrics: SocketAddr,
    _dir: TempDir,
}

impl Crowd {
    /// A server to which so many people come. Milliseconds between two pings; further settings.
    pub(crate) async fn gather(people: usize, heartbeat: u32, settings: &[(&'static str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // An address that no other process takes, so that the port can be known before.
        let [_, a, b, c] = std::process::id().to_be_bytes();
        let metrics = SocketAddr::from((Ipv4Addr::new(127, a | 1, b, c), 9_090));
        let mut all =
            vec![("CHAT_METRICS_LISTEN", metrics.to_string()), ("CHAT_DEFAULT_GROUPS", String::new())];
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let usual = Place::new(dir.path().join("data"), dir.path().join("log"));
        let place = Place { heartbeat, settings: all, ..usual };
        let server = Server::start(&place);
        let at = server.address;
        let names = iter(0..people).map(|n| async move { register(at, &format!("user{n}")).await });
        let people = names.buffered(AT_ONCE).collect().await;
        Self { place, people, server: Some(server), metrics, _dir: dir }
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server().address
    }

    /// Takes the server away, to do something to it.
    pub(crate) fn take_server(&mut self) -> Server {
        self.server.take().unwrap()
    }

    /// Starts the server that is down, as the place says now.
    pub(crate) fn start_server(&mut self) {
        self.server = Some(Server::start(&self.place));
    }

    /// A group of which these are members, the first its owner.
    pub(crate) async fn group(&self, name: &str, members: &[Login]) -> i64 {
        let at = self.address();
        let made = call(at, &members[0], "POST", "/groups", json!({"name": name})).await;
        let group = made["id"].as_i64().unwrap();
        let path = format!("/groups/{group}/join");
        iter(&members[1..])
            .for_each_concurrent(AT_ONCE, |member| {
                let path = &path;
                async move {
                    call(at, member, "POST", path, json!({})).await;
                }
            })
            .await;
        group
    }

    /// Groups of so many people each, and who is in each.
    pub(crate) async fn groups(&self, members: usize) -> Vec<(i64, &[Login])> {
        let mut groups = Vec::new();
        for (n, members) in self.people.chunks(members).enumerate() {
            groups.push((self.group(&format!("group{n}"), members).await, members));
        }
        groups
    }

    /// A figure that the server tells of itself.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let mut socket = TcpStream::connect(self.metrics).await.unwrap();
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.metrics);
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut report = String::new();
        socket.read_to_string(&mut report).await.unwrap();
        let line = report.lines().find_map(|line| line.strip_prefix(&format!("chat_{name} ")));
        line.unwrap().parse().unwrap()
    }

    /// Waits until a figure is at most this.
    pub(crate) async fn falls_to(&self, name: &str, value: u64) {
        let mut looks = tokio::time::interval(PAUSE);
        while self.metric(name).await > value {
            looks.tick().await;
        }
    }
}

/// What somebody waits who tries again: each time twice as long.
pub(crate) struct Backoff(Duration);

impl Default for Backoff {
    fn default() -> Self {
        Self(RETRY.0)
    }
}

impl Backoff {
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = RETRY.1.min(self.0 * 2);
    }
}

/// What a member finds in a group after this rev: each message as it is, by rev.
pub(crate) async fn changes(at: SocketAddr, login: &Login, group: i64, mut since: i64) -> Vec<Value> {
    let (mut all, mut backoff) = (Vec::new(), Backoff::default());
    loop {
        let path = format!("/conversations/{group}/changes?since={since}&limit=200");
        let (status, page) = raw::call(at, &login.token, "GET", &path, None).await.unwrap();
        if status == 503 {
            // So many ask at once that some are told to try again.
            backoff.wait().await;
            continue;
        }
        backoff = Backoff::default();
        assert_eq!(status, 200, "{page}");
        all.extend(page["messages"].as_array().cloned().unwrap_or_default());
        since = all.last().and_then(|message| message["rev"].as_i64()).unwrap_or(since);
        if page["has_more"] != true {
            return all;
        }
    }
}

/// How many of these sends are not in the group, and how many are there more than once.
pub(crate) async fn lost_and_twice(
    at: SocketAddr,
    login: &Login,
    group: i64,
    acked: &[String],
) -> (u64, u64) {
    let mut found: HashMap<String, u64> = HashMap::new();
    for message in changes(at, login, group, 0).await {
        if let Some(id) = message["id"].as_str() {
            *found.entry(id.to_owned()).or_default() += 1;
        }
    }
    let lost = acked.iter().filter(|id| !found.contains_key(*id)).count() as u64;
    (lost, found.values().filter(|times| **times > 1).count() as u64)
}
