//! Live events and what is read afresh are the same, whatever happens in between.

use crate::harness::{TestServer, User, Ws, uuid};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A device: what it holds of one conversation, followed by `ready`, events and `changes`.
struct Replica {
    user: User,
    ws: Option<Ws>,
    conversation: i64,
    messages: BTreeMap<i64, Value>,
    cursor: i64,
}

impl Replica {
    fn apply(&mut self, message: &Value) {
        let seq = message["seq"].as_i64().unwrap();
        let newer = self.messages.get(&seq).is_none_or(|held| held["rev"].as_i64() < message["rev"].as_i64());
        if newer {
            self.messages.insert(seq, message.clone());
        }
    }

    async fn catch_up(&mut self) {
        loop {
            let path = format!("/conversations/{}/changes?since={}&limit=7", self.conversation, self.cursor);
            let changes = self.user.ok("GET", &path, None).await;
            for message in changes["messages"].as_array().unwrap() {
                self.apply(message);
                self.cursor = message["rev"].as_i64().unwrap();
            }
            if changes["has_more"] == false {
                self.cursor = changes["head_rev"].as_i64().unwrap();
                return;
            }
        }
    }

    async fn reconnect(&mut self) {
        self.ws = Some(self.user.connect().await);
        self.catch_up().await;
    }

    /// Reads live events up to this rev; they must come without a hole.
    async fn follow(&mut self, upto: i64) {
        let Some(mut ws) = self.ws.take() else { return };
        while self.cursor < upto {
            let frame = ws.next_of("message").await;
            if frame["conversation_id"] != self.conversation {
                continue;
            }
            let rev = frame["rev"].as_i64().unwrap();
            if rev > self.cursor {
                assert_eq!(rev, self.cursor + 1, "a hole in the revs");
                self.apply(&frame["message"]);
                self.cursor = rev;
            }
        }
        self.ws = Some(ws);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send(usize),
    Reply(usize, prop::sample::Index),
    Edit(prop::sample::Index),
    Delete(prop::sample::Index),
    React(usize, prop::sample::Index, bool),
    /// The third user is added, or removed; by the owner, or by themselves.
    Member(bool, bool),
    Topic(u8),
    Cut(usize),
    Connect(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => (0..2_usize).prop_map(Step::Send),
        2 => (0..2_usize, at()).prop_map(|(user, at)| Step::Reply(user, at)),
        2 => at().prop_map(Step::Edit),
        1 => at().prop_map(Step::Delete),
        2 => (0..2_usize, at(), any::<bool>()).prop_map(|(user, at, on)| Step::React(user, at, on)),
        2 => any::<(bool, bool)>().prop_map(|(add, by_themselves)| Step::Member(add, by_themselves)),
        1 => any::<u8>().prop_map(Step::Topic),
        1 => (0..2_usize).prop_map(Step::Cut),
        1 => (0..2_usize).prop_map(Step::Connect),
    ];
    prop::collection::vec(step, 1..40)
}

async fn run(steps: Vec<Step>) {
    let server = TestServer::start().await;
    let users = [server.user("alice").await, server.user("bob").await];
    // Whoever comes and goes hears exactly what was said while they were in.
    let guest = server.user("carol").await;
    let mut guest_ws = guest.connect().await;
    let mut stays: Vec<(i64, Option<i64>)> = Vec::new();
    let conversation = users[0].group("lab", "public").await;
    users[1].ok("POST", &format!("/groups/{conversation}/join"), None).await;
    let mut devices = Vec::new();
    for user in &users {
        let mut device =
            Replica { user: user.clone(), ws: None, conversation, messages: BTreeMap::new(), cursor: 0 };
        device.reconnect().await;
        devices.push(device);
    }
    let base = format!("/conversations/{conversation}/messages");
    // The texts that stand, each with its writer.
    let mut texts: Vec<(i64, usize)> = Vec::new();
    for step in steps {
        match step {
            Step::Send(user) => {
                let sent = users[user].send(conversation, "text").await;
                texts.push((sent["seq"].as_i64().unwrap(), user));
            }
            Step::Reply(user, at) if !texts.is_empty() => {
                let (parent, _) = *at.get(&texts);
                let body = json!({"id": uuid(), "body": "reply", "reply_to": parent});
                let sent = users[user].ok("POST", &base, Some(body)).await;
                texts.push((sent["seq"].as_i64().unwrap(), user));
            }
            Step::Edit(at) if !texts.is_empty() => {
                let (seq, user) = *at.get(&texts);
                users[user]
                    .ok("PATCH", &format!("{base}/{seq}"), Some(json!({"id": uuid(), "body": "new"})))
                    .await;
            }
            Step::Delete(at) if !texts.is_empty() => {
                let (seq, user) = texts.remove(at.index(texts.len()));
                users[user].ok("DELETE", &format!("{base}/{seq}"), None).await;
            }
            Step::React(user, at, on) if !texts.is_empty() => {
                let (seq, _) = *at.get(&texts);
                let method = if on { "PUT" } else { "DELETE" };
                users[user].ok(method, &format!("{base}/{seq}/reactions/%F0%9F%91%8D"), None).await;
            }
            Step::Member(add, by_themselves) => {
                let inside = stays.last().is_some_and(|stay| stay.1.is_none());
                let group = format!("/groups/{conversation}");
                let (who, method, path) = match (add, by_themselves) {
                    (true, false) => (&users[0], "PUT", "members/carol"),
                    (false, false) => (&users[0], "DELETE", "members/carol"),
                    (true, true) => (&guest, "POST", "join"),
                    (false, true) => (&guest, "POST", "leave"),
                };
                if add || inside {
                    who.ok(method, &format!("{group}/{path}"), None).await;
                }
                let head =
                    users[0].ok("GET", &format!("/conversations/{conversation}"), None).await["head_rev"]
                        .as_i64();
                match stays.last_mut() {
                    Some(stay) if inside && !add => stay.1 = head,
                    _ if add && !inside => stays.push((head.unwrap(), None)),
                    _ => {}
                }
            }
            Step::Topic(n) => {
                let body = json!({"topic": format!("topic {n}")});
                users[0].ok("PATCH", &format!("/groups/{conversation}"), Some(body)).await;
            }
            Step::Cut(device) => devices[device].ws = None,
            Step::Connect(device) => devices[device].reconnect().await,
            _ => {}
        }
    }
    let truth = users[0].history(conversation).await;
    let head = users[0].ok("GET", &format!("/conversations/{conversation}"), None).await["head_rev"]
        .as_i64()
        .unwrap();
    for device in &mut devices {
        if device.ws.is_some() {
            device.follow(head).await;
        } else {
            device.reconnect().await;
        }
        let held: Vec<&Value> = device.messages.values().collect();
        assert_eq!(held, truth.iter().collect::<Vec<_>>());
        assert_eq!(device.cursor, head);
    }
    users[0].send(1, "the end").await;
    let mut heard = Vec::new();
    loop {
        let frame = guest_ws.next_of("message").await;
        if frame["conversation_id"] == conversation {
            heard.push(frame["rev"].as_i64().unwrap());
        } else if frame["message"]["body"] == "the end" {
            break;
        }
    }
    // From the notice of their coming, up to the one of their going, without it.
    let expected: Vec<i64> = stays.iter().flat_map(|(from, to)| *from..to.unwrap_or(head + 1)).collect();
    assert_eq!(heard, expected);
    server.stop().await;
}

#[test]
fn live_events_are_a_fresh_fetch() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&steps(), |steps| {
            runtime.block_on(run(steps));
            Ok(())
        })
        .unwrap();
}
