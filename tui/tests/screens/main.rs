//! The full-screen client without a terminal: keys in, state and screens out.

mod docs;
mod harness;
mod keys;
mod looks;
