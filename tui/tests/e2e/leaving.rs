//! Every end gives the terminal back, and so does a pause.

use crate::patience;
use crate::people::{client, home, in_ops, ops};
use crate::terminal::{Setup, Terminal};
use portable_pty::{CommandBuilder, ExitStatus, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn last(raw: &str, sequence: &str) -> Option<usize> {
    raw.rfind(sequence)
}

/// What a client turns on while it has the terminal.
const MODES: [&str; 8] = ["1049", "2004", "1004", "1000", "1002", "1003", "1006", "1015"];
/// What it puts aside, and how it gets that back.
const PUT_ASIDE: [(&str, &str); 2] = [("\x1b[>1u", "\x1b[<1u"), ("\x1b[22;0t", "\x1b[23;0t")];

/// Everything was turned on and is off, and what was put aside is back.
#[track_caller]
fn assert_given_back(raw: &[u8]) {
    let text = String::from_utf8_lossy(raw);
    for mode in MODES {
        assert!(text.contains(&format!("\x1b[?{mode}h")), "{mode} is never on");
    }
    assert!(PUT_ASIDE.iter().all(|(put, _)| text.contains(put)));
    assert_nothing_is_left(raw);
}

/// Whatever was turned on is off, and what was put aside is back, as often as it was put there.
#[track_caller]
fn assert_nothing_is_left(raw: &[u8]) {
    let raw = String::from_utf8_lossy(raw);
    for mode in MODES {
        let (on, off) = (last(&raw, &format!("\x1b[?{mode}h")), last(&raw, &format!("\x1b[?{mode}l")));
        assert!(on.is_none() || on < off, "{mode} is left on");
    }
    let (hidden, shown) = (last(&raw, "\x1b[?25l"), last(&raw, "\x1b[?25h"));
    assert!(hidden.is_none() || hidden < shown, "the cursor is left hidden");
    for (put, got) in PUT_ASIDE {
        assert_eq!(raw.matches(put).count(), raw.matches(got).count(), "{put:?}");
    }
}

/// The client below a shell that tells the exit code and the mode that the terminal is left in.
fn below_a_shell(home: &Path) -> (Terminal, Pid) {
    let terminal = start_below_a_shell(home);
    terminal.wait_for("● online");
    (terminal, client_of(home))
}

/// The client that was started last; it has written something already.
fn client_of(home: &Path) -> Pid {
    fs::read_to_string(home.join("id")).unwrap().trim().parse().ok().and_then(Pid::from_raw).unwrap()
}

fn start_below_a_shell(home: &Path) -> Terminal {
    let id = home.join("id");
    let script = format!(
        "sh -c 'echo $$ > {id}; exec {program}'; echo code $?; stty -a; echo the end",
        id = id.display(),
        program = env!("CARGO_BIN_EXE_chat-tui")
    );
    Setup::program("sh", &["-c", &script]).home(home).size(100, 30).start()
}

#[test]
fn every_end_gives_the_terminal_back() {
    let (server, ..) = ops();
    let home = home(&server, "ann");
    type End = (&'static str, fn(&Terminal, Pid));
    fn confirmed(terminal: &Terminal, keys: &str) {
        terminal.keys(keys).wait_for("Quit?").keys("y");
    }
    let ends: [End; 5] = [
        ("ctrl-q", |terminal, _| confirmed(terminal, "<c-q>")),
        ("/quit", |terminal, _| confirmed(terminal, "/quit<enter>")),
        ("ctrl-c", |terminal, _| confirmed(terminal, "<c-c>")),
        ("SIGTERM", |_, pid| kill_process(pid, Signal::TERM).unwrap()),
        ("SIGHUP", |_, pid| kill_process(pid, Signal::HUP).unwrap()),
    ];
    for (name, end) in ends {
        let (terminal, pid) = below_a_shell(home.path());
        end(&terminal, pid);
        terminal.wait_for("the end");
        let screen = terminal.screen();
        assert!(screen.contains("code 0"), "{name}: {screen}");
        for mode in [" icanon ", " echo ", " icrnl "] {
            assert!(screen.contains(mode), "{name}: {mode} in {screen}");
        }
        assert!(!terminal.look(|screen| screen.alternate_screen() || screen.hide_cursor()), "{name}");
        assert_given_back(&terminal.raw());
    }
}

#[test]
fn check_74_a_signal_at_any_point_gives_the_terminal_back() {
    /// At so many points of what it writes until it is online.
    const POINTS: usize = 100;
    let (server, ..) = ops();
    let home = home(&server, "ann");
    let (terminal, pid) = below_a_shell(home.path());
    let whole = terminal.raw_len();
    kill_process(pid, Signal::TERM).unwrap();
    terminal.wait_for("the end");
    for point in 0..POINTS {
        let (signal, code) = [(Signal::TERM, 143), (Signal::HUP, 129)][point % 2];
        let at = 1 + whole * point / POINTS;
        let terminal = start_below_a_shell(home.path());
        // It may write less, where more comes at once.
        terminal.wait_written(at, "● online");
        kill_process(client_of(home.path()), signal).unwrap();
        terminal.wait_for("the end");
        let screen = terminal.screen();
        // In order, or before it had touched the terminal.
        let was_early = screen.contains(&format!("code {code}"));
        assert!(was_early || screen.contains("code 0"), "after {at} bytes: {screen}");
        for mode in [" icanon ", " echo ", " icrnl "] {
            assert!(screen.contains(mode), "after {at} bytes: {mode} in {screen}");
        }
        assert!(
            !terminal.look(|screen| screen.alternate_screen() || screen.hide_cursor()),
            "after {at} bytes"
        );
        assert_nothing_is_left(&terminal.raw());
    }
}

/// What the next test runs in a terminal of its own.
#[test]
#[ignore = "it takes over the terminal that it runs in"]
#[should_panic(expected = "on purpose")]
fn a_panic_on_a_terminal_that_is_taken_over() {
    let _taken = chat_tui::terminal::Terminal::enter(true, true).unwrap();
    panic!("on purpose");
}

#[test]
fn a_panic_gives_the_terminal_back_and_is_read_on_it() {
    let program = std::env::current_exe().unwrap();
    let test = "--ignored --exact --nocapture leaving::a_panic_on_a_terminal_that_is_taken_over";
    let script = format!("{} {test}; stty -a; echo the end", program.display());
    let terminal = Setup::program("sh", &["-c", &script]).size(100, 40).start();
    terminal.wait_for("the end");
    let screen = terminal.screen();
    for text in ["on purpose", "1 passed", " icanon ", " echo "] {
        assert!(screen.contains(text), "{text} in {screen}");
    }
    assert!(!terminal.look(|screen| screen.alternate_screen() || screen.hide_cursor()));
    assert_given_back(&terminal.raw());
}

/// Waits until a program does nothing any more: none of its threads runs for a while.
fn wait_idle(pid: Pid) {
    let tasks = format!("/proc/{}/task", pid.as_raw_nonzero());
    let switches = || -> u64 {
        let tasks = fs::read_dir(&tasks).unwrap().filter_map(|task| Some(task.ok()?.path().join("status")));
        let texts = tasks.filter_map(|status| fs::read_to_string(status).ok());
        let counts = texts.filter_map(|text| {
            let line = text.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            line.split_whitespace().last()?.parse::<u64>().ok()
        });
        counts.sum()
    };
    let deadline = Instant::now() + patience();
    let (mut before, mut since) = (switches(), Instant::now());
    while since.elapsed() < Duration::from_secs(1) {
        // Nothing tells of it but the file.
        thread::park_timeout(Duration::from_millis(20));
        let now = switches();
        if now != before {
            (before, since) = (now, Instant::now());
        }
        assert!(Instant::now() < deadline, "it is never idle");
    }
}

/// Runs this in a window, in which half a sentence is typed; and closes the window. How it ended.
fn in_a_window_that_is_closed(home: &Path, script: &str) -> ExitStatus {
    let size = PtySize { rows: 30, cols: 100, ..PtySize::default() };
    let pair = native_pty_system().openpty(size).unwrap();
    let id = home.join("id");
    let client = format!("sh -c 'echo $$ > {}; exec {}'", id.display(), env!("CARGO_BIN_EXE_chat-tui"));
    let mut command = CommandBuilder::new("sh");
    command.args(["-c", &script.replace("CLIENT", &client)]);
    command.env("CHAT_TUI_HOME", home);
    command.env("TERM", "xterm-256color");
    let mut child = pair.slave.spawn_command(command).unwrap();
    let pid = child.process_id().and_then(|pid| Pid::from_raw(pid.cast_signed())).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let (told, tell) = mpsc::channel();
    thread::spawn(move || {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4_096]);
        for (wanted, typed) in [("online", "half a sentence"), ("sentence", "")] {
            while !String::from_utf8_lossy(&seen).contains(wanted) {
                match reader.read(&mut buffer) {
                    Ok(count @ 1..) => seen.extend_from_slice(&buffer[..count]),
                    _ => return,
                }
            }
            writer.write_all(typed.as_bytes()).unwrap();
        }
        // The last that holds the other side of the terminal goes with this message.
        let _ = told.send((reader, writer));
    });
    let others = tell.recv_timeout(patience()).unwrap();
    // From here on it has nothing to write, at which it could find out.
    wait_idle(fs::read_to_string(id).unwrap().trim().parse().ok().and_then(Pid::from_raw).unwrap());
    drop((others, pair.master));
    let (told, tell) = mpsc::channel();
    thread::spawn(move || told.send(child.wait().unwrap()));
    tell.recv_timeout(patience()).unwrap_or_else(|_| {
        let _ = kill_process_group(pid, Signal::KILL);
        panic!("it goes on without a window");
    })
}

#[test]
fn a_window_that_is_closed_ends_it_and_drafts_are_kept() {
    let (server, ..) = ops();
    let scripts = [
        // It leads the session, and is told by a signal.
        ("ann", "exec CLIENT"),
        // Below a shell that is deaf to the signal nobody tells it.
        ("bea", "trap '' HUP; CLIENT; exit $?"),
    ];
    for (name, script) in scripts {
        let home = home(&server, name);
        drop(in_ops(home.path()));
        let exit = in_a_window_that_is_closed(home.path(), script);
        assert_eq!((exit.signal(), exit.exit_code()), (None, 0), "{script}: {exit:?}");
        let terminal = client(home.path()).start();
        terminal.wait_for("> half a sentence");
    }
}

/// The letter that the system has for what the program does.
fn wait_state(pid: Pid, wanted: char) {
    let deadline = Instant::now() + patience();
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    loop {
        let stat = fs::read_to_string(&path).unwrap();
        if stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(wanted)) {
            return;
        }
        assert!(Instant::now() < deadline, "not {wanted}: {stat}");
        // Nothing tells of it but the file.
        thread::park_timeout(Duration::from_millis(5));
    }
}

#[test]
fn a_stopped_client_has_given_the_terminal_back_and_takes_it_again() {
    let (server, cy, group) = ops();
    let home = home(&server, "ann");
    let terminal = in_ops(home.path());
    cy.send(group, "before");
    terminal.wait_for("before").keys("draft").wait_for("> draft").keys("<c-z>");
    wait_state(terminal.pid(), 'T');
    terminal.wait_until("the screen of the shell", |screen| !screen.alternate_screen());
    assert_given_back(&terminal.raw());
    cy.send(group, "meanwhile");
    terminal.signal(Signal::CONT);
    terminal.wait_until("the screen of the client", vt100::Screen::alternate_screen);
    terminal.wait_for("before").wait_for("meanwhile").wait_for("> draft");
    terminal.keys("<c-c><c-c>").wait_for("Quit?").keys("y");
    assert_eq!(terminal.wait_exit(), Some(0));
    assert_given_back(&terminal.raw());
}

#[test]
fn a_client_that_was_stopped_from_outside_draws_itself_again() {
    let (server, ..) = ops();
    let home = home(&server, "ann");
    let terminal = in_ops(home.path());
    terminal.signal(Signal::STOP);
    wait_state(terminal.pid(), 'T');
    let before = terminal.raw_len();
    terminal
        .signal(Signal::CONT)
        .wait_raw("everything again", |raw| String::from_utf8_lossy(&raw[before..]).contains("#ops"));
    terminal.keys("<c-q>").wait_for("Quit?").keys("y");
    assert_eq!(terminal.wait_exit(), Some(0));
    assert_given_back(&terminal.raw());
}
