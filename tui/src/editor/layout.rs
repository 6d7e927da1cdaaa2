//! The text as rows of a width, and where the cursor is in them.
//!
//! A row breaks after a space or else anywhere, and keeps its spaces, so that every byte has its place.
//! One column stays free for a cursor at the end. What cannot be seen is shown as `⟨U+202E⟩` and is one
//! cluster still: the cursor stands before it or after it. A tab is four columns.

use super::Editor;
use crate::text::width::REPLACEMENT;
use crate::text::{Look, Segment};
use chat_shared::display::SafeText;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// One row of the composer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    shown: Segment,
    bytes: Range<usize>,
    /// Where each cluster begins: its byte and its column.
    clusters: Vec<(usize, u16)>,
}

impl Row {
    fn new(at: usize) -> Self {
        Self { shown: Segment::fixed("", Look::default()), bytes: at..at, clusters: Vec::new() }
    }

    /// What is drawn.
    pub fn shown(&self) -> &Segment {
        &self.shown
    }

    /// The bytes of the text that it shows, without a line end.
    pub fn bytes(&self) -> Range<usize> {
        self.bytes.clone()
    }

    /// The column of a byte of it, or the one after it.
    fn column_of(&self, byte: usize) -> u16 {
        let cluster = self.clusters.iter().find(|(at, _)| *at >= byte);
        cluster.map_or(self.shown.width(), |(_, column)| *column)
    }

    /// The cluster boundary at this column, or before it.
    pub fn byte_at(&self, column: u16) -> usize {
        if column >= self.shown.width() {
            return self.bytes.end;
        }
        let before = self.clusters.iter().rev().find(|(_, start)| *start <= column);
        before.map_or(self.bytes.start, |(at, _)| *at)
    }

    fn push(&mut self, cluster: &Placed) {
        self.clusters.push((cluster.at, self.shown.width()));
        self.shown.append(&cluster.shown);
        self.bytes.end = cluster.end;
    }
}

#[derive(Clone)]
struct Placed {
    at: usize,
    end: usize,
    shown: Segment,
    is_space: bool,
}

impl Editor {
    /// The text in rows of this width; at least one.
    pub fn rows(&self, width: u16) -> Vec<Row> {
        let room = width.saturating_sub(1).max(1);
        let mut rows = Vec::new();
        let mut at = 0;
        for line in self.text.split('\n') {
            wrap(line, at, room, &mut rows);
            at += line.len() + 1;
        }
        rows
    }

    /// Row and column of the cursor among the [`Self::rows`] of this width.
    pub fn cursor_position(&self, width: u16) -> (usize, u16) {
        let rows = self.rows(width);
        // At a break the cursor stands at the beginning of the later row.
        let row = rows.iter().rposition(|row| row.bytes.start <= self.cursor).unwrap_or(0);
        let column = rows.get(row).map_or(0, |row| row.column_of(self.cursor));
        (row, column.min(width.saturating_sub(1)))
    }
}

fn wrap(line: &str, at: usize, room: u16, rows: &mut Vec<Row>) {
    let mut row: Vec<Placed> = Vec::new();
    let mut used = 0;
    let mut first = at;
    let mut finish = |clusters: &[Placed]| {
        let mut row = Row::new(first);
        clusters.iter().for_each(|cluster| row.push(cluster));
        first = row.bytes.end;
        rows.push(row);
    };
    for cluster in line.grapheme_indices(true).map(|(start, text)| place(at + start, text, room)) {
        used += cluster.shown.width();
        while used > room && !row.is_empty() {
            let space = row.iter().rposition(|cluster| cluster.is_space).filter(|_| !cluster.is_space);
            let end = space.map_or(row.len(), |space| space + 1);
            finish(&row[..end]);
            row.drain(..end);
            used = row.iter().map(|cluster| cluster.shown.width()).sum::<u16>() + cluster.shown.width();
        }
        row.push(cluster);
    }
    finish(&row);
}

fn place(at: usize, text: &str, room: u16) -> Placed {
    // As a block, since that is where a tab has its columns; there is no line end in it.
    let shown = Segment::new(&SafeText::block(text), Look::default());
    let shown = if shown.width() > room { Segment::fixed(REPLACEMENT, Look::default()) } else { shown };
    Placed { at, end: at + text.len(), shown, is_space: text.starts_with(char::is_whitespace) }
}
