//! The load generator: one thread, one task a connection, every protocol behind [`Protocol`].

mod connection;
mod drive;
mod tally;

pub(crate) use drive::drive;

use crate::wire::Protocol;
use anyhow::{Result, bail};
use connection::Connection;
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tally::Tally;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What is read from a socket at once.
const READ: usize = 256 << 10;

/// All connections to one server, and what they share.
pub(crate) struct Crowd {
    protocol: Box<dyn Protocol>,
    address: SocketAddr,
    /// Connections that may be under way at once.
    at_once: usize,
    started: Instant,
    connections: RefCell<Vec<Rc<Connection>>>,
    tasks: RefCell<Vec<JoinHandle<()>>>,
    tally: RefCell<Tally>,
    /// What is read goes here: no connection holds a buffer of its own.
    space: RefCell<Vec<u8>>,
    /// Is each delivery answered by a message to the partner?
    answers: Cell<bool>,
    /// Somebody waits for so many deliveries.
    awaited: Cell<u64>,
    progress: Notify,
    /// What went wrong first.
    failure: RefCell<Option<String>>,
}

impl Crowd {
    pub(crate) fn new(protocol: Box<dyn Protocol>, address: SocketAddr, at_once: usize) -> Result<Rc<Self>> {
        Ok(Rc::new(Self {
            protocol,
            address,
            at_once,
            started: Instant::now(),
            connections: RefCell::default(),
            tasks: RefCell::default(),
            tally: RefCell::new(Tally::new()?),
            space: RefCell::new(vec![0; READ]),
            answers: Cell::new(false),
            awaited: Cell::new(u64::MAX),
            progress: Notify::new(),
            failure: RefCell::default(),
        }))
    }

    /// Nanoseconds since it began.
    fn now(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    fn add(&self, connection: &Rc<Connection>, task: JoinHandle<()>) {
        self.connections.borrow_mut().push(connection.clone());
        self.tasks.borrow_mut().push(task);
    }

    /// Wakes whoever waits for as many deliveries as there are now.
    fn noticed(&self) {
        if self.tally.borrow().delivered >= self.awaited.get() {
            self.progress.notify_one();
        }
    }

    fn fail(&self, why: &str) {
        self.failure.borrow_mut().get_or_insert_with(|| why.to_owned());
        self.progress.notify_one();
        for connection in self.connections.borrow().iter() {
            connection.news.notify_one();
        }
    }

    fn check(&self) -> Result<()> {
        match &*self.failure.borrow() {
            Some(why) => bail!("{why}"),
            None => Ok(()),
        }
    }

    /// Connects the first so many users, so many at once; returns them in order.
    async fn connect(self: &Rc<Self>, users: u32, at_once: usize) -> Result<Vec<Rc<Connection>>> {
        // The first alone: it may make what the others need.
        let first = Connection::open(self, 0).await?;
        let others = (1..users).map(|user| Connection::open(self, user));
        let mut all: Vec<_> =
            futures_util::stream::iter(others).buffer_unordered(at_once).try_collect().await?;
        all.push(first);
        all.sort_by_key(|connection| connection.user);
        Ok(all)
    }

    /// Closes every connection.
    async fn disconnect(&self) {
        self.connections.borrow_mut().clear();
        let tasks = self.tasks.take();
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
    }
}
