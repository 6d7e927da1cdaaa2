//! The operator's commands. They run inside the server when one is running (through a socket in the
//! data directory that only its owner can open), else on the opened database.

mod command;
mod socket;

pub use command::{Command, execute};
pub use socket::{call, listen, serve};
