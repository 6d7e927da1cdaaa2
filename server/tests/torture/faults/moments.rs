//! `kill -9` at moments that chance seldom hits.

use super::{is_elsewhere, process};
use crate::server::{Server, Starting};
use crate::world::World;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::time::{Duration, Instant};

/// Starts that are killed, one after the other.
const STARTS: u32 = 3;

/// While a transaction is written to the log.
pub(crate) async fn in_commit(world: &mut World) {
    when_written(world, "chat.db-wal").await;
}

/// While the log is folded into the database: nothing else writes there.
pub(crate) async fn in_checkpoint(world: &mut World) {
    when_written(world, "chat.db").await;
}

async fn when_written(world: &mut World, file: &str) {
    if is_elsewhere() {
        return process::kill(world).await;
    }
    let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, world.place.data.join(file), WatchFlags::MODIFY).unwrap();
    let patience = Timespec::try_from(world.plan.patience).unwrap();
    let waiting =
        tokio::task::spawn_blocking(move || poll(&mut [PollFd::new(&watch, PollFlags::IN)], Some(&patience)));
    let written = waiting.await.unwrap().unwrap();
    world.take_server().kill();
    world.kills += 1;
    if written == 0 {
        world.shared.violate("goes_on", format!("{file} was not written to in time"));
    }
    world.start_server();
}

/// While it starts, and recovers what an earlier kill left: anywhere in the time that a start takes.
pub(crate) async fn in_start(world: &mut World) {
    world.take_server().kill();
    let begun = Instant::now();
    Server::start(&world.place).kill();
    let whole = begun.elapsed();
    for _ in 0..STARTS {
        let starting = Starting::spawn(&world.place);
        let moment = world.chance.below(whole.as_micros() as usize) as u64;
        tokio::time::sleep(Duration::from_micros(moment)).await;
        starting.kill();
    }
    world.kills += 2 + u64::from(STARTS);
    world.start_server();
}
