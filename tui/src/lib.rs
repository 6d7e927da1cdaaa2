//! The terminal client as a library; the program `chat-tui` is a thin shell around it.

pub mod cache;
pub mod cli;
pub mod client;
pub mod credentials;
pub mod error;
pub mod home;
pub mod net;
pub mod oneshot;
pub mod plain;
