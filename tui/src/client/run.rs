//! The engine: one loop that waits for a request, a frame, an answer or the clock, and nothing else.
//!
//! What happens is handled without waiting (see `frames`, `requests`, `answers`); what comes of it is
//! collected and handed out between two events. While the interface does not take its updates nothing
//! else is read, so that no server can fill the memory.

use super::answers::Done;
use super::link::{GiveUp, Link};
use super::outbox::Outbox;
use super::reads::Reads;
use super::room::Room;
use super::{Request, Start, Update};
use crate::cache::{Cache, Opened};
use crate::error::ClientError;
use crate::home::Home;
use crate::net::backoff::Backoff;
use crate::net::http::Account;
use crate::net::ws::{Lost, Socket};
use chat_shared::frame::{ClientFrame, ServerFrame};
use chat_shared::limits::Limits;
use chat_shared::{ConversationId, SendId, Username};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often the clocks are compared.
const TICK: Duration = Duration::from_secs(15);
/// HTTP requests of the interface at once.
const CALLS_AT_ONCE: usize = 8;

/// Everything the client knows.
pub(super) struct Engine {
    pub(super) account: Account,
    pub(super) me: Username,
    pub(super) cache: Cache,
    pub(super) epoch: Option<String>,
    pub(super) rooms: HashMap<ConversationId, Room>,
    pub(super) limits: Limits,
    pub(super) server_name: String,
    pub(super) outbox: Outbox,
    pub(super) reads: Reads,
    pub(super) typing: HashMap<ConversationId, Instant>,
    /// Deletions and reactions that are not acknowledged.
    pub(super) asks: HashMap<SendId, ConversationId>,
    pub(super) opened: Option<ConversationId>,
    pub(super) link: Link,
    /// `Online` is told when nothing is behind any more.
    pub(super) catching_up: bool,
    pub(super) backoff: Backoff,
    /// Conversations that are read anew now.
    pub(super) catching: HashMap<ConversationId, JoinHandle<()>>,
    /// And that wait for it.
    pub(super) to_catch: VecDeque<ConversationId>,
    pub(super) catch_at: Instant,
    /// Conversations whose counts are in doubt.
    pub(super) doubts: BTreeSet<ConversationId>,
    pub(super) settling: Option<JoinHandle<()>>,
    pub(super) settle_at: Instant,
    /// Conversations of which the cache has missed something.
    pub(super) unkept: HashSet<ConversationId>,
    pub(super) warned: bool,
    /// Updates to hand out.
    pub(super) news: VecDeque<Update>,
    /// Frames to send.
    pub(super) outgoing: VecDeque<ClientFrame>,
    /// The connection is to be given up, for this reason.
    pub(super) give_up: Option<GiveUp>,
    pub(super) done: mpsc::UnboundedSender<Done>,
    pub(super) calls: Arc<Semaphore>,
    pub(super) quit: bool,
    /// As they were at the last look.
    pub(super) clocks: (Instant, SystemTime),
}

#[allow(clippy::large_enum_variant, reason = "one at a time, made and handled at once")]
enum Happened {
    Request(Option<Request>),
    Frame(Result<ServerFrame, Lost>),
    Done(Done),
    Time,
}

/// Runs until the end; returns the reason if it was not asked for.
pub(super) async fn run(
    home: Home,
    account: Account,
    mut requests: mpsc::UnboundedReceiver<Request>,
    updates: mpsc::Sender<Update>,
) -> Option<String> {
    let (done, mut answers) = mpsc::unbounded_channel();
    let mut engine = match Engine::new(&home, account, done) {
        Ok(engine) => engine,
        Err(error) => return Some(error.to_string()),
    };
    let mut socket: Option<Socket> = None;
    engine.connect();
    loop {
        engine.settle_all();
        while let Some(update) = engine.news.pop_front() {
            if updates.send(update).await.is_err() {
                // Nobody listens: what is on the disk is all that counts.
                engine.quit = true;
                engine.news.clear();
            }
        }
        if let Some(lost) = engine.say(&mut socket).await {
            socket = None;
            engine.lost(lost);
            continue;
        }
        if engine.quit {
            if let Some(socket) = socket {
                socket.close().await;
            }
            return None;
        }
        if let Some(reason) = engine.give_up.take() {
            socket = None;
            match reason {
                GiveUp::ForNow(reason) => engine.lost_because(None, reason),
                GiveUp::ForGood(reason) => engine.stopped(reason),
            }
            continue;
        }
        let happened = tokio::select! {
            request = requests.recv() => Happened::Request(request),
            Some(done) = answers.recv() => Happened::Done(done),
            frame = next_frame(&mut socket) => Happened::Frame(frame),
            () = tokio::time::sleep_until(engine.next_time()) => Happened::Time,
        };
        match happened {
            Happened::Request(Some(request)) => engine.request(request),
            Happened::Request(None) => engine.quit = true,
            Happened::Frame(Ok(frame)) => engine.frame(frame),
            Happened::Frame(Err(lost)) => {
                socket = None;
                engine.lost(lost);
            }
            Happened::Done(Done::Connected(Ok((connected, ready)))) => {
                if matches!(engine.link, Link::Connecting(_)) {
                    engine.link = Link::Up(Instant::now());
                    socket = Some(*connected);
                    engine.frame(*ready);
                }
            }
            Happened::Done(done) => engine.done(done),
            Happened::Time => {}
        }
        if engine.time() {
            socket = None;
        }
    }
}

async fn next_frame(socket: &mut Option<Socket>) -> Result<ServerFrame, Lost> {
    match socket {
        Some(socket) => socket.next().await,
        None => std::future::pending().await,
    }
}

impl Engine {
    pub(super) fn new(
        home: &Home,
        account: Account,
        done: mpsc::UnboundedSender<Done>,
    ) -> Result<Self, ClientError> {
        let login = account.login()?;
        let me: Username = login
            .username
            .parse()
            .map_err(|_| ClientError::Other("the stored log-in is damaged. Log in again.".into()))?;
        let unusable = |error| ClientError::Other(format!("the cache cannot be used: {error}"));
        let Opened { cache, notices } = Cache::open(home, account.server(), me.as_str()).map_err(unusable)?;
        let stored = cache.stored().map_err(unusable)?;
        let now = Instant::now();
        let limits = Limits::default();
        let mut rooms = HashMap::new();
        let mut conversations = Vec::with_capacity(stored.conversations.len());
        for found in stored.conversations {
            conversations.push(found.conversation.clone());
            let mut room = Room::new(found.conversation, found.cursor, limits.unread);
            room.cached = found.cached;
            rooms.insert(room.conversation.id, room);
        }
        let mut outbox = Outbox::default();
        for pending in &stored.outbox {
            outbox.add(pending.clone(), true);
        }
        let start = Start {
            server: account.server().to_owned(),
            me: me.to_string(),
            kept: cache.is_kept(),
            conversations,
            outbox: stored.outbox,
            drafts: stored.drafts,
            entered: stored.entered,
            settings: stored.settings,
        };
        let mut news = VecDeque::from([Update::Start(Box::new(start))]);
        news.extend(notices.into_iter().map(Update::Notice));
        Ok(Self {
            account,
            me,
            cache,
            epoch: stored.epoch,
            rooms,
            limits,
            server_name: String::new(),
            outbox,
            reads: Reads::default(),
            typing: HashMap::new(),
            asks: HashMap::new(),
            opened: None,
            link: Link::Stopped,
            catching_up: false,
            backoff: Backoff::default(),
            catching: HashMap::new(),
            to_catch: VecDeque::new(),
            catch_at: now,
            doubts: BTreeSet::new(),
            settling: None,
            settle_at: now,
            unkept: HashSet::new(),
            warned: false,
            news,
            outgoing: VecDeque::new(),
            give_up: None,
            done,
            calls: Arc::new(Semaphore::new(CALLS_AT_ONCE)),
            quit: false,
            clocks: (now, SystemTime::now()),
        })
    }

    /// Sends what is to be sent. Returns how the connection was lost.
    async fn say(&mut self, socket: &mut Option<Socket>) -> Option<Lost> {
        let Some(socket) = socket else {
            self.outgoing.clear();
            return None;
        };
        while let Some(frame) = self.outgoing.pop_front() {
            if let Err(lost) = socket.send(&frame).await {
                return Some(lost);
            }
        }
        None
    }

    /// When to look at the clock again.
    fn next_time(&self) -> Instant {
        let mut next = Instant::now() + TICK;
        if let Link::Waiting(at) = self.link {
            next = next.min(at);
        }
        if self.is_up() {
            let later = [self.outbox.next(), self.reads.next()];
            next = later.into_iter().flatten().fold(next, Instant::min);
            if !self.to_catch.is_empty() {
                next = next.min(self.catch_at.max(Instant::now() + Duration::from_millis(10)));
            }
            if !self.doubts.is_empty() && self.settling.is_none() {
                next = next.min(self.settle_at);
            }
        }
        next
    }
}
