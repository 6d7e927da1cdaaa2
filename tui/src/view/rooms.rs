//! The list of conversations.

use super::Pen;
use crate::state::State;
use crate::state::rooms::{Urgency, count, is_muted, name_of, urgency};
use chat_shared::ConversationId;
use chat_shared::api::ConversationKind;
use ratatui::layout::{Position, Rect};

/// A row of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoomRow {
    /// What kind follows.
    Heading(&'static str),
    /// A conversation with its place in the list, from 1.
    Room(ConversationId, usize),
    /// Nothing.
    Blank,
    /// So many that ask for attention are above.
    Above(usize),
    /// So many are below.
    Below(usize),
}

impl RoomRow {
    /// The conversation that it stands for.
    pub(crate) fn conversation(&self) -> Option<ConversationId> {
        match self {
            Self::Room(id, _) => Some(*id),
            _ => None,
        }
    }
}

/// The rows for a list of this height: the open conversation is among them.
pub(crate) fn rows(state: &State, height: usize) -> Vec<RoomRow> {
    let mut all = Vec::new();
    let mut people = false;
    for (index, conversation) in state.rooms.iter().enumerate() {
        if conversation.kind == ConversationKind::Direct && !people {
            people = true;
            if !all.is_empty() {
                all.push(RoomRow::Blank);
            }
            all.push(RoomRow::Heading("People"));
        } else if index == 0 {
            all.push(RoomRow::Heading("Groups"));
        }
        all.push(RoomRow::Room(conversation.id, index + 1));
    }
    if all.len() <= height || height < 3 {
        all.truncate(height);
        return all;
    }
    let current = all
        .iter()
        .position(|row| row.conversation() == state.current && state.current.is_some())
        .unwrap_or(0);
    let first = current.saturating_sub(height / 2).min(all.len() - height);
    let unread = |rows: &[RoomRow]| {
        let loud = |row: &&RoomRow| {
            let conversation = row.conversation().and_then(|id| state.rooms.get(id));
            conversation.is_some_and(|conversation| urgency(conversation, state.now) > Urgency::Quiet)
        };
        rows.iter().filter(loud).count()
    };
    let mut shown = all[first..first + height].to_vec();
    let above = unread(&all[..=first]);
    if above > 0
        && first > 0
        && let Some(row) = shown.first_mut()
    {
        *row = RoomRow::Above(above);
    }
    let below = unread(&all[first + height - 1..]);
    if below > 0
        && first + height < all.len()
        && let Some(row) = shown.last_mut()
    {
        *row = RoomRow::Below(below);
    }
    shown
}

/// Draws the list.
pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    for (y, row) in (area.y..).zip(rows(state, usize::from(area.height))) {
        let at = Position::new(area.x + 1, y);
        let columns = area.width.saturating_sub(1);
        match row {
            RoomRow::Heading(text) => {
                pen.fixed(at, columns, text, theme.dim);
            }
            RoomRow::Blank => {}
            RoomRow::Above(count) => {
                pen.line(at, columns, &format!("↑ {count} unread above"), theme.mention);
            }
            RoomRow::Below(count) => {
                pen.line(at, columns, &format!("↓ {count} unread below"), theme.mention);
            }
            RoomRow::Room(id, number) => room(state, id, number, Rect::new(area.x, y, area.width, 1), pen),
        }
    }
}

fn room(state: &State, id: ConversationId, number: usize, area: Rect, pen: &mut Pen<'_>) {
    let theme = &state.theme;
    let Some(conversation) = state.rooms.get(id) else { return };
    let urgency = urgency(conversation, state.now);
    let style = match urgency {
        Urgency::Mention => theme.mention,
        Urgency::Group | Urgency::Person => theme.unread,
        Urgency::Quiet if is_muted(conversation, state.now) => theme.dim,
        Urgency::Quiet => theme.text,
    };
    let draft =
        state.places.get(&id).is_some_and(|place| !place.editor.is_empty()) && state.current != Some(id);
    let failed =
        state.places.get(&id).is_some_and(|place| place.timeline.pending.iter().any(|p| p.failed.is_some()));
    let badge = if conversation.mentions > 0 {
        format!("@{}", count(conversation.mentions))
    } else if conversation.unread > 0 {
        count(conversation.unread)
    } else if conversation.marked_unread {
        "•".to_owned()
    } else {
        String::new()
    };
    let mut right = area.right() - 1;
    if !badge.is_empty() {
        right = pen.right(right, area.y, 5, &badge, style).saturating_sub(1);
    }
    if failed {
        right = pen.right(right, area.y, 1, "✗", theme.bad).saturating_sub(1);
    } else if draft {
        right = pen.right(right, area.y, 1, "✎", theme.dim).saturating_sub(1);
    }
    let mut x = area.x;
    x = match &conversation.peer {
        Some(peer) if state.online.contains(peer.username.as_str()) => {
            pen.fixed(Position::new(x + 1, area.y), 1, "●", theme.good) + 1
        }
        Some(_) => pen.fixed(Position::new(x + 1, area.y), 1, "○", theme.dim) + 1,
        None => {
            if number <= 9 {
                pen.line(Position::new(x + 1, area.y), 1, &number.to_string(), theme.dim);
            }
            x += 3;
            x
        }
    };
    pen.line(Position::new(x, area.y), right.saturating_sub(x), &name_of(conversation), style);
    if state.current == Some(id) {
        pen.style(area, theme.chosen);
    }
}
