//! A client that watches who is online and who writes, and counts what it costs to be told.

use crate::raw::RawSocket;
use crate::shared::Login;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(50);

/// What all watchers together were told.
#[derive(Default)]
pub(crate) struct Told {
    /// Frames of presence, the changes in them, and their bytes.
    pub(crate) frames: AtomicU64,
    pub(crate) changes: AtomicU64,
    pub(crate) bytes: AtomicU64,
    /// Frames that say that somebody writes.
    pub(crate) typing: AtomicU64,
}

impl Told {
    /// Begins to count anew.
    pub(crate) fn reset(&self) {
        for counter in [&self.frames, &self.changes, &self.bytes, &self.typing] {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

#[derive(Deserialize)]
struct Presence {
    changes: Vec<Change>,
}

#[derive(Deserialize)]
struct Change {
    username: String,
    online: bool,
}

/// A client that watches until it is dropped.
pub(crate) struct Watcher {
    online: Arc<Mutex<HashSet<String>>>,
    task: JoinHandle<()>,
}

impl Watcher {
    pub(crate) async fn come(at: SocketAddr, login: &Login, told: &Arc<Told>) -> Self {
        let (mut socket, online) = entered(at, login).await;
        let online = Arc::new(Mutex::new(online));
        let (told, view) = (told.clone(), online.clone());
        let task = tokio::spawn(async move {
            while let Ok(text) = socket.text().await {
                hear(&text, &told, &view);
            }
        });
        Self { online, task }
    }

    /// How many are online, as far as it was told.
    pub(crate) fn count(&self) -> usize {
        self.online.lock().unwrap().len()
    }

    /// Is this what somebody who comes now is told?
    pub(crate) fn knows(&self, online: &HashSet<String>) -> bool {
        *self.online.lock().unwrap() == *online
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection, and who is online for whoever comes over it.
pub(crate) async fn entered(at: SocketAddr, login: &Login) -> (RawSocket, HashSet<String>) {
    let mut socket = RawSocket::connect(at, &login.token, None).await.unwrap();
    let ready: Value = serde_json::from_slice(&socket.text().await.unwrap()).unwrap();
    let online = ready["online"].as_array().unwrap().iter();
    (socket, online.map(|name| name.as_str().unwrap().to_owned()).collect())
}

fn hear(text: &[u8], told: &Told, view: &Mutex<HashSet<String>>) {
    if text.starts_with(br#"{"type":"typing""#) {
        told.typing.fetch_add(1, Ordering::Relaxed);
    }
    if !text.starts_with(br#"{"type":"presence""#) {
        return;
    }
    let presence: Presence = serde_json::from_slice(text).unwrap();
    told.frames.fetch_add(1, Ordering::Relaxed);
    told.changes.fetch_add(presence.changes.len() as u64, Ordering::Relaxed);
    told.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
    let mut view = view.lock().unwrap();
    for Change { username, online } in presence.changes {
        if online {
            view.insert(username);
        } else {
            view.remove(&username);
        }
    }
}

/// Waits until it is so of all watchers. False: it was not in time.
pub(crate) async fn until_all(watchers: &[Watcher], time: Duration, so: impl Fn(&Watcher) -> bool) -> bool {
    let waiting = async {
        let mut looks = tokio::time::interval(PAUSE);
        while !watchers.iter().all(&so) {
            looks.tick().await;
        }
    };
    tokio::time::timeout(time, waiting).await.is_ok()
}
