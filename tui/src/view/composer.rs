//! The line, what stands above it, and the popup of completions.

use super::Pen;
use crate::action::Action;
use crate::editor::Editor;
use crate::layout::{self, Areas, PROMPT, composer_width};
use crate::state::State;
use crate::state::completion::SHOWN_MAX;
use crate::text::width;
use ratatui::layout::{Position, Rect};

/// Draws the line above and the text.
pub(super) fn draw(state: &State, areas: &Areas, pen: &mut Pen<'_>) {
    context(state, areas.context, pen);
    let Some(place) = state.place() else { return };
    let theme = &state.theme;
    let area = areas.composer;
    let inner = Rect::new(area.x + 2, area.y, composer_width(area.width), area.height);
    pen.fixed(Position::new(area.x, area.y), 2, PROMPT, theme.key);
    let with_cursor = state.overlays.is_empty() && place.selected.is_none();
    text(&place.editor, inner, theme.text, with_cursor, pen);
    if place.editor.is_empty() && place.selected.is_none() && !with_cursor {
        return;
    }
    if place.editor.is_empty() && place.editing.is_none() {
        let hint = if place.selected.is_some() { "" } else { "Write a message, or / for commands" };
        pen.fixed(Position::new(inner.x + 1, inner.y), inner.width.saturating_sub(1), hint, theme.dim);
    }
}

/// Draws an editor's text into an area, with the row of the cursor among what is visible.
pub(super) fn text(
    editor: &Editor,
    area: Rect,
    style: ratatui::style::Style,
    with_cursor: bool,
    pen: &mut Pen<'_>,
) {
    let first = layout::editor_offset(editor, area.width, area.height);
    let rows = editor.rows(area.width);
    for (y, row) in (area.y..area.bottom()).zip(rows.iter().skip(first)) {
        pen.segment(Position::new(area.x, y), area.width, row.shown(), style);
    }
    if with_cursor {
        let (row, column) = editor.cursor_position(area.width);
        let y = area.y + u16::try_from(row - first.min(row)).unwrap_or(0);
        pen.cursor(Position::new(area.x + column, y.min(area.bottom().saturating_sub(1))));
    }
}

/// Draws a text of one line: of a long one the end before the cursor, or its beginning where there is none.
pub(super) fn one_line(
    editor: &Editor,
    area: Rect,
    style: ratatui::style::Style,
    with_cursor: bool,
    pen: &mut Pen<'_>,
) {
    let at = Position::new(area.x, area.y);
    if !with_cursor {
        pen.line(at, area.width, editor.text(), style);
        return;
    }
    let (before, after) = editor.text().split_at_checked(editor.cursor()).unwrap_or((editor.text(), ""));
    // The cursor has a column of its own.
    let room = usize::from(area.width.saturating_sub(1));
    let hidden = width::width(before).saturating_sub(room);
    let mut passed = 0;
    let cut = width::clusters(before).find(|cluster| {
        passed += width::width(cluster.shown());
        passed >= hidden
    });
    let start = if hidden == 0 { 0 } else { cut.map_or(before.len(), |cluster| cluster.end()) };
    let seen = before.get(start..).unwrap_or_default();
    pen.line(at, area.width, &format!("{seen}{after}"), style);
    let column = u16::try_from(width::width(seen)).unwrap_or(area.width);
    pen.cursor(Position::new((area.x + column).min(area.right().saturating_sub(1)), area.y));
}

/// What is answered or edited, who is writing, or just a line.
fn context(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    if area.height == 0 {
        return;
    }
    pen.horizontal(area.x, area.y, area.width, theme.border);
    let Some(place) = state.place() else { return };
    let esc = "Esc gives it up";
    let text = if let Some(seq) = place.editing {
        let waits = if place.timeline.known(seq).is_none() { " (not loaded)" } else { "" };
        Some((format!(" ✎ editing your message{waits} · {esc} "), theme.warn))
    } else if let Some(seq) = place.reply_to {
        let quoted = place.timeline.known(seq);
        let name = quoted.map_or("a message".to_owned(), |message| message.sender.username.to_string());
        let line = quoted.and_then(|message| message.body.lines().next()).unwrap_or_default();
        let short = width::truncate(&chat_shared::display::SafeText::line(line), 40);
        Some((format!(" ↪ replying to {name}: {short} · {esc} "), theme.key))
    } else if let Some((at, _)) = &place.recalled {
        Some((format!(" earlier input {} of {} ", at + 1, place.entered.len()), theme.dim))
    } else if let Some(item) = place.selected {
        let keys = [
            Action::Reply,
            Action::React,
            Action::EditMessage,
            Action::DeleteMessage,
            Action::CopyText,
            Action::Verbs,
            Action::Cancel,
        ];
        let hints: Vec<String> = keys
            .iter()
            .filter(|action| state.offers(item, **action))
            .filter_map(|action| Some(format!("{} {}", state.config.keymap.key_of(*action)?, action.short())))
            .collect();
        Some((format!(" {} ", hints.join(" · ")), theme.key))
    } else {
        None
    };
    if let Some((text, style)) = text {
        pen.line(Position::new(area.x + 1, area.y), area.width.saturating_sub(2), &text, style);
    }
}

/// The possibilities above the line.
pub(super) fn popup(state: &State, areas: &Areas, pen: &mut Pen<'_>) {
    let Some(completion) = state.completion.as_ref().filter(|_| state.overlays.is_empty()) else { return };
    let theme = &state.theme;
    let count = completion.candidates.len();
    let above = usize::from(areas.context.y);
    let shown = count.min(SHOWN_MAX).min(above.saturating_sub(1));
    if shown == 0 {
        return;
    }
    let chosen = completion.chosen.unwrap_or(0);
    let first = chosen.saturating_sub(shown - 1).min(count - shown);
    let width = areas.composer.width.min(64);
    let height = u16::try_from(shown).unwrap_or(0);
    let area = Rect::new(areas.composer.x, areas.context.y - height, width, height);
    pen.clear(area);
    pen.style(area, theme.status);
    for (y, (index, candidate)) in
        (area.y..).zip(completion.candidates.iter().enumerate().skip(first).take(shown))
    {
        let x =
            pen.line(Position::new(area.x + 1, y), width.saturating_sub(2), &candidate.label, theme.status);
        let rest = area.right().saturating_sub(x + 3);
        if !candidate.detail.is_empty() && rest > 8 {
            pen.line(Position::new(x + 2, y), rest, &candidate.detail, theme.status.patch(theme.dim));
        }
        if completion.chosen == Some(index) {
            pen.style(Rect::new(area.x, y, width, 1), theme.chosen);
        }
    }
}
