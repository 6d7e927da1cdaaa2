//! What waits to be sent, in order: one unacknowledged entry a conversation at a time. No socket, no
//! disk; the clock is handed in.

use super::Pending;
use chat_shared::{ConversationId, SendId};
use std::collections::{BTreeMap, VecDeque};
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

/// Everything that waits.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queues: BTreeMap<ConversationId, VecDeque<Entry>>,
}

impl Outbox {
    /// At the end of its conversation's queue.
    pub(crate) fn add(&mut self, pending: Pending, tried: bool) {
        let entry = Entry { pending, tried, sent_at: None, not_before: None, put_off: 0 };
        self.queues.entry(entry.pending.conversation).or_default().push_back(entry);
    }

    /// Is it waiting here?
    pub(crate) fn holds(&self, id: SendId) -> bool {
        self.queues.values().flatten().any(|entry| entry.pending.id == id)
    }

    /// Does nothing wait?
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.values().all(VecDeque::is_empty)
    }

    /// What waits for a conversation, in order.
    pub(crate) fn of(&self, conversation: ConversationId) -> Vec<Pending> {
        self.queues.get(&conversation).into_iter().flatten().map(|entry| entry.pending.clone()).collect()
    }

    /// Conversations for which something waits.
    pub(crate) fn conversations(&self) -> Vec<ConversationId> {
        self.queues.iter().filter(|(_, queue)| !queue.is_empty()).map(|(id, _)| *id).collect()
    }

    /// The server has it: in this conversation, with this id.
    pub(crate) fn arrived(&mut self, conversation: ConversationId, id: SendId) -> bool {
        let Some(queue) = self.queues.get_mut(&conversation) else { return false };
        let before = queue.len();
        queue.retain(|entry| entry.pending.id != id);
        let found = queue.len() < before;
        if queue.is_empty() {
            self.queues.remove(&conversation);
        }
        found
    }

    /// Drops it, if the server cannot have it. Returns where it was.
    pub(crate) fn discard(&mut self, id: SendId) -> Option<ConversationId> {
        let entry = self.entry(id)?;
        if entry.tried && entry.pending.failed.is_none() {
            return None;
        }
        let conversation = entry.pending.conversation;
        self.arrived(conversation, id);
        Some(conversation)
    }

    /// It was refused. Returns where it is.
    pub(crate) fn fail(&mut self, id: SendId, reason: &str) -> Option<ConversationId> {
        let entry = self.entry(id)?;
        entry.pending.failed = Some(reason.to_owned());
        entry.sent_at = None;
        Some(entry.pending.conversation)
    }

    /// A failed one is to be tried again. Returns where it is.
    pub(crate) fn retry(&mut self, id: SendId) -> Option<ConversationId> {
        let entry = self.entry(id)?;
        entry.pending.failed.take()?;
        entry.not_before = None;
        entry.put_off = 0;
        Some(entry.pending.conversation)
    }

    /// The server wants it later. `asked`: after this time.
    pub(crate) fn put_off(&mut self, id: SendId, asked: Option<Duration>, now: Instant) {
        let Some(entry) = self.entry(id) else { return };
        let own = FIRST_PAUSE.saturating_mul(1 << entry.put_off.min(10));
        let pause = own.max(asked.unwrap_or_default()).min(LONGEST_PAUSE);
        entry.put_off = entry.put_off.saturating_add(1);
        entry.sent_at = None;
        entry.not_before = Some(now + pause);
    }

    /// The connection is gone: what was under way may have arrived or not.
    pub(crate) fn lost(&mut self) {
        for entry in self.queues.values_mut().flatten() {
            entry.sent_at = None;
        }
    }

    /// What is to be sent now; from here on it is under way.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Pending> {
        let mut due = Vec::new();
        for queue in self.queues.values_mut() {
            let Some(entry) = queue.iter_mut().find(|entry| entry.pending.failed.is_none()) else { continue };
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
        let heads = self.queues.values();
        let heads = heads.filter_map(|queue| queue.iter().find(|entry| entry.pending.failed.is_none()));
        heads.filter_map(|entry| entry.sent_at.map(|at| at + PATIENCE).or(entry.not_before)).min()
    }

    fn entry(&mut self, id: SendId) -> Option<&mut Entry> {
        self.queues.values_mut().flatten().find(|entry| entry.pending.id == id)
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
