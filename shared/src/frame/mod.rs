//! WebSocket frames of `chat.v1`: one JSON object in each text frame, its kind in `type`.

mod client;
mod server;

pub use client::{BadFrame, ClientFrame};
pub use server::{PresenceChange, ServerFrame, ServerInfo};

/// The sub-protocol that both sides name in the upgrade.
pub const SUBPROTOCOL: &str = "chat.v1";

/// What stands before the access token in the second sub-protocol that a browser offers.
pub const BEARER_PREFIX: &str = "bearer.";
