//! The subset of markdown that people type into a chat.
//!
//! Quotes, list items and code fences by line; inside a line `**bold**`, `*italic*`, `_italic_`,
//! `~~strike~~`, code, links, `@user` and `#group`. A mark that is not paired is text, as is a fence
//! that is not closed; a line end is a line end; nothing is lost but the marks that were understood.
//! A link never hides where it leads. Headings, tables, images and HTML are text.

use super::{Span, inline};
use chat_shared::display::SafeText;
use std::ops::Range;

/// Deeper quotes keep the rest of their `>` as text.
pub const QUOTE_DEPTH_MAX: usize = 4;

/// A part of a message that is drawn as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// In how many quotes.
    pub quote: usize,
    /// What it is.
    pub kind: Kind,
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Lines as they were typed, also empty ones.
    Paragraph(Vec<Vec<Span>>),
    /// A list item.
    Item {
        /// The spaces before its marker.
        indent: usize,
        /// Its number as typed, with the character after it; `None`: a bullet.
        number: Option<SafeText>,
        /// Its line.
        line: Vec<Span>,
    },
    /// Code between fences.
    Code {
        /// The word after the fence.
        language: Option<SafeText>,
        /// The lines as they are.
        lines: Vec<SafeText>,
    },
}

/// The blocks of a message.
pub fn parse(body: &SafeText) -> Vec<Block> {
    parse_counted(body).0
}

/// Also says how many steps it took, which a clock could not say reliably.
fn parse_counted(body: &SafeText) -> (Vec<Block>, usize) {
    let mut parser = Parser { body, blocks: Vec::new(), steps: body.as_ref().len() };
    let mut lines = Vec::new();
    let mut at = 0;
    for line in body.as_ref().split('\n') {
        lines.push(at..at + line.len());
        at += line.len() + 1;
    }
    parser.parse(&lines, 0);
    (parser.blocks, parser.steps)
}

struct Parser<'a> {
    body: &'a SafeText,
    blocks: Vec<Block>,
    steps: usize,
}

impl<'a> Parser<'a> {
    fn str(&self, range: &Range<usize>) -> &'a str {
        self.body.as_ref().get(range.clone()).unwrap_or_default()
    }

    fn parse(&mut self, lines: &[Range<usize>], quote: usize) {
        let closers = self.closers(lines);
        let mut at = 0;
        while let Some(range) = lines.get(at) {
            let text = self.str(range);
            self.steps += 1;
            if let Some(fence) = Fence::opening(text)
                && closers[at + 1].length(fence.mark) >= fence.length
            {
                at = self.code(lines, at, &fence, quote);
            } else if quote < QUOTE_DEPTH_MAX && quoted(text).is_some() {
                let mut inner = Vec::new();
                while let Some(range) = lines.get(at)
                    && let Some(skip) = quoted(self.str(range))
                {
                    inner.push(range.start + skip..range.end);
                    at += 1;
                }
                self.steps += inner.len();
                self.parse(&inner, quote + 1);
            } else if let Some(marker) = Marker::of(text) {
                let (start, body) = (range.start, range.start + marker.body..range.end);
                let number =
                    marker.number.map(|number| self.body.slice(start + number.start..start + number.end));
                let line = self.spans(body);
                self.blocks.push(Block { quote, kind: Kind::Item { indent: marker.indent, number, line } });
                at += 1;
            } else {
                let line = self.spans(range.clone());
                match self.blocks.last_mut() {
                    // Only a paragraph of this very quote goes on: a new quote begins anew.
                    Some(Block { quote: same, kind: Kind::Paragraph(lines) }) if *same == quote && at > 0 => {
                        lines.push(line);
                    }
                    _ => self.blocks.push(Block { quote, kind: Kind::Paragraph(vec![line]) }),
                }
                at += 1;
            }
        }
    }

    fn spans(&mut self, range: Range<usize>) -> Vec<Span> {
        let line = self.body.slice(range);
        inline::spans(&line, &mut self.steps)
    }

    fn code(&mut self, lines: &[Range<usize>], opening: usize, fence: &Fence, quote: usize) -> usize {
        let range = &lines[opening];
        let language = fence
            .language
            .clone()
            .map(|word| self.body.slice(range.start + word.start..range.start + word.end));
        let mut code = Vec::new();
        let mut at = opening + 1;
        while let Some(range) = lines.get(at) {
            self.steps += 1;
            at += 1;
            let text = self.str(range);
            if Fence::closing(text).length(fence.mark) >= fence.length {
                break;
            }
            code.push(self.body.slice(range.clone()));
        }
        self.blocks.push(Block { quote, kind: Kind::Code { language, lines: code } });
        at
    }

    /// For each line, the longest closing fences at or after it.
    fn closers(&mut self, lines: &[Range<usize>]) -> Vec<Closing> {
        let mut closers = vec![Closing::default(); lines.len() + 1];
        for at in (0..lines.len()).rev() {
            let found = Fence::closing(self.str(&lines[at]));
            let after = closers[at + 1];
            closers[at] =
                Closing { ticks: found.ticks.max(after.ticks), tildes: found.tildes.max(after.tildes) };
            self.steps += 1;
        }
        closers
    }
}

#[derive(Debug, Clone)]
struct Fence {
    mark: char,
    length: usize,
    language: Option<Range<usize>>,
}

/// How long the fences are that could close one.
#[derive(Debug, Clone, Copy, Default)]
struct Closing {
    ticks: usize,
    tildes: usize,
}

impl Closing {
    fn length(self, mark: char) -> usize {
        if mark == '`' { self.ticks } else { self.tildes }
    }
}

impl Fence {
    /// Three marks or more, and at most one word after them.
    fn opening(text: &str) -> Option<Self> {
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let rest = text.trim_start_matches(mark);
        let length = text.len() - rest.len();
        let word = rest.trim();
        if length < 3 || word.contains(|c: char| c == mark || c.is_whitespace()) {
            return None;
        }
        let start = length + (rest.len() - rest.trim_start().len());
        let language = (!word.is_empty()).then_some(start..start + word.len());
        Some(Self { mark, length, language })
    }

    fn closing(text: &str) -> Closing {
        let text = text.trim_end();
        let length =
            |mark: char| if !text.is_empty() && text.trim_matches(mark).is_empty() { text.len() } else { 0 };
        Closing { ticks: length('`'), tildes: length('~') }
    }
}

/// How much of a quoted line is its mark. `>_<` and `>:(` are faces, not quotes.
fn quoted(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('>')?;
    match rest.chars().next() {
        None | Some('>') => Some(1),
        Some(' ') => Some(2),
        _ => None,
    }
}

/// The marker of a list item.
struct Marker {
    indent: usize,
    number: Option<Range<usize>>,
    body: usize,
}

impl Marker {
    fn of(text: &str) -> Option<Self> {
        let rest = text.trim_start_matches(' ');
        let indent = text.len() - rest.len();
        let digits = rest.bytes().take(10).take_while(u8::is_ascii_digit).count();
        let (number, length) = match rest.as_bytes().get(digits)? {
            b'-' | b'*' | b'+' if digits == 0 => (None, 1),
            b'.' | b')' if (1..10).contains(&digits) => (Some(indent..indent + digits + 1), digits + 1),
            _ => return None,
        };
        let body = rest.get(length..)?.strip_prefix(' ')?;
        // `- - -` and the like are lines that people draw.
        (!body.trim().is_empty()).then(|| Self { indent, number, body: text.len() - body.len() })
    }
}

#[cfg(test)]
#[path = "markdown_tests.rs"]
mod tests;
