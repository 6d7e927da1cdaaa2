//! The record form: worlds in which writers on bare sockets write much, and the server is killed again and again, at
//! every kind of moment.

use crate::faults::{Fault, KILLS};
use crate::report::Figures;
use crate::shared::Phase;
use crate::world::{Plan, World};
use crate::{Failure, insist, plan};
use std::time::Instant;

/// What the record has to reach.
const KILLS_WANTED: u64 = 1_000;
const MESSAGES_WANTED: u64 = 1_000_000;
/// People who write.
const WRITERS: usize = 3;
/// Acknowledgements that are allowed: more than there will be.
const ENDLESS: u64 = 1 << 40;

/// What is done in a world, at least.
pub(crate) struct Size {
    kills: u64,
    acked: u64,
    /// The kills, in turn.
    moments: &'static [Fault],
}

/// One world has a large database and a long conversation; the others are of moderate size, so that there are many.
const LARGE: Size = Size { kills: 60, acked: 180_000, moments: KILLS };
const MODERATE: Size = Size { kills: 50, acked: 60_000, moments: KILLS };
/// Among the ordinary tests, without the last moment: a checkpoint does not come that soon.
pub(crate) const SHORT: Size = Size { kills: 8, acked: 3_000, moments: KILLS.split_last().unwrap().1 };

/// World after world, until the record is reached or the time is over; none: it takes what it takes.
pub(crate) async fn all(first: u64, until: Option<Instant>, figures: &mut Figures) {
    for seed in first.. {
        let begun = Instant::now();
        insist(seed, world(seed, if seed == first { &LARGE } else { &MODERATE }, figures).await);
        let (kills, messages) = (figures.kills(), figures.count("messages"));
        println!("World {seed} took {:.0?}; so far {kills} kills, {messages} messages", begun.elapsed());
        let reached = kills >= KILLS_WANTED && messages >= MESSAGES_WANTED;
        if reached || until.is_some_and(|until| Instant::now() >= until) {
            break;
        }
    }
}

/// One world, from its settling in to its end.
pub(crate) async fn world(seed: u64, size: &Size, figures: &mut Figures) -> Result<(), Failure> {
    let mut world = World::new(&Plan { writers: WRITERS, ..plan(seed, 0) }, false).await;
    world.shared.allow(ENDLESS);
    world.shared.set_phase(Phase::Load);
    for moment in size.moments.iter().cycle() {
        let (acked, kills) = (world.shared.record().acked, world.kills);
        if kills >= size.kills && acked >= size.acked {
            break;
        }
        // On average as many as there have to be for each kill, though some kills come together.
        let some = world.chance.below((3 * size.acked / size.kills) as usize);
        world.goes_on("before", some as u64).await;
        (moment.run)(&mut world).await;
        let found = std::mem::take(&mut world.shared.record().history.violations);
        figures.add(moment.name, world.kills - kills, world.shared.record().acked - acked, &found);
        if !found.is_empty() {
            return Err(Failure { after: moment.name, found, kept: world.keep() });
        }
    }
    world.look().await;
    figures.add_world(&world.shared.record().model.counts);
    world.end().await.map_err(|(found, kept)| Failure { after: "the last kill", found, kept })
}
