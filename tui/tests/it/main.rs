//! The client's integration tests, one binary: the real program against a real server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod cursors;
mod harness;
mod oneshot;
mod plain;
mod secrets;
mod tls;
