//! Readers that stop reading, or read a little now and then: they cost little, slow nobody, and miss nothing.

use super::figures::{Figures, p99};
use super::follower::{Follower, Stop};
use super::people::Crowd;
use super::writer::{Word, Writer};
use super::{Came, Size};
use crate::faults::socket_memory;
use crate::shared::Login;
use futures_util::future::join_all;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the system may keep for a reader that does not read.
const WINDOW: u32 = 4096;
/// Between two frames that a reader who sips reads.
const SIP: Duration = Duration::from_millis(150);
/// Megabytes that all of it may cost besides what it costs without slow readers.
const MEMORY: u64 = 300;
/// In calm groups: members, and connections of each.
const CALM: (usize, usize) = (5, 10);
/// The connections of those who read in loud groups, too.
const FAST: usize = 10;

/// How many there are, and what is said.
struct Plan {
    /// Groups in which much is said; and in each how many who are slow, and how many connections each has.
    loud: usize,
    sloths: (usize, usize),
    calm: usize,
    /// Between two messages in a loud group, and in a calm one; bytes of each.
    pauses: [Duration; 2],
    size: usize,
    /// Without slow readers, and with them.
    lasts: [Duration; 2],
    /// A delay that is none on a machine that others use.
    prompt: Duration,
}

fn plan(size: Size) -> Plan {
    let ms = Duration::from_millis;
    match size {
        Size::Small => Plan {
            loud: 2,
            sloths: (2, 15),
            calm: 4,
            pauses: [ms(33), ms(400)],
            size: 14_000,
            lasts: [ms(1_000), ms(5_000)],
            prompt: ms(2_000),
        },
        // 5,000 connections and 200 messages a second, half of them in the five groups with slow members.
        Size::Full => Plan {
            loud: 5,
            sloths: (10, 20),
            calm: 79,
            pauses: [ms(50), ms(790)],
            size: 2_000,
            lasts: [ms(20_000), ms(60_000)],
            prompt: ms(50),
        },
    }
}

pub(crate) async fn slow(size: Size, figures: &mut Figures) {
    let plan = plan(size);
    let in_loud = 1 + plan.sloths.0;
    let crowd = Crowd::gather(plan.loud * in_loud + plan.calm * CALM.0, 20_000, &[]).await;
    let (at, begun) = (crowd.address(), Instant::now());
    let (noisy, others) = crowd.people.split_at(plan.loud * in_loud);
    let (word, words) = watch::channel(Word::Write);
    let (_server, servers) = watch::channel(Some(at));
    let (mut fast, mut sloths, mut writers) = (Vec::new(), Vec::new(), Vec::new());
    for (n, members) in noisy.chunks(in_loud).chain(others.chunks(CALM.0)).enumerate() {
        let is_loud = n < plan.loud;
        let group = crowd.group(&format!("group{n}"), members).await;
        let (readers, each) = if is_loud { (&members[..1], FAST) } else { (members, CALM.1) };
        for login in readers.iter().flat_map(|login| std::iter::repeat_n(login, each)) {
            let mut follower = Follower::come(at, login, group, None, begun).await;
            fast.push(tokio::spawn(async move { (follower.follow().await, follower.delays) }));
        }
        if is_loud {
            let slow = members[1..].iter().flat_map(|login| std::iter::repeat_n(login, plan.sloths.1));
            sloths.extend(slow.map(|login| (login.clone(), group)));
        }
        let (login, pause) = (members[0].clone(), plan.pauses[usize::from(!is_loud)]);
        let writer = Writer { login, group, pause, size: plan.size, begun };
        writers.push(writer.start(servers.clone(), words.clone()));
    }
    figures.tell("connections, of them slow", format!("{}, {}", fast.len() + sloths.len(), sloths.len()));
    let first = begun.elapsed();
    tokio::time::sleep(plan.lasts[0]).await;
    let second = begun.elapsed();
    let before = held(&crowd);
    let (over, overs) = watch::channel(false);
    let sloths = all_come(at, &sloths, begun, &overs).await;
    let most = most_held(&crowd, plan.lasts[1]).await;
    let [memory, sockets] = [0, 1].map(|part| most[part].saturating_sub(before[part]) >> 20);
    figures.tell("more memory of the server, and of all sockets, MB", format!("{memory}, {sockets}"));
    figures.at_most("both together", memory + sockets, MEMORY);
    let third = begun.elapsed();
    over.send_replace(true);
    word.send_replace(Word::End);

    let mut delays = [Vec::new(), Vec::new()];
    let mut wrong = 0_u64;
    for reader in fast {
        let (stop, of_this) = reader.await.unwrap();
        wrong += u64::from(!matches!(stop, Stop::Last));
        for (sent, delay) in of_this.into_iter().filter(|(sent, _)| (first..third).contains(sent)) {
            delays[usize::from(sent >= second)].push(delay);
        }
    }
    figures.exactly("fast readers who missed something", wrong, 0);
    figures.tell("messages delivered to them", delays[0].len() + delays[1].len());
    let [alone, beside] = delays.map(|mut delays| p99(&mut delays));
    figures.tell("their p99 without slow readers", format!("{alone:?}"));
    figures.within("their p99 beside slow readers", beside, plan.prompt.max(alone * 2));
    let said: usize = join_all(writers).await.into_iter().map(|wrote| wrote.unwrap().2.acked.len()).sum();
    figures.tell("messages acknowledged", said);
    let (mut resyncs, mut cuts, mut wrong) = (0, 0, 0);
    for met in join_all(sloths).await {
        match met.unwrap() {
            Ok(met) => (resyncs, cuts) = (resyncs + met.resyncs, cuts + met.cuts),
            Err(what) => {
                println!("{what}");
                wrong += 1;
            }
        }
    }
    figures.tell("slow readers told to resync, and cut", format!("{resyncs}, {cuts}"));
    figures.exactly("something was dropped for some of them", resyncs + cuts > 0, true);
    figures.exactly("slow readers who missed something in the end", wrong, 0);
}

/// What became of a slow reader.
#[derive(Default)]
struct Met {
    resyncs: usize,
    cuts: usize,
}

/// The slow readers: every second one does not read at all.
async fn all_come(
    at: SocketAddr,
    logins: &[(Login, i64)],
    begun: Instant,
    over: &watch::Receiver<bool>,
) -> Vec<JoinHandle<Result<Met, String>>> {
    let mut sloths = Vec::new();
    for (n, (login, group)) in logins.iter().enumerate() {
        let follower = Follower::come(at, login, *group, Some(WINDOW), begun).await;
        sloths.push(tokio::spawn(be_slow(follower, at, n % 2 == 0, over.clone())));
    }
    sloths
}

/// Reads little or nothing until it is over, and then everything, as often as it must over a new connection.
async fn be_slow(
    mut follower: Follower,
    at: SocketAddr,
    sips: bool,
    mut over: watch::Receiver<bool>,
) -> Result<Met, String> {
    let mut stop = None;
    let mut pace = tokio::time::interval(SIP);
    let sipping = async {
        while stop.is_none() {
            pace.tick().await;
            stop = follower.step().await;
        }
    };
    tokio::select! {
        () = sipping, if sips => {}
        _ = over.wait_for(|over| *over) => {}
    }
    let mut met = Met::default();
    loop {
        let why = match stop.take() {
            Some(stop) => stop,
            None => follower.follow().await,
        };
        match why {
            Stop::Last => return Ok(met),
            Stop::Resync => met.resyncs += 1,
            Stop::End(Came::Closed(4008) | Came::Gone) => {
                met.cuts += 1;
                follower.come_back(at).await.ok_or("it could not come back")?;
            }
            Stop::End(end) => return Err(format!("a slow reader was cut with {end:?}")),
            Stop::Wrong(what) => return Err(what),
        }
        if follower.catch_up(at).await? {
            return Ok(met);
        }
    }
}

/// Bytes that the server holds, and that the system holds for all sockets.
fn held(crowd: &Crowd) -> [u64; 2] {
    [crowd.server().memory(), socket_memory()]
}

/// The most of each within this time.
async fn most_held(crowd: &Crowd, time: Duration) -> [u64; 2] {
    let mut looks = tokio::time::interval(Duration::from_secs(1));
    let until = Instant::now() + time;
    let mut most = [0, 0];
    while Instant::now() < until {
        looks.tick().await;
        most.iter_mut().zip(held(crowd)).for_each(|(most, now)| *most = now.max(*most));
    }
    most
}
