//! The line: editing it, sending it, earlier inputs, replies and edits in progress.

use super::{commands, complete, go, lists};
use crate::action::Action;
use crate::client::{Draft, Request};
use crate::command::{self, Line};
use crate::editor::Edit;
use crate::effect::Effect;
use crate::layout::{self, composer_width};
use crate::state::{Item, Scroll, State, Tone};
use chat_shared::Seq;
use chat_shared::api::{Message, MessageKind};
use chat_shared::text::MessageBody;

/// A draft is kept this long after the last key: not at each one, but soon.
const SAVE_MS: i64 = 700;
/// Others are told at most so often that somebody is writing.
const TYPING_MS: i64 = 3_000;

/// Changes the text.
pub(super) fn edit(state: &mut State, edit: Edit, out: &mut Vec<Effect>) {
    let (now, typing) = (state.now, state.config.typing);
    let Some(id) = state.current else { return };
    let Some(place) = state.place_mut() else { return };
    let before = place.editor.text().len();
    if place.editor.apply(edit) {
        place.save_at = Some(now + SAVE_MS);
        let grows = place.editor.text().len() > before;
        let is_text = !place.editor.text().starts_with('/') && place.editing.is_none();
        if typing && grows && is_text && now - place.told_typing >= TYPING_MS {
            place.told_typing = now;
            out.push(Effect::Client(Request::Typing(id)));
        }
        if let Some((_, before)) = &mut place.recalled
            && grows
        {
            // What was recalled and changed is a text of its own.
            before.clear();
            place.recalled = None;
        }
    }
    complete::refresh(state, out);
}

fn width(state: &State) -> u16 {
    composer_width(layout::areas(state).composer.width)
}

/// Runs an action of the line.
pub(super) fn run(state: &mut State, action: Action, out: &mut Vec<Effect>) {
    if state.current.is_none() {
        // Without any conversation the line still takes commands.
        return;
    }
    let is_empty = state.place().is_none_or(|place| place.editor.is_empty());
    match action {
        Action::Send => send(state, out),
        Action::Up => up(state, out),
        Action::Down => down(state, out),
        Action::Complete | Action::CompletePrevious => complete::begin(state, out),
        Action::HistorySearch => lists::history(state),
        Action::EditExternally => {
            let text = state.place().map(|place| place.editor.text().to_owned()).unwrap_or_default();
            out.push(Effect::EditExternally(text));
        }
        Action::KillToEnd if is_empty => lists::switcher(state, out),
        _ => {
            if let Some(one) = action.edit() {
                edit(state, one, out);
            }
        }
    }
}

fn up(state: &mut State, out: &mut Vec<Effect>) {
    let width = width(state);
    let Some(place) = state.place_mut() else { return };
    if place.editor.is_empty() && place.recalled.is_none() && place.editing.is_none() {
        if let Some(seq) = last_of_mine(state) {
            begin_edit(state, seq);
            return;
        }
    } else if place.editor.cursor_position(width).0 > 0 {
        return edit(state, Edit::Up(width), out);
    }
    earlier(state);
}

fn down(state: &mut State, out: &mut Vec<Effect>) {
    let width = width(state);
    let Some(place) = state.place_mut() else { return };
    let last = place.editor.rows(width).len().saturating_sub(1);
    if place.editor.cursor_position(width).0 < last {
        return edit(state, Edit::Down(width), out);
    }
    let Some((at, before)) = place.recalled.take() else { return };
    match place.entered.get(at + 1) {
        Some(line) => {
            place.editor.set_text(line);
            place.recalled = Some((at + 1, before));
        }
        None => place.editor.set_text(&before),
    }
}

fn earlier(state: &mut State) {
    let Some(place) = state.place_mut() else { return };
    if place.editing.is_some() {
        return;
    }
    let (at, before) = match place.recalled.take() {
        Some((at, before)) => (at.checked_sub(1), before),
        None => (place.entered.len().checked_sub(1), place.editor.text().to_owned()),
    };
    let Some(at) = at else {
        place.recalled = (!place.entered.is_empty() && place.editor.text() != before).then_some((0, before));
        return;
    };
    if let Some(line) = place.entered.get(at) {
        place.editor.set_text(line);
    }
    place.recalled = Some((at, before));
}

/// Back to what was written before.
pub(super) fn leave_history(state: &mut State) {
    let Some(place) = state.place_mut() else { return };
    if let Some((_, before)) = place.recalled.take() {
        place.editor.set_text(&before);
    }
}

fn last_of_mine(state: &State) -> Option<Seq> {
    let me = state.me.as_str();
    let mine = |m: &&Message| {
        m.kind == MessageKind::Text && m.deleted_at.is_none() && m.sender.username.as_str() == me
    };
    state.place()?.timeline.shown().rev().find(mine).map(|message| message.seq)
}

/// Begins to edit a message of mine; what was being written is put aside.
pub(super) fn begin_edit(state: &mut State, seq: Seq) {
    let me = state.me.clone();
    let Some(place) = state.place_mut() else { return };
    let Some(message) = place.timeline.message(seq) else { return };
    if message.sender.username.as_str() != me || message.kind != MessageKind::Text {
        return state.say(Tone::Bad, "only your own messages can be edited.");
    }
    if message.deleted_at.is_some() {
        return state.say(Tone::Bad, "a deleted message cannot be edited.");
    }
    let body = message.body.clone();
    if place.editing.is_none() {
        place.stash = Some(place.draft()).filter(|draft| !draft.text.is_empty() || draft.reply_to.is_some());
    }
    place.selected = None;
    place.reply_to = None;
    place.editing = Some(seq);
    place.recalled = None;
    place.editor.set_text(&body);
}

/// Begins to reply.
pub(super) fn begin_reply(state: &mut State, seq: Seq) {
    let Some(place) = state.place_mut() else { return };
    place.selected = None;
    if place.editing.take().is_some() {
        restore(place);
    }
    place.reply_to = Some(seq);
}

fn restore(place: &mut crate::state::Place) {
    let draft = place.stash.take().unwrap_or_default();
    place.take_up(draft);
}

/// The reply or edit in progress is given up; what was put aside comes back.
pub(super) fn cancel(state: &mut State, out: &mut Vec<Effect>) {
    let now = state.now;
    let Some(place) = state.place_mut() else { return };
    if place.editing.take().is_some() {
        restore(place);
    } else {
        place.reply_to = None;
    }
    place.save_at = Some(now);
    complete::refresh(state, out);
}

/// Clears the line; undo brings it back.
pub(super) fn clear(state: &mut State, out: &mut Vec<Effect>) {
    let Some(place) = state.place_mut() else { return };
    if place.editing.is_some() {
        return cancel(state, out);
    }
    place.recalled = None;
    let all = 0..place.editor.text().len();
    place.editor.replace(all, "");
    edit(state, Edit::TextEnd, out);
    let now = state.now;
    if let Some(place) = state.place_mut() {
        place.save_at = Some(now);
    }
}

/// $EDITOR has written this.
pub(super) fn edited(state: &mut State, text: &str) {
    let now = state.now;
    let Some(place) = state.place_mut() else { return };
    place.editor.set_text(text.trim_end_matches('\n'));
    place.recalled = None;
    place.save_at = Some(now);
}

/// Sends the message, or runs the command.
pub(super) fn send(state: &mut State, out: &mut Vec<Effect>) {
    state.completion = None;
    let Some(place) = state.place_mut() else { return };
    let text = place.editor.text().to_owned();
    if let Some(seq) = place.editing {
        return send_edit(state, seq, &text, out);
    }
    if text.trim().is_empty() {
        return;
    }
    match command::parse(&text) {
        Ok(Line::Text(body)) => {
            if say(state, &body, out) {
                enter(state, &text, out);
            }
        }
        Ok(Line::Command(command)) => {
            enter(state, &text, out);
            commands::run(state, command, out);
        }
        // What was typed stays, to be mended.
        Err(error) => state.say(Tone::Bad, error.to_string()),
    }
}

/// The line was entered: it is remembered, and a new one begins.
fn enter(state: &mut State, text: &str, out: &mut Vec<Effect>) {
    let Some(id) = state.current else { return };
    let Some(place) = state.place_mut() else { return };
    place.editor.take();
    place.save_at = None;
    place.told_typing = 0;
    place.remember(text);
    out.push(Effect::Client(Request::Remember(id, text.to_owned())));
    // A command leaves no draft behind either.
    if text.starts_with('/') && !text.starts_with("//") {
        out.push(Effect::Client(Request::SaveDraft(id, Draft::default())));
    }
}

/// Sends a text to the open conversation. Was it accepted?
pub(super) fn say(state: &mut State, text: &str, out: &mut Vec<Effect>) -> bool {
    let Some(conversation) = state.current else { return false };
    let body = match MessageBody::new(text) {
        Ok(body) => body,
        Err(error) => {
            state.say(Tone::Bad, format!("the message {error}."));
            return false;
        }
    };
    if body.as_str().len() > state.limits.body {
        state.say(
            Tone::Bad,
            format!("the message has more bytes than this server takes ({}).", state.limits.body),
        );
        return false;
    }
    let Some(place) = state.place_mut() else { return false };
    let reply_to = place.reply_to.take();
    place.scroll = Scroll::Bottom;
    place.hold_unread = false;
    place.divider = None;
    out.push(Effect::Send { conversation, body, reply_to });
    go::bottom(state, out);
    true
}

fn send_edit(state: &mut State, seq: Seq, text: &str, out: &mut Vec<Effect>) {
    let Some(conversation) = state.current else { return };
    if text.trim().is_empty() {
        super::select::ask_delete(state, Item::Message(seq));
        return;
    }
    let body = match MessageBody::new(text) {
        Ok(body) => body,
        Err(error) => return state.say(Tone::Bad, format!("the message {error}.")),
    };
    let Some(place) = state.place_mut() else { return };
    let changed = place.timeline.known(seq).is_none_or(|message| message.body != body.as_str());
    place.editing = None;
    restore(place);
    place.save_at = None;
    if changed {
        out.push(Effect::Edit { conversation, seq, body });
    }
    let draft = state.place().map(crate::state::Place::draft).unwrap_or_default();
    out.push(Effect::Client(Request::SaveDraft(conversation, draft)));
}
