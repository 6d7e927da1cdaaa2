//! The WebSocket side: upgrade, frames in, frames out, one task a connection.
//!
//! What a frame means is none of its business: it is handed to `chat`. The socket's bytes are decoded
//! and encoded here, without a library's per-connection buffers; frame headers are read and written
//! by tungstenite's public codec.

pub mod decoder;
mod dispatch;
mod encode;
mod link;
mod outbox;
mod session;
mod upgrade;
mod wire;

pub use encode::encode;
pub use session::SessionOptions;
pub use upgrade::upgrade;
