//! The server is asked to stop while a crowd reads and writes: it takes its leave of everybody, and loses nothing.

use super::figures::Figures;
use super::follower::{Follower, Stop};
use super::people::{Crowd, lost_and_twice};
use super::writer::{Word, Writer};
use super::{Came, Size};
use crate::server::STOP;
use futures_util::future::join_all;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// Members of a group, and connections of each.
const MEMBERS: usize = 2;
const CONNECTIONS: usize = 10;
/// Between two messages of a writer.
const PAUSE: Duration = Duration::from_millis(100);
/// How long they write before the server is asked to stop.
const BEFORE: Duration = Duration::from_secs(2);
/// Request heads that are never ended.
const HALF_SENT: usize = 100;

pub(crate) async fn stop(size: Size, figures: &mut Figures) {
    let mut crowd = Crowd::gather(size.of(30, 200), 20_000, &[]).await;
    let (at, begun) = (crowd.address(), Instant::now());
    let (word, words) = watch::channel(Word::Write);
    let (server, servers) = watch::channel(Some(at));
    let (mut readers, mut writers) = (Vec::new(), Vec::new());
    // A message every tenth of a second in every second group: 500 a second of the full crowd.
    for (n, (group, members)) in crowd.groups(MEMBERS).await.into_iter().enumerate() {
        for login in members.iter().flat_map(|login| std::iter::repeat_n(login, CONNECTIONS)) {
            let mut follower = Follower::come(at, login, group, None, begun).await;
            readers.push(tokio::spawn(async move { follower.follow().await }));
        }
        if n % 2 == 0 {
            let writer = Writer { login: members[0].clone(), group, pause: PAUSE, size: 200, begun };
            writers.push(writer.start(servers.clone(), words.clone()));
        }
    }
    figures.tell("connections, and writers", format!("{}, {}", readers.len(), writers.len()));
    let mut half_sent = Vec::new();
    for _ in 0..HALF_SENT {
        let mut socket = TcpStream::connect(at).await.unwrap();
        socket.write_all(b"GET /api/v1/me HTTP/1.1\r\nHost:").await.unwrap();
        half_sent.push(socket);
    }
    tokio::time::sleep(BEFORE).await;
    server.send_replace(None);
    let asked = Instant::now();
    let code = crowd.take_server().stop().await;
    figures.within("from SIGTERM to the end", asked.elapsed(), STOP);
    figures.exactly("exit code", format!("{code:?}"), "Some(0)".to_owned());
    let ends = join_all(readers).await.into_iter().map(Result::unwrap);
    let without = ends.filter(|stop| !matches!(stop, Stop::End(Came::Closed(1012)))).count();
    figures.exactly("readers who were not told 1012", without, 0);

    crowd.start_server();
    server.send_replace(Some(crowd.address()));
    word.send_replace(Word::End);
    let (mut acked, mut put_off, mut sums) = (0, 0, [0, 0, 0, 0]);
    for writer in writers {
        let (group, login, written) = writer.await.unwrap();
        let (lost, twice) = lost_and_twice(crowd.address(), &login, group, &written.acked).await;
        let unsaid = u64::from(!matches!(written.end, Some(Came::Closed(1012))));
        acked += written.acked.len();
        put_off += written.put_off;
        let of_this = [lost, twice, written.refused.len() as u64, unsaid];
        sums.iter_mut().zip(of_this).for_each(|(sum, count)| *sum += count);
    }
    figures.tell("acknowledged, and put off", format!("{acked}, {put_off}"));
    let kinds =
        ["acknowledged and lost", "there twice", "refused for good", "writers who were not told 1012"];
    kinds.into_iter().zip(sums).for_each(|(kind, count)| figures.exactly(kind, count, 0));
}
