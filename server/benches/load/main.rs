//! The load benchmark: our server beside its peers, in one run, on one machine.
//!
//! `scripts/bench` is the way to start it; `docs/PERFORMANCE.md` says how it measures and what came of it. Each
//! server has one core, the generator another; every scenario has a fresh server on an empty directory, and the
//! servers take turns, because the machine is not the same from one minute to the next. What is measured goes into a
//! file as lines of JSON, from which the tables, the comparison with the targets and the picture are made.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark prints")]

mod filled;
mod floor;
mod generator;
mod growth;
mod plot;
mod postgres;
mod process;
mod report;
mod scenario;
mod servers;
mod stamp;
mod starts;
mod targets;
mod wire;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use filled::Size;
use generator::{Crowd, drive};
use report::{Figures, Line, Measured, Results};
use scenario::{SCENARIOS, Scenario, Work};
use servers::{Running, SERVERS, Server};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// The longest that one server may take for one scenario.
const PATIENCE: Duration = Duration::from_secs(400);

#[derive(Parser)]
#[command(name = "bench", about = "Measures chat-server beside its peers")]
struct Arguments {
    /// What to measure; all of it unless some are named.
    scenarios: Vec<String>,
    /// The peers to measure beside it, separated by spaces; all of them if it is not given.
    #[arg(long)]
    peers: Option<String>,
    /// How often.
    #[arg(long, default_value_t = 3)]
    reps: u32,
    /// How long messages are sent in each scenario.
    #[arg(long, default_value_t = 4.0)]
    secs: f64,
    /// With a twentieth of the people, to see whether everything works: the figures mean nothing.
    #[arg(long)]
    small: bool,
    /// Where the lines of JSON go.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/bench.jsonl"))]
    out: PathBuf,
    /// Keeps what is there, and adds to it.
    #[arg(long)]
    append: bool,
    /// Measures nothing, and writes what was measured into docs/PERFORMANCE.md and docs/performance.svg.
    #[arg(long)]
    write_docs: bool,
    /// The server's core.
    #[arg(long, default_value_t = 1)]
    server_core: usize,
    /// The generator's core.
    #[arg(long, default_value_t = 0)]
    own_core: usize,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.write_docs {
        return write_docs(&arguments.out);
    }
    let chosen = chosen(&arguments.scenarios)?;
    let peers = peers(arguments.peers.as_deref())?;
    pin(arguments.own_core)?;
    let mut results = if arguments.append && arguments.out.exists() {
        Results::read(&arguments.out)?
    } else {
        Results::default()
    };
    let before = results.repetitions();
    let mut file = OpenOptions::new()
        .create(true)
        .write(true)
        .append(arguments.append)
        .truncate(!arguments.append)
        .open(&arguments.out)?;
    note(&mut file, &mut results, Line::Machine { machine: machine(&peers) })?;
    for repetition in 1..=arguments.reps {
        // Ten million messages are stored once.
        let due = |scenario: &&Scenario| repetition == 1 || !matches!(scenario.work, Work::Growth);
        for scenario in chosen.iter().filter(due) {
            let takes_part = |server: &&Server| {
                let has_database = !server.needs_postgres() || postgres::is_there();
                has_database && (server.is_own() || peers.contains(server))
            };
            for server in scenario.servers.iter().filter(takes_part) {
                let (figures, error) = match measure(scenario, *server, &arguments) {
                    Ok(figures) => (figures, None),
                    Err(error) => (Figures::new(), Some(format!("{error:#}"))),
                };
                let measured = Measured {
                    scenario: scenario.name.to_owned(),
                    server: server.name().to_owned(),
                    repetition: before + repetition,
                    figures,
                    error,
                };
                eprintln!("{}", serde_json::to_string(&measured)?);
                note(&mut file, &mut results, Line::Measured(measured))?;
            }
        }
    }
    println!("{}\n{}", results.tables(), results.verdicts());
    Ok(())
}

/// The scenarios of these names.
fn chosen(names: &[String]) -> Result<Vec<Scenario>> {
    if names.is_empty() {
        return Ok(SCENARIOS.to_vec());
    }
    let named = |name: &String| SCENARIOS.iter().find(|scenario| scenario.name == name).copied();
    let all: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
    names
        .iter()
        .map(|n| named(n).with_context(|| format!("no scenario {n:?}; there are {}", all.join(", "))))
        .collect()
}

/// The peers of these names, or all, as far as they are installed.
fn peers(names: Option<&str>) -> Result<Vec<Server>> {
    let mut peers = match names {
        Some(names) => names.split_whitespace().map(Server::named).collect::<Result<_>>()?,
        None => SERVERS.to_vec(),
    };
    peers.retain(|server| {
        let Some((package, program)) = server.package() else { return false };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_there = std::env::split_paths(&path).any(|dir| dir.join(program).exists());
        if !is_there {
            eprintln!("{} is skipped: Debian's package {package} is not installed.", server.title());
        }
        is_there
    });
    Ok(peers)
}

/// Puts this thread, and what it starts, on this core.
fn pin(core: usize) -> Result<()> {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).with_context(|| format!("core {core}: two are needed"))
}

/// Measures one server in one scenario, once.
fn measure(scenario: &Scenario, server: Server, arguments: &Arguments) -> Result<Figures> {
    let time = Duration::from_secs_f64(arguments.secs);
    let core = arguments.server_core;
    let on_server_core = |floor: fn(Duration) -> Result<Figures>| {
        let measuring = std::thread::spawn(move || {
            pin(core)?;
            floor(time)
        });
        measuring.join().map_err(|_| anyhow::anyhow!("it panicked"))?
    };
    match server {
        Server::Disk => return on_server_core(floor::disk),
        Server::Sqlite => return on_server_core(floor::sqlite),
        Server::PgBench => return postgres::alone(scenario.work.users(), time, core),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(if scenario.spins { 8 } else { 61 })
        .build()?;
    let work = if arguments.small { scenario.work.small() } else { scenario.work };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        if let Work::Start = work {
            return starts::start(if arguments.small { 50_000 } else { 1_000_000 }, core).await;
        }
        if let Work::Growth = work {
            let messages = if arguments.small { 100_000 } else { 10_000_000 };
            let many = Size { users: 10_000, groups: 2_000, messages };
            let few = Size { users: 100, groups: 100, messages: messages / 50 };
            let dir = TempDir::new()?;
            return match server {
                Server::ChatPostgres => growth::growth(postgres::store(core)?, few).await,
                Server::Few => growth::growth(filled::sqlite(dir.path())?, few).await,
                _ => growth::growth(filled::sqlite(dir.path())?, many).await,
            };
        }
        let running = Running::start(server, core).await?;
        let crowd = Crowd::new(running.protocol, running.address, server.at_once())?;
        if scenario.spins {
            tokio::task::spawn_local(async {
                loop {
                    tokio::task::yield_now().await;
                }
            });
        }
        match tokio::time::timeout(PATIENCE, drive(&crowd, work, &running.process, time)).await {
            Ok(figures) => figures,
            Err(_) => bail!("not done after {} s", PATIENCE.as_secs()),
        }
    })
}

fn note(file: &mut File, results: &mut Results, line: Line) -> Result<()> {
    writeln!(file, "{}", serde_json::to_string(&line)?)?;
    results.add(line);
    Ok(())
}

/// What a reader needs to know of the machine and of the peers.
fn machine(peers: &[Server]) -> BTreeMap<String, String> {
    let told = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned()).filter(|text| !text.is_empty())
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let dir = std::env::temp_dir();
    let mut facts = BTreeMap::from([
        ("processor".to_owned(), model.map(|(_, model)| model.to_owned())),
        ("cores".to_owned(), told("nproc", &["--all"])),
        (
            "memory".to_owned(),
            memory.lines().next().and_then(|l| l.split_whitespace().nth(1)).map(|k| format!("{k} KiB")),
        ),
        ("kernel".to_owned(), told("uname", &["-sr"])),
        (
            "file system".to_owned(),
            told("findmnt", &["-n", "-o", "FSTYPE", "-T", &dir.display().to_string()]),
        ),
        ("day".to_owned(), told("date", &["-u", "+%F"])),
        ("compiler".to_owned(), told("rustc", &["--version"])),
        ("commit".to_owned(), told("git", &["describe", "--always", "--dirty"])),
    ]);
    for (package, _) in peers.iter().filter_map(|peer| peer.package()) {
        facts.insert(
            package.to_owned(),
            told("dpkg-query", &["--showformat", "${Version}", "--show", package]),
        );
    }
    facts.into_iter().filter_map(|(what, value)| Some((what, value?))).collect()
}

/// Writes the tables and the picture into the documentation.
fn write_docs(from: &Path) -> Result<()> {
    let results = Results::read(from)?;
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let path = docs.join("PERFORMANCE.md");
    let mut text = std::fs::read_to_string(&path)?;
    let picture =
        "![Server CPU for a delivery and memory for a connection, beside the peers](performance.svg)";
    let parts = [
        ("targets", results.verdicts()),
        ("picture", picture.to_owned()),
        ("machine", results.place()),
        ("tables", results.tables()),
    ];
    for (name, part) in parts {
        text = report::replace(&text, name, &part)?;
    }
    let on_postgres = from.with_file_name("bench-postgres.jsonl");
    if on_postgres.exists() {
        text = report::replace(&text, "postgres", &Results::read(&on_postgres)?.tables())?;
    }
    std::fs::write(path, text)?;
    std::fs::write(docs.join("performance.svg"), plot::svg(&results))?;
    Ok(())
}
