//! What a read costs the store on little data and on much.

use crate::filled::{Filled, Size, fill};
use crate::report::Figures;
use anyhow::{Context as _, Result};
use chat_server::store::{Anchor, ChangesQuery, HistoryQuery, ListQuery, Store, StoreError};
use chat_shared::{ConversationId, Rev, Seq};
use hdrhistogram::Histogram;
use std::sync::Arc;
use std::time::Instant;

/// Reads of a kind, each of something else; and of all that there is.
const READS: u64 = 500;
const WHOLE: u64 = 20;
/// Rows of a page, as a client asks for them.
const PAGE: usize = 50;

/// Medians, in microseconds, of an empty store that is filled.
pub(crate) async fn growth(empty: Arc<dyn Store>, size: Size) -> Result<Figures> {
    let filled = fill(empty, size).await?;
    let Filled { store, user, session, groups } = &filled;
    let mut figures = Figures::new();
    // Far from each other, so that hardly anything is in memory twice.
    let group = |n: u64| groups[(n * 7_919) as usize % groups.len()];
    let head = (size.messages / groups.len() as u64) as i64;
    let history =
        |n: u64, anchor| store.history(*user, HistoryQuery { conversation: group(n), anchor, limit: PAGE });
    // Anywhere, but with a whole page to come.
    let list = |n: u64, all: usize| ListQuery {
        q: None,
        cursor: Some((n * 7_919 % (all - PAGE) as u64).to_string()),
        limit: PAGE,
    };
    let middle = Seq::new(head / 2)?;
    let since = Rev::new((head - PAGE as i64).max(0))?;
    let mut note = |name: &str, median: f64| figures.insert(format!("{name}_us"), median);
    note("newest", median(READS, |n| history(n, Anchor::Newest)).await?);
    note("middle", median(READS, |n| history(n, Anchor::Before(middle))).await?);
    let changes = |n: u64| {
        store.changes(*user, ChangesQuery { conversation: group(n), since, upto: None, limit: PAGE })
    };
    note("changes", median(READS, changes).await?);
    let conversations = |n: u64| store.conversations(*user, list(n, size.groups));
    note("conversations", median(READS, conversations).await?);
    let crowd: ConversationId = *groups.first().context("no group")?;
    let members = |n: u64| store.members(*user, crowd, list(n, size.users));
    note("members", median(READS, members).await?);
    note("ready", median(WHOLE, |_| store.snapshot(session, 2)).await?);
    store.close().await;
    Ok(figures)
}

async fn median<T, F>(reads: u64, mut read: impl FnMut(u64) -> F) -> Result<f64>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut histogram = Histogram::<u64>::new(3)?;
    for n in 0..reads {
        let begun = Instant::now();
        read(n).await?;
        histogram.record(begun.elapsed().as_nanos() as u64)?;
    }
    Ok(histogram.value_at_quantile(0.5) as f64 / 1e3)
}
