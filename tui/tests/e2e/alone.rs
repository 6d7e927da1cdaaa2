//! Without a server: made-up data, the configuration, completions, pages, and poor terminals.

use crate::answers::Kind;
use crate::people::{go_to_ops, home, ops};
use crate::terminal::{Setup, Terminal};
use std::fs;

#[test]
fn the_demo_needs_nothing() {
    let terminal = Terminal::spawn(&["--demo"], &[], 120, 30);
    terminal.wait_for("#general").wait_for("● online").keys("hello there<enter>").wait_for("hello there");
    terminal.keys("<f1>").wait_for("─ Help ─").keys("<esc>").wait_gone("─ Help ─");
    terminal.keys("<c-q>").wait_for("Quit?").keys("y");
    assert_eq!(terminal.wait_exit(), Some(0));
}

#[test]
fn mistakes_in_the_configuration_have_their_lines() {
    let home = tempfile::tempdir().unwrap();
    let check = || Setup::client(&["--check-config"]).home(home.path()).size(200, 20).start();
    assert_eq!(check().wait_exit(), Some(0));

    let example = Setup::client(&["--example-config"]).home(home.path()).size(120, 400).start();
    assert_eq!(example.wait_exit(), Some(0));
    fs::write(home.path().join("config.toml"), example.screen()).unwrap();
    let right = check();
    assert_eq!(right.wait_exit(), Some(0), "{}", right.screen());

    let wrong = "theme = \"mauve\"\nmouse = true\nmouth = true\n\n[keymap]\nqiut = \"ctrl-q\"\n";
    fs::write(home.path().join("config.toml"), wrong).unwrap();
    let terminal = check();
    assert_eq!(terminal.wait_exit(), Some(2));
    let screen = terminal.screen();
    for part in ["line 1", "theme", "line 3", "mouth", "line 6", "qiut"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert!(!screen.contains("line 2"), "{screen}");
    // A line each, with what stands there and what can.
    let first = screen.lines().find(|line| line.contains("line 1")).unwrap();
    assert!(
        first.contains("theme cannot be \"mauve\": it is one of \"auto\"") && !first.contains("line 3"),
        "{screen}"
    );
    // The client starts all the same, and says so.
    let terminal = Setup::client(&["--demo"]).home(home.path()).size(100, 30).start();
    terminal.wait_for("#general").wait_for("3 mistakes in the configuration");
}

#[test]
fn completions_and_pages_are_made() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let terminal = Setup::client(&["completions", shell]).size(200, 600).start();
        assert_eq!(terminal.wait_exit(), Some(0));
        assert!(terminal.screen().contains("check-config"), "{shell}");
    }
    let pages = home.path().join("pages");
    let terminal = Setup::client(&["man", pages.to_str().unwrap()]).start();
    assert_eq!(terminal.wait_exit(), Some(0));
    let page = fs::read_to_string(pages.join("chat-tui.1")).unwrap();
    assert!(page.contains("check\\-config") && pages.join("chat-tui-send.1").exists());
}

/// Are there colours among these bytes?
fn has_colours(raw: &[u8]) -> bool {
    let text = String::from_utf8_lossy(raw);
    let looks = text.split("\x1b[").skip(1).filter_map(|rest| {
        let (parameters, _) = rest.split_once('m')?;
        parameters.bytes().all(|byte| byte.is_ascii_digit() || byte == b';').then(|| parameters.to_owned())
    });
    looks.into_iter().any(|look| {
        look.split(';')
            .filter_map(|number| number.parse().ok())
            .any(|number: u16| matches!(number, 30..=38 | 40..=48 | 90..=97 | 100..=107))
    })
}

#[test]
fn a_terminal_that_answers_nothing_is_enough() {
    let (server, cy, group) = ops();
    cy.send(group, "**bold** and `code`");
    let home = home(&server, "ann");
    let setup = || Setup::client(&[]).home(home.path()).size(100, 30);
    let poor = setup().kind(Kind::Silent).env("TERM", "dumb").env("NO_COLOR", "1").start();
    go_to_ops(&poor);
    poor.wait_for("bold and code").keys("from a poor terminal<enter>").wait_for("from a poor terminal");
    poor.wait_gone("on its way").keys("<c-q>").wait_for("Quit?").keys("y");
    assert_eq!(poor.wait_exit(), Some(0));
    assert!(!has_colours(&poor.raw()));

    let rich = setup().start();
    go_to_ops(&rich);
    rich.wait_for("from a poor terminal");
    assert!(has_colours(&rich.raw()));
}

#[test]
fn without_a_terminal_it_says_so() {
    let terminal = Setup::program(
        "sh",
        &["-c", &format!("{} --demo < /dev/null; echo code $?", env!("CARGO_BIN_EXE_chat-tui"))],
    )
    .start();
    terminal.wait_for("needs a terminal").wait_for("code 2");
}
