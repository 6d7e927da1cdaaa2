//! What there is, as it is told: in answers and in frames.

use super::{ConversationKind, Level, MessageKind, Millis, NoticeKind, Role, Visibility};
use crate::id::{ConversationId, Rev, SendId, Seq, SessionId, UserId};
use crate::name::{Emoji, GroupName, Username};
use serde::{Deserialize, Serialize};

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
