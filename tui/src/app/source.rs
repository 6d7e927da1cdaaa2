//! Where updates come from: the client, the made-up data, or nowhere while the form is shown.

use crate::client::{Client, Draft, Request, Update};
use crate::demo::Demo;
use crate::error::ClientError;
use crate::home::Home;
use crate::net::http::Account;
use std::collections::VecDeque;
use tokio::sync::mpsc;

/// A source of updates that takes requests.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    starting: bool,
}

#[derive(Debug)]
enum Kind {
    None,
    Demo(Box<Demo>, VecDeque<Update>),
    Client(Client, mpsc::Receiver<Update>),
}

impl Source {
    /// Nowhere.
    pub fn none() -> Self {
        Self { kind: Kind::None, starting: false }
    }

    /// Made-up data.
    pub fn demo(demo: Demo) -> Self {
        let mut updates: VecDeque<Update> = demo.start().into();
        updates.push_back(demo.typing());
        Self { kind: Kind::Demo(Box::new(demo), updates), starting: true }
    }

    /// The client, with the log-in that is stored for this server, or for the one used last.
    pub fn open(home: &Home, server: Option<&str>) -> Result<Self, ClientError> {
        let account = Account::open(home, server)?;
        let (client, updates) = Client::start(home, account)?;
        Ok(Self { kind: Kind::Client(client, updates), starting: true })
    }

    /// Has nothing come yet, although something will?
    pub fn is_starting(&self) -> bool {
        self.starting
    }

    /// Asks; what comes of it arrives as updates.
    pub fn ask(&mut self, request: Request) {
        match &mut self.kind {
            Kind::None => {}
            Kind::Demo(demo, updates) => updates.extend(demo.answer(request)),
            Kind::Client(client, _) => client.ask(request),
        }
    }

    /// The next update; none ever comes from nowhere. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Update {
        let next = match &mut self.kind {
            Kind::None => None,
            Kind::Demo(_, updates) => updates.pop_front(),
            Kind::Client(_, updates) => updates.recv().await,
        };
        match next {
            Some(update) => {
                self.starting = false;
                update
            }
            None => std::future::pending().await,
        }
    }

    /// The next update, if it is there.
    pub fn try_next(&mut self) -> Option<Update> {
        let next = match &mut self.kind {
            Kind::None => None,
            Kind::Demo(_, updates) => updates.pop_front(),
            Kind::Client(_, updates) => updates.try_recv().ok(),
        };
        self.starting &= next.is_none();
        next
    }

    /// Ends it, and waits until what was to be kept is on disk. Returns what could not be, and why.
    pub async fn end(&mut self) -> Vec<(Draft, String)> {
        let mut unkept = Vec::new();
        if let Kind::Client(client, updates) = &mut self.kind {
            client.ask(Request::Quit);
            while let Some(update) = updates.recv().await {
                match update {
                    Update::Refused { draft: Some(draft), reason, .. }
                    | Update::Unkept { draft, reason, .. } => unkept.push((draft, reason)),
                    Update::Ended(_) => break,
                    _ => {}
                }
            }
        }
        self.kind = Kind::None;
        unkept
    }
}
