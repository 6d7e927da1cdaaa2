//! Readers that stop reading, or read a little now and then: they cost little, slow nobody, and miss nothing.
//!
//! All read first. Then some turn slow, under the same load, and stay so until everything is measured: who was told that
//! something is missing, or was cut, reads it at the end. The clients share the machine with the server, and a thousand
//! who read their history anew would be what is measured.

use super::figures::{Figures, p99};
use super::follower::{Follower, Stop};
use super::people::{Backoff, Crowd};
use super::writer::{Word, Writer};
use super::{Came, Size};
use crate::faults::socket_memory;
use futures_util::future::join_all;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What the system may keep for a reader that does not read.
const WINDOW: u32 = 4096;
/// Between two frames that a reader who sips reads.
const SIP: Duration = Duration::from_millis(150);
/// How long a reader that does not read sleeps before it comes back and sleeps again: longer than it takes to be cut, so
/// that there are always as many.
const NAP: Duration = Duration::from_secs(20);
/// How often a reader tries to come back.
const TRIES: usize = 10;
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
    let (mood, moods) = watch::channel(Mood::Read);
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
        let slow = if is_loud { &members[1..] } else { &[] };
        for login in slow.iter().flat_map(|login| std::iter::repeat_n(login, plan.sloths.1)) {
            let follower = Follower::come(at, login, group, Some(WINDOW), begun).await;
            let sloth = Sloth { follower, at, n: sloths.len() as u32, has_last: false };
            sloths.push(tokio::spawn(sloth.live(moods.clone())));
        }
        let (login, pause) = (members[0].clone(), plan.pauses[usize::from(!is_loud)]);
        let writer = Writer { login, group, pause, size: plan.size, begun };
        writers.push(writer.start(servers.clone(), words.clone()));
    }
    figures.tell("connections, of them slow", format!("{}, {}", fast.len() + sloths.len(), sloths.len()));
    let (first, cpu) = (begun.elapsed(), crowd.server().cpu());
    tokio::time::sleep(plan.lasts[0]).await;
    let before = held(&crowd);
    let (second, cpu_alone) = (begun.elapsed(), crowd.server().cpu() - cpu);
    mood.send_replace(Mood::Slow);
    let most = most_held(&crowd, plan.lasts[1]).await;
    let (third, cpu_beside) = (begun.elapsed(), crowd.server().cpu() - cpu - cpu_alone);
    let [memory, sockets] = [0, 1].map(|part| most[part].saturating_sub(before[part]) >> 20);
    figures.tell("more memory of the server, and of all sockets, MB", format!("{memory}, {sockets}"));
    figures.at_most("both together", memory + sockets, MEMORY);
    word.send_replace(Word::End);
    let cpu = [(cpu_alone, second - first), (cpu_beside, third - second)];
    let cores = cpu.map(|(cpu, time)| format!("{:.2}", cpu / time.as_secs_f64()));
    figures.tell("cores that the server uses without slow readers, and beside them", cores.join(", "));

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
    mood.send_replace(Mood::CatchUp);
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

/// What those who can be slow do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Read,
    /// Read little or nothing.
    Slow,
    /// Read everything, and what was missed.
    CatchUp,
}

/// What became of a slow reader.
#[derive(Default)]
struct Met {
    resyncs: usize,
    cuts: usize,
}

/// A reader that can be slow.
struct Sloth {
    follower: Follower,
    at: SocketAddr,
    n: u32,
    /// The last message came while it was slow.
    has_last: bool,
}

impl Sloth {
    /// Follows to the last message, as slowly as the mood says.
    async fn live(mut self, mut moods: watch::Receiver<Mood>) -> Result<Met, String> {
        tokio::select! {
            biased;
            _ = moods.wait_for(|mood| *mood != Mood::Read) => {}
            stop = self.follower.follow() => return Err(format!("{stop:?} while it still read")),
        }
        let mut met = Met::default();
        let over = async {
            let _ = moods.wait_for(|mood| *mood == Mood::CatchUp).await;
        };
        let slowly = async {
            // Every second one does not read at all.
            let end = if self.n.is_multiple_of(2) { self.sip(&mut met).await } else { self.nap().await };
            match end {
                Ok(()) => std::future::pending().await,
                Err(what) => what,
            }
        };
        tokio::select! {
            biased;
            () = over => {}
            what = slowly => return Err(what),
        }
        self.catch_up(met).await
    }

    /// Reads a frame now and then, to the last message.
    async fn sip(&mut self, met: &mut Met) -> Result<(), String> {
        let mut pace = tokio::time::interval(SIP);
        loop {
            pace.tick().await;
            match self.follower.step().await {
                None => {}
                Some(Stop::Last) => {
                    self.has_last = true;
                    return Ok(());
                }
                Some(stop) => self.bear(stop, met, Some(WINDOW)).await?,
            }
        }
    }

    /// Does not read, and comes back now and then over a new connection. Not all at once.
    async fn nap(&mut self) -> Result<(), String> {
        let mut nap = NAP * (self.n % 64) / 64;
        loop {
            tokio::time::sleep(nap).await;
            self.come_back(Some(WINDOW)).await?;
            nap = NAP;
        }
    }

    /// Reads everything, as often as it must over a new connection.
    async fn catch_up(mut self, mut met: Met) -> Result<Met, String> {
        loop {
            if self.follower.is_behind() && self.follower.catch_up(self.at).await? {
                return Ok(met);
            }
            if self.has_last {
                return Ok(met);
            }
            match self.follower.follow().await {
                Stop::Last => return Ok(met),
                stop => self.bear(stop, &mut met, None).await?,
            }
        }
    }

    /// What may happen to a slow reader.
    async fn bear(&mut self, stop: Stop, met: &mut Met, window: Option<u32>) -> Result<(), String> {
        match stop {
            Stop::Resync => met.resyncs += 1,
            Stop::End(Came::Closed(4008) | Came::Gone) => {
                met.cuts += 1;
                self.come_back(window).await?;
            }
            Stop::End(end) => return Err(format!("a slow reader was cut with {end:?}")),
            Stop::Wrong(what) => return Err(what),
            Stop::Last => {}
        }
        Ok(())
    }

    async fn come_back(&mut self, window: Option<u32>) -> Result<(), String> {
        let mut backoff = Backoff::default();
        for _ in 0..TRIES {
            if self.follower.come_back(self.at, window).await.is_some() {
                return Ok(());
            }
            backoff.wait().await;
        }
        Err("a slow reader could not come back".to_owned())
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
