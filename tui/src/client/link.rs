//! The connection: begun, lost, waited for, given up; and what that means for everything that is under way.

use super::answers::Done;
use super::run::Engine;
use super::{Connection, Update};
use crate::net::backoff::random;
use crate::net::ws::{Lost, Socket};
use std::time::{Duration, SystemTime};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The machine slept if more time has passed than was counted.
const SLEPT: Duration = Duration::from_secs(10);
/// A connection that lasted so long was a good one.
const STABLE: Duration = Duration::from_secs(10);
/// The longest wait that a server can ask for.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// Where the connection stands.
#[derive(Debug)]
pub(super) enum Link {
    /// An attempt is under way.
    Connecting(JoinHandle<()>),
    /// Connected since then; the socket is the loop's own.
    Up(Instant),
    /// Not before then.
    Waiting(Instant),
    /// Not unless asked.
    Stopped,
    /// Not with this session.
    LoggedOut,
}

/// Why a connection is given up from this side.
#[derive(Debug)]
pub(super) enum GiveUp {
    /// Another one may be better.
    ForNow(String),
    /// The server is not one to talk to.
    ForGood(String),
}

/// Did the machine sleep, if so much time was counted and so much has passed?
fn slept(counted: Duration, passed: Option<Duration>) -> bool {
    passed.is_some_and(|passed| passed > counted + SLEPT)
}

impl Engine {
    /// Begins to connect, unless it is done or under way.
    pub(super) fn connect(&mut self) {
        if matches!(self.link, Link::Connecting(_) | Link::Up(_) | Link::LoggedOut) {
            return;
        }
        let (account, done) = (self.account.clone(), self.done.clone());
        let task = tokio::spawn(async move {
            let connected = Socket::connect(&account).await;
            let connected = connected.map(|(socket, ready)| (Box::new(socket), Box::new(ready)));
            // Nobody is there to be told: the client has ended.
            let _ = done.send(Done::Connected(connected));
        });
        self.link = Link::Connecting(task);
        self.news.push_back(Update::Connection(Connection::Connecting));
    }

    /// Is there a connection?
    pub(super) fn is_up(&self) -> bool {
        matches!(self.link, Link::Up(_))
    }

    pub(super) fn lost(&mut self, lost: Lost) {
        match lost {
            Lost::Reconnect(asked) => self.lost_because(asked, "the connection was lost".to_owned()),
            Lost::Stop(reason) => self.stopped(reason),
            Lost::Ended(reason) => self.logged_out(reason),
        }
    }

    /// Not connected; again after a while.
    pub(super) fn lost_because(&mut self, asked: Option<Duration>, reason: String) {
        if let Link::Up(since) = self.link
            && since.elapsed() > STABLE
        {
            self.backoff.reset();
        }
        self.disconnected();
        let retry_in = self.backoff.next(random()).max(asked.unwrap_or_default()).min(WAIT_MAX);
        self.link = Link::Waiting(Instant::now() + retry_in);
        self.news.push_back(Update::Connection(Connection::Waiting { retry_in, reason }));
    }

    /// Not connected, and not again unless asked.
    pub(super) fn stopped(&mut self, reason: String) {
        self.disconnected();
        self.link = Link::Stopped;
        self.news.push_back(Update::Connection(Connection::Stopped { reason }));
    }

    /// The session is over.
    pub(super) fn logged_out(&mut self, reason: String) {
        if matches!(self.link, Link::LoggedOut) {
            return;
        }
        self.disconnected();
        self.link = Link::LoggedOut;
        let stopped = Connection::Stopped { reason: reason.clone() };
        self.news.extend([Update::Connection(stopped), Update::LoggedOut(reason)]);
    }

    fn disconnected(&mut self) {
        if let Link::Connecting(task) = &self.link {
            task.abort();
        }
        self.outgoing.clear();
        self.outbox.lost();
        self.to_catch.clear();
        self.catching_up = false;
        for (_, task) in self.catching.drain() {
            task.abort();
        }
        if let Some(task) = self.settling.take() {
            task.abort();
        }
        for room in self.rooms.values_mut() {
            room.follow.lost();
        }
        for (_, conversation) in self.asks.drain() {
            self.news.push_back(Update::Refused {
                id: None,
                conversation,
                draft: None,
                reason: "the connection was lost before the server answered".into(),
            });
        }
    }

    /// What the clock brings. Returns whether the socket is to be dropped.
    pub(super) fn time(&mut self) -> bool {
        let now = Instant::now();
        let clocks = (now, SystemTime::now());
        let counted = now.saturating_duration_since(self.clocks.0);
        let awake = !slept(counted, clocks.1.duration_since(self.clocks.1).ok());
        self.clocks = clocks;
        let mut dropped = false;
        if !awake && matches!(self.link, Link::Up(_) | Link::Waiting(_) | Link::Connecting(_)) {
            // The server has given us up long ago, and nothing on the way may tell.
            self.disconnected();
            self.backoff.reset();
            self.link = Link::Stopped;
            dropped = true;
            self.connect();
        }
        if let Link::Waiting(at) = self.link
            && now >= at
        {
            self.connect();
        }
        dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;
    use crate::net::http::Account;
    use tokio::sync::mpsc;

    #[test]
    fn a_sleeping_machine_counts_less_than_has_passed() {
        let s = Duration::from_secs;
        assert!(!slept(s(15), Some(s(15))));
        assert!(!slept(s(15), Some(s(20))));
        assert!(slept(s(15), Some(s(3600))));
        // A clock that was set back tells nothing.
        assert!(!slept(s(15), None));
    }

    /// An engine that thinks it is connected, and has looked at its clocks just now.
    fn connected() -> (tempfile::TempDir, Engine) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        let session = serde_json::json!({
            "access_token": "a", "token_type": "Bearer", "expires_in": 900, "refresh_token": "r",
            "refresh_expires_in": 900, "session_id": "s",
            "user": {"id": 1, "username": "alice", "display_name": "Alice", "created_at": 0}
        });
        let session = serde_json::from_value(session).unwrap();
        Account::store(&home, "http://127.0.0.1:1", &session, false).unwrap();
        let account = Account::open(&home, None).unwrap();
        let mut engine = Engine::new(&home, account, mpsc::unbounded_channel().0).unwrap();
        engine.link = Link::Up(Instant::now());
        (dir, engine)
    }

    #[tokio::test]
    async fn after_sleep_the_connection_is_given_up_and_made_anew_at_once() {
        let (_dir, mut engine) = connected();
        assert!(!engine.time(), "nothing has happened");
        assert!(engine.is_up());
        // An hour by the wall, and next to nothing by the clock that stands still in sleep.
        engine.clocks.1 -= Duration::from_secs(3600);
        assert!(engine.time());
        assert!(matches!(engine.link, Link::Connecting(_)), "{:?}", engine.link);

        // A long wait for the next attempt is over as well; a session that has ended is not revived.
        engine.link = Link::Waiting(Instant::now() + Duration::from_secs(60));
        engine.clocks.1 -= Duration::from_secs(3600);
        engine.time();
        assert!(matches!(engine.link, Link::Connecting(_)), "{:?}", engine.link);
        engine.link = Link::LoggedOut;
        engine.clocks.1 -= Duration::from_secs(3600);
        assert!(!engine.time());
        assert!(matches!(engine.link, Link::LoggedOut));
    }

    #[tokio::test]
    async fn a_wall_clock_that_is_set_back_is_no_sleep() {
        let (_dir, mut engine) = connected();
        engine.clocks.1 += Duration::from_secs(3600);
        assert!(!engine.time());
        assert!(engine.is_up());
    }
}
