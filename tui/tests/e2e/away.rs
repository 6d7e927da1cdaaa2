//! The server goes away and comes back, and the client may be killed meanwhile.

use crate::people::{client, count, go_to_ops, home, in_ops, ops, times};
use rustix::process::Signal;

#[test]
fn what_is_written_while_the_server_is_away_is_sent_once() {
    let (mut server, cy, group) = ops();
    let (ann_home, bob_home) = (home(&server, "ann"), home(&server, "bob"));
    let (ann, bob) = (in_ops(ann_home.path()), in_ops(bob_home.path()));
    ann.keys("before<enter>");
    bob.wait_for("before");
    ann.wait_for("before").wait_gone("on its way");

    server.stop();
    ann.wait_for("○ offline, again in");
    bob.wait_for("○ offline, again in");
    ann.keys("meanwhile<enter>").wait_for("meanwhile").wait_for("… on its way");
    ann.keys("and this<enter>").wait_for("and this");
    server.restart();

    ann.wait_for("● online").wait_gone("on its way");
    bob.wait_for("● online").wait_for("and this");
    let bodies = cy.bodies(group);
    for text in ["before", "meanwhile", "and this"] {
        assert_eq!(count(&bodies, text), 1, "{bodies:?}");
        assert_eq!((times(&ann, text), times(&bob, text)), (1, 1), "{text}");
    }
    let place = |text: &str| bodies.iter().position(|body| body == text);
    assert!(place("meanwhile") < place("and this"));
}

#[test]
fn a_killed_client_has_what_was_entered_and_sends_it_once() {
    let (mut server, cy, group) = ops();
    let home = home(&server, "ann");
    let terminal = in_ops(home.path());
    server.stop();
    terminal.wait_for("○ offline, again in").keys("last words<enter>").wait_for("… on its way");
    terminal.signal(Signal::KILL);
    assert_eq!(terminal.wait_exit(), None);

    let terminal = client(home.path()).start();
    terminal.wait_for("last words").wait_for("… on its way").wait_for("○ offline");
    server.restart();
    terminal.wait_for("● online").wait_gone("on its way");
    assert_eq!((count(&cy.bodies(group), "last words"), times(&terminal, "last words")), (1, 1));

    // What is not finished is kept too.
    terminal.keys("half a sentence").wait_for("> half a sentence").signal(Signal::TERM);
    assert_eq!(terminal.wait_exit(), Some(0));
    let terminal = client(home.path()).start();
    go_to_ops_again(&terminal);
    terminal.wait_for("> half a sentence");
    assert_eq!((count(&cy.bodies(group), "last words"), times(&terminal, "last words")), (1, 1));
}

/// It was open before, and so it is open again.
fn go_to_ops_again(terminal: &crate::terminal::Terminal) {
    terminal.wait_for("● online").wait_for("This is the beginning of #ops.");
}

#[test]
fn a_client_that_starts_without_the_server_shows_what_it_knows() {
    let (mut server, cy, group) = ops();
    let home = home(&server, "ann");
    cy.send(group, "known before");
    let terminal = in_ops(home.path());
    terminal.wait_for("known before").keys("<c-q>").keys("y");
    assert_eq!(terminal.wait_exit(), Some(0));
    server.stop();
    let terminal = client(home.path()).start();
    terminal.wait_for("known before").wait_for("○ offline, again in");
    server.restart();
    cy.send(group, "known later");
    // Without waiting for the timer.
    terminal.keys("<a-r>").wait_for("known later");
    go_to_ops(&terminal);
}
