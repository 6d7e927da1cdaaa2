//! The chat server as a library; the program `chat-server` is a thin shell around it.

pub mod address;
pub mod admin;
pub mod app;
pub mod auth;
pub mod chat;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data_dir;
pub mod durable;
pub mod error;
pub mod http;
pub mod hub;
pub mod listener;
pub mod logging;
pub mod metrics;
pub mod planted;
pub mod restore;
pub mod store;
pub mod ws;

pub use error::AppError;
