//! Results: lines of JSON, and tables made from them.

use crate::scenario::{SCENARIOS, Scenario};
use crate::servers::{SERVERS, Server};
use crate::targets::{self, Target, Verdict};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What was measured, by name; the unit is in the name, and [`Unit`] has it in words.
pub(crate) type Figures = BTreeMap<String, f64>;

/// A line of the results.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    /// Where it was measured: once, at the begin.
    Machine {
        machine: BTreeMap<String, String>,
    },
    Measured(Measured),
}

/// One server, once, in one scenario.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Measured {
    pub(crate) scenario: String,
    pub(crate) server: String,
    pub(crate) repetition: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) figures: Figures,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// All lines of a file.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) machine: BTreeMap<String, String>,
    measured: Vec<Measured>,
}

/// A figure of several repetitions.
#[derive(Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some(Self { median, least, most })
    }

    /// Median, and from the least to the most where they differ.
    fn text(self) -> String {
        if self.least == self.most {
            number(self.median)
        } else {
            format!("{} ({}–{})", number(self.median), number(self.least), number(self.most))
        }
    }
}

/// Three digits that mean something, thousands apart.
pub(crate) fn number(value: f64) -> String {
    let decimals = if value.fract() == 0.0 || value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else if value.abs() >= 0.1 {
        2
    } else {
        4
    };
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let threes = whole.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    threes.collect::<Vec<_>>().join(",") + rest
}

/// What a figure is called in a table, with its unit.
pub(crate) fn title(figure: &str) -> &str {
    match figure {
        "cpu_us" => "server CPU, µs each",
        "per_s" => "each second",
        "p50_ms" => "p50, ms",
        "p99_ms" => "p99, ms",
        "ack_p50_ms" => "ack p50, ms",
        "ack_p99_ms" => "ack p99, ms",
        "connections" => "connections",
        "kib" => "KiB each",
        "touched_kib" => "KiB each after one message",
        "base_mib" => "MiB without any",
        "cpu_ms" => "server CPU, ms each",
        "crowd_ready_s" => "all at once: ready after, s",
        "empty_ms" => "on nothing, ms",
        "empty_mib" => "on nothing, MiB",
        "million_ms" => "on 1,000,000 messages, ms",
        "million_mib" => "on 1,000,000 messages, MiB",
        "newest_us" => "newest page, µs",
        "middle_us" => "page in the middle, µs",
        "changes_us" => "changes, µs",
        "conversations_us" => "page of conversations, µs",
        "members_us" => "page of members, µs",
        "ready_us" => "all that `ready` has, µs",
        "spoiled" => "lost, twice or out of order",
        other => other,
    }
}

impl Results {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{}", path.display()))?;
        let mut results = Self::default();
        for line in text.lines() {
            results.add(serde_json::from_str(line).with_context(|| format!("not a result: {line}"))?);
        }
        Ok(results)
    }

    pub(crate) fn add(&mut self, line: Line) {
        match line {
            Line::Machine { machine } => self.machine = machine,
            Line::Measured(measured) => self.measured.push(measured),
        }
    }

    /// The last repetition there is.
    pub(crate) fn repetitions(&self) -> u32 {
        self.measured.iter().map(|measured| measured.repetition).max().unwrap_or(0)
    }

    /// A figure of each repetition that has it.
    pub(crate) fn by_repetition(&self, scenario: &str, server: Server, figure: &str) -> BTreeMap<u32, f64> {
        let of = |measured: &&Measured| measured.scenario == scenario && measured.server == server.name();
        let measured = self.measured.iter().filter(of);
        measured.filter_map(|m| Some((m.repetition, *m.figures.get(figure)?))).collect()
    }

    pub(crate) fn spread(&self, scenario: &str, server: Server, figure: &str) -> Option<Spread> {
        Spread::of(self.by_repetition(scenario, server, figure).into_values().collect())
    }

    /// Messages that were lost, or were there twice, or out of order, in all repetitions.
    pub(crate) fn spoiled(&self, scenario: &str, server: Server) -> Option<f64> {
        let kinds = ["lost", "twice", "out_of_order"];
        let of_kind = |kind| self.by_repetition(scenario, server, kind);
        if of_kind("lost").is_empty() {
            return None;
        }
        Some(kinds.iter().flat_map(|kind| of_kind(kind).into_values()).sum())
    }

    /// A table of each scenario that was measured.
    pub(crate) fn tables(&self) -> String {
        let measured = SCENARIOS.iter().filter(|s| self.measured.iter().any(|m| m.scenario == s.name));
        measured.map(|scenario| self.table(scenario)).collect()
    }

    fn table(&self, scenario: &Scenario) -> String {
        let shows_spoiled = scenario.shows.contains(&"cpu_us");
        let mut columns: Vec<&str> = scenario.shows.to_vec();
        if shows_spoiled {
            columns.push("spoiled");
        }
        let mut text = format!("### {}: `{}`\n\n| |", scenario.title, scenario.name);
        text.extend(columns.iter().map(|figure| format!(" {} |", title(figure))));
        text.push_str("\n|---|");
        text.push_str(&"--:|".repeat(columns.len()));
        text.push('\n');
        let mut failures = String::new();
        for server in SERVERS {
            let of = |m: &&Measured| m.scenario == scenario.name && m.server == server.name();
            if let Some(error) = self.measured.iter().filter(of).find_map(|m| m.error.as_ref()) {
                let first = error.lines().next().unwrap_or_default();
                failures.push_str(&format!("\n{}: {first}\n", server.title()));
            }
            if !self.measured.iter().filter(of).any(|m| m.error.is_none()) {
                continue;
            }
            text.push_str(&format!("| {} |", server.title()));
            for figure in &columns {
                let cell = match *figure {
                    "spoiled" => self.spoiled(scenario.name, server).map(number),
                    figure => self.spread(scenario.name, server, figure).map(Spread::text),
                };
                text.push_str(&format!(" {} |", cell.unwrap_or_else(|| "–".to_owned())));
            }
            text.push('\n');
        }
        format!("{text}{failures}\n")
    }

    /// Our figures beside the targets.
    pub(crate) fn verdicts(&self) -> String {
        let mut text =
            String::from("| scenario | figure | beside | measured | target | |\n|---|---|---|--:|--:|---|\n");
        for Verdict { target, measured, judgement } in targets::verdicts(self) {
            let beside = target.beside.map_or("–", Server::title);
            text.push_str(&format!(
                "| `{}` | {} | {beside} | {} | {} | {} |\n",
                target.scenario,
                title(target.figure),
                measured.text(),
                target.bound(),
                judgement.word()
            ));
        }
        let mut unmeasured: Vec<_> = targets::unmeasured(self).map(Target::name).collect();
        unmeasured.dedup();
        if !unmeasured.is_empty() {
            text.push_str(&format!("\nNot measured: {}.\n", unmeasured.join(", ")));
        }
        text
    }

    /// Where it was measured.
    pub(crate) fn place(&self) -> String {
        let mut text = String::from("| | |\n|---|---|\n");
        text.extend(self.machine.iter().map(|(what, value)| format!("| {what} | {value} |\n")));
        text.push_str(&format!("| repetitions | {} |\n", self.repetitions()));
        text
    }
}

/// Replaces what stands between a document's marks of this name.
pub(crate) fn replace(document: &str, name: &str, text: &str) -> Result<String> {
    let (begin, end) = (format!("<!-- bench: {name} -->\n"), format!("<!-- bench: end of {name} -->\n"));
    let start = document.find(&begin).with_context(|| format!("no {begin}"))? + begin.len();
    let stop = document.find(&end).with_context(|| format!("no {end}"))?;
    Ok(format!("{}\n{}\n\n{}", &document[..start], text.trim_end(), &document[stop..]))
}
