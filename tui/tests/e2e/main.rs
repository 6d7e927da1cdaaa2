//! The real program in a terminal, against a real server.
//!
//! A [`terminal::Terminal`] types and looks at the screen, a [`server::TestServer`] is what the program
//! talks to, and a [`server::User`] is somebody else. Nothing sleeps: a test waits for what it wants to
//! see, with patience, and shows the screen when that does not come.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where")]

mod alone;
mod answers;
mod away;
#[path = "../support/corpus.rs"]
mod corpus;
mod entering;
mod hostile;
mod keys;
mod leaving;
mod people;
mod pointing;
mod rewriting;
mod self_tests;
mod server;
mod sizes;
mod talking;
mod terminal;
mod writing;

use std::time::Duration;

/// How long anything may take. A slow machine is given more by `CHAT_TEST_PATIENCE`, in seconds.
fn patience() -> Duration {
    let seconds = std::env::var("CHAT_TEST_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(30))
}
