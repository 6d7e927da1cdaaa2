//! However messages are put together to pieces, everybody is told the same in the same order.

use super::*;
use crate::store::sqlite::{Opening, SqliteStore};
use crate::store::{Completion, Sink};
use proptest::test_runner::{TestCaseError, TestRunner};

/// A group, another, and the direct conversation of the first two users.
const CONVERSATIONS: usize = 3;
const DIRECT: usize = 2;

/// What one member was told, a frame a line, each time that something was queued for them.
struct Listener {
    id: u64,
    session: SessionId,
    told: Mutex<Vec<Bytes>>,
}

impl Listener {
    fn pushes(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Those whose presence is told stand in no order; here by name.
    fn lines(&self) -> Vec<Value> {
        let told = self.told.lock().unwrap().concat();
        let lines = told.split_inclusive(|byte| *byte == b'\n');
        lines
            .map(|line| {
                let mut line: Value = serde_json::from_slice(line).unwrap();
                if let Some(changes) = line.get_mut("changes").and_then(Value::as_array_mut) {
                    changes.sort_by_key(|change| change["username"].to_string());
                }
                line
            })
            .collect()
    }
}

impl Connection for Listener {
    fn id(&self) -> u64 {
        self.id
    }

    fn session(&self) -> &SessionId {
        &self.session
    }

    fn push(&self, frame: &Frame) -> bool {
        self.told.lock().unwrap().push(frame.bytes.clone());
        false
    }

    fn flush(&self) {}

    fn close(&self, _code: CloseCode, _reason: String) {}
}

#[derive(Debug, Clone)]
enum Work {
    /// Messages of this user in this conversation, of so many bytes each.
    Messages(usize, usize, Vec<usize>),
    /// This user leaves the group, or comes back.
    Turn(usize, usize),
    /// This user has read this conversation.
    Read(usize, usize),
}

fn work() -> impl Strategy<Value = Vec<Work>> {
    let sizes = proptest::collection::vec(prop_oneof![0_usize..200, 4_000_usize..20_000], 0..4);
    let work = prop_oneof![
        8 => (0..FOUNDERS, 0..CONVERSATIONS, sizes).prop_map(|(who, at, sizes)| Work::Messages(who, at, sizes)),
        1 => (FOUNDERS..USERS, 0..GROUPS).prop_map(|(who, at)| Work::Turn(who, at)),
        1 => (0..FOUNDERS, 0..CONVERSATIONS).prop_map(|(who, at)| Work::Read(who, at)),
    ];
    proptest::collection::vec(work, 1..40)
}

/// The changes of each.
fn changes(work: &[Work]) -> Vec<Vec<Change>> {
    let mut heads = [1; CONVERSATIONS];
    let mut is_in = [[false; GROUPS]; USERS];
    let mut next = |at: usize| {
        heads[at] += 1;
        heads[at]
    };
    let changes = work.iter().map(|work| match work {
        Work::Messages(who, at, sizes) => {
            sizes.iter().map(|size| message(*who, *at, next(*at), &"x".repeat(*size))).collect()
        }
        Work::Turn(who, at) => {
            is_in[*who][*at] ^= true;
            vec![notice(*who, *at, next(*at), is_in[*who][*at])]
        }
        Work::Read(who, at) => vec![Change::Read {
            user: user(*who),
            conversation: conversation(*at),
            seq: serde_json::from_value(json!(1)).unwrap(),
            unread: 0,
            mentions: 0,
            origin: None,
        }],
    });
    changes.collect()
}

fn message(who: usize, at: usize, rev: i64, body: &str) -> Change {
    let message = json!({
        "conversation_id": conversation(at), "seq": rev, "rev": rev, "kind": "text", "body": body, "sent_at": 0,
        "sender": {"id": user(who), "username": username(who), "display_name": ""},
    });
    let message = serde_json::from_value(message).unwrap();
    Change::Message { message, joined: Vec::new(), left: Vec::new() }
}

/// A hub in which everybody listens.
fn listened() -> (Arc<Hub>, Vec<Arc<Listener>>) {
    let line = |frame: &_| {
        let mut bytes = serde_json::to_vec(frame).unwrap();
        bytes.push(b'\n');
        Bytes::from(bytes)
    };
    let hub = Hub::new(line, 1);
    for at in 0..CONVERSATIONS {
        hub.lock().set_room(RoomState {
            conversation: conversation(at),
            head_rev: Rev::new(1).unwrap(),
            direct: at == DIRECT,
            wrote: Vec::new(),
            members: (0..FOUNDERS).map(user).collect(),
        });
    }
    let listeners: Vec<_> = (0..USERS)
        .map(|index| {
            let id = index as u64;
            let session = id.to_string().parse().unwrap();
            Arc::new(Listener { id, session, told: Mutex::default() })
        })
        .collect();
    for (index, listener) in listeners.iter().enumerate() {
        hub.register(user(index), &username(index), listener.clone()).unwrap();
    }
    (Arc::new(hub), listeners)
}

/// Told one by one: the lines of each, and how many they were after each piece of work.
fn one_by_one(work: &[Work]) -> Vec<(Vec<Value>, Vec<usize>)> {
    let (hub, listeners) = listened();
    let mut after = vec![Vec::new(); USERS];
    for changes in changes(work) {
        for change in changes {
            assert!(hub.publish(change, &mut Vec::new()).is_ok());
        }
        for (listener, after) in listeners.iter().zip(&mut after) {
            after.push(listener.lines().len());
        }
    }
    listeners.iter().map(|listener| listener.lines()).zip(after).collect()
}

/// Nothing is in it: it is there for what the hub has missed.
fn empty_store() -> (tempfile::TempDir, Arc<dyn Store>) {
    struct Nobody;
    impl Sink for Nobody {
        fn committed(&mut self, _batch: Vec<Completion>) {}
    }
    let dir = tempfile::tempdir().unwrap();
    let opening = Opening { path: dir.path().join("chat.db"), reserve: 0 };
    let store = Arc::new(SqliteStore::open(&opening, Nobody).unwrap());
    (dir, store)
}

/// Told as one batch, with a reply for everybody to each piece of work; the listeners.
fn as_a_batch(store: &Arc<dyn Store>, work: &[Work]) -> Vec<Arc<Listener>> {
    let (hub, listeners) = listened();
    let batch = changes(work).into_iter().enumerate().map(|(number, changes)| {
        let listeners = listeners.clone();
        let reply = Frame { bytes: format!("{{\"reply\": {number}}}\n").into(), kind: FrameKind::Reply };
        let finish = Box::new(move || listeners.iter().for_each(|listener| assert!(!listener.push(&reply))));
        Completion { changes, finish }
    });
    let (mut queue, publisher) = Publisher::channel();
    queue.committed(batch.collect());
    drop(queue);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(publisher.run(hub, store.clone()));
    listeners
}

/// In pieces everybody is told the same, and before the reply.
fn is_told_the_same(store: &Arc<dyn Store>, work: &[Work]) -> Result<(), TestCaseError> {
    let told = as_a_batch(store, work);
    for ((lines, after), listener) in one_by_one(work).into_iter().zip(told) {
        let told = listener.lines();
        let (replies, events): (Vec<_>, Vec<_>) =
            told.iter().enumerate().partition(|(_, line)| line.get("reply").is_some());
        prop_assert_eq!(events.into_iter().map(|(_, line)| line.clone()).collect::<Vec<_>>(), lines);
        prop_assert_eq!(replies.len(), after.len());
        for (number, ((at, reply), after)) in replies.into_iter().zip(after).enumerate() {
            prop_assert_eq!(reply, &json!({ "reply": number }));
            // So many replies came before it; the rest are what was to come.
            prop_assert!(at - number >= after, "reply {number} after {} lines of {after}", at - number);
        }
    }
    Ok(())
}

#[test]
fn in_pieces_everybody_is_told_the_same_and_before_the_reply() {
    let (_dir, store) = empty_store();
    let config = ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(&work(), |work| is_told_the_same(&store, &work)).unwrap();
}

#[test]
fn what_follows_in_a_conversation_is_queued_at_once_up_to_a_bound() {
    let (_dir, store) = empty_store();
    let pushes = |work: &[Work]| as_a_batch(&store, work)[1].pushes() - work.len();
    let [a, b] = [0, 1].map(|at| Work::Messages(0, at, vec![10]));
    assert_eq!(pushes(&vec![a.clone(); 100]), 1);
    // Two of them are more than a piece is meant to be.
    assert_eq!(pushes(&[Work::Messages(0, 0, vec![20_000; 4])]), 2);
    assert_eq!(pushes(&[a.clone(), a.clone(), b.clone(), a, b.clone(), b]), 4);
}
