//! The values that are one of some words.

use serde::{Deserialize, Serialize};

macro_rules! word_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word as written.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// From the word as written.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

word_enum! {
    /// What a conversation is.
    ConversationKind {
        /// Many people, a unique name.
        Group = "group",
        /// Two people, or one: notes to self.
        Direct = "direct",
    }
}
word_enum! {
    /// Who can find and join a group.
    Visibility {
        /// Listed; anyone may join.
        Public = "public",
        /// By being added; to anyone else it does not exist.
        Private = "private",
    }
}
word_enum! {
    /// What a member of a group may do. Both sides of a direct are `member`.
    Role {
        /// Everything.
        Owner = "owner",
        /// Adds and removes members, edits the group, deletes any message.
        Moderator = "moderator",
        /// Writes and reads.
        Member = "member",
    }
}
word_enum! {
    /// About what a user wants to be notified in a conversation.
    Level {
        /// Every message.
        All = "all",
        /// Messages that name me.
        Mentions = "mentions",
        /// Nothing.
        Nothing = "nothing",
    }
}
word_enum! {
    /// What a message is.
    MessageKind {
        /// Somebody wrote it.
        Text = "text",
        /// The server tells of a change to the conversation; see [`Notice`](super::Notice).
        Notice = "notice",
    }
}
word_enum! {
    /// What a notice tells.
    NoticeKind {
        /// The group was created, by `by`.
        Created = "created",
        /// `user` joined.
        Joined = "joined",
        /// `user` left.
        Left = "left",
        /// `by` added `user`.
        Added = "added",
        /// `by` removed `user`.
        Removed = "removed",
        /// `by` gave `user` the role `value`.
        Role = "role",
        /// `by` renamed the group to `value`.
        Renamed = "renamed",
        /// `by` set the topic to `value`.
        Topic = "topic",
        /// `by` made the group `value`.
        Visibility = "visibility",
    }
}
