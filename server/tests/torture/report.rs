//! What happened, as lines of JSON in a file; what was found wrong; and the figures.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
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

/// The history of one world: what was asked, answered and told, in the order in which it was seen. It is written as
/// it goes, so that a long run needs no memory for it, and remains only if the world fails.
pub(crate) struct History {
    begun: Instant,
    dir: PathBuf,
    lines: BufWriter<File>,
    pub(crate) violations: Vec<Violation>,
}

/// A history that goes on, and one of a world that failed.
const RUNNING: &str = "running.jsonl";
const KEPT: &str = "history.jsonl";

impl History {
    /// `name`: of its directory in `target/torture`.
    pub(crate) fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("torture").join(name);
        fs::create_dir_all(&dir).unwrap();
        let lines = BufWriter::new(File::create(dir.join(RUNNING)).unwrap());
        Self { begun: Instant::now(), dir, lines, violations: Vec::new() }
    }

    /// Notes a fact. `way`: asked, told, done, broke.
    pub(crate) fn note(&mut self, who: &str, way: &str, mut what: Value) {
        shorten(&mut what);
        let line = json!({"ms": self.begun.elapsed().as_millis() as u64, "who": who, way: what});
        writeln!(self.lines, "{line}").unwrap();
    }

    pub(crate) fn violate(&mut self, check: &'static str, what: String) {
        self.note("checker", "violation", json!({"check": check, "what": what}));
        self.violations.push(Violation { check, what });
    }

    /// Keeps the history of a world that failed; where.
    pub(crate) fn keep(&mut self, log: &Path) -> PathBuf {
        let kept = (self.lines.flush())
            .and_then(|()| fs::rename(self.dir.join(RUNNING), self.dir.join(KEPT)))
            .and_then(|()| fs::copy(log, self.dir.join("server.log")));
        if let Err(error) = kept {
            eprintln!("The history could not be kept: {error}");
        }
        self.dir.clone()
    }

    /// Nobody will ask for it. What was kept of an earlier failure stays.
    pub(crate) fn discard(&self) {
        let _ = fs::remove_file(self.dir.join(RUNNING));
        let _ = fs::remove_dir(&self.dir);
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
    worlds: u64,
    /// How much was acknowledged, by kind.
    counts: BTreeMap<&'static str, u64>,
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

    /// A world came to its end.
    pub(crate) fn add_world(&mut self, counts: &BTreeMap<&'static str, u64>) {
        self.worlds += 1;
        for (kind, count) in counts {
            *self.counts.entry(kind).or_default() += count;
        }
    }

    pub(crate) fn kills(&self) -> u64 {
        self.faults.values().map(|row| row.kills).sum()
    }

    /// How much of this kind was acknowledged in the worlds that came to their end.
    pub(crate) fn count(&self, kind: &str) -> u64 {
        self.counts.get(kind).copied().unwrap_or(0)
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
        let counts: Vec<String> = self.counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        text.push_str(&format!("\nWorlds: {}. Acknowledged: {}.\n", self.worlds, counts.join(", ")));
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
