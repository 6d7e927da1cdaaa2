//! Where a database is, and what opens it.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long the network may leave what was sent unacknowledged, and how long nothing is sent before it is asked whether
/// the other side is there.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// How often it is asked then.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// Where a database is, as the settings say it.
#[derive(Debug, Clone, PartialEq)]
pub struct Address {
    config: Config,
    password_file: Option<PathBuf>,
    ca: Option<PathBuf>,
}

/// Why the password or the certificate cannot be had. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}.")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read the password.
    #[error("{0} can be read by others than its owner. Take that right from them: chmod 600.")]
    Open(PathBuf),
    /// There is no certificate in it.
    #[error("{0} has no certificate in PEM that can be used.")]
    NoCertificate(PathBuf),
}

impl Address {
    /// Reads a URL (`postgres://USER@HOST/DATABASE`). The error says what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, String> {
        // What the parser says may hold a part of the URL, and that may be the password.
        let wrong = "is not of the form postgres://USER@HOST:PORT/DATABASE or postgresql:///DATABASE?host=/run/postgresql";
        let mut config: Config = url.parse().map_err(|_| wrong.to_owned())?;
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err("names no database: postgres://USER@HOST:PORT/DATABASE".to_owned());
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host_path("/run/postgresql");
        }
        if config.get_application_name().is_none() {
            config.application_name("chat-server");
        }
        let (names, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
        if names > 0 && addresses > 0 && names != addresses {
            return Err(format!(
                "names {names} hosts and {addresses} host addresses: one is needed for each"
            ));
        }
        let ports = config.get_ports().len();
        if ports > 1 && ports != names.max(addresses) {
            return Err(format!(
                "names {} hosts and {ports} ports: one is needed for each",
                names.max(addresses)
            ));
        }
        config.tcp_user_timeout(UNACKNOWLEDGED).keepalives_idle(UNACKNOWLEDGED);
        if config.get_keepalives_interval().is_none() {
            config.keepalives_interval(ASKED_AGAIN);
        }
        Ok(Self { config, password_file: None, ca: None })
    }

    /// With the files that the settings name beside it: the password's, and that of whoever signed the database's
    /// certificate.
    pub fn with_files(self, password_file: Option<PathBuf>, ca: Option<PathBuf>) -> Self {
        Self { password_file, ca, ..self }
    }

    /// Does the URL itself hold a password?
    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// What keeps this address from being used safely, if anything does.
    pub fn problem(&self) -> Option<&'static str> {
        let here = |host: &Host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
            }
        };
        match (self.config.get_ssl_mode(), &self.ca) {
            (SslMode::Disable, _) | (_, Some(_)) => None,
            (SslMode::Require, None) => Some(
                "sslmode=require needs the certificate of whoever signed the database's. Name its file with --database-ca.",
            ),
            _ if self.config.get_hosts().iter().all(here)
                && self.config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback) =>
            {
                None
            }
            _ => Some(
                "is on another machine, and what people write would cross the network unencrypted. Name the certificate of whoever signed the database's with --database-ca, or say sslmode=disable in the URL if nobody else is on this network.",
            ),
        }
    }

    /// What a connection is made with: reads the passwords and the certificate.
    pub(super) fn ready(&self) -> Result<Ready, AddressError> {
        let tls = self.ca.as_deref().filter(|_| self.config.get_ssl_mode() != SslMode::Disable);
        let count = self.config.get_hosts().len().max(self.config.get_hostaddrs().len());
        let mut places = (0..count).map(|at| self.place(at)).collect::<Result<Vec<_>, _>>()?;
        if tls.is_some() {
            // Where a certificate was named, nothing goes without it.
            for place in &mut places {
                place.ssl_mode(SslMode::Require);
            }
        }
        Ok(Ready { places, tls: tls.map(trusting).transpose()?, chosen: Arc::default() })
    }

    /// One of the places that the URL names, with everything that it says of all of them.
    fn place(&self, at: usize) -> Result<Config, AddressError> {
        let all = &self.config;
        let mut place = Config::new();
        place
            .ssl_mode(all.get_ssl_mode())
            .ssl_negotiation(all.get_ssl_negotiation())
            .channel_binding(all.get_channel_binding())
            .target_session_attrs(all.get_target_session_attrs())
            .load_balance_hosts(all.get_load_balance_hosts())
            .keepalives(all.get_keepalives())
            .keepalives_idle(all.get_keepalives_idle());
        let port = match all.get_ports() {
            [] => 5432,
            [one] => *one,
            // As many as there are places.
            several => several.get(at).copied().unwrap_or(5432),
        };
        place.port(port);
        let host = all.get_hosts().get(at);
        match host {
            Some(Host::Tcp(name)) => place.host(name),
            Some(Host::Unix(path)) => place.host_path(path),
            None => &mut place,
        };
        if let Some(ip) = all.get_hostaddrs().get(at) {
            place.hostaddr(*ip);
        }
        if let Some(user) = all.get_user() {
            place.user(user);
        }
        if let Some(name) = all.get_dbname() {
            place.dbname(name);
        }
        if let Some(options) = all.get_options() {
            place.options(options);
        }
        if let Some(name) = all.get_application_name() {
            place.application_name(name);
        }
        if let Some(time) = all.get_tcp_user_timeout() {
            place.tcp_user_timeout(*time);
        }
        if let Some(time) = all.get_keepalives_interval() {
            place.keepalives_interval(time);
        }
        if let Some(times) = all.get_keepalives_retries() {
            place.keepalives_retries(times);
        }
        match all.get_password() {
            Some(password) => {
                place.password(password);
            }
            None => {
                if let Some(password) = self.password(host, port)? {
                    place.password(password);
                }
            }
        }
        Ok(place)
    }

    fn password(&self, host: Option<&Host>, port: u16) -> Result<Option<String>, AddressError> {
        if let Some(path) = &self.password_file {
            let text = read_private(path)?;
            return Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned()));
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        if let Some(password) = variable("PGPASSWORD") {
            return Ok(Some(password));
        }
        let path = match (variable("PGPASSFILE"), variable("HOME")) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => Path::new(&home).join(".pgpass"),
            (None, None) => return Ok(None),
        };
        if !path.exists() {
            return Ok(None);
        }
        let host = match host {
            Some(Host::Tcp(name)) => name.as_str(),
            // So PostgreSQL's own programs have it.
            _ => "localhost",
        };
        let wanted = [
            host,
            &port.to_string(),
            self.config.get_dbname().unwrap_or_default(),
            self.config.get_user().unwrap_or_default(),
        ];
        Ok(in_password_file(&read_private(&path)?, wanted))
    }
}

/// An address with everything that a connection needs. Its clones have the choice in common.
#[derive(Clone)]
pub(super) struct Ready {
    /// Where the database may be.
    pub(super) places: Vec<Config>,
    pub(super) tls: Option<MakeRustlsConnect>,
    /// Where it was found, by the one who writes: who reads has to read there.
    chosen: Arc<AtomicUsize>,
}

impl Ready {
    /// The place where the database was found last.
    pub(super) fn chosen(&self) -> usize {
        self.chosen.load(Ordering::Relaxed)
    }

    /// It was found there.
    pub(super) fn choose(&self, at: usize) {
        self.chosen.store(at, Ordering::Relaxed);
    }

    /// All places, that one first.
    pub(super) fn order(&self) -> impl Iterator<Item = usize> {
        let (chosen, count) = (self.chosen(), self.places.len());
        (0..count).map(move |step| (chosen + step) % count)
    }
}

/// The password for host, port, database and user in a file such as `~/.pgpass`: `*` stands for every one, and a
/// backslash takes the meaning from the colon or backslash that follows it.
fn in_password_file(text: &str, wanted: [&str; 4]) -> Option<String> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        // The last one is the password, and ends with the line.
        let mut fields = [const { String::new() }; 5];
        let mut at = 0;
        let mut letters = line.chars();
        while let Some(letter) = letters.next() {
            match letter {
                ':' if at < wanted.len() => at += 1,
                '\\' => fields[at].extend(letters.next()),
                letter => fields[at].push(letter),
            }
        }
        let [named @ .., password] = fields;
        let is_meant = at == wanted.len()
            && named.iter().zip(wanted).all(|(field, wanted)| field == "*" || field == wanted);
        is_meant.then_some(password)
    })
}

fn read_private(path: &Path) -> Result<String, AddressError> {
    let at = |source| AddressError::File { path: path.to_owned(), source };
    if std::fs::metadata(path).map_err(at)?.permissions().mode() & 0o077 != 0 {
        return Err(AddressError::Open(path.to_owned()));
    }
    std::fs::read_to_string(path).map_err(at)
}

/// TLS with whoever has a certificate that this file's signed.
fn trusting(path: &Path) -> Result<MakeRustlsConnect, AddressError> {
    let none = || AddressError::NoCertificate(path.to_owned());
    let pem = std::fs::read(path).map_err(|source| AddressError::File { path: path.to_owned(), source })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate.map_err(|_| none())?).map_err(|_| none())?;
    }
    if roots.is_empty() {
        return Err(none());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| none())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_is_read_as_postgresql_reads_it() {
        let text =
            "# passwords\nother:5432:chat:chat:no\n*:5432:ch\\:at:chat:a:b\\\\c\n*:*:*:*:any\nshort:line";
        assert_eq!(in_password_file(text, ["db", "5432", "ch:at", "chat"]), Some("a:b\\c".to_owned()));
        assert_eq!(in_password_file(text, ["other", "5432", "chat", "chat"]), Some("no".to_owned()));
        assert_eq!(in_password_file(text, ["db", "1", "x", "y"]), Some("any".to_owned()));
        assert_eq!(in_password_file("db:1:x:y:z", ["db", "1", "x", "w"]), None);
    }

    #[test]
    fn the_network_is_not_crossed_unencrypted_by_mistake() {
        let problem = |url: &str| Address::parse(url).unwrap().problem().is_some();
        assert!(!problem("postgres://chat@127.0.0.1/chat"));
        assert!(!problem("postgres:///chat?host=/run/postgresql&user=chat"));
        assert!(!problem("postgres://chat@db.example.org/chat?sslmode=disable"));
        assert!(problem("postgres://chat@db.example.org/chat"));
        assert!(problem("postgres://chat@localhost/chat?hostaddr=192.0.2.1"));
        assert!(problem("postgres://chat@127.0.0.1/chat?sslmode=require"));
        let address = Address::parse("postgres://chat@db.example.org/chat?sslmode=require").unwrap();
        assert_eq!(address.with_files(None, Some("ca.pem".into())).problem(), None);
    }

    #[test]
    fn each_place_has_what_the_url_says_of_all_and_its_own_password() {
        use std::io::Write as _;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "from a file").unwrap();
        let url = "postgres://chat@db1:1,%2Frun%2Fdb2:2/chat?options=-cgeqo%3Doff&application_name=mine";
        let address = Address::parse(url).unwrap().with_files(Some(file.path().to_owned()), None);
        let ready = address.ready().unwrap();
        let hosts: Vec<_> = ready.places.iter().map(|place| place.get_hosts().to_vec()).collect();
        assert_eq!(hosts, [[Host::Tcp("db1".to_owned())], [Host::Unix("/run/db2".into())]]);
        for (place, port) in ready.places.iter().zip([1, 2]) {
            assert_eq!(place.get_ports(), [port]);
            assert_eq!(place.get_password(), Some(&b"from a file"[..]));
            let said =
                (place.get_user(), place.get_dbname(), place.get_options(), place.get_application_name());
            assert_eq!(said, (Some("chat"), Some("chat"), Some("-cgeqo=off"), Some("mine")));
            assert_eq!(place.get_tcp_user_timeout(), Some(&UNACKNOWLEDGED));
        }
        let order = || ready.order().collect::<Vec<_>>();
        assert_eq!(order(), [0, 1]);
        ready.choose(1);
        assert_eq!(order(), [1, 0]);
    }

    #[test]
    fn what_is_wrong_with_a_url_does_not_tell_its_password() {
        for url in
            ["postgres://chat:secret@[/chat", "postgres://chat:secret@db:port/chat", "postgres://secret@db"]
        {
            let problem = Address::parse(url).unwrap_err();
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
