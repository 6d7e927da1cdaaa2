//! What lies over the screen: lists, questions, and the keys that may follow.

use super::{Pen, broken, composer, inside};
use crate::state::{Confirm, List, Overlay, Question, State};
use crate::text::width;
use chat_shared::display::SafeText;
use ratatui::layout::{Position, Rect};

/// Columns of a list at the most.
const LIST_WIDTH: u16 = 76;
/// Rows of a list at the most.
const LIST_HEIGHT: u16 = 24;

/// Columns of a question at the most.
const CONFIRM_WIDTH: u16 = 70;

fn centered(size: (u16, u16), width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(size.0), height.min(size.1));
    Rect::new((size.0 - width) / 2, (size.1 - height) / 3, width, height)
}

/// Columns of a list's rows on a screen of this width.
pub(crate) fn list_columns(columns: u16) -> u16 {
    LIST_WIDTH.min(columns.saturating_sub(2)).saturating_sub(4)
}

/// The whole of a list, and its rows.
pub(crate) fn list_areas(list: &List, size: (u16, u16)) -> (Rect, Rect) {
    let query = if list.query.is_some() { 2 } else { 0 };
    let rows = u16::try_from(list.rows.len()).unwrap_or(u16::MAX).max(1);
    let height = rows.saturating_add(2 + query).min(LIST_HEIGHT).min(size.1.saturating_sub(1));
    let outer = centered(size, LIST_WIDTH.min(size.0.saturating_sub(2)), height);
    let inner = inside(outer);
    let rows = Rect::new(
        inner.x + 1,
        inner.y + query,
        inner.width.saturating_sub(2),
        inner.height.saturating_sub(query),
    );
    (outer, rows)
}

/// The first visible row of a list.
pub(crate) fn list_offset(list: &List, height: u16) -> usize {
    let height = usize::from(height.max(1));
    // The heading above the first row is shown with it.
    if list.chosen < height.saturating_sub(1) {
        0
    } else {
        (list.chosen + 2).saturating_sub(height).min(list.matching.len().saturating_sub(height))
    }
}

/// Draws a layer.
pub(super) fn draw(state: &State, overlay: &Overlay, top: bool, pen: &mut Pen<'_>) {
    match overlay {
        Overlay::List(list) => self::list(state, list, top, pen),
        Overlay::Confirm(confirm) => self::confirm(state, confirm, pen),
        Overlay::Question(question) => self::question(state, question, pen),
    }
}

fn list(state: &State, list: &List, top: bool, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let (outer, rows) = list_areas(list, state.size);
    pen.frame(outer, &list.title);
    if let Some(query) = &list.query {
        let inner = inside(outer);
        let line = Rect::new(inner.x + 3, inner.y, inner.width.saturating_sub(4), 1);
        pen.fixed(Position::new(inner.x + 1, inner.y), 2, "> ", theme.key);
        composer::one_line(query, line, theme.text, top, pen);
        pen.horizontal(inner.x, inner.y + 1, inner.width, theme.border);
    }
    if list.matching.is_empty() {
        let text = if list.loading { "loading…" } else { "nothing matches" };
        pen.fixed(Position::new(rows.x, rows.y), rows.width, text, theme.dim);
    }
    let first = list_offset(list, rows.height);
    for (y, (index, row)) in (rows.y..rows.bottom()).zip(list.matching.iter().enumerate().skip(first)) {
        let Some(row) = list.rows.get(*row) else { continue };
        if row.heading {
            pen.line(Position::new(rows.x, y), rows.width, &row.label, theme.dim);
            continue;
        }
        let detail = SafeText::line(&row.detail);
        let wide = u16::try_from(width::width(detail.as_ref())).unwrap_or(u16::MAX).min(rows.width / 2);
        let label = rows.width.saturating_sub(if wide > 0 { wide + 2 } else { 0 });
        pen.line(Position::new(rows.x, y), label, &row.label, theme.text);
        pen.right(rows.right(), y, wide, detail.as_ref(), theme.key);
        if index == list.chosen {
            pen.style(Rect::new(rows.x.saturating_sub(1), y, rows.width + 2, 1), theme.chosen);
        }
    }
    let place = format!(" {}/{} ", (list.chosen + 1).min(list.matching.len()), list.matching.len());
    pen.right(outer.right() - 2, outer.bottom() - 1, outer.width / 3, &place, theme.dim);
    if !list.hint.is_empty() {
        let hint = format!(" {} ", list.hint);
        pen.line(
            Position::new(outer.x + 2, outer.bottom() - 1),
            outer.width.saturating_sub(16),
            &hint,
            theme.dim,
        );
    }
}

/// Answers beside each other, in as many lines as they need: none is torn.
fn joined(answers: &[String], columns: usize) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for answer in answers {
        let wide = width::width(answer);
        if used > 0 {
            let fits = used + 3 + wide <= columns;
            text.push_str(if fits { " · " } else { "\n" });
            used = if fits { used + 3 } else { 0 };
        }
        text.push_str(answer);
        used += wide;
    }
    text
}

fn confirm(state: &State, confirm: &Confirm, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let answers: Vec<String> = confirm.answers.iter().map(|(key, word, _)| format!("{key} {word}")).collect();
    let answers = joined(&answers, usize::from(CONFIRM_WIDTH.min(state.size.0).saturating_sub(4)));
    let wide = [confirm.question.as_str(), &confirm.detail, &answers]
        .iter()
        .flat_map(|text| text.lines())
        .map(width::width)
        .max()
        .unwrap_or(0);
    let columns = u16::try_from(wide + 6).unwrap_or(u16::MAX).clamp(20, CONFIRM_WIDTH).min(state.size.0);
    let inner = columns.saturating_sub(4);
    let (question, detail) = (broken(&confirm.question, inner), broken(&confirm.detail, inner));
    let answers = broken(&answers, inner);
    // Everything but the detail, with the border and the row that is left empty.
    let fixed = question.len() + answers.len() + 3;
    let shown = detail.len().min(usize::from(state.size.1).saturating_sub(fixed));
    let area = centered(state.size, columns, u16::try_from(fixed + shown).unwrap_or(u16::MAX));
    pen.frame(area, "");
    let inner = inside(area);
    let (x, mut y) = (inner.x + 1, inner.y);
    y = pen.rows(Position::new(x, y), &question, theme.title);
    y = pen.rows(Position::new(x, y), &detail[..shown], theme.dim);
    if shown < detail.len() {
        pen.fixed(Position::new(inner.right().saturating_sub(1), y.saturating_sub(1)), 1, "…", theme.warn);
    }
    pen.rows(Position::new(x, y + 1), &answers, theme.key);
}

fn question(state: &State, question: &Question, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let area = centered(state.size, 60.min(state.size.0), 3);
    pen.frame(area, &question.title);
    let inner = inside(area);
    let line = Rect::new(inner.x + 1, inner.y, inner.width.saturating_sub(2), 1);
    if question.secret {
        let dots = "•".repeat(question.editor.text().chars().count());
        let x = pen.line(Position::new(line.x, line.y), line.width, &dots, theme.text);
        pen.cursor(Position::new(x.min(line.right().saturating_sub(1)), line.y));
    } else {
        composer::one_line(&question.editor, line, theme.text, true, pen);
    }
}

/// The keys that may follow the ones that were pressed.
pub(super) fn keys(state: &State, pen: &mut Pen<'_>) {
    if state.keys.is_empty() {
        return;
    }
    let theme = &state.theme;
    let rows = state.config.keymap.after(crate::update::contexts(state), &state.keys);
    let pressed: Vec<String> = state.keys.iter().map(ToString::to_string).collect();
    let height = u16::try_from(rows.len()).unwrap_or(0) + 2;
    let area =
        Rect::new(0, state.size.1.saturating_sub(height + 1), state.size.0.min(40), height.min(state.size.1));
    pen.frame(area, &format!("{} …", pressed.join(" ")));
    let inner = inside(area);
    for (y, (keys, action)) in (inner.y..inner.bottom()).zip(rows) {
        let x = pen.line(
            Position::new(inner.x + 1, y),
            inner.width.saturating_sub(1),
            &keys.to_string(),
            theme.key,
        );
        pen.fixed(Position::new(x + 2, y), inner.right().saturating_sub(x + 2), action.short(), theme.text);
    }
}
