//! Two people with two clients.

use crate::people::{home, in_ops, ops, room_row};

#[test]
fn two_people_talk_in_a_group_and_in_private() {
    let (server, cy, _) = ops();
    let mut ws = cy.connect();
    let (ann_home, bob_home) = (home(&server, "ann"), home(&server, "bob"));
    let (ann, bob) = (in_ops(ann_home.path()), in_ops(bob_home.path()));

    ann.keys("hello bob");
    bob.wait_for("ann is writing…");
    ann.keys("<enter>");
    bob.wait_for("hello bob").wait_gone("ann is writing…");
    bob.keys("hello ann<enter>");
    ann.wait_for("hello ann");

    ann.keys("/msg @bob psst<enter>");
    bob.wait_until("one unread of ann, who is there", |screen| {
        room_row(&screen.contents(), "@ann").is_some_and(|row| row.contains('●') && row.ends_with(" 1"))
    });
    bob.wait_told("the count in the title", |told| told.title.starts_with("(1) "));
    bob.keys("<a-a>").wait_for("psst").wait_for("● online");
    bob.wait_until("nothing unread", |screen| {
        room_row(&screen.contents(), "@ann").is_some_and(|row| row.ends_with("@ann"))
    });
    bob.wait_told("no count in the title", |told| told.title.starts_with("@ann"));

    bob.keys("<c-s>=");
    ann.wait_for("👍 1");
    bob.wait_for("👍 1").keys("<c-s>r").keys("the answer<enter>");
    ann.wait_for("↪ ann: psst").wait_for("the answer");
    bob.wait_for("the answer").wait_gone("on its way").keys("<up>").wait_for("> the answer");
    bob.keys(", better<enter>");
    ann.wait_for("the answer, better (edited)");
    bob.wait_for("the answer, better (edited)").keys("<c-s>d").keys("y");
    ann.wait_for("(deleted)").wait_gone("the answer");
    bob.wait_for("(deleted)").wait_gone("the answer");

    // Who comes and goes within a second is not told of, and this all may have taken less.
    while !ws.next_of("presence").to_string().contains("\"ann\"") {}
    ann.keys("<c-q>").wait_for("Quit?").keys("y");
    assert_eq!(ann.wait_exit(), Some(0));
    bob.wait_until("ann has gone", |screen| {
        room_row(&screen.contents(), "@ann").is_some_and(|row| row.contains('○'))
    });
}
