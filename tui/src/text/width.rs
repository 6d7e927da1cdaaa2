//! How wide text is, exactly as the screen's buffer lays it out.
//!
//! The buffer places text cluster by cluster: one grapheme cluster to a cell, followed by as many empty
//! cells as it is wide beyond one. So the width of a string is the sum over its clusters (a ligature
//! over two of them saves nothing), and a cluster must never have width 0: the buffer would drop it, or
//! let it swallow its neighbour. [`clusters`] yields what can be placed: a mark without a letter stands
//! on a dotted circle, and a monster of a cluster is replaced.
//!
//! Right-to-left text is written in logical order, cell by cell, as every other text. A terminal that
//! reorders by itself (few do) reorders inside its own line; one that does not shows the letters from
//! left to right. Reordering here would make the two wrong in turn, and would let a name pass for
//! another; every cell has its column in either case, so that no border moves.

use chat_shared::display::SafeText;
use ratatui::buffer::CellWidth as _;
use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation as _;

/// What stands for a cluster that cannot be placed.
pub const REPLACEMENT: &str = "\u{FFFD}";
/// What stands for text that was cut off.
pub const ELLIPSIS: &str = "…";

/// No emoji and no syllable of any script is wider or longer.
const COLUMNS_MAX: u16 = 8;
const CHARS_MAX: usize = 32;

/// The half-width voiced sound marks of Japanese.
const HALF_MARKS: [char; 2] = ['\u{FF9E}', '\u{FF9F}'];

/// A grapheme cluster as it is placed in cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster<'a> {
    /// Where it begins in the text.
    pub at: usize,
    /// As it is in the text.
    pub text: &'a str,
    /// As it is placed, where that differs.
    instead: Option<Cow<'static, str>>,
    /// How many columns it takes: at least one.
    pub width: u16,
}

impl Cluster<'_> {
    /// As it is placed.
    pub fn shown(&self) -> &str {
        self.instead.as_deref().unwrap_or(self.text)
    }

    /// Is it placed as it is in the text?
    pub fn is_plain(&self) -> bool {
        self.instead.is_none()
    }

    /// Where it ends in the text.
    pub fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// Can a line break beside it without a space, as between ideographs?
    pub fn is_wide(&self) -> bool {
        self.width == 2
    }

    /// The columns that a terminal without grapheme clusters may write beyond [`Self::width`]: it draws
    /// a joined emoji as its parts, over the cells at the right.
    pub fn spill(&self) -> u16 {
        let parts: u16 = self.shown().chars().map(char_width).sum();
        parts.saturating_sub(self.width)
    }

    /// May a terminal without grapheme clusters take it for several, each in cells of its own?
    pub fn is_joined(&self) -> bool {
        self.shown().chars().filter(|c| char_width(*c) > 0).nth(1).is_some()
    }
}

/// The clusters of one line. A control character counts as a replacement, though safe text has none.
pub fn clusters(line: &str) -> impl Iterator<Item = Cluster<'_>> {
    line.grapheme_indices(true).map(|(at, text)| {
        let (instead, width) = place(text);
        Cluster { at, text, instead, width }
    })
}

fn place(text: &str) -> (Option<Cow<'static, str>>, u16) {
    if text.len() == 1 && !text.contains(char::is_control) {
        return (None, 1);
    }
    if text.contains(char::is_control) || text.chars().nth(CHARS_MAX).is_some() {
        return (Some(Cow::Borrowed(REPLACEMENT)), 1);
    }
    if text.contains(HALF_MARKS) {
        // The buffer counts these a column too many, and would leave a stale cell behind them.
        let (voiced, half) =
            if text.starts_with(HALF_MARKS) { ("\u{309B}", "\u{309C}") } else { ("\u{3099}", "\u{309A}") };
        let text = text.replace(HALF_MARKS[0], voiced).replace(HALF_MARKS[1], half);
        let width = u16::try_from(width(&text)).unwrap_or(u16::MAX);
        if width > COLUMNS_MAX {
            return (Some(Cow::Borrowed(REPLACEMENT)), 1);
        }
        return (Some(Cow::Owned(text)), width);
    }
    let width = text.cell_width();
    if width > COLUMNS_MAX {
        return (Some(Cow::Borrowed(REPLACEMENT)), 1);
    }
    // What begins with nothing wide would be drawn into the cell before it: a lone mark, or a letter
    // of the few that stand before another.
    let lead: usize = text.chars().take_while(|c| char_width(*c) == 0).map(char::len_utf8).sum();
    if lead > 0 {
        let carried = format!("\u{25CC}{text}");
        let width = carried.cell_width();
        if lead == text.len() && carried.graphemes(true).nth(1).is_none() && width > 0 {
            return (Some(Cow::Owned(carried)), width);
        }
        let rest = format!("{REPLACEMENT}{}", &text[lead..]);
        let width = rest.cell_width();
        return (Some(Cow::Owned(rest)), width);
    }
    (None, width)
}

/// Do terminals agree on its width? Of a cluster of several, of emoji and of symbols they do not.
pub fn is_certain(symbol: &str) -> bool {
    let mut chars = symbol.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => {
            matches!(c, ' '..='~' | '\u{2500}'..='\u{259F}') || c.is_alphabetic() && char_width(c) == 1
        }
        (first, _) => first.is_none(),
    }
}

fn char_width(c: char) -> u16 {
    c.encode_utf8(&mut [0; 4]).cell_width()
}

/// The columns of a line, the sum over its clusters.
pub fn width(line: &str) -> usize {
    clusters(line).map(|cluster| usize::from(cluster.width)).sum()
}

/// The line if it fits, or else as much as fits with an ellipsis after it.
pub fn truncate(line: &SafeText, columns: usize) -> SafeText {
    let text = line.as_ref();
    if width(text) <= columns {
        return line.clone();
    }
    let Some(room) = columns.checked_sub(1) else { return SafeText::line("") };
    let mut used = 0;
    let mut end = 0;
    for cluster in clusters(text) {
        used += usize::from(cluster.width);
        if used > room {
            break;
        }
        end = cluster.end();
    }
    SafeText::line(&format!("{}{ELLIPSIS}", &text[..end]))
}

/// The line truncated to these columns, or filled up to them with spaces.
pub fn pad(line: &SafeText, columns: usize) -> SafeText {
    let line = truncate(line, columns);
    let missing = columns.saturating_sub(width(line.as_ref()));
    SafeText::line(&format!("{line}{}", " ".repeat(missing)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn widths() {
        for (text, columns) in [
            ("", 0),
            ("abc", 3),
            ("漢字", 4),
            ("é", 1),
            ("e\u{301}", 1),
            ("👍🏽", 2),
            ("👨\u{200d}👩\u{200d}👧", 2),
            ("❤\u{fe0f}", 2),
            ("❤", 1),
            ("1\u{fe0f}\u{20e3}", 2),
            ("🇩🇪", 2),
            ("🇩", 1),
            ("ｶﾞ", 1),
            ("ﾞ", 2),
            ("שלום", 4),
            ("لا", 2),
            ("\u{301}", 1),
            ("\u{1161}", 1),
            ("⟨U+202E⟩", 8),
        ] {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }

    #[test]
    fn the_buffer_agrees() {
        for text in [
            "a漢b",
            "👨\u{200d}👩\u{200d}👧x",
            "e\u{301}x",
            "❤\u{fe0f}x",
            "لاx",
            "हिन्दी",
            "ក្ករx",
            "ｶﾞx",
            "\u{301}x",
        ] {
            let shown: String = clusters(text).map(|cluster| cluster.shown().to_owned()).collect();
            let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 1));
            let (end, _) = buffer.set_stringn(0, 0, &shown, 40, Style::new());
            assert_eq!(usize::from(end), width(text), "{text:?}");
        }
    }

    #[test]
    fn a_monster_takes_one_column() {
        let text = "\u{915}\u{94d}".repeat(1_000);
        assert_eq!(width(&text), 1);
        assert_eq!(clusters(&text).next().unwrap().shown(), REPLACEMENT);
    }

    #[test]
    fn cut_and_filled() {
        for (text, columns, cut, filled) in [
            ("abc", 3, "abc", "abc"),
            ("abcd", 3, "ab…", "ab…"),
            ("漢字", 3, "漢…", "漢…"),
            ("漢字漢", 4, "漢…", "漢… "),
            ("ab", 4, "ab", "ab  "),
            ("ab", 1, "…", "…"),
            ("ab", 0, "", ""),
        ] {
            let line = SafeText::line(text);
            assert_eq!(truncate(&line, columns).as_ref(), cut, "{text:?}");
            assert_eq!(pad(&line, columns).as_ref(), filled, "{text:?}");
        }
    }
}
