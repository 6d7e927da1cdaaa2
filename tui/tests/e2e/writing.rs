//! Pastes and $EDITOR.

use crate::patience;
use crate::people::{client, go_to_ops, home, in_ops, ops};
use crate::terminal::Setup;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

#[test]
fn a_pasted_newline_sends_nothing() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    let terminal = in_ops(home.path());
    terminal.paste("one\ntwo\n").wait_for("two");
    terminal.keys("<bs>!").wait_for("two!");
    assert_eq!(cy.bodies(group).concat(), "");
    terminal.keys("<enter>").wait_gone("on its way");
    terminal.wait_until("the line is empty", |screen| !screen.contents().contains("> one"));

    terminal.paste("a\nb\nc\nd").wait_for("Paste 4 lines?");
    // A paste answers no question.
    terminal.paste("s\n").wait_for("Paste 4 lines?").keys("n").wait_gone("Paste 4 lines?");
    terminal.paste("a\nb\nc\nd").wait_for("Paste 4 lines?").keys("e").wait_for("> a");
    terminal.keys("<c-c>").wait_gone("> a");
    terminal.paste("e\nf\ng\nh").wait_for("Paste 4 lines?").keys("s").wait_gone("Paste 4 lines?");
    terminal.keys("the end<enter>").wait_for("the end").wait_gone("on its way");
    cy.wait_texts(group, &["one\ntwo!", "e\nf\ng\nh", "the end"]);
}

#[test]
fn a_text_that_finds_no_room_on_the_disk_stays_in_the_line() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    drop(in_ops(home.path()));
    // No file grows beyond so many blocks of 512 bytes.
    let script = format!("trap '' XFSZ; ulimit -f 200; exec {}", env!("CARGO_BIN_EXE_chat-tui"));
    let terminal = Setup::program("sh", &["-c", &script]).home(home.path()).size(100, 30).start();
    go_to_ops(&terminal);
    let is_refused = |screen: &str| screen.contains("could not be stored");
    let deadline = Instant::now() + patience();
    let mut number = 0;
    while !is_refused(&terminal.screen()) {
        number += 1;
        let text = format!("text {number}.{}", " and on".repeat(1_000));
        terminal.paste(&text).keys("<enter>");
        while !cy.bodies(group).contains(&text) && !is_refused(&terminal.screen()) {
            assert!(
                Instant::now() < deadline,
                "text {number} is neither sent nor refused: {}",
                terminal.screen()
            );
            // The server does not tell when somebody is done.
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
    // It is back in the line, where it goes on; and what cannot be kept is said at the end.
    terminal.keys("-goes-on").wait_for("on-goes-on").keys("<c-q>").wait_for("Quit?").keys("y");
    assert_eq!(terminal.wait_exit(), Some(1));
    let screen = terminal.screen().replace(['\n', ' '], "");
    assert!(screen.contains("andon-goes-on") && screen.contains("lostwiththisprogram:1"), "{screen}");
    let refused = format!("text {number}.");
    assert!(!cy.bodies(group).iter().any(|body| body.starts_with(&refused)));
}

/// A program that stands in for an editor.
fn editor(dir: &Path, name: &str, script: &str) -> String {
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_editor_has_the_draft_the_terminal_and_what_is_typed() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    let script = r#"printf 'in the editor: '; stty -a | grep -q ' icanon' && printf 'lines '
        read -r typed; printf '%s and %s\n' "$(cat "$1")" "$typed" > "$1.new"; cat "$1.new" > "$1""#;
    let terminal = client(home.path()).env("EDITOR", editor(home.path(), "editor", script)).start();
    go_to_ops(&terminal);
    terminal.keys("draft<c-x><c-e>").wait_for("in the editor: lines");
    terminal.keys("what was typed<enter>").wait_for("> draft and what was typed");
    terminal.keys("<enter>").wait_gone("> draft").wait_for("draft and what was typed");
    cy.wait_texts(group, &["draft and what was typed"]);
}

#[test]
fn an_editor_that_fails_leaves_the_line_as_it_was() {
    let (server, ..) = ops();
    let home = home(&server, "ann");
    let script = r#"echo lost > "$1"; exit 1"#;
    let terminal = client(home.path()).env("EDITOR", editor(home.path(), "editor", script)).start();
    go_to_ops(&terminal);
    terminal.keys("draft<c-x><c-e>").wait_for("the line is as it was").wait_for("> draft");
}

/// As a paste into a terminal that brackets none: more than is read in one piece.
#[test]
fn all_of_what_is_typed_at_once_arrives() {
    let (server, ..) = ops();
    let home = home(&server, "ann");
    let terminal = in_ops(home.path());
    terminal.write(format!("{}the-end", "word ".repeat(240)).as_bytes()).wait_for("the-end");
}
