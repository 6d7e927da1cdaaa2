//! What goes into the store and comes out, where it is not already a shape of the wire.

use super::StoreError;
use crate::auth::refresh::RefreshToken;
use chat_shared::api::{Conversation, Level, Message, Role, User, Visibility};
use chat_shared::name::{DeviceName, DisplayName, Emoji, StatusText, Topic};
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, GroupName, Rev, SendId, Seq, SessionId, UserId, Username};

/// On whose behalf a group is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A user, within their rights.
    User(UserId),
    /// Whoever runs the server: may do everything, stands in no notice.
    Operator,
}

/// How somebody comes to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Anyone may.
    Open,
    /// With an invite whose code has this SHA-256.
    Invite([u8; 32]),
    /// As the very first account; refused when there is one.
    First,
    /// By the operator's hand.
    Operator,
}

/// A new account.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Handle.
    pub username: Username,
    /// Free text.
    pub display_name: DisplayName,
    /// PHC string.
    pub password_hash: String,
    /// By which door.
    pub admission: Admission,
    /// The groups to join.
    pub default_groups: Vec<GroupName>,
    /// A first login.
    pub session: Option<SessionSeed>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A login without its user.
#[derive(Debug, Clone)]
pub struct SessionSeed {
    /// Id.
    pub id: SessionId,
    /// Device.
    pub device_name: DeviceName,
    /// SHA-256 of the first refresh token.
    pub token_hash: [u8; 32],
    /// Milliseconds since the epoch.
    pub expires_at: i64,
}

/// A login.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Who.
    pub user: UserId,
    /// What.
    pub seed: SessionSeed,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A refresh token was presented.
#[derive(Debug, Clone)]
pub struct RefreshSession {
    /// The token, which was once issued by this server.
    pub presented: RefreshToken,
    /// SHA-256 of the one that follows it.
    pub next_hash: [u8; 32],
    /// Until when the session lives if this succeeds.
    pub expires_at: i64,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The next token is good, now or (again) as answered before.
    Good(User),
    /// The token was replaced and its successor used: the session has ended.
    Reused,
    /// No such session, or not its token.
    Unknown,
}

/// What a login must know of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The public part.
    pub user: User,
    /// PHC string.
    pub password_hash: Option<String>,
    /// May it log in?
    pub disabled: bool,
    /// When the last connection ended.
    pub last_seen_at: Option<i64>,
}

/// A change of what a user says of themselves.
#[derive(Debug, Clone)]
pub struct UpdateUser {
    /// Who.
    pub user: UserId,
    /// New display name.
    pub display_name: Option<DisplayName>,
    /// New status.
    pub status_text: Option<StatusText>,
}

/// A change of password.
#[derive(Debug, Clone)]
pub struct SetPassword {
    /// Whose.
    pub user: UserId,
    /// PHC string.
    pub hash: String,
    /// Only where the hash is still this one.
    pub if_hash: Option<String>,
    /// Which sessions end.
    pub ends: Ends,
}

/// Which sessions a change of password ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ends {
    /// None: the password is the same, only its hash is stronger.
    None,
    /// Every one but this.
    AllBut(SessionId),
    /// Every one.
    All,
}

/// A new invite.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// For the operator.
    pub note: String,
    /// How many can register with it.
    pub uses: u32,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// An invite that can still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// For revoking it.
    pub id: i64,
    /// For the operator.
    pub note: String,
    /// How many can still register with it.
    pub uses_left: u32,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
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

/// Moving a read cursor.
#[derive(Debug, Clone, Copy)]
pub struct MarkRead {
    /// Whose.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// Up to where.
    pub seq: Seq,
    /// The connection that asked, which need not be told.
    pub origin: Option<u64>,
}

/// A message to store.
#[derive(Debug, Clone)]
pub struct SendMessage {
    /// By whom.
    pub sender: UserId,
    /// Client-made.
    pub id: SendId,
    /// Where.
    pub conversation: ConversationId,
    /// The text.
    pub body: MessageBody,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// Whom `@here` names, if the text has it.
    pub here: Vec<Username>,
    /// Why it is refused unless it was answered before.
    pub refuse_new: Option<StoreError>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A message written anew.
#[derive(Debug, Clone)]
pub struct EditMessage {
    /// By whom.
    pub editor: UserId,
    /// Client-made.
    pub id: SendId,
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub seq: Seq,
    /// The new text.
    pub body: MessageBody,
    /// Whom `@here` names, if the text has it.
    pub here: Vec<Username>,
    /// Why it is refused unless it was answered before.
    pub refuse_new: Option<StoreError>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A message to delete.
#[derive(Debug, Clone, Copy)]
pub struct DeleteMessage {
    /// By whom.
    pub actor: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// Which.
    pub seq: Seq,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A reaction to add or take back.
#[derive(Debug, Clone)]
pub struct React {
    /// By whom.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// To which message.
    pub seq: Seq,
    /// Which.
    pub emoji: Emoji,
    /// Add, or take back?
    pub on: bool,
}

/// What `ack` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// Where.
    pub conversation: ConversationId,
    /// Which message.
    pub seq: Seq,
    /// The rev of the change.
    pub rev: Rev,
    /// When the message was committed.
    pub sent_at: i64,
}

/// What became of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The answer, the same however often it is asked.
    pub ack: Ack,
    /// Was it there already?
    pub known: bool,
}

/// Which rows of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Part of a name.
    pub q: Option<String>,
    /// What the page before gave as `next_cursor`.
    pub cursor: Option<String>,
    /// Rows at the most.
    pub limit: usize,
}

/// Where a page of history lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At the end.
    Newest,
    /// Directly before this seq, without it.
    Before(Seq),
    /// Directly after this seq, without it.
    After(Seq),
    /// Around this seq, with it or the nearest.
    Around(Seq),
}

/// A page of history.
#[derive(Debug, Clone, Copy)]
pub struct HistoryQuery {
    /// Where.
    pub conversation: ConversationId,
    /// Which part.
    pub anchor: Anchor,
    /// Rows at the most.
    pub limit: usize,
}

/// What changed.
#[derive(Debug, Clone, Copy)]
pub struct ChangesQuery {
    /// Where.
    pub conversation: ConversationId,
    /// Above which rev.
    pub since: Rev,
    /// Only messages up to this seq.
    pub upto: Option<Seq>,
    /// Rows at the most.
    pub limit: usize,
}

/// Something that was committed and that somebody connected may have to be told.
#[derive(Debug, Clone)]
pub enum Change {
    /// A message was created or changed. Memberships that change with it do so before it.
    Message {
        /// Its state at this rev.
        message: Box<Message>,
        /// Who became a member, each with the conversation as they see it.
        joined: Vec<(UserId, Box<Conversation>)>,
        /// Who is no longer one.
        left: Vec<UserId>,
    },
    /// A conversation came to be, or got a member, without a message (directs).
    Opened {
        /// Whose.
        user: UserId,
        /// As they see it.
        conversation: Box<Conversation>,
    },
    /// A group is gone.
    Deleted {
        /// Which.
        conversation: ConversationId,
    },
    /// A read cursor moved.
    Read {
        /// Whose.
        user: UserId,
        /// Where.
        conversation: ConversationId,
        /// To where.
        seq: Seq,
        /// What is unread now.
        unread: u32,
        /// How much of it names them.
        mentions: u32,
        /// The connection that knows already.
        origin: Option<u64>,
    },
    /// A member's own settings changed.
    Settings {
        /// Whose.
        user: UserId,
        /// As they see it.
        conversation: Box<Conversation>,
    },
    /// Sessions ended.
    SessionsEnded {
        /// Whose.
        user: UserId,
        /// Which; `None`: all of the user's.
        sessions: Option<Vec<SessionId>>,
        /// Because the account was disabled or deleted?
        disabled: bool,
    },
}

/// Everything that `ready` tells of a user.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Who.
    pub user: User,
    /// Every conversation they are a member of, without `last_message`.
    pub conversations: Vec<Conversation>,
}

/// Who is a member of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomState {
    /// Which.
    pub conversation: ConversationId,
    /// Its newest rev.
    pub head_rev: Rev,
    /// Is it a direct?
    pub direct: bool,
    /// Of a direct: who has written.
    pub wrote: Vec<UserId>,
    /// Who.
    pub members: Vec<UserId>,
}

/// A group as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSummary {
    /// Id.
    pub id: ConversationId,
    /// Handle.
    pub name: GroupName,
    /// Who can find it.
    pub visibility: Visibility,
    /// How many members.
    pub members: u32,
    /// Its newest rev.
    pub head_rev: Rev,
    /// Who owns it.
    pub owners: Vec<Username>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts that are not deleted.
    pub users: u64,
    /// Sessions.
    pub sessions: u64,
    /// Conversations.
    pub conversations: u64,
}

/// What a hole at the hub is filled with.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The messages above the rev that the hub knows, by rev.
    pub changes: Vec<Change>,
    /// The room as it is at the end of them; `None`: it is gone.
    pub room: Option<RoomState>,
}
