//! The network of a crowd vanishes, without an end: the server gives them up in time, others learn it, nothing is lost.

use super::Size;
use super::figures::Figures;
use super::people::{Crowd, lost_and_twice};
use super::watcher::{Told, Watcher, until_all};
use super::writer::{Word, Writer};
use crate::chance::Chance;
use crate::proxy::{Proxy, Weather};
use crate::raw::RawSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Connections of each.
const CONNECTIONS: usize = 10;
/// Between two messages that they do not hear.
const PAUSE: Duration = Duration::from_millis(200);
/// From the end of the last connection until others are told, at most.
const TOLD_AFTER: Duration = Duration::from_secs(3);
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn half_open(size: Size, figures: &mut Figures) {
    // Less than a third heartbeat late: the server does not have the machine for itself.
    let (heartbeat, late) = size.of((3_000, 2_500), (20_000, 1_000));
    let given_up = Duration::from_millis(u64::from(heartbeat) * 2 + late);
    let crowd = Crowd::gather(size.of(20, 200) + 1, heartbeat, &[]).await;
    let (at, begun) = (crowd.address(), Instant::now());
    let (stays, ghosts) = crowd.people.split_first().unwrap();
    let group = crowd.group("all", &crowd.people).await;
    let proxy = Proxy::before(at, Weather::Fair, Chance::new(1, "half open")).await.unwrap();
    let told = Arc::new(Told::default());
    let watching = [Watcher::come(at, stays, &told).await];
    let (word, words) = watch::channel(Word::Write);
    let (_server, servers) = watch::channel(Some(at));
    let writer = Writer { login: stays.clone(), group, pause: PAUSE, size: 200, begun }.start(servers, words);
    let mut silenced = Vec::new();
    for login in ghosts.iter().flat_map(|login| std::iter::repeat_n(login, CONNECTIONS)) {
        let mut socket = RawSocket::connect(proxy.address, &login.token, None).await.unwrap();
        silenced.push(tokio::spawn(async move { while socket.text().await.is_ok() {} }));
    }
    figures.tell("connections", silenced.len());
    let all = crowd.people.len();
    let came = until_all(&watching, PATIENCE, |watcher| watcher.count() == all).await;
    figures.exactly("their coming is told", came, true);

    proxy.weather.send_replace(Weather::Swallow);
    let swallowed = Instant::now();
    // The one who stays watches and writes.
    let reaped = async {
        crowd.falls_to("connections", 2).await;
        swallowed.elapsed()
    };
    let known = async {
        until_all(&watching, given_up * 2, |watcher| watcher.count() == 1).await;
        swallowed.elapsed()
    };
    let (reaped, known) = tokio::join!(tokio::time::timeout(given_up * 2, reaped), known);
    figures.within("until all are given up", reaped.unwrap_or(given_up * 2), given_up);
    figures.within("until the others know", known, given_up + TOLD_AFTER);
    silenced.iter().for_each(tokio::task::JoinHandle::abort);

    word.send_replace(Word::End);
    let (_, _, written) = writer.await.unwrap();
    figures.tell("messages meanwhile", written.acked.len());
    let mut sums = (0, 0);
    for login in ghosts {
        let (lost, twice) = lost_and_twice(at, login, group, &written.acked).await;
        sums = (sums.0 + lost, sums.1 + twice);
    }
    figures.exactly("of them lost to those who come back", sums.0, 0);
    figures.exactly("of them there twice", sums.1, 0);
}
