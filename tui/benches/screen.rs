//! The screen benchmark: the real program in a pseudo terminal.
//!
//! `cargo bench -p chat-tui --bench screen` prints how long the first frame takes on a cache of 100,000
//! messages in 1,000 conversations, how long a key takes to the screen, how much memory that needs, and what the
//! program does while nothing happens. Beside them stands what the machine itself takes in the same run:
//! starting the program without a screen, and an echo by `cat`. What reads the terminal shares the machine
//! with the program, and its time counts.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on says where, and prints"
)]
#![allow(dead_code, reason = "not everything of the terminal for tests is needed")]

#[path = "../tests/e2e/answers.rs"]
mod answers;
#[path = "../tests/e2e/keys.rs"]
mod keys;
#[path = "../tests/e2e/server.rs"]
mod server;
#[path = "../tests/e2e/terminal.rs"]
mod terminal;

use chat_shared::api::Message;
use chat_shared::{ConversationId, Rev, Seq};
use chat_tui::cache::{Cache, Span};
use chat_tui::credentials::{Credentials, Login, Logins};
use chat_tui::demo;
use chat_tui::home::Home;
use server::TestServer;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};
use terminal::{Setup, Terminal};

const CONVERSATIONS: i64 = 1_000;
const MESSAGES: i64 = 100;
const STARTS: usize = 15;
const KEYS: usize = 600;
const IDLE: Duration = Duration::from_secs(5);
/// Nobody listens there: what is measured is the program, not a network.
const SERVER: &str = "http://127.0.0.1:9";

fn patience() -> Duration {
    Duration::from_secs(60)
}

/// The home of somebody who was logged in and has read much.
fn fill(dir: &Path) {
    let home = Home::at(dir).unwrap();
    let login = Login {
        username: "alice".to_owned(),
        access_token: "a token".to_owned(),
        access_expires_at: i64::MAX / 2,
        refresh_token: "a token".to_owned(),
        insecure: false,
    };
    let logins = Logins {
        default: Some(SERVER.to_owned()),
        servers: [(SERVER.to_owned(), login)].into_iter().collect(),
    };
    Credentials::lock(&home).unwrap().write(&logins).unwrap();
    let mut cache = Cache::open(&home, SERVER, "alice").unwrap().cache;
    let (first, last) = (Seq::new(1).unwrap(), Seq::new(MESSAGES).unwrap());
    let cursor = Rev::new(MESSAGES).unwrap();
    for number in 1..=CONVERSATIONS {
        let id = ConversationId::try_from(number).unwrap();
        let mut conversation = demo::group(1, &format!("group-{number}"));
        (conversation.id, conversation.head_rev) = (id, cursor);
        (conversation.last_seq, conversation.read_seq, conversation.unread) = (last, last, 0);
        let message = |seq: i64| Message {
            conversation_id: id,
            seq: Seq::new(seq).unwrap(),
            rev: Rev::new(seq).unwrap(),
            body: format!("message {seq}. of group {number}: *some* words with `code`, 漢字, 👍🏽 and no end."),
            ..demo::message(1)
        };
        cache.keep_conversation(&conversation, cursor).unwrap();
        let span = Span { from: first, to: last, messages: (1..=MESSAGES).map(message).collect() };
        cache.keep_span(id, &span).unwrap();
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn ms(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}

/// From the key to the end of what it wrote.
fn key(terminal: &Terminal, end: &str) -> Duration {
    let before = terminal.raw_len();
    let start = Instant::now();
    terminal.write(b"x");
    terminal.wait_raw("the key", |raw| {
        let new = &raw[before.min(raw.len())..];
        new.contains(&b'x') && new.ends_with(end.as_bytes())
    });
    start.elapsed()
}

fn times(terminal: &Terminal, end: &str) -> Vec<Duration> {
    let mut times = Vec::new();
    for at in 0..KEYS {
        times.push(key(terminal, end));
        if at % 50 == 49 {
            terminal.keys("<c-u>").wait_gone("xx");
        }
    }
    times
}

/// A line of the program's status file, as a number.
fn status(terminal: &Terminal, name: &str) -> u64 {
    let pid = terminal.pid().as_raw_nonzero();
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let text = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        let number = line.split_whitespace().next().unwrap().parse::<u64>().unwrap();
        if name.starts_with("Vm") {
            return number;
        }
        sum += number;
    }
    sum
}

fn row(what: &str, value: &str, beside: &str) {
    println!("{what:<44} {value:>14}   {beside}");
}

fn main() {
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    fill(dir.path());
    println!("A cache of {} messages was filled in {}.\n", CONVERSATIONS * MESSAGES, ms(start.elapsed()));
    let setup = || Setup::client(&[]).home(dir.path()).size(120, 40);

    let mut floor = Vec::new();
    let mut frames = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        Setup::client(&["--version"]).start().wait_exit();
        floor.push(start.elapsed());
        let start = Instant::now();
        let terminal = setup().start();
        terminal.wait_for("message 100. of group");
        frames.push(start.elapsed());
    }
    row("first full frame, median", &ms(percentile(&mut frames, 50)), "target < 100 ms");
    row("first full frame, slowest", &ms(percentile(&mut frames, 100)), "");
    row("floor: --version to its end, median", &ms(percentile(&mut floor, 50)), "");

    let terminal = setup().start();
    terminal.wait_for("message 100. of group");
    let mut typed = times(&terminal, "\x1b[?2026l");
    row("key to screen, p50", &ms(percentile(&mut typed, 50)), "");
    row("key to screen, p99", &ms(percentile(&mut typed, 99)), "target < 16 ms");
    let cat = Setup::program("cat", &[]).size(120, 40).start();
    let mut echoed = times(&cat, "x");
    row("floor: echo of the terminal, p50", &ms(percentile(&mut echoed, 50)), "");
    row("floor: echo of the terminal, p99", &ms(percentile(&mut echoed, 99)), "");
    let resident = status(&terminal, "VmRSS");
    row("resident memory", &format!("{:.1} MiB", resident as f64 / 1_024.0), "target < 60 MiB");
    let peak = status(&terminal, "VmHWM");
    row("resident memory, peak", &format!("{:.1} MiB", peak as f64 / 1_024.0), "");
    drop(terminal);

    // Connected, so that no timer for the next attempt runs.
    let server = TestServer::start();
    let home = server.home("ann");
    let idle = Setup::client(&[]).home(home.path()).size(120, 40).start();
    idle.wait_for("● online").wait_for("This is the beginning of");
    std::thread::sleep(Duration::from_secs(3));
    let switches = || status(&idle, "voluntary_ctxt_switches");
    let before = (switches(), idle.raw_len());
    std::thread::sleep(IDLE);
    let after = (switches(), idle.raw_len());
    row("wake-ups in 5 s of idleness", &(after.0 - before.0).to_string(), "target 0");
    row("bytes written meanwhile", &(after.1 - before.1).to_string(), "target 0");
}
