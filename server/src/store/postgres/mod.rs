//! PostgreSQL: for whoever outgrows one disk, or has it already. The same tables, the same statements and the same
//! promises as SQLite's; one connection that writes and commits in groups, a pool of connections that read.
//!
//! One server at a time: the writing connection holds a lock for as long as it lasts, and whoever loses the
//! connection writes nothing until it has the lock again.

mod accounts;
mod address;
mod connection;
mod conversations;
mod directs;
mod groups;
mod history;
mod invites;
#[cfg(test)]
mod lost;
mod members;
mod messages;
mod open;
mod primary;
mod reactions;
mod readers;
mod reading;
mod rows;
mod run;
mod seen;
mod session;
mod sessions;
mod side;
#[cfg(test)]
pub(super) mod tests;
#[cfg(test)]
mod twin;
mod tx;
mod upkeep;
mod writer;

pub use address::{Address, AddressError};
pub use open::{OpenError, Opening, new_epoch};
pub(super) use side::PostgresSide;

use super::disk::Disk;
use super::epoch::random_word;
use super::writer::{Batches, Writer};
use super::*;
use chat_shared::{GroupName, Rev};
use readers::Readers;
use seen::Notes;
use session::Session;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;
use tx::{Fault, Tx};
use writer::Kind;

/// The kind of database.
struct Postgres;

/// A chat database in PostgreSQL.
pub struct PostgresStore {
    epoch: String,
    writer: Writer<Postgres>,
    readers: Readers,
    disk: Arc<Disk>,
    /// The writer has no connection.
    is_down: Arc<AtomicBool>,
    /// The writer has found another database than the one that was opened.
    replaced: Arc<Notify>,
}

impl PostgresStore {
    /// Opens the database (and makes what is to be in it), brings its schema up to date and starts the writer, which
    /// hands every commit to `sink`. Blocks: to be called before the runtime is busy.
    pub fn open(opening: &Opening, sink: impl Sink) -> Result<Self, OpenError> {
        let ready = opening.address.ready()?;
        let mut notes = Notes::read(opening.notes.as_deref());
        let opened = open::on_a_thread(|| open::open_whole(&ready, opening.opener, &mut notes))?;
        let epoch = opened.epoch.clone();
        let is_down = Arc::new(AtomicBool::new(false));
        let readers = Readers::new(&ready, &epoch, is_down.clone())?;
        let disk = Arc::new(Disk::elsewhere());
        let replaced = Arc::new(Notify::new());
        let session = Session::new(ready, opened, notes, random_word()?, is_down.clone(), replaced.clone());
        let disk_of_writer = disk.clone();
        let write = move |batches: Batches<Postgres, _>| writer::write(session, &disk_of_writer, batches);
        let writer = Writer::start(sink, write).map_err(OpenError::Thread)?;
        Ok(Self { epoch, writer, readers, disk, is_down, replaced })
    }

    /// Queues a write that was asked for over HTTP or is the server's own: each of those waits for its answer.
    /// `weight`: bytes it holds while it waits, beyond its own size.
    fn write<T: Send + 'static>(
        &self,
        weight: usize,
        reply: Reply<T>,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) {
        self.writer.submit(None, weight, Kind::Other, reply, work);
    }

    /// Queues a write that this user may ask for by frames, one after the other without waiting.
    fn write_for<T: Send + 'static>(
        &self,
        user: UserId,
        weight: usize,
        reply: Reply<T>,
        work: impl FnMut(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) {
        self.writer.submit(Some(user), weight, Kind::Other, reply, work);
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn epoch(&self) -> &str {
        &self.epoch
    }

    fn create_user(&self, new: NewUser, reply: Reply<User>) {
        self.write(0, reply, move |tx| accounts::create(tx, &new));
    }
    fn update_user(&self, change: UpdateUser, reply: Reply<User>) {
        self.write(0, reply, move |tx| accounts::update(tx, &change));
    }
    fn set_password(&self, change: SetPassword, reply: Reply<()>) {
        self.write(0, reply, move |tx| accounts::set_password(tx, &change));
    }
    fn set_disabled(&self, user: UserId, disabled: bool, now: i64, reply: Reply<()>) {
        self.write(0, reply, move |tx| accounts::set_disabled(tx, user, disabled, now));
    }
    fn delete_user(&self, user: UserId, now: i64, reply: Reply<()>) {
        self.write(0, reply, move |tx| accounts::delete(tx, user, now));
    }
    fn touch_users(&self, seen: Vec<(UserId, i64)>, reply: Reply<()>) {
        self.write(seen.len() * 16, reply, move |tx| accounts::touch(tx, &seen));
    }
    async fn account(&self, username: &Username) -> Result<Option<Account>, StoreError> {
        let username = username.clone();
        self.readers.read(move |db| accounts::by_name(db, &username)).await
    }
    async fn account_by_id(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.readers.read(move |db| accounts::by_id(db, user)).await
    }
    async fn users(&self, query: ListQuery) -> Result<UserList, StoreError> {
        self.readers.read(move |db| accounts::list(db, &query)).await
    }
    async fn user(&self, username: Username) -> Result<User, StoreError> {
        self.readers.read(move |db| accounts::public(db, &username)).await
    }
    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.readers.read(accounts::all).await
    }

    fn create_session(&self, new: NewSession, reply: Reply<()>) {
        self.write(0, reply, move |tx| sessions::create(tx, new.user, &new.seed, new.now));
    }
    fn refresh_session(&self, refresh: RefreshSession, reply: Reply<Refreshed>) {
        self.write(0, reply, move |tx| sessions::refresh(tx, &refresh));
    }
    fn end_session(&self, user: UserId, session: SessionId, reply: Reply<()>) {
        self.write(0, reply, move |tx| sessions::end(tx, user, &session));
    }
    async fn session_user(&self, session: &SessionId, now: i64) -> Result<Option<User>, StoreError> {
        let session = session.clone();
        self.readers.read(move |db| sessions::user(db, &session, now)).await
    }
    async fn sessions(&self, user: UserId, now: i64) -> Result<Vec<SessionEntry>, StoreError> {
        self.readers.read(move |db| sessions::list(db, user, now)).await
    }

    fn create_invite(&self, invite: NewInvite, reply: Reply<()>) {
        self.write(0, reply, move |tx| invites::create(tx, &invite));
    }
    async fn invites(&self, now: i64) -> Result<Vec<Invite>, StoreError> {
        self.readers.read(move |db| invites::list(db, now)).await
    }
    fn revoke_invite(&self, invite: i64, reply: Reply<()>) {
        self.write(0, reply, move |tx| invites::revoke(tx, invite));
    }

    fn ensure_default_groups(&self, names: Vec<GroupName>, now: i64, reply: Reply<()>) {
        self.write(0, reply, move |tx| groups::ensure_default(tx, &names, now));
    }
    fn create_group(&self, new: NewGroup, reply: Reply<Conversation>) {
        self.write(0, reply, move |tx| groups::create(tx, &new));
    }
    fn update_group(&self, change: UpdateGroup, reply: Reply<Conversation>) {
        self.write(0, reply, move |tx| groups::update(tx, &change));
    }
    fn delete_group(&self, actor: Actor, conversation: ConversationId, now: i64, reply: Reply<()>) {
        self.write(0, reply, move |tx| groups::delete(tx, actor, conversation, now));
    }
    fn join_group(&self, actor: UserId, conversation: ConversationId, now: i64, reply: Reply<Conversation>) {
        self.write(0, reply, move |tx| members::join(tx, actor, conversation, now));
    }
    fn leave_group(&self, actor: UserId, conversation: ConversationId, now: i64, reply: Reply<()>) {
        self.write(0, reply, move |tx| members::leave(tx, actor, conversation, now));
    }
    fn put_member(&self, change: PutMember, reply: Reply<PutMemberOutcome>) {
        self.write(0, reply, move |tx| members::put(tx, &change));
    }
    fn remove_member(&self, change: RemoveMember, reply: Reply<()>) {
        self.write(0, reply, move |tx| members::remove(tx, &change));
    }
    fn open_direct(&self, actor: UserId, peer: Username, now: i64, reply: Reply<(Conversation, bool)>) {
        self.write(0, reply, move |tx| directs::open(tx, actor, &peer, now));
    }
    fn set_settings(&self, change: Settings, reply: Reply<Conversation>) {
        self.write(0, reply, move |tx| reading::set_settings(tx, &change));
    }
    fn mark_read(&self, mark: MarkRead, reply: Reply<ReadState>) {
        self.write_for(mark.user, 0, reply, move |tx| reading::mark_read(tx, &mark));
    }
    fn purge(&self, reply: Reply<bool>) {
        self.write(0, reply, upkeep::purge);
    }

    async fn conversations(&self, viewer: UserId, query: ListQuery) -> Result<ConversationList, StoreError> {
        self.readers.read(move |db| conversations::list(db, viewer, &query)).await
    }
    async fn conversation(&self, viewer: UserId, id: ConversationId) -> Result<Conversation, StoreError> {
        self.readers.read(move |db| conversations::view(db, viewer, id, true)).await
    }
    async fn group_by_name(&self, name: GroupName) -> Result<ConversationId, StoreError> {
        self.readers.read(move |db| groups::by_name(db, &name)).await
    }
    async fn all_groups(&self) -> Result<Vec<GroupSummary>, StoreError> {
        self.readers.read(groups::all).await
    }
    async fn groups(&self, viewer: UserId, query: ListQuery) -> Result<GroupList, StoreError> {
        self.readers.read(move |db| groups::list(db, viewer, &query)).await
    }
    async fn members(
        &self,
        viewer: UserId,
        id: ConversationId,
        query: ListQuery,
    ) -> Result<MemberList, StoreError> {
        self.readers.read(move |db| members::list(db, viewer, id, &query)).await
    }

    fn send_message(&self, send: SendMessage, reply: Reply<Sent>) {
        let (weight, send) = (send.body.as_str().len(), Arc::new(send));
        let kind = Kind::Send(send.clone());
        self.writer.submit(Some(send.sender), weight, kind, reply, move |tx| messages::send(tx, &send));
    }
    fn edit_message(&self, edit: EditMessage, reply: Reply<Ack>) {
        self.write_for(edit.editor, edit.body.as_str().len(), reply, move |tx| messages::edit(tx, &edit));
    }
    fn delete_message(&self, delete: DeleteMessage, reply: Reply<Ack>) {
        self.write_for(delete.actor, 0, reply, move |tx| messages::delete(tx, &delete));
    }
    fn react(&self, react: React, reply: Reply<Ack>) {
        self.write_for(react.user, 0, reply, move |tx| reactions::react(tx, &react));
    }

    async fn history(&self, viewer: UserId, query: HistoryQuery) -> Result<MessagePage, StoreError> {
        let epoch = self.epoch.clone();
        self.readers.read(move |db| history::page(db, viewer, &query, &epoch)).await
    }
    async fn changes(&self, viewer: UserId, query: ChangesQuery) -> Result<Changes, StoreError> {
        let epoch = self.epoch.clone();
        self.readers.read(move |db| history::changes(db, viewer, &query, &epoch)).await
    }
    async fn message(&self, viewer: UserId, id: ConversationId, seq: Seq) -> Result<Message, StoreError> {
        self.readers.read(move |db| history::message(db, viewer, id, seq)).await
    }
    async fn edits(&self, viewer: UserId, id: ConversationId, seq: Seq) -> Result<EditList, StoreError> {
        self.readers.read(move |db| history::edits(db, viewer, id, seq)).await
    }
    async fn thread(&self, viewer: UserId, id: ConversationId, seq: Seq) -> Result<Thread, StoreError> {
        self.readers.read(move |db| history::thread(db, viewer, id, seq)).await
    }

    async fn snapshot(&self, session: &SessionId, now: i64) -> Result<Option<Snapshot>, StoreError> {
        let session = session.clone();
        self.readers.read(move |db| conversations::snapshot(db, &session, now)).await
    }
    async fn rooms(&self) -> Result<Vec<RoomState>, StoreError> {
        self.readers.read(|db| members::rooms(db, None)).await
    }
    async fn replay(&self, id: ConversationId, since: Rev) -> Result<Replay, StoreError> {
        self.readers.read(move |db| history::replay(db, id, since)).await
    }
    async fn is_new(&self) -> Result<bool, StoreError> {
        self.readers.read(upkeep::is_new).await
    }
    async fn count_messages(&self) -> Result<u64, StoreError> {
        self.readers.read_slowly(upkeep::count_messages).await
    }
    async fn counts(&self) -> Result<Counts, StoreError> {
        self.readers.read(upkeep::counts).await
    }
    async fn check(&self) -> Result<(), StoreError> {
        self.readers.read(upkeep::check).await?;
        if self.is_down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable);
        }
        if self.disk.is_full() { Err(StoreError::StorageFull) } else { Ok(()) }
    }
    fn was_cut_off(&self) -> bool {
        // PostgreSQL puts itself in order after a crash, before it lets anybody in.
        false
    }
    async fn backup(&self, _to: std::path::PathBuf) -> Result<(), StoreError> {
        Err(StoreError::Conflict(
            "the database is PostgreSQL, and is backed up by its own means: pg_dump, or pg_basebackup with archived WAL.",
        ))
    }
    async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        self.readers.read_slowly(upkeep::quick_check).await
    }
    async fn replaced(&self) {
        self.replaced.notified().await;
    }
    async fn close(&self) {
        self.writer.close().await;
    }
}
