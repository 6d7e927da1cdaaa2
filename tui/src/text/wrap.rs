//! Breaking blocks into rows of a width.
//!
//! Rows break at spaces, and beside wide letters, or else inside a word; never inside a cluster. Code is
//! not re-flowed. No row is ever wider than the width, however narrow that is: gutters and indentation
//! give way, and a cluster that is too wide is replaced.

use super::markdown::{Block, Kind};
use super::width::{self, Cluster, REPLACEMENT};
use super::{Look, Segment, Span};
use chat_shared::display::SafeText;
use std::ops::Range;

/// What a row is part of, for its background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Part {
    /// Text.
    #[default]
    Text,
    /// A quote.
    Quote,
    /// A code block.
    Code,
}

/// One row of the screen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    segments: Vec<Segment>,
    width: u16,
    part: Part,
}

impl Row {
    /// From left to right.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The columns of its segments.
    pub fn width(&self) -> u16 {
        self.width
    }

    /// What it is part of.
    pub fn part(&self) -> Part {
        self.part
    }

    /// Its text without the looks.
    pub fn text(&self) -> String {
        self.segments.iter().map(Segment::text).collect()
    }

    /// Puts a segment at its end.
    pub fn push(&mut self, segment: Segment) {
        self.width = self.width.saturating_add(segment.width());
        self.segments.push(segment);
    }
}

/// Columns of the bar beside code, which is left out where it would take much of the width.
const BAR: u16 = 2;
const WITH_BAR: u16 = 8;

/// The rows of a message, none wider than `width`.
pub fn wrap(blocks: &[Block], width: u16) -> Vec<Row> {
    let mut rows = Vec::new();
    for block in blocks {
        let part = match block.kind {
            Kind::Code { .. } => Part::Code,
            _ if block.quote > 0 => Part::Quote,
            _ => Part::Text,
        };
        let frame = Frame::new(block, width);
        let room = width.saturating_sub(frame.width()).max(1);
        let mut inner = Vec::new();
        match &block.kind {
            Kind::Paragraph(lines) => lines.iter().for_each(|line| inner.extend(wrap_line(line, room, 0))),
            Kind::Item { line, .. } => inner.extend(wrap_line(line, room, 0)),
            Kind::Code { language, lines } => inner = code(language.as_ref(), lines, room),
        }
        for (at, row) in inner.into_iter().enumerate() {
            let mut framed = Row { part, ..Row::default() };
            frame.before(at == 0).into_iter().chain(row.segments).for_each(|segment| framed.push(segment));
            rows.push(framed);
        }
    }
    rows
}

/// A block of code: behind a bar, its language above it. Where a line is longer than a row another sign
/// than the bar tells that it goes on.
fn code(language: Option<&SafeText>, lines: &[SafeText], width: u16) -> Vec<Row> {
    let bar = if width >= WITH_BAR { BAR } else { 0 };
    let row = |sign: &'static str, segments: Vec<Segment>| {
        let mut row = Row::default();
        let sign = Segment::fixed(sign, Look { frame: true, ..Look::default() });
        Some(sign).filter(|_| bar > 0).into_iter().chain(segments).for_each(|segment| row.push(segment));
        row
    };
    let mut rows = Vec::new();
    if let Some(language) = language.filter(|language| bar > 0 && !language.as_ref().is_empty()) {
        let label = width::truncate(language, usize::from(width - bar));
        rows.push(row("▏ ", vec![Segment::new(&label, Look { frame: true, ..Look::default() })]));
    }
    let look = Look { code: true, ..Look::default() };
    for line in lines {
        let parts = cut(&[Span::new(line.clone(), look.clone())], width - bar);
        let signs = std::iter::once("▏ ").chain(std::iter::repeat("↪ "));
        rows.extend(parts.into_iter().zip(signs).map(|(part, sign)| row(sign, part.segments)));
    }
    rows
}

/// What stands at the left of a block's rows.
struct Frame {
    gutters: usize,
    indent: usize,
    marker: Option<Segment>,
}

impl Frame {
    /// Takes at most half of the width: what has no room is left out, the bullet last.
    fn new(block: &Block, width: u16) -> Self {
        let mut room = usize::from(width / 2);
        let gutters = block.quote.min(room / 2);
        room -= gutters * 2;
        let look = || Look { frame: true, ..Look::default() };
        let (indent, marker) = match &block.kind {
            Kind::Item { indent, number, .. } => {
                let marker = match number {
                    Some(number) => Segment::new(&number.join(&SafeText::line(" ")), look()),
                    None => Segment::fixed("• ", look()),
                };
                (*indent, Some(marker).filter(|marker| usize::from(marker.width()) <= room))
            }
            _ => (0, None),
        };
        room -= marker.as_ref().map_or(0, |marker| usize::from(marker.width()));
        Self { gutters, indent: indent.min(room), marker }
    }

    fn width(&self) -> u16 {
        let marker = self.marker.as_ref().map_or(0, Segment::width);
        u16::try_from(self.gutters * 2 + self.indent).unwrap_or(u16::MAX).saturating_add(marker)
    }

    fn before(&self, is_first: bool) -> Vec<Segment> {
        let look = || Look { frame: true, ..Look::default() };
        let mut segments: Vec<_> = (0..self.gutters).map(|_| Segment::fixed("▎ ", look())).collect();
        let marker = self.marker.as_ref().map_or(0, |marker| usize::from(marker.width()));
        let blank = self.indent + if is_first { 0 } else { marker };
        if blank > 0 {
            segments.push(Segment::new(&SafeText::line(&" ".repeat(blank)), look()));
        }
        segments.extend(self.marker.clone().filter(|_| is_first));
        segments
    }
}

/// A line's rows; those after the first are indented by `hang`, where that leaves half of the width.
/// An empty line is an empty row.
pub fn wrap_line(spans: &[Span], width: u16, hang: u16) -> Vec<Row> {
    let width = width.max(1);
    let hang = hang.min(width / 2);
    Line::new(spans, width - hang).rows(width, hang)
}

/// A line's rows, broken only where the width ends.
pub fn cut(spans: &[Span], width: u16) -> Vec<Row> {
    let width = width.max(1);
    let line = Line::new(spans, width);
    let mut rows = Vec::new();
    let mut start = 0;
    for at in 0..line.cells.len() {
        if line.columns(start..at + 1) > usize::from(width) {
            rows.push(line.row(start..at, 0));
            start = at;
        }
    }
    rows.push(line.row(start..line.cells.len(), 0));
    rows
}

/// A cluster of a line.
struct Cell {
    span: usize,
    bytes: Range<usize>,
    /// The columns of everything before it.
    before: usize,
    is_space: bool,
    is_wide: bool,
    is_replaced: bool,
}

struct Line<'a> {
    spans: &'a [Span],
    cells: Vec<Cell>,
    columns: usize,
}

impl<'a> Line<'a> {
    /// No cluster of it is wider than `limit`.
    fn new(spans: &'a [Span], limit: u16) -> Self {
        let mut line = Self { spans, cells: Vec::new(), columns: 0 };
        for (at, span) in spans.iter().enumerate() {
            for cluster in width::clusters(span.text.as_ref()) {
                let is_replaced = cluster.width > limit;
                line.cells.push(Cell::new(at, &cluster, line.columns, is_replaced));
                line.columns += if is_replaced { 1 } else { usize::from(cluster.width) };
            }
        }
        line
    }

    fn columns(&self, cells: Range<usize>) -> usize {
        let before = |at: usize| self.cells.get(at).map_or(self.columns, |cell| cell.before);
        before(cells.end) - before(cells.start)
    }

    fn rows(&self, width: u16, hang: u16) -> Vec<Row> {
        let count = self.cells.len();
        let mut rows = Vec::new();
        let mut start = 0;
        // Where the row could end, and where the next would begin then.
        let mut chance = (0, 0);
        let mut at = 0;
        while at < count {
            let indent = if rows.is_empty() { 0 } else { hang };
            let room = usize::from(width - indent);
            let cell = &self.cells[at];
            let follows = at.checked_sub(1).and_then(|before| self.cells.get(before));
            if at > start && !cell.is_space && follows.is_some_and(|before| cell.is_wide || before.is_wide) {
                chance = (at, at);
            }
            if cell.is_space && !follows.is_some_and(|before| before.is_space) {
                let after = (at..count).find(|at| !self.cells[*at].is_space).unwrap_or(count);
                // Leading spaces are indentation, and no place to break.
                if at > start {
                    chance = (at, after);
                }
            }
            if self.columns(start..at + 1) <= room {
                at += 1;
                continue;
            }
            let (end, next) = if chance.0 > start { chance } else { (at, at) };
            rows.push(self.row(start..end, indent));
            start = next;
            chance = (next, next);
            at = next.max(start);
            if next == count {
                return rows;
            }
        }
        let indent = if rows.is_empty() { 0 } else { hang };
        rows.push(self.row(start..count, indent));
        rows
    }

    fn row(&self, cells: Range<usize>, indent: u16) -> Row {
        let mut row = Row::default();
        if indent > 0 {
            let look = Look { frame: true, ..Look::default() };
            row.push(Segment::new(&SafeText::line(&" ".repeat(usize::from(indent))), look));
        }
        let cells = self.cells.get(cells).unwrap_or_default();
        for run in cells.chunk_by(|a, b| a.span == b.span && !a.is_replaced && !b.is_replaced) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
            let Span { text, look } = &self.spans[first.span];
            if first.is_replaced {
                row.push(Segment::fixed(REPLACEMENT, look.clone()));
            } else {
                row.push(Segment::new(&text.slice(first.bytes.start..last.bytes.end), look.clone()));
            }
        }
        row
    }
}

impl Cell {
    fn new(span: usize, cluster: &Cluster<'_>, before: usize, is_replaced: bool) -> Self {
        Self {
            span,
            bytes: cluster.at..cluster.end(),
            before,
            is_space: cluster.text == " ",
            is_wide: cluster.is_wide(),
            is_replaced,
        }
    }
}

#[cfg(test)]
#[path = "wrap_tests.rs"]
mod tests;
