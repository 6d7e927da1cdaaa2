//! Getting in: the form, a session that is stored, and one that has ended.

use crate::people::{go_to_ops, home, ops};
use crate::server::{PASSWORD, TestServer};
use crate::terminal::Setup;
use serde_json::json;

#[test]
fn who_starts_first_registers_in_the_form_and_is_in_the_chat_ever_after() {
    let server = TestServer::start();
    let home = tempfile::tempdir().unwrap();
    let terminal = Setup::client(&[]).home(home.path()).size(100, 30).start();
    terminal.wait_for("chat · log in").wait_for("http://127.0.0.1:8080");
    terminal.keys("<s-tab><c-u>").write(server.url().as_bytes());
    // Up from the first field is the last: "I have no account yet".
    terminal.keys("<s-tab><enter>").wait_for("chat · make an account");
    terminal.keys(&format!("ann<enter>{PASSWORD}<enter>another one<enter>")).wait_for("the two differ");
    terminal.keys(&format!("<c-u>{PASSWORD}<enter>"));
    terminal.wait_for("● online").wait_for("This is the beginning of #general.");
    assert!(!terminal.raw().windows(PASSWORD.len()).any(|bytes| bytes == PASSWORD.as_bytes()));
    terminal.keys("<c-q>").wait_for("Quit?").keys("y");
    assert_eq!(terminal.wait_exit(), Some(0));

    let terminal = Setup::client(&[]).home(home.path()).size(100, 30).start();
    terminal.wait_for("● online").wait_for("This is the beginning of #general.");
    assert!(!String::from_utf8_lossy(&terminal.raw()).contains("log in"));
}

#[test]
fn a_wrong_password_is_told_in_the_form() {
    let server = TestServer::start();
    server.user("ann");
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let terminal = Setup::client(&["--server", &url]).home(home.path()).start();
    terminal.wait_for(&url).keys("ann<enter>not the password<enter>");
    terminal.wait_for("wrong").wait_for("chat · log in");
    terminal.keys(&format!("<c-u>{PASSWORD}<enter>")).wait_for("● online").wait_for("#general");
}

#[test]
fn a_server_that_is_not_there_is_told_in_the_form() {
    let home = tempfile::tempdir().unwrap();
    let terminal = Setup::client(&["--server", "http://127.0.0.1:9"]).home(home.path()).start();
    terminal.wait_for("http://127.0.0.1:9").keys("ann<enter>some password<enter>");
    terminal.wait_for("cannot be reached");
    terminal.keys("<c-q>");
    assert_eq!(terminal.wait_exit(), Some(0));
}

/// Every session but the one that says so ends, the client's too; what was being written waits for the
/// next one.
#[test]
fn an_ended_session_leads_to_the_form_and_drafts_wait() {
    let (server, ..) = ops();
    let home = home(&server, "ann");
    let terminal = crate::people::in_ops(home.path());
    terminal.keys("half a sentence").wait_for("> half a sentence");
    let elsewhere = server.log_in("ann");
    let body = json!({"current_password": PASSWORD, "new_password": "another password"});
    elsewhere.ok("PUT", "/me/password", Some(body));
    terminal.wait_for("chat · log in").wait_gone("half a sentence");
    let screen = terminal.screen();
    assert!(screen.contains("ann") && screen.contains("session"), "{screen}");
    terminal.keys("another password<enter>");
    go_to_ops(&terminal);
    terminal.wait_for("> half a sentence");
}
