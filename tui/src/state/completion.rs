//! What the word at the cursor may become.

use std::ops::Range;

/// Rows of the popup.
pub const SHOWN_MAX: usize = 8;

/// One of the possibilities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What is put in place of the word.
    pub insert: String,
    /// What is shown.
    pub label: String,
    /// What stands beside it.
    pub detail: String,
}

/// The popup above the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The bytes of the text that it replaces.
    pub range: Range<usize>,
    /// The best first.
    pub candidates: Vec<Candidate>,
    /// The one that Tab takes; `None`: none was chosen yet.
    pub chosen: Option<usize>,
}
