//! One conversation as this client knows it: what it is called, how far it was followed, what is
//! unread. No socket, no clock, no disk; what it decides is carried out by the engine.

use super::counts::Counts;
use super::follow::{Event, Follow};
use chat_shared::api::{Conversation, Message, NoticeKind, Role, Visibility};
use chat_shared::{Rev, Seq, Username};

/// A conversation of mine.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// As it is told to the interface.
    pub(crate) conversation: Conversation,
    /// How far it was followed.
    pub(crate) follow: Follow,
    /// What is unread.
    pub(crate) counts: Counts,
    /// Are messages of it held, here or by the interface?
    pub(crate) cached: bool,
    /// Messages that the cache has got since its oldest were let go.
    pub(crate) grown: usize,
}

impl Room {
    /// A conversation that was not known, followed from `cursor` on.
    pub(crate) fn new(mut told: Conversation, cursor: Rev, limit: u32) -> Self {
        told.last_message = None;
        let counts = Counts::new(&told, limit);
        Self { conversation: told, follow: Follow::new(cursor), counts, cached: false, grown: 0 }
    }

    /// The server tells how it is, in one snapshot. Returns whether anything is different.
    pub(crate) fn told(&mut self, told: Conversation, limit: u32) -> bool {
        let before = self.conversation.clone();
        if told.head_rev >= before.head_rev {
            self.counts.settle(&told, limit);
            self.conversation = told;
            self.conversation.last_message = None;
        } else {
            // Newer is known here; settings have no place in the order of revs.
            self.conversation.level = told.level;
            self.conversation.muted_until = told.muted_until;
            self.conversation.marked_unread = told.marked_unread;
        }
        self.show_counts();
        self.conversation != before
    }

    /// Messages in their present states, in the order of revs: together they are everything that has
    /// changed since the ones before.
    pub(crate) fn apply(&mut self, messages: &[Message], me: &Username) {
        self.counts.messages(messages, me);
        for message in messages {
            if message.rev > self.conversation.head_rev {
                self.conversation.head_rev = message.rev;
                self.conversation.last_seq = self.conversation.last_seq.max(message.seq);
                self.notice(message, me);
            }
        }
        self.show_counts();
    }

    /// An event whose turn it is. Returns the message that it brought.
    pub(crate) fn event(&mut self, event: Event, me: &Username) -> Option<Message> {
        match event {
            Event::Message(message) => {
                self.apply(std::slice::from_ref(&message), me);
                Some(*message)
            }
            Event::Read { seq, unread, mentions, after } => {
                let fresh = (after >= self.follow.cursor()).then_some((unread, mentions));
                self.counts.read_elsewhere(seq, self.conversation.last_seq, fresh);
                self.show_counts();
                None
            }
        }
    }

    /// Everything that changed up to `head` was applied; the server's counts as of then.
    pub(crate) fn caught_up(&mut self, head: Rev, unread: u32, mentions: u32) {
        self.counts.complete_to(head);
        self.counts.told(unread, mentions, head);
        self.conversation.head_rev = self.conversation.head_rev.max(head);
        self.show_counts();
    }

    /// Following goes on at this rev, and not everything before it was seen.
    pub(crate) fn jumped(&mut self, cursor: Rev) {
        self.counts.jumped(cursor);
        self.conversation.head_rev = self.conversation.head_rev.max(cursor);
    }

    /// Every message from `from` to `to`: where that reaches from the first unread to the head, each is
    /// known. Returns whether the counts are different.
    pub(crate) fn learn(&mut self, from: Seq, to: Seq, messages: &[Message], me: &Username) -> bool {
        if self.follow.is_behind() || to.as_rev() < self.follow.cursor() {
            return false;
        }
        let before = (self.counts.unread(), self.counts.mentions());
        self.counts.learn(from, to, messages, me);
        self.show_counts();
        before != (self.counts.unread(), self.counts.mentions())
    }

    /// I have read up to here. Returns whether the server is to be told.
    pub(crate) fn read(&mut self, seq: Seq) -> bool {
        let seq = seq.min(self.conversation.last_seq);
        let news = seq > self.counts.read() || self.conversation.marked_unread;
        self.counts.read_to(seq, self.conversation.last_seq);
        self.conversation.marked_unread = false;
        self.show_counts();
        news
    }

    fn show_counts(&mut self) {
        self.conversation.read_seq = self.counts.read();
        self.conversation.unread = self.counts.unread();
        self.conversation.mentions = self.counts.mentions();
    }

    fn notice(&mut self, message: &Message, me: &Username) {
        let Some(event) = &message.event else { return };
        let about_me = event.user.as_ref() == Some(me);
        let members = self.conversation.member_count;
        match (event.kind, event.value.as_deref()) {
            (NoticeKind::Joined | NoticeKind::Added, _) => {
                self.conversation.member_count = members.saturating_add(1);
            }
            (NoticeKind::Left | NoticeKind::Removed, _) => {
                self.conversation.member_count = members.saturating_sub(1);
            }
            (NoticeKind::Role, Some(role)) if about_me => {
                self.conversation.role = Role::from_word(role).unwrap_or(self.conversation.role);
            }
            (NoticeKind::Renamed, Some(name)) => {
                if let Ok(name) = name.parse() {
                    self.conversation.name = Some(name);
                }
            }
            (NoticeKind::Topic, topic) => {
                self.conversation.topic = Some(topic.unwrap_or_default().to_owned());
            }
            (NoticeKind::Visibility, Some(word)) => {
                self.conversation.visibility = Visibility::from_word(word).or(self.conversation.visibility);
            }
            _ => {}
        }
    }
}
