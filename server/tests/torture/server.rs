//! The real program: started, signalled, killed; and its other commands.

use crate::power::Noted;
use crate::small_volume::mounted;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// How long the program may take to stop, as promised.
pub(crate) const STOP: Duration = Duration::from_secs(15);

/// Where and how it runs.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) data: PathBuf,
    pub(crate) log: PathBuf,
    /// A small file system of its own, mounted here where the server alone sees it.
    pub(crate) volume: Option<PathBuf>,
    /// Files and sockets that it may open at once.
    pub(crate) descriptors: Option<u32>,
    /// Milliseconds between two pings.
    pub(crate) heartbeat: u32,
    /// Further settings, as the environment has them.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// The bug that is planted.
    pub(crate) planted: Option<String>,
    /// What it writes is noted.
    pub(crate) noted: Option<Noted>,
}

/// Short, so that whoever is silent is found out soon.
pub(crate) const HEARTBEAT: u32 = 2_000;

impl Place {
    /// On the disk that is there, with nothing that is out of the ordinary.
    pub(crate) fn new(data: PathBuf, log: PathBuf) -> Self {
        Self {
            data,
            log,
            volume: None,
            descriptors: None,
            heartbeat: HEARTBEAT,
            settings: Vec::new(),
            planted: None,
            noted: None,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_chat-server");
        let mut command = match (&self.volume, self.descriptors) {
            (Some(at), _) => {
                let mut command = mounted(at);
                command.arg(program);
                command
            }
            (None, Some(limit)) => {
                let mut command = Command::new("sh");
                command.args(["-c", r#"ulimit -n "$0" && exec "$@""#, &limit.to_string(), program]);
                command
            }
            (None, None) => Command::new(program),
        };
        command
            .args(arguments)
            .arg("--data-dir")
            .arg(&self.data)
            .env("CHAT_PBKDF2_ITERATIONS", "10")
            .env("CHAT_RATE_LIMITS", "off")
            .env("CHAT_DISK_RESERVE_MB", "0")
            .env("CHAT_MAX_CONNECTIONS_PER_USER", "200")
            .env("CHAT_HEARTBEAT_MS", self.heartbeat.to_string())
            .env("CHAT_LOG", "warn")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        #[cfg(feature = "postgres")]
        command.env("CHAT_DATABASE", crate::place::Place::of(&self.data).url);
        match &self.planted {
            Some(bug) => command.env("CHAT_PLANTED", bug),
            None => command.env_remove("CHAT_PLANTED"),
        };
        if let Some(noted) = &self.noted {
            noted.apply(&mut command);
        }
        command
    }

    /// How many messages of a conversation the database holds.
    pub(crate) fn stored(&self, conversation: i64) -> i64 {
        let sql = format!("SELECT count(*) FROM messages WHERE conversation_id = {conversation}");
        #[cfg(feature = "postgres")]
        let count = crate::place::Place::of(&self.data).order(&sql).unwrap()[0].parse().unwrap();
        #[cfg(not(feature = "postgres"))]
        let count = rusqlite::Connection::open(self.data.join("chat.db"))
            .and_then(|db| db.query_row(&sql, [], |row| row.get(0)))
            .unwrap();
        count
    }

    /// Runs a command of the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

/// The program, from its start until it listens.
pub(crate) struct Starting(Child);

impl Starting {
    /// Starts it on a free port.
    pub(crate) fn spawn(place: &Place) -> Self {
        let log = OpenOptions::new().create(true).append(true).open(&place.log).unwrap();
        let mut command = place.command(&["--listen", "127.0.0.1:0"]);
        Self(command.stdout(Stdio::piped()).stderr(log).spawn().unwrap())
    }

    /// Waits until it listens.
    pub(crate) fn listens(self, place: &Place) -> Server {
        let Self(mut child) = self;
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("Next: ") {
            let read = out.read_line(&mut greeting).unwrap();
            assert!(read > 0, "the server ended: {greeting}{}", std::fs::read_to_string(&place.log).unwrap());
        }
        let address = greeting.split("listens on ").nth(1).and_then(|rest| rest.split(',').next());
        Server { child, address: address.unwrap().parse().unwrap() }
    }

    /// `kill -9`
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The program, running.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it on a free port and waits until it listens.
    pub(crate) fn start(place: &Place) -> Self {
        Starting::spawn(place).listens(place)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the server sees at this path.
    pub(crate) fn sees(&self, path: &Path) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.id())).join(path.strip_prefix("/").unwrap())
    }

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Seconds of the processors that it has used.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // The system counts hundredths: in user mode, and for it in the kernel.
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }

    /// Files and sockets that it has open.
    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// `kill -9`
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop; its exit code, or none if it did not in time.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let waiting = tokio::time::timeout(STOP, async {
            loop {
                if let Some(status) = self.child.try_wait().unwrap() {
                    return status.code();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        waiting.await.ok().flatten()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only what a failed run left behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the log tells of that no server may do.
pub(crate) fn faults_in(log: &Path) -> Vec<String> {
    let Ok(file) = File::open(log) else { return Vec::new() };
    let faulty = ["panicked", "after it had written", "came out of order"];
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    lines.filter(|line| faulty.iter().any(|word| line.contains(word))).collect()
}
