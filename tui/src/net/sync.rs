//! Following conversations by rev: what to show, what to pass over, and what to read. No socket, no
//! clock.

use chat_shared::{ConversationId, Rev};
use std::collections::HashMap;

/// What to do with a live message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is the next one.
    Show,
    /// It was seen already, or is of a conversation that is not followed.
    Skip,
    /// Something is missing before it: read what changed since this rev, which brings it too.
    Read(Rev),
}

/// Up to which rev each conversation was seen.
#[derive(Debug, Default)]
pub struct Cursors {
    epoch: Option<String>,
    seen: HashMap<ConversationId, Rev>,
}

impl Cursors {
    /// A connection is ready. Returns what to read first. On another epoch (a restored database), or a
    /// conversation that is behind what was seen, following begins anew from here.
    pub fn ready(
        &mut self,
        epoch: &str,
        heads: impl IntoIterator<Item = (ConversationId, Rev)>,
    ) -> Vec<(ConversationId, Rev)> {
        if self.epoch.as_deref() != Some(epoch) {
            self.seen.clear();
            self.epoch = Some(epoch.to_owned());
        }
        let before = std::mem::take(&mut self.seen);
        let mut missing = Vec::new();
        for (conversation, head) in heads {
            let seen = before.get(&conversation).copied().filter(|seen| *seen <= head);
            if let Some(seen) = seen.filter(|seen| *seen < head) {
                missing.push((conversation, seen));
            }
            self.seen.insert(conversation, seen.unwrap_or(head));
        }
        missing
    }

    /// A conversation came to be: what is in it already is not news.
    pub fn entered(&mut self, conversation: ConversationId, head: Rev) {
        self.seen.entry(conversation).or_insert(head);
    }

    /// A conversation is gone.
    pub fn removed(&mut self, conversation: ConversationId) {
        self.seen.remove(&conversation);
    }

    /// A message came, live or read.
    pub fn message(&mut self, conversation: ConversationId, rev: Rev) -> Step {
        match self.seen.get_mut(&conversation) {
            Some(seen) if rev == seen.next() => {
                *seen = rev;
                Step::Show
            }
            Some(seen) if rev > *seen => Step::Read(*seen),
            _ => Step::Skip,
        }
    }

    /// A message of an answer to `changes`: present states have holes where they changed later.
    pub fn read(&mut self, conversation: ConversationId, rev: Rev) -> Step {
        match self.seen.get_mut(&conversation) {
            Some(seen) if rev > *seen => {
                *seen = rev;
                Step::Show
            }
            _ => Step::Skip,
        }
    }

    /// Everything up to here was read.
    pub fn caught_up(&mut self, conversation: ConversationId, head: Rev) {
        if let Some(seen) = self.seen.get_mut(&conversation) {
            *seen = (*seen).max(head);
        }
    }

    /// Up to where a conversation was seen.
    pub fn seen(&self, conversation: ConversationId) -> Option<Rev> {
        self.seen.get(&conversation).copied()
    }

    /// Every conversation that is followed.
    pub fn all(&self) -> Vec<(ConversationId, Rev)> {
        self.seen.iter().map(|(conversation, seen)| (*conversation, *seen)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn c(id: i64) -> ConversationId {
        ConversationId::new(id).unwrap()
    }

    fn r(rev: i64) -> Rev {
        Rev::new(rev).unwrap()
    }

    #[test]
    fn what_is_missing_is_read_and_nothing_is_shown_twice() {
        let mut cursors = Cursors::default();
        assert_eq!(cursors.ready("e1", [(c(1), r(5)), (c(2), r(0))]), []);
        assert_eq!(cursors.message(c(1), r(5)), Step::Skip);
        assert_eq!(cursors.message(c(1), r(6)), Step::Show);
        assert_eq!(cursors.message(c(1), r(6)), Step::Skip);
        assert_eq!(cursors.message(c(1), r(9)), Step::Read(r(6)));
        assert_eq!(cursors.read(c(1), r(8)), Step::Show);
        assert_eq!(cursors.read(c(1), r(9)), Step::Show);
        cursors.caught_up(c(1), r(9));
        assert_eq!(cursors.message(c(1), r(10)), Step::Show);
        assert_eq!(cursors.message(c(3), r(1)), Step::Skip);
        assert_eq!(cursors.ready("e1", [(c(1), r(12)), (c(2), r(0))]), [(c(1), r(10))]);
    }

    #[test]
    fn a_restored_database_begins_anew() {
        let mut cursors = Cursors::default();
        cursors.ready("e1", [(c(1), r(50))]);
        assert_eq!(cursors.ready("e2", [(c(1), r(60))]), []);
        assert_eq!(cursors.message(c(1), r(61)), Step::Show);
        assert_eq!(cursors.ready("e2", [(c(1), r(40))]), []);
        assert_eq!(cursors.message(c(1), r(41)), Step::Show);
    }

    #[test]
    fn a_conversation_that_is_not_mine_any_more_is_dropped() {
        let mut cursors = Cursors::default();
        cursors.ready("e1", [(c(1), r(5)), (c(2), r(5))]);
        cursors.ready("e1", [(c(2), r(5))]);
        assert_eq!(cursors.message(c(1), r(6)), Step::Skip);
        cursors.entered(c(1), r(8));
        assert_eq!(cursors.message(c(1), r(9)), Step::Show);
    }
}
