//! From keys to actions: the topmost layer takes them, then the selection, then the line.

use super::{commands, complete, compose, form, go, lists, questions, select};
use crate::action::{Action, Context};
use crate::client::Request;
use crate::editor::Edit;
use crate::effect::Effect;
use crate::keymap::{Found, Key};
use crate::state::overlay::Answer;
use crate::state::{Confirm, Overlay, Screen, Scroll, State, Tone};

/// Lines of a paste above which it is asked what to do with it.
const PASTE_LINES: usize = 3;

/// The contexts in which keys are looked up now, the exact one first.
pub(crate) fn contexts(state: &State) -> &'static [Context] {
    match state.overlays.last() {
        Some(Overlay::List(_)) => &[Context::List, Context::Global],
        Some(_) => &[Context::Compose, Context::Global],
        None if state.is_selecting() => &[Context::Select, Context::Global],
        None => &[Context::Compose, Context::Global],
    }
}

/// A key was pressed.
pub(super) fn key(state: &mut State, key: Key, out: &mut Vec<Effect>) {
    if let Some(Overlay::Confirm(confirm)) = state.overlays.last() {
        let answer = key
            .typed()
            .and_then(|c| confirm.answers.iter().find(|(other, ..)| c.eq_ignore_ascii_case(other)));
        let answer = answer.map(|(_, _, answer)| answer.clone());
        let escapes = matches!(
            state.config.keymap.find(&[Context::Global], &[key]),
            Found::Action(Action::Cancel | Action::Interrupt)
        );
        if answer.is_some() || escapes {
            state.overlays.pop();
        }
        if let Some(answer) = answer {
            questions::answer(state, answer, out);
        }
        return;
    }
    state.keys.push(key);
    let found = state.config.keymap.find(contexts(state), &state.keys);
    match found {
        Found::Prefix => {}
        Found::Action(action) => {
            state.keys.clear();
            run(state, action, out);
        }
        Found::Nothing => {
            let alone = state.keys.len() == 1;
            state.keys.clear();
            if let Some(c) = key.typed().filter(|_| alone) {
                typed(state, c, out);
            }
        }
    }
}

fn typed(state: &mut State, c: char, out: &mut Vec<Effect>) {
    if !state.overlays.is_empty() {
        lists::edit(state, Edit::Insert(c));
    } else if let Screen::Form(form) = &mut state.screen {
        form::edit(form, Edit::Insert(c));
    } else if !state.is_selecting() {
        compose::edit(state, Edit::Insert(c), out);
    }
}

/// A text was pasted: one paste is one text, and its line ends send nothing.
pub(super) fn paste(state: &mut State, text: &str, out: &mut Vec<Effect>) {
    if matches!(state.overlays.last(), Some(Overlay::Confirm(_))) {
        return state.say(Tone::Info, "nothing was pasted: answer the question first.");
    }
    if !state.overlays.is_empty() {
        return lists::edit(state, Edit::InsertText(text.replace(['\r', '\n'], " ")));
    }
    if let Screen::Form(form) = &mut state.screen {
        let line = text.lines().next().unwrap_or_default().to_owned();
        return form::edit(form, Edit::InsertText(line));
    }
    if let Some(place) = state.place_mut() {
        place.selected = None;
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines = text.trim_end_matches('\n').lines().count();
    if lines <= PASTE_LINES || state.current.is_none() {
        return compose::edit(state, Edit::InsertText(text), out);
    }
    state.overlays.push(Overlay::Confirm(Confirm {
        question: format!("Paste {lines} lines?"),
        detail: text.lines().next().unwrap_or_default().to_owned(),
        answers: vec![
            ('s', "send", Answer::PasteSend(text.clone())),
            ('e', "edit", Answer::PasteEdit(text.clone())),
            ('c', "as code", Answer::PasteCode(text)),
            ('n', "cancel", Answer::Never),
        ],
    }));
}

/// Runs an action, wherever it comes from: a key, the palette, the mouse.
pub(super) fn run(state: &mut State, action: Action, out: &mut Vec<Effect>) {
    match action {
        Action::Cancel => return cancel(state, out),
        Action::Interrupt => return interrupt(state, out),
        Action::Quit => return questions::ask_quit(state, out),
        Action::Suspend => return out.push(Effect::Suspend),
        Action::Redraw => return out.push(Effect::Redraw),
        _ => {}
    }
    if !state.overlays.is_empty() {
        return lists::run(state, action, out);
    }
    if let Screen::Form(_) = state.screen {
        return form::run(state, action, out);
    }
    if complete::run(state, action) {
        return;
    }
    if let Some(number) = action.room_number() {
        return go::number(state, number, out);
    }
    match action {
        Action::Help => lists::help(state, None),
        Action::Switcher => lists::switcher(state, out),
        Action::Palette => lists::palette(state),
        Action::NextUnread => go::next_unread(state, out),
        Action::FirstUnread => go::first_unread(state, out),
        Action::PreviousRoom => go::step(state, -1, out),
        Action::NextRoom => go::step(state, 1, out),
        Action::LastRoom => go::back(state, out),
        Action::PageUp => go::page(state, true),
        Action::PageDown => go::page(state, false),
        Action::ScrollTop => go::top(state, out),
        Action::ScrollBottom => go::bottom(state, out),
        Action::PreviousMention => go::mention(state, true),
        Action::NextMention => go::mention(state, false),
        Action::ToggleRooms => commands::toggle_rooms(state, out),
        Action::ToggleMembers => commands::toggle_members(state, out),
        Action::ToggleMouse => {
            state.config.mouse = !state.config.mouse;
            let owner = if state.config.mouse { "the program" } else { "the terminal" };
            state.say(Tone::Info, format!("{owner} has the mouse now."));
            out.push(Effect::Mouse(state.config.mouse));
        }
        Action::MarkUnread => go::mark_unread(state, None, out),
        Action::Reconnect => out.push(Effect::Client(Request::Reconnect)),
        Action::Messages => lists::notes(state),
        Action::Search => lists::ask_search(state),
        Action::Select => select::begin(state),
        _ if action.context() == Context::Select => select::run(state, action, out),
        _ => compose::run(state, action, out),
    }
}

/// Takes one layer back; never quits, never eats text.
fn cancel(state: &mut State, out: &mut Vec<Effect>) {
    if state.overlays.pop().is_some() {
        return;
    }
    if let Screen::Form(form) = &mut state.screen {
        if form.busy {
            form::give_up(form, out);
        } else if form.back {
            commands::back_to_chat(state, out);
        }
        return;
    }
    if state.completion.take().is_some() {
        return;
    }
    let Some(place) = state.place_mut() else { return };
    if place.selected.take().is_some() {
        return;
    }
    if place.recalled.is_some() {
        return compose::leave_history(state);
    }
    if place.editing.is_some() || place.reply_to.is_some() {
        return compose::cancel(state, out);
    }
    if place.scroll != Scroll::Bottom {
        return go::bottom(state, out);
    }
    if place.editor.is_empty() {
        select::begin(state);
    }
}

/// Ctrl-c: the layer, then the line, then the question.
fn interrupt(state: &mut State, out: &mut Vec<Effect>) {
    if state.overlays.pop().is_some() {
        return;
    }
    if let Screen::Form(form) = &mut state.screen {
        if form.busy {
            return form::give_up(form, out);
        }
        return match form.focused_editor().filter(|editor| !editor.is_empty()) {
            Some(editor) => editor.set_text(""),
            None => questions::ask_quit(state, out),
        };
    }
    let is_empty = state.place().is_none_or(|place| place.editor.is_empty() && place.editing.is_none());
    if state.is_selecting() || state.completion.is_some() {
        return cancel(state, out);
    }
    if is_empty { questions::ask_quit(state, out) } else { compose::clear(state, out) }
}
