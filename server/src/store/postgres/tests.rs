//! What PostgreSQL's store does that is no part of the story every store tells.

use super::*;
use crate::store::conformance::{Heard, Teller, story};
use support::Place;

#[path = "../../../tests/support/postgres.rs"]
pub(in crate::store) mod support;

pub(super) fn place() -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::of(dir.path());
    (dir, place)
}

pub(super) fn store(place: &Place) -> (PostgresStore, Heard) {
    let heard = Heard::default();
    (PostgresStore::open(&opening(&place.url), heard.clone()).unwrap(), heard)
}

/// Without notes.
pub(in crate::store) fn opening(url: &str) -> Opening {
    Opening { address: Address::parse(url).unwrap(), opener: Opener::Command, notes: None }
}

#[tokio::test]
async fn it_passes_the_story() {
    let (_dir, place) = place();
    let (store, heard) = store(&place);
    story(&store, &heard).await;
}

#[tokio::test]
async fn a_second_server_is_refused_while_the_first_lives() {
    let (_dir, place) = place();
    let (first, _) = store(&place);
    let opening = opening(&place.url);
    let second = PostgresStore::open(&opening, NobodyListens).err();
    assert!(matches!(second, Some(OpenError::InUse)), "{second:?}");
    let epoch = first.epoch().to_owned();
    first.close().await;
    assert!(matches!(new_epoch(&opening.address), Ok(new) if new != epoch));
}

#[tokio::test]
async fn a_connection_that_is_cut_is_made_anew_and_nothing_is_stored_twice() {
    const ROUNDS: u8 = 25;
    let (_dir, place) = place();
    let (store, heard) = store(&place);
    let tell = Teller { store: &store, now: 1 };
    let (user, room) = tell.user_with_a_room("alice").await;
    let mut acks = Vec::new();
    for round in 0..ROUNDS {
        // At a moment that nobody chose, in the middle of ten sends one after the other. Where the cut of the round
        // before was not noticed yet, there is nobody to be cut until then.
        let cut = tokio::task::spawn_blocking({
            let place = place.clone();
            move || while place.cut().unwrap() != ["t"] {}
        });
        for n in 0..10 {
            acks.push(tell.send(tell.message(round * 10 + n, user, room, "text")).await.unwrap().ack);
        }
        cut.await.unwrap();
    }
    for (n, ack) in acks.iter().enumerate() {
        let again = tell.send(tell.message(n as u8, user, room, "text")).await.unwrap();
        assert!(again.known && again.ack == *ack);
    }
    heard.check_revs(room, store.conversation(user, room).await.unwrap().head_rev);
}

#[tokio::test]
async fn a_refused_operation_leaves_its_neighbours_alone() {
    let (_dir, place) = place();
    let (store, heard) = store(&place);
    let tell = Teller { store: &store, now: 1 };
    let (user, room) = tell.user_with_a_room("alice").await;
    let taken = NewGroup {
        actor: Actor::User(user),
        name: "room-of-alice".parse().unwrap(),
        topic: "".parse().unwrap(),
        visibility: chat_shared::api::Visibility::Public,
        now: 1,
    };
    let parent = tell.send(tell.message(99, user, room, "parent")).await.unwrap().ack.seq;
    // Asked for at once, so that many share a transaction: plain texts, such as need more, and between them what
    // PostgreSQL itself refuses.
    let asked = (0..90_u8).map(async |n| match n % 3 {
        0 => {
            let body = if n % 2 == 0 { "plain" } else { "@alice" };
            tell.send(tell.message(n, user, room, body)).await.map(|sent| sent.ack)
        }
        1 => {
            let reply = SendMessage { reply_to: Some(parent), ..tell.message(n, user, room, "reply") };
            tell.send(reply).await.map(|sent| sent.ack)
        }
        _ => {
            let refused = ask(|reply| store.create_group(taken.clone(), reply)).await;
            assert_eq!(refused.unwrap_err(), StoreError::GroupNameTaken);
            tell.send(tell.message(n - 1, user, room, "again")).await.map(|sent| sent.ack)
        }
    });
    let acks = futures_util::future::join_all(asked).await;
    let mut revs: Vec<i64> = acks.iter().map(|ack| ack.as_ref().unwrap().rev.get()).collect();
    revs.sort_unstable();
    revs.dedup();
    assert_eq!(revs.len(), 60, "what was asked again has its first answer");
    heard.check_revs(room, store.conversation(user, room).await.unwrap().head_rev);
}
