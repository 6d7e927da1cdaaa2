//! In whatever order people come, go, look, join and leave, everybody ends up knowing who is there.

mod pieces;
mod told;

use super::presence::Tick;
use super::*;
use crate::store::Change;
use bytes::Bytes;
use chat_shared::SessionId;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The users, each in a place of its own.
const USERS: usize = 4;
/// The groups.
const GROUPS: usize = 2;
/// Those who are in every group from the begin.
const FOUNDERS: usize = 2;
/// With so many more, who never come, a group in which all users are is too large for presence, by one.
const CROWD: usize = limits::PRESENCE_MEMBERS + 1 - USERS;

/// A connection that keeps what its client would know of who is online.
struct Client {
    id: u64,
    session: SessionId,
    view: Mutex<View>,
}

#[derive(Default)]
struct View {
    is_ready: bool,
    /// What came before `ready` was written, and waits behind it.
    held: Vec<Value>,
    online: BTreeSet<String>,
}

impl View {
    fn apply(&mut self, frame: &Value) {
        for change in frame["changes"].as_array().into_iter().flatten() {
            let username = change["username"].as_str().unwrap().to_owned();
            if change["online"] == true {
                self.online.insert(username);
            } else {
                self.online.remove(&username);
            }
        }
    }
}

impl Client {
    fn new(id: u64) -> Arc<Self> {
        Arc::new(Self { id, session: id.to_string().parse().unwrap(), view: Mutex::default() })
    }

    fn ready(&self, online: Vec<Username>) {
        let mut view = self.view.lock().unwrap();
        view.is_ready = true;
        view.online = online.iter().map(ToString::to_string).collect();
        for frame in std::mem::take(&mut view.held) {
            view.apply(&frame);
        }
    }
}

impl Connection for Client {
    fn id(&self) -> u64 {
        self.id
    }

    fn session(&self) -> &SessionId {
        &self.session
    }

    fn push(&self, frame: &Frame) -> bool {
        let frame: Value = serde_json::from_slice(&frame.bytes).unwrap();
        let mut view = self.view.lock().unwrap();
        if view.is_ready {
            view.apply(&frame);
        } else {
            view.held.push(frame);
        }
        false
    }

    fn flush(&self) {}

    fn close(&self, _code: CloseCode, _reason: String) {}
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// A connection of the user is registered; it has seen nothing yet.
    Come(usize),
    /// The eldest connection of the user that waits for it is told who is online.
    Ready(usize),
    /// The eldest connection of the user ends.
    Go(usize),
    /// The user enters the group.
    Join(usize, usize),
    /// The user leaves the group.
    Leave(usize, usize),
    /// The group is deleted.
    Delete(usize),
    /// What gathered is told.
    Tick,
    /// What gathered is begun to be told, or one more is told of it.
    Tell,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..USERS).prop_map(Step::Come),
        4 => (0..USERS).prop_map(Step::Ready),
        3 => (0..USERS).prop_map(Step::Go),
        2 => (0..USERS, 0..GROUPS).prop_map(|(who, group)| Step::Join(who, group)),
        2 => (0..USERS, 0..GROUPS).prop_map(|(who, group)| Step::Leave(who, group)),
        1 => (0..GROUPS).prop_map(Step::Delete),
        3 => Just(Step::Tick),
        4 => Just(Step::Tell),
    ];
    proptest::collection::vec(step, 1..40)
}

/// A hub with groups, and who is connected to it.
struct World {
    hub: Hub,
    groups: Vec<Group>,
    connections: Vec<(usize, Arc<Client>)>,
    next: u64,
    /// Of the tick that is under way, if one is.
    tick: Option<Tick>,
}

struct Group {
    head: i64,
    members: [bool; USERS],
    is_deleted: bool,
}

impl World {
    /// `crowd`: members of the first group who never come.
    fn new(crowd: usize) -> Self {
        let hub = Hub::new(|frame| Bytes::from(serde_json::to_vec(frame).unwrap()), 100);
        for group in 0..GROUPS {
            let crowd = if group == 0 { crowd } else { 0 };
            hub.lock().set_room(RoomState {
                conversation: conversation(group),
                head_rev: Rev::new(1).unwrap(),
                direct: false,
                wrote: Vec::new(),
                members: (0..FOUNDERS).chain(USERS..USERS + crowd).map(user).collect(),
            });
        }
        let members = std::array::from_fn(|index| index < FOUNDERS);
        let groups = (0..GROUPS).map(|_| Group { head: 1, members, is_deleted: false }).collect();
        Self { hub, groups, connections: Vec::new(), next: 1, tick: None }
    }

    fn publish(&self, change: Change) {
        assert!(self.hub.publish(change, &mut Vec::new()).is_ok());
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Come(who) => {
                let client = Client::new(self.next);
                self.next += 1;
                self.hub.register(user(who), &username(who), client.clone()).unwrap();
                self.connections.push((who, client));
            }
            Step::Ready(who) => {
                let waits = |(owner, client): &&(usize, Arc<Client>)| {
                    *owner == who && !client.view.lock().unwrap().is_ready
                };
                if let Some((_, client)) = self.connections.iter().find(waits) {
                    client.ready(self.hub.online_for(user(who)));
                }
            }
            Step::Go(who) => {
                if let Some(at) = self.connections.iter().position(|(owner, _)| *owner == who) {
                    let (_, client) = self.connections.remove(at);
                    self.hub.unregister(user(who), client.id, 7);
                    self.hub.left();
                }
            }
            Step::Join(who, at) | Step::Leave(who, at) => {
                let joins = matches!(step, Step::Join(..));
                let group = &mut self.groups[at];
                if group.is_deleted || group.members[who] == joins {
                    return;
                }
                group.members[who] = joins;
                group.head += 1;
                let head = group.head;
                self.publish(notice(who, at, head, joins));
            }
            Step::Delete(at) => {
                self.groups[at].is_deleted = true;
                self.publish(Change::Deleted { conversation: conversation(at) });
            }
            Step::Tick => {
                self.tell(usize::MAX);
                self.tell(usize::MAX);
            }
            Step::Tell => self.tell(1),
        }
    }

    /// Goes on with the tick that is under way, or begins one.
    fn tell(&mut self, at_once: usize) {
        let mut tick = self.tick.take().unwrap_or_else(|| self.hub.begin_tick());
        if self.hub.tell_some(&mut tick, at_once) {
            self.tick = Some(tick);
        } else {
            self.hub.end_tick();
        }
    }

    /// After the last tick, every client that was told at all knows what it would be told afresh.
    fn check(&mut self) {
        self.step(Step::Tick);
        for (who, client) in &self.connections {
            let view = client.view.lock().unwrap();
            let truth = self.hub.online_for(user(*who)).iter().map(ToString::to_string).collect();
            if view.is_ready {
                assert_eq!(view.online, truth, "as {} sees it", username(*who));
            }
        }
    }
}

fn conversation(group: usize) -> ConversationId {
    ConversationId::new(group as i64 + 1).unwrap()
}

fn user(index: usize) -> UserId {
    UserId::new(index as i64 + 1).unwrap()
}

fn username(index: usize) -> Username {
    format!("user{index}").parse().unwrap()
}

/// The notice of somebody's coming, with the group as they see it, or of their going.
fn notice(who: usize, group: usize, rev: i64, joins: bool) -> Change {
    let name = username(who);
    let id = conversation(group);
    let seen = json!({
        "id": id, "kind": "group", "role": "member", "member_count": 1, "head_rev": rev - 1,
        "last_seq": rev - 1, "read_seq": rev - 1, "unread": 0, "mentions": 0, "level": "all",
        "marked_unread": false,
    });
    let message = json!({
        "conversation_id": id, "seq": rev, "rev": rev, "kind": "notice", "body": "", "sent_at": 0,
        "sender": {"id": user(who), "username": name, "display_name": ""},
        "event": {"kind": if joins { "joined" } else { "left" }, "user": name},
    });
    let mut joined = Vec::new();
    if joins {
        joined.push((user(who), serde_json::from_value(seen).unwrap()));
    }
    let left = if joins { Vec::new() } else { vec![user(who)] };
    Change::Message { message: serde_json::from_value(message).unwrap(), joined, left }
}

fn run(steps: &[Step]) {
    run_in(World::new(0), steps);
}

fn run_in(mut world: World, steps: &[Step]) {
    for step in steps {
        world.step(*step);
    }
    world.check();
}

#[test]
fn whoever_looked_between_a_coming_and_a_going_learns_of_the_going() {
    run(&[Step::Come(0), Step::Come(1), Step::Ready(1), Step::Go(0)]);
}

#[test]
fn whoever_looked_between_a_going_and_a_coming_learns_of_the_coming() {
    run(&[Step::Come(0), Step::Tick, Step::Go(0), Step::Come(1), Step::Ready(1), Step::Come(0)]);
}

#[test]
fn whoever_was_greeted_by_somebody_learns_of_their_going() {
    run(&[Step::Come(0), Step::Ready(0), Step::Come(3), Step::Join(3, 0), Step::Go(3)]);
}

#[test]
fn whoever_comes_back_into_sight_was_seen_to_go() {
    let [leave_both, join] = [[Step::Leave(0, 0), Step::Leave(0, 1)], [Step::Join(0, 0), Step::Tick]];
    let begin = [Step::Come(0), Step::Come(1), Step::Ready(1)];
    // Gone while out of sight, and gone but not told yet when they left.
    run(&[&begin[..], &leave_both, &[Step::Go(0), Step::Tick], &join].concat());
    run(&[&begin[..], &[Step::Tick, Step::Go(0)], &leave_both, &[Step::Tick], &join].concat());
}

#[test]
fn whom_a_group_that_grew_too_large_no_longer_shows_is_offline() {
    let both = [Step::Come(0), Step::Ready(0), Step::Come(1), Step::Ready(1), Step::Leave(1, 1), Step::Tick];
    let grows = [Step::Join(2, 0), Step::Join(3, 0)];
    run_in(World::new(CROWD), &[&both[..], &grows].concat());
    // Also when one of them goes, or leaves, before it is told.
    run_in(World::new(CROWD), &[&both[..], &grows, &[Step::Go(0)]].concat());
    run_in(World::new(CROWD + 1), &[&both[..], &grows, &[Step::Leave(0, 0)]].concat());
}

#[test]
fn whom_a_group_that_shrank_shows_again_is_online() {
    let begin = [Step::Join(2, 0), Step::Join(3, 0), Step::Tick, Step::Leave(0, 1)];
    let come = [Step::Come(0), Step::Ready(0), Step::Come(1), Step::Ready(1), Step::Tick];
    run_in(World::new(CROWD), &[&begin[..], &come, &[Step::Leave(3, 0)]].concat());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_quiet_everybody_knows_who_is_online_whatever_size_the_group_has(steps in steps()) {
        run_in(World::new(CROWD), &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_quiet_everybody_knows_who_is_online(steps in steps()) {
        run(&steps);
    }
}
