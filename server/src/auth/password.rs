//! Passwords: PBKDF2-HMAC-SHA256, kept as PHC strings, hashed on a bounded number of threads.
//!
//! A hash is a tenth of a second of a core. So only so many run at once, only so many wait, and the
//! rest is told to come back; an unknown user costs exactly as much as a wrong password.

use crate::error::AppError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chat_shared::FieldError;
use chat_shared::limits::{PASSWORD_MAX_BYTES, PASSWORD_MIN};
use sha2::Sha256;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization as _;

/// Hashes that may wait for a thread.
const QUEUE: usize = 32;
const SALT: usize = 16;
const LENGTH: usize = 32;
/// No setting needs more; a damaged string must not keep a core for hours.
const ITERATIONS_MAX: u32 = 100_000_000;

/// The most common passwords that are long enough, one a line.
const COMMON: &str = include_str!("common_passwords.txt");

/// What came out of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// It is the password.
    pub ok: bool,
    /// It was hashed with fewer iterations than are wanted now.
    pub needs_rehash: bool,
}

/// Hashes and checks passwords.
pub struct Passwords {
    iterations: u32,
    threads: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// Hashes so far, for metrics.
    hashes: AtomicU64,
}

impl Passwords {
    /// With this many iterations, on at most `threads` threads at once.
    pub fn new(iterations: u32, threads: usize) -> Self {
        Self {
            iterations,
            threads: Arc::new(Semaphore::new(threads.max(1))),
            waiting: Arc::new(AtomicUsize::new(0)),
            hashes: AtomicU64::new(0),
        }
    }

    /// How many hashes were made.
    pub fn hashes(&self) -> u64 {
        self.hashes.load(Ordering::Relaxed)
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, AppError> {
        /// Counts who waits, also when they go away.
        struct Waiting(Arc<AtomicUsize>);
        impl Drop for Waiting {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let busy = || AppError::unavailable("Too many people are logging in. Try again in a moment.");
        let waiting = Waiting(self.waiting.clone());
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            return Err(busy());
        }
        let turn = self.threads.clone().acquire_owned().await.map_err(|_| busy())?;
        drop(waiting);
        self.hashes.fetch_add(1, Ordering::Relaxed);
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "hashing panicked");
            AppError::internal()
        })
    }

    /// A password's PHC string.
    pub async fn hash(&self, password: &str) -> Result<String, AppError> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|error| {
            tracing::error!(%error, "the system gives no random bytes");
            AppError::internal()
        })?;
        let (password, iterations) = (normal(password), self.iterations);
        self.on_a_thread(move || write_phc(iterations, &salt, &derive(&password, &salt, iterations))).await
    }

    /// Is it the password? Without a PHC string (nobody has that name) the same work is done, and it
    /// is not.
    pub async fn verify(&self, password: &str, phc: Option<&str>) -> Result<Verdict, AppError> {
        if password.len() > PASSWORD_MAX_BYTES {
            // Nobody has such a password, whoever they are.
            return Ok(Verdict { ok: false, needs_rehash: false });
        }
        let stored = phc.and_then(read_phc);
        if phc.is_some() && stored.is_none() {
            tracing::error!("a stored password hash cannot be read");
        }
        let (known, stored) = match stored {
            Some(stored) => (true, stored),
            None => (false, Stored { iterations: self.iterations, salt: vec![0; SALT], hash: [0; LENGTH] }),
        };
        let (password, wanted) = (normal(password), self.iterations);
        self.on_a_thread(move || {
            let hash = derive(&password, &stored.salt, stored.iterations);
            let ok = bool::from(hash.ct_eq(&stored.hash)) && known;
            Verdict { ok, needs_rehash: ok && stored.iterations < wanted }
        })
        .await
    }
}

/// The same text typed on two machines must be the same password.
fn normal(password: &str) -> String {
    password.nfc().collect()
}

fn derive(password: &str, salt: &[u8], iterations: u32) -> [u8; LENGTH] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, LENGTH>(password.as_bytes(), salt, iterations)
}

fn write_phc(iterations: u32, salt: &[u8], hash: &[u8]) -> String {
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    format!("$pbkdf2-sha256$i={iterations},l={LENGTH}${salt}${hash}")
}

struct Stored {
    iterations: u32,
    salt: Vec<u8>,
    hash: [u8; LENGTH],
}

fn read_phc(phc: &str) -> Option<Stored> {
    let mut parts = phc.strip_prefix("$pbkdf2-sha256$")?.split('$');
    let parameters = parts.next()?;
    let salt = STANDARD_NO_PAD.decode(parts.next()?).ok()?;
    let hash = STANDARD_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
    if parts.next().is_some() {
        return None;
    }
    let iterations = parameters.split(',').find_map(|p| p.strip_prefix("i="))?.parse().ok()?;
    (1..=ITERATIONS_MAX).contains(&iterations).then_some(Stored { iterations, salt, hash })
}

/// May it be somebody's password? The error names the field `password`.
pub fn check_password_rules(password: &str, username: &str) -> Result<(), FieldError> {
    let refuse = |code: &str, detail: String| {
        Err(FieldError { field: "password".to_owned(), code: code.to_owned(), detail })
    };
    if password.len() > PASSWORD_MAX_BYTES {
        return refuse("length", format!("must have at most {PASSWORD_MAX_BYTES} bytes"));
    }
    let plain = normal(password).to_lowercase();
    if plain.chars().count() < PASSWORD_MIN {
        return refuse("length", format!("must have at least {PASSWORD_MIN} characters"));
    }
    let name = username.to_lowercase();
    if !name.is_empty() && plain.replace(&name, "").is_empty() {
        return refuse("name", "must not be the username".to_owned());
    }
    let mut chars = plain.chars();
    let first = chars.next();
    if chars.all(|c| Some(c) == first) || COMMON.lines().any(|common| common == plain) {
        return refuse("common", "is one that anyone would guess; choose another one".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_is_the_password() {
        let passwords = Passwords::new(1000, 1);
        let phc = passwords.hash("correct horse").await.unwrap();
        assert!(phc.starts_with("$pbkdf2-sha256$i=1000,l=32$"), "{phc}");
        assert_ne!(phc, passwords.hash("correct horse").await.unwrap());
        let verify = async |password: &str, phc| passwords.verify(password, phc).await.unwrap();
        assert_eq!(verify("correct horse", Some(&phc)).await, Verdict { ok: true, needs_rehash: false });
        assert!(!verify("correct horsf", Some(&phc)).await.ok);
        assert!(!verify("correct horse", None).await.ok);
        assert!(!verify("", None).await.ok);
        for damaged in ["", "x", "$pbkdf2-sha256$i=0,l=32$$", "$argon2id$v=19$x$y", &phc[..phc.len() - 4]] {
            assert!(!verify("correct horse", Some(damaged)).await.ok, "{damaged}");
        }
    }

    #[tokio::test]
    async fn a_known_answer() {
        // RFC 7914, section 11: PBKDF2-HMAC-SHA256 of "Password", "NaCl", 80000 (first 32 of 64 bytes).
        let expected = [
            0x4d, 0xdc, 0xd8, 0xf6, 0x0b, 0x98, 0xbe, 0x21, 0x83, 0x0c, 0xee, 0x5e, 0xf2, 0x27, 0x01, 0xf9,
            0x64, 0x1a, 0x44, 0x18, 0xd0, 0x4c, 0x04, 0x14, 0xae, 0xff, 0x08, 0x87, 0x6b, 0x34, 0xab, 0x56,
        ];
        assert_eq!(derive("Password", b"NaCl", 80_000), expected);
    }

    #[tokio::test]
    async fn a_weaker_hash_still_logs_in_and_wants_to_be_made_anew() {
        let phc = Passwords::new(500, 1).hash("correct horse").await.unwrap();
        let verdict = Passwords::new(1000, 1).verify("correct horse", Some(&phc)).await.unwrap();
        assert_eq!(verdict, Verdict { ok: true, needs_rehash: true });
        let stronger = Passwords::new(100, 1).verify("correct horse", Some(&phc)).await.unwrap();
        assert!(!stronger.needs_rehash);
    }

    #[tokio::test]
    async fn composed_and_decomposed_letters_are_the_same_password() {
        let passwords = Passwords::new(100, 1);
        let phc = passwords.hash("gr\u{fc}\u{df}e an alle").await.unwrap();
        assert!(passwords.verify("gru\u{308}\u{df}e an alle", Some(&phc)).await.unwrap().ok);
    }

    #[test]
    fn rules() {
        let table = [
            ("correct horse", None),
            ("123456789", Some("length")),
            ("äöüäöüäöü", Some("length")),
            ("äöüßäöüßäö", None),
            ("alice-and-bob", Some("name")),
            ("Alice-And-Bob", Some("name")),
            ("1234567890", Some("common")),
            ("Password123", Some("common")),
            ("aaaaaaaaaaaaaaaa", Some("common")),
        ];
        for (password, expected) in table {
            let found = check_password_rules(password, "alice-and-bob").err().map(|e| e.code);
            assert_eq!(found.as_deref(), expected, "{password}");
        }
        assert!(check_password_rules(&"xy".repeat(512), "bob").is_ok());
        assert!(check_password_rules(&"xy".repeat(513), "bob").is_err());
        assert!(check_password_rules("bobbobbobbob", "bob").is_err());
    }

    #[test]
    fn the_list_is_long_enough_lower_case_and_has_no_password_that_is_too_short() {
        assert!(COMMON.lines().count() >= 150);
        for line in COMMON.lines() {
            assert!(line.chars().count() >= PASSWORD_MIN && line.to_lowercase() == line, "{line}");
        }
    }
}
