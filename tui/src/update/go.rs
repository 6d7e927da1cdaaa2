//! Going from one conversation to another, and over the messages of one.

use super::is_reading;
use crate::client::{Call, Request, Want};
use crate::effect::Effect;
use crate::layout::message::Scene;
use crate::layout::{self};
use crate::state::{Errand, Item, Scroll, State, Tone, name_of};
use chat_shared::api::{Message, MessageKind};
use chat_shared::{ConversationId, Seq};

/// Opens a conversation.
pub(super) fn open(state: &mut State, id: ConversationId, out: &mut Vec<Effect>) {
    let Some(conversation) = state.rooms.get(id) else { return };
    let name = name_of(conversation);
    let divider = (conversation.unread > 0).then_some(conversation.read_seq);
    state.overlays.clear();
    state.completion = None;
    state.wanted = None;
    if state.current == Some(id) {
        return;
    }
    leave(state, out);
    state.previous = state.current.or(state.previous);
    state.current = Some(id);
    state.note_opened(id);
    let place = state.place_of(id);
    place.divider = divider.or(place.divider.filter(|_| place.hold_unread));
    place.selected = None;
    out.push(Effect::Client(Request::Open(id)));
    out.push(Effect::Client(Request::SaveSetting("open".into(), name)));
}

/// The open conversation is left: its draft is kept at once, and what was new is no longer.
fn leave(state: &mut State, out: &mut Vec<Effect>) {
    let Some(id) = state.current else { return };
    let unread = state.rooms.get(id).is_some_and(|c| c.unread > 0);
    let Some(place) = state.place_mut() else { return };
    if place.save_at.take().is_some() {
        out.push(Effect::Client(Request::SaveDraft(id, place.draft())));
    }
    place.selected = None;
    if !unread {
        place.divider = None;
    }
    place.hold_unread = false;
}

/// The conversation so many places below (or above) in the list.
pub(super) fn step(state: &mut State, by: isize, out: &mut Vec<Effect>) {
    let count = state.rooms.len();
    let Some(last) = count.checked_sub(1) else { return };
    let next = match state.current.and_then(|id| state.rooms.place(id)) {
        Some(at) if by > 0 && at == last => 0,
        Some(0) if by < 0 => last,
        Some(at) => at.saturating_add_signed(by).min(last),
        None => 0,
    };
    if let Some(id) = state.rooms.at(next) {
        open(state, id, out);
    }
}

/// The conversation at this place, from 1.
pub(super) fn number(state: &mut State, number: usize, out: &mut Vec<Effect>) {
    match state.rooms.at(number - 1) {
        Some(id) => open(state, id, out),
        None => state.say(Tone::Info, format!("there is no conversation {number}.")),
    }
}

/// The one before this one.
pub(super) fn back(state: &mut State, out: &mut Vec<Effect>) {
    if let Some(id) = state.previous.filter(|id| state.rooms.get(*id).is_some()) {
        open(state, id, out);
    }
}

/// The next one that asks for attention.
pub(super) fn next_unread(state: &mut State, out: &mut Vec<Effect>) {
    match state.rooms.next_unread(state.current, state.now) {
        Some(id) => open(state, id, out),
        None => state.say(Tone::Info, "nothing is unread elsewhere."),
    }
}

/// `#group` or `@user`: opens it; somebody I have not talked to yet is asked for.
pub(super) fn to_name(state: &mut State, name: &str, out: &mut Vec<Effect>) {
    if let Some(id) = state.rooms.by_name(name) {
        return open(state, id, out);
    }
    match name.strip_prefix('@') {
        Some(user) => out.push(state.errand(Call::Direct(user.to_lowercase()), Errand::GoTo(None))),
        None => state.say(
            Tone::Bad,
            format!("you are not in {name}. If it is public: /join #{}", name.trim_start_matches('#')),
        ),
    }
}

/// Scrolls by rows.
pub(super) fn scroll(state: &mut State, up: i32) {
    let area = layout::areas(state).messages;
    let Some(scene) = Scene::open(state, area.width) else { return };
    let scroll = scene.scrolled(up, area.height);
    if let Some(place) = state.place_mut() {
        place.scroll = scroll;
    }
}

/// Scrolls by a page, a row of it staying.
pub(super) fn page(state: &mut State, up: bool) {
    let height = i32::from(layout::areas(state).messages.height.max(2) - 1);
    scroll(state, if up { height } else { -height });
}

/// To the newest message; what held it unread is over.
pub(super) fn bottom(state: &mut State, out: &mut Vec<Effect>) {
    let Some(id) = state.current else { return };
    if let Some(place) = state.place_mut() {
        place.scroll = Scroll::Bottom;
        place.selected = None;
        place.hold_unread = false;
    }
    let reaches = state.rooms.get(id).zip(state.places.get(&id)).is_some_and(|(conversation, place)| {
        place.timeline.is_empty() || place.timeline.reaches(conversation.last_seq.as_rev())
    });
    if !reaches {
        out.push(Effect::Client(Request::Open(id)));
    }
}

/// To the oldest message that is held without a gap; there, to the beginning.
pub(super) fn top(state: &mut State, out: &mut Vec<Effect>) {
    let Some(id) = state.current else { return };
    let Some(place) = state.place() else { return };
    let Some(first) = place.timeline.shown().next().map(|message| message.seq) else { return };
    let area = layout::areas(state).messages;
    let Some(scene) = Scene::open(state, area.width) else { return };
    let at_top = scene.visible(area.height).first().is_some_and(|row| row.item == Item::Message(first));
    let begins = place.timeline.begins();
    let scroll = scene.from_top(Item::Message(first), 0, area.height);
    let place = state.place_of(id);
    place.scroll = scroll;
    if at_top && !begins {
        let want = Want::Around(Seq::MIN);
        place.timeline.loading = Some(want);
        out.push(Effect::Client(Request::Load(id, want)));
    }
}

/// Brings a message into view and selects it; loads around it where it is not held.
pub(super) fn to_message(state: &mut State, seq: Seq, out: &mut Vec<Effect>) {
    let Some(id) = state.current else { return };
    let held = state.place().is_some_and(|place| place.timeline.message(seq).is_some());
    if held {
        show(state, Item::Message(seq));
    } else {
        state.say(Tone::Info, "loading that part of the history…");
        let place = state.place_of(id);
        place.jump = Some(seq);
        place.timeline.loading = Some(Want::Around(seq));
        out.push(Effect::Client(Request::Load(id, Want::Around(seq))));
    }
}

/// Selects an item and moves the view so that it is visible.
pub(super) fn show(state: &mut State, item: Item) {
    let area = layout::areas(state).messages;
    if let Some(place) = state.place_mut() {
        place.selected = Some(item);
    }
    let Some(scene) = Scene::open(state, area.width) else { return };
    let scroll = scene.showing(item, area.height);
    if let Some(place) = state.place_mut() {
        place.scroll = scroll;
    }
}

/// The first unread message: of what was new when the conversation was opened, or is now.
pub(super) fn first_unread(state: &mut State, out: &mut Vec<Effect>) {
    let Some(conversation) = state.conversation() else { return };
    let read = conversation.read_seq;
    let unread = conversation.unread > 0;
    let Some(place) = state.place() else { return };
    let after = place.divider.unwrap_or(read);
    let found = place.timeline.unread_after(after, &state.me).next().map(|message| message.seq);
    let held = place.timeline.spans().last().is_some_and(|span| span.from <= after);
    match found {
        Some(seq) if held => show(state, Item::Message(seq)),
        _ if unread => {
            let seq = Seq::new(after.get() + 1).unwrap_or(after);
            to_message(state, seq, out);
        }
        _ => state.say(Tone::Info, "nothing is unread here."),
    }
}

/// The mention of me above or below the view's place.
pub(super) fn mention(state: &mut State, up: bool) {
    let Some(place) = state.place() else { return };
    let at = match (place.selected, place.scroll) {
        (Some(Item::Message(seq)), _) | (None, Scroll::At(Item::Message(seq), _)) => Some(seq),
        _ => None,
    };
    let me = state.me.as_str();
    let is_mention = |message: &&Message| {
        message.kind == MessageKind::Text && message.mentions.iter().any(|name| name.as_str() == me)
    };
    let found = if up {
        place.timeline.shown().rev().filter(|m| at.is_none_or(|at| m.seq < at)).find(is_mention)
    } else {
        place.timeline.shown().filter(|m| at.is_some_and(|at| m.seq > at)).find(is_mention)
    };
    match found.map(|message| message.seq) {
        Some(seq) => show(state, Item::Message(seq)),
        None => state.say(Tone::Info, "no more mentions of you among the messages that are held here."),
    }
}

/// Marks the conversation unread: from a message, or as a whole.
pub(super) fn mark_unread(state: &mut State, from: Option<Seq>, out: &mut Vec<Effect>) {
    let Some(id) = state.current else { return };
    let Some(conversation) = state.rooms.get_mut(id) else { return };
    conversation.marked_unread = true;
    if let Some(place) = state.place_mut() {
        place.hold_unread = true;
        if let Some(seq) = from {
            place.divider = Seq::new(seq.get().saturating_sub(1)).ok();
        }
        place.selected = None;
    }
    state.say(Tone::Info, "marked unread.");
    out.push(Effect::Client(Request::MarkUnread(id, true)));
}

/// Something new came into the open conversation while nobody was reading: a line goes above it.
pub(super) fn arrived(state: &mut State, id: ConversationId, read: Seq) {
    if state.current == Some(id)
        && !is_reading(state)
        && let Some(place) = state.places.get_mut(&id)
        && place.divider.is_none_or(|divider| divider < read)
    {
        place.divider = Some(read);
    }
}
