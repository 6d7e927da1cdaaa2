//! The mouse: the wheel scrolls, a click opens a conversation, selects a message, puts the cursor.

use super::{go, lists, select};
use crate::effect::Effect;
use crate::layout::message::Scene;
use crate::layout::{self, PROMPT, composer_width};
use crate::state::{Overlay, Screen, State};
use crate::text::Reference;
use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

/// Rows of one notch of the wheel.
const WHEEL: i32 = 3;

/// Something was done with it.
pub(super) fn mouse(state: &mut State, mouse: MouseEvent, out: &mut Vec<Effect>) {
    if matches!(state.screen, Screen::Form(_)) {
        return;
    }
    let at = Position::new(mouse.column, mouse.row);
    match (state.overlays.last_mut(), mouse.kind) {
        (Some(Overlay::List(list)), MouseEventKind::ScrollUp) => return list.step(-1),
        (Some(Overlay::List(list)), MouseEventKind::ScrollDown) => return list.step(1),
        (Some(Overlay::List(_)), MouseEventKind::Down(MouseButton::Left)) => {
            return click_list(state, at, out);
        }
        (Some(_), _) => return,
        (None, _) => {}
    }
    match mouse.kind {
        MouseEventKind::ScrollUp => go::scroll(state, WHEEL),
        MouseEventKind::ScrollDown => go::scroll(state, -WHEEL),
        MouseEventKind::Down(MouseButton::Left) => click(state, at, out),
        _ => {}
    }
}

fn row_of(area: Rect, at: Position) -> Option<usize> {
    area.contains(at).then(|| usize::from(at.y - area.y))
}

fn click(state: &mut State, at: Position, out: &mut Vec<Effect>) {
    let areas = layout::areas(state);
    if let Some(row) = areas.rooms.and_then(|area| row_of(area, at)) {
        let rows = crate::view::rooms::rows(state, usize::from(areas.rooms.map_or(0, |area| area.height)));
        if let Some(Some(id)) = rows.get(row).map(crate::view::rooms::RoomRow::conversation) {
            go::open(state, id, out);
        }
        return;
    }
    if let Some(row) = row_of(areas.messages, at) {
        return click_message(state, areas.messages, row, at.x - areas.messages.x, out);
    }
    if let Some(row) = row_of(areas.composer, at) {
        let column = (at.x - areas.composer.x).saturating_sub(PROMPT.len() as u16);
        let width = composer_width(areas.composer.width);
        let Some(place) = state.place_mut() else { return };
        place.selected = None;
        let first = layout::editor_offset(&place.editor, width, areas.composer.height);
        place.editor.point(width, first + row, column);
        return;
    }
    if let Some(row) = areas.members.and_then(|area| row_of(area, at)) {
        let member = row
            .checked_sub(1)
            .and_then(|row| Some(state.place()?.members.as_ref()?.get(row)?.user.username.to_string()));
        if let Some(name) = member.filter(|name| *name != state.me) {
            go::to_name(state, &format!("@{name}"), out);
        }
    }
}

fn click_message(state: &mut State, area: Rect, row: usize, column: u16, out: &mut Vec<Effect>) {
    let Some(scene) = Scene::open(state, area.width) else { return };
    let visible = scene.visible(area.height);
    let first = usize::from(area.height).saturating_sub(visible.len());
    let Some(hit) = row.checked_sub(first).and_then(|row| visible.get(row)) else { return };
    let start = crate::view::timeline::text_column(&scene);
    let mut x = start;
    let mut reference = None;
    for segment in hit.row.row.segments() {
        if (x..x + segment.width()).contains(&column) {
            reference = segment.look().reference.clone();
        }
        x += segment.width();
    }
    let again = scene.place.selected == Some(hit.item);
    let item = hit.item;
    match reference.as_deref() {
        Some(Reference::Link(url)) => select::ask_open(state, url.as_str()),
        Some(Reference::Group(name)) if state.rooms.by_name(&format!("#{name}")).is_some() => {
            go::to_name(state, &format!("#{name}"), out);
        }
        _ if again => {
            if let Some(place) = state.place_mut() {
                place.selected = None;
            }
        }
        _ => go::show(state, item),
    }
}

fn click_list(state: &mut State, at: Position, out: &mut Vec<Effect>) {
    let size = state.size;
    let Some(Overlay::List(list)) = state.overlays.last_mut() else { return };
    let (outer, rows) = crate::view::overlay::list_areas(list, size);
    if !outer.contains(at) {
        state.overlays.pop();
        return;
    }
    let Some(row) = row_of(rows, at) else { return };
    let index = crate::view::overlay::list_offset(list, rows.height) + row;
    if index < list.matching.len() {
        let again = list.chosen == index;
        list.chosen = index;
        list.step(0);
        if again {
            lists::take(state, out);
        }
    }
}
