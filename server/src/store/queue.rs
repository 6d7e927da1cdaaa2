//! What waits for the writer: in the order in which it came, bounded, and shared.
//!
//! One who floods would fill a queue that is only bounded, and everybody else would be refused. So nobody may
//! hold more of it than is still free: one who floods has half of it, two have a third each, and whoever comes
//! next finds room.

use chat_shared::UserId;
use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
#[cfg(feature = "postgres")]
use std::time::{Duration, Instant};

/// Items that may wait. Beyond it the server says `unavailable` at once instead of waiting without bound.
const LENGTH: usize = 4096;
/// Bytes of message text that may wait: [`LENGTH`] messages of the greatest size would be 64 MiB.
const BYTES: usize = 16 << 20;

/// A queue that many fill and one empties.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// The one who empties it has something to do.
    filled: Condvar,
}

struct State<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    /// What each has in it; whoever has nothing is not among them.
    shares: HashMap<UserId, Share>,
    /// The one who empties it waits. (Telling it is a system call, needed or not.)
    is_awaited: bool,
    is_closed: bool,
}

struct Waiting<T> {
    item: T,
    from: Option<UserId>,
    weight: usize,
}

#[derive(Clone, Copy, Default)]
struct Share {
    items: usize,
    bytes: usize,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            shares: HashMap::new(),
            is_awaited: false,
            is_closed: false,
        };
        Self { state: Mutex::new(state), filled: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends an item, or hands it back where there is no room for it. `from`: whose share it is of; the server's
    /// own has no share. `weight`: bytes that it holds beyond its own size.
    pub(super) fn push(&self, from: Option<UserId>, weight: usize, item: T) -> Result<(), T> {
        let mut state = self.state();
        if state.is_closed {
            return Err(item);
        }
        let free = LENGTH - state.waiting.len();
        let free_bytes = BYTES - state.bytes;
        let share = from.and_then(|user| state.shares.get(&user)).copied().unwrap_or_default();
        if share.items >= free || share.bytes + weight > free_bytes {
            return Err(item);
        }
        if let Some(user) = from {
            state.shares.insert(user, Share { items: share.items + 1, bytes: share.bytes + weight });
        }
        state.bytes += weight;
        state.waiting.push_back(Waiting { item, from, weight });
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits until there is something. False: it is closed, and empty.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.state();
        while state.waiting.is_empty() && !state.is_closed {
            state.is_awaited = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_awaited = false;
        !state.waiting.is_empty()
    }

    /// Waits for so long at the most. False: it is closed, and empty.
    #[cfg(feature = "postgres")]
    pub(super) fn wait_for(&self, at_most: Duration) -> bool {
        let until = Instant::now() + at_most;
        let mut state = self.state();
        while state.waiting.is_empty() && !state.is_closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state.is_awaited = true;
            (state, _) = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
        state.is_awaited = false;
        !state.waiting.is_empty() || !state.is_closed
    }

    /// Fills `batch` up to `size` with what waits.
    pub(super) fn take(&self, batch: &mut Vec<T>, size: usize) {
        let mut state = self.state();
        let State { waiting, bytes, shares, .. } = &mut *state;
        let count = waiting.len().min(size.saturating_sub(batch.len()));
        for Waiting { item, from, weight } in waiting.drain(..count) {
            *bytes -= weight;
            if let Some(user) = from
                && let Some(share) = shares.get_mut(&user)
            {
                share.items -= 1;
                share.bytes -= weight;
                if share.items == 0 {
                    shares.remove(&user);
                }
            }
            batch.push(item);
        }
    }

    /// Takes nothing more; what waits can still be taken.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.filled.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: i64) -> UserId {
        UserId::new(id).unwrap()
    }

    /// How many of this user's items find room.
    fn flood(queue: &Queue<i64>, id: i64, weight: usize) -> usize {
        (0..2 * LENGTH).take_while(|_| queue.push(Some(user(id)), weight, id).is_ok()).count()
    }

    #[test]
    fn whoever_floods_leaves_room_for_others() {
        let queue = Queue::new();
        assert_eq!(flood(&queue, 1, 0), LENGTH / 2);
        assert_eq!(flood(&queue, 2, 0), LENGTH / 4, "half of the rest");
        assert_eq!(queue.push(Some(user(3)), 0, 3), Ok(()));
        assert_eq!(queue.push(None, 0, 0), Ok(()), "the server's own has no share");
        assert_eq!(queue.push(Some(user(1)), 0, 1), Err(1));
        // What was taken out makes room again.
        let mut batch = Vec::new();
        queue.take(&mut batch, LENGTH / 2);
        assert!(batch.len() == LENGTH / 2 && batch.iter().all(|id| *id == 1));
        assert_eq!(queue.push(Some(user(1)), 0, 1), Ok(()));
    }

    #[test]
    fn the_bytes_are_shared_too() {
        const MESSAGE: usize = 16 << 10;
        let queue = Queue::new();
        assert_eq!(flood(&queue, 1, MESSAGE), BYTES / MESSAGE / 2);
        assert_eq!(queue.push(Some(user(2)), MESSAGE, 2), Ok(()));
        assert_eq!(queue.push(None, BYTES, 0), Err(0));
        let mut batch = Vec::new();
        queue.take(&mut batch, LENGTH);
        assert_eq!(flood(&queue, 1, MESSAGE), BYTES / MESSAGE / 2, "all of it was given back");
    }

    #[test]
    fn it_is_bounded_and_keeps_its_order() {
        let queue = Queue::new();
        for number in 0..LENGTH {
            queue.push(None, 0, number).unwrap();
        }
        assert_eq!(queue.push(None, 0, LENGTH), Err(LENGTH));
        let mut batch = Vec::new();
        queue.take(&mut batch, 3);
        queue.take(&mut batch, 5);
        assert_eq!(batch, [0, 1, 2, 3, 4]);
        queue.close();
        assert_eq!(queue.push(None, 0, 0), Err(0));
        assert!(queue.wait(), "what was there is still handed out");
        queue.take(&mut batch, LENGTH);
        assert!(batch.len() == LENGTH && batch.is_sorted() && !queue.wait());
    }

    #[test]
    fn whoever_waits_is_woken() {
        let queue = Queue::new();
        std::thread::scope(|scope| {
            let taker = scope.spawn(|| {
                let mut all = Vec::new();
                while queue.wait() {
                    queue.take(&mut all, usize::MAX);
                }
                all
            });
            for number in 0..100 {
                queue.push(None, 0, number).unwrap();
                std::thread::yield_now();
            }
            queue.close();
            assert_eq!(taker.join().unwrap(), (0..100).collect::<Vec<_>>());
        });
    }
}
