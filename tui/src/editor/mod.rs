//! The composer's buffer: text, a cursor, and the editing that a readline user's fingers know.
//!
//! It counts in grapheme clusters: the cursor never stands inside one. What is typed or pasted may be
//! anything a terminal sends, so line ends are made `\n` and control characters other than that and the
//! tab are dropped; everything else is kept as it was entered, and only [`Editor::rows`] makes it safe
//! to show. It knows no keys, no history and no width but the one it is asked for.

mod kill;
mod layout;
mod undo;

pub use layout::Row;

use kill::{Direction, KillRing};
use std::ops::Range;
use undo::{Change, Changes};
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation as _};

/// What can be done to the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Type a character.
    Insert(char),
    /// Put in a text at once, as a paste does.
    InsertText(String),
    /// Begin a new line.
    Newline,
    /// One cluster back.
    Left,
    /// One cluster on.
    Right,
    /// One row up, of rows of this width.
    Up(u16),
    /// One row down, of rows of this width.
    Down(u16),
    /// To the beginning of this word or the one before.
    WordLeft,
    /// To the end of this word or the next.
    WordRight,
    /// To the beginning of the line.
    LineStart,
    /// To the end of the line.
    LineEnd,
    /// To the beginning of the text.
    TextStart,
    /// To the end of the text.
    TextEnd,
    /// Delete the cluster before the cursor.
    DeleteBack,
    /// Delete the cluster after the cursor.
    DeleteForward,
    /// Kill to the end of the line, or at the end the line end.
    KillToEnd,
    /// Kill to the beginning of the line, or at the beginning the line end before it.
    KillToStart,
    /// Kill back to white space.
    KillWordBack,
    /// Kill back to the beginning of a word.
    KillWordBackAlt,
    /// Kill to the end of a word.
    KillWordForward,
    /// Put in what was killed last.
    Yank,
    /// Directly after a yank: put in what was killed before, in its place.
    YankPop,
    /// Exchange the clusters around the cursor, at the end of a line the two before it.
    Transpose,
    /// Take back the last change.
    Undo,
    /// Make it again.
    Redo,
}

/// What the last edit was, for those that go on with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Last {
    #[default]
    Other,
    Typed,
    Killed,
    Yanked(Range<usize>),
    /// Moved by rows, from this column.
    Vertical(u16),
}

/// A text being written.
#[derive(Debug, Clone, Default)]
pub struct Editor {
    text: String,
    cursor: usize,
    last: Last,
    kills: KillRing,
    changes: Changes,
}

impl Editor {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The text as it was entered.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor is: a byte of the text, on a cluster boundary.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Puts the cursor to a row and a column of rows of this width, or the nearest place there is.
    pub fn point(&mut self, width: u16, row: usize, column: u16) {
        let rows = self.rows(width);
        if let Some(row) = rows.get(row.min(rows.len().saturating_sub(1))) {
            self.cursor = row.byte_at(column);
            self.last = Last::Other;
        }
    }

    /// Is nothing written?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Another text in place of this one, with the cursor at its end. Cannot be undone; what was killed
    /// is kept.
    pub fn set_text(&mut self, text: &str) {
        self.text = normalized(text);
        self.cursor = self.text.len();
        self.last = Last::Other;
        self.changes = Changes::default();
    }

    /// The text, which leaves none.
    pub fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.set_text("");
        text
    }

    /// What stands between the last white space and the cursor, and where: what a completion replaces.
    pub fn word_at_cursor(&self) -> (Range<usize>, &str) {
        let before = self.text.get(..self.cursor).unwrap_or_default();
        let start = before
            .rfind(char::is_whitespace)
            .map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        (start..self.cursor, before.get(start..).unwrap_or_default())
    }

    /// Puts a text in place of a part, and the cursor after it. A range that does not lie on characters
    /// is widened to.
    pub fn replace(&mut self, range: Range<usize>, text: &str) {
        self.last = Last::Other;
        let start = self.text.floor_char_boundary(range.start);
        let end = self.text.ceil_char_boundary(range.end.max(start));
        self.splice(start..end, &normalized(text), false);
    }

    /// Does it. Says whether the text or the cursor is another than before.
    pub fn apply(&mut self, edit: Edit) -> bool {
        let cursor = self.cursor;
        let last = std::mem::take(&mut self.last);
        match edit {
            Edit::Insert(c) => return self.insert(c, last == Last::Typed),
            Edit::InsertText(text) => return self.splice(cursor..cursor, &normalized(&text), false),
            Edit::Newline => return self.splice(cursor..cursor, "\n", false),
            Edit::DeleteBack => return self.splice(self.previous(cursor)..cursor, "", false),
            Edit::DeleteForward => return self.splice(cursor..self.next(cursor), "", false),
            Edit::Left => self.cursor = self.previous(cursor),
            Edit::Right => self.cursor = self.next(cursor),
            Edit::Up(width) => self.vertical(&last, width, true),
            Edit::Down(width) => self.vertical(&last, width, false),
            Edit::WordLeft => self.cursor = self.word_start(is_word),
            Edit::WordRight => self.cursor = self.word_end(),
            Edit::LineStart => self.cursor = self.line().start,
            Edit::LineEnd => self.cursor = self.line().end,
            Edit::TextStart => self.cursor = 0,
            Edit::TextEnd => self.cursor = self.text.len(),
            Edit::KillToEnd
            | Edit::KillToStart
            | Edit::KillWordBack
            | Edit::KillWordBackAlt
            | Edit::KillWordForward => {
                return self.kill(&edit, last == Last::Killed);
            }
            Edit::Yank => return self.yank(cursor..cursor, false),
            Edit::YankPop => {
                let Last::Yanked(range) = last else { return false };
                return self.yank(range, true);
            }
            Edit::Transpose => return self.transpose(),
            Edit::Undo => return self.undo(),
            Edit::Redo => return self.redo(),
        }
        self.cursor != cursor
    }

    fn insert(&mut self, c: char, goes_on: bool) -> bool {
        let text = normalized(c.encode_utf8(&mut [0; 4]));
        if text.is_empty() {
            return false;
        }
        // One undo takes back a word with the space after it.
        let begins = !c.is_whitespace() && self.text[..self.cursor].ends_with(char::is_whitespace);
        self.splice(self.cursor..self.cursor, &text, goes_on && !begins);
        self.last = Last::Typed;
        true
    }

    fn kill(&mut self, edit: &Edit, goes_on: bool) -> bool {
        let cursor = self.cursor;
        let line = self.line();
        let (range, direction) = match edit {
            Edit::KillToEnd if line.end > cursor => (cursor..line.end, Direction::Forward),
            Edit::KillToEnd => (cursor..self.next(cursor), Direction::Forward),
            Edit::KillToStart if line.start < cursor => (line.start..cursor, Direction::Back),
            Edit::KillToStart => (self.previous(cursor)..cursor, Direction::Back),
            Edit::KillWordBack => {
                (self.word_start(|cluster| !cluster.contains(char::is_whitespace))..cursor, Direction::Back)
            }
            Edit::KillWordBackAlt => (self.word_start(is_word)..cursor, Direction::Back),
            _ => (cursor..self.word_end(), Direction::Forward),
        };
        if range.is_empty() {
            // Nothing to kill does not end a row of kills.
            self.last = if goes_on { Last::Killed } else { Last::Other };
            return false;
        }
        self.kills.kill(&self.text[range.clone()], direction, goes_on);
        self.splice(range, "", false);
        self.last = Last::Killed;
        true
    }

    fn yank(&mut self, range: Range<usize>, older: bool) -> bool {
        if older {
            self.kills.rotate();
        }
        let Some(text) = self.kills.last().map(str::to_owned) else { return false };
        let start = range.start;
        let changed = self.splice(range, &text, false);
        self.last = Last::Yanked(start..start + text.len());
        changed
    }

    fn transpose(&mut self) -> bool {
        let line = self.line();
        let middle = if self.cursor == line.end { self.previous(self.cursor) } else { self.cursor };
        let (start, end) = (self.previous(middle), self.next(middle));
        if start < line.start || start == middle || end > line.end || end == middle {
            return false;
        }
        let swapped = format!("{}{}", &self.text[middle..end], &self.text[start..middle]);
        self.splice(start..end, &swapped, false)
    }

    fn undo(&mut self) -> bool {
        let Some(change) = self.changes.undo() else { return false };
        self.text.replace_range(change.at..change.at + change.inserted.len(), &change.removed);
        self.cursor = change.before;
        true
    }

    fn redo(&mut self) -> bool {
        let Some(change) = self.changes.redo() else { return false };
        self.text.replace_range(change.at..change.at + change.removed.len(), &change.inserted);
        self.cursor = change.after;
        true
    }

    /// The one place where the text changes and the change is remembered.
    fn splice(&mut self, range: Range<usize>, text: &str, joins: bool) -> bool {
        if range.is_empty() && text.is_empty() {
            return false;
        }
        let before = self.cursor;
        let removed = self.text[range.clone()].to_owned();
        self.text.replace_range(range.clone(), text);
        self.cursor = self.boundary_from(range.start + text.len());
        let change =
            Change { at: range.start, removed, inserted: text.to_owned(), before, after: self.cursor };
        self.changes.made(change, joins);
        true
    }

    fn vertical(&mut self, last: &Last, width: u16, up: bool) {
        let (row, column) = self.cursor_position(width);
        let goal = if let Last::Vertical(column) = last { *column } else { column };
        let rows = self.rows(width);
        let target = if up { row.checked_sub(1) } else { Some(row + 1) };
        if let Some(target) = target.and_then(|row| rows.get(row)) {
            self.cursor = target.byte_at(goal);
            self.last = Last::Vertical(goal);
        }
    }

    /// The line of the cursor, without its line end.
    fn line(&self) -> Range<usize> {
        let (before, after) = self.text.split_at(self.cursor);
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        start..self.cursor + after.find('\n').unwrap_or(after.len())
    }

    fn previous(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        cursor.prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    fn next(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        cursor.next_boundary(&self.text, 0).ok().flatten().unwrap_or(self.text.len())
    }

    /// This position, or the end of the cluster it is in.
    fn boundary_from(&self, at: usize) -> usize {
        let mut cursor = GraphemeCursor::new(at, self.text.len(), true);
        if cursor.is_boundary(&self.text, 0) == Ok(true) { at } else { self.next(at) }
    }

    /// Back over what is no word and then over the word.
    fn word_start(&self, is_word: impl Fn(&str) -> bool) -> usize {
        let before = &self.text[..self.cursor];
        let clusters = before.grapheme_indices(true).rev();
        let mut rest =
            clusters.skip_while(|(_, cluster)| !is_word(cluster)).skip_while(|(_, cluster)| is_word(cluster));
        rest.next().map_or(0, |(at, cluster)| at + cluster.len())
    }

    /// On over what is no word and then over the word.
    fn word_end(&self) -> usize {
        let after = &self.text[self.cursor..];
        let clusters = after.grapheme_indices(true);
        let mut rest =
            clusters.skip_while(|(_, cluster)| !is_word(cluster)).skip_while(|(_, cluster)| is_word(cluster));
        rest.next().map_or(self.text.len(), |(at, _)| self.cursor + at)
    }
}

fn is_word(cluster: &str) -> bool {
    cluster.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Line ends as `\n`, and no other control character but the tab.
fn normalized(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect()
}

#[cfg(test)]
mod tests;
