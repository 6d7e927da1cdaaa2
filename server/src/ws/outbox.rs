//! What waits to be written to one connection: bounded, and never in the way of others.
//!
//! While the reader keeps up it is empty. When it does not, latest-state frames go first, then a
//! conversation's events are dropped together for one `resync` frame that tells the client to read
//! them instead. Who came and went meanwhile is kept, of each user the latest, and told when all else is
//! written. Answers are never dropped: if they fill the queue, the server stops reading from
//! that connection ([`Outbox::is_full_of_replies`]), so that no more of them can arise.

use super::encode::encode;
use crate::hub::{Frame, FrameKind};
use crate::planted::{Bug, planted};
use bytes::Bytes;
use chat_shared::frame::{PresenceChange, ServerFrame};
use chat_shared::{ConversationId, UserId, Username};
use std::collections::{BTreeMap, VecDeque};
use std::io::IoSlice;
use std::sync::Arc;

/// Frames that may wait.
const FRAMES_MAX: usize = 256;
/// Bytes that may wait.
const BYTES_MAX: usize = 1 << 20;
/// A queue that held more than this gives its memory back when it is empty.
const IDLE_CAPACITY: usize = 16;
/// Users whose presence was missed that are told of in one frame.
const MISSED_AT_ONCE: usize = 256;

struct Entry {
    bytes: Bytes,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Reply,
    Event(ConversationId),
    Typing(ConversationId, UserId),
    Presence(Arc<[PresenceChange]>),
    /// Stands for dropped events: of one conversation, or of all.
    Resync(Option<ConversationId>),
}

#[derive(Default)]
pub(super) struct Outbox {
    queue: VecDeque<Entry>,
    bytes: usize,
    /// Bytes of the first entry that were written already: it can no longer be dropped.
    written: usize,
    /// How many `resync` frames are in the queue.
    resyncs: usize,
    /// Who came and went while there was no room: how it stands. Newer than what the queue tells of them.
    missed: BTreeMap<Username, PresenceChange>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Are there so many answers that no more should arise?
    pub(super) fn is_full_of_replies(&self) -> bool {
        self.queue.len() >= FRAMES_MAX || self.bytes >= BYTES_MAX
    }

    /// Queues a frame, or what stands for it.
    pub(super) fn push(&mut self, frame: &Frame) {
        match &frame.kind {
            FrameKind::Reply => self.append(frame.bytes.clone(), Kind::Reply),
            FrameKind::Typing(conversation, user) => {
                let kind = Kind::Typing(*conversation, *user);
                self.retain(|other| *other != kind);
                if self.has_room(&frame.bytes) {
                    self.append(frame.bytes.clone(), kind);
                }
            }
            FrameKind::Presence(changes) => {
                if self.missed.is_empty() && self.has_room(&frame.bytes) {
                    self.append(frame.bytes.clone(), Kind::Presence(changes.clone()));
                } else {
                    self.missed
                        .extend(changes.iter().map(|change| (change.username.clone(), change.clone())));
                    self.make_up();
                }
            }
            FrameKind::Event(conversation) => self.push_event(*conversation, &frame.bytes),
        }
    }

    /// Queues the close frame: nothing follows it.
    pub(super) fn push_last(&mut self, bytes: Bytes) {
        self.append(bytes, Kind::Reply);
        self.missed.clear();
    }

    /// When everything is written, what was missed of others' presence follows.
    fn make_up(&mut self) {
        if !self.queue.is_empty() || self.missed.is_empty() {
            return;
        }
        let mut changes = Vec::with_capacity(self.missed.len().min(MISSED_AT_ONCE));
        while changes.len() < MISSED_AT_ONCE
            && let Some((_, change)) = self.missed.pop_first()
        {
            changes.push(change);
        }
        let told = changes.as_slice().into();
        self.append(encode(&ServerFrame::Presence { changes }), Kind::Presence(told));
    }

    fn push_event(&mut self, conversation: ConversationId, bytes: &Bytes) {
        let is_covered = |entry: &Entry| {
            matches!(entry.kind, Kind::Resync(None)) || entry.kind == Kind::Resync(Some(conversation))
        };
        if self.resyncs > 0 && self.queue.iter().any(is_covered) {
            // The client will read it when it gets there.
            return;
        }
        if !self.has_room(bytes) {
            self.retain(|kind| !matches!(kind, Kind::Typing(..) | Kind::Presence(_)));
        }
        if self.has_room(bytes) {
            return self.append(bytes.clone(), Kind::Event(conversation));
        }
        self.retain(|kind| *kind != Kind::Event(conversation));
        if self.has_room(bytes) {
            return self.resync(Some(conversation));
        }
        self.retain(|kind| !matches!(kind, Kind::Event(_) | Kind::Resync(_)));
        self.resync(None);
    }

    fn has_room(&self, bytes: &Bytes) -> bool {
        if planted(Bug::QueueUnbounded) {
            return true;
        }
        self.queue.len() < FRAMES_MAX && self.bytes + bytes.len() <= BYTES_MAX
    }

    fn resync(&mut self, conversation_id: Option<ConversationId>) {
        if planted(Bug::ResyncNotSent) {
            return;
        }
        let reason = "this connection reads too slowly; events were dropped".to_owned();
        let frame = ServerFrame::Resync { conversation_id, reason };
        self.append(encode(&frame), Kind::Resync(conversation_id));
    }

    fn append(&mut self, bytes: Bytes, kind: Kind) {
        self.bytes += bytes.len();
        self.resyncs += usize::from(matches!(kind, Kind::Resync(_)));
        self.queue.push_back(Entry { bytes, kind });
        let last = self.queue.len() - 1;
        // The first may have been begun.
        if planted(Bug::OutOfOrder) && last > 1 {
            self.queue.swap(last, last - 1);
        }
    }

    /// Drops entries that nobody has seen the beginning of.
    fn retain(&mut self, keep: impl Fn(&Kind) -> bool) {
        let mut begun = self.written > 0;
        let (mut bytes, mut resyncs) = (self.bytes, self.resyncs);
        let mut untold = Vec::new();
        self.queue.retain(|entry| {
            let stays = std::mem::take(&mut begun) || keep(&entry.kind);
            if !stays {
                bytes -= entry.bytes.len();
                resyncs -= usize::from(matches!(entry.kind, Kind::Resync(_)));
                if let Kind::Presence(changes) = &entry.kind {
                    untold.push(changes.clone());
                }
            }
            stays
        });
        (self.bytes, self.resyncs) = (bytes, resyncs);
        // The newest first, which stay.
        for change in untold.iter().rev().flat_map(|changes| changes.iter()) {
            self.missed.entry(change.username.clone()).or_insert_with(|| change.clone());
        }
    }

    /// Drops everything but a frame that was begun, for a close frame that is to come through.
    pub(super) fn clear(&mut self) {
        self.retain(|_| false);
        self.missed.clear();
    }

    /// Puts the frame that must be first before everything that gathered.
    pub(super) fn push_front(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.queue.push_front(Entry { bytes, kind: Kind::Reply });
    }

    /// What is to be written, if it is all in one place.
    pub(super) fn only(&self) -> Option<&[u8]> {
        let first = self.queue.front().filter(|_| self.queue.len() == 1)?;
        Some(&first.bytes[self.written..])
    }

    /// What is to be written next, for one system call.
    pub(super) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let mut count = 0;
        for (slot, entry) in slices.iter_mut().zip(&self.queue) {
            *slot = IoSlice::new(&entry.bytes[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// This many bytes were written.
    pub(super) fn advance(&mut self, mut count: usize) {
        while let Some(first) = self.queue.front() {
            let left = first.bytes.len() - self.written;
            if count < left {
                self.written += count;
                return;
            }
            count -= left;
            self.written = 0;
            self.bytes -= first.bytes.len();
            self.resyncs -= usize::from(matches!(first.kind, Kind::Resync(_)));
            self.queue.pop_front();
        }
        if self.queue.capacity() > IDLE_CAPACITY {
            self.queue = VecDeque::new();
        }
        self.make_up();
    }
}

#[cfg(test)]
mod tests;
