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
    server: String,
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
        Self { kind: Kind::None, server: String::new(), starting: false }
    }

    /// Made-up data.
    pub fn demo(demo: Demo) -> Self {
        let mut updates: VecDeque<Update> = demo.start().into();
        updates.push_back(demo.typing());
        Self { kind: Kind::Demo(Box::new(demo), updates), starting: true, ..Self::none() }
    }

    /// The client, with the log-in that is stored for this server, or for the one used last.
    pub fn open(home: &Home, server: Option<&str>) -> Result<Self, ClientError> {
        let account = Account::open(home, server)?;
        let server = account.server().to_owned();
        let (client, updates) = Client::start(home, account)?;
        Ok(Self { kind: Kind::Client(client, updates), server, starting: true })
    }

    /// The address of the server that it follows; empty where there is none.
    pub fn server(&self) -> &str {
        &self.server
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

    /// The next update; none ever comes from nowhere. `None`: the client has failed without a word, and whatever
    /// it is asked is lost. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Update> {
        let next = match &mut self.kind {
            Kind::None => std::future::pending().await,
            Kind::Demo(_, updates) => match updates.pop_front() {
                Some(update) => Some(update),
                None => std::future::pending().await,
            },
            Kind::Client(_, updates) => updates.recv().await,
        };
        self.took(next.as_ref());
        next
    }

    /// After its last word nothing comes any more.
    fn took(&mut self, update: Option<&Update>) {
        self.starting &= update.is_none();
        if matches!(update, Some(Update::Ended(_))) {
            self.kind = Kind::None;
        }
    }

    /// The next update, if it is there.
    pub fn try_next(&mut self) -> Option<Update> {
        let next = match &mut self.kind {
            Kind::None => None,
            Kind::Demo(_, updates) => updates.pop_front(),
            Kind::Client(_, updates) => updates.try_recv().ok(),
        };
        self.took(next.as_ref());
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    /// Of a client whose thread is gone, and what it has told before.
    fn of_the_dead(told: Vec<Update>) -> Source {
        let (updates, tell) = mpsc::channel(8);
        for update in told {
            updates.try_send(update).unwrap();
        }
        Source { kind: Kind::Client(Client::dead(), tell), starting: true, ..Source::none() }
    }

    #[test]
    fn a_client_that_fails_without_a_word_is_noticed_and_one_that_has_ended_is_not_asked_again() {
        let mut source = of_the_dead(vec![Update::Reset]);
        assert!(matches!(source.next().now_or_never(), Some(Some(Update::Reset))));
        assert!(matches!(source.next().now_or_never(), Some(None)), "it has failed");

        let mut source = of_the_dead(vec![Update::Ended(None)]);
        assert!(matches!(source.next().now_or_never(), Some(Some(Update::Ended(None)))));
        assert!(source.next().now_or_never().is_none(), "there is nothing to wait for");

        let mut source = of_the_dead(vec![Update::Ended(None)]);
        assert!(matches!(source.try_next(), Some(Update::Ended(None))));
        assert!(source.next().now_or_never().is_none());
    }
}
