//! What is told in a room: once for all, and to nobody who left.

use super::*;
use std::cell::Cell;

thread_local! {
    /// Frames that the next test's hub has encoded.
    static ENCODED: Cell<usize> = const { Cell::new(0) };
}

#[test]
fn check_55_a_message_to_ten_thousand_members_is_encoded_once() {
    const MEMBERS: usize = 10_000;
    let encode = |frame: &_| {
        ENCODED.set(ENCODED.get() + 1);
        Bytes::from(serde_json::to_vec(frame).unwrap())
    };
    let hub = Hub::new(encode, 1);
    hub.lock().set_room(RoomState {
        conversation: conversation(0),
        head_rev: Rev::new(1).unwrap(),
        direct: false,
        wrote: Vec::new(),
        members: (0..MEMBERS).map(user).collect(),
    });
    let clients: Vec<_> = (0..MEMBERS).map(|index| Client::new(index as u64)).collect();
    for (index, client) in clients.iter().enumerate() {
        hub.register(user(index), &username(index), client.clone()).unwrap();
    }
    let Change::Message { message, .. } = notice(0, 0, 2, false) else { panic!("a notice is a message") };
    let change = Change::Message { message, joined: Vec::new(), left: Vec::new() };
    assert!(hub.publish(change, &mut Vec::new()).is_ok());
    assert_eq!(ENCODED.get(), 1);
    assert!(clients.iter().all(|client| client.view.lock().unwrap().held.len() == 1));
}

/// A connection that looks whether the hub is locked while it is told something.
struct Witness {
    hub: Arc<Hub>,
    client: Client,
    told: AtomicU64,
}

impl Connection for Witness {
    fn id(&self) -> u64 {
        self.client.id
    }

    fn session(&self) -> &SessionId {
        &self.client.session
    }

    fn push(&self, _frame: &Frame) -> bool {
        assert!(self.hub.inner.try_lock().is_err(), "somebody could leave meanwhile, and be told this after");
        self.told.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn flush(&self) {}

    fn close(&self, _code: CloseCode, _reason: String) {}
}

#[test]
fn whoever_left_is_not_told_who_writes() {
    let World { hub, .. } = World::new(0);
    let hub = Arc::new(hub);
    let witness = |id| {
        let client = Client { id, session: id.to_string().parse().unwrap(), view: Mutex::default() };
        Arc::new(Witness { hub: hub.clone(), client, told: AtomicU64::new(0) })
    };
    let witnesses = [witness(1), witness(2)];
    for (index, witness) in witnesses.iter().enumerate() {
        hub.register(user(index), &username(index), witness.clone()).unwrap();
    }
    assert!(hub.typing(user(0), conversation(0)));
    assert_eq!(witnesses.map(|witness| witness.told.load(Ordering::Relaxed)), [0, 1]);
}
