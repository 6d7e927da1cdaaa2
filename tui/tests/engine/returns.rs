//! Coming back: to a restored database, after a long absence, to a server that was away, with a long queue.

use crate::harness::{World, new_id};
use chat_shared::text::MessageBody;
use chat_shared::{Rev, Seq};
use chat_tui::client::{Connection, Draft, Request, Want};
use std::fs;
use std::path::Path;

fn numbered(what: &str, numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|n| format!("{what} {n}")).collect()
}

#[tokio::test]
async fn after_a_restored_database_everything_is_read_anew_and_what_waited_is_sent_once() {
    let mut world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = alice.group("lab").await;
    bob.join(lab).await;
    let mut a = alice.start();
    a.online().await;
    a.client.ask(Request::Open(lab));
    for text in numbered("kept", 0..3) {
        bob.send(lab, &text).await;
    }
    let sent = a.send(lab, "sent, and its answer lost");
    a.until("the first", |face| face.texts(lab).len() == 4 && face.waits() == 0).await;
    let backup = world.dir.path().join("copy");
    world.operate(&["backup", backup.to_str().unwrap()]).await;
    for text in numbered("lost", 0..3) {
        bob.send(lab, &text).await;
    }
    a.until("what will be lost", |face| face.texts(lab).len() == 7).await;

    world.server_off().await;
    world.operate(&["restore", backup.to_str().unwrap()]).await;
    a.until("offline", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    let draft = Draft { text: "unfinished".into(), ..Draft::default() };
    a.client.ask(Request::SaveDraft(lab, draft.clone()));
    let again = MessageBody::new("sent, and its answer lost").unwrap();
    a.client.ask(Request::Send { id: sent, conversation: lab, body: again, reply_to: None });
    for text in numbered("waited", 0..3) {
        a.send(lab, &text);
    }
    a.client.ask(Request::SaveDraft(lab, draft.clone()));
    a.until("all wait", |face| face.waits() == 4).await;
    world.server_on().await;
    a.client.ask(Request::Reconnect);
    a.until("anew", |face| face.resets == 1 && face.waits() == 0).await;
    let mut all = numbered("kept", 0..3);
    all.push("sent, and its answer lost".into());
    all.extend(numbered("waited", 0..3));
    a.client.ask(Request::Open(lab));
    a.until("the restored history", |face| face.texts(lab) == all).await;
    assert_eq!(alice.texts(lab).await, all);
    a.quit().await;

    // The cache is of the new database: nothing is void at the next start, and nothing of the old is left.
    let mut a = alice.start();
    a.online().await;
    a.client.ask(Request::Open(lab));
    a.until("the restored history", |face| face.texts(lab) == all).await;
    assert_eq!((a.resets, a.waits()), (0, 0));
    assert_eq!(a.start.as_ref().unwrap().drafts, [(lab, draft)]);
    a.quit().await;
}

#[tokio::test]
async fn a_client_that_was_away_during_the_restore_notices_at_its_start() {
    let mut world = World::new().await;
    let alice = world.register("alice").await;
    let lab = alice.group("lab").await;
    let backup = world.dir.path().join("copy");
    world.operate(&["backup", backup.to_str().unwrap()]).await;
    let mut a = alice.start();
    a.online().await;
    a.client.ask(Request::Open(lab));
    a.send(lab, "only in the lost part");
    a.until("sent", |face| face.waits() == 0 && face.texts(lab).len() == 1).await;
    a.quit().await;
    world.server_off().await;
    world.operate(&["restore", backup.to_str().unwrap()]).await;
    world.server_on().await;

    let mut a = alice.start();
    a.until("its cache", |face| face.start.is_some()).await;
    a.client.ask(Request::Open(lab));
    a.online().await;
    assert_eq!(a.resets, 1);
    a.client.ask(Request::Open(lab));
    a.send(lab, "goes on");
    a.until("goes on", |face| face.texts(lab) == ["goes on"]).await;
    assert_eq!(alice.texts(lab).await, ["goes on"]);
    a.quit().await;
}

/// Every file of a directory into another one, in place of what is there.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_machine_that_was_rolled_back_is_known_by_its_revs() {
    let mut world = World::new().await;
    let alice = world.register("alice").await;
    let lab = alice.group("lab").await;
    let (data, before) = (world.dir.path().join("server"), world.dir.path().join("before"));
    world.server_off().await;
    copy(&data, &before);
    world.server_on().await;
    let mut a = alice.start();
    a.online().await;
    a.client.ask(Request::Open(lab));
    for text in numbered("lost", 0..3) {
        a.send(lab, &text);
    }
    a.until("sent", |face| face.waits() == 0 && face.texts(lab).len() == 3).await;

    world.server_off().await;
    a.until("offline", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    a.send(lab, "waited");
    a.until("it waits", |face| face.waits() == 1).await;
    // The same epoch as ever, but fewer revs than were seen.
    copy(&before, &data);
    world.server_on().await;
    a.client.ask(Request::Reconnect);
    a.until("anew", |face| face.resets == 1 && face.waits() == 0).await;
    a.client.ask(Request::Open(lab));
    a.until("what is there", |face| face.texts(lab) == ["waited"]).await;
    assert_eq!(alice.texts(lab).await, ["waited"]);
    a.quit().await;
}

#[tokio::test]
async fn what_was_read_of_a_lost_history_reads_nothing_of_the_restored_one() {
    let mut world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = alice.group("lab").await;
    bob.join(lab).await;
    let backup = world.dir.path().join("copy");
    world.operate(&["backup", backup.to_str().unwrap()]).await;
    let mut a = alice.start();
    a.online().await;
    a.client.ask(Request::Open(lab));
    for text in numbered("lost", 0..5) {
        bob.send(lab, &text).await;
    }
    a.until("what will be lost", |face| face.texts(lab).len() == 5).await;
    world.server_off().await;
    a.until("offline", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    let last = *a.messages[&lab].keys().last().unwrap();
    a.client.ask(Request::Read(lab, last));
    a.until("read", |face| face.unread(lab) == (0, 0)).await;

    world.operate(&["restore", backup.to_str().unwrap()]).await;
    world.server_on().await;
    for text in numbered("new", 0..2) {
        bob.send(lab, &text).await;
    }
    a.client.ask(Request::Reconnect);
    a.until("unread", |face| face.resets == 1 && face.unread(lab) == (2, 0)).await;
    a.quit().await;
    assert_eq!(alice.conversation(lab).await.unread, 2);
}

#[tokio::test]
async fn after_a_long_absence_a_gap_is_left_and_filled_page_by_page() {
    let world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = alice.group("lab").await;
    bob.join(lab).await;
    let early = bob.send(lab, "to be changed").await;
    let mut a = alice.start();
    a.online().await;
    a.client.ask(Request::Open(lab));
    a.until("the beginning", |face| face.texts(lab) == ["to be changed"]).await;
    a.quit().await;

    for text in numbered("meanwhile", 0..450) {
        bob.send(lab, &text).await;
    }
    let edit = serde_json::json!({"id": new_id().to_string(), "body": "changed"});
    let path = format!("/conversations/{lab}/messages/{}", early.seq);
    let _: serde_json::Value = bob.account.call(reqwest::Method::PATCH, &path, Some(&edit)).await.unwrap();
    let head = alice.conversation(lab).await.head_rev;

    let mut a = alice.start();
    a.until("its cache", |face| face.start.is_some()).await;
    a.client.ask(Request::Open(lab));
    a.online().await;
    // What was held is in its present state, the newest is there, and between them nothing is pretended.
    a.until("the newest", |face| face.texts(lab).last().is_some_and(|text| text == "meanwhile 449")).await;
    assert_eq!(a.texts(lab)[0], "changed");
    assert!(a.texts(lab).len() < 451, "{}", a.texts(lab).len());
    let newest = |face: &crate::harness::Face| face.spans[&lab].iter().map(|span| span.0).max().unwrap();
    let beginning = a.spans[&lab].iter().find(|span| span.0 == Seq::MIN).unwrap().1;
    assert!(beginning < newest(&a) && beginning.as_rev() < head);
    let mut pages = 0;
    let mut from = newest(&a);
    while from > Seq::new(beginning.get() + 1).unwrap() {
        a.client.ask(Request::Load(lab, Want::Before(from)));
        let to = Seq::new(from.get() - 1).unwrap();
        a.until("the page before", |face| face.spans[&lab].iter().any(|span| span.1 == to)).await;
        from = a.spans[&lab].iter().filter(|span| span.1 == to).map(|span| span.0).min().unwrap();
        pages += 1;
        assert!(pages < 10, "it leads nowhere");
    }
    let mut all = numbered("meanwhile", 0..450);
    all.insert(0, "changed".into());
    assert_eq!(a.texts(lab), all);
    a.quit().await;

    // The gap is filled in the cache as well.
    let mut a = alice.start();
    a.until("its cache", |face| face.start.is_some()).await;
    a.client.ask(Request::Load(lab, Want::After(Seq::MIN)));
    a.until("the beginning", |face| face.texts(lab).first().is_some_and(|text| text == "changed")).await;
    assert_eq!(a.texts(lab)[..], all[..a.texts(lab).len()]);
    a.quit().await;
}

#[tokio::test]
async fn without_the_server_it_shows_what_it_has_and_goes_on_from_there() {
    let mut world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = alice.group("lab").await;
    bob.join(lab).await;
    for text in numbered("before", 0..5) {
        bob.send(lab, &text).await;
    }
    let mut a = alice.start();
    a.online().await;
    a.client.ask(Request::Open(lab));
    a.until("read", |face| face.texts(lab).len() == 5).await;
    assert_eq!(a.unread(lab), (5, 0));
    a.quit().await;
    world.server_off().await;

    let mut a = alice.start();
    a.client.ask(Request::Open(lab));
    a.until("from the cache", |face| face.texts(lab) == numbered("before", 0..5)).await;
    a.until("offline", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    assert_eq!(a.unread(lab), (5, 0));
    // Read here while nobody is there to be told.
    let last = *a.messages[&lab].keys().last().unwrap();
    a.client.ask(Request::Read(lab, last));
    a.until("read", |face| face.unread(lab) == (0, 0)).await;
    world.server_on().await;
    bob.send(lab, "after").await;
    a.client.ask(Request::Reconnect);
    a.until("the news", |face| face.texts(lab).last().is_some_and(|text| text == "after")).await;
    a.until("counted", |face| face.unread(lab) == (1, 0)).await;
    let mut all = numbered("before", 0..5);
    all.push("after".into());
    assert_eq!(a.texts(lab), all);
    a.quit().await;
    let told = alice.conversation(lab).await;
    assert_eq!((told.read_seq, told.unread), (last, 1));
}

#[tokio::test]
async fn a_long_queue_is_told_change_by_change() {
    const QUEUE: usize = 300;
    let mut world = World::new().await;
    let alice = world.register("alice").await;
    let lab = alice.group("lab").await;
    let mut a = alice.start();
    a.online().await;
    world.server_off().await;
    a.until("offline", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    for text in numbered("line", 0..QUEUE) {
        a.send(lab, &text);
    }
    a.until("all wait", |face| face.waits() == QUEUE).await;
    assert_eq!(a.outbox_changes, QUEUE);
    world.server_on().await;
    a.client.ask(Request::Reconnect);
    a.until("all sent", |face| face.waits() == 0).await;
    // Once when it was entered and once when it was sent: each change tells of one entry, not of all.
    assert_eq!(a.outbox_changes, 2 * QUEUE);
    assert_eq!(alice.texts(lab).await, numbered("line", 0..QUEUE));
    a.quit().await;
}

#[tokio::test]
async fn what_waits_for_a_group_that_is_gone_fails_with_its_text_kept() {
    let mut world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = bob.group("lab").await;
    alice.join(lab).await;
    let mut a = alice.start();
    a.online().await;
    world.server_off().await;
    a.until("offline", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    for text in numbered("line", 0..3) {
        a.send(lab, &text);
    }
    a.until("all wait", |face| face.waits() == 3).await;
    world.operate(&["group", "remove", "lab", "alice"]).await;
    world.server_on().await;
    a.client.ask(Request::Reconnect);
    a.until("failed", |face| face.outbox[&lab].iter().all(|pending| pending.failed.is_some())).await;
    assert!(!a.conversations.contains_key(&lab));
    a.quit().await;
    let mut a = alice.start();
    a.until("started", |face| face.start.is_some()).await;
    let kept: Vec<&str> = a.outbox[&lab].iter().map(|pending| pending.body.as_str()).collect();
    assert_eq!(kept, numbered("line", 0..3));
    assert!(a.outbox[&lab].iter().all(|pending| pending.failed.is_some()));
    assert_eq!(a.cursors.get(&lab), None::<&Rev>);
    a.quit().await;
}
