//! A server's process, and what it costs.

use anyhow::{Context as _, Result, bail};
use std::fs::read_to_string;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// How long a server may take to begin to listen.
const START: Duration = Duration::from_secs(30);

/// A running server.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Runs it on this core, in this directory, where its log is too. It does not outlive the benchmark.
    pub(crate) fn start(mut command: Command, core: usize, dir: &Path) -> Result<Self> {
        let log = std::fs::File::create(dir.join("log"))?;
        let mut pinned = Command::new("taskset");
        pinned.arg("-c").arg(core.to_string()).args(["setpriv", "--pdeathsig", "KILL"]);
        pinned.arg(command.get_program()).args(command.get_args());
        pinned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command = pinned;
        command.current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self { child: command.spawn().context("taskset (util-linux)")? })
    }

    /// Waits until it listens.
    pub(crate) async fn listens(&mut self, address: SocketAddr) -> Result<()> {
        let started = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            if started.elapsed() > START {
                bail!("it does not listen");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }

    fn file(&self, name: &str) -> String {
        read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    /// Resident memory.
    pub(crate) fn resident_kib(&self) -> f64 {
        let status = self.file("status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0.0)
    }

    /// CPU seconds so far, of all threads.
    pub(crate) fn cpu(&self) -> f64 {
        used(&self.file("stat"))
    }

    /// Waits until it has nothing to do any more, at most 20 seconds.
    pub(crate) async fn settle(&self) {
        let mut before = self.cpu();
        for _ in 0..66 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let now = self.cpu();
            if now - before < 0.03 {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// User and system time in a process's `stat`, in seconds. The kernel counts hundredths.
fn used(stat: &str) -> f64 {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// What was used between two moments.
pub(crate) struct Meter<'a> {
    process: &'a Process,
    started: Instant,
    server: f64,
    own: f64,
    machine: [f64; 2],
}

/// What was used.
pub(crate) struct Used {
    pub(crate) seconds: f64,
    /// CPU seconds of the server, of the generator, and of everything else.
    pub(crate) server: f64,
    pub(crate) own: f64,
    pub(crate) others: f64,
    /// CPU seconds that the machine was not given.
    pub(crate) stolen: f64,
}

impl<'a> Meter<'a> {
    pub(crate) fn start(process: &'a Process) -> Self {
        Self { process, started: Instant::now(), server: process.cpu(), own: own(), machine: machine() }
    }

    pub(crate) fn stop(&self) -> Used {
        let [busy, stolen] = machine();
        let (server, own) = (self.process.cpu() - self.server, own() - self.own);
        Used {
            seconds: self.started.elapsed().as_secs_f64(),
            server,
            own,
            others: (busy - self.machine[0] - server - own).max(0.0),
            stolen: stolen - self.machine[1],
        }
    }
}

fn own() -> f64 {
    used(&read_to_string("/proc/self/stat").unwrap_or_default())
}

/// CPU seconds of the whole machine: busy, and stolen by its neighbours.
fn machine() -> [f64; 2] {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    let ticks: Vec<f64> = stat
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|n| n.parse().ok())
        .collect();
    let of = |fields: &[usize]| fields.iter().filter_map(|field| ticks.get(*field)).sum::<f64>() / 100.0;
    // user, nice, system, irq, softirq; steal
    [of(&[0, 1, 2, 5, 6]), of(&[7])]
}
