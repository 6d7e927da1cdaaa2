//! The line mode: for screen readers, dumb terminals and pipes.
//!
//! Lines in, lines out, nothing moves. What is remote passes through [`SafeText`], and what follows the
//! first line of a message is indented, so that no text can pass for a line of this program. It decides
//! nothing: what a line does is a request to the client.

mod input;
mod show;

use crate::client::{Answer, Call, Client, Connection, Pending, Request, Update};
use crate::error::ClientError;
use crate::home::Home;
use crate::net::http::Account;
use crate::oneshot::{Target, name_of, print};
use chat_shared::api::{Conversation, Message};
use chat_shared::display::SafeText;
use chat_shared::limits::BODY_MAX_BYTES;
use chat_shared::{ConversationId, SendId, Seq};
use input::Input;
use show::block;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, BufRead, Read as _};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Longest line that is read: the longest message and a command before it.
const LINE_MAX: u64 = BODY_MAX_BYTES as u64 + 256;
/// Messages that wait before the next line is read: a pipe is to wait, not to fill the outbox.
const WAITING_MAX: usize = 100;
/// The errand that is under way, of which there is one at a time.
const DIRECT: u64 = 1;

/// What a line has begun, before which the next line is not read.
#[derive(Debug)]
enum Waiting {
    To(Target),
    Direct,
    History { id: ConversationId, count: usize, messages: BTreeMap<Seq, Message> },
}

struct Plain {
    client: Client,
    server: String,
    conversations: BTreeMap<ConversationId, Conversation>,
    current: Option<ConversationId>,
    connection: Connection,
    started: bool,
    waiting: Option<Waiting>,
    /// Typed here, and neither in the outbox nor refused yet.
    asked: HashSet<SendId>,
    /// What waits to be sent, and how much of it was refused.
    outbox: HashMap<SendId, Pending>,
    refused: usize,
    /// Sent from here: told already.
    mine: HashSet<SendId>,
    /// Up to where messages were told, and up to what time changes.
    told: BTreeMap<ConversationId, (Seq, i64)>,
    /// Why there is no connection, while the next attempt is waited for.
    offline: Option<String>,
    /// It was asked to end whatever waits.
    quit: bool,
    over: Option<String>,
}

/// Runs until the end of the input, `/quit` or the end of the session.
pub async fn run(home: &Home, account: Account) -> Result<(), ClientError> {
    let server = account.server().to_owned();
    let (client, mut updates) = Client::start(home, account)?;
    let mut lines = stdin();
    let mut plain = Plain {
        client,
        server,
        conversations: BTreeMap::new(),
        current: None,
        connection: Connection::Connecting,
        started: false,
        waiting: None,
        asked: HashSet::new(),
        outbox: HashMap::new(),
        refused: 0,
        mine: HashSet::new(),
        told: BTreeMap::new(),
        offline: None,
        quit: false,
        over: None,
    };
    let mut open = true;
    loop {
        let listens = open && plain.started && plain.waiting.is_none() && plain.sending() < WAITING_MAX;
        tokio::select! {
            update = updates.recv() => match update {
                Some(Update::Ended(Some(reason))) => return Err(ClientError::Other(reason)),
                Some(Update::Ended(None)) => return plain.end(),
                // Without a word: its thread is gone, and has said why on the way.
                None => return Err(ClientError::Other("a part of the program has failed.".into())),
                Some(update) => plain.update(update)?,
            },
            line = lines.recv(), if listens => match line {
                Some(line) => open = plain.line(&line)?,
                None => open = false,
            },
        }
        let nothing_waits = plain.started && plain.waiting.is_none() && plain.sending() == 0;
        if plain.over.is_some() || (!open && (nothing_waits || plain.offline.is_some())) {
            plain.client.ask(Request::Quit);
        }
    }
}

/// Lines from standard input, read by a thread: nothing else can wait for them everywhere.
fn stdin() -> mpsc::Receiver<String> {
    let (send, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let Ok(Some(line)) = read_line(&mut input) else { return };
            let line = String::from_utf8_lossy(&line).into_owned();
            if send.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The next line; of one that is longer than any can be the rest is passed over, and its beginning is too long
/// to be taken for a message.
fn read_line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    if input.by_ref().take(LINE_MAX).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') && line.len() as u64 == LINE_MAX {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

impl Plain {
    fn name(&self, id: ConversationId) -> String {
        let name = self.conversations.get(&id).map_or_else(|| format!("({id})"), name_of);
        SafeText::line(&name).to_string()
    }

    /// How much is still to be sent?
    fn sending(&self) -> usize {
        self.asked.len() + self.outbox.len() - self.refused
    }

    fn end(&self) -> Result<(), ClientError> {
        if let Some(reason) = &self.over {
            return Err(ClientError::Closed(reason.clone()));
        }
        let waiting = self.outbox.len() - self.refused;
        if waiting > 0 {
            print(&format!("({waiting} wait and are sent the next time)\n"))?;
        }
        match (self.refused, &self.offline) {
            (0, Some(detail)) if waiting > 0 && !self.quit => {
                Err(ClientError::Unreachable { server: self.server.clone(), detail: detail.clone() })
            }
            (0, _) => Ok(()),
            (n, _) => Err(ClientError::Other(format!("messages that were refused: {n}; they are kept."))),
        }
    }

    /// A line was typed. Returns whether more are to be read.
    fn line(&mut self, line: &str) -> Result<bool, ClientError> {
        match input::parse(line) {
            Ok(Input::Nothing) => {}
            Ok(Input::Say(body, reply_to)) => match self.current {
                Some(conversation) => {
                    let id = SendId::from_uuid(Uuid::now_v7());
                    self.client.ask(Request::Send { id, conversation, body, reply_to });
                    // It is in the outbox, or refused, before the end of the input counts.
                    self.asked.insert(id);
                }
                None => print("(error) say where first: /to #group or /to @user\n")?,
            },
            Ok(Input::To(target)) => {
                self.waiting = Some(Waiting::To(target));
                self.go_on()?;
            }
            Ok(Input::Rooms) => {
                for conversation in self.conversations.values() {
                    let here = if self.current == Some(conversation.id) { "*" } else { " " };
                    print(&format!(
                        "{here} {} ({} unread)\n",
                        self.name(conversation.id),
                        conversation.unread
                    ))?;
                }
            }
            Ok(Input::History(count)) => match self.current {
                Some(id) => {
                    self.waiting = Some(Waiting::History { id, count, messages: BTreeMap::new() });
                    self.client.ask(Request::Open(id));
                }
                None => print("(error) say where first: /to #group or /to @user\n")?,
            },
            Ok(Input::Help) => print(&format!("{}\n", input::HELP))?,
            Ok(Input::Quit) => {
                self.quit = true;
                self.client.ask(Request::Quit);
                return Ok(false);
            }
            Err(error) => print(&format!("(error) {}\n", SafeText::line(&error)))?,
        }
        Ok(true)
    }

    /// Goes where it was asked to, as soon as it is known where that is.
    fn go_on(&mut self) -> Result<(), ClientError> {
        let Some(Waiting::To(target)) = &self.waiting else { return Ok(()) };
        let found = self.conversations.values().find(|conversation| match target {
            Target::Group(name) => conversation.name.as_ref().is_some_and(|n| n.as_str() == name),
            Target::User(name) => {
                conversation.peer.as_ref().is_some_and(|peer| peer.username.as_str() == name)
            }
        });
        if let Some(found) = found {
            return self.arrive(found.id);
        }
        // What is not known yet may be told when the connection is there.
        if matches!(self.connection, Connection::Connecting | Connection::CatchingUp) {
            return Ok(());
        }
        match target {
            Target::User(name) => {
                self.client.ask(Request::Call(DIRECT, Call::Direct(name.clone())));
                self.waiting = Some(Waiting::Direct);
                Ok(())
            }
            Target::Group(name) => {
                let name = name.clone();
                self.waiting = None;
                self.current = None;
                print(&format!("(error) you are not in #{name}\n"))
            }
        }
    }

    fn arrive(&mut self, id: ConversationId) -> Result<(), ClientError> {
        self.waiting = None;
        self.current = Some(id);
        // From now on what is missed of it is read, and not only counted.
        self.client.ask(Request::Open(id));
        print(&format!("(to {})\n", self.name(id)))
    }

    fn update(&mut self, update: Update) -> Result<(), ClientError> {
        match update {
            Update::Start(start) => {
                self.started = true;
                for conversation in start.conversations {
                    self.told.insert(conversation.id, (conversation.last_seq, 0));
                    self.conversations.insert(conversation.id, conversation);
                }
                for pending in start.outbox {
                    self.added(pending)?;
                }
            }
            Update::Connection(connection) => self.connected(connection)?,
            Update::Conversations(all) => {
                for conversation in &all {
                    self.told.entry(conversation.id).or_insert((conversation.last_seq, 0));
                }
                self.conversations = all.into_iter().map(|c| (c.id, c)).collect();
                self.go_on()?;
            }
            Update::Conversation(conversation) => {
                self.conversations.insert(conversation.id, *conversation);
            }
            Update::Removed(id) => {
                print(&format!("(you are not in {} any more)\n", self.name(id)))?;
                self.conversations.remove(&id);
                self.current = self.current.filter(|current| *current != id);
            }
            Update::Reset => self.told.clear(),
            Update::Applied { conversation, messages, .. } => {
                for message in messages {
                    self.message(conversation, &message)?;
                }
            }
            Update::Page { conversation, from, to, messages } => {
                self.page(conversation, from, to, messages)?
            }
            Update::LoadFailed(id, _, error) => {
                if matches!(&self.waiting, Some(Waiting::History { id: asked, .. }) if *asked == id) {
                    print(&format!("(error) {}\n", SafeText::line(&error.to_string())))?;
                    self.show_history(id)?;
                }
            }
            Update::Outbox(_, change) => self.outbox(change)?,
            Update::Refused { id, conversation, draft, reason } => {
                if let Some(id) = id {
                    self.asked.remove(&id);
                }
                let text = block(&draft.unwrap_or_default().text);
                let (name, reason) = (self.name(conversation), SafeText::line(&reason));
                print(&format!("(failed) {name}: {reason}: {text}\n"))?;
            }
            Update::Answer(DIRECT, answer) => match answer {
                Ok(Answer::Conversation(id)) => self.arrive(id)?,
                Ok(_) => self.waiting = None,
                Err(error) => {
                    self.waiting = None;
                    self.current = None;
                    print(&format!("(error) {}\n", SafeText::line(&error.to_string())))?;
                }
            },
            Update::LoggedOut(reason) => self.over = Some(reason),
            Update::Notice(notice) => print(&format!("(notice) {}\n", SafeText::line(&notice)))?,
            Update::Answer(..)
            | Update::Online(_)
            | Update::Presence(..)
            | Update::Typing(..)
            | Update::Unkept { .. }
            | Update::Ended(_) => {}
        }
        Ok(())
    }

    fn connected(&mut self, connection: Connection) -> Result<(), ClientError> {
        self.offline = None;
        match &connection {
            Connection::Online { .. } => {
                print("(online)\n")?;
                self.tell_missed()?;
            }
            Connection::Waiting { retry_in, reason } => {
                self.offline = Some(reason.clone());
                let seconds = retry_in.as_secs().max(1);
                print(&format!("(offline: {}; again in {seconds} s)\n", SafeText::line(reason)))?;
            }
            Connection::Stopped { reason } => {
                print(&format!("(offline: {})\n", SafeText::line(reason)))?;
                // Nothing that waits can be sent, and nobody is here to ask for another attempt.
                self.over = Some(reason.clone());
            }
            Connection::Connecting | Connection::CatchingUp => {}
        }
        self.connection = connection;
        self.go_on()
    }
}
