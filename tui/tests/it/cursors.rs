//! Following by rev: whatever is cut off and whatever is dropped, in the end every message was seen as it
//! stands, and no state of it twice.

use chat_shared::{ConversationId, Rev};
use chat_tui::net::sync::{Cursors, Step};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone)]
enum Event {
    /// Somebody writes; the frame arrives if we are connected.
    New,
    /// One of the messages changes.
    Changed(usize),
    /// The frame of the next change is dropped on the way.
    Dropped,
    /// The connection is cut.
    Cut,
    /// It is there again.
    Back,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::New),
        4 => any::<usize>().prop_map(Event::Changed),
        1 => Just(Event::Dropped),
        1 => Just(Event::Cut),
        1 => Just(Event::Back),
    ]
}

/// A conversation at the server, and a client of it.
#[derive(Default)]
struct World {
    /// The rev of each message's newest state, by seq.
    messages: BTreeMap<i64, i64>,
    head: i64,
    cursors: Cursors,
    connected: bool,
    drops_next: bool,
    /// Every state that was shown: seq and rev.
    shown: BTreeSet<(i64, i64)>,
}

impl World {
    fn id() -> ConversationId {
        ConversationId::new(1).unwrap()
    }

    fn rev(rev: i64) -> Rev {
        Rev::new(rev).unwrap()
    }

    fn show(&mut self, seq: i64, rev: i64) {
        assert!(self.shown.insert((seq, rev)), "{seq} at {rev} was shown twice");
    }

    /// What `changes` answers.
    fn read(&mut self, since: Rev) {
        let mut missed: Vec<(i64, i64)> = self
            .messages
            .iter()
            .map(|(seq, rev)| (*rev, *seq))
            .filter(|(rev, _)| *rev > since.get())
            .collect();
        missed.sort_unstable();
        for (rev, seq) in missed {
            if self.cursors.read(Self::id(), Self::rev(rev)) == Step::Show {
                self.show(seq, rev);
            }
        }
        self.cursors.caught_up(Self::id(), Self::rev(self.head));
    }

    fn back(&mut self) {
        self.connected = true;
        for (_, since) in self.cursors.ready("epoch", [(Self::id(), Self::rev(self.head))]) {
            self.read(since);
        }
    }

    fn change(&mut self, seq: i64) {
        self.head += 1;
        self.messages.insert(seq, self.head);
        if !self.connected || std::mem::take(&mut self.drops_next) {
            return;
        }
        match self.cursors.message(Self::id(), Self::rev(self.head)) {
            Step::Show => self.show(seq, self.head),
            Step::Read(since) => self.read(since),
            Step::Skip => {}
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::New => self.change(self.head + 1),
            Event::Changed(which) if !self.messages.is_empty() => {
                let seq = *self.messages.keys().nth(which % self.messages.len()).unwrap();
                self.change(seq);
            }
            Event::Changed(_) => {}
            Event::Dropped => self.drops_next = true,
            Event::Cut => self.connected = false,
            Event::Back => self.back(),
        }
    }
}

proptest! {
    #[test]
    fn in_the_end_everything_was_seen_as_it_stands_and_nothing_twice(
        events in prop::collection::vec(event(), 0..80),
    ) {
        let mut world = World::default();
        world.back();
        events.into_iter().for_each(|event| world.take(event));
        world.connected = false;
        world.back();
        for (seq, rev) in &world.messages {
            prop_assert!(world.shown.contains(&(*seq, *rev)), "{seq} at {rev} was never shown");
        }
    }
}
