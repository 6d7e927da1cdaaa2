//! The selected message and what can be done with it.

use super::{compose, go, lists};
use crate::action::Action;
use crate::client::Request;
use crate::effect::Effect;
use crate::layout::message::date_and_clock;
use crate::state::overlay::Answer;
use crate::state::{Choice, Confirm, Item, List, ListPurpose, ListRow, Overlay, State, Tone};
use crate::text::links;
use chat_shared::api::{Message, MessageKind};
use chat_shared::display::SafeText;
use chat_shared::name::Emoji;

/// Selects the lowest visible message.
pub(super) fn begin(state: &mut State) {
    let area = crate::layout::areas(state).messages;
    let lowest = crate::layout::message::Scene::open(state, area.width)
        .and_then(|scene| scene.visible(area.height).last().map(|row| row.item));
    match lowest {
        Some(item) => go::show(state, item),
        None => state.say(Tone::Info, "there is no message to select."),
    }
}

fn selected(state: &State) -> Option<Item> {
    state.place()?.selected
}

fn message(state: &State) -> Option<&Message> {
    match selected(state)? {
        Item::Message(seq) => state.place()?.timeline.message(seq),
        Item::Pending(_) => None,
    }
}

/// Runs a verb.
pub(super) fn run(state: &mut State, action: Action, out: &mut Vec<Effect>) {
    let Some(item) = selected(state) else {
        return state.say(Tone::Info, "select a message first: Esc on an empty line.");
    };
    let Some(place) = state.place() else { return };
    match action {
        Action::SelectUp => {
            let above = place.timeline.above(item);
            return go::show(state, above.unwrap_or(item));
        }
        Action::SelectDown => {
            return match place.timeline.below(item) {
                Some(below) => go::show(state, below),
                None => go::bottom(state, out),
            };
        }
        Action::SelectFirst => {
            let first = place.timeline.shown().next().map(|message| Item::Message(message.seq));
            return go::show(state, first.unwrap_or(item));
        }
        Action::SelectLast => {
            let last = place.timeline.last();
            return go::show(state, last.unwrap_or(item));
        }
        Action::Verbs => return verbs(state, item),
        Action::FindNext => return find(state, false),
        Action::FindPrevious => return find(state, true),
        Action::DeleteMessage => return ask_delete(state, item),
        Action::RetrySend => return retry(state, item, out),
        _ => {}
    }
    if let Item::Pending(index) = item {
        let Some(pending) = place.timeline.pending.get(index) else { return };
        match action {
            Action::CopyText | Action::CopyLine => copy(state, pending.body.clone(), out),
            _ => state.say(Tone::Info, "it is not sent yet."),
        }
        return;
    }
    let Some(message) = message(state) else { return };
    let (seq, conversation) = (message.seq, message.conversation_id);
    let body = message.body.clone();
    let open = message.kind == MessageKind::Text && message.deleted_at.is_none();
    match action {
        Action::UnreadFromHere => go::mark_unread(state, Some(seq), out),
        Action::ViewMessage => lists::details(state, conversation, seq, out),
        Action::CopyLine => {
            let at = date_and_clock(&state.zone, message.sent_at);
            let line = format!("{at} {}: {body}", message.sender.username);
            copy(state, line, out);
        }
        Action::GoToQuoted => match message.reply_to {
            Some(quoted) => go::to_message(state, quoted, out),
            None => state.say(Tone::Info, "this message answers none."),
        },
        _ if !open => state.say(Tone::Info, "that cannot be done with this one."),
        Action::Reply => compose::begin_reply(state, seq),
        Action::React => lists::react(state, conversation, seq),
        Action::Agree => {
            if let Ok(emoji) = "👍".parse() {
                toggle(state, &emoji, out);
            }
        }
        Action::EditMessage => compose::begin_edit(state, seq),
        Action::CopyText => copy(state, body, out),
        Action::OpenLink => open_link(state, &body),
        Action::Quote => quote(state, &body),
        _ => {}
    }
}

/// Adds my reaction, or takes it back.
pub(super) fn toggle(state: &mut State, emoji: &Emoji, out: &mut Vec<Effect>) {
    let me = state.me.clone();
    let Some(message) = message(state) else { return };
    let has = message
        .reactions
        .iter()
        .any(|reaction| reaction.emoji == *emoji && reaction.users.iter().any(|name| name.as_str() == me));
    let request = Request::React(message.conversation_id, message.seq, emoji.clone(), !has);
    out.push(Effect::Client(request));
}

fn copy(state: &mut State, text: String, out: &mut Vec<Effect>) {
    state.say(Tone::Info, "copied, where the terminal allows it.");
    out.push(Effect::Copy(text));
}

fn quote(state: &mut State, body: &str) {
    let Some(place) = state.place_mut() else { return };
    let mut text: String = body.lines().map(|line| format!("> {line}\n")).collect();
    text.push_str(place.editor.text());
    place.editor.set_text(&text);
    place.selected = None;
}

fn open_link(state: &mut State, body: &str) {
    let found = links::links(&SafeText::block(body));
    match found.as_slice() {
        [] => state.say(Tone::Info, "there is no link in it."),
        [one] => ask_open(state, one.as_str()),
        many => {
            let rows = many
                .iter()
                .map(|link| ListRow::new(link.as_str(), "", Choice::Link(link.as_str().into())))
                .collect();
            let list = List::new("Open a link", ListPurpose::Links, rows).searchable().hinted("Enter opens");
            state.overlays.push(Overlay::List(Box::new(list)));
        }
    }
}

/// Shows a link in full before it is opened.
pub(super) fn ask_open(state: &mut State, link: &str) {
    state.overlays.push(Overlay::Confirm(Confirm {
        question: "Open this link?".into(),
        detail: link.to_owned(),
        answers: vec![('y', "open", Answer::Open(link.to_owned())), ('n', "no", Answer::Never)],
    }));
}

/// Asks before something is deleted.
pub(super) fn ask_delete(state: &mut State, item: Item) {
    let Some(place) = state.place() else { return };
    let (question, detail, answer) = match item {
        Item::Pending(index) => {
            let Some(pending) = place.timeline.pending.get(index) else { return };
            ("Drop this unsent message?", pending.body.clone(), Answer::Discard(pending.id))
        }
        Item::Message(seq) => {
            let Some(message) = place.timeline.message(seq) else { return };
            if message.kind != MessageKind::Text || message.deleted_at.is_some() {
                return state.say(Tone::Info, "that cannot be deleted.");
            }
            if let Some(pending) = place.timeline.pending_edit(seq).filter(|pending| pending.failed.is_some())
            {
                ("Drop this unsent edit?", pending.body.clone(), Answer::Discard(pending.id))
            } else {
                ("Delete this message?", message.body.clone(), Answer::Delete(message.conversation_id, seq))
            }
        }
    };
    state.overlays.push(Overlay::Confirm(Confirm {
        question: question.into(),
        detail: detail.lines().next().unwrap_or_default().to_owned(),
        answers: vec![('y', "delete", answer), ('n', "no", Answer::Never)],
    }));
}

fn retry(state: &mut State, item: Item, out: &mut Vec<Effect>) {
    let Some(place) = state.place() else { return };
    let pending = match item {
        Item::Pending(index) => place.timeline.pending.get(index),
        Item::Message(seq) => place.timeline.pending_edit(seq),
    };
    match pending.filter(|pending| pending.failed.is_some()).map(|pending| pending.id) {
        Some(id) => out.push(Effect::Client(Request::Retry(id))),
        None => state.say(Tone::Info, "it has not failed."),
    }
}

/// Everything that can be done with a message.
const VERBS: [Action; 13] = [
    Action::RetrySend,
    Action::Reply,
    Action::React,
    Action::Agree,
    Action::EditMessage,
    Action::DeleteMessage,
    Action::CopyText,
    Action::CopyLine,
    Action::OpenLink,
    Action::ViewMessage,
    Action::UnreadFromHere,
    Action::Quote,
    Action::GoToQuoted,
];

/// What can be done with the message, to choose from.
fn verbs(state: &mut State, item: Item) {
    let rows = VERBS
        .into_iter()
        .filter(|verb| state.offers(item, *verb))
        .map(|verb| {
            let key = state.config.keymap.key_of(verb).unwrap_or_default();
            ListRow::new(verb.doc(), key, Choice::Action(verb))
        })
        .collect();
    let list = List::new("This message", ListPurpose::Verbs, rows).searchable().hinted("Enter does it");
    state.overlays.push(Overlay::List(Box::new(list)));
}

/// The next match of the search above or below the selection, without regard to case.
pub(super) fn find(state: &mut State, down: bool) {
    let Some(wanted) = state.search.clone() else {
        return state.say(Tone::Info, "nothing was searched for yet: press / while a message is selected.");
    };
    let lower = wanted.to_lowercase();
    let Some(place) = state.place() else { return };
    let at = match place.selected {
        Some(Item::Message(seq)) => Some(seq),
        _ => None,
    };
    let matches = |message: &&Message| {
        message.body.to_lowercase().contains(&lower) || message.sender.username.as_str() == lower
    };
    let found = if down {
        place.timeline.shown().filter(|m| at.is_some_and(|at| m.seq > at)).find(matches)
    } else {
        place.timeline.shown().rev().filter(|m| at.is_none_or(|at| m.seq < at)).find(matches)
    };
    match found.map(|message| message.seq) {
        Some(seq) => go::show(state, Item::Message(seq)),
        None => {
            let held = place.timeline.shown().count();
            let way = if down { "below" } else { "above" };
            state.say(
                Tone::Info,
                format!("no match {way} for {wanted:?} among the {held} messages that are held here."),
            );
        }
    }
}
