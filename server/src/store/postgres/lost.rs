//! Connections that are lost at the worst moment: while a commit is under way.

use super::tests::place;
use super::*;
use crate::store::conformance::{Heard, Teller};
use futures_util::FutureExt as _;
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tests::support::Place;

/// In a text: its commit is done, and the answer does not arrive.
const ANSWER: &str = "loses the answer";
/// In a text: its commit does not arrive.
const COMMIT: &str = "loses the commit";

/// In a text: its commit is done, the answer does not arrive, and then there is no way to PostgreSQL.
const DONE: &str = "is done and not answered";
/// In a text: its commit does not arrive, and then there is no way to PostgreSQL.
const UNDONE: &str = "is not done";

/// Stands between the server and PostgreSQL, and loses what it is told to lose, once each.
struct Between {
    cluster: String,
    left: Mutex<Vec<&'static str>>,
    /// Nobody gets through.
    is_shut: AtomicBool,
}

impl Between {
    /// Listens in this directory, which is where the server looks for PostgreSQL.
    fn listen(dir: &Path) -> Arc<Self> {
        let cluster = std::env::var("CHAT_TEST_CLUSTER").expect("run it with scripts/with-postgres");
        let between = Arc::new(Self {
            cluster,
            left: Mutex::new(vec![ANSWER, COMMIT, DONE, UNDONE]),
            is_shut: AtomicBool::new(false),
        });
        let listener = UnixListener::bind(dir.join(".s.PGSQL.5432")).unwrap();
        let own = between.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let own = own.clone();
                thread::spawn(move || own.pass(client));
            }
        });
        between
    }

    fn pass(&self, mut client: UnixStream) {
        if self.is_shut.load(Ordering::Relaxed) {
            return;
        }
        let mut server = UnixStream::connect(format!("{}/.s.PGSQL.5432", self.cluster)).unwrap();
        let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let lost = Arc::new(Mutex::new(false));
        let is_lost = lost.clone();
        let answering = thread::spawn(move || {
            let mut piece = vec![0; 1 << 16];
            while let Ok(length @ 1..) = answers.read(&mut piece) {
                let is_lost = *is_lost.lock().unwrap();
                if is_lost && has(&piece[..length], "COMMIT\0")
                    || !is_lost && back.write_all(&piece[..length]).is_err()
                {
                    break;
                }
            }
            let _ = back.shutdown(std::net::Shutdown::Both);
        });
        let mut piece = vec![0; 1 << 16];
        while let Ok(length @ 1..) = client.read(&mut piece) {
            let piece = &piece[..length];
            let (done, undone) = (self.is_to_be_lost(piece, DONE), self.is_to_be_lost(piece, UNDONE));
            self.is_shut.fetch_or(done || undone, Ordering::Relaxed);
            if undone || self.is_to_be_lost(piece, COMMIT) {
                break;
            }
            *lost.lock().unwrap() |= done || self.is_to_be_lost(piece, ANSWER);
            if server.write_all(piece).is_err() {
                break;
            }
        }
        let _ = client.shutdown(std::net::Shutdown::Both);
        let _ = server.shutdown(std::net::Shutdown::Both);
        answering.join().unwrap();
    }

    fn is_to_be_lost(&self, piece: &[u8], what: &'static str) -> bool {
        let mut left = self.left.lock().unwrap();
        let found = left.iter().position(|word| *word == what).filter(|_| has(piece, what));
        found.map(|at| left.remove(at)).is_some()
    }
}

/// Longer than anything here takes where it works.
async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.unwrap()
}

fn has(piece: &[u8], text: &str) -> bool {
    piece.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A store whose way to PostgreSQL loses things.
fn behind(place: &Place, dir: &Path) -> (PostgresStore, Heard, Arc<Between>) {
    let between = Between::listen(dir);
    let encoded = |path: &str| path.replace('/', "%2F");
    let url = place.url.replace(&encoded(&between.cluster), &encoded(dir.to_str().unwrap()));
    assert_ne!(url, place.url);
    let heard = Heard::default();
    let store = PostgresStore::open(&tests::opening(&url), heard.clone()).unwrap();
    (store, heard, between)
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_told_once_and_one_that_is_lost_is_done_again() {
    let (dir, place) = place();
    let (store, heard, between) = behind(&place, dir.path());
    let tell = Teller { store: &store, now: 1 };
    let (user, room) = tell.user_with_a_room("alice").await;
    for (n, body) in [ANSWER, COMMIT, "nothing is lost"].into_iter().enumerate() {
        let before = store.conversation(user, room).await.unwrap().head_rev;
        let message = tell.message(n as u8, user, room, body);
        let sent = tell.send(message.clone()).await.unwrap();
        // As if nothing had happened: it is the first time, at the next rev, and there once.
        assert!(!sent.known, "{body}");
        assert_eq!(sent.ack.rev, before.next(), "{body}");
        assert_eq!(tell.send(message).await.unwrap(), Sent { known: true, ..sent }, "{body}");
    }
    assert_eq!(*between.left.lock().unwrap(), [DONE, UNDONE], "both were lost");
    heard.check_revs(room, store.conversation(user, room).await.unwrap().head_rev);
    store.close().await;
}

#[tokio::test]
async fn what_was_committed_is_told_when_that_is_known_though_its_sender_was_refused() {
    let (dir, place) = place();
    let (store, heard, between) = behind(&place, dir.path());
    let tell = Teller { store: &store, now: 1 };
    let (user, room) = tell.user_with_a_room("alice").await;
    for (n, body) in [DONE, UNDONE].into_iter().enumerate() {
        let rev = store.conversation(user, room).await.unwrap().head_rev.next();
        let message = tell.message(n as u8, user, room, body);
        assert_eq!(tell.send(message.clone()).await.unwrap_err(), StoreError::Unavailable, "{body}");
        assert!(!heard.revs(room).contains(&rev.get()), "{body}");
        between.is_shut.store(false, Ordering::Relaxed);
        if body == DONE {
            // Nobody asks for anything.
            in_time(async {
                while !heard.revs(room).contains(&rev.get()) {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        let sent = in_time(async {
            loop {
                match tell.send(message.clone()).await {
                    Err(StoreError::Unavailable) => {}
                    sent => break sent.unwrap(),
                }
            }
        })
        .await;
        assert_eq!((sent.known, sent.ack.rev), (body == DONE, rev), "{body}");
        heard.check_revs(room, rev);
    }
    store.close().await;
}

/// Gives PostgreSQL an order, past the server.
async fn order(place: &Place, sql: impl Into<String>) -> Vec<String> {
    let (place, sql) = (place.clone(), sql.into());
    tokio::task::spawn_blocking(move || place.order(&sql)).await.unwrap().unwrap()
}

/// Ends the session that writes.
async fn cut(place: &Place) {
    let place = place.clone();
    tokio::task::spawn_blocking(move || assert_eq!(place.cut().unwrap(), ["t"])).await.unwrap();
}

/// As a standby has it to which the next transaction will not come.
async fn go_back_to(place: &Place, mark: &[String]) {
    order(place, format!("UPDATE meta SET value = '{}' WHERE key = 'batch'", mark[0])).await;
    cut(place).await;
}

const MARK: &str = "SELECT value FROM meta WHERE key = 'batch'";
const EPOCH: &str = "SELECT value FROM meta WHERE key = 'epoch'";

#[tokio::test]
async fn a_database_that_went_back_gets_a_new_epoch_and_nothing_more() {
    let (_dir, place) = place();
    let (store, heard) = tests::store(&place);
    let tell = Teller { store: &store, now: 1 };
    let (user, room) = tell.user_with_a_room("alice").await;
    // As it was left: a cut changes nothing.
    for n in 0..3 {
        tell.send(tell.message(n, user, room, "text")).await.unwrap();
        cut(&place).await;
    }
    let head = store.conversation(user, room).await.unwrap().head_rev;
    heard.check_revs(room, head);
    let mark = order(&place, MARK).await;
    tell.send(tell.message(3, user, room, "text")).await.unwrap();
    go_back_to(&place, &mark).await;
    for n in 4..6 {
        let sent = tell.send(tell.message(n, user, room, "text")).await;
        assert_eq!(sent.unwrap_err(), StoreError::Unavailable);
    }
    in_time(store.replaced()).await;
    assert_eq!(store.check().await, Err(StoreError::Unavailable));
    assert_eq!(store.conversation(user, room).await.unwrap().head_rev, head.next());
    let epoch = order(&place, EPOCH).await;
    assert!(epoch.len() == 1 && epoch[0] != store.epoch(), "{epoch:?}");
    store.close().await;
}

#[tokio::test]
async fn a_database_that_went_back_takes_nothing_until_it_has_its_new_epoch() {
    let (_dir, place) = place();
    let (store, _) = tests::store(&place);
    let tell = Teller { store: &store, now: 1 };
    let (user, room) = tell.user_with_a_room("alice").await;
    let mark = order(&place, MARK).await;
    tell.send(tell.message(0, user, room, "text")).await.unwrap();
    // What a sequence counts is not rolled back.
    order(
        &place,
        "CREATE SEQUENCE tries;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN PERFORM nextval('tries'); RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON meta FOR EACH ROW WHEN (new.key = 'epoch') EXECUTE FUNCTION refuse()",
    )
    .await;
    go_back_to(&place, &mark).await;
    in_time(async { while order(&place, "SELECT last_value >= 2 FROM tries").await != ["t"] {} }).await;
    assert_eq!(store.replaced().now_or_never(), None, "it is not done");
    let sent = tell.send(tell.message(1, user, room, "text")).await;
    assert_eq!(sent.unwrap_err(), StoreError::Unavailable);
    assert_eq!(order(&place, EPOCH).await, [store.epoch()]);
    order(&place, "DROP TRIGGER refuse ON meta").await;
    in_time(store.replaced()).await;
    assert_ne!(order(&place, EPOCH).await, [store.epoch()]);
    store.close().await;
}

#[tokio::test]
async fn whoever_lost_the_database_to_another_server_ends_and_leaves_it_alone() {
    let (dir, place) = place();
    let (first, heard, between) = behind(&place, dir.path());
    let tell = Teller { store: &first, now: 1 };
    let (user, room) = tell.user_with_a_room("alice").await;
    // Nothing is known of the first, as if its machine were asleep.
    between.is_shut.store(true, Ordering::Relaxed);
    cut(&place).await;
    let (second, _) = tests::store(&place);
    let other = Teller { store: &second, now: 1 };
    other.send(tell.message(0, user, room, "text")).await.unwrap();
    let told = heard.revs(room);
    between.is_shut.store(false, Ordering::Relaxed);
    in_time(first.replaced()).await;
    let sent = tell.send(tell.message(1, user, room, "text")).await;
    assert_eq!(sent.unwrap_err(), StoreError::Unavailable);
    assert_eq!(heard.revs(room), told);
    assert!(!other.send(tell.message(1, user, room, "text")).await.unwrap().known);
    assert_eq!(order(&place, EPOCH).await, [second.epoch()], "nobody has to read anything anew");
    first.close().await;
    second.close().await;
}
