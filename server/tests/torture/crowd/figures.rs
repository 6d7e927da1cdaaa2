//! What was measured, and what it may be at most.

use std::fmt::Display;
use std::time::Duration;

/// The figures of all scenarios, in the order in which they were measured.
#[derive(Default)]
pub(crate) struct Figures {
    scenario: &'static str,
    rows: Vec<String>,
    /// Those that are not as they must be.
    pub(crate) broken: Vec<String>,
}

impl Figures {
    /// What follows is of this scenario.
    pub(crate) fn begin(&mut self, scenario: &'static str) {
        self.scenario = scenario;
    }

    /// A figure without a bound.
    pub(crate) fn tell(&mut self, what: &str, measured: impl Display) {
        self.row(what, &measured, &"");
    }

    /// A figure that must not be more than this.
    pub(crate) fn at_most<T: Display + PartialOrd>(&mut self, what: &str, measured: T, bound: T) {
        let row = self.row(what, &measured, &format!("at most {bound}"));
        if measured > bound {
            self.broken.push(row);
        }
    }

    /// The same of a time.
    pub(crate) fn within(&mut self, what: &str, measured: Duration, bound: Duration) {
        self.at_most(what, Seconds(measured), Seconds(bound));
    }

    /// A figure that must be this one.
    pub(crate) fn exactly<T: Display + PartialEq>(&mut self, what: &str, measured: T, wanted: T) {
        let row = self.row(what, &measured, &wanted);
        if measured != wanted {
            self.broken.push(row);
        }
    }

    fn row(&mut self, what: &str, measured: &dyn Display, bound: &dyn Display) -> String {
        let row = format!("| {} | {what} | {measured} | {bound} |", self.scenario);
        println!("{row}");
        self.rows.push(row.clone());
        row
    }

    /// As a table, for the documentation.
    pub(crate) fn table(&self) -> String {
        format!("\n| crowd | what | measured | bound |\n|---|---|--:|--:|\n{}\n", self.rows.join("\n"))
    }
}

/// A time, as it is told.
#[derive(PartialEq, PartialOrd)]
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} s", self.0.as_secs_f64())
    }
}

/// The time below which ninety-nine of a hundred are.
pub(crate) fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap_or_default()
}
