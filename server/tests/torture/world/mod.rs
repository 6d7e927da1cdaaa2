//! A world: a server, people on their devices, and rounds of load, a fault, and a look at what came of it.

mod settle;

pub(crate) use settle::{PASSWORD, register};

use crate::chance::Chance;
use crate::checker;
use crate::faults::Fault;
use crate::fresh::{Fresh, number, text};
use crate::model::{Place as Spot, Text, id_of};
use crate::raw::{self, Came, RawSocket};
use crate::report::{Figures, History, Violation};
use crate::server::{Place, Server, faults_in};
use crate::shared::{Login, Phase, Shared};
use chat_shared::frame::ClientFrame;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Acknowledgements during a fault: some take long, and what was asked has to be read again.
const DURING: u64 = 600;
/// Acknowledgements beyond what is waited for.
const SPARE: u64 = 100;

/// How a world is made.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    /// Acknowledgements before each fault; half as many after it.
    pub(crate) load: u64,
    /// How long anything may take.
    pub(crate) patience: Duration,
    /// People besides, on bare sockets, who mostly send, and much.
    pub(crate) writers: usize,
    /// The bug that is planted in the server.
    pub(crate) planted: Option<String>,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) shared: Arc<Shared>,
    pub(crate) place: Place,
    pub(crate) server: Option<Server>,
    pub(crate) people: Vec<Login>,
    writers: Vec<Login>,
    pub(crate) groups: (i64, i64),
    pub(crate) chance: Chance,
    /// `kill -9`s so far.
    pub(crate) kills: u64,
    tasks: JoinSet<()>,
    dir: TempDir,
}

impl World {
    /// A server with people in it who have begun to follow. `small`: on a small file system of its own.
    pub(crate) async fn new(plan: &Plan, small: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let volume = small.then(|| dir.path().join("volume"));
        if let Some(volume) = &volume {
            std::fs::create_dir(volume).unwrap();
        }
        let data = volume.as_deref().unwrap_or(dir.path()).join("data");
        let place =
            Place { volume, planted: plan.planted.clone(), ..Place::new(data, dir.path().join("log")) };
        let server = Server::start(&place);
        let name = format!("{}{}", plan.seed, if small { "-small" } else { "" });
        let mut world = Self {
            plan: plan.clone(),
            shared: Arc::new(Shared::new(plan.patience, History::new(&name))),
            place,
            people: Vec::new(),
            writers: Vec::new(),
            groups: (0, 0),
            chance: Chance::new(plan.seed, "world"),
            kills: 0,
            tasks: JoinSet::new(),
            dir,
            server: None,
        };
        world.settle_in(server.address).await;
        world.shared.address.send_replace(Some(server.address));
        world.server = Some(server);
        world
    }

    /// All who have a device.
    fn everybody(&self) -> Vec<Login> {
        self.people.iter().chain(&self.writers).cloned().collect()
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server().address
    }

    /// The private group's outsider.
    pub(crate) fn outsider(&self) -> &Login {
        self.people.last().unwrap()
    }

    /// Starts the server that is down, and lets the clients come.
    pub(crate) fn start_server(&mut self) {
        let server = Server::start(&self.place);
        self.shared.address.send_replace(Some(server.address));
        self.server = Some(server);
    }

    /// Another start, as the place says now.
    pub(crate) async fn restart_server(&mut self) {
        self.shared.address.send_replace(None);
        let code = self.take_server().stop().await;
        if code != Some(0) {
            self.shared.violate("stops", format!("{code:?}"));
        }
        self.start_server();
    }

    /// Takes the server away from the clients, to do something to it.
    pub(crate) fn take_server(&mut self) -> Server {
        self.server.take().unwrap()
    }

    /// Load, the fault in the midst of it, load again, silence, and a look at everything.
    pub(crate) async fn round(&mut self, fault: &Fault, figures: &mut Figures) -> Vec<Violation> {
        let (acked, kills) = (self.shared.record().acked, self.kills);
        self.shared.note("torture", "fault", json!(fault.name));
        self.shared.set_phase(Phase::Load);
        self.goes_on("before", self.plan.load).await;
        self.shared.allow(DURING);
        (fault.run)(self).await;
        self.goes_on("after", self.plan.load / 2).await;
        self.look().await;
        let acked = self.shared.record().acked - acked;
        let found = std::mem::take(&mut self.shared.record().history.violations);
        figures.add(fault.name, self.kills - kills, acked, &found);
        found
    }

    /// People are served: so many acknowledgements come.
    pub(crate) async fn goes_on(&self, when: &str, acks: u64) {
        self.shared.allow(acks + SPARE);
        if !self.shared.more_acks(acks).await {
            self.shared.violate("goes_on", format!("{when} the fault: no {acks} answers in time"));
        }
    }

    /// Lets everything come to rest, reads all anew, and checks it.
    pub(crate) async fn look(&self) {
        self.shared.set_phase(Phase::Settle);
        let at_rest = self
            .shared
            .until(|r| {
                !r.visiting && r.lost.is_empty() && r.devices.iter().all(|d| d.connected && d.open == 0)
            })
            .await;
        if !at_rest {
            let record = self.shared.record();
            let open: Vec<_> = record.devices.iter().map(|d| (d.name.clone(), d.connected, d.open)).collect();
            drop(record);
            self.shared.violate("settles", format!("still open: {open:?}"));
            return;
        }
        let cursors = self.shared.record().model.reads.clone();
        let fresh = match Fresh::read(self.address(), &self.everybody(), cursors).await {
            Ok(fresh) => fresh,
            Err(error) => return self.shared.violate("settles", format!("it cannot be read: {error}")),
        };
        // What is on its way arrives; what does not is found by the check of this name.
        let _ = self
            .shared
            .until(|record| {
                record.devices.iter().all(|device| {
                    let rooms = &device.replica.rooms;
                    let wanted = checker::heads(&fresh, &device.user);
                    rooms.len() == wanted.len()
                        && wanted
                            .iter()
                            .all(|(id, head)| rooms.get(id).is_some_and(|room| room.cursor >= *head))
                })
            })
            .await;
        self.shared.change(|record| checker::check(&fresh, record));
    }

    /// Asks by the bare client, as one of the people, and waits for the answer: seq and rev.
    pub(crate) async fn ask(
        &self,
        socket: &mut RawSocket,
        login: &Login,
        frame: &ClientFrame,
    ) -> Option<(i64, i64)> {
        self.ask_and_hear(socket, login, frame).await.0
    }

    /// The same, and everything else that came before the answer.
    pub(crate) async fn ask_and_hear(
        &self,
        socket: &mut RawSocket,
        login: &Login,
        frame: &ClientFrame,
    ) -> (Option<(i64, i64)>, Vec<Value>) {
        let id = id_of(frame).unwrap_or_default();
        let value: Value = serde_json::from_str(&frame.to_json()).unwrap_or_default();
        self.shared.change(|record| record.model.asked(&login.name, frame));
        self.shared.note(&format!("{} on a bare socket", login.name), "asked", value.clone());
        let _ = socket.send(&value).await;
        let mut heard = Vec::new();
        while let Came::Frame(told) = socket.next().await {
            if told["id"] != *id || told["type"] == "message" {
                heard.push(told);
                continue;
            }
            if told["type"] != "ack" {
                self.shared.violate("answers", format!("{}: {value} is answered with {told}", login.name));
                return (None, heard);
            }
            let (seq, rev) = (number(&told, "seq"), number(&told, "rev"));
            self.shared.change(|record| {
                if let Err((check, what)) = record.model.acked(&login.name, frame, seq, rev) {
                    record.history.violate(check, what);
                }
            });
            return (Some((seq, rev)), heard);
        }
        self.shared.violate("answers", format!("{}: {value} is not answered", login.name));
        (None, heard)
    }

    /// The database was restored to an older state: what is there is what clients know from now on.
    pub(crate) async fn begin_anew(&self, at: SocketAddr) {
        let fresh = Fresh::read(at, &self.everybody(), HashMap::new()).await.unwrap();
        let texts: BTreeMap<Spot, Text> = fresh
            .messages()
            .filter(|(_, message)| message["kind"] == "text")
            .map(|(id, message)| ((id, number(message, "seq")), as_text(message)))
            .collect();
        self.shared.change(|record| {
            let mut lost: HashMap<String, Vec<_>> = HashMap::new();
            for (user, frame) in record.model.restored(texts) {
                lost.entry(user).or_default().push(frame);
            }
            record.lost = lost;
            record.told.clear();
            record.epoch = None;
        });
    }

    /// Ends it: the server stops as asked, and its database is whole. If not: what was found in this world, and where
    /// its history is.
    pub(crate) async fn end(mut self) -> Result<(), (Vec<Violation>, PathBuf)> {
        self.shared.set_phase(Phase::Over);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                self.shared.violate("no_faults", format!("a client of the test: {error}"));
            }
        }
        if let Some(server) = self.server.take() {
            // A file system of its own goes with its server.
            let small = self.place.volume.is_some().then(|| damage(&self.copied(&server)));
            let code = server.stop().await;
            if code != Some(0) {
                self.shared.violate("stops", format!("it ended with {code:?}"));
            }
            let damage = small.unwrap_or_else(|| {
                let doctor = self.place.run(&["doctor", "--json"]);
                let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
                let found =
                    if cfg!(feature = "postgres") { None } else { damage(&self.place.data.join("chat.db")) };
                if said.contains("\"damage\":[]") { found } else { Some(said) }
            });
            if let Some(damage) = damage {
                self.shared.violate("undamaged", damage);
            }
        }
        for line in faults_in(&self.place.log) {
            self.shared.violate("no_faults", line);
        }
        let found = std::mem::take(&mut self.shared.record().history.violations);
        if found.is_empty() {
            self.shared.record().history.discard();
            return Ok(());
        }
        Err((found, self.keep()))
    }

    /// A copy of the database of a server on a file system of its own.
    fn copied(&self, server: &Server) -> PathBuf {
        let copy = self.dir.path().join("copy.db");
        for suffix in ["", "-wal"] {
            let of = server.sees(&self.place.data.join(format!("chat.db{suffix}")));
            let _ = std::fs::copy(of, self.dir.path().join(format!("copy.db{suffix}")));
        }
        copy
    }

    /// Keeps the history of a world that failed; where.
    pub(crate) fn keep(&self) -> PathBuf {
        self.shared.record().history.keep(&self.place.log)
    }

    /// A directory of the world's own.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }
}

/// What SQLite itself finds wrong with a database.
fn damage(database: &std::path::Path) -> Option<String> {
    let check = || -> rusqlite::Result<String> {
        let db = rusqlite::Connection::open(database)?;
        let broken: i64 =
            db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
        let found: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        Ok(if broken == 0 { found } else { format!("{broken} broken references") })
    };
    let found = check().unwrap_or_else(|error| error.to_string());
    (found != "ok").then_some(found)
}

/// A message of the server as one that must stand.
fn as_text(message: &Value) -> Text {
    Text {
        id: text(message, "id"),
        bodies: BTreeMap::from([(number(message, "seq"), text(message, "body"))]),
        deleted: message["deleted_at"].is_i64(),
        reactions: checker::reactions(message).into_iter().map(|by| (by, Some(true))).collect(),
        maybe_deleted: false,
    }
}

/// Calls, and insists that it works.
pub(crate) async fn call(at: SocketAddr, login: &Login, method: &str, path: &str, body: Value) -> Value {
    let (status, value) = raw::call(at, &login.token, method, path, Some(&body)).await.unwrap();
    assert!((200..300).contains(&status), "{method} {path}: {status} {value}");
    value
}
