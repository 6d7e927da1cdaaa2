//! The wall clock jumps while people write: forward, back, to 1970, and to and fro. Only what says that something ends
//! at a time may react to it.

use crate::fresh::{number, text};
use crate::preload::library;
use crate::raw::{self, Came, RawSocket};
use crate::server::{HEARTBEAT, Place, Server};
use crate::shared::{Login, Phase};
use crate::world::{PASSWORD, World, call};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

const HOUR: i64 = 3_600_000;
/// Acknowledgements after each jump, and between two when it goes to and fro.
const ACKS: u64 = 30;
const FEW_ACKS: u64 = 3;
/// How often it goes to and fro.
const TIMES: usize = 5;
/// What a stranger may try at once: more than is let through, if time does not pass.
const GUESSES: usize = 12;

/// A wall clock of the server's own.
struct Clock {
    library: PathBuf,
    offset: PathBuf,
}

impl Clock {
    /// None, and a word about it: there is no C compiler.
    fn new(directory: &Path) -> Option<Self> {
        let clock = Self { library: library("faults/clock.c", directory)?, offset: directory.join("offset") };
        clock.set(0);
        Some(clock)
    }

    /// How many milliseconds it is ahead, from now on. Written in place: the server has it in its memory.
    fn set(&self, ahead: i64) {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(false).open(&self.offset).unwrap();
        file.write_all(&ahead.to_ne_bytes()).unwrap();
    }

    fn settings(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", &self.library), ("CLOCK_OFFSET", &self.offset)]
            .map(|(name, path)| (name, path.to_str().unwrap().to_owned()))
    }
}

/// Somebody who is there through all of it, on one connection.
struct Guest {
    login: Login,
    refresh: String,
    group: i64,
    socket: RawSocket,
    /// What was sent, and the seq and rev that it was given.
    sent: Vec<(Value, i64, i64)>,
}

pub(crate) async fn clock(world: &mut World) {
    let Some(clock) = Clock::new(world.dir()) else { return };
    let before = world.place.settings.clone();
    world.place.settings.extend(clock.settings());
    world.restart_server().await;
    let everybody = |record: &crate::shared::Record| record.devices.iter().all(|device| device.connected);
    if !world.shared.until(everybody).await {
        world.shared.violate("clock", "not everybody came back");
    }
    // Their access tokens are not good at another time, and they do not know how to refresh them; their connections,
    // which were let in once, go on.
    world.shared.change(|record| record.nobody_visits = true);
    // Whoever was let into a conversation a moment ago still reads it: all come to rest before.
    world.look().await;
    world.shared.set_phase(Phase::Load);
    world.goes_on("before the clock jumps in", ACKS).await;
    let mut guest = Guest::come(world).await;

    let to_1970 = 5_000 - now_ms();
    for (what, ahead) in
        [("an hour ahead", HOUR), ("an hour back", -HOUR), ("a day ahead", 24 * HOUR), ("in 1970", to_1970)]
    {
        clock.set(ahead);
        look(world, &mut guest, what, ahead, ACKS).await;
    }
    for turn in 0..TIMES {
        let ahead = if turn % 2 == 0 { HOUR } else { -HOUR };
        clock.set(ahead);
        look(world, &mut guest, "to and fro", ahead, FEW_ACKS).await;
    }
    clock.set(0);
    look(world, &mut guest, "right again", 0, ACKS).await;
    if !everybody(&world.shared.record()) {
        world.shared.violate("clock", "somebody's connection was ended by it");
    }
    guest.finds_it_in_order(world).await;
    limits_go_on(world, &clock).await;

    world.shared.change(|record| record.nobody_visits = false);
    world.place.settings = before;
    world.restart_server().await;
}

/// How it is at this time, to which the clock has just jumped.
async fn look(world: &World, guest: &mut Guest, what: &str, ahead: i64, acks: u64) {
    world.shared.note("torture", "done", json!({"clock": what, "ahead": ahead}));
    world.goes_on(&format!("with the clock {what} in"), acks).await;
    for found in [guest.sends(world, ahead).await, guest.stays_logged_in(world.address()).await] {
        if let Err(found) = found {
            world.shared.violate("clock", format!("{what}: {found}"));
        }
    }
}

impl Guest {
    async fn come(world: &mut World) -> Self {
        let (at, name) = (world.address(), format!("clock{}", world.chance.below(1 << 30)));
        let body = json!({"username": name, "password": PASSWORD});
        let (_, session) = raw::call(at, "", "POST", "/auth/register", Some(&body)).await.unwrap();
        let login = Login { name: name.clone(), token: text(&session, "access_token") };
        let group = json!({"name": name, "visibility": "private"});
        let group = number(&call(at, &login, "POST", "/groups", group).await, "id");
        let socket = RawSocket::connect(at, &login.token, None).await.unwrap();
        Self { login, refresh: text(&session, "refresh_token"), group, socket, sent: Vec::new() }
    }

    /// It sends something, and once more what it sent before.
    async fn sends(&mut self, world: &World, ahead: i64) -> Result<(), String> {
        let first = self.sent.last().cloned();
        let body = format!("message {}", self.sent.len());
        let id =
            crate::chance::Chance::new(world.plan.seed, &format!("{} {body}", self.login.name)).send_id();
        let send = json!({"type": "send", "id": id.to_string(), "conversation_id": self.group, "body": body});
        let earliest = now_ms() + ahead;
        let (seq, rev, sent_at) = self.ask(&send).await?;
        let latest = now_ms() + ahead;
        if !sent_at.is_some_and(|sent_at| (earliest..=latest).contains(&sent_at)) {
            return Err(format!("sent at {sent_at:?}, which is not within {earliest} and {latest}"));
        }
        if let Some((send, seq_before, rev_before)) = first {
            if (seq, rev) != (seq_before + 1, rev_before + 1) {
                return Err(format!("seq {seq}, rev {rev} after {seq_before}, {rev_before}"));
            }
            let again = self.ask(&send).await?;
            if (again.0, again.1) != (seq_before, rev_before) {
                return Err(format!("{send}, sent again, is answered with {again:?}"));
            }
        }
        self.sent.push((send, seq, rev));
        Ok(())
    }

    /// Seq, rev, and when it was sent by what is told to all: nothing where it was sent before.
    async fn ask(&mut self, send: &Value) -> Result<(i64, i64, Option<i64>), String> {
        self.socket.send(send).await.map_err(|error| error.to_string())?;
        let (mut ack, mut sent_at) = (None, None);
        loop {
            match self.socket.next().await {
                Came::Frame(told) if told["type"] == "message" && told["message"]["id"] == send["id"] => {
                    sent_at = told["message"]["sent_at"].as_i64();
                }
                Came::Frame(told) if told["type"] == "ack" && told["id"] == send["id"] => {
                    ack = Some((number(&told, "seq"), number(&told, "rev")));
                }
                Came::Frame(told) if told["type"] == "error" => return Err(format!("{send}: {told}")),
                Came::Frame(_) => {}
                end => return Err(format!("the connection ended with {end:?}")),
            }
            let is_known = |sent: &(Value, i64, i64)| sent.0 == *send;
            if let Some((seq, rev)) = ack
                && (sent_at.is_some() || self.sent.iter().any(is_known))
            {
                return Ok((seq, rev, sent_at));
            }
        }
    }

    /// Whatever became of the access token: the login lives on, and gives one that is good.
    async fn stays_logged_in(&mut self, at: SocketAddr) -> Result<(), String> {
        let body = json!({"refresh_token": self.refresh});
        let refreshed = raw::call(at, "", "POST", "/auth/refresh", Some(&body)).await;
        let (status, session) = refreshed.map_err(|error| error.to_string())?;
        if status != 200 {
            return Err(format!("a refresh is answered with {status} {session}"));
        }
        self.refresh = text(&session, "refresh_token");
        let token = text(&session, "access_token");
        let me = raw::call(at, &token, "GET", "/me", None).await.map(|answer| answer.0).unwrap_or(0);
        if me != 200 {
            return Err(format!("a fresh access token is answered with {me}"));
        }
        let mut socket = RawSocket::connect(at, &token, None).await.map_err(|error| error.to_string())?;
        if socket.next_of("ready").await.is_none() {
            return Err("a new connection is not told how things stand".to_owned());
        }
        // The one before is of another time: it has expired, or was issued by a clock that was set back.
        let old =
            raw::call(at, &self.login.token, "GET", "/me", None).await.map(|answer| answer.0).unwrap_or(0);
        self.login.token = token;
        if old == 401 {
            Ok(())
        } else {
            Err(format!("an access token of another time is answered with {old}"))
        }
    }

    /// Everything is there once, in the order in which it was sent.
    async fn finds_it_in_order(&self, world: &World) {
        let path = format!("/conversations/{}/changes?since=0&limit=200", self.group);
        let (_, page) =
            raw::call(world.address(), &self.login.token, "GET", &path, None).await.unwrap_or_default();
        let there = page["messages"].as_array().cloned().unwrap_or_default();
        let there: Vec<_> = there.iter().filter(|message| message["kind"] == "text").collect();
        let there: Vec<_> =
            there.iter().map(|message| (text(message, "body"), number(message, "seq"))).collect();
        let sent: Vec<_> = self.sent.iter().map(|(send, seq, _)| (text(send, "body"), *seq)).collect();
        if there != sent {
            world.shared.violate("clock", format!("{there:?} instead of {sent:?}"));
        }
    }
}

/// What may not be tried more often for a while is let through as little when the clock says that the while is over, or
/// that it has not begun.
async fn limits_go_on(world: &World, clock: &Clock) {
    let mut place = Place { data: world.dir().join("strict"), ..world.place.clone() };
    place.settings.push(("CHAT_RATE_LIMITS", "on".to_owned()));
    place.heartbeat = HEARTBEAT;
    let server = Server::start(&place);
    let guess = async || {
        let body = json!({"username": "stranger", "password": PASSWORD, "setup_code": "wrong"});
        let answer = raw::call(server.address, "", "POST", "/auth/register", Some(&body)).await;
        answer.map(|answer| answer.0).unwrap_or(0)
    };
    let mut answers = Vec::new();
    for _ in 0..GUESSES {
        answers.push(guess().await);
    }
    if answers[0] != 403 || answers[GUESSES - 1] != 429 {
        world.shared.violate("clock", format!("wrong codes are answered with {answers:?}"));
    }
    for ahead in [24 * HOUR, -24 * HOUR, 0] {
        clock.set(ahead);
        let answer = guess().await;
        if answer != 429 {
            world.shared.violate("clock", format!("one code too many, {ahead} ms ahead: {answer}"));
        }
    }
    let code = server.stop().await;
    if code != Some(0) {
        world.shared.violate("stops", format!("{code:?}"));
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}
