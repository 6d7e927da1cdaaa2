//! A server in this process, and the program as people start it. Nothing here sleeps: it waits for what
//! is to happen, with patience.

use chat_server::app::Server;
use chat_server::config::{Values, args};
use chat_server::listener::{Drain, DrainHandle};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PASSWORD: &str = "a password for tests";

/// A server that can be stopped and started again on the same address and data.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    dir: TempDir,
    running: Option<(DrainHandle, JoinHandle<()>)>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// With these settings besides the ones that make it quick.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (address, running) = serve(dir.path(), "127.0.0.1:0", settings).await;
        Self { address, dir, running: Some(running) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) async fn stop(&mut self) {
        let (stop, task) = self.running.take().unwrap();
        stop.start();
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    }

    pub(crate) async fn start_again(&mut self) {
        let (_, running) = serve(self.dir.path(), &self.address.to_string(), &[]).await;
        self.running = Some(running);
    }
}

async fn serve(
    data: &Path,
    listen: &str,
    more: &[(&str, &str)],
) -> (SocketAddr, (DrainHandle, JoinHandle<()>)) {
    let mut settings = vec![
        ("CHAT_LISTEN", listen),
        ("CHAT_DATA_DIR", data.to_str().unwrap()),
        ("CHAT_PBKDF2_ITERATIONS", "10"),
        ("CHAT_RATE_LIMITS", "off"),
        ("CHAT_DISK_RESERVE_MB", "0"),
    ];
    settings.extend(more);
    let mut values = Values::default();
    values.flags(&args(clap::Command::new("test")).get_matches_from(["test"]));
    values.environment(|name| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
    let server = Server::start(values.load().unwrap().config, None).await.unwrap();
    let address = server.address().unwrap();
    let (stop, drain) = Drain::new();
    (address, (stop, tokio::spawn(async move { server.serve(drain).await.unwrap() })))
}

/// Somebody's home, from which they run the program.
pub(crate) struct Person {
    pub(crate) home: TempDir,
    /// Certificates that are trusted instead of the system's.
    trusted: Option<PathBuf>,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

impl Done {
    /// The lines of JSON that it printed.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Person {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), trusted: None }
    }

    /// On a machine that trusts who signed with these certificates (PEM), and nobody else.
    pub(crate) fn trusting(certificates: &Path) -> Self {
        Self { trusted: Some(certificates.to_owned()), ..Self::new() }
    }

    /// With an account.
    pub(crate) async fn registered(server: &TestServer, name: &str) -> Self {
        let person = Self::new();
        let arguments = ["register", "--server", &server.url(), "--username", name, "--password-stdin"];
        let done = person.pipe(&arguments, &format!("{PASSWORD}\n")).await;
        assert_eq!(done.code, 0, "{done:?}");
        person
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-tui"));
        command.args(arguments);
        self.at_home(command)
    }

    fn at_home(&self, mut command: Command) -> Command {
        command
            .env("CHAT_TUI_HOME", self.home.path())
            // Three hours east, by a rule that needs no file of the system's.
            .env("TZ", "XYZ-3")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(trusted) = &self.trusted {
            command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
        }
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output();
        tokio::time::timeout(PATIENCE, output).await.expect("it ends").unwrap().into()
    }

    /// Runs, and insists that it works; what it printed.
    pub(crate) async fn ok(&self, arguments: &[&str]) -> String {
        let done = self.run(arguments).await;
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
        done.out
    }

    /// With this at its standard input.
    pub(crate) async fn pipe(&self, arguments: &[&str], input: &str) -> Done {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // One that refuses at once reads nothing.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").unwrap().into()
    }

    /// The line mode.
    pub(crate) fn plain(&self) -> Plain {
        Plain::start(self.command(&["--plain"]))
    }

    /// The line mode, below a shell that sets this limit first.
    pub(crate) fn plain_below(&self, limit: &str) -> Plain {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("{limit}; exec {} --plain", env!("CARGO_BIN_EXE_chat-tui")));
        Plain::start(self.at_home(shell))
    }

    /// Begins to follow.
    pub(crate) fn tail(&self, arguments: &[&str]) -> Tail {
        let mut child = self.command(&[&["tail"], arguments].concat()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Tail { child, lines }
    }

    /// Follows a group, and has heard of the first message that was sent there from here.
    pub(crate) async fn follows(&self, group: &str) -> (Tail, String) {
        let mut tail = self.tail(&[group]);
        let sending = async {
            // It cannot be seen from outside when it begins to hear.
            loop {
                self.ok(&["send", group, "does it hear?"]).await;
            }
        };
        tokio::select! {
            () = sending => unreachable!("it is sent without end"),
            line = tail.line() => (tail, line),
        }
    }
}

/// The program, following.
pub(crate) struct Tail {
    /// Ends with this.
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The next line that it complains with.
    pub(crate) async fn error(&mut self) -> String {
        let mut line = String::new();
        let reading = async {
            let mut errors = BufReader::new(self.child.stderr.take().unwrap());
            errors.read_line(&mut line).await.unwrap()
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("a line in time");
        line
    }

    /// The next line.
    pub(crate) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
        line.expect("a line in time").unwrap().expect("it still runs")
    }
}

/// The line mode, with somebody at it.
pub(crate) struct Plain {
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    /// What it has printed so far.
    seen: Vec<String>,
}

impl Plain {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, lines, seen: Vec::new() }
    }

    /// Types a line.
    pub(crate) async fn types(&mut self, line: &str) {
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }

    /// Reads on to the line with this in it.
    pub(crate) async fn until(&mut self, text: &str) -> String {
        loop {
            let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap_or_else(|_| panic!("no {text:?} in time: {:#?}", self.seen)).unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended without {text:?}: {:#?}", self.seen));
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Ends what it reads, if that has not been done, and waits for its end. All that it has printed is its output.
    pub(crate) async fn ends(mut self) -> Done {
        drop(self.input.take());
        let ending = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.seen.push(line);
            }
            self.child.wait_with_output().await.unwrap()
        };
        let mut done: Done = tokio::time::timeout(PATIENCE, ending).await.expect("it ends").into();
        done.out = self.seen.join("\n");
        done
    }

    /// Kills it.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
