//! What the server and every client must agree on: identifiers, names, text, limits, frames,
//! HTTP bodies, error codes and close codes.
//!
//! Nothing here does I/O, reads a clock or draws random numbers. A value of one of these types
//! that exists is valid: parsing happens once, at the edge.

pub mod api;
pub mod close;
pub mod display;
pub mod error;
pub mod frame;
pub mod id;
pub mod limits;
pub mod name;
pub mod text;

pub use error::{ErrorCode, FieldError, Problem};
pub use id::{ConversationId, Rev, SendId, Seq, SessionId, UserId};
pub use name::{GroupName, Username};
