//! Remote text on its way to the screen: measured, parsed, wrapped.
//!
//! Everything here is pure, and takes [`SafeText`] and gives what was made of it: a [`Segment`], the
//! only thing that rows are made of, cannot be had from anything else. Colours are no matter of this
//! module; it says what a piece is, the theme what that looks like.

pub mod careful;
pub mod fuzzy;
mod inline;
pub mod links;
pub mod markdown;
pub mod near;
pub mod paint;
pub mod width;
pub mod wrap;

use chat_shared::display::SafeText;
use chat_shared::{GroupName, Username};
use links::Url;
use std::sync::Arc;

/// What a piece of text is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look {
    /// Emphasised strongly.
    pub bold: bool,
    /// Emphasised.
    pub italic: bool,
    /// Struck out.
    pub strike: bool,
    /// Code, inline or in a block.
    pub code: bool,
    /// Drawn by the client around the text: a gutter, a bullet, a bracket.
    pub frame: bool,
    /// What it refers to.
    pub reference: Option<Arc<Reference>>,
}

/// What a piece of text refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A link.
    Link(Url),
    /// `@name`. Nobody of that name need exist.
    User(Username),
    /// `#name`. No group of that name need exist.
    Group(GroupName),
}

/// A piece of one line that looks the same throughout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub text: SafeText,
    /// What it is.
    pub look: Look,
}

impl Span {
    /// A piece.
    pub fn new(text: SafeText, look: Look) -> Self {
        Self { text, look }
    }

    /// A piece that is nothing special.
    pub fn plain(text: SafeText) -> Self {
        Self::new(text, Look::default())
    }
}

/// A piece of a row as it is placed in cells: on one line, and with no cluster that a buffer would drop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    text: String,
    width: u16,
    look: Look,
}

impl Segment {
    /// Of remote text that was made safe. A line end becomes a space.
    pub fn new(text: &SafeText, look: Look) -> Self {
        let line;
        let text = if text.as_ref().contains('\n') {
            line = SafeText::line(text.as_ref());
            &line
        } else {
            text
        };
        Self::place(text.as_ref(), look)
    }

    /// Of the client's own text.
    pub fn fixed(text: &'static str, look: Look) -> Self {
        Self::place(text, look)
    }

    fn place(text: &str, look: Look) -> Self {
        let mut placed = String::with_capacity(text.len());
        let mut width = 0_u16;
        for cluster in width::clusters(text) {
            placed.push_str(cluster.shown());
            width = width.saturating_add(cluster.width);
        }
        Self { text: placed, width, look }
    }

    /// Puts another piece at its end, which looks as this one then.
    pub(crate) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.width = self.width.saturating_add(other.width);
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its columns.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// What it is.
    pub fn look(&self) -> &Look {
        &self.look
    }
}

#[cfg(test)]
mod hostile_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_one_line_of_what_can_be_placed() {
        let segment = Segment::new(&SafeText::block("\u{301}a\nb漢"), Look::default());
        assert_eq!(segment.text(), "\u{25cc}\u{301}a b漢");
        assert_eq!(segment.width(), 6);
    }
}
