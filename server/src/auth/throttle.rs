//! How often who may do what: token buckets, bounded in memory.
//!
//! A bucket holds what may come at once and fills up again at a steady rate. Time is passed in.

use crate::error::AppError;
use chat_shared::{UserId, limits};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys in one table. Beyond it those that are full again are forgotten, and then all: forgetting
/// somebody's past is better than an attacker filling the memory.
const KEYS_MAX: usize = 200_000;

/// A kind of thing that is counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    index: usize,
    /// How many at once.
    burst: f64,
    /// How many per second in the long run.
    rate: f64,
    what: &'static str,
}

const fn bucket(index: usize, burst: u32, per: u32, seconds: u32, what: &'static str) -> Bucket {
    Bucket { index, burst: burst as f64, rate: per as f64 / seconds as f64, what }
}

/// Log-ins per address: a household behind one address, not a list of passwords.
pub const LOGIN: Bucket = bucket(0, 60, 1, 1, "Too many log-ins from your address.");
/// Registrations per address: a class that signs up together.
pub const REGISTER: Bucket = bucket(1, 20, 1, 30, "Too many registrations from your address.");
/// Refreshes per address: every device of a company that comes back at once.
pub const REFRESH: Bucket = bucket(2, 300, 20, 1, "Too many refreshes from your address.");
/// Setup codes and invites tried per address.
pub const GUESS: Bucket = bucket(3, 10, 1, 60, "Too many codes tried from your address.");
/// Sends, edits, deletions and reactions per user.
pub const SEND: Bucket =
    bucket(4, limits::SEND_BURST, limits::SEND_RATE, 1, "You are sending faster than this server takes.");
/// Groups and directs made per user.
pub const CREATE: Bucket = bucket(5, 30, 1, 10, "You are making conversations too fast.");
/// HTTP requests per user: a client that fills its cache.
pub const REQUEST: Bucket = bucket(6, 400, 100, 1, "Too many requests.");
const TABLES: usize = 7;

/// Failed log-ins per account before it is slowed down.
const FAILURES: u32 = 10;
/// In this time.
const FAILURE_WINDOW: Duration = Duration::from_secs(600);
/// The first delay; each further failure doubles it.
const FAILURE_DELAY: Duration = Duration::from_secs(30);
const FAILURE_DELAY_MAX: Duration = Duration::from_secs(900);

/// Whom something is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl From<UserId> for Key {
    fn from(user: UserId) -> Self {
        Self(user.get().unsigned_abs())
    }
}

impl From<IpAddr> for Key {
    fn from(address: IpAddr) -> Self {
        // Whoever has an IPv6 address has the whole /64 that it is in.
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits())),
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64 | 1 << 63),
        }
    }
}

impl Key {
    fn of_name(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self(hasher.finish())
    }
}

#[derive(Clone, Copy)]
struct Level {
    left: f64,
    at: Instant,
}

#[derive(Clone, Copy)]
struct Failures {
    count: u32,
    first: Instant,
    until: Option<Instant>,
}

#[derive(Default)]
struct Tables {
    levels: [HashMap<Key, Level>; TABLES],
    failures: HashMap<Key, Failures>,
    /// Addresses from which an account was logged in to: they are let through when strangers fail.
    friends: HashMap<(Key, Key), Instant>,
}

/// Counts, and says when it is too much.
pub struct Throttle {
    on: bool,
    tables: Mutex<Tables>,
}

impl Throttle {
    /// `on`: false counts nothing and lets everything through.
    pub fn new(on: bool) -> Self {
        Self { on, tables: Mutex::default() }
    }

    /// Is it on?
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// Takes one from the bucket, or says when there is one again.
    pub fn check(&self, bucket: Bucket, key: Key, now: Instant) -> Result<(), AppError> {
        if !self.on {
            return Ok(());
        }
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = &mut tables.levels[bucket.index];
        let full = |level: &Level| {
            level.left + now.saturating_duration_since(level.at).as_secs_f64() * bucket.rate >= bucket.burst
        };
        if table.len() >= KEYS_MAX && !table.contains_key(&key) {
            table.retain(|_, level| !full(level));
            if table.len() >= KEYS_MAX {
                table.clear();
            }
        }
        let level = table.entry(key).or_insert(Level { left: bucket.burst, at: now });
        let gained = now.saturating_duration_since(level.at).as_secs_f64() * bucket.rate;
        level.left = (level.left + gained).min(bucket.burst);
        level.at = level.at.max(now);
        if level.left >= 1.0 {
            level.left -= 1.0;
            return Ok(());
        }
        let wait = Duration::from_secs_f64((1.0 - level.left) / bucket.rate);
        Err(AppError::rate_limited(format!("{} Try again later.", bucket.what), wait))
    }

    /// May somebody at this address try to log in to this account now?
    pub fn login_allowed(&self, account: &str, address: IpAddr, now: Instant) -> Result<(), AppError> {
        if !self.on {
            return Ok(());
        }
        let account = Key::of_name(account);
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let until = tables.failures.get(&account).and_then(|failures| failures.until);
        match until.map(|until| until.saturating_duration_since(now)) {
            Some(wait) if !wait.is_zero() && !tables.friends.contains_key(&(account, address.into())) => Err(
                AppError::rate_limited("Too many failed log-ins for this account. Try again later.", wait),
            ),
            _ => Ok(()),
        }
    }

    /// It was the wrong password (or nobody's name).
    pub fn login_failed(&self, account: &str, _address: IpAddr, now: Instant) {
        if !self.on {
            return;
        }
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = &mut tables.failures;
        let over = |entry: &Failures| {
            let end = entry.until.unwrap_or(entry.first).max(entry.first) + FAILURE_WINDOW;
            now >= end
        };
        if failures.len() >= KEYS_MAX {
            failures.retain(|_, entry| !over(entry));
            if failures.len() >= KEYS_MAX {
                failures.clear();
            }
        }
        let entry =
            failures.entry(Key::of_name(account)).or_insert(Failures { count: 0, first: now, until: None });
        if over(entry) {
            *entry = Failures { count: 0, first: now, until: None };
        }
        entry.count += 1;
        if let Some(excess) = entry.count.checked_sub(FAILURES) {
            let delay = FAILURE_DELAY.saturating_mul(1 << excess.min(10)).min(FAILURE_DELAY_MAX);
            entry.until = Some(now + delay);
        }
    }

    /// It was the right one: this address is known from now on.
    pub fn login_succeeded(&self, account: &str, address: IpAddr, now: Instant) {
        if !self.on {
            return;
        }
        let account = Key::of_name(account);
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if tables.friends.len() >= KEYS_MAX {
            tables.friends.clear();
        }
        tables.friends.insert((account, address.into()), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn user(id: i64) -> Key {
        UserId::new(id).unwrap().into()
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate_holds() {
        let throttle = Throttle::new(true);
        let start = Instant::now();
        for _ in 0..limits::SEND_BURST {
            throttle.check(SEND, user(1), start).unwrap();
        }
        let error = throttle.check(SEND, user(1), start).unwrap_err();
        let wait = error.retry_after.unwrap();
        assert!(wait <= Duration::from_millis(100), "{wait:?}");
        assert!(throttle.check(SEND, user(2), start).is_ok());
        throttle.check(SEND, user(1), start + wait).unwrap();
        assert!(throttle.check(SEND, user(1), start + wait).is_err());
        let second = start + wait + Duration::from_secs(1);
        let through = (0..20).filter(|_| throttle.check(SEND, user(1), second).is_ok()).count();
        assert_eq!(through, limits::SEND_RATE as usize);
    }

    #[test]
    fn failed_log_ins_slow_an_account_down_but_do_not_lock_its_owner_out() {
        let throttle = Throttle::new(true);
        let start = Instant::now();
        throttle.login_succeeded("alice", HOME, start);
        for _ in 0..FAILURES - 1 {
            throttle.login_failed("alice", AWAY, start);
        }
        assert!(throttle.login_allowed("alice", AWAY, start).is_ok());
        throttle.login_failed("alice", AWAY, start);
        let first = throttle.login_allowed("alice", AWAY, start).unwrap_err().retry_after.unwrap();
        assert_eq!(first, FAILURE_DELAY);
        assert!(throttle.login_allowed("alice", HOME, start).is_ok());
        assert!(throttle.login_allowed("bob", AWAY, start).is_ok());
        let later = start + first;
        assert!(throttle.login_allowed("alice", AWAY, later).is_ok());
        throttle.login_failed("alice", AWAY, later);
        let second = throttle.login_allowed("alice", AWAY, later).unwrap_err().retry_after.unwrap();
        assert_eq!(second, FAILURE_DELAY * 2);
        let forgotten = later + second + FAILURE_WINDOW;
        throttle.login_failed("alice", AWAY, forgotten);
        assert!(throttle.login_allowed("alice", AWAY, forgotten).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one() {
        let key = |text: &str| Key::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:10.0.0.1"), key("10.0.0.1"));
    }

    #[test]
    fn memory_is_bounded() {
        let throttle = Throttle::new(true);
        let now = Instant::now();
        for id in 1..=(KEYS_MAX as i64 + 10) {
            throttle.check(REQUEST, user(id), now).unwrap();
        }
        let tables = throttle.tables.lock().unwrap();
        assert!(tables.levels[REQUEST.index].len() <= KEYS_MAX);
    }

    #[test]
    fn off_is_off() {
        let throttle = Throttle::new(false);
        let now = Instant::now();
        assert!((0..1000).all(|_| throttle.check(GUESS, user(1), now).is_ok()));
    }
}
