//! Is the harness itself to be trusted? Shown with small programs, and with the client's own commands.

use crate::answers::Kind;
use crate::server::{TestServer, run};
use crate::terminal::{Setup, Terminal};
use rustix::process::{Pid, Signal, test_kill_process};
use serde_json::json;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn shell(script: &str) -> Setup {
    Setup::program("sh", &["-c", script])
}

/// Prints what it is sent, byte by byte, after a mark that it listens.
fn echo(count: usize) -> Setup {
    shell(&format!("stty raw -echo; printf 'ready\\r\\n'; head -c {count} | od -An -c"))
}

#[test]
fn a_program_is_seen_and_ends() {
    let terminal = shell("printf 'one\\ntwo'; exit 3").size(20, 4).start();
    assert_eq!(terminal.wait_exit(), Some(3));
    assert_eq!(terminal.screen(), "one\ntwo");
    assert_eq!(terminal.rows(), ["one", "two", "", ""].map(|row| format!("{row:<20}")));
    assert_eq!(terminal.raw(), b"one\r\ntwo");
    assert_eq!(terminal.look(|screen| screen.cursor_position()), (1, 3));
}

#[test]
fn what_is_typed_arrives() {
    let terminal = Setup::program("cat", &[]).start();
    terminal.keys("hello<enter>").wait_for("hello\nhello");
    terminal.keys("<c-d>");
    assert_eq!(terminal.wait_exit(), Some(0));

    let terminal = echo(5).start();
    terminal.wait_for("ready").keys("a<c-a><a-b>").focus(true);
    terminal.wait_for("a 001 033   b 033");

    let terminal = echo(15).start();
    terminal.wait_for("ready").paste("a\nb");
    terminal.wait_for("033   [   2   0   0   ~   a  \\r   b 033   [   2   0   1   ~");

    let terminal = echo(9).start();
    terminal.wait_for("ready").click(4, 9);
    terminal.wait_for("033   [   <   0   ;   5   ;   1   0");
}

#[test]
fn a_resize_is_told() {
    let script = "trap 'stty size' WINCH; echo ready; while :; do read -r line || :; done";
    let terminal = shell(script).size(30, 10).start();
    terminal.wait_for("ready").resize(50, 12).wait_for("12 50");
    assert_eq!(terminal.rows().len(), 12);
}

#[test]
fn queries_are_answered_as_the_terminal_would() {
    let cursor = "033   [   1   ;   1   R";
    for (kind, query, count, expected) in [
        (Kind::Modern, "\\033[6n", 6, cursor),
        (Kind::Plain, "\\033[6n", 6, cursor),
        (Kind::Modern, "\\033[c", 9, "033   [   ?   6   2   ;   2   2   c"),
        (Kind::Modern, "\\033[?u", 5, "033   [   ?   0   u"),
        (Kind::Modern, "\\033]11;?\\033\\\\", 24, "r   g   b   :   0   0   0   0"),
        (Kind::Light, "\\033]11;?\\007", 24, "r   g   b   :   f   f   f   f"),
        // What it does not know it passes over.
        (Kind::Plain, "\\033[?u\\033[6n", 6, cursor),
    ] {
        let script = format!("stty raw -echo; printf '{query}'; head -c {count} | od -An -c");
        let terminal = shell(&script).kind(kind).start();
        terminal.wait_for(expected);
        terminal.wait_exit();
    }
    let script = "stty raw -echo; printf '\\033[6n\\033[c\\033[?uasked'; head -c 1 | od -An -c";
    let terminal = shell(script).kind(Kind::Silent).start();
    terminal.wait_for("asked").keys("x").wait_for("asked   x");
}

#[test]
fn what_is_told_beside_the_screen() {
    let script =
        r"printf '\033]2;a title\007\033]52;c;QUJD\007\007\033]9;note\007\033]8;;http://a\033\\x\001'";
    let terminal = shell(script).start();
    terminal.wait_exit();
    let told = terminal.told();
    assert_eq!((told.title.as_str(), told.bells), ("a title", 1));
    assert_eq!(told.copied, ["QUJD"]);
    assert_eq!(told.others, ["9;note", "8;;http://a"]);
    assert_eq!(told.strange, ["0x01"]);
    assert_eq!(terminal.screen(), "x");
}

#[test]
fn what_belongs_together_is_shown_together() {
    let script = r"printf 'all \033[?2026hhalf'; read -r line; printf ' whole\033[?2026l'; read -r line";
    let terminal = shell(script).start();
    terminal.wait_raw("the half of it", |raw| raw.ends_with(b"half"));
    assert_eq!(terminal.screen(), "all ");
    terminal.keys("<enter>").wait_for("half").wait_for("whole");
    // What was begun when a program ended is shown as it is.
    let terminal = shell(r"printf '\033[?2026hhalf'").start();
    terminal.wait_exit();
    assert_eq!(terminal.screen(), "half");
}

#[test]
fn what_changes_is_waited_for() {
    let script = r"printf one; read -r line; printf '\033[2J\033[Htwo\007'; read -r line";
    let terminal = shell(script).start();
    terminal
        .wait_for("one")
        .keys("<enter>")
        .wait_gone("one")
        .wait_for("two")
        .wait_told("a bell", |told| told.bells == 1);
    assert_eq!(terminal.screen().trim_end(), "two");
}

#[test]
fn wide_letters_and_replacements_have_their_columns() {
    let terminal = shell("printf '漢\u{FFFD}a\\033[1;10H|'").start();
    terminal.wait_exit();
    assert_eq!(terminal.screen(), "漢?a     |");
}

#[test]
fn what_does_not_come_is_shown_as_it_is() {
    let terminal = shell("printf here; exit 1").start();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        terminal.wait_for("there");
    }))
    .unwrap_err();
    let said = panic.downcast_ref::<String>().unwrap();
    for part in ["the program ended", "\"there\"", "  |here", "last bytes: \"here\""] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_program_goes_with_its_terminal() {
    let terminal = shell("trap '' HUP TERM; echo pid $$; while :; do read -r line || :; done").start();
    terminal.wait_for("pid ");
    let screen = terminal.screen();
    let pid = screen.trim().strip_prefix("pid ").unwrap().parse().unwrap();
    let pid = Pid::from_raw(pid).unwrap();
    assert!(test_kill_process(pid).is_ok());
    drop(terminal);
    assert!(test_kill_process(pid).is_err());

    let terminal = Setup::program("cat", &[]).start();
    terminal.keys("x<enter>").wait_for("x\nx").signal(Signal::TERM);
    assert_eq!(terminal.wait_exit(), None);
}

#[test]
fn the_client_runs_in_it() {
    let terminal = Terminal::spawn(&["--version"], &[], 40, 5);
    assert_eq!(terminal.wait_exit(), Some(0));
    assert!(terminal.screen().starts_with("chat-tui "), "{}", terminal.screen());
}

#[test]
fn people_talk_over_the_server() {
    let mut server = TestServer::start();
    let ann = server.user("ann");
    let bob = server.user("bob");
    let group = ann.group("ops");
    bob.join(group);
    let mut ws = bob.connect();
    ann.send(group, "one");
    assert_eq!(ws.next_of("message")["message"]["body"], "one");
    ws.send(&json!({"type": "send", "id": uuid::Uuid::now_v7().to_string(), "conversation_id": group, "body": "two"}));
    ws.next_of("ack");
    assert_eq!(ann.bodies(group).iter().filter(|body| !body.is_empty()).collect::<Vec<_>>(), ["one", "two"]);
    let direct = ann.direct("bob");
    ann.send(direct, "psst");
    assert_eq!(bob.bodies(direct), ["psst"]);
    assert_eq!(bob.call("GET", "/conversations/999", None).0, 404);

    // A client with a home of its own, in a terminal, over a server that was away.
    let home = server.home("cy");
    let before = server.url();
    server.restart();
    assert_eq!(server.url(), before);
    assert!(run(home.path(), &["groups"], "").contains("#ops"));
    run(home.path(), &["join", "ops"], "");
    let terminal = Setup::client(&["history", "#ops"]).home(home.path()).start();
    assert_eq!(terminal.wait_exit(), Some(0));
    terminal.wait_for("two");
}
