//! What a message costs, counted instead of timed: instructions, allocations and system calls.
//!
//! Times say more about the machine than about the code; these counts hardly change from one run to the next, and so
//! show a small step back at once. `scripts/bench counts` compares them with `expected.json`, which was written on
//! purpose (`scripts/bench counts --write`); more than three in a hundred beyond it is an error. Each part of the way
//! is run by valgrind with few and with many messages: the difference is what a message costs, without what a start
//! costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on says where, and prints"
)]

mod traced;
mod work;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};
use work::{WORKS, Work};

/// How much more than expected is an error.
const TOLERANCE: f64 = 0.03;
/// Where hardly anything is expected: a call in fifty messages.
const SLACK: f64 = 0.02;

/// What was counted once, and is held to be right.
#[derive(Serialize, Deserialize)]
struct Expected {
    /// Another one makes other instructions.
    compiler: String,
    /// For one message.
    counts: BTreeMap<String, f64>,
}

/// One run under a tool of valgrind's; what it says at its end.
fn valgrind(tool: &str, work: &Work, messages: u32) -> String {
    let output = Command::new("valgrind")
        .args([format!("--tool={tool}"), format!("--{tool}-out-file=/dev/null")])
        .arg(std::env::current_exe().unwrap())
        .args(["run", work.name, &messages.to_string()])
        .output()
        .expect("valgrind (Debian: apt-get install valgrind)");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    told
}

/// The number behind this word.
fn number(told: &str, word: &str) -> f64 {
    let (_, rest) = told.split_once(word).expect(word);
    let digits: String = rest
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_digit() || *c == ',')
        .filter(|c| *c != ',')
        .collect();
    digits.parse().unwrap()
}

/// Everything, for one message.
fn count() -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for work in WORKS {
        let each = |figure: &dyn Fn(u32) -> f64| {
            (figure(work.many) - figure(work.few)) / f64::from(work.many - work.few)
        };
        let instructions = each(&|messages| number(&valgrind("callgrind", work, messages), "Collected :"));
        let allocations = each(&|messages| {
            let told = valgrind("dhat", work, messages);
            number(told.split_once("Total:").expect("Total").1, "bytes in")
        });
        counts.insert(format!("{}: instructions", work.name), instructions);
        counts.insert(format!("{}: allocations", work.name), allocations);
    }
    for what in ["instructions", "allocations"] {
        let of = |name: &str| counts[&format!("{name}: {what}")];
        let delivery = |one: &str, more: &str| (of(more) - of(one)) / 100.0;
        let (alone, in_a_piece) = (delivery("publish-1", "publish-101"), delivery("piece-1", "piece-101"));
        counts.insert(format!("delivery: {what}"), alone);
        counts.insert(format!("delivery in a piece: {what}"), in_a_piece);
    }
    let (few, many) = (traced::calls(traced::FEW), traced::calls(traced::MANY));
    for (kind, calls) in many {
        let each = (calls - few[kind]) / f64::from(traced::MANY - traced::FEW);
        counts.insert(format!("group of 10: {kind}"), each);
    }
    // Whatever is smaller than a hundredth of a call is what a start costs, and differs.
    counts.values_mut().for_each(|value| *value = (*value * 100.0).round() / 100.0);
    counts
}

fn compiler() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [run, name, messages] = arguments.as_slice()
        && run == "run"
    {
        let work = WORKS.iter().find(|work| work.name == name).expect("a part of this name");
        (work.run)(messages.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/counts/expected.json");
    let counts = count();
    if arguments == ["--write"] {
        let expected = Expected { compiler: compiler(), counts };
        std::fs::write(path, serde_json::to_string_pretty(&expected).unwrap() + "\n").unwrap();
        return ExitCode::SUCCESS;
    }
    let expected: Expected = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    compare(&expected, &counts)
}

/// Prints both beside each other. It fails where one is more than it should be.
fn compare(expected: &Expected, counts: &BTreeMap<String, f64>) -> ExitCode {
    println!("{:<34} {:>12} {:>12}", "for one message", "expected", "counted");
    let mut worse = 0;
    for (what, counted) in counts {
        let before = expected.counts.get(what).copied().unwrap_or(0.0);
        let is_worse = *counted > before * (1.0 + TOLERANCE) + SLACK;
        let verdict = if is_worse { "  more than it should be" } else { "" };
        println!("{what:<34} {before:>12.2} {counted:>12.2}{verdict}");
        worse += usize::from(is_worse);
    }
    for work in WORKS {
        println!("{:<12} {}", work.name, work.title);
    }
    if expected.compiler != compiler() {
        println!("What is expected was counted with {}, this with {}.", expected.compiler, compiler());
    }
    if worse == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
