//! Groups, their members, and what a member has set.

use chat_shared::api::{Level, Role, Visibility};
use chat_shared::name::Topic;
use chat_shared::{ConversationId, GroupName, UserId, Username};

/// On whose behalf a group is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A user, within their rights.
    User(UserId),
    /// Whoever runs the server: may do everything, stands in no notice.
    Operator,
}

/// A new group.
#[derive(Debug, Clone)]
pub struct NewGroup {
    /// Its owner; none for one that the operator makes.
    pub actor: Actor,
    /// Handle.
    pub name: GroupName,
    /// Free text.
    pub topic: Topic,
    /// Who can find it.
    pub visibility: Visibility,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A change of a group.
#[derive(Debug, Clone)]
pub struct UpdateGroup {
    /// By whom.
    pub actor: UserId,
    /// Which.
    pub conversation: ConversationId,
    /// New name.
    pub name: Option<GroupName>,
    /// New topic.
    pub topic: Option<Topic>,
    /// New visibility.
    pub visibility: Option<Visibility>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// Adding a member, or changing a role.
#[derive(Debug, Clone)]
pub struct PutMember {
    /// By whom.
    pub actor: Actor,
    /// Where.
    pub conversation: ConversationId,
    /// Whom.
    pub username: Username,
    /// The role; none: `member` for a new one, unchanged for an old one.
    pub role: Option<Role>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutMemberOutcome {
    /// The member as now.
    pub member: chat_shared::api::Member,
    /// Was somebody added?
    pub added: bool,
}

/// Taking a member out.
#[derive(Debug, Clone)]
pub struct RemoveMember {
    /// By whom.
    pub actor: Actor,
    /// Where.
    pub conversation: ConversationId,
    /// Whom.
    pub username: Username,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A member's own settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// About what to be notified.
    pub level: Option<Level>,
    /// Until when to be quiet.
    pub muted_until: Option<Option<i64>>,
    /// Marked unread by hand.
    pub marked_unread: Option<bool>,
}
