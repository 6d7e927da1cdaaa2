//! The registry of settings, and how each is read.

#[cfg(feature = "postgres")]
use super::DatabaseFiles;
use super::{Config, Database, Loaded, LogFormat, Problem, RegistrationMode, TlsFiles, Values};
use chat_shared::limits;
use clap::{Arg, ArgAction, Command};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// One thing the operator can decide.
#[derive(Debug)]
pub struct Setting {
    /// Its name in the file; `--name` and `CHAT_NAME` follow from it.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Its value in the example, as TOML.
    pub example: &'static str,
    /// Is the example the default? (Otherwise the default is to have none.)
    pub default: bool,
    /// Is it a flag without a value?
    pub switch: bool,
    /// Does an empty value mean something?
    pub may_be_empty: bool,
}

impl Setting {
    /// The flag.
    pub fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// The environment variable.
    pub fn env(&self) -> String {
        format!("CHAT_{}", self.name.to_ascii_uppercase())
    }
}

const fn setting(name: &'static str, example: &'static str, doc: &'static str) -> Setting {
    Setting { name, doc, example, default: true, switch: false, may_be_empty: false }
}

const fn optional(name: &'static str, example: &'static str, doc: &'static str) -> Setting {
    Setting { default: false, ..setting(name, example, doc) }
}

/// Every setting there is.
pub const SETTINGS: &[Setting] = &[
    setting(
        "listen",
        "\"127.0.0.1:8080\"",
        "Where to listen: ADDRESS:PORT. On an address that is not this machine's own (127.0.0.1), TLS\nor behind_proxy is wanted.",
    ),
    optional(
        "data_dir",
        "\"/var/lib/chat\"",
        "Where all state lives. Default: chat-server in the XDG data directory (~/.local/share).",
    ),
    optional(
        "database",
        "\"sqlite:/var/lib/chat/chat.db\"",
        "The database: sqlite:PATH, or postgres://USER@HOST/DATABASE where the program was built with PostgreSQL.\nDefault: chat.db in the data directory.",
    ),
    #[cfg(feature = "postgres")]
    optional(
        "database_password_file",
        "\"/etc/chat/database-password\"",
        "The password for PostgreSQL, readable by its owner only. PGPASSWORD and PGPASSFILE (~/.pgpass) do as well.",
    ),
    #[cfg(feature = "postgres")]
    optional(
        "database_ca",
        "\"/etc/chat/database-ca.pem\"",
        "The certificate (PEM) of whoever signed PostgreSQL's: with it the way there is encrypted, or there is none.",
    ),
    optional(
        "tls_cert",
        "\"/etc/chat/fullchain.pem\"",
        "Serve https with this certificate chain (PEM). Read again on SIGHUP.",
    ),
    optional(
        "tls_key",
        "\"/etc/chat/privkey.pem\"",
        "The certificate's private key (PEM); readable by its owner only.",
    ),
    optional("metrics_listen", "\"127.0.0.1:9090\"", "Serve /metrics (Prometheus text) here."),
    Setting {
        switch: true,
        ..setting("behind_proxy", "false", "A proxy in front of the server speaks TLS with the world.")
    },
    optional(
        "trusted_proxies",
        "[\"127.0.0.1\", \"::1\"]",
        "Addresses or networks whose X-Forwarded-For and X-Forwarded-Proto are believed. Default: this\nmachine with behind_proxy, nobody without.",
    ),
    optional(
        "public_url",
        "\"https://chat.example.org\"",
        "The origin that browsers see, if it is not what their Host header says.",
    ),
    optional(
        "allowed_origins",
        "[\"https://other.example.org\"]",
        "Other web origins that may open a WebSocket.",
    ),
    setting(
        "registration",
        "\"open\"",
        "Who may register: open (anyone), invite (whoever has an invite) or closed.",
    ),
    Setting {
        may_be_empty: true,
        ..setting(
            "default_groups",
            "[\"general\"]",
            "Public groups that exist from the start and that every new account joins. May be empty.",
        )
    },
    setting("server_name", "\"chat\"", "What clients show as the server's name."),
    setting("access_ttl", "900", "Seconds that an access token is good for: 1 to 900."),
    setting("refresh_ttl", "2592000", "Seconds that a login lives without being used: at least access_ttl."),
    setting("pbkdf2_iterations", "600000", "Work per password hash. Less is for tests only."),
    setting("rate_limits", "\"on\"", "on or off. Off is for tests only; it also lifts the caps per address."),
    setting("max_connections", "10000", "Sockets at once."),
    setting("max_connections_per_address", "200", "Sockets at once from one address."),
    setting("max_connections_per_user", "20", "WebSocket connections of one user at once."),
    setting("heartbeat_ms", "20000", "Milliseconds between two pings to a client."),
    setting(
        "disk_reserve_mb",
        "256",
        "Megabytes of the disk to keep free: with less the server serves what is there and takes nothing new.",
    ),
    setting(
        "log",
        "\"info\"",
        "What is logged: error, warn, info, debug, trace, or directives such as info,chat_server::ws=debug.",
    ),
    setting("log_format", "\"text\"", "How logs are written: text or json."),
];

/// Adds the flags to a command.
pub fn args(command: Command) -> Command {
    SETTINGS.iter().fold(command, |command, setting| {
        let doc = setting.doc.replace('\n', " ");
        let default = if setting.default && !setting.switch {
            format!(" [default: {}]", setting.example)
        } else {
            String::new()
        };
        let arg = Arg::new(setting.name)
            .long(setting.name.replace('_', "-"))
            .help(format!("{doc}{default} [env: {}]", setting.env()))
            .help_heading("Settings")
            .global(true);
        command.arg(if setting.switch {
            arg.action(ArgAction::SetTrue)
        } else {
            arg.value_name("VALUE").allow_hyphen_values(true)
        })
    })
}

/// Reads values one after the other, and notes what is wrong.
struct Reader<'a> {
    values: &'a Values,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn read<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.read_from(name, |value, _| parse(value))
    }

    /// For what depends on where it stands.
    fn read_from<T>(&mut self, name: &str, parse: impl FnOnce(&str, &str) -> Result<T, String>) -> Option<T> {
        let (value, place) = self.values.get(name)?;
        match parse(value.trim(), place) {
            Ok(value) => Some(value),
            Err(detail) => {
                self.problems.push(Problem { place: place.to_owned(), detail });
                None
            }
        }
    }

    fn parsed<T: FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        self.read(name, |value| value.parse().map_err(|_| format!("{value:?} is not {wanted}")))
    }

    fn number(&mut self, name: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        let wanted = format!("must be a whole number from {} to {}", range.start(), range.end());
        self.read(name, |value| value.parse().ok().filter(|n| range.contains(n)).ok_or(wanted))
            .unwrap_or(default)
    }

    fn list<T>(&mut self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<Vec<T>> {
        self.read(name, |value| {
            value.split(',').map(str::trim).filter(|item| !item.is_empty()).map(&parse).collect()
        })
    }

    fn choice<T: Copy>(&mut self, name: &str, default: T, choices: &[(&str, T)]) -> T {
        self.read(name, |value| {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            let found = choices.iter().find(|(word, _)| *word == value).map(|(_, choice)| *choice);
            found.ok_or_else(|| format!("{value:?} is not one of {}", words.join(", ")))
        })
        .unwrap_or(default)
    }

    fn wrong(&mut self, detail: impl Into<String>) {
        self.problems.push(Problem { place: String::new(), detail: detail.into() });
    }
}

fn origin(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.map(|rest| rest.strip_suffix('/').unwrap_or(rest));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => {
            Ok(text.trim_end_matches('/').to_ascii_lowercase())
        }
        _ => Err(format!("{text:?} is not an origin such as https://chat.example.org")),
    }
}

fn default_data_dir() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base =
        absolute("XDG_DATA_HOME").or_else(|| absolute("HOME").map(|home| home.join(".local/share")))?;
    Some(base.join("chat-server"))
}

pub(super) fn read(values: &Values, problems: &mut Vec<Problem>) -> Option<Loaded> {
    let mut reader = Reader { values, problems };
    let r = &mut reader;
    let listen = r.parsed("listen", "an address such as 127.0.0.1:8080");
    let listen: SocketAddr = listen.unwrap_or_else(|| ([127, 0, 0, 1], 8080).into());
    let data_dir = r.parsed::<PathBuf>("data_dir", "a path").or_else(default_data_dir);
    if data_dir.is_none() {
        r.wrong("there is no home directory to put the data into. Say where with --data-dir.");
    }
    let data_dir = data_dir.unwrap_or_default();
    #[cfg(feature = "postgres")]
    let database_files = DatabaseFiles {
        password: r.parsed("database_password_file", "a path"),
        ca: r.parsed("database_ca", "a path"),
    };
    #[cfg(feature = "postgres")]
    let database = r.read_from("database", |value, place| {
        value.parse::<Database>()?.with_files(&database_files, place.starts_with("--"))
    });
    #[cfg(not(feature = "postgres"))]
    let database = r.read("database", str::parse);
    let (cert, key) = (r.parsed::<PathBuf>("tls_cert", "a path"), r.parsed::<PathBuf>("tls_key", "a path"));
    let tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key }),
        (None, None) => None,
        _ => {
            r.wrong("https needs both --tls-cert and --tls-key.");
            None
        }
    };
    let behind_proxy =
        r.choice("behind_proxy", false, &[("true", true), ("false", false), ("1", true), ("0", false)]);
    let net = |text: &str| {
        let net = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into));
        net.map_err(|_| format!("{text:?} is not an address or a network such as 10.0.0.0/8"))
    };
    let trusted_proxies = r.list("trusted_proxies", net).unwrap_or_else(|| {
        let local = [std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()];
        if behind_proxy { local.map(|ip: std::net::IpAddr| ip.into()).to_vec() } else { Vec::new() }
    });
    if !listen.ip().is_loopback() && tls.is_none() && !behind_proxy {
        r.wrong(format!(
            "{listen} can be reached from other machines, and passwords would cross the network unencrypted. \
             Serve https with --tls-cert and --tls-key, or put a TLS proxy in front and say --behind-proxy."
        ));
    }
    let registration = r.choice(
        "registration",
        RegistrationMode::Open,
        &[
            ("open", RegistrationMode::Open),
            ("invite", RegistrationMode::Invite),
            ("closed", RegistrationMode::Closed),
        ],
    );
    let group = |text: &str| text.parse().map_err(|error| format!("{text:?} {error}"));
    let default_groups =
        r.list("default_groups", group).or_else(|| "general".parse().ok().map(|name| vec![name]));
    let access_ttl = r.number("access_ttl", 900, 1..=900);
    let refresh_ttl = r.number("refresh_ttl", 30 * 24 * 3600, access_ttl.max(1)..=10 * 365 * 24 * 3600);
    let pbkdf2_iterations = r.number("pbkdf2_iterations", 600_000, 1..=100_000_000);
    let rate_limits = r.choice("rate_limits", true, &[("on", true), ("off", false)]);
    let mut warnings = Vec::new();
    if pbkdf2_iterations != 600_000 {
        warnings.push(format!(
            "pbkdf2_iterations is {pbkdf2_iterations} instead of 600000: for tests only if it is less."
        ));
    }
    if !rate_limits {
        warnings
            .push("rate_limits is off: anybody can try passwords without end. For tests only.".to_owned());
    }
    let config = Config {
        listen,
        database: database.unwrap_or_else(|| Database::Sqlite(data_dir.join("chat.db"))),
        #[cfg(feature = "postgres")]
        database_files,
        data_dir,
        tls,
        metrics_listen: r.parsed("metrics_listen", "an address such as 127.0.0.1:9090"),
        behind_proxy,
        trusted_proxies,
        public_url: r.read("public_url", origin),
        allowed_origins: r.list("allowed_origins", origin).unwrap_or_default(),
        registration,
        default_groups: default_groups.unwrap_or_default(),
        server_name: r
            .read("server_name", |name| match name.chars().count() {
                1..=limits::DISPLAY_NAME_MAX => Ok(chat_shared::display::stored_line(name)),
                _ => Err(format!("must have 1 to {} characters", limits::DISPLAY_NAME_MAX)),
            })
            .unwrap_or_else(|| "chat".to_owned()),
        access_ttl,
        refresh_ttl,
        pbkdf2_iterations: u32::try_from(pbkdf2_iterations).unwrap_or(600_000),
        rate_limits,
        max_connections: r.number("max_connections", 10_000, 1..=1_000_000) as usize,
        max_connections_per_address: r.number("max_connections_per_address", 200, 1..=1_000_000) as usize,
        max_connections_per_user: r.number("max_connections_per_user", limits::CONNECTIONS as u64, 1..=10_000)
            as usize,
        heartbeat_ms: r.number("heartbeat_ms", limits::HEARTBEAT_MS, 50..=600_000),
        disk_reserve: r.number("disk_reserve_mb", 256, 0..=1_000_000_000) << 20,
        log: r.read("log", |value| Ok(value.to_owned())).unwrap_or_else(|| "info".to_owned()),
        log_format: r.choice(
            "log_format",
            LogFormat::Text,
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        ),
    };
    Some(Loaded { config, warnings })
}
