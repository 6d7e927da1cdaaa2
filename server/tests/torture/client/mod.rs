//! A model client: a device that asks for things and follows its conversations, on the real WebSocket
//! (tungstenite) with the frames of `chat-shared`. What it is told is checked as it comes.

mod ask;

use crate::chance::Chance;
use crate::raw;
use crate::shared::{Login, Phase, Record, Room, Shared};
use ask::Open;
use chat_shared::api::{Changes, Message};
use chat_shared::frame::{ClientFrame, ServerFrame};
use futures_util::StreamExt as _;
use serde_json::json;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

/// Between two tries of a connection, or of what was put off.
const AGAIN: Duration = Duration::from_millis(50);

type Socket = WebSocketStream<TcpStream>;

/// The events of a conversation, as they come over one connection.
#[derive(Default)]
struct Stream {
    /// The rev of the last.
    last: Option<i64>,
    /// What was there already when the stream began.
    head: i64,
    /// The last read cursor.
    read: i64,
}

/// The connection ended, or is to be left.
struct Left;

pub(crate) struct Device {
    shared: Arc<Shared>,
    login: Login,
    /// Its place among the devices of the world.
    index: usize,
    name: String,
    /// Does it ask for things, or only follow?
    writes: bool,
    chance: Chance,
    open: Vec<Open>,
    /// Answered ones, some of which are asked again.
    done: Vec<ClientFrame>,
    /// Asked again although they were answered.
    repeated: HashMap<String, ClientFrame>,
    connection: u32,
    streams: HashMap<i64, Stream>,
    /// Conversations of which events were dropped on this connection, and none has come since.
    dropped: HashSet<i64>,
    /// How many were asked.
    turns: u64,
    /// By conversation: the turns and seqs of what was first sent on this connection.
    placed: HashMap<i64, BTreeMap<u64, i64>>,
}

impl Device {
    pub(crate) fn new(shared: Arc<Shared>, login: Login, index: usize, writes: bool, chance: Chance) -> Self {
        let name = shared.record().devices[index].name.clone();
        Self {
            shared,
            login,
            index,
            name,
            writes,
            chance,
            open: Vec::new(),
            done: Vec::new(),
            repeated: HashMap::new(),
            connection: 0,
            streams: HashMap::new(),
            dropped: HashSet::new(),
            turns: 0,
            placed: HashMap::new(),
        }
    }

    /// Connects and follows, again and again, until the world is over.
    pub(crate) async fn run(mut self) {
        let mut address = self.shared.address.subscribe();
        let mut phase = self.shared.phases();
        while self.shared.phase() != Phase::Over {
            let at = *address.borrow_and_update();
            if let Some(at) = at {
                tokio::select! {
                    _ = self.session(at) => {}
                    _ = address.changed() => {}
                    _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
                }
                self.shared.change(|record| record.devices[self.index].connected = false);
            }
            let _ = tokio::time::timeout(AGAIN, address.changed()).await;
        }
    }

    async fn session(&mut self, at: SocketAddr) -> Result<(), Left> {
        let mut socket = self.connect(at).await?;
        self.connection += 1;
        self.streams.clear();
        self.dropped.clear();
        self.placed.clear();
        let ServerFrame::Ready { epoch, conversations, online, .. } = self.next(&mut socket).await? else {
            self.shared.violate("ready_first", format!("{}: another frame came first", self.name));
            return Err(Left);
        };
        if self.begin(epoch, &conversations) {
            self.done.clear();
        }
        self.state(|record, index| {
            record.devices[index].online = online.iter().map(|name| (name.to_string(), true)).collect();
        });
        for conversation in &conversations {
            self.catch_up(at, conversation.id.get()).await?;
        }
        self.ask_again(&mut socket).await?;
        self.state(|record, index| record.devices[index].connected = true);
        let mut phase = self.shared.phases();
        let mut again = tokio::time::interval(AGAIN);
        loop {
            self.ask_more(&mut socket).await?;
            tokio::select! {
                frame = self.next(&mut socket) => self.take(at, frame?).await?,
                _ = phase.changed() => {}
                _ = again.tick() => self.ask_put_off(&mut socket).await?,
            }
        }
    }

    async fn connect(&self, at: SocketAddr) -> Result<Socket, Left> {
        let mut request = format!("ws://{at}/api/v1/ws").into_client_request().map_err(|_| Left)?;
        let bearer = format!("Bearer {}", self.login.token).parse().map_err(|_| Left)?;
        request.headers_mut().insert("authorization", bearer);
        let connecting = async {
            let stream = TcpStream::connect(at).await.map_err(|_| Left)?;
            tokio_tungstenite::client_async(request, stream).await.map_err(|_| Left)
        };
        let connected = tokio::time::timeout(self.shared.patience, connecting).await;
        Ok(connected.map_err(|_| Left)??.0)
    }

    fn state<T>(&self, change: impl FnOnce(&mut Record, usize) -> T) -> T {
        self.shared.change(|record| change(record, self.index))
    }

    /// The next frame from the server.
    async fn next(&self, socket: &mut Socket) -> Result<ServerFrame, Left> {
        loop {
            match socket.next().await {
                Some(Ok(Packet::Text(text))) => {
                    let value = serde_json::from_str(&text).unwrap_or_default();
                    self.shared.note(&format!("{}#{}", self.name, self.connection), "told", value);
                    match serde_json::from_str(&text) {
                        Ok(ServerFrame::Unknown) | Err(_) => {
                            self.shared.violate("frames", format!("{}: {text}", self.name));
                        }
                        Ok(frame) => return Ok(frame),
                    }
                }
                Some(Ok(Packet::Close(close))) => {
                    let code = close.map_or(1005, |close| close.code.into());
                    self.shared.note(&self.name, "closed", json!(code));
                    return Err(Left);
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Left),
            }
        }
    }

    /// What `ready` tells of conversations: those that are not in it are gone, and another epoch is another
    /// database. True: it is.
    fn begin(&mut self, epoch: String, conversations: &[chat_shared::api::Conversation]) -> bool {
        let streams = &mut self.streams;
        let (user, name) = (&self.login.name, &self.name);
        self.shared.change(|record| {
            let known = record.epoch.get_or_insert_with(|| epoch.clone()).clone();
            if known != epoch {
                record.history.violate("epoch", format!("{name}: {epoch} after {known}"));
            }
            let replica = &mut record.devices[self.index].replica;
            let is_new = std::mem::replace(&mut replica.epoch, epoch.clone()) != epoch;
            if is_new {
                replica.rooms.clear();
            }
            replica
                .rooms
                .retain(|id, _| conversations.iter().any(|conversation| conversation.id.get() == *id));
            for conversation in conversations {
                let (id, head) = (conversation.id.get(), conversation.head_rev.get());
                let room = replica.rooms.entry(id).or_default();
                room.role = conversation.role.to_string();
                let beyond = room.cursor > head;
                if beyond {
                    let what = format!("{name}: {id} has {}, and is told of {head}", room.cursor);
                    record.history.violate("acked_once", what);
                }
                streams.insert(id, Stream { head, ..Stream::default() });
                record.model.read(user, id, conversation.read_seq.get());
            }
            is_new
        })
    }

    /// Reads what is missing of a conversation.
    async fn catch_up(&self, at: SocketAddr, id: i64) -> Result<(), Left> {
        loop {
            let Some(since) =
                self.state(|r, index| r.devices[index].replica.rooms.get(&id).map(|r| r.cursor))
            else {
                return Ok(());
            };
            let path = format!("/conversations/{id}/changes?since={since}&limit=200");
            let (status, body) =
                raw::call(at, &self.login.token, "GET", &path, None).await.map_err(|_| Left)?;
            match status {
                200 => {}
                // I was taken out in the meantime; a frame will say so.
                404 => return Ok(()),
                // The server is busy: the whole connection anew.
                503 => return Err(Left),
                _ => {
                    self.shared.violate("changes", format!("{}: {path}: {status} {body}", self.name));
                    return Err(Left);
                }
            }
            let changes: Changes = serde_json::from_value(body).map_err(|_| Left)?;
            let revs: Vec<i64> = changes.messages.iter().map(|message| message.rev.get()).collect();
            let ascending = std::iter::once(&since).chain(&revs).is_sorted_by(|a, b| a < b);
            if !ascending || revs.last().is_some_and(|last| *last > changes.head_rev.get()) {
                self.shared.violate("changes", format!("{}: {path}: {revs:?}", self.name));
            }
            let cursor = if changes.has_more { revs.last().copied() } else { Some(changes.head_rev.get()) };
            let done = !changes.has_more;
            self.state(|record, index| {
                if let Some(room) = record.devices[index].replica.rooms.get_mut(&id) {
                    changes.messages.into_iter().for_each(|message| room.apply(message));
                    room.cursor = cursor.unwrap_or(0).max(room.cursor);
                }
            });
            if done {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, at: SocketAddr, frame: ServerFrame) -> Result<(), Left> {
        match frame {
            ServerFrame::Ack { id, conversation_id, seq, rev, .. } => {
                self.acked(&id.to_string(), conversation_id, seq.get(), rev.get());
            }
            ServerFrame::Error { id, code, detail, .. } => self.refused(id.as_deref(), code, &detail),
            ServerFrame::Message { conversation_id, rev, message } => {
                let skipped = self.event(conversation_id.get(), rev.get(), *message);
                if skipped {
                    self.catch_up(at, conversation_id.get()).await?;
                }
            }
            ServerFrame::Conversation { conversation } => {
                let (id, head) = (conversation.id.get(), conversation.head_rev.get());
                let role = conversation.role.to_string();
                let is_new = self.state(|record, index| {
                    let rooms = &mut record.devices[index].replica.rooms;
                    let is_new = !rooms.contains_key(&id);
                    rooms.entry(id).or_insert_with(Room::default).role = role;
                    is_new
                });
                if is_new {
                    self.streams.insert(id, Stream { head, ..Stream::default() });
                    self.catch_up(at, id).await?;
                }
            }
            // What a `resync` covers it still covers when its conversation has gone and come back meanwhile.
            ServerFrame::ConversationRemoved { conversation_id } => {
                self.state(|record, index| {
                    record.devices[index].replica.rooms.remove(&conversation_id.get())
                });
                self.streams.remove(&conversation_id.get());
            }
            ServerFrame::Read { conversation_id, seq, .. } => self.read(conversation_id.get(), seq.get()),
            ServerFrame::Typing { conversation_id, username, .. } => {
                let mine = self.streams.contains_key(&conversation_id.get());
                if !mine || username.as_str() == self.login.name {
                    self.shared.violate("typing", format!("{}: {username} in {conversation_id}", self.name));
                }
            }
            ServerFrame::Presence { changes } => self.state(|record, index| {
                let told = changes.iter().map(|change| (change.username.to_string(), change.online));
                record.devices[index].online.extend(told);
            }),
            ServerFrame::Resync { conversation_id, .. } => {
                let all: Vec<i64> = match conversation_id {
                    Some(id) => vec![id.get()],
                    None => self.streams.keys().copied().collect(),
                };
                for id in all {
                    self.dropped.insert(id);
                    self.catch_up(at, id).await?;
                }
            }
            ServerFrame::Ready { .. } => {
                self.shared.violate("ready_first", format!("{}: once more", self.name));
            }
            ServerFrame::AuthOk { .. } | ServerFrame::Pong { .. } | ServerFrame::Unknown => {}
        }
        Ok(())
    }

    /// A message was created or changed. True: revs were skipped.
    fn event(&mut self, id: i64, rev: i64, message: Message) -> bool {
        if message.rev.get() != rev || message.conversation_id.get() != id {
            self.shared.violate("frames", format!("{}: rev {rev} of {id} carries {message:?}", self.name));
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            self.shared.violate("members_only", format!("{}: rev {rev} of {id}", self.name));
            return false;
        };
        let before = stream.last.replace(rev);
        let follows = match before {
            Some(last) => rev == last + 1,
            // What was there already may come once more.
            None => rev <= stream.head + 1,
        };
        let may_skip = self.dropped.remove(&id);
        let skips = may_skip && before.is_none_or(|last| rev > last);
        if !follows && !skips {
            let what = format!("{}#{}: rev {rev} of {id} after {before:?}", self.name, self.connection);
            self.shared.violate("contiguous", what);
        }
        self.state(|record, index| {
            record.told.push((index, id, rev));
            let device = &mut record.devices[index];
            let Some(room) = device.replica.rooms.get_mut(&id) else { return false };
            let skipped = rev > room.cursor + 1;
            let event = message.event.as_ref();
            if let Some(event) = event.filter(|e| e.user.as_ref().is_some_and(|u| u.as_str() == device.user))
                && let Some(role) =
                    event.value.as_ref().filter(|_| event.kind == chat_shared::api::NoticeKind::Role)
            {
                room.role.clone_from(role);
            }
            room.apply(message);
            if !skipped {
                room.cursor = room.cursor.max(rev);
            }
            skipped
        })
    }

    fn read(&mut self, id: i64, seq: i64) {
        let before = std::mem::replace(&mut self.streams.entry(id).or_default().read, seq);
        if seq < before {
            self.shared.violate("read_cursor", format!("{}: {seq} after {before} in {id}", self.name));
        }
        self.shared.change(|record| record.model.read(&self.login.name, id, seq));
    }
}
