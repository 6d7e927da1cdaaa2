//! Texts that want a terminal to do something else, in whatever the client shows of what others wrote. What
//! it writes is read strictly: every byte is one that it means to write.

use crate::corpus::{SEQUENCES, corpus, halves};
use crate::people::ops;
use crate::rewriting::Rewriting;
use crate::server::{PASSWORD, TestServer, run};
use crate::terminal::{Setup, Terminal};
use serde_json::json;

const COLUMNS: u16 = 110;
const ROWS: u16 = 44;

/// Characters that no screen of text needs: controls, and those that hide or turn others.
fn is_dangerous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..)
}

/// Is this one of the client's own sequences, without its `ESC [`?
fn is_ours(parameters: &str, end: char) -> bool {
    let numbers = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'));
    match end {
        'H' | 'm' => numbers(parameters),
        'J' => parameters == "2",
        'h' | 'l' => parameters.strip_prefix('?').is_some_and(|mode| {
            ["7", "25", "1000", "1002", "1003", "1004", "1006", "1015", "1049", "2004", "2026"]
                .contains(&mode)
        }),
        'u' => matches!(parameters, ">1" | "<1"),
        't' => matches!(parameters, "22;0" | "23;0"),
        _ => false,
    }
}

/// Reads everything that was written; returns the contents of its OSC sequences. What the program is writing
/// just now may lack its end.
#[track_caller]
fn read_strictly(raw: &[u8]) -> Vec<String> {
    let text = match std::str::from_utf8(raw) {
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&raw[..error.valid_up_to()]),
        read => read,
    };
    let text = text.unwrap_or_else(|error| panic!("no UTF-8: {error}"));
    let mut told = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let here = || rest.chars().take(60).collect::<String>().escape_debug().to_string();
        if c != '\x1b' {
            assert!(!is_dangerous(c), "{c:?} in {}", here());
            rest = &rest[c.len_utf8()..];
        } else if let Some(after) = rest.strip_prefix("\x1b[") {
            let Some(end) = after.find(|c: char| ('@'..='~').contains(&c)) else { return told };
            let c = after[end..].chars().next().unwrap();
            assert!(is_ours(&after[..end], c), "{}", here());
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix("\x1b]") {
            let Some((content, after)) = after.split_once("\x1b\\") else {
                let begun = after.strip_suffix('\x1b').unwrap_or(after);
                assert!(!begun.chars().any(is_dangerous), "{}", here());
                return told;
            };
            assert!(!content.chars().any(is_dangerous), "{}", here());
            told.push(content.to_owned());
            rest = after;
        } else {
            assert_eq!(rest, "\x1b", "{}", here());
            return told;
        }
    }
    told
}

/// The texts in lines or rows, each about so long.
fn chunks(length: usize, between: &str) -> Vec<String> {
    let mut chunks: Vec<String> = Vec::new();
    // Of blank pages one cannot be told from the next.
    for text in corpus().into_iter().filter(|text| text.lines().count() < 200) {
        match chunks.last_mut().filter(|chunk| chunk.chars().count() + text.chars().count() < length) {
            Some(chunk) => {
                chunk.push_str(between);
                chunk.push_str(&text);
            }
            None => chunks.push(text),
        }
    }
    chunks
}

/// The lines beside the panels, from the top to the status line.
fn has_whole_borders(screen: &vt100::Screen) -> bool {
    let letter = |y, x| screen.cell(y, x).is_some_and(|cell| cell.contents() == "│");
    (0..ROWS - 1).all(|y| letter(y, 24))
}

#[track_caller]
fn assert_harmless(terminal: &Terminal) {
    for osc in read_strictly(&terminal.raw()) {
        let allowed = osc == "8;;" || osc.starts_with("8;;http://") || osc.starts_with("8;;https://");
        assert!(allowed || osc.starts_with("2;"), "{osc:?}");
    }
    let told = terminal.told();
    assert_eq!((told.bells, told.copied, told.strange), (0, Vec::new(), Vec::new()));
}

/// The client of ann, who talks to the server through somebody who puts these texts in.
fn behind(rewriting: &Rewriting) -> (tempfile::TempDir, Terminal) {
    let home = tempfile::tempdir().unwrap();
    let url = rewriting.url();
    let arguments = ["--server", &url, "login", "--username", "ann", "--password-stdin"];
    run(home.path(), &arguments, &format!("{PASSWORD}\n"));
    let terminal = Setup::client(&[]).home(home.path()).size(COLUMNS, ROWS).start();
    terminal.wait_for("● online");
    (home, terminal)
}

#[test]
fn bodies_do_nothing_to_the_terminal() {
    let (server, cy, group) = ops();
    let ann = server.user("ann");
    ann.join(group);
    // Half a sequence ends a message, and the other half begins the next.
    let mut texts = Vec::new();
    let (mut chunks, mut second) = (chunks(400, "\n").into_iter(), String::new());
    for (first, other) in halves() {
        let middle = chunks.next().unwrap_or_default();
        texts.push(format!("{second}\n{middle}\nx{first}"));
        second = other;
    }
    texts.extend(chunks);
    for number in 0..texts.len() {
        cy.send(group, &format!("@@{number}@@"));
    }
    cy.send(group, "the last one");
    let rewriting = Rewriting::start(&server, texts);
    let (_home, terminal) = behind(&rewriting);
    terminal.keys("/go #ops<enter>").wait_for("the last one");
    // To the top, page by page.
    let mut pages = 0;
    loop {
        terminal.wait_until("whole borders", has_whole_borders);
        if terminal.screen().contains("This is the beginning of #ops.") {
            break;
        }
        let before = terminal.rows();
        terminal.keys("<pgup>");
        terminal.wait_until("another page", |screen| {
            let rows: Vec<_> = screen.rows(0, COLUMNS).collect();
            rows.iter().zip(&before).any(|(row, before)| row.trim_end() != before.trim_end())
                && !screen.contents().contains("loading older")
        });
        pages += 1;
        assert!(pages < 400, "no end");
    }
    assert!(pages > 5, "{pages}");
    assert_harmless(&terminal);
}

#[test]
fn names_topics_states_and_refusals_do_nothing_to_the_terminal() {
    let server = TestServer::with(&[("CHAT_NAME", "@@0@@")]);
    let cy = server.user("cy");
    let group = cy.group("ops");
    let ann = server.user("ann");
    ann.join(group);
    let mut texts = vec![SEQUENCES.concat()];
    texts.extend(chunks(300, " "));
    let count = texts.len();
    let rewriting = Rewriting::start(&server, texts);
    let (_home, terminal) = behind(&rewriting);

    // Each is on the screen before the next comes.
    terminal.keys("/go #ops<enter>").wait_for("This is the beginning of #ops");
    for number in 0..count {
        let topic = json!({"topic": format!("t{number}t @@{number}@@")});
        cy.ok("PATCH", &format!("/groups/{group}"), Some(topic));
        terminal.wait_for(&format!("t{number}t"));
    }
    terminal.wait_until("whole borders", has_whole_borders);

    // Of these a line is shown.
    terminal.keys("/go #general<enter>").wait_for("This is the beginning of #general");
    for number in (0..count).step_by(4) {
        terminal.keys(&format!("/whois x{number}<enter>")).wait_for(&format!("refused {number}"));
    }
    for number in (0..count).step_by(4) {
        let profile = json!({
            "display_name": format!("d{number}d @@{number}@@"),
            "status_text": format!("s{number}s @@{number}@@"),
        });
        cy.ok("PATCH", "/me", Some(profile));
        terminal.keys("/whois cy<enter>").wait_for(&format!("d{number}d")).wait_for(&format!("s{number}s"));
        terminal.keys("<esc>").wait_gone(&format!("s{number}s"));
    }
    for number in 0..30 {
        server.log_in_as("ann", &format!("@@{number}@@"));
    }
    terminal.keys("/sessions<enter>").wait_for("Where you are logged in").wait_for("/32 ");
    terminal.keys("<esc>").wait_until("whole borders", has_whole_borders);
    assert_harmless(&terminal);
}
