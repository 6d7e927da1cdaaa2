//! PostgreSQL: its connections are cut, it is killed, it is locked.

use crate::place::Place;
use crate::world::World;
use std::process::Command;

/// How often the connections are cut.
const CUTS: usize = 5;
/// For how long nobody can write: longer than the server waits twice (2.4 seconds each). What is put off first may be
/// something of its own; what gathered meanwhile is the people's.
const LOCKED: &str = "BEGIN; LOCK TABLE conversations IN SHARE MODE; SELECT pg_sleep(6); COMMIT";

/// The session that writes is ended, again and again, in the middle of whatever it does.
pub(crate) async fn cut(world: &mut World) {
    let place = Place::of(&world.place.data);
    for _ in 0..CUTS {
        // At a moment that nobody chose.
        let more = world.chance.below(100) as u64;
        world.shared.more_acks(more).await;
        if let Err(error) = place.cut() {
            world.shared.violate("commands", format!("a connection could not be cut: {error}"));
        }
    }
}

/// `kill -9` of PostgreSQL, which is started again by whoever looks after it.
pub(crate) async fn killed(world: &mut World) {
    let more = world.chance.below(150) as u64;
    world.shared.more_acks(more).await;
    let cluster = std::env::var("CHAT_TEST_CLUSTER").expect("run it with scripts/with-postgres");
    let file = std::fs::read_to_string(format!("{cluster}/data/postmaster.pid")).unwrap();
    let id = file.lines().next().unwrap();
    assert!(Command::new("kill").args(["-9", id]).status().unwrap().success());
    world.kills += 1;
}

/// Somebody locks what the server writes to, for longer than it waits.
pub(crate) async fn locked(world: &mut World) {
    let place = Place::of(&world.place.data);
    let locking = tokio::task::spawn_blocking(move || place.order(LOCKED).map(|_| ()));
    let before = world.shared.record().put_off;
    if !world.shared.until(|record| record.put_off > before).await {
        world.shared.violate("says_so", "writes are not put off while nothing can be written");
    }
    if let Err(error) = locking.await.unwrap() {
        world.shared.violate("commands", format!("the tables could not be locked: {error}"));
    }
}
