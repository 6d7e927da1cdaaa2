//! The server is killed, and everybody comes back as soon as it is there again.

use super::Size;
use super::figures::{Figures, p99};
use super::follower::{Follower, Stop};
use super::people::{Backoff, Crowd, lost_and_twice};
use super::writer::{Word, Writer};
use crate::raw;
use crate::world::PASSWORD;
use futures_util::future::join_all;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};

/// Members of a group, and connections of each.
const MEMBERS: usize = 5;
const CONNECTIONS: usize = 10;
/// Between two messages of a group.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the CPU's time is measured.
const WINDOW: Duration = Duration::from_secs(2);
/// Until everybody is there, and until the server is as busy as before.
const ALL_THERE: Duration = Duration::from_secs(20);
const CALM_AGAIN: Duration = Duration::from_secs(30);
/// How many log in meanwhile, at least, and as many when all is calm.
const LOG_INS: usize = 20;
/// More of a core than before that is as before.
const AS_BEFORE: f64 = 0.15;

pub(crate) async fn storm(size: Size, figures: &mut Figures) {
    let mut crowd = Crowd::gather(size.of(30, 500), 20_000, &[]).await;
    let (at, begun) = (crowd.address(), Instant::now());
    let (word, words) = watch::channel(Word::Write);
    let (server, servers) = watch::channel(Some(at));
    let (back, mut backs) = mpsc::unbounded_channel();
    let (mut readers, mut writers) = (Vec::new(), Vec::new());
    for (group, members) in crowd.groups(MEMBERS).await {
        for login in members.iter().flat_map(|login| std::iter::repeat_n(login, CONNECTIONS)) {
            let follower = Follower::come(at, login, group, None, begun).await;
            readers.push(tokio::spawn(endure(follower, servers.clone(), back.clone())));
        }
        let writer = Writer { login: members[0].clone(), group, pause: PAUSE, size: 200, begun };
        writers.push(writer.start(servers.clone(), words.clone()));
    }
    figures.tell("connections", readers.len());
    let usual = busy(&crowd).await;

    server.send_replace(None);
    crowd.take_server().kill();
    if size == Size::Full {
        // Who logs in meanwhile costs what it costs a real server: the old hash is checked, and a new one made.
        crowd.place.settings.push(("CHAT_PBKDF2_ITERATIONS", "600000".to_owned()));
    }
    crowd.start_server();
    let (at, started) = (crowd.address(), Instant::now());
    server.send_replace(Some(at));
    let names: Vec<String> = crowd.people.iter().map(|login| login.name.clone()).collect();
    let (first, later) = names.split_at(names.len() / 2);
    let (enough, enoughs) = watch::channel(false);
    let logins = tokio::spawn(log_in(at, first.to_vec(), enoughs.clone()));
    for _ in &readers {
        let _ = tokio::time::timeout_at((started + ALL_THERE * 3).into(), backs.recv()).await;
    }
    figures.within("from its start until all are ready", started.elapsed(), ALL_THERE);
    enough.send_replace(true);
    let mut logins = logins.await.unwrap();
    let hashes = crowd.metric("password_hashes_total").await;
    // A weaker hash is replaced.
    let each = size.of(1, 2);
    figures.tell("log-ins meanwhile", logins.len());
    figures.exactly("password hashes beside theirs", hashes - logins.len() as u64 * each, 0);
    let calm = async { while busy(&crowd).await > usual + AS_BEFORE {} };
    let _ = tokio::time::timeout(CALM_AGAIN * 2, calm).await;
    figures.within("from its start until it is as busy as before", started.elapsed(), CALM_AGAIN);
    let alone = p99(&mut log_in(at, later.to_vec(), enoughs).await);
    figures.tell("p99 of log-ins in calm", format!("{alone:.1?}"));
    // Twice of that, where the machine needs long for a hash.
    let bound = Duration::from_secs(size.of(5, 1)).max(alone * 2);
    figures.within("p99 of log-ins meanwhile", p99(&mut logins), bound);

    word.send_replace(Word::End);
    let wrong = join_all(readers).await.into_iter().filter_map(|reader| reader.unwrap().err());
    let wrong: Vec<String> = wrong.collect();
    figures.exactly("readers with a gap or a repeat", wrong.len(), 0);
    wrong.iter().take(3).for_each(|what| println!("{what}"));
    let (mut acked, mut lost, mut twice) = (0, 0, 0);
    for writer in writers {
        let (group, login, written) = writer.await.unwrap();
        let found = lost_and_twice(crowd.address(), &login, group, &written.acked).await;
        acked += written.acked.len();
        (lost, twice) = (lost + found.0, twice + found.1);
    }
    figures.tell("messages acknowledged", acked);
    figures.exactly("acknowledged and lost", lost, 0);
    figures.exactly("there twice", twice, 0);
}

/// Follows to the last message, coming back as often as it must.
async fn endure(
    mut follower: Follower,
    mut server: watch::Receiver<Option<SocketAddr>>,
    back: mpsc::UnboundedSender<()>,
) -> Result<(), String> {
    loop {
        let has_missed = match follower.follow().await {
            Stop::Last => return Ok(()),
            Stop::Wrong(what) => return Err(what),
            Stop::Resync => true,
            Stop::End(_) => {
                let mut backoff = Backoff::default();
                loop {
                    let at = server.wait_for(Option::is_some).await.unwrap().unwrap();
                    if let Some(has_missed) = follower.come_back(at, None).await {
                        let _ = back.send(());
                        break has_missed;
                    }
                    backoff.wait().await;
                }
            }
        };
        let at = server.borrow().unwrap();
        if has_missed && follower.catch_up(at).await? {
            return Ok(());
        }
    }
}

/// Logs one after the other in until it is enough; how long each took.
async fn log_in(at: SocketAddr, names: Vec<String>, enough: watch::Receiver<bool>) -> Vec<Duration> {
    let mut times = Vec::new();
    for name in names {
        let begun = Instant::now();
        let body = json!({"username": name, "password": PASSWORD});
        let (status, answer) = raw::call(at, "", "POST", "/auth/login", Some(&body)).await.unwrap();
        assert_eq!(status, 200, "{answer}");
        times.push(begun.elapsed());
        if *enough.borrow() && times.len() >= LOG_INS {
            break;
        }
    }
    times
}

/// How much of a core the server uses.
async fn busy(crowd: &Crowd) -> f64 {
    let (before, begun) = (crowd.server().cpu(), Instant::now());
    tokio::time::sleep(WINDOW).await;
    (crowd.server().cpu() - before) / begun.elapsed().as_secs_f64()
}
