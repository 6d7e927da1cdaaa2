//! Who is calling, and what they may do. Nothing here knows HTTP, WebSocket or SQL.

pub mod keys;
pub mod password;
pub mod policy;
pub mod refresh;
pub mod throttle;
pub mod token;
