//! What all actors of a world share: where the server is, what is to be done, and the record.

use crate::model::Model;
use crate::report::History;
use chat_shared::api::Message;
use chat_shared::frame::ClientFrame;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What the actors are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Ask for things, one after the other.
    Load,
    /// Ask for nothing new; see that what is open is answered.
    Settle,
    /// End.
    Over,
}

/// A login.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) name: String,
    pub(crate) token: String,
}

pub(crate) struct Shared {
    /// Where to connect. A change means: leave the connection and come here.
    pub(crate) address: watch::Sender<Option<SocketAddr>>,
    phase: watch::Sender<Phase>,
    /// How long anything may take.
    pub(crate) patience: Duration,
    record: Mutex<Record>,
    changed: watch::Sender<()>,
}

/// What is known in the world. One lock guards it; nobody holds it across an await.
pub(crate) struct Record {
    pub(crate) history: History,
    pub(crate) model: Model,
    pub(crate) devices: Vec<DeviceState>,
    /// Frames that a user has to send again because a restore lost them.
    pub(crate) lost: HashMap<String, Vec<ClientFrame>>,
    pub(crate) acked: u64,
    /// Up to how many acknowledgements new things are asked for.
    pub(crate) allowed: u64,
    /// Refusals that say: come again.
    pub(crate) put_off: u64,
    /// The epoch of the database, as first told since the last restore.
    pub(crate) epoch: Option<String>,
    /// A change of membership is being asked for.
    pub(crate) visiting: bool,
    /// Nobody is to ask for one until there is another server.
    pub(crate) nobody_visits: bool,
    /// The events that came since the last check: to which device, of which conversation, which rev.
    pub(crate) told: Vec<(usize, i64, i64)>,
}

/// A device, as others see it.
pub(crate) struct DeviceState {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) replica: Replica,
    /// Asked for and not answered.
    pub(crate) open: usize,
    pub(crate) connected: bool,
    /// Who is online, as it was told.
    pub(crate) online: BTreeMap<String, bool>,
}

/// What a device holds by following.
#[derive(Default)]
pub(crate) struct Replica {
    pub(crate) epoch: String,
    pub(crate) rooms: BTreeMap<i64, Room>,
}

#[derive(Default)]
pub(crate) struct Room {
    pub(crate) cursor: i64,
    pub(crate) role: String,
    pub(crate) messages: BTreeMap<i64, Message>,
}

impl Room {
    /// Insert, or replace where it is newer.
    pub(crate) fn apply(&mut self, message: Message) {
        let held = self.messages.get(&message.seq.get());
        if held.is_none_or(|held| held.rev < message.rev) {
            self.messages.insert(message.seq.get(), message);
        }
    }
}

impl Shared {
    pub(crate) fn new(patience: Duration, history: History) -> Self {
        Self {
            address: watch::Sender::new(None),
            phase: watch::Sender::new(Phase::Settle),
            patience,
            record: Mutex::new(Record {
                history,
                model: Model::default(),
                devices: Vec::new(),
                lost: HashMap::new(),
                acked: 0,
                allowed: 0,
                put_off: 0,
                epoch: None,
                visiting: false,
                nobody_visits: false,
                told: Vec::new(),
            }),
            changed: watch::Sender::new(()),
        }
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the record, and tells those who wait for something.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Record) -> T) -> T {
        let result = change(&mut self.record());
        self.changed.send_replace(());
        result
    }

    pub(crate) fn note(&self, who: &str, way: &str, what: Value) {
        self.record().history.note(who, way, what);
    }

    pub(crate) fn violate(&self, check: &'static str, what: impl Into<String>) {
        self.change(|record| record.history.violate(check, what.into()));
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.phase.send_replace(phase);
        self.changed.send_replace(());
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Tells when the phase changes.
    pub(crate) fn phases(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Waits until the record says so. False: it did not in time.
    pub(crate) async fn until(&self, mut so: impl FnMut(&Record) -> bool) -> bool {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            while !so(&self.record()) {
                if changed.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(self.patience, waiting).await.is_ok()
    }

    /// Lets devices ask until there are this many acknowledgements more.
    pub(crate) fn allow(&self, count: u64) {
        self.change(|record| record.allowed = record.allowed.max(record.acked + count));
    }

    /// Waits for this many acknowledgements more.
    pub(crate) async fn more_acks(&self, count: u64) -> bool {
        let before = self.record().acked;
        self.until(|record| record.acked >= before + count).await
    }
}
