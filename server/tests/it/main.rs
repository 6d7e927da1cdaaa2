//! The server's integration tests, one binary: real sockets, real processes.

mod crash;
mod harness;
mod http;
mod process;
mod sync;
mod ws;
