//! `chat-server`
fn main() {}
