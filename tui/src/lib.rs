//! The terminal client as a library; the program `chat-tui` is a thin shell around it.
