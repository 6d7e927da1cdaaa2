//! The terminal client as a library; the program `chat-tui` is a thin shell around it.

pub mod cli;
pub mod client;
pub mod credentials;
pub mod editor;
pub mod error;
pub mod home;
pub mod net;
pub mod oneshot;
pub mod text;
