//! The torture test: it breaks a running server in every way it knows, while people use it, and checks what
//! they know against what is there.
//!
//! In the ordinary run a short form does each fault once. `CHAT_TORTURE=long` goes on for as long as
//! `CHAT_TORTURE_SECONDS` says; `CHAT_TORTURE=<fault>` does one fault alone, again and again for that
//! long; `CHAT_TORTURE=record` goes on until the server was killed a thousand times under a million messages;
//! `CHAT_TORTURE=upgrade` kills upgrades alone ([`upgrade`]), for as long; `CHAT_TORTURE=planted` plants bugs in the
//! server and says which were found; `CHAT_TORTURE=crowd` lets a crowd come ([`crowd`]), for what
//! `CHAT_TORTURE_CROWD` names or for everything. What is drawn by lot comes from `CHAT_TORTURE_SEED`. The history of a
//! run that failed is kept in `target/torture/<seed>`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on says where, and a long one what it does"
)]

mod chance;
mod checker;
mod client;
mod crowd;
mod faults;
mod fresh;
#[path = "../support/golden.rs"]
mod golden_files;
mod load;
mod model;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod place;
mod planted;
mod power;
mod preload;
mod proxy;
mod raw;
mod record;
mod report;
mod server;
mod shared;
#[path = "../support/volume.rs"]
mod small_volume;
mod upgrade;
mod world;

use chance::Chance;
use faults::{FAULTS, Fault};
use report::{Figures, Violation};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use world::{Plan, World};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// Acknowledgements before each fault, in the short form and in the long one.
const LOAD: u64 = 200;
const LONG_LOAD: u64 = 300;
/// Kills of a campaign besides: they are quick, and what they test is the first promise.
const KILLS: usize = 5;
const LONG_KILLS: usize = 25;

/// One test at a time: they measure, and open many sockets.
static TURN: Mutex<()> = Mutex::const_new(());

fn mode() -> String {
    std::env::var("CHAT_TORTURE").unwrap_or_default()
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

fn plan(seed: u64, load: u64) -> Plan {
    Plan { seed, load, patience: PATIENCE, writers: 0, planted: None }
}

/// What a campaign found, after which fault, and where its history is.
struct Failure {
    after: &'static str,
    found: Vec<Violation>,
    kept: PathBuf,
}

/// Goes through these faults in one world, until a promise is not kept.
async fn campaign(plan: &Plan, faults: &[&Fault], figures: &mut Figures) -> Result<(), Failure> {
    let mut world = World::new(plan, false).await;
    for fault in faults {
        let found = world.round(fault, figures).await;
        if !found.is_empty() {
            return Err(Failure { after: fault.name, found, kept: world.keep() });
        }
    }
    figures.add_world(&world.shared.record().model.counts);
    world.end().await.map_err(|(found, kept)| Failure { after: "the end", found, kept })
}

/// Every promise was kept.
fn insist(seed: u64, outcome: Result<(), Failure>) {
    if let Err(Failure { after, found, kept }) = outcome {
        let first = &found[0];
        let (check, what, kept) = (first.check, &first.what, kept.display());
        panic!("{check} after {after} (seed {seed}): {what}\nThe history is in {kept}.\n{found:#?}");
    }
}

/// The faults of a campaign, in an order by lot: each once, and kills between them.
fn drawn(seed: u64, kills: usize) -> Vec<&'static Fault> {
    let kills = FAULTS.iter().filter(|fault| fault.name == "kill").cycle().take(kills);
    let mut faults: Vec<&Fault> = FAULTS.iter().chain(kills).collect();
    Chance::new(seed, "faults").shuffle(&mut faults);
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_promised_holds_whatever_is_done_to_the_server() {
    let (mode, _turn) = (mode(), TURN.lock().await);
    if ["crowd", "upgrade"].contains(&&*mode) {
        return;
    }
    let seed = setting("CHAT_TORTURE_SEED").unwrap_or(1);
    let mut figures = Figures::default();
    if mode == "planted" {
        return planted::all(seed).await;
    }
    let until = setting("CHAT_TORTURE_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    if mode.is_empty() {
        insist(seed, campaign(&plan(seed, LOAD), &drawn(seed, KILLS), &mut figures).await);
        insist(seed, record::world(seed, &record::SHORT, &mut figures).await);
    } else if mode == "record" {
        record::all(seed, until, &mut figures).await;
    } else {
        let alone: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.name == mode).collect();
        assert!(mode == "long" || !alone.is_empty(), "CHAT_TORTURE={mode}: no such fault");
        for seed in seed.. {
            let faults = if alone.is_empty() { drawn(seed, LONG_KILLS) } else { alone.clone() };
            insist(seed, campaign(&plan(seed, LONG_LOAD), &faults, &mut figures).await);
            if alone.is_empty() {
                insist(seed, record::world(seed, &record::SHORT, &mut figures).await);
            }
            if until.is_none_or(|until| Instant::now() >= until) {
                break;
            }
        }
    }
    println!("{}", figures.table());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_promised_holds_for_a_crowd() {
    let (mode, _turn) = (mode(), TURN.lock().await);
    if mode == "crowd" {
        let named = std::env::var("CHAT_TORTURE_CROWD").ok().filter(|name| !name.is_empty());
        crowd::run(crowd::Size::Full, named.as_deref()).await;
    } else if mode.is_empty() {
        crowd::run(crowd::Size::Small, None).await;
    }
}
