//! SQLite: the default store. One file, WAL, `synchronous=FULL`; one thread that writes and commits
//! in groups, a pool of connections that read.
//!
//! SQL stands only below this folder, one file an aggregate.

mod accounts;
mod conversations;
mod directs;
mod disk;
mod groups;
mod history;
mod invites;
mod members;
mod messages;
mod open;
mod reactions;
mod readers;
mod reading;
mod rows;
mod sessions;
mod tx;
mod upkeep;
mod writer;

pub use open::{OpenError, Opening, is_initialised, new_epoch, restoring};

use super::*;
use chat_shared::{GroupName, Rev};
use disk::Disk;
use readers::Readers;
use std::sync::Arc;
use tx::{Fault, Tx};
use writer::{Isolation, Writer};

/// A chat database in one SQLite file.
pub struct SqliteStore {
    epoch: String,
    was_cut_off: bool,
    writer: Writer,
    readers: Readers,
    disk: Arc<Disk>,
}

impl SqliteStore {
    /// Opens (or makes) the database, brings its schema up to date and starts the writer, which
    /// hands every commit to `sink`. Blocks: to be called before the runtime is busy.
    pub fn open(opening: &Opening, sink: impl Sink) -> Result<Self, OpenError> {
        let open::Opened { writer, epoch, was_cut_off } = open::open(opening)?;
        let readers = Readers::new(&opening.path)?;
        let disk = Arc::new(Disk::of(&opening.path, opening.reserve));
        let writer = Writer::start(writer, disk.clone(), sink)?;
        Ok(Self { epoch, was_cut_off, writer, readers, disk })
    }

    /// Queues a write. `weight`: bytes it holds while it waits, beyond its own size.
    fn write<T: Send + 'static>(
        &self,
        weight: usize,
        reply: Reply<T>,
        work: impl FnOnce(&mut Tx<'_>) -> Result<T, Fault> + Send + 'static,
    ) {
        self.writer.submit(weight, Isolation::Savepoint, reply, work);
    }
}

#[async_trait]
impl Store for SqliteStore {
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
        self.write(0, reply, move |tx| reading::mark_read(tx, &mark));
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
        let weight = send.body.as_str().len();
        self.writer.submit(weight, Isolation::ChecksFirst, reply, move |tx| messages::send(tx, &send));
    }
    fn edit_message(&self, edit: EditMessage, reply: Reply<Ack>) {
        self.write(edit.body.as_str().len(), reply, move |tx| messages::edit(tx, &edit));
    }
    fn delete_message(&self, delete: DeleteMessage, reply: Reply<Ack>) {
        self.write(0, reply, move |tx| messages::delete(tx, &delete));
    }
    fn react(&self, react: React, reply: Reply<Ack>) {
        self.write(0, reply, move |tx| reactions::react(tx, &react));
    }

    async fn history(&self, viewer: UserId, query: HistoryQuery) -> Result<MessagePage, StoreError> {
        let epoch = self.epoch.clone();
        self.readers.read(move |db| history::page(db, viewer, &query, epoch)).await
    }
    async fn changes(&self, viewer: UserId, query: ChangesQuery) -> Result<Changes, StoreError> {
        let epoch = self.epoch.clone();
        self.readers.read(move |db| history::changes(db, viewer, &query, epoch)).await
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
        if self.disk.is_full() { Err(StoreError::StorageFull) } else { Ok(()) }
    }
    fn was_cut_off(&self) -> bool {
        self.was_cut_off
    }
    async fn backup(&self, to: std::path::PathBuf) -> Result<(), StoreError> {
        self.readers.read_slowly(move |db| upkeep::backup(db, &to)).await
    }
    async fn quick_check(&self) -> Result<Vec<String>, StoreError> {
        self.readers.read_slowly(upkeep::quick_check).await
    }
    async fn close(&self) {
        self.writer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::{Heard, Teller, story};
    use rusqlite::Connection;
    use std::time::{Duration, Instant};

    fn store(reserve: u64) -> (tempfile::TempDir, SqliteStore, Heard) {
        let dir = tempfile::tempdir().unwrap();
        let heard = Heard::default();
        let opening = Opening { path: dir.path().join("chat.db"), reserve };
        let store = SqliteStore::open(&opening, heard.clone()).unwrap();
        (dir, store, heard)
    }

    /// Gives the writer's connection an order.
    async fn order(store: &SqliteStore, sql: &'static str) {
        let given = |reply| store.write(0, reply, move |tx| Ok(tx.db.execute_batch(sql)?));
        ask(given).await.unwrap();
    }

    #[tokio::test]
    async fn it_passes_the_story() {
        let (_dir, store, heard) = store(0);
        story(&store, &heard).await;
    }

    #[tokio::test]
    async fn a_full_disk_refuses_what_is_new_and_is_left_as_soon_as_there_is_room() {
        let (_dir, store, _) = store(0);
        let tell = Teller { store: &store, now: 1 };
        let (user, room) = tell.user_with_a_room("alice").await;
        for round in 0..3_u8 {
            order(&store, "PRAGMA max_page_count = 1").await;
            let mut stored = Vec::new();
            let text = "x".repeat(10_000);
            let refused = loop {
                let message = tell.message(round * 80 + stored.len() as u8, user, room, &text);
                match tell.send(message.clone()).await {
                    Ok(sent) => stored.push((message, sent.ack)),
                    Err(error) => break error,
                }
                assert!(stored.len() < 80, "it never gets full");
            };
            assert_eq!(refused, StoreError::StorageFull);
            assert_eq!(store.check().await, Err(StoreError::StorageFull), "and readiness says so");
            // Reading goes on, and whoever asks again for what was stored has the first answer.
            let newest = HistoryQuery { conversation: room, anchor: Anchor::Newest, limit: 1 };
            store.history(user, newest).await.unwrap();
            for (message, ack) in stored {
                assert_eq!(tell.send(message).await.unwrap().ack, ack);
            }
            order(&store, "PRAGMA max_page_count = 4294967294").await;
            tell.send(tell.message(round * 80 + 79, user, room, &text)).await.unwrap();
        }
        assert_eq!(store.quick_check().await.unwrap(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn a_disk_that_is_nearly_full_is_read_only_but_for_what_takes_nothing() {
        let (dir, store, _) = store(0);
        let tell = Teller { store: &store, now: 1 };
        let (user, room) = tell.user_with_a_room("alice").await;
        let message = tell.message(1, user, room, "kept");
        let ack = tell.send(message.clone()).await.unwrap().ack;
        store.close().await;
        // Nobody has as much as this.
        let opening = Opening { path: dir.path().join("chat.db"), reserve: u64::MAX };
        let store = SqliteStore::open(&opening, NobodyListens).unwrap();
        let tell = Teller { store: &store, now: 2 };
        assert_eq!(store.check().await, Err(StoreError::StorageFull));
        assert_eq!(tell.send(message).await.unwrap().ack, ack);
        let more = tell.send(tell.message(2, user, room, "more")).await;
        assert_eq!(more.unwrap_err(), StoreError::StorageFull);
        let mark = MarkRead { user, conversation: room, seq: ack.seq, origin: None };
        ask(|reply| store.mark_read(mark, reply)).await.unwrap();
        let delete = DeleteMessage { actor: user, conversation: room, seq: ack.seq, now: 2 };
        ask(|reply| store.delete_message(delete, reply)).await.unwrap();
    }

    #[tokio::test]
    async fn a_database_that_another_process_has_locked_is_served_and_refuses_writes_in_time() {
        let (dir, store, _) = store(0);
        let tell = Teller { store: &store, now: 1 };
        let (user, room) = tell.user_with_a_room("alice").await;
        let other = Connection::open(dir.path().join("chat.db")).unwrap();
        other.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let started = Instant::now();
        let refused = tell.send(tell.message(1, user, room, "later")).await;
        assert_eq!(refused.unwrap_err(), StoreError::Unavailable);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        store.conversation(user, room).await.unwrap();
        other.execute_batch("ROLLBACK").unwrap();
        let sent = tell.send(tell.message(1, user, room, "later")).await.unwrap();
        assert!(!sent.known, "what was refused had left nothing");
    }

    #[tokio::test]
    async fn whoever_writes_without_reading_is_not_counted_for_without_end() {
        let (_dir, store, _) = store(0);
        let tell = Teller { store: &store, now: 1 };
        let (bot, room) = tell.user_with_a_room("bot").await;
        let (reader, _) = tell.user_with_a_room("reader").await;
        ask(|reply| store.join_group(reader, room, 1, reply)).await.unwrap();
        tell.send(tell.message(1, reader, room, "@bot, long ago")).await.unwrap();
        // As many rows as are looked at, without the time that sending them takes.
        let rows = move |tx: &mut Tx<'_>| {
            let (sender, base) = (bot.get(), room.get() << 32);
            tx.db.execute_batch(&format!(
                "INSERT INTO messages (id, rev, sender_id, kind, body, sent_at)
                 WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 99 + {scan})
                 SELECT {base} + i, i, {sender}, 'text', 'x', 0 FROM n;
                 UPDATE conversations SET head_rev = 99 + {scan}, last_seq = 99 + {scan} WHERE id = {room};",
                scan = chat_shared::limits::UNREAD_SCAN,
            ))?;
            Ok(())
        };
        ask(|reply| store.write(0, reply, rows)).await.unwrap();
        let view = store.conversation(bot, room).await.unwrap();
        assert_eq!((view.unread, view.mentions), (0, 0));
        tell.send(tell.message(2, reader, room, "@bot, now")).await.unwrap();
        let view = store.conversation(bot, room).await.unwrap();
        assert_eq!((view.unread, view.mentions), (1, 1));
        let other = store.conversation(reader, room).await.unwrap();
        assert_eq!(other.unread, chat_shared::limits::UNREAD + 1, "whoever reads has more than is counted");
    }
}
