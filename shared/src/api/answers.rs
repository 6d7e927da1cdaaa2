//! The bodies of answers that are more than one object.

use super::{Conversation, Edit, Group, Member, Message, SessionEntry, User};
use crate::id::{Rev, Seq};
use serde::{Deserialize, Serialize};

/// Answer of `PUT /conversations/{id}/read`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadState {
    /// The cursor as it is now; it never moves backwards.
    pub read_seq: Seq,
    /// See [`Conversation::unread`].
    pub unread: u32,
    /// See [`Conversation::mentions`].
    pub mentions: u32,
}

/// Answer of `GET /conversations/{id}/messages`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePage {
    /// By seq, ascending.
    pub messages: Vec<Message>,
    /// Are there older ones?
    pub has_before: bool,
    /// Are there newer ones?
    pub has_after: bool,
    /// As of this page.
    pub head_rev: Rev,
    /// The database's.
    pub epoch: String,
}

/// Answer of `GET /conversations/{id}/changes`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Present states, by rev, ascending.
    pub messages: Vec<Message>,
    /// When `has_more` is false, the cursor to store; else ask again since the last message's rev.
    pub head_rev: Rev,
    /// The database's.
    pub epoch: String,
    /// Are there more than fitted?
    pub has_more: bool,
    /// See [`Conversation::unread`].
    pub unread: u32,
    /// See [`Conversation::mentions`].
    pub mentions: u32,
}

macro_rules! listing {
    ($(#[$doc:meta])* $name:ident { $field:ident: $item:ty }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub struct $name {
            /// The rows of this page.
            pub $field: Vec<$item>,
            /// For the next page; absent on the last.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub next_cursor: Option<String>,
        }
    };
}

listing!(
    /// Answer of `GET /users`
    UserList { users: User }
);
listing!(
    /// Answer of `GET /conversations`
    ConversationList { conversations: Conversation }
);
listing!(
    /// Answer of `GET /groups`
    GroupList { groups: Group }
);
listing!(
    /// Answer of `GET /conversations/{id}/members`
    MemberList { members: Member }
);

/// Answer of `GET /me/sessions`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// The newest first.
    pub sessions: Vec<SessionEntry>,
}

/// Answer of `GET …/messages/{seq}/edits`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EditList {
    /// The oldest first.
    pub edits: Vec<Edit>,
}

/// Answer of `GET …/messages/{seq}/thread`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// The messages that reply to it, by seq, ascending.
    pub messages: Vec<Message>,
}
