//! How long to wait before trying again: longer each time, and never all at the same moment.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// It failed. `random`: any number; the delay is between a half and the whole of what it would be.
    pub fn next(&mut self, random: u64) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        half + half.mul_f64((random % 1000) as f64 / 1000.0)
    }
}

/// A random number, for [`Backoff::next`].
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without random bytes everyone waits the same time, which still works.
    let _ = getrandom::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_stays_bounded_and_starts_anew() {
        let mut backoff = Backoff::default();
        let mut before = Duration::ZERO;
        for _ in 0..100 {
            let delay = backoff.next(999);
            assert!(delay >= before && delay <= LONGEST);
            before = delay;
        }
        backoff.reset();
        assert!(backoff.next(0) >= FIRST / 2 && backoff.next(999) <= FIRST * 2);
    }
}
