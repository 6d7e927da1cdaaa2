//! The members of the open group.

use super::Pen;
use crate::state::State;
use chat_shared::api::Role;
use ratatui::layout::{Position, Rect};

/// Draws them.
pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let at = Position::new(area.x + 1, area.y);
    let columns = area.width.saturating_sub(1);
    let Some(members) = state.place().and_then(|place| place.members.as_ref()) else {
        pen.fixed(at, columns, "Members", theme.dim);
        return;
    };
    let is_online = |name: &str| state.online.contains(name);
    let online = members
        .iter()
        .filter(|m| m.user.online.unwrap_or(false) || is_online(m.user.username.as_str()))
        .count();
    pen.line(at, columns, &format!("Members {online}/{}", members.len()), theme.dim);
    let room = usize::from(area.height.saturating_sub(1));
    let cut = members.len() > room;
    let shown = if cut { room.saturating_sub(1) } else { room };
    for (y, member) in (area.y + 1..).zip(members.iter().take(shown)) {
        let name = member.user.username.as_str();
        let (dot, style) = if member.user.online.unwrap_or(false) || is_online(name) {
            ("●", theme.good)
        } else {
            ("○", theme.dim)
        };
        let x = pen.fixed(Position::new(area.x + 1, y), 1, dot, style);
        let x = pen.line(Position::new(x + 1, y), columns.saturating_sub(4), name, theme.name(name));
        let mark = match member.role {
            Role::Owner => "★",
            Role::Moderator => "☆",
            Role::Member => "",
        };
        pen.fixed(Position::new(x + 1, y), 1, mark, theme.warn);
    }
    if cut {
        let more = format!("and {} more", members.len() - shown);
        pen.line(Position::new(area.x + 1, area.bottom() - 1), columns, &more, theme.dim);
    }
}
