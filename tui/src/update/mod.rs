//! What an event does to the state, and what it wants done. No wait, no clock, no file, no socket: the
//! same state and the same events always give the same state and the same effects.

mod answers;
mod client;
mod commands;
mod complete;
mod compose;
mod form;
mod go;
mod keys;
mod lists;
mod mouse;
mod questions;
mod select;

use crate::client::{Call, Connection, Request};
use crate::effect::Effect;
use crate::event::{Event, Timed};
use crate::layout::message::{RowKind, Scene};
use crate::layout::{self};
use crate::state::{Errand, Item, Screen, Scroll, State, Tone};
use chat_shared::ConversationId;

/// Messages above the view that are looked at for a gap, so that older ones are there before they are needed.
const AHEAD: usize = 20;

pub(crate) use commands::flush;
pub(crate) use keys::contexts;

/// Changes the state; returns what is to be done.
pub fn update(state: &mut State, timed: Timed) -> Vec<Effect> {
    let Timed { now, event } = timed;
    state.now = now;
    let mut out = Vec::new();
    match event {
        Event::Key(key) => keys::key(state, key, &mut out),
        Event::Paste(text) => keys::paste(state, &text, &mut out),
        Event::Mouse(mouse) => mouse::mouse(state, mouse, &mut out),
        Event::Resize(columns, rows) => state.size = (columns, rows),
        Event::Focus(focused) => state.focused = focused,
        Event::Client(update) => client::update(state, update, &mut out),
        Event::LoggedIn(result) => form::logged_in(state, result, &mut out),
        Event::Edited(Ok(text)) => compose::edited(state, &text),
        Event::Edited(Err(reason)) => state.say(Tone::Bad, reason),
        Event::Opened(Ok(())) => {}
        Event::Opened(Err(reason)) => state.say(Tone::Bad, reason),
        Event::Tick => {}
    }
    settle(state, &mut out);
    out
}

/// What follows from a state, whatever led to it.
fn settle(state: &mut State, out: &mut Vec<Effect>) {
    if state.toast_until.is_some_and(|until| until <= state.now) {
        state.toast_until = None;
    }
    if matches!(state.screen, Screen::Form(_)) {
        return;
    }
    let now = state.now;
    let mut due = Vec::new();
    for (id, place) in &mut state.places {
        place.typing.retain(|(_, until)| *until > now);
        if place.save_at.is_some_and(|at| at <= now) {
            place.save_at = None;
            due.push((*id, place.draft()));
        }
    }
    due.sort_by_key(|(id, _)| *id);
    out.extend(due.into_iter().map(|(id, draft)| Effect::Client(Request::SaveDraft(id, draft))));
    if let Some(id) = state.current {
        keep_anchor(state);
        load(state, id, out);
        read(state, id, out);
        members(state, id, out);
    }
}

/// A view or a selection that stands on something that is gone is let go.
fn keep_anchor(state: &mut State) {
    let Some(place) = state.place_mut() else { return };
    let there = |item: Item| match item {
        Item::Message(seq) => place.timeline.message(seq).is_some(),
        Item::Pending(index) => place.timeline.is_waiting(index),
    };
    if let Scroll::At(item, _) = place.scroll
        && !there(item)
    {
        place.scroll = Scroll::Bottom;
    }
    if let Some(item) = place.selected
        && !there(item)
    {
        place.selected = place.timeline.last();
    }
}

/// Asks for what is visible, or about to be, and not held.
fn load(state: &mut State, id: ConversationId, out: &mut Vec<Effect>) {
    let areas = layout::areas(state);
    let Some(scene) = Scene::open(state, areas.messages.width) else { return };
    let visible = scene.visible(areas.messages.height);
    let place = scene.place;
    let in_view = state.focused && visible.iter().any(|row| row.row.kind == RowKind::Divider);
    let seen = place.divider.filter(|_| in_view);
    let mut want = None;
    if let Some(first) = visible.first() {
        let mut at = Some(first.item);
        for _ in 0..AHEAD {
            let Some(Item::Message(seq)) = at else { break };
            want = place.timeline.gap_before(seq);
            if want.is_some() {
                break;
            }
            at = place.timeline.above(Item::Message(seq));
        }
        want = visible
            .iter()
            .find_map(|row| if let RowKind::Gap(want) = row.row.kind { Some(want) } else { None })
            .or(want);
        let ends = place.timeline.last() == visible.last().map(|row| row.item);
        if ends && !place.timeline.reaches(scene.conversation.head_rev) && want.is_none() && is_online(state)
        {
            want = place.timeline.spans().last().map(|span| crate::client::Want::After(span.to));
        }
    }
    let quotes: Vec<_> = visible
        .iter()
        .filter(|row| row.row.kind == RowKind::Quoted)
        .filter_map(|row| match row.item {
            Item::Message(seq) => place.timeline.message(seq)?.reply_to,
            Item::Pending(index) => place.timeline.pending.get(index)?.reply_to,
        })
        .filter(|seq| place.timeline.known(*seq).is_none() && !place.asked_quotes.contains(seq))
        .collect();
    let asked = place.timeline.loading.is_some() || place.timeline.loaded == want;
    if seen.is_some() {
        state.place_of(id).seen_divider = seen;
    }
    if let Some(want) = want
        && !asked
    {
        state.place_of(id).timeline.loading = Some(want);
        out.push(Effect::Client(Request::Load(id, want)));
    }
    if is_online(state) {
        for seq in quotes {
            if state.place_of(id).asked_quotes.insert(seq) {
                out.push(state.errand(Call::Message(id, seq), Errand::Quoted));
            }
        }
    }
}

/// Is what comes in now seen at once?
fn is_reading(state: &State) -> bool {
    state.focused
        && state.overlays.is_empty()
        && matches!(state.screen, Screen::Chat)
        && state.place().is_some_and(|place| place.scroll == Scroll::Bottom && !place.hold_unread)
}

/// Looking is not reading: a message counts as read when the terminal has the focus and the view is at
/// the end.
fn read(state: &mut State, id: ConversationId, out: &mut Vec<Effect>) {
    if !is_reading(state) {
        return;
    }
    let Some(conversation) = state.rooms.get(id) else { return };
    let seen =
        state.places.get(&id).is_some_and(|place| place.timeline.reaches(conversation.last_seq.as_rev()));
    let unread = conversation.last_seq > conversation.read_seq && conversation.unread > 0;
    if !seen || !(unread || conversation.marked_unread) {
        return;
    }
    let last = conversation.last_seq;
    if let Some(conversation) = state.rooms.get_mut(id) {
        conversation.read_seq = conversation.read_seq.max(last);
        conversation.unread = 0;
        conversation.mentions = 0;
        conversation.marked_unread = false;
    }
    out.push(Effect::Client(Request::Read(id, last)));
}

/// Members are asked for when their panel is shown.
fn members(state: &mut State, id: ConversationId, out: &mut Vec<Effect>) {
    let shown = layout::areas(state).members.is_some();
    let asked = state.places.get(&id).is_some_and(|place| place.asked_members);
    if shown && !asked && is_online(state) {
        state.place_of(id).asked_members = true;
        out.push(state.errand(Call::Members(id), Errand::Members));
    }
}

fn is_online(state: &State) -> bool {
    matches!(state.connection, Connection::Online { .. } | Connection::CatchingUp)
}
