//! What the generator does in each scenario, and what it measures.

use super::Crowd;
use super::connection::{Connection, To};
use crate::process::{Meter, Process};
use crate::report::Figures;
use crate::scenario::Work;
use crate::wire::{Meet, Plan};
use anyhow::Result;
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// What does not come within this time is lost.
const LOST: Duration = Duration::from_secs(5);

/// Does a scenario's work for so long, and returns what it measured.
pub(crate) async fn drive(
    crowd: &Rc<Crowd>,
    work: Work,
    server: &Process,
    time: Duration,
) -> Result<Figures> {
    let meet = match work {
        Work::FanOut { members, .. } | Work::Groups { members, .. } => Meet::InGroups(members),
        Work::Publish { .. } => Meet::InGroups(1),
        Work::Pairs { .. } => Meet::InPairs,
        Work::Idle { .. } => Meet::Alone,
        Work::Reconnect { .. } | Work::Start | Work::Growth => Meet::Nowhere,
    };
    let users = work.users();
    crowd.protocol.prepare(Plan { users, meet }).await?;
    server.settle().await;
    let figures = match work {
        Work::Idle { .. } => idle(crowd, users, server).await?,
        Work::Reconnect { .. } => reconnect(crowd, users, server).await?,
        _ => {
            let all = crowd.connect(users, crowd.at_once).await?;
            if let Meet::InGroups(size) = meet {
                join(crowd, &all, size).await?;
            }
            server.settle().await;
            talk(crowd, &all, work, server, time).await?
        }
    };
    crowd.check()?;
    crowd.disconnect().await;
    Ok(figures)
}

/// Everybody enters their group, so many at once; the first member of each, who may make it, before the others.
async fn join(crowd: &Crowd, all: &[Rc<Connection>], size: u32) -> Result<()> {
    let (first, others): (Vec<_>, Vec<_>) = all.iter().partition(|connection| connection.user % size == 0);
    for members in [first, others] {
        let joins = members.into_iter().map(|member| member.join(crowd, member.user / size));
        futures_util::stream::iter(joins)
            .buffer_unordered(crowd.at_once)
            .try_for_each(|()| async { Ok(()) })
            .await?;
    }
    Ok(())
}

/// Messages of idle connections that may be under way: a server may refuse more.
const AT_ONCE: usize = 1_000;

/// Memory of connections that do nothing, and once each has sent itself a message.
async fn idle(crowd: &Rc<Crowd>, users: u32, server: &Process) -> Result<Figures> {
    let before = server.resident_kib();
    let all = crowd.connect(users, crowd.at_once).await?;
    server.settle().await;
    let each = |kib: f64| (kib - before) / f64::from(users);
    let untouched = server.resident_kib();
    for some in all.chunks(AT_ONCE) {
        for connection in some {
            connection.send(crowd, To::User(connection.user))?;
            tokio::task::yield_now().await;
        }
        drain(crowd, 1).await?;
    }
    Ok(Figures::from([
        ("connections".to_owned(), f64::from(users)),
        ("base_mib".to_owned(), before / 1024.0),
        ("kib".to_owned(), each(untouched)),
        ("touched_kib".to_owned(), each(server.resident_kib())),
    ]))
}

/// Everybody was there and comes back: first some at a time, as at any other connecting, and then all at once.
async fn reconnect(crowd: &Rc<Crowd>, users: u32, server: &Process) -> Result<Figures> {
    crowd.connect(users, crowd.at_once).await?;
    let mut figures = Figures::new();
    for (at_once, prefix) in [(crowd.at_once, ""), (users as usize, "crowd_")] {
        crowd.disconnect().await;
        server.settle().await;
        let meter = Meter::start(server);
        crowd.connect(users, at_once).await?;
        let used = meter.stop();
        figures.insert(format!("{prefix}per_s"), f64::from(users) / used.seconds);
        figures.insert(format!("{prefix}cpu_ms"), used.server * 1e3 / f64::from(users));
        figures.insert(format!("{prefix}ready_s"), used.seconds);
    }
    Ok(figures)
}

/// The scenarios in which messages are sent.
async fn talk(
    crowd: &Rc<Crowd>,
    all: &[Rc<Connection>],
    work: Work,
    server: &Process,
    time: Duration,
) -> Result<Figures> {
    let receivers = match work {
        Work::FanOut { members, .. } | Work::Groups { members, .. } if !crowd.protocol.echoes() => {
            members - 1
        }
        Work::FanOut { members, .. } | Work::Groups { members, .. } => members,
        _ => 1,
    };
    let receivers = u64::from(receivers);
    let (meter, begin) = (Meter::start(server), crowd.now());
    match work {
        Work::FanOut { window, .. } => fan_out(crowd, &all[0], window, receivers, time).await?,
        Work::Groups { rate, members, .. } => groups(crowd, all, members, rate, time).await?,
        Work::Pairs { .. } => pairs(crowd, all, time).await?,
        _ => publish(crowd, all, work.window(), time).await?,
    }
    drain(crowd, receivers).await?;
    let used = meter.stop();
    let tally = crowd.tally.borrow();
    let seconds = tally.last.saturating_sub(begin) as f64 / 1e9;
    // What counts is what arrives; where each message has one receiver that is a message.
    let delivered = tally.delivered.max(1) as f64;
    let mut figures = tally.figures(receivers);
    figures.extend(
        [
            ("per_s", delivered / seconds),
            ("cpu_us", used.server * 1e6 / delivered),
            ("server_busy", used.server / used.seconds),
            ("generator_busy", used.own / used.seconds),
            ("others_s", used.others),
            ("stolen_s", used.stolen),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok(figures)
}

/// One sends to all, with at most so many messages under way that not all have.
async fn fan_out(
    crowd: &Crowd,
    sender: &Connection,
    window: u64,
    receivers: u64,
    time: Duration,
) -> Result<()> {
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < time {
        if sent * receivers - crowd.tally.borrow().delivered <= (window - 1) * receivers {
            sender.send(crowd, To::Group(0))?;
            sent += 1;
            if sent % 8 == 0 {
                tokio::task::yield_now().await;
            }
        } else {
            crowd.awaited.set((sent + 1 - window) * receivers);
            if timeout(LOST, crowd.progress.notified()).await.is_err() {
                break;
            }
            crowd.check()?;
        }
    }
    Ok(())
}

/// So many messages a second, to the groups in turn, and by their members in turn.
async fn groups(crowd: &Crowd, all: &[Rc<Connection>], size: u32, rate: f64, time: Duration) -> Result<()> {
    let started = tokio::time::Instant::now();
    let groups = all.len() as u32 / size;
    for number in 0..(rate * time.as_secs_f64()) as u32 {
        tokio::time::sleep_until(started + Duration::from_secs_f64(f64::from(number) / rate)).await;
        let (group, member) = (number % groups, number / groups % size);
        all[(group * size + member) as usize].send(crowd, To::Group(group))?;
        crowd.check()?;
    }
    Ok(())
}

/// In each pair one message goes to and fro.
async fn pairs(crowd: &Crowd, all: &[Rc<Connection>], time: Duration) -> Result<()> {
    crowd.answers.set(true);
    for connection in all.iter().step_by(2) {
        connection.send(crowd, To::User(connection.user + 1))?;
    }
    sleep(time).await;
    crowd.answers.set(false);
    crowd.check()
}

/// Each sends to a group of its own, with at most so many messages under way that are not acknowledged, or, where
/// nothing is, have not come back.
async fn publish(crowd: &Crowd, all: &[Rc<Connection>], window: u64, time: Duration) -> Result<()> {
    let started = Instant::now();
    let each = all.iter().map(|connection| async move {
        while started.elapsed() < time {
            let acks = crowd.protocol.acks();
            let done = if acks { connection.acked.get() } else { connection.received.get() };
            if u64::from(connection.sent.get()) < done + window {
                connection.send(crowd, To::Group(connection.user))?;
            } else if timeout(LOST, connection.news.notified()).await.is_err() {
                break;
            }
            crowd.check()?;
        }
        Ok(())
    });
    futures_util::future::try_join_all(each).await.map(drop)
}

/// Waits for what is still under way, as long as something comes.
async fn drain(crowd: &Crowd, receivers: u64) -> Result<()> {
    let mut seen = (Instant::now(), 0);
    loop {
        let (sent, delivered, acked) = {
            let tally = crowd.tally.borrow();
            (tally.sent, tally.delivered, tally.acked)
        };
        if delivered >= sent * receivers && (acked >= sent || !crowd.protocol.acks()) {
            break;
        }
        if seen.1 != delivered + acked {
            seen = (Instant::now(), delivered + acked);
        } else if seen.0.elapsed() > LOST {
            break;
        }
        sleep(Duration::from_millis(2)).await;
        crowd.check()?;
    }
    // What is there twice comes after it was there once.
    sleep(Duration::from_millis(50)).await;
    crowd.check()
}
