//! Conversations through a real server.

use crate::harness::World;
use chat_shared::api::Role;
use chat_tui::client::Connection;
use chat_tui::client::{Answer, Call, Request};

#[tokio::test]
async fn two_people_talk_and_a_third_reads_it_later() {
    let world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = alice.group("lab").await;
    bob.join(lab).await;
    let (mut a, mut b) = (alice.start(), bob.start());
    a.online().await;
    b.online().await;
    b.client.ask(Request::Open(lab));
    for n in 0..20 {
        a.send(lab, &format!("line {n}"));
    }
    let all: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    b.until("all lines", |face| face.texts(lab) == all).await;
    b.until("counted", |face| face.unread(lab) == (20, 0)).await;
    a.until("nothing waits", |face| face.waits() == 0 && face.texts(lab) == all).await;
    assert_eq!(a.unread(lab), (0, 0));
    let last = *b.messages[&lab].keys().last().unwrap();
    b.client.ask(Request::Read(lab, last));
    b.until("read", |face| face.unread(lab) == (0, 0)).await;
    b.quit().await;
    assert_eq!(bob.conversation(lab).await.unread, 0);
    a.quit().await;
}

#[tokio::test]
async fn what_is_written_without_a_connection_is_sent_once_and_in_order() {
    let mut world = World::new().await;
    let alice = world.register("alice").await;
    let lab = alice.group("lab").await;
    let mut a = alice.start();
    a.online().await;
    world.server_off().await;
    a.until("offline", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    for n in 0..10 {
        a.send(lab, &format!("line {n}"));
    }
    a.until("all wait", |face| face.waits() == 10).await;
    a.quit().await;
    let mut a = alice.start();
    a.until("started", |face| face.start.is_some()).await;
    assert_eq!(a.waits(), 10);
    assert_eq!(a.start.as_ref().unwrap().conversations.len(), 2);
    world.server_on().await;
    a.client.ask(Request::Reconnect);
    a.until("sent", |face| face.waits() == 0).await;
    let all: Vec<String> = (0..10).map(|n| format!("line {n}")).collect();
    assert_eq!(alice.texts(lab).await, all);
    a.quit().await;
}

#[tokio::test]
async fn errands() {
    let world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let (mut a, mut b) = (alice.start(), bob.start());
    a.online().await;
    b.online().await;
    let visibility = chat_shared::api::Visibility::Public;
    let call = Call::CreateGroup { name: "lab".into(), topic: "tests".into(), visibility };
    a.client.ask(Request::Call(1, call));
    a.until("made", |face| face.answers.contains_key(&1)).await;
    let Ok(Answer::Conversation(lab)) = a.answers[&1] else { panic!("{:?}", a.answers) };
    assert!(a.conversations.contains_key(&lab));
    b.client.ask(Request::Call(1, Call::Join("#lab".into())));
    b.until("joined", |face| face.answers.contains_key(&1)).await;
    a.until("told", |face| face.conversations[&lab].member_count == 2).await;
    b.client.ask(Request::Call(2, Call::Members(lab)));
    b.until("members", |face| face.answers.contains_key(&2)).await;
    assert!(matches!(&b.answers[&2], Ok(Answer::Members(_, members)) if members.len() == 2));
    b.client.ask(Request::Call(3, Call::Direct("alice".into())));
    b.until("direct", |face| face.answers.contains_key(&3)).await;
    let Ok(Answer::Conversation(direct)) = b.answers[&3] else { panic!("{:?}", b.answers) };
    b.send(direct, "hello @alice");
    a.until("a direct came", |face| face.unread(direct).0 == 1).await;
    a.until("its text", |face| face.texts(direct) == ["hello @alice"]).await;
    b.client.ask(Request::Call(4, Call::Leave(lab)));
    b.until("left", |face| !face.conversations.contains_key(&lab)).await;
    b.client.ask(Request::Call(5, Call::Logout));
    b.until("logged out", |face| face.logged_out.is_some()).await;
    a.quit().await;
    b.quit().await;
}

#[tokio::test]
async fn an_errand_about_somebody_who_is_not_there_says_so_and_changes_nothing() {
    let world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let lab = alice.group("lab").await;
    let mut a = alice.start();
    a.online().await;
    let nobody = "there is no user @zoe.";
    let calls = [
        (Call::User("zoe".into()), nobody),
        (Call::Direct("zoe".into()), nobody),
        (Call::AddMember(lab, "zoe".into()), nobody),
        (Call::RemoveMember(lab, "bob".into()), "@bob is not a member here."),
        (
            Call::SetRole(lab, "bob".into(), Role::Owner),
            "@bob is not a member here. To add them: /invite @bob",
        ),
    ];
    for (ticket, (call, detail)) in (1..).zip(calls) {
        a.client.ask(Request::Call(ticket, call));
        a.until(detail, |face| face.answers.contains_key(&ticket)).await;
        assert_eq!(a.answers[&ticket], Err(detail.to_owned()));
    }
    assert_eq!(alice.conversation(lab).await.member_count, 1);

    bob.join(lab).await;
    a.client.ask(Request::Call(9, Call::SetRole(lab, "bob".into(), Role::Moderator)));
    a.until("a moderator", |face| face.answers.contains_key(&9)).await;
    assert_eq!(a.answers[&9], Ok(Answer::Done));
    a.quit().await;
}

#[tokio::test]
async fn two_devices_agree_and_a_long_absence_leaves_a_gap() {
    let world = World::new().await;
    let (alice, bob) = (world.register("alice").await, world.register("bob").await);
    let other = world.device("alice", "alice-2").await;
    let lab = alice.group("lab").await;
    bob.join(lab).await;
    let (mut a, mut o) = (alice.start(), other.start());
    a.online().await;
    o.online().await;
    for n in 0..5 {
        bob.send(lab, &format!("@alice {n}")).await;
    }
    a.until("counted", |face| face.unread(lab) == (5, 5)).await;
    o.until("counted", |face| face.unread(lab) == (5, 5)).await;
    let third = *o.messages[&lab].iter().find(|(_, m)| m.body == "@alice 2").unwrap().0;
    o.client.ask(Request::Read(lab, third));
    a.until("read there", |face| face.unread(lab) == (2, 2)).await;
    o.until("read here", |face| face.unread(lab) == (2, 2)).await;
    o.quit().await;
    a.quit().await;
    for n in 0..450 {
        bob.send(lab, &format!("later {n}")).await;
    }
    let mut a = alice.start();
    a.until("the newest", |face| face.texts(lab).last().is_some_and(|text| text == "later 449")).await;
    assert_eq!(a.unread(lab), (452, 2));
    a.client.ask(Request::Open(lab));
    a.until("a page at the head", |face| face.spans.get(&lab).is_some_and(|spans| !spans.is_empty())).await;
    // A second client on the same home leaves the cache alone.
    let mut second = alice.start();
    second.until("started", |face| face.start.is_some() && !face.notices.is_empty()).await;
    assert!(!second.start.as_ref().unwrap().kept && a.start.as_ref().unwrap().kept);
    second.quit().await;
    a.quit().await;
}
