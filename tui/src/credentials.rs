//! Log-ins, one a server, in a file that only its owner can read.
//!
//! Programs that share a home take its lock before they change the file, read it again under the
//! lock, and have it on disk before they use what they wrote: of two that refresh at once, the
//! second finds the first one's token.

use crate::error::ClientError;
use crate::home::Home;
use chat_shared::api::Session;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A log-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Who.
    pub username: String,
    /// For requests.
    pub access_token: String,
    /// When that expires, in seconds since the epoch, by this machine's clock.
    pub access_expires_at: i64,
    /// For the next access token.
    pub refresh_token: String,
    /// May it be sent over http to another machine?
    #[serde(default)]
    pub insecure: bool,
}

impl Login {
    /// From a server's answer that came at this time (seconds since the epoch).
    pub fn new(session: &Session, insecure: bool, now: i64) -> Option<Self> {
        Some(Self {
            username: session.user.username.to_string(),
            access_token: session.access_token.clone(),
            access_expires_at: now + i64::try_from(session.expires_in).unwrap_or(0),
            refresh_token: session.refresh_token.clone()?,
            insecure,
        })
    }
}

/// All of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logins {
    /// The server that is meant when none is named.
    pub default: Option<String>,
    /// By the server's address.
    pub servers: BTreeMap<String, Login>,
}

/// The file, locked against other programs.
pub struct Credentials {
    home: Home,
    _lock: File,
}

impl Credentials {
    /// Waits for the lock.
    pub fn lock(home: &Home) -> Result<Self, ClientError> {
        let path = home.file("credentials.lock");
        let at = |error: io::Error| ClientError::file(&path, &error);
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(&path).map_err(at)?;
        lock.lock().map_err(at)?;
        Ok(Self { home: home.clone(), _lock: lock })
    }

    /// What is stored.
    pub fn read(&self) -> Result<Logins, ClientError> {
        read(&self.home)
    }

    /// Stores it: whole, or not at all, and on disk when this returns.
    pub fn write(&self, logins: &Logins) -> Result<(), ClientError> {
        let path = self.home.file("credentials.json");
        let fresh = self.home.file("credentials.new");
        let at = |path: &Path, error: io::Error| ClientError::file(path, &error);
        let text =
            serde_json::to_vec_pretty(logins).map_err(|error| ClientError::Other(error.to_string()))?;
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).write(true).mode(0o600).open(&fresh);
        let written = file.and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()
        });
        written.map_err(|error| at(&fresh, error))?;
        fs::rename(&fresh, &path).map_err(|error| at(&path, error))?;
        let directory = path.parent().unwrap_or(Path::new("."));
        File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| at(directory, error))
    }
}

/// What is stored, without waiting for anybody: the file is always whole.
pub fn read(home: &Home) -> Result<Logins, ClientError> {
    let path = home.file("credentials.json");
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|error| {
            ClientError::Other(format!(
                "{} is damaged ({error}). Delete it and log in again.",
                path.display()
            ))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Logins::default()),
        Err(error) => Err(ClientError::file(&path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_written_is_read_and_only_by_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("home")).unwrap();
        assert_eq!(read(&home).unwrap(), Logins::default());
        let login = Login {
            username: "alice".into(),
            access_token: "a".into(),
            access_expires_at: 7,
            refresh_token: "r".into(),
            insecure: false,
        };
        let logins = Logins {
            default: Some("http://x".into()),
            servers: BTreeMap::from([("http://x".into(), login)]),
        };
        Credentials::lock(&home).unwrap().write(&logins).unwrap();
        assert_eq!(read(&home).unwrap(), logins);
        let mode = fs::metadata(home.file("credentials.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn changes_of_many_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let home = home.clone();
                scope.spawn(move || {
                    let credentials = Credentials::lock(&home).unwrap();
                    let mut logins = credentials.read().unwrap();
                    let login = Login {
                        username: format!("u{n}"),
                        access_token: String::new(),
                        access_expires_at: 0,
                        refresh_token: String::new(),
                        insecure: false,
                    };
                    logins.servers.insert(format!("http://{n}"), login);
                    credentials.write(&logins).unwrap();
                });
            }
        });
        assert_eq!(read(&home).unwrap().servers.len(), 8);
    }
}
