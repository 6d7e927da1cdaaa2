//! The mouse, the clipboard, links, the title, and being told without looking.

use crate::people::{client, go_to_ops, home, in_ops, ops};
use crate::terminal::Terminal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

fn wheel(terminal: &Terminal, up: bool) {
    let button = if up { 64 } else { 65 };
    terminal.write(format!("\x1b[<{button};50;10M").as_bytes());
}

#[test]
fn a_click_opens_a_room_and_the_wheel_scrolls() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    for number in 0..60 {
        cy.send(group, &format!("message {number}."));
    }
    let terminal = in_ops(home.path());
    terminal.wait_for("message 59.");
    wheel(&terminal, true);
    terminal.wait_gone("message 59.").wait_for("↓").wait_for("message 50.");
    wheel(&terminal, false);
    terminal.wait_for("message 59.");

    let row = terminal.rows().iter().position(|row| row.contains("#general")).unwrap();
    terminal.click(6, u16::try_from(row).unwrap()).wait_for("This is the beginning of #general.");
    let row = terminal.rows().iter().position(|row| row.contains("#ops")).unwrap();
    terminal.click(6, u16::try_from(row).unwrap()).wait_for("message 59.");
}

fn occurrences(raw: &[u8], text: &str) -> usize {
    raw.windows(text.len()).filter(|bytes| *bytes == text.as_bytes()).count()
}

#[test]
fn copies_and_links_are_written_exactly() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    cy.send(group, "see https://example.org/a?b=c;d \u{e9} here");
    let terminal = in_ops(home.path());
    terminal.wait_for("https://example.org/a");
    terminal.keys("<c-s>y");
    let text = "see https://example.org/a?b=c;d \u{e9} here";
    let expected = STANDARD.encode(text);
    terminal.wait_told("the copy", |told| told.copied == [expected.as_str()]);
    let raw = terminal.raw();
    assert_eq!(occurrences(&raw, &format!("\x1b]52;c;{expected}\x1b\\")), 1);
    let begun = occurrences(&raw, "\x1b]8;;https://example.org/a?b=c");
    assert!(begun > 0);
    assert_eq!(occurrences(&raw, "\x1b]8;;\x1b\\"), begun, "every link has an end");
    assert_eq!(occurrences(&raw, "\x1b]8;"), 2 * begun);
}

#[test]
fn who_does_not_look_is_told_and_sees_the_count_in_the_title() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    let terminal = client(home.path()).start();
    go_to_ops(&terminal);
    cy.send(group, "first");
    terminal.wait_for("first").focus(false);
    // Both come by the same way, and so the focus is lost before the next message is sent.
    terminal.keys("x").wait_for("> x");
    cy.send(group, "second");
    terminal.wait_for("second").wait_told("one bell", |told| told.bells == 1);
    terminal.wait_told("the count", |told| told.title.starts_with("(1) #ops"));
    terminal.focus(true).wait_told("no count", |told| told.title.starts_with("#ops"));
    cy.send(group, "third");
    terminal.wait_for("third").keys("y").wait_for("> xy");
    assert_eq!(terminal.told().bells, 1);
}
