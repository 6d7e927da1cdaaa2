//! The bodies of HTTP requests and answers, and the shapes that frames share with them.
//!
//! Requests hold plain strings where a wrong value should be told field by field; answers hold
//! checked types. Times are integers, milliseconds since the epoch, UTC, unless a name says seconds.
//! Clients ignore fields they do not know, and so does the server.

use crate::id::{ConversationId, Rev, SendId, Seq, SessionId, UserId};
use crate::name::{Emoji, GroupName, Username};
use serde::{Deserialize, Deserializer, Serialize};

/// Milliseconds since the epoch, UTC. They inform; order is `seq`.
pub type Millis = i64;

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
        /// The server tells of a change to the conversation; see [`Notice`].
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

/// A user as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// Handle.
    pub username: Username,
    /// Free text.
    pub display_name: String,
    /// Free text.
    #[serde(default)]
    pub status_text: String,
    /// When the account was made.
    pub created_at: Millis,
    /// Connected now? Only told among people who share a conversation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// When the last connection ended; under the same rule as `online`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Millis>,
}

/// A login.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// For `Authorization: Bearer`.
    pub access_token: String,
    /// Always `Bearer`.
    pub token_type: String,
    /// Seconds from receipt until the access token expires.
    pub expires_in: u64,
    /// For the next `/auth/refresh`; absent when it was set as a cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Seconds until the refresh token expires unless it is used.
    pub refresh_expires_in: u64,
    /// Names this login in the session list.
    pub session_id: SessionId,
    /// Who is logged in.
    pub user: User,
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Id.
    pub id: UserId,
    /// Handle.
    pub username: Username,
    /// The present one, for display; no part of the message's state.
    pub display_name: String,
}

/// The people who reacted with one emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// Which.
    pub emoji: Emoji,
    /// How many people.
    pub count: u32,
    /// The first of them (at most [`crate::limits::REACTION_USERS`]).
    pub users: Vec<Username>,
}

/// A change to a conversation, told by a message of kind `notice`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Username>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Username>,
    /// The new role, name, topic or visibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// A message in its present state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where it lives.
    pub conversation_id: ConversationId,
    /// Its place; never changes.
    pub seq: Seq,
    /// The rev of its newest change.
    pub rev: Rev,
    /// Text or notice.
    pub kind: MessageKind,
    /// Who wrote it; of a notice, who did it.
    pub sender: Sender,
    /// The send id; notices have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<SendId>,
    /// The text; empty when deleted or a notice.
    pub body: String,
    /// When it was committed.
    pub sent_at: Millis,
    /// When it was last edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Millis>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Millis>,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// How many messages answer it (deleted ones do not count).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_count: Option<u32>,
    /// The members that the text names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<Username>,
    /// In the order of their first use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
    /// Of a notice: what it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Notice>,
}

/// A conversation as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Id.
    pub id: ConversationId,
    /// Group or direct.
    pub kind: ConversationKind,
    /// Of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<GroupName>,
    /// Of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Of a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Of a direct: the other side (oneself in notes to self).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<User>,
    /// Mine.
    pub role: Role,
    /// How many members.
    pub member_count: u32,
    /// The rev of the newest change.
    pub head_rev: Rev,
    /// The seq of the newest message.
    pub last_seq: Seq,
    /// Up to where I have read.
    pub read_seq: Seq,
    /// Unread texts of others; exact up to `limits.unread`, one more means "more".
    pub unread: u32,
    /// Those of them that name me.
    pub mentions: u32,
    /// About what I want to be notified.
    pub level: Level,
    /// Until when I want no notification at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<Millis>,
    /// I marked it unread by hand.
    pub marked_unread: bool,
    /// The newest message; not in `ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<Message>,
}

/// A public group as anyone sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The conversation's id.
    pub id: ConversationId,
    /// Handle.
    pub name: GroupName,
    /// Free text.
    pub topic: String,
    /// Always `public` in a listing.
    pub visibility: Visibility,
    /// How many members.
    pub member_count: u32,
    /// Am I one of them?
    pub joined: bool,
}

/// A member of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who, with `online`.
    pub user: User,
    /// What they may do.
    pub role: Role,
    /// Since when.
    pub joined_at: Millis,
}

/// A login in the session list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// For `DELETE /me/sessions/{id}`.
    pub id: SessionId,
    /// What the client called the device.
    pub device_name: String,
    /// Login.
    pub created_at: Millis,
    /// Last refresh or connection.
    pub last_seen_at: Millis,
    /// Is it the one that asks?
    pub current: bool,
}

/// An earlier text of an edited message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The text that this edit wrote; the first entry is the text as sent.
    pub body: String,
    /// When it was written.
    pub edited_at: Millis,
}

/// `POST /auth/register`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RegisterRequest {
    /// Handle.
    pub username: String,
    /// At least 10 characters.
    pub password: String,
    /// The username if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Where registration is by invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
    /// For the first account of a server on a public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_code: Option<String>,
    /// For the session list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Set the refresh token as a cookie (browsers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<bool>,
}

/// `POST /auth/login`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LoginRequest {
    /// Handle, in any letter case.
    pub username: String,
    /// Password.
    pub password: String,
    /// For the session list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Set the refresh token as a cookie (browsers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<bool>,
}

/// `POST /auth/refresh`, and `/auth/logout` of a browser: `{}` uses the cookie.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RefreshRequest {
    /// The newest one received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// `PATCH /me`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UpdateMeRequest {
    /// New display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// New status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
}

/// `PUT /me/password`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangePasswordRequest {
    /// The present one.
    pub current_password: String,
    /// The next one.
    pub new_password: String,
}

/// `PUT /conversations/{id}/settings`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SettingsRequest {
    /// `all`, `mentions` or `nothing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Until when to be quiet; `null` (or a time past) ends it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub muted_until: Option<Option<Millis>>,
    /// Mark unread by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked_unread: Option<bool>,
}

/// Tells `null` from absent.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// `POST /groups`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CreateGroupRequest {
    /// Unique.
    pub name: String,
    /// Empty if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// `public` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// `PATCH /groups/{id}`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UpdateGroupRequest {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// New visibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// `PUT /groups/{id}/members/{username}`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PutMemberRequest {
    /// `member` if absent and the user is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// `POST /directs`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateDirectRequest {
    /// The other side; oneself for notes.
    pub username: String,
}

/// `POST /conversations/{id}/messages`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendRequest {
    /// Client-made UUID.
    pub id: String,
    /// The text.
    pub body: String,
    /// The seq of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i64>,
}

/// `PATCH /conversations/{id}/messages/{seq}`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EditRequest {
    /// Client-made UUID.
    pub id: String,
    /// The new text.
    pub body: String,
}

/// `PUT /conversations/{id}/read`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadRequest {
    /// Up to where it was read.
    pub seq: i64,
}

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
