//! A real server in this process, people on it, and clients of the engine. Nothing here sleeps: it
//! waits for what is to happen, with patience.

use chat_server::app::Server;
use chat_server::config::{Values, args};
use chat_server::listener::{Drain, DrainHandle};
use chat_shared::api::{Conversation, Message, MessagePage, SendRequest, Session};
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, Rev, SendId, Seq};
use chat_tui::client::{Client, Connection, Draft, OutboxChange, Pending, Request, Start, Update};
use chat_tui::home::Home;
use chat_tui::net::http::{Account, Http};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PASSWORD: &str = "a password for tests";

/// A server whose data outlives it.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    stop: DrainHandle,
    task: JoinHandle<()>,
}

impl TestServer {
    /// With these settings besides the ones that make it quick.
    pub(crate) async fn at(data: &Path, listen: &str, settings: &[(&str, &str)]) -> Self {
        let mut all = vec![
            ("CHAT_LISTEN", listen),
            ("CHAT_DATA_DIR", data.to_str().unwrap()),
            ("CHAT_PBKDF2_ITERATIONS", "10"),
            ("CHAT_RATE_LIMITS", "off"),
        ];
        all.extend(settings);
        let matches = args(clap::Command::new("test")).get_matches_from(["test"]);
        let mut values = Values::default();
        values.flags(&matches);
        values.environment(|name| all.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        let config = values.load().unwrap().config;
        let server = Server::start(config, None).await.unwrap();
        let address = server.address().unwrap();
        let (stop, drain) = Drain::new();
        let task = tokio::spawn(async move { server.serve(drain).await.unwrap() });
        Self { address, stop, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        self.stop.start();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

/// A directory, a server in it, and homes beside.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) server: Option<TestServer>,
    pub(crate) url: String,
    settings: &'static [(&'static str, &'static str)],
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With these settings of the server.
    pub(crate) async fn with(settings: &'static [(&'static str, &'static str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let server = TestServer::at(&dir.path().join("server"), "127.0.0.1:0", settings).await;
        let url = server.url();
        Self { dir, server: Some(server), url, settings }
    }

    /// A command of the operator.
    pub(crate) async fn operate(&self, command: &[&str]) {
        let data = self.dir.path().join("server");
        let line = ["chat-server", "--data-dir", data.to_str().unwrap()];
        let line: Vec<OsString> = line.iter().chain(command).map(OsString::from).collect();
        let done = tokio::task::spawn_blocking(move || chat_server::cli::run(line)).await.unwrap();
        assert_eq!(done, 0, "{command:?}");
    }

    /// Ends the server; its data stays.
    pub(crate) async fn server_off(&mut self) {
        self.server.take().unwrap().stop().await;
    }

    /// Starts it again, at the same address.
    pub(crate) async fn server_on(&mut self) {
        let listen = self.url.trim_start_matches("http://").to_owned();
        self.server = Some(TestServer::at(&self.dir.path().join("server"), &listen, self.settings).await);
    }

    pub(crate) fn home(&self, name: &str) -> Home {
        Home::at(&self.dir.path().join(name)).unwrap()
    }

    /// Registers somebody, with a log-in in a home of that name.
    pub(crate) async fn register(&self, name: &str) -> Person {
        let http = Http::new(&self.url).unwrap();
        let body = json!({"username": name, "password": PASSWORD});
        let session: Session = http.post("/auth/register", &body).await.unwrap();
        self.person(name, &session)
    }

    /// Logs somebody in once more, in another home.
    pub(crate) async fn device(&self, name: &str, home: &str) -> Person {
        let http = Http::new(&self.url).unwrap();
        let body = json!({"username": name, "password": PASSWORD});
        let session: Session = http.post("/auth/login", &body).await.unwrap();
        self.person(home, &session)
    }

    fn person(&self, home: &str, session: &Session) -> Person {
        let home = self.home(home);
        Account::store(&home, &self.url, session, false).unwrap();
        let account = Account::open(&home, None).unwrap();
        Person { home, account }
    }
}

/// Somebody with a log-in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) home: Home,
    pub(crate) account: Account,
}

impl Person {
    pub(crate) fn start(&self) -> Face {
        let (client, updates) = Client::start(&self.home, self.account.clone()).unwrap();
        Face::new(client, updates)
    }

    pub(crate) async fn group(&self, name: &str) -> ConversationId {
        let made: Conversation = self.account.post("/groups", &json!({"name": name})).await.unwrap();
        made.id
    }

    pub(crate) async fn join(&self, id: ConversationId) {
        let _: Conversation = self.account.post(&format!("/groups/{id}/join"), &json!({})).await.unwrap();
    }

    pub(crate) async fn send(&self, id: ConversationId, body: &str) -> Message {
        let request = SendRequest { id: new_id().to_string(), body: body.to_owned(), reply_to: None };
        self.account.post(&format!("/conversations/{id}/messages"), &request).await.unwrap()
    }

    pub(crate) async fn conversation(&self, id: ConversationId) -> Conversation {
        self.account.get(&format!("/conversations/{id}")).await.unwrap()
    }

    /// Everything that was ever said there.
    pub(crate) async fn history(&self, id: ConversationId) -> Vec<Message> {
        let mut all: Vec<Message> = Vec::new();
        loop {
            let after = all.last().map_or(0, |message| message.seq.get());
            let path = format!("/conversations/{id}/messages?after={after}&limit=200");
            let page: MessagePage = self.account.get(&path).await.unwrap();
            all.extend(page.messages);
            if !page.has_after {
                return all;
            }
        }
    }

    /// The texts of it.
    pub(crate) async fn texts(&self, id: ConversationId) -> Vec<String> {
        let texts = self.history(id).await.into_iter().filter(|message| message.event.is_none());
        texts.map(|message| message.body).collect()
    }
}

pub(crate) fn new_id() -> SendId {
    SendId::from_uuid(Uuid::now_v7())
}

/// What an interface would know: the updates, applied as they say.
pub(crate) struct Face {
    pub(crate) client: Client,
    updates: mpsc::UnboundedReceiver<Update>,
    pub(crate) start: Option<Start>,
    pub(crate) connection: Connection,
    pub(crate) conversations: BTreeMap<ConversationId, Conversation>,
    pub(crate) messages: BTreeMap<ConversationId, BTreeMap<Seq, Message>>,
    /// Complete spans of each, as they were told.
    pub(crate) spans: BTreeMap<ConversationId, Vec<(Seq, Seq)>>,
    pub(crate) cursors: BTreeMap<ConversationId, Rev>,
    pub(crate) outbox: BTreeMap<ConversationId, Vec<Pending>>,
    pub(crate) notices: Vec<String>,
    /// How many changes of it were told.
    pub(crate) outbox_changes: usize,
    pub(crate) refused: Vec<(Option<Draft>, String)>,
    pub(crate) answers: BTreeMap<u64, Result<chat_tui::client::Answer, String>>,
    pub(crate) resets: usize,
    pub(crate) logged_out: Option<String>,
    /// How often it had to wait for the next attempt.
    pub(crate) connections_lost: usize,
    pub(crate) failed_loads: usize,
    pub(crate) ended: Option<Option<String>>,
}

impl Face {
    pub(crate) fn new(client: Client, mut told: mpsc::Receiver<Update>) -> Self {
        // An interface takes its updates also while the test looks at another one.
        let (forward, updates) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(update) = told.recv().await {
                if forward.send(update).is_err() {
                    return;
                }
            }
        });
        Self {
            client,
            updates,
            start: None,
            connection: Connection::Connecting,
            conversations: BTreeMap::new(),
            messages: BTreeMap::new(),
            spans: BTreeMap::new(),
            cursors: BTreeMap::new(),
            outbox: BTreeMap::new(),
            outbox_changes: 0,
            notices: Vec::new(),
            refused: Vec::new(),
            answers: BTreeMap::new(),
            resets: 0,
            logged_out: None,
            connections_lost: 0,
            failed_loads: 0,
            ended: None,
        }
    }

    /// Takes updates until this is so.
    pub(crate) async fn until(&mut self, what: &str, mut check: impl FnMut(&Self) -> bool) {
        let waiting = async {
            while !check(self) {
                match self.updates.recv().await {
                    Some(update) => self.take(update),
                    None => panic!("the client ended ({:?}), waiting for: {what}", self.ended),
                }
            }
        };
        let done = tokio::time::timeout(PATIENCE, waiting).await;
        if done.is_err() {
            panic!(
                "not in time: {what}; {:?}; {:?}; notices {:?}; outbox {:?}; rooms {:?}",
                self.connection,
                self.refused,
                self.notices,
                self.outbox,
                self.conversations
                    .values()
                    .map(|c| (c.id, c.head_rev, c.read_seq, c.unread))
                    .collect::<Vec<_>>()
            );
        }
    }

    pub(crate) async fn online(&mut self) {
        self.until("online", |face| matches!(face.connection, Connection::Online { .. })).await;
    }

    pub(crate) fn send(&self, conversation: ConversationId, body: &str) -> SendId {
        let id = new_id();
        let body = MessageBody::new(body).unwrap();
        self.client.ask(Request::Send { id, conversation, body: body.clone(), reply_to: None });
        id
    }

    pub(crate) fn texts(&self, id: ConversationId) -> Vec<String> {
        let messages = self.messages.get(&id).into_iter().flat_map(|messages| messages.values());
        messages.filter(|message| message.event.is_none()).map(|message| message.body.clone()).collect()
    }

    pub(crate) fn unread(&self, id: ConversationId) -> (u32, u32) {
        self.conversations.get(&id).map_or((0, 0), |c| (c.unread, c.mentions))
    }

    pub(crate) fn waits(&self) -> usize {
        self.outbox.values().map(Vec::len).sum()
    }

    pub(crate) async fn quit(mut self) {
        self.client.ask(Request::Quit);
        self.until("the end", |face| face.ended.is_some()).await;
        assert_eq!(self.ended, Some(None));
    }

    fn put(&mut self, conversation: ConversationId, messages: Vec<Message>) {
        let held = self.messages.entry(conversation).or_default();
        for message in messages {
            if held.get(&message.seq).is_none_or(|old| old.rev < message.rev) {
                held.insert(message.seq, message);
            }
        }
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Start(start) => {
                self.conversations = start.conversations.iter().map(|c| (c.id, c.clone())).collect();
                for pending in &start.outbox {
                    self.outbox.entry(pending.conversation).or_default().push(pending.clone());
                }
                self.start = Some(*start);
            }
            Update::Connection(connection) => {
                self.connections_lost += usize::from(matches!(connection, Connection::Waiting { .. }));
                self.connection = connection;
            }
            Update::Conversations(all) => {
                self.conversations = all.into_iter().map(|c| (c.id, c)).collect();
            }
            Update::Conversation(c) => {
                assert!(c.last_message.is_none());
                self.conversations.insert(c.id, *c);
            }
            Update::Removed(id) => {
                self.conversations.remove(&id);
                self.messages.remove(&id);
                self.spans.remove(&id);
                self.cursors.remove(&id);
            }
            Update::Reset => {
                self.resets += 1;
                self.messages.clear();
                self.spans.clear();
                self.cursors.clear();
            }
            Update::Applied { conversation, messages, from, to } => {
                if from < to {
                    assert!(messages.windows(2).all(|pair| pair[0].rev < pair[1].rev));
                    for span in self.spans.entry(conversation).or_default() {
                        if span.1.as_rev() >= from {
                            span.1 = span.1.max(to.as_seq());
                        }
                    }
                }
                self.cursors.insert(conversation, to);
                self.put(conversation, messages);
            }
            Update::Page { conversation, from, to, messages } => {
                assert!(messages.iter().all(|message| message.seq >= from && message.seq <= to));
                self.spans.entry(conversation).or_default().push((from, to));
                self.put(conversation, messages);
            }
            Update::LoadFailed(..) => self.failed_loads += 1,
            Update::Outbox(id, change) => {
                self.outbox_changes += 1;
                let queue = self.outbox.entry(id).or_default();
                let at = |queue: &[Pending], id| queue.iter().position(|pending| pending.id == id).unwrap();
                match change {
                    OutboxChange::Added(pending) => queue.push(pending),
                    OutboxChange::Marked(id, failed) => {
                        let at = at(queue, id);
                        queue[at].failed = failed;
                    }
                    OutboxChange::Gone(id) => drop(queue.remove(at(queue, id))),
                }
            }
            Update::Refused { draft, reason, .. } => self.refused.push((draft, reason)),
            Update::Answer(ticket, answer) => {
                self.answers.insert(ticket, answer.map_err(|error| error.to_string()));
            }
            Update::LoggedOut(reason) => self.logged_out = Some(reason),
            Update::Notice(notice) => self.notices.push(notice),
            Update::Ended(reason) => self.ended = Some(reason),
            Update::Online(_) | Update::Presence(..) | Update::Typing(..) | Update::Unkept { .. } => {}
        }
    }
}
