//! The window gets every size, with wide letters on the screen.

use crate::people::{home, in_ops, ops};
use crate::terminal::Terminal;
use vt100::Screen;

/// Each with another height than the one before: what was there cannot pass for what comes.
const SIZES: [(u16, u16); 18] = [
    (1, 1),
    (300, 100),
    (2, 2),
    (20, 6),
    (19, 7),
    (21, 50),
    (40, 12),
    (60, 20),
    (59, 8),
    (61, 21),
    (79, 24),
    (200, 3),
    (99, 31),
    (5, 60),
    (120, 40),
    (121, 9),
    (80, 24),
    (101, 6),
];

const WIDE: [&str; 6] = [
    "漢字かな交じり文を書く。漢字かな交じり文を書く。漢字かな交じり文を書く。",
    "👨\u{200d}👩\u{200d}👧 👍🏽 🇩🇪 ❤\u{fe0f} and plain",
    "क\u{94d}षि e\u{301}e\u{301}e\u{301} ﷽ ｶ\u{ff9e}",
    "שלום עולם مرحبا",
    "**bold 漢** `code 字` https://example.org/漢",
    "| a | b |\n| 漢 | 字 |",
];

fn letter(screen: &Screen, row: u16, column: u16) -> String {
    screen.cell(row, column).map(|cell| cell.contents().to_owned()).unwrap_or_default()
}

/// The line beside the rooms, from the top to the status line, and nothing beyond the edge.
fn is_whole(screen: &Screen, columns: u16, rows: u16) -> bool {
    if columns < 20 || rows < 6 {
        return "too small".starts_with(screen.contents().trim()) && !screen.contents().trim().is_empty();
    }
    let border = match columns {
        ..60 => None,
        60..100 => Some(20),
        100.. => Some(24),
    };
    let beside = border.is_none_or(|x| (0..rows - 1).all(|y| letter(screen, y, x) == "│"));
    let members = columns < 120 || (0..rows - 1).all(|y| letter(screen, y, columns - 21) == "│");
    let last = screen.rows(0, columns).last().unwrap_or_default();
    beside && members && last.contains("● online")
}

fn settles(terminal: &Terminal, columns: u16, rows: u16) {
    let what = format!("a whole picture at {columns}x{rows}");
    terminal.wait_until(&what, |screen| is_whole(screen, columns, rows));
}

#[test]
fn every_size_has_a_whole_picture_and_the_last_one_is_as_the_first() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    for text in WIDE {
        cy.send(group, text);
    }
    let terminal = in_ops(home.path());
    terminal.wait_for("https://example.org/").wait_for("| a | b |");
    terminal.keys("漢字 typed").wait_for("漢字 typed");
    settles(&terminal, 100, 30);
    let before = terminal.rows();
    for (columns, rows) in SIZES {
        terminal.resize(columns, rows);
        settles(&terminal, columns, rows);
    }
    terminal.resize(100, 30);
    terminal.wait_until("the picture as before", |screen| is_whole(screen, 100, 30));
    assert_eq!(terminal.rows(), before);

    // All at once, as when somebody drags the corner.
    for (columns, rows) in SIZES {
        terminal.resize(columns, rows);
    }
    terminal.resize(100, 29).resize(100, 30).keys("!");
    terminal.wait_for("漢字 typed!");
    settles(&terminal, 100, 30);
    let expected: Vec<_> = before.iter().map(|row| row.replace("typed ", "typed!")).collect();
    assert_eq!(terminal.rows(), expected);
}

#[test]
fn a_resize_that_comes_together_with_a_key_is_seen() {
    let (server, _, _) = ops();
    let home = home(&server, "ann");
    let terminal = in_ops(home.path());
    settles(&terminal, 100, 30);
    for round in 0..100 {
        let rows = if round % 2 == 0 { 29 } else { 30 };
        // In either order: the system tells of both.
        if round % 3 == 0 {
            terminal.keys("x").resize(100, rows);
        } else {
            terminal.resize(100, rows).keys("x");
        }
        settles(&terminal, 100, rows);
    }
}
