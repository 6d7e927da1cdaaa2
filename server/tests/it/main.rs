//! The server's integration tests, one binary: real sockets, real processes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

#[cfg(feature = "postgres")]
mod cluster;
mod crash;
mod damage;
mod docs;
mod extras;
#[cfg(feature = "postgres")]
mod failover;
mod frames;
mod golden;
#[path = "../support/golden.rs"]
mod golden_files;
mod handover;
mod harness;
mod http;
mod logins;
mod matrix;
mod openapi;
mod operation;
#[cfg(feature = "postgres")]
#[path = "../support/postgres.rs"]
mod place;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod properties;
#[cfg(feature = "postgres")]
mod reached;
mod security;
#[path = "../support/volume.rs"]
mod small_volume;
mod sync;
mod tls;
mod upgrade;
mod volume;
mod wire;
mod ws;
