//! What waits to be sent, in order: one unacknowledged entry a conversation at a time. No socket, no
//! disk; the clock is handed in.

use super::Pending;
use chat_shared::{ConversationId, SendId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use tokio::time::Instant;

/// An answer that does not come is not waited for longer; the same id is sent once more.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between tries that the server has put off, at first and at the most.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Entry {
    pending: Pending,
    /// The server may have it.
    tried: bool,
    /// Under way since then.
    sent_at: Option<Instant>,
    /// Not before then.
    not_before: Option<Instant>,
    put_off: u32,
}

/// What waits for one conversation, by the order of its entry.
#[derive(Debug, Default)]
struct Queue {
    entries: BTreeMap<u64, Entry>,
    /// Those that have not failed: the first of them is the one to send.
    open: BTreeSet<u64>,
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queues: BTreeMap<ConversationId, Queue>,
    /// Where each stands, so that thousands of them are not searched for one.
    places: HashMap<SendId, (ConversationId, u64)>,
    next: u64,
}

impl Outbox {
    /// At the end of its conversation's queue.
    pub(crate) fn add(&mut self, pending: Pending, tried: bool) {
        let place = (pending.conversation, self.next);
        self.next += 1;
        self.places.insert(pending.id, place);
        let queue = self.queues.entry(place.0).or_default();
        if pending.failed.is_none() {
            queue.open.insert(place.1);
        }
        queue.entries.insert(place.1, Entry { pending, tried, sent_at: None, not_before: None, put_off: 0 });
    }

    /// Is it waiting here?
    pub(crate) fn holds(&self, id: SendId) -> bool {
        self.places.contains_key(&id)
    }

    /// Does nothing wait?
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.queues.is_empty()
    }

    /// What is to be sent to a conversation, in order.
    pub(crate) fn waiting(&self, conversation: ConversationId) -> Vec<SendId> {
        let Some(queue) = self.queues.get(&conversation) else { return Vec::new() };
        let open = queue.open.iter().filter_map(|at| queue.entries.get(at));
        open.map(|entry| entry.pending.id).collect()
    }

    /// Conversations for which something waits.
    pub(crate) fn conversations(&self) -> Vec<ConversationId> {
        self.queues.keys().copied().collect()
    }

    /// The server has it: in this conversation, with this id.
    pub(crate) fn arrived(&mut self, conversation: ConversationId, id: SendId) -> bool {
        let Some((_, at)) = self.places.get(&id).copied().filter(|place| place.0 == conversation) else {
            return false;
        };
        self.places.remove(&id);
        if let Some(queue) = self.queues.get_mut(&conversation) {
            queue.entries.remove(&at);
            queue.open.remove(&at);
            if queue.entries.is_empty() {
                self.queues.remove(&conversation);
            }
        }
        true
    }

    /// Drops it, if the server cannot have it. Returns where it was.
    pub(crate) fn discard(&mut self, id: SendId) -> Option<ConversationId> {
        let (_, _, entry) = self.entry(id)?;
        if entry.tried && entry.pending.failed.is_none() {
            return None;
        }
        let conversation = entry.pending.conversation;
        self.arrived(conversation, id);
        Some(conversation)
    }

    /// It was refused. Returns where it is.
    pub(crate) fn fail(&mut self, id: SendId, reason: &str) -> Option<ConversationId> {
        let (at, open, entry) = self.entry(id)?;
        entry.pending.failed = Some(reason.to_owned());
        entry.sent_at = None;
        open.remove(&at);
        Some(entry.pending.conversation)
    }

    /// A failed one is to be tried again. Returns where it is.
    pub(crate) fn retry(&mut self, id: SendId) -> Option<ConversationId> {
        let (at, open, entry) = self.entry(id)?;
        entry.pending.failed.take()?;
        entry.not_before = None;
        entry.put_off = 0;
        open.insert(at);
        Some(entry.pending.conversation)
    }

    /// The server wants it later. `asked`: after this time.
    pub(crate) fn put_off(&mut self, id: SendId, asked: Option<Duration>, now: Instant) {
        let Some((_, _, entry)) = self.entry(id) else { return };
        let own = FIRST_PAUSE.saturating_mul(1 << entry.put_off.min(10));
        let pause = own.max(asked.unwrap_or_default()).min(LONGEST_PAUSE);
        entry.put_off = entry.put_off.saturating_add(1);
        entry.sent_at = None;
        entry.not_before = Some(now + pause);
    }

    /// The connection is gone: what was under way may have arrived or not.
    pub(crate) fn lost(&mut self) {
        for entry in self.queues.values_mut().flat_map(|queue| queue.entries.values_mut()) {
            entry.sent_at = None;
        }
    }

    /// What is to be sent now; from here on it is under way.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Pending> {
        let mut due = Vec::new();
        for queue in self.queues.values_mut() {
            let Some(entry) = queue.open.first().and_then(|at| queue.entries.get_mut(at)) else { continue };
            let free = entry.sent_at.is_none_or(|at| now >= at + PATIENCE);
            if free && entry.not_before.is_none_or(|at| now >= at) {
                entry.sent_at = Some(now);
                entry.tried = true;
                due.push(entry.pending.clone());
            }
        }
        due
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Instant> {
        let heads = self.queues.values().filter_map(|queue| queue.entries.get(queue.open.first()?));
        heads.filter_map(|entry| entry.sent_at.map(|at| at + PATIENCE).or(entry.not_before)).min()
    }

    /// An entry, where it stands, and which of its queue are open.
    fn entry(&mut self, id: SendId) -> Option<(u64, &mut BTreeSet<u64>, &mut Entry)> {
        let (conversation, at) = *self.places.get(&id)?;
        let queue = self.queues.get_mut(&conversation)?;
        Some((at, &mut queue.open, queue.entries.get_mut(&at)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn pending(n: u128, conversation: i64) -> Pending {
        Pending {
            id: SendId::from_uuid(Uuid::from_u128(n)),
            conversation: ConversationId::new(conversation).unwrap(),
            body: n.to_string(),
            reply_to: None,
            edits: None,
            entered_at: 0,
            failed: None,
        }
    }

    fn bodies(due: &[Pending]) -> Vec<&str> {
        due.iter().map(|pending| pending.body.as_str()).collect()
    }

    #[test]
    fn one_at_a_time_for_each_conversation_in_order() {
        let mut outbox = Outbox::default();
        for (n, conversation) in [(1, 1), (2, 1), (3, 2)] {
            outbox.add(pending(n, conversation), false);
        }
        let now = Instant::now();
        assert_eq!(bodies(&outbox.due(now)), ["1", "3"]);
        assert!(outbox.due(now).is_empty());
        // An answer for another conversation is not believed.
        assert!(!outbox.arrived(pending(1, 2).conversation, pending(1, 1).id));
        assert!(outbox.arrived(pending(1, 1).conversation, pending(1, 1).id));
        assert_eq!(bodies(&outbox.due(now)), ["2"]);
        outbox.lost();
        assert_eq!(bodies(&outbox.due(now)), ["2", "3"]);
        assert_eq!(bodies(&outbox.due(now + PATIENCE)), ["2", "3"]);
    }

    #[test]
    fn what_fails_lets_the_next_one_pass_and_can_be_tried_again() {
        let mut outbox = Outbox::default();
        outbox.add(pending(1, 1), false);
        outbox.add(pending(2, 1), false);
        let now = Instant::now();
        outbox.due(now);
        assert!(outbox.discard(pending(1, 1).id).is_none(), "the server may have it");
        outbox.fail(pending(1, 1).id, "no");
        assert_eq!(bodies(&outbox.due(now)), ["2"]);
        outbox.arrived(pending(2, 1).conversation, pending(2, 1).id);
        outbox.retry(pending(1, 1).id);
        assert_eq!(bodies(&outbox.due(now)), ["1"]);
        outbox.fail(pending(1, 1).id, "no");
        assert!(outbox.discard(pending(1, 1).id).is_some());
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_was_sent_without_being_waited_for_is_no_more_to_be_sent() {
        let mut outbox = Outbox::default();
        for n in 1..=3 {
            outbox.add(pending(n, 1), false);
        }
        assert!(outbox.arrived(pending(2, 1).conversation, pending(2, 1).id));
        assert!(!outbox.arrived(pending(2, 1).conversation, pending(2, 1).id));
        assert_eq!(outbox.waiting(pending(1, 1).conversation), [pending(1, 1).id, pending(3, 1).id]);
        outbox.fail(pending(1, 1).id, "no");
        assert_eq!(outbox.waiting(pending(1, 1).conversation), [pending(3, 1).id]);
        assert_eq!(bodies(&outbox.due(Instant::now())), ["3"]);
    }

    #[test]
    fn what_is_put_off_waits_but_not_for_ever() {
        let mut outbox = Outbox::default();
        outbox.add(pending(1, 1), false);
        let now = Instant::now();
        outbox.due(now);
        outbox.put_off(pending(1, 1).id, Some(Duration::from_secs(1_000_000_000)), now);
        assert!(outbox.due(now).is_empty());
        assert_eq!(outbox.next(), Some(now + LONGEST_PAUSE));
        assert_eq!(bodies(&outbox.due(now + LONGEST_PAUSE)), ["1"]);
    }
}
