//! What most stories begin with: people in #ops, and the client of one of them.

use crate::server::{TestServer, User, run};
use crate::terminal::{Setup, Terminal};
use std::path::Path;
use tempfile::TempDir;

/// A server with #ops; cy, who made it, has no client.
pub(crate) fn ops() -> (TestServer, User, i64) {
    let server = TestServer::start();
    let cy = server.user("cy");
    let group = cy.group("ops");
    (server, cy, group)
}

/// The home of somebody new who is in #ops.
pub(crate) fn home(server: &TestServer, name: &str) -> TempDir {
    let home = server.home(name);
    run(home.path(), &["join", "ops"], "");
    home
}

/// The client as it is run from this home.
pub(crate) fn client(home: &Path) -> Setup {
    Setup::client(&[]).home(home).size(100, 30)
}

/// The client, connected, with #ops open.
pub(crate) fn in_ops(home: &Path) -> Terminal {
    let terminal = client(home).start();
    go_to_ops(&terminal);
    terminal
}

/// Goes to #ops as soon as there is a connection.
pub(crate) fn go_to_ops(terminal: &Terminal) {
    terminal.wait_for("● online").wait_for("#ops").keys("/go #ops<enter>");
    terminal.wait_until("#ops is open", |screen| header(&screen.contents()).contains("#ops"));
}

/// The line above the messages, without the list of rooms.
fn header(contents: &str) -> String {
    contents.lines().next().unwrap_or_default().chars().skip(24).collect()
}

/// How often a text is on the screen.
pub(crate) fn times(terminal: &Terminal, text: &str) -> usize {
    terminal.screen().matches(text).count()
}

/// The row of the list of rooms in which this name stands, without what is beside the list.
pub(crate) fn room_row(contents: &str, name: &str) -> Option<String> {
    let rows = contents.lines().map(|row| row.chars().take(23).collect::<String>());
    rows.map(|row| row.trim_end().to_owned()).find(|row| row.split_whitespace().any(|word| word == name))
}

/// How many of these texts are this one.
pub(crate) fn count(bodies: &[String], text: &str) -> usize {
    bodies.iter().filter(|body| *body == text).count()
}
