//! The full-screen client without a terminal: keys in, state and screens out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod docs;
mod harness;
mod keys;
mod looks;
mod questions;
mod reading;
mod text;
mod unsent;
