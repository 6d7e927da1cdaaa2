//! The bodies of HTTP requests and answers, and the shapes that frames share with them.
//!
//! Requests hold plain strings where a wrong value should be told field by field; answers hold
//! checked types. Times are integers, milliseconds since the epoch, UTC, unless a name says seconds.
//! Clients ignore fields they do not know, and so does the server.

mod answers;
mod objects;
mod requests;
mod words;

pub use answers::*;
pub use objects::*;
pub use requests::*;
pub use words::*;

/// Milliseconds since the epoch, UTC. They inform; order is `seq`.
pub type Millis = i64;
