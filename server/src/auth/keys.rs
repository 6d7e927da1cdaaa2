//! The server's secret: the file `secret` in the data directory.
//!
//! Each line is `kid key`, the key 32 bytes in base64url. The first line signs; the later ones are
//! still believed, so that a new first line changes the key without logging anybody out. What signs
//! what is told apart by a label, so that no token can pass for one of another kind.

use crate::durable::keep_name;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Why the secret cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error(
        "cannot use {path}: {source}. It must be readable and writable by the user that runs chat-server."
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "{0} can be read by others, so anybody could log in as anyone. Run `chmod 600` on it, and consider deleting it: everyone then has to log in again."
    )]
    Exposed(PathBuf),
    /// A line is not a key.
    #[error(
        "{path}, line {line}: {why}. Delete the file to have a new one made: everyone then has to log in again."
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// The system gave no random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// A signing key and its name.
#[derive(Clone)]
pub struct Key {
    /// Names it in tokens.
    pub kid: String,
    secret: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Key {
    /// A key for one purpose, which says nothing about those for others.
    pub fn derive(&self, label: &str) -> [u8; 32] {
        mac(&self.secret, &[label.as_bytes()])
    }
}

/// The keys, the signing one first.
#[derive(Debug, Clone)]
pub struct Keys(Vec<Key>);

/// HMAC-SHA256 over the parts, each with its length before it, so that no two lists give the same bytes.
pub fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    // A block of SHA-256 has 64 bytes; a shorter key is filled up with zeros (RFC 2104).
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    let mut hmac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        hmac.update(&(part.len() as u64).to_be_bytes());
        hmac.update(part);
    }
    hmac.finalize().into_bytes().into()
}

impl Keys {
    /// The key that signs.
    pub fn signing(&self) -> &Key {
        // Made only with at least one key.
        &self.0[0]
    }

    /// Every key that is believed.
    pub fn all(&self) -> &[Key] {
        &self.0
    }

    /// Reads the file, or makes it.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let at = |source| KeyError::File { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => {
                if file.metadata().map_err(at)?.mode() & 0o077 != 0 {
                    return Err(KeyError::Exposed(path.to_owned()));
                }
                Self::parse(path, &io::read_to_string(file).map_err(at)?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self::random()?;
                keys.store(path).map_err(at)?;
                Ok(keys)
            }
            Err(error) => Err(at(error)),
        }
    }

    /// One new key, in memory only.
    pub fn random() -> Result<Self, KeyError> {
        let (mut secret, mut name) = ([0; 32], [0; 6]);
        getrandom::fill(&mut secret).map_err(KeyError::Random)?;
        getrandom::fill(&mut name).map_err(KeyError::Random)?;
        Ok(Self(vec![Key { kid: URL_SAFE_NO_PAD.encode(name), secret }]))
    }

    /// All of it or nothing: a file that was begun would keep the server from starting.
    fn store(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        for key in &self.0 {
            writeln!(file, "{} {}", key.kid, URL_SAFE_NO_PAD.encode(key.secret))?;
        }
        file.sync_all()?;
        fs::rename(&new, path)?;
        keep_name(path)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, KeyError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let malformed = |why| KeyError::Malformed { path: path.to_owned(), line: index + 1, why };
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let (kid, secret) =
                line.split_once(' ').ok_or(malformed("expected a name, a space and a key"))?;
            let secret =
                URL_SAFE_NO_PAD.decode(secret.trim()).map_err(|_| malformed("the key is not base64url"))?;
            let secret = secret.try_into().map_err(|_| malformed("the key does not have 32 bytes"))?;
            if keys.iter().any(|key| key.kid == kid) {
                return Err(malformed("two keys have the same name"));
            }
            keys.push(Key { kid: kid.to_owned(), secret });
        }
        if keys.is_empty() {
            return Err(KeyError::Malformed { path: path.to_owned(), line: 1, why: "no key" });
        }
        Ok(Self(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn it_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let made = Keys::load(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let read = Keys::load(&path).unwrap();
        assert_eq!(made.signing().kid, read.signing().kid);
        assert_eq!(made.signing().derive("a"), read.signing().derive("a"));
        assert_ne!(made.signing().derive("a"), made.signing().derive("b"));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        Keys::load(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keys::load(&path), Err(KeyError::Exposed(_))));
    }

    #[test]
    fn lines_that_are_no_keys_are_named() {
        let good = format!("a {}", URL_SAFE_NO_PAD.encode([1; 32]));
        let short = format!("b {}", URL_SAFE_NO_PAD.encode([1; 31]));
        let cases = [
            (String::new(), 1),
            ("justname".to_owned(), 1),
            (format!("{good}\nb !!"), 2),
            (format!("{good}\n{short}"), 2),
            (format!("{good}\n{good}"), 2),
        ];
        for (text, expected) in cases {
            match Keys::parse(Path::new("secret"), &text) {
                Err(KeyError::Malformed { line, .. }) => assert_eq!(line, expected, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert_eq!(Keys::parse(Path::new("secret"), &format!("\n{good}\n")).unwrap().all().len(), 1);
    }
}
