//! Telling the server how far I have read: at most once a second for each conversation, and always
//! the last. No socket; the clock is handed in.

use chat_shared::{ConversationId, Seq};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// What the protocol asks for.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Mark {
    waiting: Option<Seq>,
    not_before: Instant,
}

/// What is to be told.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    marks: HashMap<ConversationId, Mark>,
}

impl Reads {
    /// Read up to here.
    pub(crate) fn mark(&mut self, conversation: ConversationId, seq: Seq, now: Instant) {
        let mark = self.marks.entry(conversation).or_insert(Mark { waiting: None, not_before: now });
        mark.waiting = Some(mark.waiting.map_or(seq, |before| before.max(seq)));
    }

    /// It is not mine any more.
    pub(crate) fn forget(&mut self, conversation: ConversationId) {
        self.marks.remove(&conversation);
    }

    /// What is to be told now. `all`: also what was to wait.
    pub(crate) fn due(&mut self, now: Instant, all: bool) -> Vec<(ConversationId, Seq)> {
        self.marks.retain(|_, mark| mark.waiting.is_some() || now < mark.not_before);
        let mut due = Vec::new();
        for (conversation, mark) in &mut self.marks {
            if (all || now >= mark.not_before)
                && let Some(seq) = mark.waiting.take()
            {
                mark.not_before = now + PAUSE;
                due.push((*conversation, seq));
            }
        }
        due
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.marks.values().filter(|mark| mark.waiting.is_some()).map(|mark| mark.not_before).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_at_once_and_the_last_after_a_second() {
        let (c, now) = (ConversationId::MIN, Instant::now());
        let seq = |n| Seq::new(n).unwrap();
        let mut reads = Reads::default();
        reads.mark(c, seq(1), now);
        assert_eq!(reads.due(now, false), [(c, seq(1))]);
        for n in [3, 5, 4] {
            reads.mark(c, seq(n), now);
            assert!(reads.due(now, false).is_empty());
        }
        assert_eq!(reads.next(), Some(now + PAUSE));
        assert_eq!(reads.due(now + PAUSE, false), [(c, seq(5))]);
        reads.mark(c, seq(6), now + PAUSE);
        assert_eq!(reads.due(now + PAUSE, true), [(c, seq(6))]);
        assert!(reads.due(now + PAUSE * 3, false).is_empty());
        assert_eq!(reads.next(), None);
    }
}
