//! What the operator decides: flags before environment before file before defaults.
//!
//! One registry ([`SETTINGS`]) feeds the command line, the environment, the file's reader, the
//! commented example and the documentation. Nothing is looked at twice: a value is read as text,
//! whatever it came from, and *all* that is wrong is told at once.

mod database;
mod settings;

pub use database::Database;
#[cfg(feature = "postgres")]
pub use database::DatabaseFiles;
pub use settings::{SETTINGS, Setting, args};

use chat_shared::GroupName;
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Anyone.
    Open,
    /// Whoever has an invite.
    Invite,
    /// Nobody; the operator makes accounts.
    Closed,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Two files for https.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and its chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// Everything the operator decides, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where all state lives.
    pub data_dir: PathBuf,
    /// Where everything is stored.
    pub database: Database,
    /// What stands in files beside its URL.
    #[cfg(feature = "postgres")]
    pub database_files: DatabaseFiles,
    /// Serve https.
    pub tls: Option<TlsFiles>,
    /// Where `/metrics` is served.
    pub metrics_listen: Option<SocketAddr>,
    /// A proxy in front of the server speaks TLS.
    pub behind_proxy: bool,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The origin that browsers see.
    pub public_url: Option<String>,
    /// Other origins that may open a WebSocket.
    pub allowed_origins: Vec<String>,
    /// Who may register.
    pub registration: RegistrationMode,
    /// The groups that every new account joins.
    pub default_groups: Vec<GroupName>,
    /// What the server is called.
    pub server_name: String,
    /// Seconds that an access token is good for.
    pub access_ttl: u64,
    /// Seconds that a refresh token is good for.
    pub refresh_ttl: u64,
    /// PBKDF2 iterations.
    pub pbkdf2_iterations: u32,
    /// Are rate limits and the caps per address on?
    pub rate_limits: bool,
    /// Sockets at once.
    pub max_connections: usize,
    /// Sockets at once from one address.
    pub max_connections_per_address: usize,
    /// WebSocket connections of one user.
    pub max_connections_per_user: usize,
    /// Milliseconds between two pings.
    pub heartbeat_ms: u64,
    /// Bytes of the disk to keep free.
    pub disk_reserve: u64,
    /// What is logged.
    pub log: String,
    /// How it is written.
    pub log_format: LogFormat,
}

impl Config {
    /// Do clients come by https, as far as the settings tell?
    pub fn is_https(&self) -> bool {
        self.tls.is_some() || self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// Is the server reachable only from this machine?
    pub fn is_local(&self) -> bool {
        self.listen.ip().is_loopback()
    }
}

/// Something that is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where it stands, in words.
    pub place: String,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.detail)
        } else {
            write!(f, "{}: {}", self.place, self.detail)
        }
    }
}

/// Values as text, by the setting's name, with where they came from.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<&'static str, (String, String)>);

/// A configuration that can be used, and what the operator should know about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Settings that are meant for tests only.
    pub warnings: Vec<String>,
}

impl Values {
    fn put(&mut self, setting: &'static Setting, value: String, place: String) {
        // What came first wins: flags are put before the environment, that before the file.
        self.0.entry(setting.name).or_insert((value, place));
    }

    /// Takes the address of a socket that was handed over: it is where the server listens, whatever else says.
    pub fn inherited(&mut self, address: SocketAddr) {
        let place = "the socket that was handed over (LISTEN_FDS)".to_owned();
        self.0.insert("listen", (address.to_string(), place));
    }

    /// Takes what was given on the command line.
    pub fn flags(&mut self, matches: &clap::ArgMatches) {
        for setting in SETTINGS {
            if setting.switch {
                if matches.try_get_one::<bool>(setting.name).ok().flatten() == Some(&true) {
                    self.put(setting, "true".to_owned(), setting.flag());
                }
            } else if let Ok(Some(value)) = matches.try_get_one::<String>(setting.name) {
                self.put(setting, value.clone(), setting.flag());
            }
        }
    }

    /// Takes what the environment says, by this look-up.
    pub fn environment(&mut self, get: impl Fn(&str) -> Option<String>) {
        for setting in SETTINGS {
            let name = setting.env();
            match get(&name) {
                Some(value) if !value.is_empty() || setting.may_be_empty => self.put(setting, value, name),
                _ => {}
            }
        }
    }

    /// Takes what a file says.
    pub fn file(&mut self, path: &Path, text: &str, problems: &mut Vec<Problem>) {
        let place = |name: &str| format!("{} in {}", name, path.display());
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let detail = format!("is not TOML: {}", error.to_string().trim());
                problems.push(Problem { place: path.display().to_string(), detail });
                return;
            }
        };
        for (key, value) in table {
            let Some(setting) = SETTINGS.iter().find(|setting| setting.name == key) else {
                let nearest = SETTINGS.iter().min_by_key(|setting| distance(setting.name, &key));
                let hint =
                    nearest.map_or(String::new(), |setting| format!("; did you mean `{}`?", setting.name));
                problems
                    .push(Problem { place: place(&key), detail: format!("there is no such setting{hint}") });
                continue;
            };
            match plain(&value) {
                Some(text) => self.put(setting, text, place(&key)),
                None => problems.push(Problem {
                    place: place(&key),
                    detail: "must be a text, a number, true or false, or a list of texts".to_owned(),
                }),
            }
        }
    }

    /// Checks everything.
    pub fn load(&self) -> Result<Loaded, Vec<Problem>> {
        let mut problems = Vec::new();
        let loaded = settings::read(self, &mut problems);
        match loaded {
            Some(loaded) if problems.is_empty() => Ok(loaded),
            _ => Err(problems),
        }
    }

    fn get(&self, name: &str) -> Option<(&str, &str)> {
        self.0.get(name).map(|(value, place)| (value.as_str(), place.as_str()))
    }
}

fn plain(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(value) => Some(value.to_string()),
        toml::Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
            items.map(|items| items.join(","))
        }
        _ => None,
    }
}

/// How many letters differ (Levenshtein): names are short.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y)).min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row[b.len()]
}

/// The commented file that says what every setting is.
pub fn example() -> String {
    let mut text = String::from(
        "# The settings of chat-server. All are optional; what stands behind the # is the default.\n\
         # A flag (--data-dir) wins over the environment (CHAT_DATA_DIR), which wins over this file.\n",
    );
    for setting in SETTINGS {
        text.push('\n');
        for line in setting.doc.lines() {
            text.push_str(&format!("# {}\n", line.trim()));
        }
        text.push_str(&format!("#{} = {}\n", setting.name, setting.example));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(flags: &[&str], environment: &[(&str, &str)], file: &str) -> Result<Loaded, Vec<String>> {
        let command = args(clap::Command::new("test"));
        let matches = command.try_get_matches_from([&["test"], flags].concat()).unwrap();
        let mut values = Values::default();
        let mut problems = Vec::new();
        values.flags(&matches);
        values.environment(|name| {
            environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        });
        values.file(Path::new("chat.toml"), file, &mut problems);
        match values.load() {
            Ok(loaded) if problems.is_empty() => Ok(loaded),
            Ok(_) => Err(problems.iter().map(ToString::to_string).collect()),
            Err(more) => Err(problems.iter().chain(&more).map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn the_example_says_the_defaults() {
        let defaults = load(&[], &[], "").unwrap();
        assert_eq!(load(&[], &[], &example()).unwrap(), defaults);
        // With every line that can stand alone uncommented it is still the same.
        let uncommented: String = example()
            .lines()
            .filter_map(|line| {
                line.strip_prefix('#').filter(|rest| rest.contains(" = ") && !rest.starts_with(' '))
            })
            .filter(|line| SETTINGS.iter().any(|s| s.default && line.starts_with(&format!("{} = ", s.name))))
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(uncommented.lines().count() > 10, "{uncommented}");
        assert_eq!(load(&[], &[], &uncommented).unwrap().config, defaults.config);
    }

    #[test]
    fn flags_win_over_the_environment_which_wins_over_the_file() {
        let file = "server_name = 'file'\nlisten = '127.0.0.1:3'\naccess_ttl = 33";
        let environment = [("CHAT_SERVER_NAME", "env"), ("CHAT_LISTEN", "127.0.0.1:2")];
        let config = load(&["--listen", "127.0.0.1:1"], &environment, file).unwrap().config;
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.server_name, "env");
        assert_eq!(config.access_ttl, 33);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let file = "acces_ttl = 5\nheartbeat_ms = [1]\nlog_format = 'xml'";
        let environment = [("CHAT_REGISTRATION", "maybe"), ("CHAT_DATABASE", "mysql://x/y")];
        let problems = load(&["--listen", "nowhere"], &environment, file).unwrap_err().join("\n");
        for expected in [
            "--listen: ",
            "CHAT_REGISTRATION: ",
            "CHAT_DATABASE: ",
            "did you mean `access_ttl`?",
            "heartbeat_ms in chat.toml",
            "log_format in chat.toml",
        ] {
            assert!(problems.contains(expected), "{expected} is not in:\n{problems}");
        }
    }

    #[test]
    fn a_database_is_named_by_its_kind() {
        let database = |value: &str| load(&[], &[("CHAT_DATABASE", value), ("CHAT_DATA_DIR", "/data")], "");
        assert_eq!(database("").unwrap().config.database, Database::Sqlite("/data/chat.db".into()));
        assert_eq!(database("sqlite:a.db").unwrap().config.database, Database::Sqlite("a.db".into()));
        let postgres = database("postgres://chat@localhost/chat");
        #[cfg(feature = "postgres")]
        {
            assert!(postgres.is_ok());
            let seen = load(&["--database", "postgres://chat:secret@localhost/chat"], &[], "").unwrap_err();
            assert!(seen[0].contains("--database-password-file") && !seen[0].contains("secret"), "{seen:?}");
            assert!(database("postgres://chat:secret@localhost/chat").is_ok());
        }
        #[cfg(not(feature = "postgres"))]
        assert!(postgres.unwrap_err()[0].contains("built without PostgreSQL"));
    }

    #[test]
    fn a_public_address_wants_tls_or_a_proxy() {
        let problems = load(&["--listen", "0.0.0.0:80"], &[], "").unwrap_err().join("\n");
        assert!(problems.contains("--tls-cert") && problems.contains("--behind-proxy"), "{problems}");
        assert!(load(&["--listen", "0.0.0.0:80", "--behind-proxy"], &[], "").is_ok());
        assert!(load(&["--listen", "0.0.0.0:80", "--tls-cert", "c", "--tls-key", "k"], &[], "").is_ok());
        assert!(load(&["--tls-cert", "c"], &[], "").is_err());
    }

    #[test]
    fn no_default_groups_is_a_choice() {
        let groups =
            |value: &str| load(&[], &[("CHAT_DEFAULT_GROUPS", value)], "").unwrap().config.default_groups;
        assert!(groups("").is_empty());
        assert_eq!(groups("general, Dev-Ops").len(), 2);
        assert_eq!(load(&[], &[], "default_groups = []").unwrap().config.default_groups, []);
        assert!(load(&[], &[("CHAT_DEFAULT_GROUPS", "a b")], "").is_err());
    }

    #[test]
    fn settings_for_tests_warn() {
        assert!(load(&[], &[], "").unwrap().warnings.is_empty());
        let environment = [("CHAT_PBKDF2_ITERATIONS", "1000"), ("CHAT_RATE_LIMITS", "off")];
        assert_eq!(load(&[], &environment, "").unwrap().warnings.len(), 2);
    }

    #[test]
    fn every_setting_is_described_once() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert!(!setting.doc.is_empty(), "{}", setting.name);
            assert!(SETTINGS[index + 1..].iter().all(|other| other.name != setting.name), "{}", setting.name);
        }
    }
}
