//! The messages of the open conversation, and the line above them.

use super::{Pen, broken};
use crate::action::Action;
use crate::layout::Areas;
use crate::layout::message::{GUTTER, RowKind, Scene};
use crate::layout::timeline::Visible;
use crate::state::place::Place;
use crate::state::{Item, Scroll, State, name_of, rooms};
use crate::text::width;
use crate::text::wrap::Part;
use chat_shared::api::{Conversation, ConversationKind};
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

/// Where texts begin, from the left edge of the area.
pub(crate) fn text_column(scene: &Scene<'_>) -> u16 {
    if scene.columns.name == 0 { 2 } else { scene.columns.name + 3 }
}

/// Name, topic, members; in place of the last, where new messages begin above what is seen.
pub(super) fn header(state: &State, areas: &Areas, pen: &mut Pen<'_>) {
    let (theme, area) = (&state.theme, areas.header);
    let Some(conversation) = state.conversation() else { return };
    let (about, at_right) = beside_name(state, conversation);
    let (at_right, style) = if begins_above(state, areas.messages) {
        let key = state.config.keymap.key_of(Action::FirstUnread).unwrap_or_default();
        (format!("↑ new ({key})"), theme.mention)
    } else {
        (at_right, theme.dim)
    };
    let right = pen.right(area.right().saturating_sub(1), area.y, area.width / 2, &at_right, style);
    let left = Position::new(area.x + 1, area.y);
    let mut x = pen.line(left, right.saturating_sub(left.x + 1), &name_of(conversation), theme.title);
    if rooms::is_muted(conversation, state.now) {
        x = pen.fixed(Position::new(x + 1, area.y), right.saturating_sub(x + 2), "(muted)", theme.warn);
    }
    if !about.is_empty() && right > x + 3 {
        pen.line(Position::new(x + 2, area.y), right.saturating_sub(x + 3), &about, theme.dim);
    }
}

/// What a conversation is about, and what is told of who is in it.
fn beside_name(state: &State, conversation: &Conversation) -> (String, String) {
    let Some(peer) = conversation.peer.as_ref().filter(|_| conversation.kind == ConversationKind::Direct)
    else {
        let count = match conversation.member_count {
            1 => "1 member".to_owned(),
            count => format!("{count} members"),
        };
        return (conversation.topic.clone().unwrap_or_default(), count);
    };
    let name = peer.username.as_str();
    let called = if peer.display_name == name { String::new() } else { peer.display_name.clone() };
    if name == state.me {
        return (called, "notes to yourself".to_owned());
    }
    let online = if state.online.contains(name) { "● online" } else { "○ offline" };
    let status =
        if peer.status_text.is_empty() { String::new() } else { format!(" · {}", peer.status_text) };
    (called, format!("{online}{status}"))
}

/// The visible rows.
pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let Some(scene) = Scene::open(state, area.width) else { return empty(state, area, pen) };
    let visible = scene.visible(area.height);
    if visible.is_empty() {
        return empty(state, area, pen);
    }
    let first = area.bottom().saturating_sub(u16::try_from(visible.len()).unwrap_or(area.height));
    for (y, row) in (first..).zip(&visible) {
        self::row(state, &scene, row, Rect::new(area.x, y, area.width, 1), pen);
    }
    if let Scroll::At(..) = scene.place.scroll {
        let below = scene.conversation.unread;
        let newer = if below > 0 { format!("↓ {} new ", rooms::count(below)) } else { "↓ ".to_owned() };
        let key = state.config.keymap.key_of(Action::ScrollBottom).unwrap_or_default();
        let text = format!(" {newer}({key}) ");
        let style = if below > 0 { theme.mention } else { theme.dim };
        pen.right(
            area.right().saturating_sub(1),
            area.bottom() - 1,
            area.width / 2,
            &text,
            style.add_modifier(Modifier::REVERSED),
        );
    }
}

/// Is the line above what is new out of sight, above the view, and has it been there all the time?
fn begins_above(state: &State, messages: Rect) -> bool {
    let unseen = |place: &Place| place.divider.filter(|divider| place.seen_divider != Some(*divider));
    let Some(read) = state.place().and_then(unseen) else { return false };
    let Some(scene) = Scene::open(state, messages.width) else { return false };
    matches!(scene.visible(messages.height).first(), Some(Visible { item: Item::Message(first), .. }) if *first > read)
}

fn empty(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let text = match state.conversation() {
        None if state.rooms.is_empty() => {
            "No conversations yet. /join #GROUP, /create #GROUP or /msg @USER begins one."
        }
        None => "",
        Some(_) if super::status::is_offline(state) => "Nothing of this conversation is on this machine yet.",
        Some(_) => "loading…",
    };
    let rows = broken(text, area.width.saturating_sub(4));
    let used = u16::try_from(rows.len()).unwrap_or(area.height);
    let shown = rows.len().min(usize::from(area.height));
    let top = area.y + area.height.saturating_sub(used) / 2;
    pen.rows(Position::new(area.x + 2, top), &rows[..shown], state.theme.dim);
}

fn row(state: &State, scene: &Scene<'_>, visible: &Visible, area: Rect, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let row = &visible.row;
    let across = match row.kind {
        RowKind::Gap(_) => Some(theme.warn),
        RowKind::Day => Some(theme.dim),
        RowKind::Divider => Some(theme.divider),
        RowKind::Begin => Some(theme.dim),
        _ => None,
    };
    if let Some(style) = across {
        return self::across(row.kind, &row.row.text(), area, style, pen);
    }
    let base = match row.kind {
        RowKind::Quoted => theme.quote,
        RowKind::Notice | RowKind::Below | RowKind::Waiting => theme.dim,
        RowKind::Deleted => theme.dim.add_modifier(Modifier::ITALIC),
        RowKind::Failed => theme.bad,
        _ if row.row.part() == Part::Quote => theme.quote,
        _ => theme.text,
    };
    if let Some(name) = &row.name {
        let style = if row.kind == RowKind::Notice {
            theme.dim
        } else {
            theme.name(name.as_ref()).add_modifier(Modifier::BOLD)
        };
        if scene.columns.name > 0 {
            pen.right(area.x + scene.columns.name, area.y, scene.columns.name - 1, name.as_ref(), style);
        } else {
            let x = pen.text(Position::new(area.x, area.y), area.width.saturating_sub(7), name, style);
            if let Some(time) = &row.time {
                pen.line(Position::new(x + 1, area.y), 5, time, theme.dim);
            }
        }
    }
    let mut x = area.x;
    let gutter = if row.mentions_me { theme.mention } else { theme.border };
    if scene.columns.name > 0 {
        x += scene.columns.name;
        let bar = if row.mentions_me { " ┃ " } else { GUTTER };
        x = pen.fixed(Position::new(x, area.y), 3, bar, gutter);
    } else if row.kind != RowKind::Head {
        let bar = if row.mentions_me { "┃ " } else { "  " };
        x = pen.fixed(Position::new(x, area.y), 2, bar, gutter);
    }
    let end = (x + scene.columns.text).min(area.right());
    for segment in row.row.segments() {
        x = pen.segment(Position::new(x, area.y), end.saturating_sub(x), segment, base);
    }
    if let (Some(time), true) = (&row.time, scene.columns.time > 0) {
        pen.right(area.right().saturating_sub(1), area.y, 5, time, theme.dim);
    }
    if scene.place.selected == Some(visible.item) {
        pen.style(area, theme.selected);
        if scene.columns.name > 0 {
            pen.fixed(Position::new(area.x, area.y), 1, "▌", theme.key);
        }
    }
}

/// A line from edge to edge with a text in it.
fn across(kind: RowKind, text: &str, area: Rect, style: Style, pen: &mut Pen<'_>) {
    let wide = u16::try_from(width::width(text)).unwrap_or(area.width);
    if kind != RowKind::Begin {
        pen.horizontal(area.x, area.y, area.width, style);
    }
    let start = area.x + area.width.saturating_sub(wide + 2) / 2;
    let text = format!(" {text} ");
    pen.line(Position::new(start, area.y), area.width, &text, style);
}
