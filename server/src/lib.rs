//! The chat server as a library; the program `chat-server` is a thin shell around it.

pub mod error;

pub use error::AppError;
