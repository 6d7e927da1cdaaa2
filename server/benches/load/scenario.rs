//! What is measured.

use crate::servers::Server;

/// A scenario.
#[derive(Clone, Copy)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// In words, for the tables.
    pub(crate) title: &'static str,
    pub(crate) work: Work,
    /// Does the generator's core never sleep? Else each single write of the server may pay for waking it.
    pub(crate) spins: bool,
    /// Who takes part.
    pub(crate) servers: &'static [Server],
    /// The figures to show.
    pub(crate) shows: &'static [&'static str],
}

/// What the generator does.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// One sends to a group, with at most so many messages under way that not all have.
    FanOut { members: u32, window: u64 },
    /// So many messages a second to all groups together.
    Groups { groups: u32, members: u32, rate: f64 },
    /// Two write to each other, each when the other's message is there.
    Pairs { pairs: u32 },
    /// Each alone in a group, with at most so many messages under way.
    Publish { senders: u32, window: u64 },
    /// Connections that do nothing. `None`: as many as the machine allows.
    Idle { connections: Option<u32> },
    /// All come back.
    Reconnect { connections: u32 },
    /// Our server starts, on nothing and on many messages.
    Start,
    /// The store is read, with little in it and with much.
    Growth,
}

impl Work {
    /// Users, each with one connection.
    pub(crate) fn users(self) -> u32 {
        match self {
            Self::FanOut { members, .. } => members,
            Self::Groups { groups, members, .. } => groups * members,
            Self::Pairs { pairs } => pairs * 2,
            Self::Publish { senders, .. } => senders,
            Self::Idle { connections } => connections.unwrap_or_else(most),
            Self::Reconnect { connections } => connections,
            Self::Start | Self::Growth => 0,
        }
    }

    /// Messages of one sender under way at once.
    pub(crate) fn window(self) -> u64 {
        match self {
            Self::FanOut { window, .. } | Self::Publish { window, .. } => window,
            _ => 1,
        }
    }

    /// The same with a twentieth of the people.
    pub(crate) fn small(self) -> Self {
        let few = |count: u32| (count / 20).max(2);
        match self {
            Self::FanOut { members, window } => Self::FanOut { members: few(members), window },
            Self::Groups { groups, members, rate } => {
                Self::Groups { groups: few(groups), members, rate: rate / 20.0 }
            }
            Self::Pairs { pairs } => Self::Pairs { pairs: few(pairs) },
            Self::Publish { senders: 1, window } => Self::Publish { senders: 1, window },
            Self::Publish { senders, window } => Self::Publish { senders: few(senders), window },
            Self::Idle { connections } => Self::Idle { connections: Some(few(connections.unwrap_or(5_000))) },
            Self::Reconnect { connections } => Self::Reconnect { connections: few(connections) },
            Self::Start | Self::Growth => self,
        }
    }
}

/// As many connections as both ends can have open, and as one address has ports for.
fn most() -> u32 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    let files: u32 = line.split_whitespace().next().and_then(|soft| soft.parse().ok()).unwrap_or(1_024);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let ports: Vec<u32> = range.split_whitespace().filter_map(|port| port.parse().ok()).collect();
    let ports = ports.get(1).zip(ports.first()).map_or(20_000, |(last, first)| last - first);
    // Some are needed for other things.
    files.min(ports).saturating_sub(300)
}

const EVERYBODY: &[Server] = &[
    Server::Chat,
    Server::ChatTls,
    Server::ChatPostgres,
    Server::InspIrcd,
    Server::Ngircd,
    Server::Nats,
    Server::JetStream,
    Server::Mosquitto,
    Server::Mosquitto1,
    Server::Ejabberd,
    Server::Prosody,
];
/// Without Prosody, which takes a minute for what the others do in a second.
const QUICK: &[Server] = EVERYBODY.split_at(10).0;
const STORING: &[Server] = &[
    Server::Sqlite,
    Server::Chat,
    Server::ChatTls,
    Server::ChatPostgres,
    Server::PgBench,
    Server::JetStream,
    Server::Mosquitto1,
    Server::Ejabberd,
];
const HOLDING: &[Server] = &[
    Server::Chat,
    Server::ChatTls,
    Server::InspIrcd,
    Server::Ngircd,
    Server::Nats,
    Server::Mosquitto,
    Server::Ejabberd,
    Server::Prosody,
];
const RETURNING: &[Server] =
    &[Server::Chat, Server::ChatTls, Server::Nats, Server::Mosquitto, Server::Ejabberd, Server::Prosody];

const DELIVERY: &[&str] = &["cpu_us", "per_s", "p50_ms", "p99_ms"];
const MEMORY: &[&str] = &["connections", "kib", "touched_kib", "base_mib"];

const fn idle(name: &'static str, title: &'static str, connections: Option<u32>) -> Scenario {
    let work = Work::Idle { connections };
    Scenario { name, title, work, spins: false, servers: HOLDING, shows: MEMORY }
}

/// All there are.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "fan-out",
        title: "A group of 1,000, one message in flight",
        work: Work::FanOut { members: 1_000, window: 1 },
        spins: true,
        servers: EVERYBODY,
        shows: DELIVERY,
    },
    Scenario {
        name: "fan-out-32",
        title: "A group of 1,000, 32 messages in flight",
        work: Work::FanOut { members: 1_000, window: 32 },
        spins: false,
        servers: QUICK,
        shows: DELIVERY,
    },
    Scenario {
        name: "group-100",
        title: "A group of 100, 32 messages in flight",
        work: Work::FanOut { members: 100, window: 32 },
        spins: false,
        servers: EVERYBODY,
        shows: DELIVERY,
    },
    Scenario {
        name: "groups",
        title: "200 groups of 10, 2,000 messages a second in all",
        work: Work::Groups { groups: 200, members: 10, rate: 2_000.0 },
        spins: false,
        servers: EVERYBODY,
        shows: DELIVERY,
    },
    Scenario {
        name: "pairs",
        title: "500 pairs that write to each other in private",
        work: Work::Pairs { pairs: 500 },
        spins: false,
        servers: EVERYBODY,
        shows: DELIVERY,
    },
    Scenario {
        name: "publish",
        title: "50 senders, 20 unacknowledged messages each",
        work: Work::Publish { senders: 50, window: 20 },
        spins: false,
        servers: STORING,
        shows: &["per_s", "cpu_us", "ack_p50_ms", "ack_p99_ms"],
    },
    Scenario {
        name: "single",
        title: "One sender, one message in flight",
        work: Work::Publish { senders: 1, window: 1 },
        spins: true,
        servers: &[
            Server::Disk,
            Server::Chat,
            Server::ChatPostgres,
            Server::PgBench,
            Server::JetStream,
            Server::Mosquitto1,
        ],
        shows: &["ack_p50_ms", "ack_p99_ms", "per_s"],
    },
    idle("idle-1000", "1,000 idle connections", Some(1_000)),
    idle("idle-5000", "5,000 idle connections", Some(5_000)),
    idle("idle-most", "As many idle connections as the machine allows", None),
    Scenario {
        name: "reconnect",
        title: "5,000 come back, and then all at once",
        work: Work::Reconnect { connections: 5_000 },
        spins: false,
        servers: RETURNING,
        shows: &["per_s", "cpu_ms", "crowd_ready_s"],
    },
    Scenario {
        name: "start",
        title: "From the start of the program until it is ready",
        work: Work::Start,
        spins: false,
        servers: &[Server::Chat],
        shows: &["empty_ms", "empty_mib", "million_ms", "million_mib"],
    },
    Scenario {
        name: "growth",
        title: "Reads of the store, with little in it and with 10,000,000 messages",
        work: Work::Growth,
        spins: false,
        servers: &[Server::Few, Server::Chat, Server::ChatPostgres],
        shows: &["newest_us", "middle_us", "changes_us", "conversations_us", "members_us", "ready_us"],
    },
];
