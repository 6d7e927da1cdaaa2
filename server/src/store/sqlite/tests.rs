//! What SQLite's store does that is no part of the story every store tells.

use super::*;
use crate::store::conformance::{Heard, Teller, story};
use rusqlite::Connection;
use std::sync::mpsc::channel;
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
async fn whoever_floods_is_refused_and_nobody_else() {
    let (_dir, store, _) = store(0);
    let tell = Teller { store: &store, now: 1 };
    let (mallory, room) = tell.user_with_a_room("mallory").await;
    let (bob, other_room) = tell.user_with_a_room("bob").await;
    // The writer is held up, as by a slow disk.
    let (release, held) = channel::<()>();
    let hold = move |_: &mut Tx<'_>| {
        let _ = held.recv();
        Ok(())
    };
    store.write(0, Box::new(|_| {}), hold);
    let (told, refused) = channel();
    while refused.try_recv() != Ok(StoreError::Unavailable) {
        let mark = MarkRead { user: mallory, conversation: room, seq: Seq::MIN, origin: None };
        let told = told.clone();
        let reply: Reply<ReadState> = Box::new(move |result| drop(result.map_err(|e| told.send(e))));
        store.mark_read(mark, reply);
    }
    let sent = tell.send(tell.message(1, bob, other_room, "in between"));
    let (sent, ()) = tokio::join!(sent, async { drop(release) });
    sent.unwrap();
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
