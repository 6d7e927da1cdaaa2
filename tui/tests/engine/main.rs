//! The engine against a real server in this process, against one that is hostile, and killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod chat;
mod ends;
mod fake;
mod harness;
mod hostile;
mod kills;
mod returns;
