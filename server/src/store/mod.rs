//! What is stored, in the words of the domain. Callers know this trait and nothing of the database
//! behind it.
//!
//! **Durability.** A write's [`Reply`] is called after the transaction that holds it was committed
//! *and flushed*; what it changed is handed to the [`Sink`] at the same moment, in commit order, and
//! whoever publishes it does so before the reply. A refused write has changed nothing. A write is
//! never lost because the one who asked for it went away.
//!
//! **Membership** is checked in the same transaction that reads or writes the rows: every call that
//! touches a conversation names the user on whose behalf it is made.

#[cfg(test)]
pub(crate) mod conformance;
#[cfg(feature = "postgres")]
pub mod copy;
mod disk;
mod epoch;
mod error;
mod key;
mod listing;
mod model;
#[cfg(feature = "postgres")]
pub mod postgres;
mod queue;
pub mod sqlite;
mod writer;

pub use error::StoreError;
pub use model::*;

use async_trait::async_trait;
use chat_shared::api::Conversation;
use chat_shared::api::{
    Changes, ConversationList, EditList, GroupList, MemberList, Message, MessagePage, ReadState,
    SessionEntry, Thread, User, UserList,
};
use chat_shared::{ConversationId, Seq, SessionId, UserId, Username};

/// What a write answers, once and after its commit. It is called on the publisher's task and must
/// not block.
pub type Reply<T> = Box<dyn FnOnce(Result<T, StoreError>) + Send>;

/// One committed (or refused) write on its way out.
pub struct Completion {
    /// What changed, for those who are to see it.
    pub changes: Vec<Change>,
    /// Tells the one who asked. To be called after the changes were published.
    pub finish: Box<dyn FnOnce() + Send>,
}

/// Takes what was committed, batch by batch, in commit order. It may block: that is how a slow
/// publisher slows the writer.
pub trait Sink: Send + 'static {
    /// Takes one batch.
    fn committed(&mut self, batch: Vec<Completion>);
}

/// Who opens a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opener {
    /// A server, which starts when its machine does, and waits for a database that does so too.
    Server,
    /// A command, whose user sees at once what is wrong.
    Command,
}

/// A sink for programs that publish to nobody.
pub struct NobodyListens;

impl Sink for NobodyListens {
    fn committed(&mut self, batch: Vec<Completion>) {
        for completion in batch {
            (completion.finish)();
        }
    }
}

/// Asks for a write and waits for its reply.
pub async fn ask<T: Send + 'static>(write: impl FnOnce(Reply<T>)) -> Result<T, StoreError> {
    let (answer, answered) = tokio::sync::oneshot::channel();
    write(Box::new(move |result| {
        // The one who asked may be gone; the write stands all the same.
        let _ = answer.send(result);
    }));
    answered.await.unwrap_or(Err(StoreError::Unavailable))
}

/// The database.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The random word that names this database's past; a restore changes it.
    fn epoch(&self) -> &str;

    // --- accounts -----------------------------------------------------------------------------

    /// Makes an account, lets it join the default groups, and logs it in if asked.
    fn create_user(&self, new: NewUser, reply: Reply<User>);
    /// Changes what a user says of themselves.
    fn update_user(&self, change: UpdateUser, reply: Reply<User>);
    /// Sets a password hash and ends every session except perhaps one. With `if_hash`, only where
    /// the hash is still that one (a rehash must not undo a change of password).
    fn set_password(&self, change: SetPassword, reply: Reply<()>);
    /// Lets an account no longer (or again) log in; its sessions end.
    fn set_disabled(&self, user: UserId, disabled: bool, now: i64, reply: Reply<()>);
    /// Deletes an account: its name stays taken, its messages stay, its sessions and memberships end.
    fn delete_user(&self, user: UserId, now: i64, reply: Reply<()>);
    /// Notes when users' last connections ended.
    fn touch_users(&self, seen: Vec<(UserId, i64)>, reply: Reply<()>);
    /// The account of this name with what a login must know; also disabled ones, never deleted ones.
    async fn account(&self, username: &Username) -> Result<Option<Account>, StoreError>;
    /// Like [`Store::account`], by id.
    async fn account_by_id(&self, user: UserId) -> Result<Option<Account>, StoreError>;
    /// Users whose names contain `query`, by username.
    async fn users(&self, query: ListQuery) -> Result<UserList, StoreError>;
    /// The user of this name.
    async fn user(&self, username: Username) -> Result<User, StoreError>;
    /// Every account, for the operator.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    // --- sessions -----------------------------------------------------------------------------

    /// Logs a user in; the sessions above the limit that were unused for longest end.
    fn create_session(&self, new: NewSession, reply: Reply<()>);
    /// Rotates the refresh token, or repeats the rotation whose answer was lost, or ends the session
    /// of a token that was used again.
    fn refresh_session(&self, refresh: RefreshSession, reply: Reply<Refreshed>);
    /// Ends a user's session; another user's is not found.
    fn end_session(&self, user: UserId, session: SessionId, reply: Reply<()>);
    /// Who this session belongs to, if it lives and its user may log in.
    async fn session_user(&self, session: &SessionId, now: i64) -> Result<Option<User>, StoreError>;
    /// A user's sessions, the newest first.
    async fn sessions(&self, user: UserId, now: i64) -> Result<Vec<SessionEntry>, StoreError>;

    // --- invites ------------------------------------------------------------------------------

    /// Stores a code that lets `uses` people register.
    fn create_invite(&self, invite: NewInvite, reply: Reply<()>);
    /// The invites that can still be used.
    async fn invites(&self, now: i64) -> Result<Vec<Invite>, StoreError>;
    /// Takes an invite back.
    fn revoke_invite(&self, invite: i64, reply: Reply<()>);

    // --- groups and directs -------------------------------------------------------------------

    /// Makes the groups that every new account joins, where they are not there.
    fn ensure_default_groups(&self, names: Vec<chat_shared::GroupName>, now: i64, reply: Reply<()>);
    /// Makes a group; its creator is owner.
    fn create_group(&self, new: NewGroup, reply: Reply<Conversation>);
    /// Changes name, topic or visibility; one notice for each that differs.
    fn update_group(&self, change: UpdateGroup, reply: Reply<Conversation>);
    /// Deletes a group: gone at once for everyone, purged in slices by [`Store::purge`].
    fn delete_group(&self, actor: Actor, conversation: ConversationId, now: i64, reply: Reply<()>);
    /// Joins a public group.
    fn join_group(&self, actor: UserId, conversation: ConversationId, now: i64, reply: Reply<Conversation>);
    /// Leaves a group.
    fn leave_group(&self, actor: UserId, conversation: ConversationId, now: i64, reply: Reply<()>);
    /// Adds a member or changes a member's role.
    fn put_member(&self, change: PutMember, reply: Reply<PutMemberOutcome>);
    /// Takes a member out.
    fn remove_member(&self, change: RemoveMember, reply: Reply<()>);
    /// The direct with this user, made if it is not there yet. True: it was made.
    fn open_direct(&self, actor: UserId, peer: Username, now: i64, reply: Reply<(Conversation, bool)>);
    /// Changes the caller's own settings of a conversation.
    fn set_settings(&self, change: Settings, reply: Reply<Conversation>);
    /// Moves the caller's read cursor forward.
    fn mark_read(&self, mark: MarkRead, reply: Reply<ReadState>);
    /// Removes a slice of what deleted groups left behind. True: there is more.
    fn purge(&self, reply: Reply<bool>);

    /// The conversations a user is a member of, by id, with their last messages.
    async fn conversations(&self, viewer: UserId, query: ListQuery) -> Result<ConversationList, StoreError>;
    /// One of them.
    async fn conversation(&self, viewer: UserId, id: ConversationId) -> Result<Conversation, StoreError>;
    /// The group of this name, for the operator.
    async fn group_by_name(&self, name: chat_shared::GroupName) -> Result<ConversationId, StoreError>;
    /// Every group, for the operator.
    async fn all_groups(&self) -> Result<Vec<GroupSummary>, StoreError>;
    /// Public groups whose names or topics contain the query, by name.
    async fn groups(&self, viewer: UserId, query: ListQuery) -> Result<GroupList, StoreError>;
    /// A conversation's members, by username.
    async fn members(
        &self,
        viewer: UserId,
        id: ConversationId,
        query: ListQuery,
    ) -> Result<MemberList, StoreError>;

    // --- messages -----------------------------------------------------------------------------

    /// Stores a message.
    fn send_message(&self, send: SendMessage, reply: Reply<Sent>);
    /// Writes one's own message anew.
    fn edit_message(&self, edit: EditMessage, reply: Reply<Ack>);
    /// Makes a message a tombstone.
    fn delete_message(&self, delete: DeleteMessage, reply: Reply<Ack>);
    /// Adds or takes back a reaction.
    fn react(&self, react: React, reply: Reply<Ack>);

    /// A page of history.
    async fn history(&self, viewer: UserId, query: HistoryQuery) -> Result<MessagePage, StoreError>;
    /// What changed since a rev, as present states.
    async fn changes(&self, viewer: UserId, query: ChangesQuery) -> Result<Changes, StoreError>;
    /// One message.
    async fn message(&self, viewer: UserId, id: ConversationId, seq: Seq) -> Result<Message, StoreError>;
    /// The texts a message had.
    async fn edits(&self, viewer: UserId, id: ConversationId, seq: Seq) -> Result<EditList, StoreError>;
    /// The messages that reply to one.
    async fn thread(&self, viewer: UserId, id: ConversationId, seq: Seq) -> Result<Thread, StoreError>;

    // --- for the hub and the operator ----------------------------------------------------------

    /// Everything that `ready` tells, from one read transaction; `None` where the session does not live.
    async fn snapshot(&self, session: &SessionId, now: i64) -> Result<Option<Snapshot>, StoreError>;
    /// Who is a member of what, as the hub must know it before the first write.
    async fn rooms(&self) -> Result<Vec<RoomState>, StoreError>;
    /// What changed in a conversation above `since`, to fill a hole at the hub.
    async fn replay(&self, id: ConversationId, since: chat_shared::Rev) -> Result<Replay, StoreError>;
    /// Is there no account yet? Also one that was deleted counts.
    async fn is_new(&self) -> Result<bool, StoreError>;
    /// How many messages there are: looks at each of them, so it is for `doctor` only.
    async fn count_messages(&self) -> Result<u64, StoreError>;
    /// Counts for `doctor`, metrics and tests.
    async fn counts(&self) -> Result<Counts, StoreError>;
    /// Does the database answer, and is there room for more?
    async fn check(&self) -> Result<(), StoreError>;
    /// Was the database left without being closed, by a crash or a power cut?
    fn was_cut_off(&self) -> bool;
    /// Copies the database into a new file while it is in use.
    async fn backup(&self, to: std::path::PathBuf) -> Result<(), StoreError>;
    /// Looks for damage; returns what was found (nothing: all is well).
    async fn quick_check(&self) -> Result<Vec<String>, StoreError>;
    /// Returns when the database turns out not to be the one that was opened: what is known of it is worth nothing
    /// any more, and whoever serves it has to begin anew. Never, where that cannot be.
    async fn replaced(&self) {
        std::future::pending().await
    }
    /// Commits what is queued, flushes, and refuses everything from then on.
    async fn close(&self);
}
