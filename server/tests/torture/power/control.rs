//! The control: a disk that lies has to be found out, otherwise an honest one shows nothing.

use super::{Flushes, Noted, cut_again_and_again};
use crate::shared::Phase;
use crate::world::World;
use crate::{LOAD, plan};

/// Cuts within which it has to be found.
const CUTS: u64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn a_disk_that_forgets_to_flush_the_log_is_found_out() {
    let mut world = World::new(&plan(1, LOAD), false).await;
    let Some(noted) = Noted::new(&world.place.data, world.dir()) else { return };
    world.shared.set_phase(Phase::Load);
    cut_again_and_again(&mut world, noted, CUTS, Flushes::LiesAboutTheLog).await;
    let found: Vec<_> = world.shared.record().history.violations.iter().map(|found| found.check).collect();
    assert!(found.contains(&"acked_once"), "{found:?}");
}
