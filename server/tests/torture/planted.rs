//! Bugs are planted in the server, one at a time; the torture has to find each. So the checks are checked.

use crate::chance::Chance;
use crate::faults::{FAULTS, Fault};
use crate::report::Figures;
use crate::world::Plan;
use crate::{Failure, campaign};
use chat_server::planted::Bug;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// Longer than what is waited for in a fault (a reader is cut after 10 seconds), and no longer: what does not
/// happen is waited for in vain.
const PATIENCE: Duration = Duration::from_secs(16);
/// How often the faults that are to show a bug are done.
const TIMES: usize = 4;

/// The faults that are to show a bug, where it is not a kill.
fn shown_by(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::AckFailedCommit => &["full"],
        Bug::AckBeforeCommit => &["kill", "full"],
        Bug::FlushSkipped | Bug::FlushNever => &["power"],
        Bug::ReadUnchecked | Bug::WriteUnchecked | Bug::ChangesUnchecked => &["doors"],
        Bug::DeleteKeepsEdits | Bug::RetiredIdsUsable | Bug::CursorNotTold | Bug::RemovalNotTold => {
            &["doors"]
        }
        Bug::ReadyNotFirst | Bug::ReadyBeforeSubscribe => &["chaos", "storm"],
        Bug::EpochKept => &["restored"],
        Bug::PresenceNeverGone | Bug::SilentKept => &["half_open"],
        Bug::ResyncNotSent | Bug::QueueUnbounded | Bug::SlowKept => &["slow_readers"],
        Bug::BadFramesForgiven | Bug::FragmentsUnlimited => &["malformed"],
        Bug::EndedStaysConnected
        | Bug::EndedTokenAccepted
        | Bug::RefreshReuseAccepted
        | Bug::LostRefreshEnds
        | Bug::PasswordKeepsSessions => &["logins"],
        Bug::RefreshShortens => &["clock"],
        Bug::NoLeaveTaken => &["stop"],
        _ => &["kill"],
    }
}

/// Plants each bug, and insists that it is found. `CHAT_PLANTED` names one, to plant it alone.
pub(crate) async fn all(seed: u64) {
    if !cfg!(feature = "planted") {
        panic!("bugs are planted only with `--features planted`");
    }
    let only = std::env::var("CHAT_PLANTED").ok();
    let mut missed = Vec::new();
    println!("| bug | found by | after |\n|---|---|---|");
    for bug in Bug::ALL.iter().filter(|bug| only.as_ref().is_none_or(|only| only == bug.name())) {
        let name = bug.name();
        match find(*bug, seed).await {
            Some((check, after)) => println!("| {name} | {check} | {after} |"),
            None => {
                println!("| {name} | **nothing** | |");
                missed.push(name);
            }
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}

/// The check that found a bug, and after what.
async fn find(bug: Bug, seed: u64) -> Option<(String, &'static str)> {
    let named = shown_by(bug);
    let mut faults: Vec<&Fault> = Vec::new();
    for _ in 0..TIMES {
        faults.extend(FAULTS.iter().filter(|fault| named.contains(&fault.name)));
    }
    Chance::new(seed, bug.name()).shuffle(&mut faults);
    let plan = Plan {
        seed,
        load: crate::LOAD,
        patience: PATIENCE,
        writers: 0,
        planted: Some(bug.name().to_owned()),
    };
    let mut figures = Figures::default();
    let run = AssertUnwindSafe(campaign(&plan, &faults, &mut figures)).catch_unwind();
    match run.await {
        Ok(Ok(())) => None,
        Ok(Err(Failure { after, found, .. })) => Some((found[0].check.to_owned(), after)),
        // A step that always works did not.
        Err(_) => Some(("a step that must work".to_owned(), "")),
    }
}
