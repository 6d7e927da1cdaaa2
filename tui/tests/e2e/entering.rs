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
    terminal
        .keys(&format!("ann<enter>{PASSWORD}<enter>another one<enter>"))
        .wait_for("the two passwords differ");
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

#[test]
fn where_an_invite_is_wanted_the_form_asks_for_it() {
    let server = TestServer::with(&[("CHAT_REGISTRATION", "invite")]);
    let home = tempfile::tempdir().unwrap();
    let url = server.url();
    let terminal = Setup::client(&["--server", &url]).home(home.path()).start();
    // Up from the name are the server and then the last field: "I have no account yet".
    terminal.wait_for(&url).keys("<s-tab><s-tab><enter>").wait_for("chat · make an account");
    terminal.keys(&format!("ann<enter>{PASSWORD}<enter>{PASSWORD}<enter>")).wait_for("Invite code");
    assert!(terminal.screen().contains("ann"), "{}", terminal.screen());
    terminal.keys("not-an-invite<enter>").wait_gone("asking the server").wait_for("invite is");
    assert!(terminal.screen().contains("not-an-invite"), "{}", terminal.screen());
}

#[test]
fn two_servers_are_gone_between_and_kept_apart() {
    let (here, ..) = ops();
    let there = TestServer::start();
    there.user("bea").group("far");
    there.user("ann");
    let home = home(&here, "ann");
    let terminal = crate::people::in_ops(home.path());
    terminal.keys("for ops").wait_for("> for ops");
    // Commands are typed where no draft stands.
    terminal.keys("<a-1>").wait_gone("> for ops");
    terminal
        .keys(&format!("/server {}<enter>", there.url()))
        .wait_for("chat · log in")
        .wait_for(&there.url());
    terminal.keys("<esc>").wait_for("● online").wait_for("#ops");
    terminal.keys(&format!("/server {}<enter>", there.url())).wait_for("chat · log in");
    terminal.keys(&format!("<tab>ann<enter>{PASSWORD}<enter>")).wait_for("bea joined").wait_for("● online");
    terminal.keys("/join #far<enter>").wait_for("This is the beginning of #far");
    terminal.keys("/server<enter>").wait_for(&format!("{} (this one)", there.url())).wait_for(&here.url());
    terminal.keys(&here.url()).keys("<enter>").wait_gone("#far");
    go_to_ops(&terminal);
    terminal.wait_for("> for ops");
    terminal.keys("<c-q>").wait_for("Quit?").keys("y");
    assert_eq!(terminal.wait_exit(), Some(0));
}

#[test]
fn a_second_client_of_the_same_home_works_and_says_that_it_keeps_nothing() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    let first = crate::people::in_ops(home.path());
    let second = crate::people::in_ops(home.path());
    second.wait_for("not kept");
    second.keys("from the second<enter>");
    first.wait_for("from the second");
    cy.wait_texts(group, &["from the second"]);
    assert!(!first.screen().contains("not kept"), "{}", first.screen());
}

#[test]
fn a_damaged_log_in_leads_to_the_form_and_can_be_replaced() {
    let server = TestServer::start();
    let home = server.home("ann");
    let file = home.path().join("credentials.json");
    let damaged = std::fs::read_to_string(&file).unwrap().replace("\"ann\"", "\"no name\"");
    std::fs::write(&file, damaged).unwrap();
    let terminal = Setup::client(&[]).home(home.path()).start();
    terminal.wait_for("the stored log-in is damaged. Log in again.").wait_for(&server.url());
    terminal.keys(&format!("<s-tab>ann<enter>{PASSWORD}<enter>")).wait_for("● online").wait_for("#general");
}
