//! Presence: who came and went, coalesced.
//!
//! Changes gather for [`TICK`] and are then told in one frame per recipient: how it stands, for each
//! who came or went, however often. What was told at the last tick is no ground to be silent: who
//! connected or was greeted since then has seen what was between. Whoever loses sight of somebody is told that
//! they are offline. So everybody knows what a new `ready` would tell them, a tick later at the most.
//!
//! A group that grows beyond the size in which presence is pushed, or shrinks below it, costs a change for each pair of
//! its members; so that too is told with the tick, and going back and forth costs no more. Nothing runs while
//! nobody comes or goes.
//!
//! When thousands come at once, as after a restart, there is much to tell, and messages are not to wait for it: a tick
//! goes from one recipient to the next, and gives way after a few ([`AT_ONCE`]). What a recipient is told is how it
//! stands at that moment, so that nothing told meanwhile is contradicted; what changes meanwhile is told again at the
//! next tick.

use super::{Counters, Frame, FrameKind, Hub, Inner, Room};
use crate::planted::{Bug, planted};
use crate::store::{Store, ask};
use chat_shared::frame::{PresenceChange, ServerFrame};
use chat_shared::{ConversationId, UserId, Username};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How long changes gather. Well below the 3 seconds within which an absence must be told.
const TICK: Duration = Duration::from_secs(1);

/// What is done before the others have their turn, counted in changes told: about a millisecond.
const AT_ONCE: usize = 1_000;
/// As many changes as a frame costs that has none: it is written to a socket.
const FRAME: usize = 8;
/// So many look-ups cost as much as a change.
const LOOK_UPS: usize = 16;

/// Who came or went, and when they went if they did so last.
type Changed = HashMap<UserId, Option<(Username, i64)>>;
/// Rooms that began or ceased to push presence, and who may have been seen in them.
type Crossed = HashMap<ConversationId, HashMap<UserId, Username>>;

#[derive(Default)]
pub(super) struct Presence {
    /// What there is to tell at the next tick.
    next: Gathered,
    /// What is being told.
    now: Gathered,
}

#[derive(Default)]
struct Gathered {
    changed: Changed,
    crossed: Crossed,
}

/// Who is still to be told.
pub(super) struct Tick {
    /// Rooms whose members have to know something.
    rooms: Vec<ConversationId>,
    /// Those of them that are to be told next.
    recipients: Vec<UserId>,
    /// Who had their turn.
    told: HashSet<UserId>,
}

impl Tick {
    /// Who is next. Whoever comes into a room later was told when they came. `done`: see [`Hub::tell_some`].
    fn next(&mut self, inner: &Inner, done: &mut usize) -> Option<UserId> {
        loop {
            *done += 1;
            if let Some(recipient) = self.recipients.pop() {
                if self.told.insert(recipient) {
                    return Some(recipient);
                }
            } else {
                let room = inner.rooms.get(&self.rooms.pop()?);
                if let Some(room) = room.filter(|room| room.pushes_presence()) {
                    self.recipients.extend(inner.connected(room).map(|(user, _)| user));
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.recipients.is_empty() && self.rooms.is_empty()
    }
}

/// What somebody is to be told, and how many users were looked up for it.
#[derive(Default)]
struct News {
    changes: Vec<PresenceChange>,
    looked_up: usize,
}

impl Presence {
    pub(super) fn came(&mut self, user: UserId) {
        self.next.changed.insert(user, None);
    }

    pub(super) fn went(&mut self, user: UserId, username: Username, at: i64) {
        if planted(Bug::PresenceNeverGone) {
            return;
        }
        self.next.changed.insert(user, Some((username, at)));
    }
}

impl Hub {
    /// Tells who came and went until the future is dropped.
    pub async fn run_presence(&self, store: Arc<dyn Store>) {
        loop {
            self.presence_changed.notified().await;
            tokio::time::sleep(TICK).await;
            let mut tick = self.begin_tick();
            while self.tell_some(&mut tick, AT_ONCE) {
                tokio::task::yield_now().await;
            }
            let seen = self.end_tick();
            if !seen.is_empty() {
                let store = store.clone();
                // The next tick does not wait for a database that is slow, or away. When it fails it is logged there, and
                // the next absence tells the time anew.
                tokio::spawn(async move { ask(|reply| store.touch_users(seen, reply)).await });
            }
        }
    }

    /// Begins to tell what gathered.
    pub(super) fn begin_tick(&self) -> Tick {
        let mut inner = self.lock();
        inner.presence.now = std::mem::take(&mut inner.presence.next);
        inner.concerned()
    }

    /// Goes on with it, for as long as it takes to tell so many changes. False: all have been told.
    pub(super) fn tell_some(&self, tick: &mut Tick, at_once: usize) -> bool {
        let inner = self.lock();
        let (mut done, mut touched) = (0, Vec::new());
        while done < at_once
            && let Some(recipient) = tick.next(&inner, &mut done)
        {
            let News { changes, looked_up } = inner.news_for(recipient);
            done += changes.len() + looked_up / LOOK_UPS;
            if changes.is_empty() {
                continue;
            }
            let frame = self.presence_frame(changes);
            for connection in inner.connections_of(recipient) {
                done += FRAME;
                if connection.push(&frame) {
                    touched.push(connection.clone());
                }
            }
        }
        drop(inner);
        Counters::add(&self.counters.deliveries, touched.len());
        touched.iter().for_each(|connection| connection.flush());
        !tick.is_over()
    }

    /// All have been told. Returns who went, and when.
    pub(super) fn end_tick(&self) -> Vec<(UserId, i64)> {
        let Gathered { changed, .. } = std::mem::take(&mut self.lock().presence.now);
        changed.into_iter().filter_map(|(user, gone)| gone.map(|(_, at)| (user, at))).collect()
    }

    fn presence_frame(&self, changes: Vec<PresenceChange>) -> Frame {
        let kind = FrameKind::Presence(changes.as_slice().into());
        self.frame(kind, &ServerFrame::Presence { changes })
    }

    /// Notes it if a room began or ceased to push presence. `pushed`: did it before, if it was there?
    pub(super) fn note_crossing(
        &self,
        inner: &mut Inner,
        conversation: ConversationId,
        pushed: Option<bool>,
    ) {
        let (Some(pushed), Some(room)) = (pushed, inner.rooms.get(&conversation)) else { return };
        if pushed == room.pushes_presence() {
            return;
        }
        let seen = room.members.iter().filter(|_| pushed);
        let saw: Vec<_> = seen.filter_map(|user| inner.told_name(*user).map(|name| (*user, name))).collect();
        inner.presence.next.crossed.entry(conversation).or_default().extend(saw);
        self.presence_changed.notify_one();
    }

    /// Somebody is new in a room: they and those who are there learn of each other. Returns the
    /// frames by recipient.
    pub(super) fn greet(
        &self,
        inner: &Inner,
        conversation: ConversationId,
        new: UserId,
    ) -> Vec<(UserId, Frame)> {
        let Some(room) = inner.rooms.get(&conversation).filter(|room| room.pushes_presence()) else {
            return Vec::new();
        };
        let Some(newcomer) = inner.online.get(&new) else { return Vec::new() };
        let others: Vec<_> = inner.connected(room).filter(|(user, _)| *user != new).collect();
        let theirs = self.presence_frame(vec![there(&newcomer.username)]);
        let mut frames: Vec<_> = others.iter().map(|(user, _)| (*user, theirs.clone())).collect();
        if !others.is_empty() {
            let changes = others.iter().map(|(_, other)| there(&other.username)).collect();
            frames.push((new, self.presence_frame(changes)));
        }
        frames
    }

    /// Somebody is no longer in a room: they and those who stay lose sight of each other, unless another room
    /// shows them. Returns the frames by recipient.
    pub(super) fn part(&self, inner: &Inner, room: &Room, gone: UserId) -> Vec<(UserId, Frame)> {
        let lost = inner.lost_sight(room, gone);
        let mut frames = Vec::new();
        if let Some(username) = inner.told_name(gone) {
            let theirs = self.presence_frame(vec![unseen(username)]);
            frames.extend(lost.iter().map(|(user, _)| (*user, theirs.clone())));
        }
        if !lost.is_empty() {
            let changes = lost.into_iter().map(|(_, username)| unseen(username)).collect();
            frames.push((gone, self.presence_frame(changes)));
        }
        frames
    }

    /// A room is no more: its members lose sight of each other. Returns the frames by recipient.
    pub(super) fn scatter(&self, inner: &Inner, room: &Room) -> Vec<(UserId, Frame)> {
        let members = inner.connected(room).map(|(user, _)| (user, inner.lost_sight(room, user)));
        members
            .filter(|(_, lost)| !lost.is_empty())
            .map(|(user, lost)| {
                let changes = lost.into_iter().map(|(_, username)| unseen(username)).collect();
                (user, self.presence_frame(changes))
            })
            .collect()
    }
}

fn there(username: &Username) -> PresenceChange {
    PresenceChange { username: username.clone(), online: true, last_seen_at: None }
}

/// What is told of somebody who is out of sight: the same as of somebody who is away.
fn unseen(username: Username) -> PresenceChange {
    PresenceChange { username, online: false, last_seen_at: None }
}

impl Inner {
    /// The name of somebody who may have been told to be online.
    fn told_name(&self, user: UserId) -> Option<Username> {
        let Presence { next, now } = &self.presence;
        let online = self.online.get(&user).map(|online| &online.username);
        let just_gone = |gathered: &Gathered| Some(gathered.changed.get(&user)?.as_ref()?.0.clone());
        online.cloned().or_else(|| just_gone(next)).or_else(|| just_gone(now))
    }

    /// The others of a room who may have been told to be online to this user, and whom no other room shows.
    fn lost_sight(&self, room: &Room, user: UserId) -> Vec<(UserId, Username)> {
        if !room.pushes_presence() {
            return Vec::new();
        }
        let seen = self.in_sight(user);
        let others = room.members.iter().filter(|member| **member != user && !seen.contains(member));
        others.filter_map(|member| self.told_name(*member).map(|name| (*member, name))).collect()
    }

    /// Whom what gathered may concern.
    fn concerned(&self) -> Tick {
        let Gathered { changed, crossed } = &self.presence.now;
        let rooms = changed.keys().filter_map(|user| self.rooms_of.get(user)).flatten().chain(crossed.keys());
        let rooms: HashSet<ConversationId> = rooms.copied().collect();
        let saw: HashSet<UserId> = crossed.values().flat_map(HashMap::keys).copied().collect();
        Tick {
            rooms: rooms.into_iter().collect(),
            recipients: saw.into_iter().filter(|user| self.online.contains_key(user)).collect(),
            told: HashSet::new(),
        }
    }

    /// What this user is to be told.
    fn news_for(&self, viewer: UserId) -> News {
        let Gathered { changed, crossed } = &self.presence.now;
        let mut news = News::default();
        self.tell_crossings(crossed, viewer, &mut news);
        let mut seen: Vec<UserId> = Vec::new();
        for room in self.pushing(viewer) {
            news.looked_up += room.members.len().min(changed.len());
            if room.members.len() <= changed.len() {
                seen.extend(room.members.iter().filter(|user| changed.contains_key(user)));
            } else {
                seen.extend(changed.keys().filter(|user| room.members.contains(user)));
            }
        }
        seen.sort_unstable();
        seen.dedup();
        for user in seen.into_iter().filter(|user| *user != viewer) {
            if let Some(online) = self.online.get(&user) {
                news.changes.push(there(&online.username));
            } else if let Some(Some((username, at))) = changed.get(&user) {
                let username = username.clone();
                news.changes.push(PresenceChange { username, online: false, last_seen_at: Some(*at) });
            }
            // Else they came, and are gone already: the next tick tells it.
        }
        news
    }

    /// Rooms began or ceased to push presence: those who saw each other there lose sight of each other where they do,
    /// and where it is pushed now, the members learn who is there.
    fn tell_crossings(&self, crossed: &Crossed, viewer: UserId, news: &mut News) {
        let saw: Vec<_> = crossed.values().filter(|saw| saw.contains_key(&viewer)).collect();
        if !saw.is_empty() {
            let seen = self.in_sight(viewer);
            news.looked_up += seen.len();
            for saw in saw {
                news.looked_up += saw.len();
                let lost = saw.iter().filter(|(user, _)| **user != viewer && !seen.contains(user));
                news.changes.extend(lost.map(|(_, username)| unseen(username.clone())));
            }
        }
        let rooms = crossed.keys().filter_map(|id| self.rooms.get(id));
        for room in rooms.filter(|room| room.pushes_presence() && room.members.contains(&viewer)) {
            let others = self.connected(room).filter(|(user, _)| *user != viewer);
            news.changes.extend(others.map(|(_, other)| there(&other.username)));
        }
    }

    /// The rooms that push presence to this user.
    fn pushing(&self, user: UserId) -> impl Iterator<Item = &Room> {
        let rooms = self.rooms_of.get(&user).into_iter().flatten().filter_map(|id| self.rooms.get(id));
        rooms.filter(|room| room.pushes_presence())
    }

    /// The others whose presence is pushed to this user.
    fn in_sight(&self, user: UserId) -> HashSet<UserId> {
        self.pushing(user).flat_map(|room| room.members.iter().copied()).collect()
    }
}
