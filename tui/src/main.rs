//! `chat-tui`
fn main() {}
