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

#[derive(Default)]
pub(super) struct Presence {
    /// Who came or went since the last tick, and when they went if they did so last.
    changed: HashMap<UserId, Option<(Username, i64)>>,
    /// Rooms that began or ceased to push presence since the last tick, and who may have seen each other in them.
    crossed: HashMap<ConversationId, HashSet<UserId>>,
}

impl Presence {
    pub(super) fn came(&mut self, user: UserId) {
        self.changed.insert(user, None);
    }

    pub(super) fn went(&mut self, user: UserId, username: Username, at: i64) {
        if planted(Bug::PresenceNeverGone) {
            return;
        }
        self.changed.insert(user, Some((username, at)));
    }
}

impl Hub {
    /// Tells who came and went until the future is dropped.
    pub async fn run_presence(&self, store: Arc<dyn Store>) {
        loop {
            self.presence_changed.notified().await;
            tokio::time::sleep(TICK).await;
            let seen = self.tell_presence();
            if !seen.is_empty() {
                // When it fails it is logged there, and the next absence tells the time anew.
                let _ = ask(|reply| store.touch_users(seen, reply)).await;
            }
        }
    }

    /// Tells what gathered. Returns who went, and when.
    pub(super) fn tell_presence(&self) -> Vec<(UserId, i64)> {
        let mut inner = self.lock();
        let mut told: HashMap<UserId, Vec<PresenceChange>> = HashMap::new();
        let mut seen = Vec::new();
        // First, because who went just now is still looked up among the changes.
        for (conversation, saw) in std::mem::take(&mut inner.presence.crossed) {
            inner.tell_crossing(conversation, &saw, &mut told);
        }
        let changed = std::mem::take(&mut inner.presence.changed);
        for (user, gone) in changed {
            let change = if let Some((username, at)) = gone {
                seen.push((user, at));
                PresenceChange { username, online: false, last_seen_at: Some(at) }
            } else if let Some(online) = inner.online.get(&user) {
                there(&online.username)
            } else {
                continue;
            };
            for recipient in inner.audience(user) {
                told.entry(recipient).or_default().push(change.clone());
            }
        }
        let mut touched = Vec::new();
        for (recipient, changes) in told.into_iter().filter(|(_, changes)| !changes.is_empty()) {
            let frame = self.presence_frame(changes);
            for connection in inner.connections_of(recipient) {
                if connection.push(&frame) {
                    touched.push(connection.clone());
                }
            }
        }
        drop(inner);
        Counters::add(&self.counters.deliveries, touched.len());
        touched.iter().for_each(|connection| connection.flush());
        seen
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
        let may_see = |user: &UserId| pushed && inner.told_name(*user).is_some();
        let saw: Vec<UserId> = room.members.iter().copied().filter(may_see).collect();
        inner.presence.crossed.entry(conversation).or_default().extend(saw);
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
        let online = self.online.get(&user).map(|online| &online.username);
        let just_gone = || self.presence.changed.get(&user)?.as_ref().map(|(username, _)| username);
        online.or_else(just_gone).cloned()
    }

    /// The others of a room who may have been told to be online to this user, and whom no other room shows.
    fn lost_sight(&self, room: &Room, user: UserId) -> Vec<(UserId, Username)> {
        if room.pushes_presence() { self.out_of_sight(&room.members, user) } else { Vec::new() }
    }

    /// The same of those who saw each other somewhere.
    fn out_of_sight(&self, saw: &HashSet<UserId>, user: UserId) -> Vec<(UserId, Username)> {
        let seen = self.in_sight(user);
        let others = saw.iter().filter(|member| **member != user && !seen.contains(member));
        others.filter_map(|member| self.told_name(*member).map(|name| (*member, name))).collect()
    }

    /// A room began or ceased to push presence: those who saw each other in it lose sight of each other where they
    /// do, and if it pushes now, its members learn who is there.
    fn tell_crossing(
        &self,
        conversation: ConversationId,
        saw: &HashSet<UserId>,
        told: &mut HashMap<UserId, Vec<PresenceChange>>,
    ) {
        for viewer in saw.iter().filter(|user| self.online.contains_key(user)) {
            let lost = self.out_of_sight(saw, *viewer);
            told.entry(*viewer).or_default().extend(lost.into_iter().map(|(_, username)| unseen(username)));
        }
        let Some(room) = self.rooms.get(&conversation).filter(|room| room.pushes_presence()) else { return };
        for (viewer, _) in self.connected(room) {
            let others = self.connected(room).filter(|(user, _)| *user != viewer);
            told.entry(viewer).or_default().extend(others.map(|(_, other)| there(&other.username)));
        }
    }

    /// The others whose presence is pushed to this user.
    fn in_sight(&self, user: UserId) -> HashSet<UserId> {
        let rooms = self.rooms_of.get(&user).into_iter().flatten().filter_map(|id| self.rooms.get(id));
        rooms.filter(|room| room.pushes_presence()).flat_map(|room| room.members.iter().copied()).collect()
    }

    /// Those who are connected and to whom this user's presence is pushed.
    fn audience(&self, user: UserId) -> Vec<UserId> {
        let rooms = self.rooms_of.get(&user).into_iter().flatten().filter_map(|id| self.rooms.get(id));
        let mut audience: Vec<UserId> = rooms
            .filter(|room: &&Room| room.pushes_presence())
            .flat_map(|room| self.connected(room).map(|(member, _)| member))
            .filter(|member| *member != user)
            .collect();
        audience.sort_unstable();
        audience.dedup();
        audience
    }
}
