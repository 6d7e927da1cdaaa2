//! Which part of a list or a history is asked for.

use chat_shared::{ConversationId, Rev, Seq};

/// Which rows of a listing.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Part of a name.
    pub q: Option<String>,
    /// What the page before gave as `next_cursor`.
    pub cursor: Option<String>,
    /// Rows at the most.
    pub limit: usize,
}

/// Where a page of history lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At the end.
    Newest,
    /// Directly before this seq, without it.
    Before(Seq),
    /// Directly after this seq, without it.
    After(Seq),
    /// Around this seq, with it or the nearest.
    Around(Seq),
}

/// A page of history.
#[derive(Debug, Clone, Copy)]
pub struct HistoryQuery {
    /// Where.
    pub conversation: ConversationId,
    /// Which part.
    pub anchor: Anchor,
    /// Rows at the most.
    pub limit: usize,
}

/// What changed.
#[derive(Debug, Clone, Copy)]
pub struct ChangesQuery {
    /// Where.
    pub conversation: ConversationId,
    /// Above which rev.
    pub since: Rev,
    /// Only messages up to this seq.
    pub upto: Option<Seq>,
    /// Rows at the most.
    pub limit: usize,
}
