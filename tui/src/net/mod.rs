//! Talking to the server.

pub mod backoff;
pub mod http;
pub mod sync;
pub mod ws;
