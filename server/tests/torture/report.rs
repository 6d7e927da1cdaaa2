//! What happened, as lines of JSON; what was found wrong; and the figures.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Longer texts are cut in the history: they are filling.
const TEXT_MAX: usize = 120;

/// A promise that was not kept.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    /// The check that found it.
    pub(crate) check: &'static str,
    pub(crate) what: String,
}

/// The history of one world: what was asked, answered and told, in the order in which it was seen.
pub(crate) struct History {
    begun: Instant,
    lines: Vec<String>,
    pub(crate) violations: Vec<Violation>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { begun: Instant::now(), lines: Vec::new(), violations: Vec::new() }
    }

    /// Notes a fact. `way`: asked, told, done, broke.
    pub(crate) fn note(&mut self, who: &str, way: &str, mut what: Value) {
        shorten(&mut what);
        let line = json!({"ms": self.begun.elapsed().as_millis() as u64, "who": who, way: what});
        self.lines.push(line.to_string());
    }

    pub(crate) fn violate(&mut self, check: &'static str, what: String) {
        self.note("checker", "violation", json!({"check": check, "what": what}));
        self.violations.push(Violation { check, what });
    }

    /// Keeps the history of a run that failed; where.
    pub(crate) fn keep(&self, seed: u64, log: &Path) -> PathBuf {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("torture").join(seed.to_string());
        let kept = fs::create_dir_all(&dir)
            .and_then(|()| fs::write(dir.join("history.jsonl"), self.lines.join("\n")))
            .and_then(|()| fs::copy(log, dir.join("server.log")));
        if let Err(error) = kept {
            eprintln!("The history could not be kept: {error}");
        }
        dir
    }
}

fn shorten(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > TEXT_MAX => {
            let end = text.floor_char_boundary(TEXT_MAX);
            *text = format!("{}… ({} bytes)", &text[..end], text.len());
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        Value::Object(fields) => fields.values_mut().for_each(shorten),
        _ => {}
    }
}

/// The figures of a run, by fault.
#[derive(Default)]
pub(crate) struct Figures {
    faults: BTreeMap<&'static str, Row>,
    pub(crate) worlds: u64,
}

#[derive(Default)]
struct Row {
    times: u64,
    kills: u64,
    acked: u64,
    found: BTreeMap<&'static str, u64>,
}

impl Figures {
    /// A fault was done and looked at.
    pub(crate) fn add(&mut self, fault: &'static str, kills: u64, acked: u64, found: &[Violation]) {
        let row = self.faults.entry(fault).or_default();
        row.times += 1;
        row.kills += kills;
        row.acked += acked;
        for violation in found {
            *row.found.entry(violation.check).or_default() += 1;
        }
    }

    /// As a table, for people and for the documentation.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from("| fault | times | kills | acked | lost | twice | rev gaps | other |\n");
        text.push_str("|---|--:|--:|--:|--:|--:|--:|--:|\n");
        let mut sum = [0; 7];
        for (fault, row) in &self.faults {
            let of = |checks: &[&str]| checks.iter().filter_map(|check| row.found.get(check)).sum::<u64>();
            let (lost, twice, gaps) = (of(LOST), of(TWICE), of(GAPS));
            let other = row.found.values().sum::<u64>() - lost - twice - gaps;
            let cells = [row.times, row.kills, row.acked, lost, twice, gaps, other];
            push_row(&mut text, fault, cells);
            sum.iter_mut().zip(cells).for_each(|(sum, cell)| *sum += cell);
        }
        push_row(&mut text, "all", sum);
        text
    }
}

/// Checks that find something lost, something twice, and a hole in the revs.
const LOST: &[&str] = &["acked_once", "changes_kept", "delivered"];
const TWICE: &[&str] = &["sent_once", "first_answer"];
const GAPS: &[&str] = &["contiguous", "revs"];

fn push_row(text: &mut String, name: &str, cells: [u64; 7]) {
    let cells: Vec<String> = cells.iter().map(u64::to_string).collect();
    text.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
}
