//! PostgreSQL servers of a test's own: to be crashed, to stand by for another, to be reached over TLS.

use std::fs::{OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

/// One of them, for as long as this lives. It listens on a socket in its directory.
pub(crate) struct Cluster {
    dir: TempDir,
}

impl Cluster {
    /// A new one, with these lines in its settings.
    pub(crate) fn start(settings: &str) -> Self {
        let cluster = Self::nowhere();
        let names =
            ["--username", "chat", "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"];
        cluster.run("initdb", &names);
        cluster.launch(settings);
        cluster
    }

    /// One that stands by for another: what that commits is streamed to it.
    pub(crate) fn standby(of: &Self, settings: &str) -> Self {
        let cluster = Self::nowhere();
        let host = of.dir.path().to_str().unwrap();
        let copy = [
            "--host",
            host,
            "--username",
            "chat",
            "--write-recovery-conf",
            "--checkpoint",
            "fast",
            "--no-sync",
        ];
        cluster.run("pg_basebackup", &copy);
        cluster.launch(settings);
        cluster
    }

    /// A directory that PostgreSQL may write to, whoever it runs as.
    fn nowhere() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// A program of PostgreSQL's, as the user that it may run as.
    fn program(&self, words: &[&str]) -> Command {
        let user = std::env::var("CHAT_TEST_AS").expect("run it with scripts/with-postgres");
        let mut words = user.split_whitespace().chain(words.iter().copied());
        let mut command = Command::new(words.next().unwrap());
        command.args(words).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// The error is what it says.
    fn try_run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.program(&[program, "--pgdata", &self.path("data")]);
        let output = command.args(arguments).output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr)))
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        self.try_run(program, arguments).unwrap();
    }

    /// Starts it, with these lines in its settings besides.
    fn launch(&self, settings: &str) {
        self.try_launch(settings).unwrap();
    }

    /// The same where something may be in the way.
    pub(crate) fn try_launch(&self, settings: &str) -> Result<(), String> {
        let mut file = OpenOptions::new().append(true).open(self.path("data/postgresql.conf")).unwrap();
        let dir = self.dir.path().display();
        let own = format!(
            "listen_addresses = ''\nport = 5432\nunix_socket_directories = '{dir}'\nmax_connections = 50"
        );
        writeln!(file, "{own}\n{settings}").unwrap();
        self.try_run("pg_ctl", &self.start_words().each_ref().map(String::as_str))
    }

    fn start_words(&self) -> [String; 4] {
        ["--log".to_owned(), self.path("log"), "--wait".to_owned(), "start".to_owned()]
    }

    /// Starts it as it was.
    pub(crate) fn again(&self) {
        self.run("pg_ctl", &self.start_words().each_ref().map(String::as_str));
    }

    /// Puts a file into its directory that it alone can read.
    pub(crate) fn keep(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let mut command = self.program(&["sh", "-c", "umask 077; cat >\"$0\"", &path]);
        let mut writing = command.stdin(Stdio::piped()).spawn().unwrap();
        writing.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writing.wait().unwrap().success());
        path
    }

    /// Stops it in order.
    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["--mode", "fast", "stop"]);
    }

    /// Ends it as a crash of the machine would, as far as others see it.
    pub(crate) fn crash(&self) {
        self.run("pg_ctl", &["--mode", "immediate", "stop"]);
    }

    /// Lets it stand by no longer, and be written to.
    pub(crate) fn promote(&self) {
        self.run("pg_ctl", &["promote"]);
    }

    /// Reads its settings again.
    pub(crate) fn reload(&self) {
        self.run("pg_ctl", &["reload"]);
    }

    /// Gives an order, and returns the first column of what is answered.
    pub(crate) async fn ask(&self, sql: &str) -> Vec<String> {
        self.ask_at(5432, sql).await
    }

    /// The same of one whose port was changed.
    pub(crate) async fn ask_at(&self, port: u16, sql: &str) -> Vec<String> {
        let mut config = Config::new();
        config.host_path(self.dir.path()).port(port).user("chat").dbname("postgres");
        let (client, socket) = config.connect(NoTls).await.unwrap();
        tokio::spawn(socket);
        let first = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        };
        client.simple_query(sql).await.unwrap().iter().filter_map(first).collect()
    }

    /// What a server is given that may find its database in any of these.
    pub(crate) fn url(clusters: &[&Self]) -> String {
        let host = |cluster: &&Self| encoded(cluster.dir.path());
        let hosts: Vec<_> = clusters.iter().map(host).collect();
        format!("postgres://chat@{}/postgres", hosts.join(","))
    }
}

fn encoded(path: &Path) -> String {
    path.to_str().unwrap().replace('/', "%2F")
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // One that a test has crashed is not there any more.
        let data = self.path("data");
        let _ = self.program(&["pg_ctl", "--pgdata", &data, "--mode", "immediate", "stop"]).output();
    }
}
