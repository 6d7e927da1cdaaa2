//! What it costs that people see who is online and who writes.
//!
//! **The bound.** In a group of more than 250 nobody is told, whatever its members do. In a smaller one each
//! connection gets a frame a second at the most, and in it each of the others once; so when everybody goes and comes
//! back, a connection is told of each of the others at most that they went and that they came. Somebody who writes is
//! told of every two seconds at the most.

use super::Size;
use super::figures::Figures;
use super::people::Crowd;
use super::watcher::{Told, Watcher, entered, until_all};
use crate::raw::RawSocket;
use crate::shared::Login;
use crate::world::call;
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Members of the largest group in which presence is pushed.
const PUSHED: usize = 250;
/// Connections that are made at once.
const AT_ONCE: usize = 64;
/// Longer than presence gathers: what is to be told is told by then.
const QUIET: Duration = Duration::from_millis(2_000);
/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many write, how often they say so, how often that is told at most, and for how long.
const TYPISTS: usize = 100;
const KEY: Duration = Duration::from_millis(100);
const TYPING_TOLD: Duration = Duration::from_secs(2);
const TYPING: Duration = Duration::from_secs(3);

pub(crate) async fn presence(size: Size, figures: &mut Figures) {
    let everybody = size.of(PUSHED + 50, 5_000);
    let crowd = Crowd::gather(everybody, 20_000, &[("CHAT_DEFAULT_GROUPS", "everybody")]).await;
    let told = Arc::new(Told::default());
    let watchers = come_back(&crowd, Vec::new(), &told, figures, "of one group").await;
    figures.exactly("frames that it cost", told.frames.load(Ordering::Relaxed), 0);

    let mut groups = Vec::new();
    for (n, members) in crowd.people.chunks_exact(PUSHED).enumerate() {
        groups.push(crowd.group(&format!("group{n}"), members).await);
    }
    let together = groups.len() * PUSHED;
    // Those beyond the last group see themselves alone.
    let wanted: Vec<usize> = (0..everybody).map(|n| if n < together { PUSHED } else { 1 }).collect();
    figures.exactly(
        "those see each other who meet in groups of 250",
        all_see(&watchers, &wanted).await,
        true,
    );
    told.reset();
    let begun = Instant::now();
    let watchers = come_back(&crowd, watchers, &told, figures, "of groups of 250").await;
    figures.exactly("afterwards they do again", all_see(&watchers, &wanted).await, true);
    let count = everybody as u64;
    let frames = count * (begun.elapsed().as_secs() + 2);
    figures.at_most("frames that it cost", told.frames.load(Ordering::Relaxed), frames);
    let pairs = (together * (PUSHED - 1)) as u64;
    figures.at_most("changes in them", told.changes.load(Ordering::Relaxed), pairs * 2);
    figures.tell("megabytes", told.bytes.load(Ordering::Relaxed) >> 20);

    for (group, members, what) in [(1, everybody, "of one group"), (groups[0], PUSHED, "of a group of 250")] {
        told.reset();
        let begun = Instant::now();
        type_in(&crowd, group).await;
        let typing = told.typing.load(Ordering::Relaxed);
        let times = begun.elapsed().as_secs() / TYPING_TOLD.as_secs() + 1;
        let pushed = if members > PUSHED { 0 } else { TYPISTS * (PUSHED - 1) };
        figures.at_most(&format!("frames when 100 {what} write"), typing, pushed as u64 * times);
    }
    crosses(&crowd, groups[0], &watchers[..PUSHED], figures).await;
}

/// Everybody goes, and everybody comes back at once.
async fn come_back(
    crowd: &Crowd,
    watchers: Vec<Watcher>,
    told: &Arc<Told>,
    figures: &mut Figures,
    what: &str,
) -> Vec<Watcher> {
    let (cpu, begun) = (crowd.server().cpu(), Instant::now());
    drop(watchers);
    let at = crowd.address();
    let coming = iter(&crowd.people).map(|login| Watcher::come(at, login, told)).buffered(AT_ONCE);
    let watchers: Vec<Watcher> = coming.collect().await;
    let time = begun.elapsed();
    tokio::time::sleep(QUIET).await;
    let cpu = crowd.server().cpu() - cpu;
    figures.tell(&format!("{} {what} come in", watchers.len()), format!("{time:.1?}"));
    figures.tell("CPU of the server", format!("{cpu:.2} s"));
    watchers
}

/// Does each see as many as it should?
async fn all_see(watchers: &[Watcher], wanted: &[usize]) -> bool {
    let all = async {
        for (watcher, wanted) in watchers.iter().zip(wanted) {
            until_all(std::slice::from_ref(watcher), PATIENCE, |watcher| watcher.count() == *wanted).await;
        }
    };
    tokio::time::timeout(PATIENCE, all).await.is_ok()
}

/// A hundred people write in a group for a while, each key at a time.
async fn type_in(crowd: &Crowd, group: i64) {
    let at = crowd.address();
    let one = |login: &Login| {
        let login = login.clone();
        tokio::spawn(async move {
            let (mut socket, _): (RawSocket, _) = entered(at, &login).await;
            let mut keys = tokio::time::interval(KEY);
            let until = Instant::now() + TYPING;
            while Instant::now() < until {
                keys.tick().await;
                let _ = socket.send(&json!({"type": "typing", "conversation_id": group})).await;
            }
        })
    };
    let typists: Vec<_> = crowd.people[..TYPISTS].iter().map(one).collect();
    for typist in typists {
        typist.await.unwrap();
    }
}

/// One more enters a group of 250, and leaves it again: what its members know is what a new connection is told.
async fn crosses(crowd: &Crowd, group: i64, members: &[Watcher], figures: &mut Figures) {
    let (at, one_more) = (crowd.address(), &crowd.people[PUSHED]);
    for (verb, seen) in [("join", 1), ("leave", PUSHED)] {
        call(at, one_more, "POST", &format!("/groups/{group}/{verb}"), json!({})).await;
        let begun = Instant::now();
        until_all(members, PATIENCE, |member| member.count() == seen).await;
        figures.within(&format!("one more member may {verb} until all know"), begun.elapsed(), PATIENCE / 10);
        let mut wrong = 0;
        for (member, login) in members.iter().zip(&crowd.people) {
            let (_socket, online) = entered(at, login).await;
            wrong += u64::from(!member.knows(&online));
        }
        figures.exactly("members who are told otherwise when they come anew", wrong, 0);
    }
}
