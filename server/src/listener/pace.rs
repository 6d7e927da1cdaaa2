//! Is a connection getting on? Told apart: waiting for a request, reading its head, answering it.
//!
//! hyper has one timer for the first two, so a short one closes every kept-alive connection after
//! five seconds, in the face of a proxy that is about to use it, and a long one lets heads trickle
//! in. Answering has a limit of its own, in [`super::edge`].
//!
//! A piece of a head that came in one read with the request before it is not seen, and waits like
//! an idle connection until more comes: no longer than silence may last.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// No request is under way.
const IDLE: u8 = 0;
/// A head is expected, of which bytes have come.
const HEAD: u8 = 1;
/// A request is being answered.
const BUSY: u8 = 2;
/// The first head is expected; nothing has come yet.
const NEW: u8 = 3;

/// How far a connection is. One task waits in [`Pace::overdue`], any may report.
#[derive(Debug)]
pub(super) struct Pace {
    phase: AtomicU8,
    /// The waiting has to begin anew.
    moved: Notify,
    /// The first bytes have come.
    spoke: Notify,
}

impl Pace {
    /// Of a new connection: it has to say something soon.
    pub(super) fn new() -> Self {
        Self { phase: AtomicU8::new(NEW), moved: Notify::new(), spoke: Notify::new() }
    }

    /// Bytes have come.
    pub(super) fn received(&self) {
        let now_head =
            |phase| self.phase.compare_exchange(phase, HEAD, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if now_head(IDLE) {
            self.moved.notify_one();
        } else if now_head(NEW) {
            self.spoke.notify_one();
        }
    }

    /// Returns when something has come at all. For one task.
    pub(super) async fn spoken(&self) {
        while self.phase.load(Ordering::Acquire) == NEW {
            self.spoke.notified().await;
        }
    }

    /// Bytes were taken by the peer: it is alive, though it may read slowly.
    pub(super) fn sent(&self) {
        if self.phase.load(Ordering::Acquire) == IDLE {
            self.moved.notify_one();
        }
    }

    /// A head is complete. Its answer is under way until the value is dropped.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.set(BUSY);
        Answering(Arc::clone(self))
    }

    /// Returns when the peer was silent for longer than it may.
    pub(super) async fn overdue(&self, head: Duration, idle: Duration) {
        loop {
            let limit = self.limit(head, idle);
            let wait = async {
                match limit {
                    Some(limit) => tokio::time::sleep(limit).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.moved.notified() => {}
                () = wait => return,
            }
        }
    }

    fn limit(&self, head: Duration, idle: Duration) -> Option<Duration> {
        match self.phase.load(Ordering::Acquire) {
            IDLE => Some(idle),
            NEW | HEAD => Some(head),
            _ => None,
        }
    }

    fn set(&self, phase: u8) {
        self.phase.store(phase, Ordering::Release);
        self.moved.notify_one();
    }
}

/// An answer is under way.
pub(super) struct Answering(Arc<Pace>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.set(IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_has_its_limit() {
        let [head, idle] = [Duration::from_secs(5), Duration::from_secs(60)];
        let pace = Arc::new(Pace::new());
        let limit = || pace.limit(head, idle);
        assert_eq!(limit(), Some(head), "a new connection has to say something");
        pace.received();
        assert_eq!(limit(), Some(head), "and to finish");
        let answering = pace.answering();
        assert_eq!(limit(), None, "now it is our turn");
        pace.received();
        pace.sent();
        assert_eq!(limit(), None);
        drop(answering);
        assert_eq!(limit(), Some(idle));
        pace.sent();
        assert_eq!(limit(), Some(idle));
        pace.received();
        assert_eq!(limit(), Some(head), "the next head has begun");
    }
}
