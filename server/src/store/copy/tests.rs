//! There and back again.

use super::*;
use crate::store::conformance::Teller;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::tests::opening;
use crate::store::postgres::tests::support::Place as Somewhere;
use crate::store::sqlite::{Opening, SqliteStore};
use crate::store::{DeleteMessage, EditMessage, NobodyListens, React, Store, ask};
use chat_shared::SendId;
use chat_shared::text::MessageBody;
use std::cell::Cell;

/// Fills a store with some of everything.
async fn fill(store: &dyn Store) {
    let tell = Teller { store, now: 5 };
    let (alice, room) = tell.user_with_a_room("alice").await;
    let (bob, other) = tell.user_with_a_room("bob").await;
    ask(|reply| store.join_group(bob, room, 5, reply)).await.unwrap();
    let (direct, _) = ask(|reply| store.open_direct(alice, "bob".parse().unwrap(), 5, reply)).await.unwrap();
    for n in 0..100_u8 {
        let conversation = [room, other, direct.id][usize::from(n % 3)];
        let sender = if n % 3 == 1 { bob } else { alice };
        tell.send(tell.message(n, sender, conversation, "a text, ü, @bob and \"quotes\"")).await.unwrap();
    }
    let seq = tell.send(tell.message(200, alice, room, "to be changed")).await.unwrap().ack.seq;
    let react = React { user: bob, conversation: room, seq, emoji: "👍".parse().unwrap(), on: true };
    ask(|reply| store.react(react, reply)).await.unwrap();
    let edit = EditMessage {
        editor: alice,
        id: SendId::from_bytes([201; 16]),
        conversation: room,
        seq,
        body: MessageBody::new("changed").unwrap(),
        here: Vec::new(),
        refuse_new: None,
        now: 6,
    };
    ask(|reply| store.edit_message(edit, reply)).await.unwrap();
    let gone = tell.send(tell.message(202, alice, room, "to be deleted")).await.unwrap().ack.seq;
    let delete = DeleteMessage { actor: alice, conversation: room, seq: gone, now: 7 };
    ask(|reply| store.delete_message(delete, reply)).await.unwrap();
}

/// A side that is cut off after so many pages.
struct CutOff {
    side: Box<dyn Side>,
    left: Cell<usize>,
}

impl Side for CutOff {
    fn meta(&self, key: &str) -> Result<Option<String>, CopyError> {
        self.side.meta(key)
    }
    fn count(&self, table: &Table) -> Result<u64, CopyError> {
        self.side.count(table)
    }
    fn page(&self, table: &Table, after: Option<&[Value]>, limit: usize) -> Result<Vec<Row>, CopyError> {
        self.side.page(table, after, limit)
    }
    fn marks(&self) -> Result<[i64; 3], CopyError> {
        self.side.marks()
    }
    fn store(&self, table: &Table, rows: &[Row], place: &str) -> Result<(), CopyError> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(CopyError::Failed { side: "of this test", what: "cut off".to_owned() });
        };
        self.left.set(left);
        self.side.store(table, rows, place)
    }
    fn finish(&self, epoch: &str, marks: [i64; 3]) -> Result<(), CopyError> {
        self.side.finish(epoch, marks)
    }
}

/// Does what waits for PostgreSQL where that is allowed.
fn aside<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join().unwrap())
}

#[tokio::test]
async fn everything_arrives_there_and_back_also_when_it_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| Opening { path: dir.path().join(name), reserve: 0 };
    let (original, returned) = (file("original.db"), file("returned.db"));
    let store = SqliteStore::open(&original, NobodyListens).unwrap();
    fill(&store).await;
    store.close().await;
    drop(store);
    let place = Somewhere::of(dir.path());
    let address = Address::parse(&place.url).unwrap();
    let (from, to) = (End::Sqlite(&original.path), End::Postgres(&address));
    let quiet = |_, _| {};

    // Cut off after each of its pages, until it is done; until then nobody can serve it.
    let mut cuts = 0;
    let copied = loop {
        let done = aside(|| {
            let cut_off = CutOff { side: to.open(false).unwrap(), left: Cell::new(1) };
            transfer(&*from.open(true).unwrap(), &cut_off, &quiet)
        });
        match done {
            Ok(copied) => break copied,
            Err(CopyError::Failed { .. }) => cuts += 1,
            Err(other) => panic!("{other}"),
        }
        let served = PostgresStore::open(&opening(&place.url), NobodyListens).err();
        assert!(matches!(served, Some(postgres::OpenError::HalfCopied)), "{served:?}");
    };
    assert_eq!(cuts, TABLES.len() - 1);
    assert!(copied.messages > 100 && copied.conversations == 4, "{copied:?}");
    let again = aside(|| copy(&from, &to, &quiet));
    assert!(matches!(again, Err(CopyError::NotEmpty)), "{again:?}");

    // It is served as the original was, and its ids go on.
    let store = PostgresStore::open(&opening(&place.url), NobodyListens).unwrap();
    let tell = Teller { store: &store, now: 9 };
    let (_, room) = tell.user_with_a_room("carol").await;
    assert_eq!(room.get(), 5);
    assert!(store.quick_check().await.unwrap().is_empty());
    store.close().await;
    drop(store);

    let back = aside(|| copy(&to, &End::Sqlite(&returned.path), &quiet)).unwrap();
    assert_eq!(back.conversations, 5);
    let store = SqliteStore::open(&returned, NobodyListens).unwrap();
    assert!(store.quick_check().await.unwrap().is_empty());
    let epoch = SqliteStore::open(&original, NobodyListens).unwrap().epoch().to_owned();
    assert_eq!(store.epoch(), epoch, "clients keep what they have");
}

#[test]
fn what_arrives_otherwise_is_found() {
    let row = |body: &str| vec![Value::Integer(1), Value::Text(body.to_owned()), Value::Null];
    let sums = |rows: &[Row]| {
        let sum = rows.iter().fold(0_u128, |sum, row| sum.wrapping_add(digest(row)));
        Sums::from([(("messages", 7), Sum { rows: rows.len() as u64, sum })])
    };
    let sent = sums(&[row("a"), row("b")]);
    assert!(compare(&sent, &sums(&[row("b"), row("a")])).is_ok());
    for arrived in [sums(&[row("a")]), sums(&[row("a"), row("c")]), Sums::new()] {
        let Err(CopyError::Differs(what)) = compare(&sent, &arrived) else { panic!("not found") };
        assert!(what.contains("messages of conversation 7"), "{what}");
    }
}
