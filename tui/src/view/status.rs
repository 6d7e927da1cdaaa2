//! The status line: the connection, who writes, what is unread elsewhere, and what keys there are.

use super::Pen;
use crate::action::Action;
use crate::client::Connection;
use crate::state::{State, Tone, rooms};
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

/// Is there no connection?
pub(super) fn is_offline(state: &State) -> bool {
    matches!(state.connection, Connection::Waiting { .. } | Connection::Stopped { .. })
}

fn connection(state: &State) -> (String, Style) {
    let theme = &state.theme;
    match &state.connection {
        Connection::Online { .. } => ("● online".into(), theme.good),
        Connection::CatchingUp => ("◐ catching up".into(), theme.warn),
        Connection::Connecting => ("◌ connecting".into(), theme.warn),
        Connection::Waiting { .. } => {
            let left = state.retry_at.map_or(0, |at| (at - state.now).max(0));
            let seconds = (left + 999) / 1_000;
            (
                if seconds > 0 {
                    format!("○ offline, again in {seconds} s")
                } else {
                    "◌ connecting".into()
                },
                theme.bad,
            )
        }
        Connection::Stopped { .. } => ("✗ stopped".into(), theme.bad),
    }
}

fn typing(state: &State) -> Option<String> {
    let names: Vec<&str> = state.place()?.writers(state.now).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("{one} is writing…")),
        [one, two] => Some(format!("{one} and {two} are writing…")),
        many => Some(format!("{} people are writing…", many.len())),
    }
}

/// Draws it.
pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    if area.height == 0 {
        return;
    }
    let theme = &state.theme;
    pen.style(area, theme.status);
    let base = theme.status;
    let (text, style) = connection(state);
    let mut x =
        pen.line(Position::new(area.x + 1, area.y), area.width.saturating_sub(2), &text, base.patch(style));
    let end = area.right().saturating_sub(1);
    let mut add = |pen: &mut Pen<'_>, text: &str, style: Style| {
        let left = end.saturating_sub(x + 3);
        if left > 4 {
            x = pen.fixed(Position::new(x, area.y), 3, " │ ", base.patch(theme.border));
            x = pen.line(Position::new(x, area.y), left, text, base.patch(style));
        }
    };
    if let Some(note) = state.toast() {
        let style = if note.tone == Tone::Bad { theme.bad } else { theme.title };
        add(pen, &note.text, style);
        return;
    }
    if !state.kept {
        add(pen, "not kept", theme.warn);
    }
    let (unread, mentions) = state.rooms.unread_elsewhere(state.current, state.now);
    if mentions > 0 {
        add(
            pen,
            &format!("{} unread, {} name you", rooms::count(unread), rooms::count(mentions)),
            theme.mention,
        );
    } else if unread > 0 {
        add(pen, &format!("{} unread elsewhere", rooms::count(unread)), theme.unread);
    }
    if let Some(text) = typing(state) {
        add(pen, &text, theme.text);
    }
    hints(state, Rect::new(x, area.y, end.saturating_sub(x), 1), pen);
}

/// As many keys as there is room for, from the right.
fn hints(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let wanted = [Action::Help, Action::Switcher, Action::NextUnread, Action::Palette, Action::Quit];
    let mut texts: Vec<String> = wanted
        .iter()
        .filter_map(|action| Some(format!("{} {}", state.config.keymap.key_of(*action)?, action.short())))
        .collect();
    let columns = |texts: &[String]| texts.iter().map(|text| text.chars().count() + 3).sum::<usize>();
    while columns(&texts) > usize::from(area.width) && !texts.is_empty() {
        texts.pop();
    }
    if !texts.is_empty() {
        pen.right(area.right(), area.y, area.width, &texts.join(" · "), theme.status.patch(theme.key));
    }
}
