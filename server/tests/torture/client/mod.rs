//! A model client: a device that asks for things and follows its conversations. What it is told is checked as it
//! comes. There are two kinds, by the socket that they use: `library` is on the real WebSocket (tungstenite) with the
//! frames of `chat-shared`, `bare` on sockets on which everything is done by hand.

mod ask;
mod bare;
mod follow;
mod library;

use crate::chance::Chance;
use crate::shared::{Login, Phase, Record, Replica, Shared};
use ask::Open;
use chat_shared::frame::ClientFrame;
use follow::Stream;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Between two tries of a connection, or of what was put off.
const AGAIN: Duration = Duration::from_millis(50);

/// The connection ended, or is to be left.
struct Left;

/// What a device does.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// On bare sockets?
    pub(crate) bare: bool,
    /// How much it leaves unanswered at once; none: it only follows.
    pub(crate) open: usize,
    /// What it asks for next; nothing where it is in no conversation.
    pub(crate) next: fn(&mut Chance, &str, &Replica) -> Option<ClientFrame>,
}

pub(crate) struct Device {
    shared: Arc<Shared>,
    login: Login,
    /// Its place among the devices of the world.
    index: usize,
    name: String,
    habits: Habits,
    chance: Chance,
    open: Vec<Open>,
    /// Answered ones, some of which are asked again.
    done: Vec<ClientFrame>,
    /// Asked again although they were answered.
    repeated: HashMap<String, ClientFrame>,
    connection: u32,
    streams: HashMap<i64, Stream>,
    /// Conversations of which events were dropped on this connection, and none has come since.
    dropped: HashSet<i64>,
    /// How many were asked.
    turns: u64,
    /// By conversation: the turns and seqs of what was first sent on this connection.
    placed: HashMap<i64, BTreeMap<u64, i64>>,
}

impl Device {
    pub(crate) fn new(
        shared: Arc<Shared>,
        login: Login,
        index: usize,
        habits: Habits,
        chance: Chance,
    ) -> Self {
        let name = shared.record().devices[index].name.clone();
        Self {
            shared,
            login,
            index,
            name,
            habits,
            chance,
            open: Vec::new(),
            done: Vec::new(),
            repeated: HashMap::new(),
            connection: 0,
            streams: HashMap::new(),
            dropped: HashSet::new(),
            turns: 0,
            placed: HashMap::new(),
        }
    }

    /// Connects and follows, again and again, until the world is over.
    pub(crate) async fn run(mut self) {
        let mut address = self.shared.address.subscribe();
        let mut phase = self.shared.phases();
        while self.shared.phase() != Phase::Over {
            let at = *address.borrow_and_update();
            if let Some(at) = at {
                self.connection += 1;
                tokio::select! {
                    _ = self.session(at) => {}
                    _ = address.changed() => {}
                    _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
                }
                self.state(|record, index| record.devices[index].connected = false);
            }
            let _ = tokio::time::timeout(AGAIN, address.changed()).await;
        }
    }

    async fn session(&mut self, at: SocketAddr) -> Result<(), Left> {
        if self.habits.bare { bare::session(self, at).await } else { library::session(self, at).await }
    }

    fn state<T>(&self, change: impl FnOnce(&mut Record, usize) -> T) -> T {
        self.shared.change(|record| change(record, self.index))
    }

    fn note(&self, way: &str, what: Value) {
        self.shared.note(&format!("{}#{}", self.name, self.connection), way, what);
    }

    fn violate(&self, check: &'static str, what: &str) {
        self.shared.violate(check, format!("{}#{}: {what}", self.name, self.connection));
    }
}
