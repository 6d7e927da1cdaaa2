//! Who is connected, who is a member of what, and what each connection is told.
//!
//! The hub knows no socket and no wire format: a connection is something that takes finished frames
//! ([`Connection`]), and frames are made by the encoder that the hub is given.
//!
//! **Order.** Changes come from the store's completions in commit order, through one publisher task;
//! memberships are applied together with the messages that tell of them. So a connection sees the
//! revs of a conversation ascending and without holes, and nothing after its removal.
//!
//! **Locks.** One lock guards all of it. It is held for look-ups and for appending to queues, never
//! for a write to a socket and never across an await. A connection's own lock is taken inside it,
//! so code that holds a connection's lock MUST NOT call the hub.

mod frame;
mod presence;
mod publish;
mod run;

#[cfg(test)]
mod tests;

pub use frame::{Connection, Encoder, Frame, FrameKind};
pub use publish::{PublishQueue, Publisher};

use crate::planted::{Bug, planted};
use crate::store::{RoomState, Store};
use chat_shared::api::User;
use chat_shared::close::CloseCode;
use chat_shared::frame::ServerFrame;
use chat_shared::limits;
use chat_shared::{ConversationId, Rev, UserId, Username};
use presence::Presence;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Who is connected and who is told what.
pub struct Hub {
    inner: Mutex<Inner>,
    encode: Encoder,
    connections_per_user: usize,
    /// Somebody came or went: the presence task has something to tell.
    presence_changed: Notify,
    /// The last connection of all was closed.
    emptied: Notify,
    /// For metrics.
    pub counters: Counters,
}

/// What the hub has done, for metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Changes published.
    pub changes: AtomicU64,
    /// Frames handed to connections for them.
    pub deliveries: AtomicU64,
    /// Times that a hole in the revs had to be filled by reading.
    pub holes: AtomicU64,
}

#[derive(Default)]
struct Inner {
    online: HashMap<UserId, Online>,
    rooms: HashMap<ConversationId, Room>,
    rooms_of: HashMap<UserId, HashSet<ConversationId>>,
    presence: Presence,
    connections: usize,
    /// Connections that were taken out and are still saying good-bye.
    leaving: usize,
}

/// A user with at least one connection.
struct Online {
    username: Username,
    connections: Vec<Arc<dyn Connection>>,
}

/// A conversation's members, as of `head_rev`.
struct Room {
    head_rev: Rev,
    direct: bool,
    /// Of a direct: who has written.
    wrote: Vec<UserId>,
    members: HashSet<UserId>,
}

impl Room {
    /// Do members see each other's presence?
    fn shows_presence(&self) -> bool {
        !self.direct || self.wrote.len() == 2
    }

    /// Are presence and typing pushed?
    fn pushes_presence(&self) -> bool {
        self.shows_presence() && self.members.len() <= limits::PRESENCE_MEMBERS
    }
}

impl From<RoomState> for Room {
    fn from(state: RoomState) -> Self {
        Self {
            head_rev: state.head_rev,
            direct: state.direct,
            wrote: state.wrote,
            members: state.members.into_iter().collect(),
        }
    }
}

/// The user has as many connections as a user can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyConnections;

impl Hub {
    /// A hub for this many connections a user, whose frames are made by `encode`.
    pub fn new(encode: Encoder, connections_per_user: usize) -> Self {
        Self {
            inner: Mutex::default(),
            encode,
            connections_per_user,
            presence_changed: Notify::new(),
            emptied: Notify::new(),
            counters: Counters::default(),
        }
    }

    /// Learns who is a member of what. To be done before the first write.
    pub async fn load(&self, store: &dyn Store) -> Result<(), crate::store::StoreError> {
        let rooms = store.rooms().await?;
        let mut inner = self.lock();
        for state in rooms {
            inner.set_room(state);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn frame(&self, kind: FrameKind, frame: &ServerFrame) -> Frame {
        Frame { bytes: (self.encode)(frame), kind }
    }

    /// Adds a connection. From now on it is told everything; it holds that back until its `ready`
    /// was written, which must be made from a snapshot that is read after this.
    pub fn register(
        &self,
        user: UserId,
        username: &Username,
        connection: Arc<dyn Connection>,
    ) -> Result<(), TooManyConnections> {
        let mut inner = self.lock();
        let online = inner
            .online
            .entry(user)
            .or_insert_with(|| Online { username: username.clone(), connections: Vec::with_capacity(1) });
        if online.connections.len() >= self.connections_per_user {
            return Err(TooManyConnections);
        }
        online.connections.push(connection);
        let first = online.connections.len() == 1;
        inner.connections += 1;
        if first {
            inner.presence.came(user);
            self.presence_changed.notify_one();
        }
        Ok(())
    }

    /// Takes a connection out: it is told nothing more and counts no longer. To be followed by
    /// [`Hub::left`] when it is really gone.
    pub fn unregister(&self, user: UserId, connection: u64, now: i64) {
        let mut inner = self.lock();
        let Some(online) = inner.online.get_mut(&user) else { return };
        let before = online.connections.len();
        online.connections.retain(|other| other.id() != connection);
        let gone = before - online.connections.len();
        if online.connections.is_empty()
            && let Some(online) = inner.online.remove(&user)
        {
            inner.presence.went(user, online.username, now);
            self.presence_changed.notify_one();
        }
        inner.connections -= gone;
        inner.leaving += gone;
    }

    /// A connection that was taken out has said good-bye.
    pub fn left(&self) {
        let mut inner = self.lock();
        inner.leaving = inner.leaving.saturating_sub(1);
        if inner.connections + inner.leaving == 0 {
            self.emptied.notify_waiters();
        }
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.lock().connections
    }

    /// How many users are connected.
    pub fn users_online(&self) -> usize {
        self.lock().online.len()
    }

    /// Closes every connection; each draws its own reason.
    pub fn close_all(&self, code: CloseCode, mut reason: impl FnMut() -> String) {
        let connections: Vec<_> =
            self.lock().online.values().flat_map(|online| online.connections.iter().cloned()).collect();
        for connection in connections {
            connection.close(code, reason());
        }
    }

    fn is_empty(&self) -> bool {
        let inner = self.lock();
        inner.connections + inner.leaving == 0
    }

    /// Waits until there is no connection, and none that is still saying good-bye.
    pub async fn empty(&self) {
        loop {
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            // Registered before looking, so that the last one cannot go unnoticed in between.
            emptied.as_mut().enable();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// The members of a conversation who are online, without the one who asks; nobody in a group
    /// too large for presence. For `@here`.
    pub fn here(&self, conversation: ConversationId, asking: UserId) -> Vec<Username> {
        let inner = self.lock();
        let Some(room) = inner.rooms.get(&conversation) else { return Vec::new() };
        if room.members.len() > limits::PRESENCE_MEMBERS || !room.members.contains(&asking) {
            return Vec::new();
        }
        let mut names: Vec<_> = room
            .members
            .iter()
            .filter(|user| **user != asking)
            .filter_map(|user| inner.online.get(user).map(|online| online.username.clone()))
            .collect();
        names.sort_unstable();
        names
    }

    /// Is the user a member, as far as is published?
    pub fn is_member(&self, user: UserId, conversation: ConversationId) -> bool {
        self.lock().rooms.get(&conversation).is_some_and(|room| room.members.contains(&user))
    }

    /// Tells those in a conversation who see each other's presence that somebody is writing. False: the user is no member.
    pub fn typing(&self, user: UserId, conversation: ConversationId) -> bool {
        let inner = self.lock();
        let room = inner.rooms.get(&conversation).filter(|room| room.members.contains(&user));
        let (Some(room), Some(online)) = (room, inner.online.get(&user)) else { return false };
        if !room.pushes_presence() {
            return true;
        }
        let frame = self.frame(
            FrameKind::Typing(conversation, user),
            &ServerFrame::Typing {
                conversation_id: conversation,
                username: online.username.clone(),
                expires_in_ms: limits::TYPING_MS,
            },
        );
        let mut others: Vec<_> = inner
            .connected(room)
            .filter(|(member, _)| *member != user)
            .flat_map(|(_, online)| &online.connections)
            .collect();
        if planted(Bug::TypingLeaks) {
            others = inner.online.values().flat_map(|online| &online.connections).collect();
        }
        // Queued before anybody can leave, and be told so.
        others.retain(|connection| connection.push(&frame));
        let touched: Vec<_> = others.into_iter().cloned().collect();
        drop(inner);
        touched.iter().for_each(|connection| connection.flush());
        true
    }

    /// Fills in what the viewer may know of a user's presence, and takes out what not.
    pub fn dress(&self, viewer: UserId, user: &mut User) {
        self.lock().dress(viewer, user);
    }

    /// The same for many, under one lock.
    pub fn dress_all<'a>(&self, viewer: UserId, users: impl Iterator<Item = &'a mut User>) {
        let inner = self.lock();
        users.for_each(|user| inner.dress(viewer, user));
    }

    /// Who is online among the people whose presence is pushed to this user, and the user.
    pub fn online_for(&self, viewer: UserId) -> Vec<Username> {
        let inner = self.lock();
        let mut seen: HashSet<UserId> = HashSet::from([viewer]);
        for conversation in inner.rooms_of.get(&viewer).into_iter().flatten() {
            if let Some(room) = inner.rooms.get(conversation).filter(|room| room.pushes_presence()) {
                seen.extend(inner.connected(room).map(|(user, _)| user));
            }
        }
        let mut names: Vec<_> = seen
            .iter()
            .filter_map(|user| inner.online.get(user))
            .map(|online| online.username.clone())
            .collect();
        names.sort_unstable();
        names
    }
}

impl Inner {
    fn set_room(&mut self, state: RoomState) {
        let conversation = state.conversation;
        self.forget_room(conversation);
        for user in &state.members {
            self.rooms_of.entry(*user).or_default().insert(conversation);
        }
        self.rooms.insert(conversation, state.into());
    }

    fn forget_room(&mut self, conversation: ConversationId) -> Option<Room> {
        let room = self.rooms.remove(&conversation)?;
        for user in &room.members {
            self.left(*user, conversation);
        }
        Some(room)
    }

    fn left(&mut self, user: UserId, conversation: ConversationId) {
        if let Some(rooms) = self.rooms_of.get_mut(&user) {
            rooms.remove(&conversation);
            if rooms.is_empty() {
                self.rooms_of.remove(&user);
            }
        }
    }

    /// The members of a room who are connected: by whichever of the two sets is the smaller.
    fn connected<'a>(&'a self, room: &'a Room) -> impl Iterator<Item = (UserId, &'a Online)> {
        let by_members = room.members.len() <= self.online.len();
        let members = by_members.then(|| {
            room.members.iter().filter_map(|user| self.online.get(user).map(|online| (*user, online)))
        });
        let online = (!by_members).then(|| {
            self.online
                .iter()
                .filter(|(user, _)| room.members.contains(user))
                .map(|(user, online)| (*user, online))
        });
        members.into_iter().flatten().chain(online.into_iter().flatten())
    }

    fn connections_of(&self, user: UserId) -> &[Arc<dyn Connection>] {
        self.online.get(&user).map_or(&[], |online| &online.connections)
    }

    /// Do they share a group, or a direct in which both have written?
    fn sees(&self, viewer: UserId, other: UserId) -> bool {
        if viewer == other {
            return true;
        }
        let (Some(mine), Some(theirs)) = (self.rooms_of.get(&viewer), self.rooms_of.get(&other)) else {
            return false;
        };
        let (few, many) = if mine.len() <= theirs.len() { (mine, theirs) } else { (theirs, mine) };
        few.iter()
            .filter(|conversation| many.contains(conversation))
            .any(|conversation| self.rooms.get(conversation).is_some_and(Room::shows_presence))
    }

    fn dress(&self, viewer: UserId, user: &mut User) {
        if self.sees(viewer, user.id) {
            let online = self.online.contains_key(&user.id);
            user.online = Some(online);
            user.last_seen_at = user.last_seen_at.filter(|_| !online);
        } else {
            user.online = None;
            user.last_seen_at = None;
        }
    }
}

impl Counters {
    fn add(counter: &AtomicU64, by: usize) {
        counter.fetch_add(by as u64, Ordering::Relaxed);
    }
}
