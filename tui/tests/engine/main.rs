//! The engine against a real server in this process, against one that is hostile, and killed.

mod chat;
mod harness;
mod hostile;
mod kills;
