//! More sockets than the server may open: whoever is inside is served, and whoever waits gets in as soon as somebody
//! leaves.

use super::Size;
use super::figures::{Figures, p99};
use super::people::Crowd;
use super::writer::{Word, Writer};
use crate::raw::RawSocket;
use futures_util::future::join_all;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Files and sockets that the server may open.
const LIMIT: u32 = 256;
/// Those inside; each writes.
const INSIDE: usize = 100;
/// Sockets that come besides, each time.
const BESIDES: usize = 200;
/// How often somebody waits for the others to leave.
const TIMES: usize = 10;
/// Between two messages of each.
const PAUSE: Duration = Duration::from_millis(500);
/// A server that sleeps a second whenever it has no descriptors left lets wait for half of it.
const PROMPT: Duration = Duration::from_millis(300);
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn descriptors(size: Size, figures: &mut Figures) {
    let mut crowd = Crowd::gather(INSIDE, 20_000, &[]).await;
    crowd.take_server().stop().await;
    crowd.place.descriptors = Some(LIMIT);
    crowd.start_server();
    let (at, begun) = (crowd.address(), Instant::now());
    let (word, words) = watch::channel(Word::Write);
    let (_server, servers) = watch::channel(Some(at));
    let groups = crowd.groups(10).await;
    let inside =
        groups.iter().flat_map(|(group, members)| members.iter().map(|login| (*group, login.clone())));
    let writer = |(group, login)| Writer { login, group, pause: PAUSE, size: 200, begun };
    let writers: Vec<_> = inside.map(|one| writer(one).start(servers.clone(), words.clone())).collect();
    let mut waits = Vec::new();
    for _ in 0..TIMES {
        let mut besides = Vec::new();
        for _ in 0..BESIDES {
            besides.push(TcpStream::connect(at).await.unwrap());
        }
        let full = async {
            let mut looks = tokio::time::interval(Duration::from_millis(10));
            while crowd.server().descriptors() < LIMIT as usize {
                looks.tick().await;
            }
        };
        let is_full = tokio::time::timeout(PATIENCE, full).await.is_ok();
        assert!(is_full, "only {} descriptors are in use", crowd.server().descriptors());
        drop(besides);
        let left = Instant::now();
        RawSocket::connect(at, &crowd.people[0].token, None).await.unwrap();
        waits.push(left.elapsed());
    }
    waits.sort_unstable();
    figures.within(
        "whoever waits gets in, the median",
        waits[TIMES / 2],
        PROMPT.max(size.of(PROMPT * 2, PROMPT)),
    );
    word.send_replace(Word::End);
    let written = join_all(writers).await.into_iter().map(|written| written.unwrap().2);
    let (mut delays, mut broken) = (Vec::new(), 0_u64);
    for written in written {
        broken += u64::from(written.end.is_some()) + written.refused.len() as u64;
        delays.extend(written.delays);
    }
    figures.tell("acknowledged inside meanwhile", delays.len());
    figures.exactly("refused or cut inside", broken, 0);
    figures.within("the p99 inside", p99(&mut delays), Duration::from_secs(size.of(5, 1)));
}
