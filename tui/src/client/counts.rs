//! How much of a conversation is unread, kept exact from what comes in. No socket, no clock.
//!
//! The server told a number as of some rev. From there on every change counts itself, since the unread
//! messages that came later are known one by one. What hits a message that is only part of the
//! number (an edit, a deletion, a partial reading) leaves a doubt, which is for the server to settle.

use chat_shared::api::{Conversation, Message, MessageKind};
use chat_shared::limits;
use chat_shared::{Rev, Seq, Username};
use std::collections::BTreeMap;

/// The counts of one conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts {
    limit: u32,
    /// Up to where I have read, here or elsewhere.
    read: Seq,
    /// Up to where the server knows that I have.
    told: Seq,
    /// Changes up to here are in the numbers.
    as_of: Rev,
    /// Unread messages that are known, and whether they name me. At most `limit + 1`.
    known: BTreeMap<Seq, bool>,
    /// Unread messages besides them, and how many of those name me.
    rest: (u32, u32),
    /// None of the rest lies above.
    rest_to: Seq,
    /// The rest is only known to be at least this.
    saturated: bool,
    doubt: bool,
    /// Only the whole conversation, as the server tells it, ends this doubt.
    missed: bool,
}

impl Counts {
    /// As the server tells them.
    pub(crate) fn new(told: &Conversation, limit: u32) -> Self {
        Self {
            limit: limit.min(limits::UNREAD * 10),
            read: told.read_seq,
            told: told.read_seq,
            as_of: told.head_rev,
            known: BTreeMap::new(),
            rest: (told.unread, told.mentions),
            rest_to: told.head_rev.as_seq(),
            saturated: told.unread > limit,
            doubt: false,
            missed: false,
        }
    }

    /// Takes the server's word, unless what is known here is newer. Returns whether it was taken.
    pub(crate) fn settle(&mut self, told: &Conversation, limit: u32) -> bool {
        if told.head_rev < self.as_of {
            return false;
        }
        if told.read_seq >= self.read {
            *self = Self::new(told, limit);
            return true;
        }
        // It does not know yet how far I have read.
        let read = self.read;
        let everything = read >= told.last_seq;
        *self = Self::new(told, limit);
        self.read_to(read, told.last_seq);
        everything
    }

    /// How many, `limit + 1` at the most.
    pub(crate) fn unread(&self) -> u32 {
        self.capped(self.rest.0, self.known.len())
    }

    /// How many of them name me.
    pub(crate) fn mentions(&self) -> u32 {
        self.capped(self.rest.1, self.known.values().filter(|mine| **mine).count())
    }

    fn capped(&self, rest: u32, known: usize) -> u32 {
        let known = u32::try_from(known).unwrap_or(u32::MAX);
        rest.saturating_add(known).min(self.limit.saturating_add(1))
    }

    /// Up to where I have read.
    pub(crate) fn read(&self) -> Seq {
        self.read
    }

    /// Has the server not yet told that it knows how far I have read?
    pub(crate) fn is_untold(&self) -> bool {
        self.told < self.read
    }

    /// Is the server to be asked for the numbers?
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.doubt || self.missed
    }

    /// Something may have been missed: the server is to be asked.
    pub(crate) fn question(&mut self) {
        self.missed = true;
    }

    /// Messages in their present states, in the order of revs: together they are everything that has
    /// changed since.
    pub(crate) fn messages(&mut self, messages: &[Message], me: &Username) {
        // One that was written and changed since then comes after others that were written later.
        let since = self.as_of;
        messages.iter().for_each(|message| self.message(message, me, since));
    }

    fn message(&mut self, message: &Message, me: &Username, since: Rev) {
        if message.rev <= self.as_of {
            return;
        }
        let is_new = message.seq.as_rev() > since;
        self.as_of = message.rev;
        let others = message.kind == MessageKind::Text && message.sender.username != *me;
        if !others || message.seq <= self.read {
            return;
        }
        let names_me = message.mentions.contains(me);
        let deleted = message.deleted_at.is_some();
        if let Some(known) = self.known.get_mut(&message.seq) {
            *known = names_me;
            if deleted {
                self.known.remove(&message.seq);
                self.doubt |= self.saturated;
            }
        } else if is_new {
            if !deleted {
                self.known.insert(message.seq, names_me);
                self.bound();
            }
        } else if self.rest.0 > 0 && message.seq <= self.rest_to {
            // Was it counted before, and did it name me? A deletion and an edit may have changed that.
            self.doubt |= deleted || message.edited_at.is_some();
        }
    }

    /// Everything that changed up to here has been passed in.
    pub(crate) fn complete_to(&mut self, rev: Rev) {
        self.as_of = self.as_of.max(rev);
    }

    fn bound(&mut self) {
        while self.known.len() > self.limit as usize + 1 {
            let Some((seq, names_me)) = self.known.pop_first() else { return };
            self.rest.0 = self.rest.0.saturating_add(1);
            self.rest.1 = self.rest.1.saturating_add(u32::from(names_me));
            self.rest_to = self.rest_to.max(seq);
        }
    }

    /// I have read up to here, on this client. `last`: the newest message.
    pub(crate) fn read_to(&mut self, seq: Seq, last: Seq) {
        if seq <= self.read {
            return;
        }
        self.read = seq;
        self.known = self.known.split_off(&Seq::new(seq.get() + 1).unwrap_or(seq));
        if seq >= self.rest_to || seq >= last {
            self.rest = (0, 0);
            self.saturated = false;
            self.doubt = false;
        } else if self.rest.0 > 0 {
            self.doubt = true;
        }
    }

    /// I have read up to here, on another client. `counts`: what was left then, where that is as of now.
    pub(crate) fn read_elsewhere(&mut self, seq: Seq, last: Seq, counts: Option<(u32, u32)>) {
        self.told = self.told.max(seq);
        if seq <= self.read {
            return;
        }
        self.read_to(seq, last);
        if let Some((unread, mentions)) = counts.filter(|_| self.rest.0 > 0) {
            self.left(unread, mentions);
        }
    }

    /// The server's numbers as of `rev`, for the read cursor that it has told last.
    pub(crate) fn told(&mut self, unread: u32, mentions: u32, rev: Rev) {
        if rev == self.as_of && !self.is_untold() && (self.rest.0 > 0 || self.doubt) {
            self.left(unread, mentions);
        }
    }

    fn left(&mut self, unread: u32, mentions: u32) {
        let known = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        let naming = u32::try_from(self.known.values().filter(|mine| **mine).count()).unwrap_or(u32::MAX);
        self.rest = (unread.saturating_sub(known), mentions.saturating_sub(naming));
        self.saturated = unread > self.limit;
        self.doubt = false;
    }

    /// Following goes on at this rev, and not everything before it was seen.
    pub(crate) fn jumped(&mut self, rev: Rev) {
        if rev > self.as_of {
            self.as_of = rev;
            self.doubt = true;
        }
    }

    /// Every message with a seq from `from` to `to`: where that covers all that is unread, each is known
    /// from now on.
    pub(crate) fn learn(&mut self, from: Seq, to: Seq, messages: &[Message], me: &Username) {
        if from.get() > self.read.get() + 1 || to.as_rev() < self.as_of {
            return;
        }
        self.known = messages
            .iter()
            .filter(|m| m.seq > self.read && m.kind == MessageKind::Text && m.deleted_at.is_none())
            .filter(|m| m.sender.username != *me)
            .map(|m| (m.seq, m.mentions.contains(me)))
            .collect();
        self.rest = (0, 0);
        self.saturated = false;
        self.doubt = false;
        self.bound();
    }
}
