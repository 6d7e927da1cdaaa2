//! What has changed and how it stands: for the hub, for clients that come back, for the operator.

use chat_shared::api::{Conversation, Message, User, Visibility};
use chat_shared::{ConversationId, GroupName, Rev, Seq, SessionId, UserId, Username};

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
    /// Bytes that the database has on the disk.
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    pub log_bytes: u64,
}

/// What a hole at the hub is filled with.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The messages above the rev that the hub knows, by rev.
    pub changes: Vec<Change>,
    /// The room as it is at the end of them; `None`: it is gone.
    pub room: Option<RoomState>,
}
