//! The picture in the documentation.

use crate::report::{Results, Spread, number};
use crate::scenario::SCENARIOS;
use crate::servers::{SERVERS, Server};

const WIDTH: f64 = 820.0;
/// Where the axis begins and ends.
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 90.0;
const ROW: f64 = 15.0;
const HEAD: f64 = 30.0;

/// A figure of several scenarios, on one axis.
struct Axis {
    figure: &'static str,
    title: &'static str,
    scenarios: &'static [&'static str],
}

const AXES: [Axis; 2] = [
    Axis {
        figure: "cpu_us",
        title: "CPU of the server for one delivery, µs (logarithmic; less is better)",
        scenarios: &["fan-out", "fan-out-32", "group-100", "groups", "pairs", "publish"],
    },
    Axis {
        figure: "kib",
        title: "Resident memory for one idle connection, KiB (logarithmic; less is better)",
        scenarios: &["idle-1000", "idle-5000", "idle-most"],
    },
];

/// From a value to where it stands: a logarithmic scale over whole decades.
struct Scale {
    first: i32,
    last: i32,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let positive = values.filter(|value| *value > 0.0);
        let (least, most) =
            positive.fold((f64::MAX, f64::MIN), |(least, most), v| (least.min(v), most.max(v)));
        let (first, last) = (least.log10().floor() as i32, most.log10().ceil() as i32);
        Self { first, last: last.max(first + 1) }
    }

    fn x(&self, value: f64) -> f64 {
        let first = f64::from(self.first);
        let share = (value.max(f64::MIN_POSITIVE).log10() - first) / (f64::from(self.last) - first);
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }
}

/// A drawing in SVG, as text.
pub(crate) fn svg(results: &Results) -> String {
    let mut body = String::new();
    let mut y = 10.0;
    for axis in &AXES {
        y = panel(results, axis, y, &mut body);
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {y:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{y:.0}\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

/// All scenarios of an axis, from this height on; returns where it ends.
fn panel(results: &Results, axis: &Axis, top: f64, out: &mut String) -> f64 {
    let rows = |scenario: &'static str| {
        SERVERS
            .iter()
            .filter_map(move |server| Some((*server, results.spread(scenario, *server, axis.figure)?)))
    };
    let measured: Vec<&str> =
        axis.scenarios.iter().copied().filter(|scenario| rows(scenario).next().is_some()).collect();
    if measured.is_empty() {
        return top;
    }
    let scale = Scale::of(axis.scenarios.iter().flat_map(|s| rows(s)).flat_map(|(_, s)| [s.least, s.most]));
    text(LEFT, top + 16.0, "start", "bold", axis.title, out);
    let begin = top + HEAD;
    let mut y = begin;
    let mut marks = String::new();
    for scenario in measured {
        let title = SCENARIOS.iter().find(|s| s.name == scenario).map_or(scenario, |s| s.title);
        y += ROW + 6.0;
        text(8.0, y, "start", "bold", title, &mut marks);
        for (server, spread) in rows(scenario) {
            y += ROW;
            row(&scale, server, spread, y, &mut marks);
        }
    }
    let end = y + 8.0;
    for decade in scale.first..=scale.last {
        let (x, value) = (scale.x(10_f64.powi(decade)), 10_f64.powi(decade));
        out.push_str(&format!(
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{begin:.1}\" y2=\"{end:.1}\" stroke=\"#ddd\"/>\n"
        ));
        text(x, end + 14.0, "middle", "normal", &value.to_string(), out);
    }
    out.push_str(&marks);
    end + 34.0
}

/// A server's name, a dot at its median on a line from the least to the most, and the figure. (No bar: a logarithmic
/// axis has no beginning for it to stand on.)
fn row(scale: &Scale, server: Server, spread: Spread, y: f64, out: &mut String) {
    let colour = if server.is_own() { "#1b6ac9" } else { "#777" };
    let (middle, x) = (y - 4.0, scale.x(spread.median));
    let (least, most) = (scale.x(spread.least), scale.x(spread.most));
    text(LEFT - 8.0, y, "end", "normal", server.title(), out);
    out.push_str(&format!(
        "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"#eee\"/>\n\
         <line x1=\"{least:.1}\" x2=\"{most:.1}\" y1=\"{middle:.1}\" y2=\"{middle:.1}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
         <circle cx=\"{x:.1}\" cy=\"{middle:.1}\" r=\"4\" fill=\"{colour}\"/>\n"
    ));
    text(most.max(x) + 8.0, y, "start", "normal", &number(spread.median), out);
}

fn text(x: f64, y: f64, anchor: &str, weight: &str, what: &str, out: &mut String) {
    let what = what.replace('&', "&amp;").replace('<', "&lt;");
    out.push_str(&format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\" fill=\"#222\">{what}</text>\n"
    ));
}
