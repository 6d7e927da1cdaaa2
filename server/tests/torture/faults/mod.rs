//! What is done to a running system, each by its name.

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
];
