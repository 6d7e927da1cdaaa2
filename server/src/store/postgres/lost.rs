//! Connections that are lost at the worst moment: while a commit is under way.

use super::tests::place;
use super::*;
use crate::store::conformance::{Heard, Teller};
use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use tests::support::Place;

/// In a text: its commit is done, and the answer does not arrive.
const ANSWER: &str = "loses the answer";
/// In a text: its commit does not arrive.
const COMMIT: &str = "loses the commit";

/// Stands between the server and PostgreSQL, and loses what it is told to lose, once each.
struct Between {
    cluster: String,
    left: Mutex<Vec<&'static str>>,
}

impl Between {
    /// Listens in this directory, which is where the server looks for PostgreSQL.
    fn listen(dir: &Path) -> Arc<Self> {
        let cluster = std::env::var("CHAT_TEST_CLUSTER").expect("run it with scripts/with-postgres");
        let between = Arc::new(Self { cluster, left: Mutex::new(vec![ANSWER, COMMIT]) });
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
            if self.is_to_be_lost(piece, COMMIT) {
                break;
            }
            *lost.lock().unwrap() |= self.is_to_be_lost(piece, ANSWER);
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
    let store = PostgresStore::open(&Address::parse(&url).unwrap(), heard.clone()).unwrap();
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
    assert!(between.left.lock().unwrap().is_empty(), "both were lost");
    heard.check_revs(room, store.conversation(user, room).await.unwrap().head_rev);
    store.close().await;
}
