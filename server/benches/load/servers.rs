//! The servers: how each is set up and started, and how it is spoken to. Every limit of theirs that would slow them
//! down is off.

use crate::postgres;
use crate::process::Process;
use crate::wire::{Chat, Irc, Mqtt, Nats, Protocol, Xmpp};
use anyhow::{Context as _, Result, bail};
use rustls::pki_types::CertificateDer;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// What takes part in a scenario.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Server {
    /// No server: the disk itself.
    Disk,
    /// No server: SQLite itself.
    Sqlite,
    /// Ours, with a fiftieth of the messages.
    Few,
    Chat,
    ChatTls,
    /// Ours on PostgreSQL.
    ChatPostgres,
    /// No server of ours: PostgreSQL itself.
    PgBench,
    InspIrcd,
    Ngircd,
    Nats,
    /// NATS with a stream on disk, whose acks are waited for.
    JetStream,
    /// Quality of service 0.
    Mosquitto,
    /// Quality of service 1: acknowledged.
    Mosquitto1,
    Ejabberd,
    Prosody,
}

/// All of them, in the order of the tables.
pub(crate) const SERVERS: [Server; 15] = [
    Server::Disk,
    Server::Sqlite,
    Server::Few,
    Server::Chat,
    Server::ChatTls,
    Server::ChatPostgres,
    Server::PgBench,
    Server::InspIrcd,
    Server::Ngircd,
    Server::Nats,
    Server::JetStream,
    Server::Mosquitto,
    Server::Mosquitto1,
    Server::Ejabberd,
    Server::Prosody,
];

impl Server {
    /// As it is written on the command line and in the results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Sqlite => "sqlite",
            Self::Few => "few",
            Self::Chat => "chat",
            Self::ChatTls => "chat-tls",
            Self::ChatPostgres => "chat-postgres",
            Self::PgBench => "pgbench",
            Self::InspIrcd => "inspircd",
            Self::Ngircd => "ngircd",
            Self::Nats => "nats",
            Self::JetStream => "jetstream",
            Self::Mosquitto => "mosquitto",
            Self::Mosquitto1 => "mosquitto-1",
            Self::Ejabberd => "ejabberd",
            Self::Prosody => "prosody",
        }
    }

    /// As people write it.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Disk => "the disk: 4 KiB + fdatasync",
            Self::Sqlite => "SQLite alone, 1,000 rows a transaction",
            Self::Few => "chat-server, with a fiftieth of the messages",
            Self::Chat => "chat-server",
            Self::ChatTls => "chat-server, TLS",
            Self::ChatPostgres => "chat-server on PostgreSQL",
            Self::PgBench => "pgbench: a transaction for each message",
            Self::InspIrcd => "InspIRCd",
            Self::Ngircd => "ngircd",
            Self::Nats => "NATS",
            Self::JetStream => "NATS JetStream",
            Self::Mosquitto => "Mosquitto, QoS 0",
            Self::Mosquitto1 => "Mosquitto, QoS 1",
            Self::Ejabberd => "ejabberd",
            Self::Prosody => "Prosody",
        }
    }

    /// The server of this name.
    pub(crate) fn named(name: &str) -> Result<Self> {
        let found = SERVERS.into_iter().find(|server| server.name() == name);
        found.with_context(|| format!("there is no server {name:?}"))
    }

    /// Ours, or what it is measured against alone.
    pub(crate) fn is_own(self) -> bool {
        self.package().is_none()
    }

    /// Does it work on PostgreSQL?
    pub(crate) fn needs_postgres(self) -> bool {
        matches!(self, Self::ChatPostgres | Self::PgBench)
    }

    /// A peer's Debian package, and its program.
    pub(crate) fn package(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Disk | Self::Sqlite | Self::Few | Self::Chat | Self::ChatTls => return None,
            Self::ChatPostgres | Self::PgBench => return None,
            Self::InspIrcd => ("inspircd", "inspircd"),
            Self::Ngircd => ("ngircd", "ngircd"),
            Self::Nats | Self::JetStream => ("nats-server", "nats-server"),
            Self::Mosquitto | Self::Mosquitto1 => ("mosquitto", "mosquitto"),
            Self::Ejabberd => ("ejabberd", "ejabberdctl"),
            Self::Prosody => ("prosody", "prosody"),
        })
    }

    /// Connections that may be under way at once.
    pub(crate) fn at_once(self) -> usize {
        match self {
            // It registers users once a second.
            Self::InspIrcd => 400,
            // It lets ten wait.
            Self::Ngircd => 8,
            _ => 64,
        }
    }

    /// A peer's configuration, and what its file is called (two of them look at that).
    fn configuration(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Disk | Self::Sqlite | Self::Few | Self::Chat | Self::ChatTls => return None,
            Self::ChatPostgres | Self::PgBench => return None,
            Self::InspIrcd => ("inspircd.conf", include_str!("peers/inspircd.conf")),
            Self::Ngircd => ("ngircd.conf", include_str!("peers/ngircd.conf")),
            Self::Nats => ("nats.conf", include_str!("peers/nats.conf")),
            Self::JetStream => ("jetstream.conf", include_str!("peers/jetstream.conf")),
            Self::Mosquitto | Self::Mosquitto1 => ("mosquitto.conf", include_str!("peers/mosquitto.conf")),
            Self::Ejabberd => ("ejabberd.yml", include_str!("peers/ejabberd.yml")),
            Self::Prosody => ("prosody.cfg.lua", include_str!("peers/prosody.cfg.lua")),
        })
    }

    fn command(self, port: u16, dir: &Path, core: usize) -> Result<Command> {
        let (name, text) = self.configuration().unwrap_or_default();
        let file = dir.join(name);
        if !name.is_empty() {
            let text = text.replace("@PORT@", &port.to_string()).replace("@DIR@", &dir.display().to_string());
            std::fs::write(&file, text)?;
        }
        let program = self.package().map_or(env!("CARGO_BIN_EXE_chat-server"), |(_, program)| program);
        let mut command = Command::new(program);
        match self {
            Self::Disk | Self::Sqlite | Self::Few | Self::PgBench => bail!("{} is no server", self.title()),
            Self::Chat | Self::ChatTls => own(&mut command, port),
            Self::ChatPostgres => {
                own(&mut command, port);
                command.env("CHAT_DATABASE", postgres::schema(core)?);
            }
            Self::InspIrcd => {
                command.args(["--nofork", "--runasroot"]).arg(format!("--config={}", file.display()));
            }
            Self::Ngircd => {
                command.args(["-n", "-f"]).arg(file);
            }
            Self::Nats | Self::JetStream | Self::Mosquitto | Self::Mosquitto1 => {
                command.arg("-c").arg(file);
            }
            Self::Ejabberd => command = erlang(&file, dir),
            Self::Prosody => {
                if is_root() {
                    // It refuses to run as root.
                    give_away([dir, &file], "prosody")?;
                    command = Command::new("setpriv");
                    command.args(["--reuid=prosody", "--regid=prosody", "--clear-groups", program]);
                }
                command.arg("--config").arg(file).arg("-F");
            }
        }
        Ok(command)
    }

    fn protocol(
        self,
        address: SocketAddr,
        tls: Option<&CertificateDer<'static>>,
    ) -> Result<Box<dyn Protocol>> {
        Ok(match self {
            Self::Disk | Self::Sqlite | Self::Few | Self::PgBench => bail!("{} is no server", self.title()),
            Self::Chat | Self::ChatTls | Self::ChatPostgres => Box::new(Chat::new(address, tls)?),
            Self::InspIrcd | Self::Ngircd => Box::new(Irc),
            Self::Nats => Box::new(Nats { stream: false }),
            Self::JetStream => Box::new(Nats { stream: true }),
            Self::Mosquitto => Box::new(Mqtt { quality: 0 }),
            Self::Mosquitto1 => Box::new(Mqtt { quality: 1 }),
            Self::Ejabberd | Self::Prosody => Box::new(Xmpp),
        })
    }
}

/// A server that runs, with nothing in it.
pub(crate) struct Running {
    // Ended before its directory is removed.
    pub(crate) process: Process,
    pub(crate) protocol: Box<dyn Protocol>,
    pub(crate) address: SocketAddr,
    _dir: TempDir,
}

impl Running {
    /// Starts it on this core and waits until it listens.
    pub(crate) async fn start(server: Server, core: usize) -> Result<Self> {
        Self::start_in(server, core, TempDir::with_prefix("chat-bench-")?).await
    }

    /// The same on what is in this directory.
    pub(crate) async fn start_in(server: Server, core: usize, dir: TempDir) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = server.command(address.port(), dir.path(), core)?;
        let made =
            if server == Server::ChatTls { Some(certificate(&mut command, dir.path())?) } else { None };
        let mut process = Process::start(command, core, dir.path())?;
        if let Err(error) = process.listens(address).await {
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            bail!("{} did not start: {error}\n{log}", server.title());
        }
        let protocol = server.protocol(address, made.as_ref())?;
        Ok(Self { process, protocol, address, _dir: dir })
    }
}

/// Our server, without what would hold back a thousand users from one address.
fn own(command: &mut Command, port: u16) {
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--log", "error", "--data-dir", "data"]);
    command.args(["--default-groups", "", "--max-connections", "100000"]);
    command.envs([("CHAT_PBKDF2_ITERATIONS", "1"), ("CHAT_RATE_LIMITS", "off")]);
}

/// ejabberd on an Erlang that talks to no other, and whose schedulers sleep when there is nothing to do. (Its own
/// script would start Erlang's port mapper too.)
fn erlang(file: &Path, dir: &Path) -> Command {
    let mut command = Command::new("erl");
    command.args(["-noinput", "+P", "250000", "+Q", "65536", "+sbwt", "none", "+sbwtdcpu", "none"]);
    command.args(["+sbwtdio", "none", "-mnesia", "dir"]).arg(format!("{:?}", dir.join("mnesia")));
    command.args(["-s", "ejabberd"]);
    command.env("HOME", dir).env("EJABBERD_CONFIG_PATH", file).env("ERL_LIBS", "/usr/lib/x86_64-linux-gnu");
    command.env("EJABBERD_LOG_PATH", dir.join("ejabberd.log"));
    command.env("ERL_MAX_PORTS", "65536").env("ERL_CRASH_DUMP_BYTES", "0");
    command
}

/// Writes a certificate for localhost, tells our server of it, and returns it.
fn certificate(command: &mut Command, dir: &Path) -> Result<CertificateDer<'static>> {
    use std::io::Write as _;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(dir.join("cert.pem"), made.cert.pem())?;
    let mut key = std::fs::OpenOptions::new();
    let mut key = key.create(true).truncate(true).write(true).mode(0o600).open(dir.join("key.pem"))?;
    key.write_all(made.signing_key.serialize_pem().as_bytes())?;
    command.args(["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    Ok(made.cert.der().clone())
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Makes these this user's.
fn give_away(paths: [&Path; 2], user: &str) -> Result<()> {
    let users = std::fs::read_to_string("/etc/passwd")?;
    let line =
        users.lines().find(|line| line.split(':').next() == Some(user)).context("the user is missing")?;
    let ids: Vec<u32> = line.split(':').skip(2).take(2).filter_map(|id| id.parse().ok()).collect();
    for path in paths {
        chown(path, ids.first().copied(), ids.get(1).copied())?;
    }
    Ok(())
}
