//! The real program in line mode, killed while it sends.

use crate::harness::{Person, World};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn program(person: &Person) -> Child {
    Command::new(env!("CARGO_BIN_EXE_chat-tui"))
        .arg("--plain")
        .env("CHAT_TUI_HOME", person.home.file(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The text of a line that says what has become of one.
fn echoed(line: &str) -> Option<&str> {
    let state = line.strip_prefix("(pending) ").or_else(|| line.strip_prefix("(sent) "))?;
    state.strip_prefix("#lab: ")
}

/// Feeds numbered lines, and kills it after so many lines of its own.
fn run_and_kill(person: &Person, next: &Arc<AtomicUsize>, after: usize) -> BTreeSet<String> {
    let mut child = program(person);
    let mut input = child.stdin.take().unwrap();
    let next = next.clone();
    let feeding = std::thread::spawn(move || {
        // Ends when the program does.
        let mut write = |line: String| input.write_all(line.as_bytes()).is_ok();
        let mut goes_on = write("/to #lab\n".to_owned());
        while goes_on {
            goes_on = write(format!("line {}\n", next.fetch_add(1, Ordering::Relaxed)));
        }
    });
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = String::new();
    let mut seen = 0;
    while seen < after {
        let from = lines.len();
        assert_ne!(output.read_line(&mut lines).unwrap(), 0, "it ended by itself: {lines}");
        // Every other time in the midst of sending, else perhaps before it has begun.
        seen += usize::from(after.is_multiple_of(2) || lines[from..].starts_with("(sent)"));
    }
    child.kill().unwrap();
    // What it had still said counts as well.
    output.read_to_string(&mut lines).unwrap();
    child.wait().unwrap();
    feeding.join().unwrap();
    lines.lines().filter_map(echoed).map(str::to_owned).collect()
}

fn finish(person: &Person) {
    let mut child = program(person);
    drop(child.stdin.take());
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_sending_nothing_is_lost_or_sent_twice() {
    let kills: usize = std::env::var("CHAT_KILLS").ok().map_or(40, |n| n.parse().unwrap());
    let world = World::new().await;
    let alice = world.register("alice").await;
    let lab = alice.group("lab").await;
    let next = Arc::new(AtomicUsize::new(0));
    let mut promised = BTreeSet::new();
    for _ in 0..kills {
        let after = usize::try_from(chat_tui::net::backoff::random() % 60).unwrap();
        let (person, next) = (alice.clone(), next.clone());
        let told = tokio::task::spawn_blocking(move || run_and_kill(&person, &next, after)).await.unwrap();
        promised.extend(told);
    }
    let person = alice.clone();
    tokio::task::spawn_blocking(move || finish(&person)).await.unwrap();
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for text in alice.texts(lab).await {
        *times.entry(text).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, n)| **n != 1).collect();
    let lost: Vec<_> = promised.iter().filter(|text| !times.contains_key(*text)).collect();
    println!(
        "{kills} kills: {} promised, {} sent, {} lost, {} twice",
        promised.len(),
        times.len(),
        lost.len(),
        twice.len()
    );
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!(kills == 0 || !promised.is_empty());
}
