//! What waits to be written to one connection: bounded, and never in the way of others.
//!
//! While the reader keeps up it is empty. When it does not, latest-state frames go first, then a
//! conversation's events are dropped together for one `resync` frame that tells the client to read
//! them instead. Answers are never dropped: if they fill the queue, the server stops reading from
//! that connection ([`Outbox::is_full_of_replies`]), so that no more of them can arise.

use super::encode::encode;
use crate::hub::{Ephemeral, Frame, FrameKind};
use crate::planted::{Bug, planted};
use bytes::Bytes;
use chat_shared::ConversationId;
use chat_shared::frame::ServerFrame;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Frames that may wait.
const FRAMES_MAX: usize = 256;
/// Bytes that may wait.
const BYTES_MAX: usize = 1 << 20;
/// A queue that held more than this gives its memory back when it is empty.
const IDLE_CAPACITY: usize = 16;

struct Entry {
    bytes: Bytes,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reply,
    Event(ConversationId),
    Ephemeral(Ephemeral),
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
        match frame.kind {
            FrameKind::Reply => self.append(frame.bytes.clone(), Kind::Reply),
            FrameKind::Ephemeral(ephemeral) => {
                if matches!(ephemeral, Ephemeral::Typing(..)) {
                    self.retain(|kind| kind != Kind::Ephemeral(ephemeral));
                }
                if self.has_room(&frame.bytes) {
                    self.append(frame.bytes.clone(), Kind::Ephemeral(ephemeral));
                }
            }
            FrameKind::Event(conversation) => self.push_event(conversation, &frame.bytes),
        }
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
            self.retain(|kind| !matches!(kind, Kind::Ephemeral(_)));
        }
        if self.has_room(bytes) {
            return self.append(bytes.clone(), Kind::Event(conversation));
        }
        self.retain(|kind| kind != Kind::Event(conversation));
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
    fn retain(&mut self, keep: impl Fn(Kind) -> bool) {
        let mut begun = self.written > 0;
        let (mut bytes, mut resyncs) = (self.bytes, self.resyncs);
        self.queue.retain(|entry| {
            let stays = std::mem::take(&mut begun) || keep(entry.kind);
            if !stays {
                bytes -= entry.bytes.len();
                resyncs -= usize::from(matches!(entry.kind, Kind::Resync(_)));
            }
            stays
        });
        (self.bytes, self.resyncs) = (bytes, resyncs);
    }

    /// Drops everything but a frame that was begun, for a close frame that is to come through.
    pub(super) fn clear(&mut self) {
        self.retain(|_| false);
    }

    /// Puts the frame that must be first before everything that gathered.
    pub(super) fn push_front(&mut self, bytes: Bytes) {
        self.bytes += bytes.len();
        self.queue.push_front(Entry { bytes, kind: Kind::Reply });
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chat_shared::UserId;

    fn conversation(id: i64) -> ConversationId {
        ConversationId::new(id).unwrap()
    }

    fn event(id: i64, size: usize) -> Frame {
        Frame { bytes: vec![b'e'; size].into(), kind: FrameKind::Event(conversation(id)) }
    }

    fn reply(size: usize) -> Frame {
        Frame { bytes: vec![b'r'; size].into(), kind: FrameKind::Reply }
    }

    fn typing(id: i64) -> Frame {
        let user = UserId::new(7).unwrap();
        Frame {
            bytes: Bytes::from_static(b"typing"),
            kind: FrameKind::Ephemeral(Ephemeral::Typing(conversation(id), user)),
        }
    }

    /// The queue in letters: reply, event, ephemeral, resync of one, RESYNC of all.
    fn picture(outbox: &Outbox) -> String {
        let letter = |entry: &Entry| match entry.kind {
            Kind::Reply => 'r',
            Kind::Event(_) => 'e',
            Kind::Ephemeral(_) => 't',
            Kind::Resync(Some(_)) => 's',
            Kind::Resync(None) => 'S',
        };
        outbox.queue.iter().map(letter).collect()
    }

    fn check(outbox: &Outbox) {
        assert_eq!(outbox.bytes, outbox.queue.iter().map(|entry| entry.bytes.len()).sum::<usize>());
        let resyncs = outbox.queue.iter().filter(|entry| matches!(entry.kind, Kind::Resync(_))).count();
        assert_eq!(outbox.resyncs, resyncs);
        assert!(outbox.bytes <= BYTES_MAX + 1024);
    }

    #[test]
    fn the_latest_typing_wins() {
        let mut outbox = Outbox::default();
        for frame in [typing(1), typing(2), typing(1)] {
            outbox.push(&frame);
        }
        assert_eq!(picture(&outbox), "tt");
        check(&outbox);
    }

    #[test]
    fn an_overflow_drops_latest_state_first_then_the_conversation_for_one_resync() {
        let mut outbox = Outbox::default();
        outbox.push(&reply(10));
        outbox.push(&typing(1));
        outbox.push(&event(2, 10));
        for _ in 0..FRAMES_MAX - 3 {
            outbox.push(&event(1, 10));
        }
        outbox.push(&event(1, 10));
        assert!(!picture(&outbox).contains('t'));
        outbox.push(&event(1, 10));
        assert_eq!(picture(&outbox), "res");
        check(&outbox);
        // As long as the resync waits, more of the same conversation stands behind it.
        outbox.push(&event(1, 10));
        outbox.push(&event(2, 10));
        assert_eq!(picture(&outbox), "rese");
        check(&outbox);
    }

    #[test]
    fn bytes_count_as_well_as_frames() {
        let mut outbox = Outbox::default();
        for _ in 0..20 {
            outbox.push(&event(1, 100_000));
            check(&outbox);
        }
        assert_eq!(picture(&outbox), "s");
    }

    #[test]
    fn answers_are_never_dropped() {
        let mut outbox = Outbox::default();
        for _ in 0..FRAMES_MAX {
            outbox.push(&reply(10));
        }
        assert!(outbox.is_full_of_replies());
        outbox.push(&event(1, 10));
        outbox.push(&event(2, 10));
        outbox.push(&reply(10));
        assert_eq!(picture(&outbox).matches('r').count(), FRAMES_MAX + 1);
        assert_eq!(picture(&outbox).matches('S').count(), 1);
    }

    #[test]
    fn a_frame_that_was_begun_is_finished() {
        let mut outbox = Outbox::default();
        outbox.push(&event(1, 100));
        outbox.push(&event(1, 100));
        outbox.advance(30);
        outbox.clear();
        assert_eq!(picture(&outbox), "e");
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(outbox.slices(&mut slices), 1);
        assert_eq!(slices[0].len(), 70);
    }

    #[test]
    fn writing_advances_over_frames() {
        let mut outbox = Outbox::default();
        for size in [10, 20, 30] {
            outbox.push(&reply(size));
        }
        outbox.advance(15);
        let mut slices = [IoSlice::new(&[]); 4];
        assert_eq!(outbox.slices(&mut slices), 2);
        assert_eq!((slices[0].len(), slices[1].len()), (15, 30));
        outbox.advance(45);
        assert!(outbox.is_empty());
        check(&outbox);
    }
}
