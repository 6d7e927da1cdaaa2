//! What our server has to reach: ratios to others in the same run, and a few absolute figures.

use crate::report::{Results, Spread, number};
use crate::scenario::SCENARIOS;
use crate::servers::Server;

#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) scenario: &'static str,
    pub(crate) figure: &'static str,
    /// Whose figure ours is divided by.
    pub(crate) beside: Option<Server>,
    value: f64,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    AtMost,
    AtLeast,
}

/// A target, and what was measured.
pub(crate) struct Verdict {
    pub(crate) target: Target,
    pub(crate) measured: Spread,
    pub(crate) judgement: Judgement,
}

/// How near a target is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    Met,
    /// Within what the machine varies by ([`TOLERANCE`]).
    Nearly,
    Missed,
}

impl Judgement {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Nearly => "within 1.25",
            Self::Missed => "**missed**",
        }
    }
}

/// The same code differs by so much from one run to another on a machine that is shared.
const TOLERANCE: f64 = 1.25;

const fn at_most(scenario: &'static str, figure: &'static str, value: f64) -> Target {
    Target { scenario, figure, beside: None, value, kind: Kind::AtMost }
}

const fn at_least(scenario: &'static str, figure: &'static str, value: f64) -> Target {
    Target { kind: Kind::AtLeast, ..at_most(scenario, figure, value) }
}

impl Target {
    const fn of(self, beside: Server) -> Self {
        Self { beside: Some(beside), ..self }
    }

    pub(crate) fn bound(&self) -> String {
        let sign = if self.kind == Kind::AtMost { "≤" } else { "≥" };
        let times = if self.beside.is_some() { " ×" } else { "" };
        format!("{sign} {}{times}", number(self.value))
    }

    /// In words, without the figure.
    pub(crate) fn name(&self) -> String {
        let beside = self.beside.map_or(String::new(), |server| format!(" beside {}", server.title()));
        format!("`{}`{beside}", self.scenario)
    }

    /// Our figure, or its ratio to the other's. The machine is not the same from one minute to the next, so a
    /// ratio is taken within each repetition.
    fn measure(&self, results: &Results) -> Option<Spread> {
        let ours = results.by_repetition(self.scenario, Server::Chat, self.figure);
        let Some(beside) = self.beside else { return Spread::of(ours.into_values().collect()) };
        let theirs = results.by_repetition(self.scenario, beside, self.figure);
        Spread::of(ours.iter().filter_map(|(n, ours)| Some(ours / theirs.get(n)?)).collect())
    }
}

const TARGETS: &[Target] = &[
    at_most("fan-out", "cpu_us", 1.2).of(Server::InspIrcd),
    at_most("fan-out", "cpu_us", 0.75).of(Server::Nats),
    at_most("fan-out", "cpu_us", 0.75).of(Server::Mosquitto),
    at_most("fan-out", "cpu_us", 0.24).of(Server::Ejabberd),
    at_most("fan-out", "cpu_us", 0.09).of(Server::Prosody),
    at_most("fan-out-32", "cpu_us", 0.6).of(Server::InspIrcd),
    at_most("fan-out-32", "cpu_us", 0.45).of(Server::Nats),
    at_most("fan-out-32", "cpu_us", 0.017).of(Server::Ejabberd),
    at_least("fan-out-32", "per_s", 1_200_000.0),
    at_most("group-100", "p99_ms", 10.0),
    at_most("groups", "cpu_us", 0.9).of(Server::InspIrcd),
    at_most("groups", "cpu_us", 0.5).of(Server::JetStream),
    at_most("groups", "p99_ms", 5.0),
    at_most("pairs", "cpu_us", 0.65).of(Server::JetStream),
    at_most("pairs", "cpu_us", 1.2).of(Server::Mosquitto1),
    at_most("pairs", "cpu_us", 0.3).of(Server::Ejabberd),
    at_least("pairs", "per_s", 24_000.0),
    at_least("publish", "per_s", 0.5).of(Server::Sqlite),
    at_least("publish", "per_s", 1.5).of(Server::Mosquitto1),
    at_least("publish", "per_s", 0.4).of(Server::JetStream),
    at_most("single", "ack_p50_ms", 2.5).of(Server::Disk),
    at_most("idle-5000", "kib", 4.0),
    at_most("idle-5000", "kib", 2.0).of(Server::InspIrcd),
    at_most("idle-5000", "kib", 0.2).of(Server::Nats),
    at_most("idle-5000", "kib", 0.12).of(Server::Ejabberd),
    at_most("idle-5000", "kib", 0.12).of(Server::Prosody),
    at_most("idle-most", "kib", 4.0),
    at_most("growth", "newest_us", 2.0).of(Server::Few),
    at_most("growth", "middle_us", 2.0).of(Server::Few),
    at_most("growth", "changes_us", 2.0).of(Server::Few),
    at_most("growth", "conversations_us", 2.0).of(Server::Few),
    at_most("growth", "members_us", 2.0).of(Server::Few),
    at_least("reconnect", "per_s", 5.0).of(Server::Ejabberd),
    at_most("reconnect", "cpu_ms", 0.2),
    at_most("reconnect", "crowd_ready_s", 20.0),
];

/// Every target that was measured; at the end, what holds in every scenario: nothing lost, twice or out of order.
pub(crate) fn verdicts(results: &Results) -> Vec<Verdict> {
    let judged = |target: &Target| {
        let measured = target.measure(results)?;
        let times = match target.kind {
            Kind::AtMost => measured.median / target.value,
            Kind::AtLeast => target.value / measured.median,
        };
        let judgement = match times {
            ..=1.0 => Judgement::Met,
            ..=TOLERANCE => Judgement::Nearly,
            _ => Judgement::Missed,
        };
        Some(Verdict { target: *target, measured, judgement })
    };
    let spoiled = |scenario: &'static str| {
        let of = [Server::Chat, Server::ChatTls].map(|server| results.spoiled(scenario, server));
        let count = of.into_iter().flatten().reduce(|one, other| one + other)?;
        let measured = Spread { median: count, least: count, most: count };
        let judgement = if count == 0.0 { Judgement::Met } else { Judgement::Missed };
        Some(Verdict { target: at_most(scenario, "spoiled", 0.0), measured, judgement })
    };
    let all = TARGETS.iter().filter_map(judged);
    all.chain(SCENARIOS.iter().filter_map(|scenario| spoiled(scenario.name))).collect()
}

/// Those of which nothing can be said, because it was not measured, or failed.
pub(crate) fn unmeasured(results: &Results) -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().filter(|target| target.measure(results).is_none())
}
