//! Making remote text safe to show.
//!
//! Terminals obey escape sequences, and both terminals and browsers can be made to show something
//! else than what is there. So everything that came from elsewhere passes through here before it is
//! shown: what cannot be seen is removed where free text is stored ([`stored_line`]), and made visible
//! as `⟨U+202E⟩` where it is shown as it was sent ([`SafeText`]).

use crate::limits::EMOJI_MAX_BYTES;
use std::fmt;
use std::ops::Range;
use unicode_general_category::{GeneralCategory as Category, get_general_category as category};
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// Marks on one letter: no language needs more, and hundreds would cover the lines around it.
const MARKS_MAX: usize = 8;

const ZWJ: char = '\u{200D}';
const EMOJI_STYLE: char = '\u{FE0F}';

/// Text that can be shown: on a terminal it moves nothing but the cursor to the right (and, of a
/// block, to the next line). It can be had only by cleaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SafeText(String);

impl SafeText {
    /// As one line: line ends and tabs become spaces.
    pub fn line(text: &str) -> Self {
        Self(clean(text, |c, out| if c.is_whitespace() { out.push(' ') } else { show(c, out) }))
    }

    /// As lines: `\n` stays, a tab becomes four spaces.
    pub fn block(text: &str) -> Self {
        Self(clean(text, |c, out| match c {
            '\n' => out.push('\n'),
            '\t' => out.push_str("    "),
            c => show(c, out),
        }))
    }

    /// A part of it, cleaned anew: a joiner or a style that lost its partner at the cut is not safe
    /// alone. Empty where the range does not lie on characters.
    pub fn slice(&self, range: Range<usize>) -> Self {
        Self::block(self.0.get(range).unwrap_or_default())
    }

    /// This text and then that one, cleaned anew: two halves can make what neither was.
    pub fn join(&self, other: &Self) -> Self {
        Self::block(&format!("{self}{other}"))
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for SafeText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// One line of free text as it is stored: NFC, nothing invisible, white space folded and trimmed.
pub fn stored_line(text: &str) -> String {
    let text: String = text.nfc().collect();
    let out = clean(&text, |c, out| {
        if c.is_whitespace() {
            out.push(' ');
        }
    });
    // What was removed may have stood between a letter and its accent.
    let out: String = out.nfc().collect();
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Is it a single emoji? One grapheme cluster that begins with a symbol, a pair of regional
/// indicators, or a keycap.
pub fn is_one_emoji(text: &str) -> bool {
    let mut clusters = text.graphemes(true);
    let (Some(cluster), None) = (clusters.next(), clusters.next()) else { return false };
    let mut chars = cluster.chars();
    match chars.next() {
        Some(c) if is_regional(c) => chars.next().is_some_and(is_regional),
        Some(c) if is_symbol(c) => {
            chars.all(|c| !matches!(category(c), Category::Control | Category::Surrogate))
        }
        Some('0'..='9' | '#' | '*') => cluster.ends_with('\u{20E3}'),
        _ => false,
    }
}

fn is_regional(c: char) -> bool {
    ('\u{1F1E6}'..='\u{1F1FF}').contains(&c)
}

/// Can an emoji begin with it? Newer emoji than the tables know lie in the same blocks.
fn is_symbol(c: char) -> bool {
    ('\u{1F000}'..='\u{1FAFF}').contains(&c)
        || matches!(c, '\u{203C}' | '\u{2049}')
        || (!c.is_ascii() && matches!(category(c), Category::OtherSymbol | Category::MathSymbol))
}

/// Can it be seen, alone?
fn is_visible(c: char) -> bool {
    if matches!(c, '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{2800}' | '\u{3164}' | '\u{FFA0}')
        || matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{180B}'..='\u{180F}' | '\u{E0000}'..='\u{E0FFF}')
    {
        return false;
    }
    match category(c) {
        Category::Unassigned => is_symbol(c),
        Category::SpaceSeparator => c == ' ',
        found => !matches!(
            found,
            Category::Control
                | Category::Format
                | Category::PrivateUse
                | Category::Surrogate
                | Category::LineSeparator
                | Category::ParagraphSeparator
        ),
    }
}

/// Does a joiner make one emoji of these? Of two mathematical symbols, say, it does not, and would be
/// left at the end of the first. Nor does it where the emoji is longer than any: each joiner looks back
/// at the whole of it.
fn joins(emoji: &str, next: char) -> bool {
    emoji.len() < EMOJI_MAX_BYTES && format!("{emoji}{ZWJ}{next}").graphemes(true).nth(1).is_none()
}

fn show(c: char, out: &mut String) {
    if c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}') {
        return out.push(' ');
    }
    out.push_str(&format!("⟨U+{:04X}⟩", c as u32));
}

/// Passes on what can be seen, and hands the rest to `hidden`. A joiner or a style stays where it
/// belongs to an emoji.
fn clean(text: &str, mut hidden: impl FnMut(char, &mut String)) -> String {
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    let mut emoji = false;
    // Where the last emoji begins in `out`.
    let mut emoji_at = 0;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_mark = matches!(category(c), Category::NonspacingMark | Category::EnclosingMark);
        let belongs = match c {
            EMOJI_STYLE => {
                emoji
                    || out.ends_with(|c: char| c.is_ascii_digit() || matches!(c, '#' | '*'))
                        && chars.peek() == Some(&'\u{20E3}')
            }
            ZWJ => emoji && chars.peek().is_some_and(|c| is_symbol(*c) && joins(&out[emoji_at..], *c)),
            _ => false,
        };
        if belongs {
            out.push(c);
        } else if is_mark && is_visible(c) {
            marks += 1;
            if marks <= MARKS_MAX {
                out.push(c);
            }
        } else if is_visible(c) {
            marks = 0;
            // Skin tones follow a symbol and belong to it.
            emoji = is_symbol(c);
            if emoji && !('\u{1F3FB}'..='\u{1F3FF}').contains(&c) {
                emoji_at = out.len();
            }
            out.push(c);
        } else {
            emoji = false;
            let end = out.len();
            hidden(c, &mut out);
            // Where nothing is shown instead, marks that follow are on the same letter.
            if out.len() > end {
                marks = 0;
            }
        }
    }
    out
}
