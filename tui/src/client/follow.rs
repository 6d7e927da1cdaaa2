//! Following one conversation by rev: what to apply, what to hold back, what to read. No socket, no clock.
//!
//! Events come in ascending rev order without holes. Where one is missing, or the connection has just
//! begun, the conversation is behind: what comes live is held back until `changes` has been read.

use chat_shared::api::Message;
use chat_shared::{Rev, Seq};
use std::collections::VecDeque;

/// Events of one conversation that are held back at the most. Beyond it the newest are let go, and
/// what they told is read once more.
const HELD_MAX: usize = 256;
/// A conversation that is more revs behind is not read change by change.
pub(crate) const FAR: i64 = 400;

/// What comes for a conversation and has a place in its order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// A message was created or changed.
    Message(Box<Message>),
    /// My read cursor moved on another client.
    Read {
        /// To here.
        seq: Seq,
        /// What was left unread.
        unread: u32,
        /// What of it names me.
        mentions: u32,
        /// The newest rev that had come before.
        after: Rev,
    },
}

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// It is the next one.
    Apply(Event),
    /// It was seen already.
    Skip,
    /// It waits until what is missing has been read.
    Held,
    /// It waits, and what is missing is to be read from now on.
    Read,
}

/// Up to where a conversation has been seen.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    cursor: Rev,
    heard: Rev,
    behind: bool,
    held: VecDeque<Event>,
    let_go: Rev,
    /// What is being read now may lack something: once more.
    again: bool,
}

impl Follow {
    /// Everything up to here has been seen.
    pub(crate) fn new(cursor: Rev) -> Self {
        Self { cursor, heard: cursor, behind: false, held: VecDeque::new(), let_go: Rev::MIN, again: false }
    }

    /// Up to where everything has been seen.
    pub(crate) fn cursor(&self) -> Rev {
        self.cursor
    }

    /// Is something missing?
    pub(crate) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Something is missing, or may be: hold back what comes.
    pub(crate) fn fall_behind(&mut self) {
        self.again = self.behind;
        self.behind = true;
    }

    /// The connection is gone, and with it the order of what comes.
    pub(crate) fn lost(&mut self) {
        self.behind = false;
        self.held.clear();
        self.let_go = Rev::MIN;
        self.again = false;
        self.heard = self.cursor;
    }

    /// An event came live.
    pub(crate) fn event(&mut self, mut event: Event) -> Step {
        match &mut event {
            Event::Message(message) => self.heard = self.heard.max(message.rev),
            Event::Read { after, .. } => *after = self.heard,
        }
        self.place(event)
    }

    fn place(&mut self, event: Event) -> Step {
        if let Event::Message(message) = &event
            && message.rev <= self.cursor
        {
            return Step::Skip;
        }
        let was_behind = self.behind;
        match &event {
            Event::Message(message) if !was_behind && message.rev == self.cursor.next() => {
                self.cursor = message.rev;
                return Step::Apply(event);
            }
            Event::Read { .. } if !was_behind => return Step::Apply(event),
            _ => {}
        }
        self.behind = true;
        if self.held.len() < HELD_MAX {
            self.held.push_back(event);
        } else if let Event::Message(message) = &event {
            self.let_go = self.let_go.max(message.rev);
        }
        if was_behind { Step::Held } else { Step::Read }
    }

    /// Everything up to here has been read. What follows of the held events can be applied, in this order;
    /// [`Follow::is_behind`] tells whether there is more to read.
    pub(crate) fn caught_up(&mut self, head: Rev) -> Vec<Event> {
        self.cursor = self.cursor.max(head);
        self.behind = false;
        let again = std::mem::take(&mut self.again);
        let let_go = std::mem::replace(&mut self.let_go, Rev::MIN);
        let mut ready = Vec::new();
        for event in std::mem::take(&mut self.held) {
            if let Step::Apply(event) = self.place(event) {
                ready.push(event);
            }
        }
        self.behind |= let_go > self.cursor || again;
        ready
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use chat_shared::ConversationId;
    use chat_shared::api::{MessageKind, Sender};

    /// A text of alice.
    pub(crate) fn message(seq: i64, rev: i64) -> Message {
        Message {
            conversation_id: ConversationId::MIN,
            seq: Seq::new(seq).unwrap(),
            rev: Rev::new(rev).unwrap(),
            kind: MessageKind::Text,
            sender: Sender {
                id: chat_shared::UserId::MIN,
                username: "alice".parse().unwrap(),
                display_name: "Alice".into(),
            },
            id: None,
            body: format!("text {seq} at {rev}"),
            sent_at: 0,
            edited_at: None,
            deleted_at: None,
            reply_to: None,
            reply_count: None,
            mentions: Vec::new(),
            reactions: Vec::new(),
            event: None,
        }
    }

    fn live(follow: &mut Follow, rev: i64) -> Step {
        follow.event(Event::Message(Box::new(message(rev, rev))))
    }

    fn revs(events: &[Event]) -> Vec<i64> {
        events
            .iter()
            .filter_map(|e| if let Event::Message(m) = e { Some(m.rev.get()) } else { None })
            .collect()
    }

    #[test]
    fn what_is_missing_is_read_and_nothing_is_applied_twice() {
        let mut follow = Follow::new(Rev::new(5).unwrap());
        assert_eq!(live(&mut follow, 5), Step::Skip);
        assert!(matches!(live(&mut follow, 6), Step::Apply(_)));
        assert_eq!(live(&mut follow, 9), Step::Read);
        assert_eq!(live(&mut follow, 10), Step::Held);
        assert_eq!(follow.cursor().get(), 6);
        assert_eq!(revs(&follow.caught_up(Rev::new(9).unwrap())), [10]);
        assert!(!follow.is_behind());
        assert_eq!(follow.cursor().get(), 10);
    }

    #[test]
    fn a_hole_among_the_held_is_read_again() {
        let mut follow = Follow::new(Rev::MIN);
        follow.fall_behind();
        for rev in [3, 4, 8] {
            assert_eq!(live(&mut follow, rev), Step::Held);
        }
        assert_eq!(revs(&follow.caught_up(Rev::new(2).unwrap())), [3, 4]);
        assert!(follow.is_behind());
        assert!(follow.caught_up(Rev::new(8).unwrap()).is_empty());
        assert!(!follow.is_behind());
    }

    #[test]
    fn what_is_held_is_bounded_and_what_was_let_go_is_read() {
        let mut follow = Follow::new(Rev::MIN);
        follow.fall_behind();
        let many = 2 * HELD_MAX as i64;
        for rev in 1..=many {
            live(&mut follow, rev);
        }
        assert_eq!(follow.caught_up(Rev::MIN).len(), HELD_MAX);
        assert!(follow.is_behind());
        follow.caught_up(Rev::new(many).unwrap());
        assert!(!follow.is_behind());
    }

    #[test]
    fn a_lost_connection_takes_its_order_with_it() {
        let mut follow = Follow::new(Rev::MIN);
        assert_eq!(live(&mut follow, 7), Step::Read);
        follow.lost();
        assert!(!follow.is_behind());
        assert!(follow.caught_up(Rev::MIN).is_empty());
    }
}
