//! Drawing: the state in, a frame out, and nothing else. Remote text reaches the buffer only as
//! [`SafeText`] or as a [`Segment`] made of it.

mod composer;
mod form;
mod members;
pub(crate) mod overlay;
pub(crate) mod rooms;
mod status;
pub(crate) mod timeline;

use crate::layout;
use crate::state::{Screen, State};
use crate::text::links::Url;
use crate::text::wrap::{self, Row};
use crate::text::{Look, Reference, Segment, Span, paint, width};
use crate::theme::Theme;
use chat_shared::display::SafeText;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

/// The smallest screen on which something can be shown.
pub const SMALLEST: (u16, u16) = (20, 6);

/// A link on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAt {
    /// Where it begins.
    pub at: Position,
    /// Its columns.
    pub width: u16,
    /// Where it leads.
    pub url: Url,
}

/// What drawing has found besides the cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drawn {
    /// The cursor, if one is shown.
    pub cursor: Option<Position>,
    /// The links that are visible.
    pub links: Vec<LinkAt>,
}

/// Draws the state.
pub fn draw(state: &State, buffer: &mut Buffer) -> Drawn {
    let mut pen = Pen { theme: &state.theme, buffer, drawn: Drawn::default() };
    let (columns, rows) = state.size;
    if columns < SMALLEST.0 || rows < SMALLEST.1 {
        pen.fixed(Position::new(0, 0), columns, "too small", state.theme.bad);
        return pen.drawn;
    }
    match &state.screen {
        Screen::Form(form) => form::draw(state, form, &mut pen),
        Screen::Chat => chat(state, &mut pen),
    }
    for (index, layer) in state.overlays.iter().enumerate() {
        // Only the topmost has the cursor.
        pen.drawn.cursor = None;
        overlay::draw(state, layer, index + 1 == state.overlays.len(), &mut pen);
    }
    overlay::keys(state, &mut pen);
    pen.drawn
}

fn chat(state: &State, pen: &mut Pen<'_>) {
    let areas = layout::areas(state);
    if let Some(area) = areas.rooms {
        rooms::draw(state, area, pen);
        pen.vertical(area.right(), area.y, area.height);
    }
    if let Some(area) = areas.members {
        members::draw(state, area, pen);
        pen.vertical(area.x - 1, area.y, area.height);
    }
    timeline::header(state, &areas, pen);
    timeline::draw(state, areas.messages, pen);
    composer::draw(state, &areas, pen);
    status::draw(state, areas.status, pen);
    composer::popup(state, &areas, pen);
}

/// The only way into the buffer.
pub(crate) struct Pen<'a> {
    theme: &'a Theme,
    buffer: &'a mut Buffer,
    drawn: Drawn,
}

impl Pen<'_> {
    fn put(&mut self, at: Position, columns: u16, segment: &Segment, style: Style) -> u16 {
        if !self.buffer.area.contains(at) || columns == 0 {
            return at.x;
        }
        paint::put(segment, at, columns, self.buffer, style)
    }

    fn sign(&mut self, x: u16, y: u16, sign: &'static str, style: Style) {
        self.put(Position::new(x, y), 1, &Segment::fixed(sign, Look::default()), style);
    }

    /// Writes the client's own text; returns the column after it.
    pub(crate) fn fixed(&mut self, at: Position, columns: u16, text: &'static str, style: Style) -> u16 {
        self.put(at, columns, &Segment::fixed(text, Look::default()), style)
    }

    /// Writes a text, cut with an ellipsis where it does not fit.
    pub(crate) fn text(&mut self, at: Position, columns: u16, text: &SafeText, style: Style) -> u16 {
        let text = width::truncate(text, usize::from(columns));
        self.put(at, columns, &Segment::new(&text, Look::default()), style)
    }

    /// The same for a text that has not been cleaned yet.
    pub(crate) fn line(&mut self, at: Position, columns: u16, text: &str, style: Style) -> u16 {
        self.text(at, columns, &SafeText::line(text), style)
    }

    /// Writes a text so that it ends before this column.
    pub(crate) fn right(&mut self, end: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let text = width::truncate(&SafeText::line(text), usize::from(columns));
        let segment = Segment::new(&text, Look::default());
        let start = end.saturating_sub(segment.width().min(columns));
        self.put(Position::new(start, y), columns, &segment, style);
        start
    }

    /// Writes a segment in the look that it has.
    pub(crate) fn segment(&mut self, at: Position, columns: u16, segment: &Segment, base: Style) -> u16 {
        let style = look(self.theme, segment.look(), base);
        let end = self.put(at, columns, segment, style);
        if let Some(Reference::Link(url)) = segment.look().reference.as_deref() {
            self.drawn.links.push(LinkAt { at, width: end - at.x, url: url.clone() });
        }
        end
    }

    /// Writes rows below each other; returns the row after them.
    pub(crate) fn rows(&mut self, at: Position, rows: &[Row], base: Style) -> u16 {
        let mut y = at.y;
        for row in rows {
            let mut x = at.x;
            for segment in row.segments() {
                x = self.segment(Position::new(x, y), segment.width(), segment, base);
            }
            y += 1;
        }
        y
    }

    /// Gives an area a style, leaving what is written there.
    pub(crate) fn style(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    /// Empties an area; links that were there are gone.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.y..area.bottom() {
            for x in area.x..area.right() {
                if let Some(cell) = self.buffer.cell_mut(Position::new(x, y)) {
                    cell.reset();
                }
            }
            // Half of a wide letter at the left edge would push the row to the right.
            if let Some(before) = area.x.checked_sub(1) {
                let cell = self.buffer.cell_mut(Position::new(before, y));
                if let Some(cell) = cell.filter(|cell| width::width(cell.symbol()) > 1) {
                    cell.reset();
                }
            }
        }
        self.drawn.links.retain(|link| !area.intersects(Rect::new(link.at.x, link.at.y, link.width, 1)));
    }

    /// A line between panels.
    pub(crate) fn vertical(&mut self, x: u16, y: u16, height: u16) {
        for y in y..y + height {
            self.sign(x, y, "│", self.theme.border);
        }
    }

    /// A line across.
    pub(crate) fn horizontal(&mut self, x: u16, y: u16, columns: u16, style: Style) {
        for x in x..x + columns {
            self.sign(x, y, "─", style);
        }
    }

    /// A box with a title.
    pub(crate) fn frame(&mut self, area: Rect, title: &str) {
        self.clear(area);
        let (left, right) = (area.x, area.right().saturating_sub(1));
        let (top, bottom) = (area.y, area.bottom().saturating_sub(1));
        let style = self.theme.border;
        for (y, ends) in [(top, ["╭", "╮"]), (bottom, ["╰", "╯"])] {
            self.horizontal(left, y, area.width, style);
            self.sign(left, y, ends[0], style);
            self.sign(right, y, ends[1], style);
        }
        for y in top + 1..bottom {
            self.sign(left, y, "│", style);
            self.sign(right, y, "│", style);
        }
        if title.is_empty() {
            return;
        }
        let title = SafeText::line(&format!(" {title} "));
        self.text(Position::new(left + 2, top), area.width.saturating_sub(4), &title, self.theme.title);
    }

    /// Shows the cursor here.
    pub(crate) fn cursor(&mut self, at: Position) {
        self.drawn.cursor = Some(at);
    }
}

/// The style of a look on top of a base.
fn look(theme: &Theme, look: &Look, base: Style) -> Style {
    let mut style = base;
    if look.code {
        style = style.patch(theme.code);
    }
    if look.frame {
        style = style.patch(theme.dim);
    }
    match look.reference.as_deref() {
        Some(Reference::Link(_)) => style = style.patch(theme.link),
        Some(Reference::User(name)) => style = style.patch(theme.name(name.as_str())),
        Some(Reference::Group(_)) => style = style.patch(theme.key),
        None => {}
    }
    for (on, modifier) in
        [(look.bold, Modifier::BOLD), (look.italic, Modifier::ITALIC), (look.strike, Modifier::CROSSED_OUT)]
    {
        if on {
            style = style.add_modifier(modifier);
        }
    }
    style
}

/// A text in rows of so many columns; none for an empty one.
pub(crate) fn broken(text: &str, columns: u16) -> Vec<Row> {
    let line = |line| wrap::wrap_line(&[Span::plain(SafeText::line(line))], columns, 0);
    text.lines().flat_map(line).collect()
}

/// Rows and columns inside a border.
pub(crate) fn inside(area: Rect) -> Rect {
    Rect::new(area.x + 1, area.y + 1, area.width.saturating_sub(2), area.height.saturating_sub(2))
}
