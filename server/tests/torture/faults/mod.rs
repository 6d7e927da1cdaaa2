//! What is done to a running system, each by its name.

#[cfg(feature = "postgres")]
mod database;
mod disk;
mod doors;
mod hostile;
mod logins;
mod network;
mod process;

use crate::world::World;
use std::pin::Pin;

type Running<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Something that is done under load. It leaves a server that runs.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a mut World) -> Running<'a>,
}

/// Every fault.
pub(crate) const FAULTS: &[Fault] = &[
    Fault { name: "kill", run: |world| Box::pin(process::kill(world)) },
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
    Fault { name: "logins", run: |world| Box::pin(logins::logins(world)) },
];
