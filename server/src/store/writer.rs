//! The one thread that writes, as far as every database is alike.
//!
//! It takes what waits (up to [`BATCH`] operations), runs them in one transaction, commits once, which
//! flushes once, and then hands the whole batch on, in order. While it commits, the next batch gathers: at low
//! load an operation waits for nobody, at high load many share one flush. Where a flush is quick, what gathers
//! meanwhile is little, and each page would be logged for a few rows only; so under load a batch waits for
//! company about as long as the last one took ([`gathering`]).
//!
//! How a batch becomes a transaction, each database's own writer knows. Readers see an operation's rows from
//! the commit on; the one who asked hears of it after that; the disk has it before either.

use super::queue::Queue;
use super::{Completion, Reply, Sink, StoreError};
use crate::planted::{Bug, planted};
use chat_shared::UserId;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Operations in one transaction at the most: more would make the first wait for the last.
const BATCH: usize = 512;
/// Operations that shared the last transaction from which on the next one waits for company: so many
/// arrive at once only where many send.
const BUSY: usize = 8;
/// The longest wait for company: a small part of what people notice, and more than most disks need.
const GATHER: Duration = Duration::from_millis(1);

/// A kind of database, as its writer's thread works on it.
pub(super) trait Backend: 'static {
    /// The transaction as one operation sees it.
    type Tx<'db>;
    /// How an operation fails.
    type Fault;
    /// What is to be known of an operation before it runs.
    type Kind: Send;

    /// A failure in the words of the domain. What is no answer to the caller is logged here, once.
    fn settle(fault: Self::Fault) -> StoreError;
}

/// A write with its reply, whatever its result's type.
pub(super) trait Operation<B: Backend>: Send {
    /// What is to be known of it before it runs.
    fn kind(&self) -> &B::Kind;
    /// Runs it; again, if the transaction that it ran in is lost and begun anew. An error says that nothing
    /// of what it wrote may stay.
    fn run(&mut self, tx: &mut B::Tx<'_>) -> Result<(), StoreError>;
    /// Tells the one who asked: `None`, it went as it ran; `Some`, it did not come to that.
    fn settle(self: Box<Self>, failed: Option<StoreError>);
}

struct Typed<T, F, K> {
    kind: K,
    work: F,
    reply: Reply<T>,
    result: Result<T, StoreError>,
}

impl<B, T, F> Operation<B> for Typed<T, F, B::Kind>
where
    B: Backend,
    T: Send + 'static,
    F: FnMut(&mut B::Tx<'_>) -> Result<T, B::Fault> + Send,
{
    fn kind(&self) -> &B::Kind {
        &self.kind
    }

    fn run(&mut self, tx: &mut B::Tx<'_>) -> Result<(), StoreError> {
        // A fault in one operation must not take the writer with it: everybody else needs it.
        self.result = match catch_unwind(AssertUnwindSafe(|| (self.work)(tx))) {
            Ok(result) => result.map_err(B::settle),
            Err(_) => {
                tracing::error!("an operation panicked");
                Err(StoreError::Internal)
            }
        };
        self.result.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn settle(self: Box<Self>, failed: Option<StoreError>) {
        (self.reply)(failed.map_or(self.result, Err));
    }
}

/// A write for the queue.
pub(super) fn operation<B: Backend, T: Send + 'static>(
    kind: B::Kind,
    reply: Reply<T>,
    work: impl FnMut(&mut B::Tx<'_>) -> Result<T, B::Fault> + Send + 'static,
) -> Box<dyn Operation<B>> {
    Box::new(Typed { kind, work, reply, result: Err(StoreError::Unavailable) })
}

/// Hands operations to the writer's thread.
pub(super) struct Writer<B: Backend> {
    queue: Arc<Queue<Box<dyn Operation<B>>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl<B: Backend> Writer<B> {
    /// Starts the thread. `write` has a transaction for each of the batches until there are no more.
    pub(super) fn start<S: Sink>(
        sink: S,
        write: impl FnOnce(Batches<B, S>) + Send + 'static,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new());
        let waiting = queue.clone();
        let batches = Batches { waiting, sink, began: Instant::now(), operations: 0, gather: Duration::ZERO };
        let thread = std::thread::Builder::new().name("writer".to_owned()).spawn(move || write(batches))?;
        Ok(Self { queue, thread: Mutex::new(Some(thread)) })
    }

    /// Queues an operation; those of one caller run in the order of its calls. `from` and `weight`: see
    /// [`Queue::push`].
    pub(super) fn submit<T: Send + 'static>(
        &self,
        from: Option<UserId>,
        weight: usize,
        kind: B::Kind,
        reply: Reply<T>,
        work: impl FnMut(&mut B::Tx<'_>) -> Result<T, B::Fault> + Send + 'static,
    ) {
        if let Err(operation) = self.queue.push(from, weight, operation::<B, T>(kind, reply, work)) {
            operation.settle(Some(StoreError::Unavailable));
        }
    }

    /// Lets the thread finish what is queued, and waits for it.
    pub(super) async fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                tracing::error!("the writer ended badly");
            }
        }
    }
}

/// What waits, a transaction's worth at a time.
pub(super) struct Batches<B: Backend, S> {
    waiting: Arc<Queue<Box<dyn Operation<B>>>>,
    sink: S,
    /// When the batch under way was begun, and of how many operations it is.
    began: Instant,
    operations: usize,
    /// How long the next one waits for company.
    gather: Duration,
}

impl<B: Backend, S: Sink> Batches<B, S> {
    /// Waits for the next batch. `None`: nothing will come any more.
    pub(super) fn next(&mut self) -> Option<Vec<Box<dyn Operation<B>>>> {
        if self.waiting.wait() { Some(self.gather()) } else { None }
    }

    /// The same, but waits for so long at the most; then it is empty.
    #[cfg(feature = "postgres")]
    pub(super) fn next_within(&mut self, at_most: Duration) -> Option<Vec<Box<dyn Operation<B>>>> {
        if self.waiting.wait_for(at_most) { Some(self.gather()) } else { None }
    }

    fn gather(&mut self) -> Vec<Box<dyn Operation<B>>> {
        let mut batch = Vec::with_capacity(BATCH);
        self.waiting.take(&mut batch, BATCH);
        if !self.gather.is_zero() && (1..BATCH).contains(&batch.len()) {
            std::thread::sleep(self.gather);
            self.waiting.take(&mut batch, BATCH);
        }
        if planted(Bug::BatchReversed) {
            batch.reverse();
        }
        (self.began, self.operations) = (Instant::now(), batch.len());
        batch
    }

    /// Hands on what became of it.
    pub(super) fn done(&mut self, completions: Vec<Completion>) {
        self.gather = gathering(self.operations, self.began.elapsed());
        self.sink.committed(completions);
    }
}

/// How long the next batch waits for company, after one of so many operations that took so long.
fn gathering(operations: usize, took: Duration) -> Duration {
    if operations < BUSY { Duration::ZERO } else { took.min(GATHER) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_under_load_a_batch_waits_for_company() {
        let took = Duration::from_micros(300);
        assert_eq!(gathering(1, took), Duration::ZERO);
        assert_eq!(gathering(BUSY - 1, took), Duration::ZERO);
        assert_eq!(gathering(BUSY, took), took);
        assert_eq!(gathering(BATCH, Duration::from_secs(1)), GATHER);
    }
}
