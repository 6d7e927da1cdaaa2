//! The messages of one conversation as far as they are held: complete spans with gaps between them,
//! and what waits to be sent below.

use crate::client::{Pending, Want};
use chat_shared::api::{Message, MessageKind};
use chat_shared::{Rev, SendId, Seq};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;

/// Messages of a conversation that are held at once: what is farther away is read again.
pub const HELD_MAX: usize = 4_000;

/// A run of seqs in which every message is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first seq; 0: the history begins here.
    pub from: Seq,
    /// The last.
    pub to: Seq,
}

/// What stands on the screen as one: a message, or one that waits to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// A message of the history.
    Message(Seq),
    /// The pending entry at this place of the outbox; they stand below every message.
    Pending(usize),
}

/// The messages of a conversation.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    messages: BTreeMap<Seq, Message>,
    /// Which message has which send id.
    sent: HashMap<SendId, Seq>,
    spans: Vec<Span>,
    /// What waits to be sent, in order; an edit changes how its message is shown instead.
    pub pending: VecDeque<Pending>,
    /// What is being loaded.
    pub loading: Option<Want>,
    /// What was loaded last: whoever answers without filling the gap is not asked the same again.
    pub loaded: Option<Want>,
}

impl Timeline {
    /// A complete span came.
    pub fn page(&mut self, from: Seq, to: Seq, messages: Vec<Message>) {
        for message in messages {
            self.put(message);
        }
        // A span that ends before it begins is no answer.
        if from <= to {
            self.cover(Span { from, to });
        }
        self.loaded = self.loading.take();
    }

    /// Every change with a rev in `(from, to]` came.
    pub fn applied(&mut self, messages: Vec<Message>, from: Rev, to: Rev) {
        for message in messages {
            self.put(message);
        }
        if let Some(last) = self.spans.last_mut()
            && last.to >= from.as_seq()
        {
            last.to = last.to.max(to.as_seq());
        }
    }

    /// Insert, or replace where it is newer.
    fn put(&mut self, message: Message) {
        match self.messages.get(&message.seq) {
            Some(held) if held.rev > message.rev => {}
            _ => {
                self.sent.extend(message.id.map(|id| (id, message.seq)));
                self.messages.insert(message.seq, message);
            }
        }
    }

    fn cover(&mut self, new: Span) {
        let mut merged = new;
        self.spans.retain(|span| {
            // Spans that touch are one: the seq after the last is the first of the next.
            let apart = span.to.get() + 1 < merged.from.get() || merged.to.get() + 1 < span.from.get();
            if !apart {
                merged.from = merged.from.min(span.from);
                merged.to = merged.to.max(span.to);
            }
            apart
        });
        let at = self.spans.partition_point(|span| span.from < merged.from);
        self.spans.insert(at, merged);
    }

    /// Forgets what is held, but not what waits to be sent.
    pub fn reset(&mut self) {
        self.messages.clear();
        self.sent.clear();
        self.spans.clear();
        self.loading = None;
        self.loaded = None;
    }

    /// Keeps memory bounded: drops what is farthest from the newest, unless `near` lies there.
    pub fn trim(&mut self, near: Option<Seq>) {
        while self.messages.len() > HELD_MAX {
            let keep_old = near.is_some_and(|near| {
                let below = self.messages.range(..=near).count();
                below < self.messages.len() / 2
            });
            let victim =
                if keep_old { self.messages.keys().next_back() } else { self.messages.keys().next() };
            let Some(victim) = victim.copied() else { return };
            if let Some(id) = self.messages.remove(&victim).and_then(|message| message.id) {
                self.sent.remove(&id);
            }
            self.loaded = None;
            for span in &mut self.spans {
                if (span.from..=span.to).contains(&victim) {
                    if keep_old {
                        span.to = Seq::new(victim.get() - 1).unwrap_or(Seq::MIN);
                    } else {
                        span.from = Seq::new(victim.get() + 1).unwrap_or(Seq::MIN);
                    }
                }
            }
            self.spans.retain(|span| span.from <= span.to);
        }
    }

    /// Is nothing held?
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The complete spans, the oldest first.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Does the newest span reach this head?
    pub fn reaches(&self, head: Rev) -> bool {
        self.spans.last().is_some_and(|span| span.to >= head.as_seq())
    }

    /// Is the beginning of the history held?
    pub fn begins(&self) -> bool {
        self.spans.first().is_some_and(|span| span.from == Seq::MIN)
    }

    fn span_of(&self, seq: Seq) -> Option<&Span> {
        self.spans.iter().find(|span| (span.from..=span.to).contains(&seq))
    }

    /// A message, if it stands in a complete span.
    pub fn message(&self, seq: Seq) -> Option<&Message> {
        self.span_of(seq).and(self.messages.get(&seq))
    }

    /// A message, also one that is known only by itself (quoted, or changed while its page was not held).
    pub fn known(&self, seq: Seq) -> Option<&Message> {
        self.messages.get(&seq)
    }

    /// Keeps a message that was read by itself.
    pub fn learn(&mut self, message: Message) {
        self.put(message);
    }

    /// The message with this send id, if it has arrived.
    pub fn by_send_id(&self, id: SendId) -> Option<&Message> {
        self.messages.get(self.sent.get(&id)?)
    }

    /// Every message that is shown, the oldest first.
    pub fn shown(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.values().filter(|message| self.span_of(message.seq).is_some())
    }

    /// The same, after this one.
    pub fn shown_after(&self, seq: Seq) -> impl Iterator<Item = &Message> {
        let after = self.messages.range((Bound::Excluded(seq), Bound::Unbounded)).map(|(_, message)| message);
        after.filter(|message| self.span_of(message.seq).is_some())
    }

    /// Pending entries that stand as lines of their own.
    pub fn waiting(&self) -> impl DoubleEndedIterator<Item = (usize, &Pending)> {
        self.pending.iter().enumerate().filter(|(index, _)| self.is_waiting(*index))
    }

    /// Does this entry stand as a line of its own?
    pub fn is_waiting(&self, index: usize) -> bool {
        let pending = self.pending.get(index);
        pending.is_some_and(|pending| pending.edits.is_none() && self.by_send_id(pending.id).is_none())
    }

    /// The pending edit of a message.
    pub fn pending_edit(&self, seq: Seq) -> Option<&Pending> {
        self.pending.iter().rev().find(|pending| pending.edits == Some(seq))
    }

    /// The last thing on the screen.
    pub fn last(&self) -> Option<Item> {
        if let Some((index, _)) = self.waiting().next_back() {
            return Some(Item::Pending(index));
        }
        self.shown().next_back().map(|message| Item::Message(message.seq))
    }

    /// What stands above.
    pub fn above(&self, item: Item) -> Option<Item> {
        match item {
            Item::Pending(index) => {
                let above = (0..index.min(self.pending.len())).rev().find(|other| self.is_waiting(*other));
                above
                    .map(Item::Pending)
                    .or_else(|| self.shown().next_back().map(|message| Item::Message(message.seq)))
            }
            Item::Message(seq) => {
                let mut before = self.messages.range(..seq).rev().map(|(_, message)| message);
                before.find(|m| self.span_of(m.seq).is_some()).map(|m| Item::Message(m.seq))
            }
        }
    }

    /// What stands below.
    pub fn below(&self, item: Item) -> Option<Item> {
        match item {
            Item::Pending(index) => {
                let mut below = index.saturating_add(1)..self.pending.len();
                below.find(|other| self.is_waiting(*other)).map(Item::Pending)
            }
            Item::Message(seq) => {
                let below = self.shown_after(seq).next().map(|message| Item::Message(message.seq));
                below.or_else(|| self.waiting().next().map(|(index, _)| Item::Pending(index)))
            }
        }
    }

    /// Is there a gap directly before this message? The request that closes it.
    pub fn gap_before(&self, seq: Seq) -> Option<Want> {
        let span = self.span_of(seq)?;
        if span.from == Seq::MIN || self.messages.range(span.from..seq).next().is_some() {
            return None;
        }
        Some(Want::Before(span.from))
    }

    /// The text messages of others after this one.
    pub fn unread_after<'a>(&'a self, seq: Seq, me: &'a str) -> impl Iterator<Item = &'a Message> {
        self.shown_after(seq).filter(move |message| {
            message.kind == MessageKind::Text
                && message.deleted_at.is_none()
                && message.sender.username.as_str() != me
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::message;

    fn s(seq: i64) -> Seq {
        Seq::new(seq).unwrap()
    }

    fn r(rev: i64) -> Rev {
        Rev::new(rev).unwrap()
    }

    fn shown(timeline: &Timeline) -> Vec<i64> {
        timeline.shown().map(|message| message.seq.get()).collect()
    }

    #[test]
    fn spans_join_when_the_gap_is_filled() {
        let mut timeline = Timeline::default();
        timeline.page(s(0), s(3), vec![message(1), message(3)]);
        timeline.page(s(10), s(12), vec![message(10), message(12)]);
        assert_eq!(timeline.spans().len(), 2);
        assert_eq!(timeline.gap_before(s(10)), Some(Want::Before(s(10))));
        assert_eq!(timeline.gap_before(s(12)), None);
        assert_eq!(timeline.gap_before(s(1)), None);
        timeline.page(s(4), s(9), vec![message(5)]);
        assert_eq!(timeline.spans(), [Span { from: s(0), to: s(12) }]);
        assert_eq!(shown(&timeline), [1, 3, 5, 10, 12]);
        assert!(timeline.begins() && timeline.reaches(r(12)) && !timeline.reaches(r(13)));
    }

    #[test]
    fn live_changes_extend_only_what_was_complete() {
        let mut timeline = Timeline::default();
        timeline.page(s(5), s(7), vec![message(5), message(7)]);
        timeline.applied(vec![message(8)], r(7), r(8));
        assert_eq!(shown(&timeline), [5, 7, 8]);
        // Something between was not seen: what comes is known, but not shown as if it were next.
        timeline.applied(vec![message(20)], r(19), r(20));
        assert_eq!(shown(&timeline), [5, 7, 8]);
        assert!(timeline.known(s(20)).is_some() && timeline.message(s(20)).is_none());
        timeline.page(s(9), s(20), vec![message(9)]);
        assert_eq!(shown(&timeline), [5, 7, 8, 9, 20]);
    }

    #[test]
    fn an_older_state_never_replaces_a_newer_one() {
        let mut timeline = Timeline::default();
        let mut newer = message(5);
        newer.rev = r(9);
        newer.body = "edited".into();
        timeline.applied(vec![newer], r(8), r(9));
        timeline.page(s(0), s(9), vec![message(5)]);
        assert_eq!(timeline.message(s(5)).map(|m| m.body.as_str()), Some("edited"));
    }

    #[test]
    fn items_are_walked_up_and_down() {
        let mut timeline = Timeline::default();
        timeline.page(s(0), s(4), vec![message(2), message(4)]);
        timeline.pending.push_back(crate::demo::pending("one"));
        timeline.pending.push_back(crate::demo::pending("two"));
        let mut item = timeline.last();
        let mut walked = Vec::new();
        while let Some(at) = item {
            walked.push(at);
            item = timeline.above(at);
        }
        let expected = [Item::Pending(1), Item::Pending(0), Item::Message(s(4)), Item::Message(s(2))];
        assert_eq!(walked, expected);
        assert_eq!(timeline.below(Item::Message(s(4))), Some(Item::Pending(0)));
        assert_eq!(timeline.below(Item::Message(s(2))), Some(Item::Message(s(4))));
        assert_eq!(timeline.below(Item::Pending(1)), None);
    }

    #[test]
    fn memory_is_bounded_from_the_far_end() {
        let mut timeline = Timeline::default();
        let many: Vec<_> = (1..=HELD_MAX as i64 + 10).map(message).collect();
        timeline.page(s(0), s(HELD_MAX as i64 + 10), many);
        let mut other = timeline.clone();
        timeline.trim(None);
        assert_eq!((timeline.shown().count(), timeline.begins()), (HELD_MAX, false));
        assert_eq!(timeline.spans()[0].from, s(11));
        other.trim(Some(s(3)));
        assert!(other.begins() && !other.reaches(r(HELD_MAX as i64 + 10)));
    }
}
