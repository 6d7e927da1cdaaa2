//! Presence: who came and went, coalesced.
//!
//! Changes gather for [`TICK`] and are then told in one frame per recipient; who came and went in
//! between is not told at all. Nothing runs while nobody comes or goes.

use super::{Counters, Ephemeral, Frame, FrameKind, Hub, Inner, Room};
use crate::store::{Store, ask};
use chat_shared::frame::{PresenceChange, ServerFrame};
use chat_shared::{ConversationId, UserId, Username};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// How long changes gather. Well below the 3 seconds within which an absence must be told.
const TICK: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Presence {
    /// What was told of users about whom something is to be told, and when they went.
    dirty: HashMap<UserId, Pending>,
}

struct Pending {
    was_online: bool,
    gone: Option<(Username, i64)>,
}

impl Presence {
    pub(super) fn came(&mut self, user: UserId) {
        self.dirty.entry(user).or_insert(Pending { was_online: false, gone: None }).gone = None;
    }

    pub(super) fn went(&mut self, user: UserId, username: Username, at: i64) {
        self.dirty.entry(user).or_insert(Pending { was_online: true, gone: None }).gone =
            Some((username, at));
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
    fn tell_presence(&self) -> Vec<(UserId, i64)> {
        let mut inner = self.lock();
        let dirty = std::mem::take(&mut inner.presence.dirty);
        let mut told: HashMap<UserId, Vec<PresenceChange>> = HashMap::new();
        let mut seen = Vec::new();
        for (user, pending) in dirty {
            let online = inner.online.get(&user).map(|online| online.username.clone());
            if let Some((_, at)) = &pending.gone {
                seen.push((user, *at));
            }
            let change = match (online, pending.gone) {
                (Some(username), _) if !pending.was_online => {
                    PresenceChange { username, online: true, last_seen_at: None }
                }
                (None, Some((username, at))) if pending.was_online => {
                    PresenceChange { username, online: false, last_seen_at: Some(at) }
                }
                _ => continue,
            };
            for recipient in inner.audience(user) {
                told.entry(recipient).or_default().push(change.clone());
            }
        }
        let mut touched = Vec::new();
        for (recipient, changes) in told {
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
        self.frame(FrameKind::Ephemeral(Ephemeral::Presence), &ServerFrame::Presence { changes })
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
        let online = |username: &Username| PresenceChange {
            username: username.clone(),
            online: true,
            last_seen_at: None,
        };
        let Some(newcomer) = inner.online.get(&new) else { return Vec::new() };
        let others: Vec<_> = inner.connected(room).filter(|(user, _)| *user != new).collect();
        let theirs = self.presence_frame(vec![online(&newcomer.username)]);
        let mut frames: Vec<_> = others.iter().map(|(user, _)| (*user, theirs.clone())).collect();
        if !others.is_empty() {
            let changes = others.iter().map(|(_, other)| online(&other.username)).collect();
            frames.push((new, self.presence_frame(changes)));
        }
        frames
    }
}

impl Inner {
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
