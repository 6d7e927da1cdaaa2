//! What is done to a running system, each by its name.

mod clock;
#[cfg(feature = "postgres")]
mod database;
mod disk;
mod doors;
mod hostile;
mod logins;
mod moments;
mod network;
mod process;

pub(crate) use hostile::socket_memory;

use crate::power::power;
use crate::world::World;
use std::pin::Pin;

type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Something that is done under load. It leaves a server that runs.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a mut World) -> Running<'a>,
}

const KILL: Fault = Fault { name: "kill", run: |world| Box::pin(process::kill(world)) };

/// Every fault.
pub(crate) const FAULTS: &[Fault] = &[
    KILL,
    Fault { name: "power", run: |world| Box::pin(power(world)) },
    Fault { name: "stop", run: |world| Box::pin(process::stop(world)) },
    Fault { name: "locked", run: |world| Box::pin(disk::locked(world)) },
    Fault { name: "full", run: |world| Box::pin(disk::full(world)) },
    Fault { name: "restored", run: |world| Box::pin(disk::restored(world)) },
    #[cfg(feature = "postgres")]
    Fault { name: "database_cut", run: |world| Box::pin(database::cut(world)) },
    #[cfg(feature = "postgres")]
    Fault { name: "database_killed", run: |world| Box::pin(database::killed(world)) },
    #[cfg(feature = "postgres")]
    Fault { name: "database_locked", run: |world| Box::pin(database::locked(world)) },
    Fault { name: "chaos", run: |world| Box::pin(network::chaos(world)) },
    Fault { name: "half_open", run: |world| Box::pin(network::half_open(world)) },
    Fault { name: "storm", run: |world| Box::pin(network::storm(world)) },
    Fault { name: "malformed", run: |world| Box::pin(hostile::malformed_frames(world)) },
    Fault { name: "slow_readers", run: |world| Box::pin(hostile::slow_readers(world)) },
    Fault { name: "descriptors", run: |world| Box::pin(hostile::descriptors(world)) },
    Fault { name: "doors", run: |world| Box::pin(doors::doors(world)) },
    Fault { name: "clock", run: |world| Box::pin(clock::clock(world)) },
    Fault { name: "logins", run: |world| Box::pin(logins::logins(world)) },
];

/// `kill -9` at every kind of moment; every second one at a moment that nobody chose.
pub(crate) const KILLS: &[Fault] = &[
    KILL,
    Fault { name: "kill_in_commit", run: |world| Box::pin(moments::in_commit(world)) },
    KILL,
    Fault { name: "kill_in_start", run: |world| Box::pin(moments::in_start(world)) },
    KILL,
    Fault { name: "kill_in_checkpoint", run: |world| Box::pin(moments::in_checkpoint(world)) },
];

/// Is the database not the server's own file? Then these are not for it.
pub(crate) fn is_elsewhere() -> bool {
    if cfg!(feature = "postgres") {
        eprintln!("Passed over: SQLite's own.");
    }
    cfg!(feature = "postgres")
}
