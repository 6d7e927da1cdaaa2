//! The conversations, in the order in which they are listed.

use chat_shared::ConversationId;
use chat_shared::api::{Conversation, ConversationKind, Level, Millis};
use chat_shared::limits;
use std::collections::HashMap;

/// My conversations: groups by name, then people by name. The order changes only when one comes, goes or
/// is renamed, so that places can be remembered.
#[derive(Debug, Clone, Default)]
pub struct Rooms {
    all: HashMap<ConversationId, Conversation>,
    order: Vec<ConversationId>,
}

/// What a conversation is called: `#group` or `@user`.
pub fn name_of(conversation: &Conversation) -> String {
    match (&conversation.name, &conversation.peer) {
        (Some(name), _) => format!("#{name}"),
        (None, Some(peer)) => format!("@{}", peer.username),
        (None, None) => format!("({})", conversation.id),
    }
}

/// How loudly a conversation asks for attention; the greater first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Nothing is unread, or it is muted.
    Quiet,
    /// Unread in a group, or marked unread.
    Group,
    /// Unread in a direct.
    Person,
    /// I am named.
    Mention,
}

/// Is it muted at this time?
pub fn is_muted(conversation: &Conversation, now: Millis) -> bool {
    conversation.muted_until.is_some_and(|until| until > now)
}

/// How loudly it asks.
pub fn urgency(conversation: &Conversation, now: Millis) -> Urgency {
    let quiet = is_muted(conversation, now) || conversation.level == Level::Nothing;
    if conversation.mentions > 0 && !quiet {
        Urgency::Mention
    } else if quiet && !conversation.marked_unread {
        Urgency::Quiet
    } else if conversation.unread > 0 && conversation.kind == ConversationKind::Direct {
        Urgency::Person
    } else if conversation.unread > 0 || conversation.marked_unread {
        Urgency::Group
    } else {
        Urgency::Quiet
    }
}

/// A count as it is shown: beyond what is exact it is "999+".
pub fn count(unread: u32) -> String {
    if unread > limits::UNREAD { format!("{}+", limits::UNREAD) } else { unread.to_string() }
}

impl Rooms {
    /// In place of what was there.
    pub fn replace(&mut self, conversations: Vec<Conversation>) {
        self.all = conversations.into_iter().map(|c| (c.id, c)).collect();
        self.sort();
    }

    /// A new or changed one.
    pub fn put(&mut self, conversation: Conversation) {
        let name = name_of(&conversation);
        let before = self.all.insert(conversation.id, conversation);
        if before.is_none_or(|before| name_of(&before) != name) {
            self.sort();
        }
    }

    /// Gone.
    pub fn remove(&mut self, id: ConversationId) -> Option<Conversation> {
        self.order.retain(|other| *other != id);
        self.all.remove(&id)
    }

    fn sort(&mut self) {
        let mut keyed: Vec<_> =
            self.all.values().map(|c| ((c.kind == ConversationKind::Direct, name_of(c)), c.id)).collect();
        keyed.sort();
        self.order = keyed.into_iter().map(|(_, id)| id).collect();
    }

    /// One of them.
    pub fn get(&self, id: ConversationId) -> Option<&Conversation> {
        self.all.get(&id)
    }

    /// One of them, to change.
    pub fn get_mut(&mut self, id: ConversationId) -> Option<&mut Conversation> {
        self.all.get_mut(&id)
    }

    /// In the order of the list.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Conversation> + Clone {
        self.order.iter().filter_map(|id| self.all.get(id))
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// None at all?
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The one at this place, from 0.
    pub fn at(&self, index: usize) -> Option<ConversationId> {
        self.order.get(index).copied()
    }

    /// The place of one, from 0.
    pub fn place(&self, id: ConversationId) -> Option<usize> {
        self.order.iter().position(|other| *other == id)
    }

    /// By `#group` or `@user`; without a sign, a group first.
    pub fn by_name(&self, name: &str) -> Option<ConversationId> {
        let name = name.to_lowercase();
        let find = |name: &str| self.iter().find(|c| name_of(c) == name).map(|c| c.id);
        if name.starts_with(['#', '@']) {
            find(&name)
        } else {
            find(&format!("#{name}")).or_else(|| find(&format!("@{name}")))
        }
    }

    /// The next one that asks for attention, the loudest first, beginning after `from`.
    pub fn next_unread(&self, from: Option<ConversationId>, now: Millis) -> Option<ConversationId> {
        let start = from.and_then(|id| self.place(id)).map_or(0, |place| place + 1);
        let turned = self.order.iter().skip(start).chain(self.order.iter().take(start));
        let mut best: Option<(Urgency, ConversationId)> = None;
        for id in turned.filter(|id| Some(**id) != from) {
            let Some(conversation) = self.all.get(id) else { continue };
            let urgency = urgency(conversation, now);
            if urgency > best.map_or(Urgency::Quiet, |(best, _)| best) {
                best = Some((urgency, *id));
            }
        }
        best.map(|(_, id)| id)
    }

    /// Unread messages and mentions in all of them that are not quiet, besides this one.
    pub fn unread_elsewhere(&self, here: Option<ConversationId>, now: Millis) -> (u32, u32) {
        self.iter()
            .filter(|c| Some(c.id) != here && urgency(c, now) > Urgency::Quiet)
            .fold((0, 0), |(unread, mentions), c| (unread + c.unread.max(1), mentions + c.mentions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{direct, group};

    fn rooms() -> Rooms {
        let mut rooms = Rooms::default();
        rooms.replace(vec![direct(4, "bob"), group(1, "ops"), group(2, "general"), direct(3, "alice")]);
        rooms
    }

    #[test]
    fn groups_come_first_then_people_each_by_name() {
        let names: Vec<String> = rooms().iter().map(name_of).collect();
        assert_eq!(names, ["#general", "#ops", "@alice", "@bob"]);
    }

    #[test]
    fn the_next_unread_is_the_loudest() {
        let mut rooms = rooms();
        let id = |n| ConversationId::new(n).unwrap();
        assert_eq!(rooms.next_unread(Some(id(2)), 0), None);
        rooms.get_mut(id(1)).unwrap().unread = 3;
        assert_eq!(rooms.next_unread(Some(id(2)), 0), Some(id(1)));
        rooms.get_mut(id(4)).unwrap().unread = 1;
        assert_eq!(rooms.next_unread(Some(id(2)), 0), Some(id(4)));
        rooms.get_mut(id(1)).unwrap().mentions = 1;
        assert_eq!(rooms.next_unread(Some(id(2)), 0), Some(id(1)));
        rooms.get_mut(id(1)).unwrap().muted_until = Some(10);
        assert_eq!(rooms.next_unread(Some(id(2)), 5), Some(id(4)));
        assert_eq!(rooms.next_unread(Some(id(2)), 20), Some(id(1)));
        assert_eq!(rooms.unread_elsewhere(Some(id(4)), 20), (3, 1));
    }

    #[test]
    fn names_find_rooms() {
        let rooms = rooms();
        let id = |n| ConversationId::new(n).ok();
        assert_eq!(rooms.by_name("#Ops"), id(1));
        assert_eq!(rooms.by_name("bob"), id(4));
        assert_eq!(rooms.by_name("#bob"), None);
    }
}
