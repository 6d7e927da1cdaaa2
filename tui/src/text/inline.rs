//! The marks inside a line: emphasis, code, links, names.
//!
//! Two passes over the characters, each a constant number of steps for each of them: the first cuts out
//! what nothing is emphasised in (code, links, names), the second pairs the marks that are left. At most
//! one mark of each kind is open at a time, so there is no stack to grow.

use super::links::{self, Url};
use super::{Look, Reference, Span};
use chat_shared::display::SafeText;
use chat_shared::limits::GROUP_NAME_MAX;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use unicode_width::UnicodeWidthChar as _;

/// A line's pieces.
pub(super) fn spans(line: &SafeText, steps: &mut usize) -> Vec<Span> {
    let mut scan = Scan::new(line.as_ref());
    scan.cut();
    scan.pair();
    *steps += scan.steps;
    let mut spans: Vec<Span> = Vec::new();
    for (range, look) in scan.looks() {
        if range.is_empty() {
            continue;
        }
        let bytes = scan.byte(range.start)..scan.byte(range.end);
        spans.push(Span::new(line.slice(bytes), look));
    }
    spans
}

/// A kind of emphasis; a kind is closed by what opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bold,
    Star,
    Underscore,
    Strike,
}

const KINDS: usize = 4;

#[derive(Debug, Clone)]
enum What {
    Text,
    /// An interpreted mark: not shown.
    Hidden,
    Code,
    Reference(Arc<Reference>),
    /// A run of one mark: not yet known whether it is one.
    Mark,
    Open(Kind),
    Close(Kind),
}

#[derive(Debug, Clone)]
struct Piece {
    range: Range<usize>,
    what: What,
}

struct Scan<'a> {
    line: &'a str,
    chars: Vec<(usize, char)>,
    pieces: Vec<Piece>,
    steps: usize,
}

impl<'a> Scan<'a> {
    fn new(line: &'a str) -> Self {
        let chars: Vec<_> = line.char_indices().collect();
        Self { line, pieces: Vec::new(), steps: chars.len(), chars }
    }

    fn char(&self, at: usize) -> Option<char> {
        self.chars.get(at).map(|(_, c)| *c)
    }

    fn before(&self, at: usize) -> Option<char> {
        at.checked_sub(1).and_then(|at| self.char(at))
    }

    fn byte(&self, at: usize) -> usize {
        self.chars.get(at).map_or(self.line.len(), |(byte, _)| *byte)
    }

    fn str(&self, range: Range<usize>) -> &'a str {
        self.line.get(self.byte(range.start)..self.byte(range.end)).unwrap_or_default()
    }

    fn run(&self, at: usize) -> usize {
        let Some(c) = self.char(at) else { return 0 };
        self.chars[at..].iter().take_while(|(_, other)| *other == c).count()
    }

    fn push(&mut self, range: Range<usize>, what: What) {
        if let (Some(last), What::Text) = (self.pieces.last_mut(), &what)
            && matches!(last.what, What::Text)
        {
            last.range.end = range.end;
            return;
        }
        self.pieces.push(Piece { range, what });
    }

    /// First pass: code, links and names, and the marks between them.
    fn cut(&mut self) {
        let ticks = self.next_ticks();
        let (brackets, parens) = (self.partners('[', ']'), self.partners('(', ')'));
        let mut at = 0;
        while let Some(c) = self.char(at) {
            self.steps += 1;
            let escaped = self.before(at) == Some('\\');
            let start = at;
            at = match c {
                '`' => self.code(at, &ticks),
                '[' if !escaped => self.labelled(at, &brackets, &parens),
                '*' | '_' | '~' if !escaped => {
                    let end = at + self.run(at);
                    self.push(at..end, What::Mark);
                    end
                }
                '@' | '#' => self.name(at),
                c if links::may_begin(self.before(at), c) => self.link(at),
                _ => at,
            };
            if at == start {
                at += 1;
                self.push(start..at, What::Text);
            }
            self.steps += at - start;
        }
    }

    /// For the start of each run of backticks, the start of the next run as long.
    fn next_ticks(&mut self) -> HashMap<usize, usize> {
        let mut runs = Vec::new();
        let mut at = 0;
        while let Some(c) = self.char(at) {
            let length = if c == '`' { self.run(at) } else { 0 };
            if length > 0 {
                runs.push((at, length));
            }
            at += length.max(1);
            self.steps += length.max(1);
        }
        let mut next = HashMap::new();
        let mut seen = HashMap::new();
        for (at, length) in runs.into_iter().rev() {
            if let Some(later) = seen.insert(length, at) {
                next.insert(at, later);
            }
            self.steps += 1;
        }
        next
    }

    /// For each opening bracket the closing one that belongs to it.
    fn partners(&mut self, opening: char, closing: char) -> HashMap<usize, usize> {
        let mut open = Vec::new();
        let mut partners = HashMap::new();
        for (at, (_, c)) in self.chars.iter().enumerate() {
            self.steps += 1;
            if *c == opening {
                open.push(at);
            } else if opening == '(' && !links::may_hold(*c) {
                // No target reaches over it, and so none is looked at twice.
                open.clear();
            } else if *c == closing
                && let Some(start) = open.pop()
            {
                partners.insert(start, at);
            }
        }
        partners
    }

    fn code(&mut self, at: usize, ticks: &HashMap<usize, usize>) -> usize {
        let length = self.run(at);
        let Some(&end) = ticks.get(&at) else {
            self.push(at..at + length, What::Text);
            return at + length;
        };
        self.push(at..at + length, What::Hidden);
        self.push(at + length..end, What::Code);
        self.push(end..end + length, What::Hidden);
        end + length
    }

    /// `[label](url)`: the label, and the target in brackets after it unless the label is the target.
    fn labelled(
        &mut self,
        at: usize,
        brackets: &HashMap<usize, usize>,
        parens: &HashMap<usize, usize>,
    ) -> usize {
        let Some(&middle) = brackets.get(&at) else { return at };
        let Some(&end) = parens.get(&(middle + 1)) else { return at };
        let (label, target) = (at + 1..middle, middle + 2..end);
        let Some(url) = Url::new(self.str(target.clone())) else { return at };
        let text = self.str(label.clone());
        let what = if text == url.as_str() { What::Hidden } else { What::Text };
        let link = What::Reference(Arc::new(Reference::Link(url)));
        let is_blank = text.trim().is_empty();
        self.push(at..at + 1, What::Hidden);
        self.push(label, if is_blank { What::Text } else { link.clone() });
        self.push(middle..middle + 1, What::Hidden);
        if matches!(what, What::Text) {
            self.push(middle + 1..middle + 2, What::Text);
            self.push(target, link);
            self.push(end..end + 1, What::Text);
        } else {
            self.push(middle + 1..end + 1, What::Hidden);
        }
        end + 1
    }

    fn link(&mut self, at: usize) -> usize {
        let rest = self.line.get(self.byte(at)..).unwrap_or_default();
        let Some(text) = links::at_start(rest) else { return at };
        let end = at + text.chars().count();
        let url = Url::new(text).map(|url| What::Reference(Arc::new(Reference::Link(url))));
        self.push(at..end, url.unwrap_or(What::Text));
        end
    }

    /// `@name` and `#name`, where they do not follow a letter or another name.
    fn name(&mut self, at: usize) -> usize {
        let follows =
            |c: char| c.is_alphanumeric() || matches!(c, '@' | '#' | '_' | '.' | '-' | '/' | '&' | '=');
        if self.before(at).is_some_and(follows) {
            return at;
        }
        let rest = self.chars.get(at + 1..).unwrap_or_default();
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let run = rest.iter().take(GROUP_NAME_MAX + 1).take_while(|(_, c)| is_name(*c)).count();
        // A sentence may end right after a name.
        let trimmed = rest[..run].iter().rev().skip_while(|(_, c)| !c.is_ascii_alphanumeric()).count();
        let end = at + 1 + trimmed;
        if rest.get(run).is_some_and(|(_, c)| c.is_alphanumeric() || *c == '@') {
            return at;
        }
        let text = self.str(at + 1..end);
        let reference = if self.char(at) == Some('@') {
            text.parse().ok().map(Reference::User)
        } else {
            text.parse().ok().map(Reference::Group)
        };
        let Some(reference) = reference else { return at };
        self.push(at..end, What::Reference(Arc::new(reference)));
        end
    }

    /// Second pass: which marks open and close what.
    fn pair(&mut self) {
        let (left, right) = self.edges();
        // By kind, which piece opened it and as how many-th.
        let mut open: [Option<(usize, usize)>; KINDS] = [None; KINDS];
        let mut out: Vec<Piece> = Vec::with_capacity(self.pieces.len());
        for piece in std::mem::take(&mut self.pieces) {
            self.steps += 1;
            if !matches!(piece.what, What::Mark) {
                out.push(piece);
                continue;
            }
            let Range { start, end } = piece.range;
            let kinds = kinds(self.char(start), end - start, &open);
            let is_mark_alone = self.char(end).is_none_or(|c| c.width() != Some(0));
            let inside_left = self
                .before(start)
                .is_some_and(|c| !c.is_whitespace() && !matches!(c, '/' | '\\' | '(' | '[' | '{'));
            let inside_right = self.char(end).is_some_and(|c| {
                !c.is_whitespace()
                    && !matches!(c, '/' | '\\' | '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']' | '}')
            });
            let can_close = is_mark_alone && right[end] && inside_left;
            let can_open = is_mark_alone && left[start] && inside_right;
            let mut at = start;
            for (kind, length) in kinds {
                let range = at..at + length;
                at += length;
                let slot = kind as usize;
                if can_close && let Some((opener, _)) = open[slot] {
                    // What was opened inside and not closed is text.
                    for other in &mut open {
                        if other.is_some_and(|(later, _)| later >= opener) {
                            *other = None;
                        }
                    }
                    out[opener].what = What::Open(kind);
                    out.push(Piece { range, what: What::Close(kind) });
                } else {
                    if can_open && open[slot].is_none() {
                        open[slot] = Some((out.len(), start));
                    }
                    out.push(Piece { range, what: What::Text });
                }
            }
            if at < end {
                out.push(Piece { range: at..end, what: What::Text });
            }
        }
        self.pieces = out;
    }

    /// For each position: does a word begin here, and does one end here? What opens a sentence or a
    /// bracket may stand between white space and the word, and so may other marks. Wide letters are
    /// words of their own, since their languages write no spaces.
    fn edges(&mut self) -> (Vec<bool>, Vec<bool>) {
        let count = self.chars.len();
        let (mut left, mut right) = (vec![true; count + 1], vec![true; count + 1]);
        let is_edge = |c: char| c.is_whitespace() || c.width() == Some(2);
        for at in 1..=count {
            let c = self.chars[at - 1].1;
            let passes = is_mark(c)
                || matches!(
                    c,
                    '(' | '['
                        | '{'
                        | '<'
                        | '"'
                        | '\''
                        | '“'
                        | '‘'
                        | '„'
                        | '«'
                        | '¿'
                        | '¡'
                        | '—'
                        | '–'
                        | '|'
                );
            left[at] = is_edge(c) || passes && left[at - 1];
        }
        for at in (0..count).rev() {
            let c = self.chars[at].1;
            let passes = is_mark(c)
                || matches!(
                    c,
                    ')' | ']'
                        | '}'
                        | '>'
                        | '"'
                        | '\''
                        | '”'
                        | '’'
                        | '“'
                        | '»'
                        | '.'
                        | ','
                        | ';'
                        | ':'
                        | '!'
                        | '?'
                        | '…'
                        | '—'
                        | '–'
                        | '-'
                        | '|'
                );
            right[at] = is_edge(c) || passes && right[at + 1];
        }
        self.steps += 2 * count;
        (left, right)
    }

    /// What is shown, and how.
    fn looks(&self) -> Vec<(Range<usize>, Look)> {
        let mut active = [false; KINDS];
        let mut looks: Vec<(Range<usize>, Look)> = Vec::new();
        for Piece { range, what } in &self.pieces {
            let mut look = Look {
                bold: active[Kind::Bold as usize],
                italic: active[Kind::Star as usize] || active[Kind::Underscore as usize],
                strike: active[Kind::Strike as usize],
                ..Look::default()
            };
            match what {
                What::Open(kind) => active[*kind as usize] = true,
                What::Close(kind) => active[*kind as usize] = false,
                What::Hidden => {}
                What::Text | What::Mark => match looks.last_mut() {
                    Some((last, same)) if last.end == range.start && *same == look => last.end = range.end,
                    _ => looks.push((range.clone(), look)),
                },
                What::Code => {
                    look.code = true;
                    looks.push((range.clone(), look));
                }
                What::Reference(reference) => {
                    look.reference = Some(Arc::clone(reference));
                    looks.push((range.clone(), look));
                }
            }
        }
        looks
    }
}

fn is_mark(c: char) -> bool {
    matches!(c, '*' | '_' | '~')
}

/// What a run of marks can be, from left to right. Three stars are two marks; when they close, the
/// one that was opened last comes first.
fn kinds(c: Option<char>, length: usize, open: &[Option<(usize, usize)>; KINDS]) -> Vec<(Kind, usize)> {
    match (c, length) {
        (Some('*'), 1) => vec![(Kind::Star, 1)],
        (Some('*'), 2) => vec![(Kind::Bold, 2)],
        (Some('*'), 3) if open[Kind::Bold as usize] > open[Kind::Star as usize] => {
            vec![(Kind::Bold, 2), (Kind::Star, 1)]
        }
        (Some('*'), 3) if open[Kind::Star as usize].is_some() => vec![(Kind::Star, 1), (Kind::Bold, 2)],
        (Some('*'), 3) => vec![(Kind::Bold, 2), (Kind::Star, 1)],
        (Some('_'), 1) => vec![(Kind::Underscore, 1)],
        (Some('~'), 2) => vec![(Kind::Strike, 2)],
        _ => Vec::new(),
    }
}
