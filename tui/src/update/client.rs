//! What the client tells becomes state.

use super::go;
use crate::client::{Connection, OutboxChange, Request, Start, Update};
use crate::effect::Effect;
use crate::error::ClientError;
use crate::state::rooms::is_muted;
use crate::state::{Form, Item, Rooms, Screen, State, Tone, name_of};
use chat_shared::api::{Conversation, ConversationKind, Level, Message, MessageKind, NoticeKind};
use chat_shared::{ConversationId, Rev, SendId};

/// A draft that could not be kept is tried again after so long: a full disk is not emptied at once.
const UNKEPT_MS: i64 = 10_000;
/// Text of a notification at the most.
const NOTIFY_MAX: usize = 200;

/// Takes it in.
pub(super) fn update(state: &mut State, update: Update, out: &mut Vec<Effect>) {
    match update {
        Update::Start(start) => begin(state, *start, out),
        Update::Connection(connection) => connect(state, connection),
        Update::Conversations(conversations) => {
            let before = std::mem::take(&mut state.rooms);
            state.rooms.replace(conversations);
            for id in
                before.iter().map(|c| c.id).filter(|id| state.rooms.get(*id).is_none()).collect::<Vec<_>>()
            {
                removed(state, id, &before, out);
            }
            choose(state, out);
        }
        Update::Conversation(conversation) => changed(state, *conversation, out),
        Update::Removed(id) => {
            let before = state.rooms.clone();
            state.rooms.remove(id);
            removed(state, id, &before, out);
            choose(state, out);
        }
        Update::Reset => {
            for place in state.places.values_mut() {
                place.timeline.reset();
                place.scroll = crate::state::Scroll::Bottom;
                place.selected = None;
                place.divider = None;
                place.asked_quotes.clear();
            }
            state.say(Tone::Info, "the server's database was restored: everything is read anew.");
            if let Some(id) = state.current {
                out.push(Effect::Client(Request::Open(id)));
            }
        }
        Update::Applied { conversation, messages, from, to } => {
            applied(state, conversation, messages, from, to, out)
        }
        Update::Page { conversation, from, to, messages } => {
            let place = state.place_of(conversation);
            place.timeline.page(from, to, messages);
            if let Some(seq) = place.jump.take() {
                let near =
                    place.timeline.shown().find(|message| message.seq >= seq).map(|message| message.seq);
                let near = near.or_else(|| place.timeline.shown().next_back().map(|message| message.seq));
                if state.current == Some(conversation)
                    && let Some(seq) = near
                {
                    go::show(state, Item::Message(seq));
                }
            }
        }
        Update::LoadFailed(id, want, error) => {
            let place = state.place_of(id);
            place.jump = None;
            if place.timeline.loading == Some(want) {
                place.timeline.loading = None;
                if !error.is_retryable() {
                    state.say(Tone::Bad, error.to_string());
                }
            }
        }
        Update::Outbox(id, change) => {
            let failed = if let OutboxChange::Marked(send, Some(_)) = &change { Some(*send) } else { None };
            state.place_of(id).outbox(change);
            if let Some(send) = failed {
                unsent(state, id, send);
            }
        }
        Update::Refused { conversation, draft, reason, .. } => {
            state.say(Tone::Bad, reason);
            if let Some(draft) = draft {
                let now = state.now;
                let place = state.place_of(conversation);
                place.give_back(draft);
                place.save_at = Some(now);
            }
        }
        // A notice has said that nothing can be written. It is tried again, and at the end in any case.
        Update::Unkept { conversation, .. } => {
            let later = state.now + UNKEPT_MS;
            state.place_of(conversation).save_at.get_or_insert(later);
        }
        Update::Online(names) => state.online = names.iter().map(ToString::to_string).collect(),
        Update::Presence(name, true) => {
            state.online.insert(name.to_string());
        }
        Update::Presence(name, false) => {
            state.online.remove(name.as_str());
        }
        Update::Typing(id, name, length) => {
            let until = state.now + i64::try_from(length.as_millis()).unwrap_or(0).min(30_000);
            if name.as_str() != state.me {
                let place = state.place_of(id);
                place.typing.retain(|(other, _)| other != name.as_str());
                place.typing.push((name.to_string(), until));
            }
        }
        Update::Answer(ticket, result) => super::answers::answer(state, ticket, result, out),
        Update::LoggedOut(reason) => {
            // What was being written waits for the next log-in.
            super::flush(state, out);
            let kept = if state.kept { " What you have written is kept for the next log-in." } else { "" };
            let reason = format!("{}.{kept}", reason.trim_end_matches('.'));
            let form = Form::again_for(&state.server, &state.me, reason);
            state.leave_server(form);
            out.push(Effect::Stop);
        }
        Update::Notice(text) => state.say(Tone::Info, text),
        Update::Ended(None) => {}
        // Nobody is there to talk to the server: the form is where one can go on from.
        Update::Ended(Some(reason)) => {
            let form = Form::again_for(&state.server, &state.me, reason);
            state.leave_server(form);
        }
    }
}

fn begin(state: &mut State, start: Start, out: &mut Vec<Effect>) {
    let panels = |name: &str| {
        start
            .settings
            .iter()
            .find(|(other, _)| other == name)
            .and_then(|(_, value)| value.parse::<bool>().ok())
    };
    state.leave_server(Form::new(start.server.clone()));
    state.screen = Screen::Chat;
    state.panels.rooms = panels("rooms");
    state.panels.members = panels("members");
    state.wanted = start.settings.iter().find(|(name, _)| name == "open").map(|(_, value)| value.clone());
    state.server = start.server;
    state.me = start.me;
    state.kept = start.kept;
    state.connection = Connection::Connecting;
    state.rooms.replace(start.conversations);
    for (id, draft) in start.drafts {
        state.place_of(id).take_up(draft);
    }
    for (id, entered) in start.entered {
        state.place_of(id).entered = entered;
    }
    for pending in start.outbox {
        let place = state.place_of(pending.conversation);
        place.timeline.pending.push_back(pending);
    }
    choose(state, out);
}

/// Opens what was open before, or the first conversation, if none is open.
fn choose(state: &mut State, out: &mut Vec<Effect>) {
    if let Some(name) = &state.wanted
        && let Some(id) = state.rooms.by_name(name)
    {
        return go::open(state, id, out);
    }
    if state.conversation().is_none() {
        state.current = None;
        if let Some(id) = state.rooms.at(0) {
            // What is wanted may still come with the network: the first is opened without being remembered.
            let wanted = state.wanted.take();
            go::open(state, id, out);
            if wanted.is_some() {
                out.retain(|effect| !matches!(effect, Effect::Client(Request::SaveSetting(name, _)) if name == "open"));
                state.wanted = wanted;
            }
        }
    }
}

fn connect(state: &mut State, connection: Connection) {
    state.retry_at = match &connection {
        Connection::Waiting { retry_in, .. } => {
            Some(state.now + i64::try_from(retry_in.as_millis()).unwrap_or(0).clamp(0, 600_000))
        }
        _ => None,
    };
    if let Connection::Online { name, limits } = &connection {
        state.server_name = name.clone();
        state.limits = limits.clone();
        state.wanted = None;
    }
    if let Connection::Stopped { reason } = &connection {
        state.say(
            Tone::Bad,
            format!("the server has closed the connection: {reason}. /reconnect tries again."),
        );
    }
    if !matches!(connection, Connection::Online { .. } | Connection::CatchingUp) {
        // Who is there is not known any more, and nobody answers what was asked.
        state.online.clear();
        for place in state.places.values_mut() {
            place.typing.clear();
            place.asked_members = false;
            place.timeline.loading = None;
        }
    }
    state.connection = connection;
}

fn changed(state: &mut State, conversation: Conversation, out: &mut Vec<Effect>) {
    let id = conversation.id;
    let (unread, read) = (conversation.unread, conversation.read_seq);
    let before = state.rooms.get(id).map(|before| before.unread);
    state.rooms.put(conversation);
    if before == Some(0) && unread > 0 {
        go::arrived(state, id, read);
    }
    if state.conversation().is_none() {
        choose(state, out);
    }
}

/// Says that a message was refused. One that cannot be shown any more is told in full: its conversation is gone.
fn unsent(state: &mut State, id: ConversationId, send: SendId) {
    let text = match state.rooms.get(id).map(name_of) {
        Some(name) => {
            format!("a message to {name} was not sent: select it to try again (R) or drop it (d).")
        }
        None => {
            let pending = state
                .places
                .get(&id)
                .and_then(|place| place.timeline.pending.iter().find(|pending| pending.id == send));
            let body = pending.map(|pending| pending.body.as_str()).unwrap_or_default();
            format!("not sent, for its conversation is not yours any more: {body}")
        }
    };
    state.say(Tone::Bad, text);
}

fn removed(state: &mut State, id: ConversationId, before: &Rooms, _: &mut Vec<Effect>) {
    if let Some(place) = state.places.get_mut(&id) {
        place.leave();
    }
    if state.previous == Some(id) {
        state.previous = None;
    }
    if state.current == Some(id) {
        state.current = None;
        let name = before.get(id).map(name_of).unwrap_or_default();
        state.say(Tone::Info, format!("you are not in {name} any more."));
    }
}

fn applied(
    state: &mut State,
    id: ConversationId,
    messages: Vec<Message>,
    from: Rev,
    to: Rev,
    out: &mut Vec<Effect>,
) {
    let fresh = messages
        .iter()
        .filter(|message| message.seq.as_rev() > from && message.sender.username.as_str() != state.me)
        .filter(|message| message.kind == MessageKind::Text && message.deleted_at.is_none());
    notify(state, id, &fresh.collect::<Vec<_>>(), out);
    let moved = messages.iter().any(|message| {
        let event = message.event.as_ref().map(|event| event.kind);
        matches!(event, Some(kind) if !matches!(kind, NoticeKind::Topic | NoticeKind::Renamed | NoticeKind::Visibility))
    });
    let writers: Vec<String> = messages.iter().map(|message| message.sender.username.to_string()).collect();
    let current = state.current == Some(id);
    let place = state.place_of(id);
    place.typing.retain(|(name, _)| !writers.contains(name));
    if moved {
        place.asked_members = false;
    }
    let near = match place.scroll {
        crate::state::Scroll::At(Item::Message(seq), _) if current => Some(seq),
        _ => None,
    };
    place.timeline.applied(messages, from, to);
    place.timeline.trim(near);
}

/// Tells somebody who is not looking, as loudly as the conversation's settings want.
fn notify(state: &State, id: ConversationId, fresh: &[&Message], out: &mut Vec<Effect>) {
    let Some(conversation) = state.rooms.get(id) else { return };
    if state.focused || is_muted(conversation, state.now) {
        return;
    }
    let mentions = |message: &&&Message| message.mentions.iter().any(|name| name.as_str() == state.me);
    let wanted = match conversation.level {
        Level::All => fresh.last(),
        Level::Mentions => fresh.iter().rfind(mentions),
        Level::Nothing => None,
    };
    let Some(message) = wanted else { return };
    let name = message.sender.username.as_str();
    let title = match conversation.kind {
        ConversationKind::Direct => format!("@{name}"),
        ConversationKind::Group => format!("{name} in {}", name_of(conversation)),
    };
    let body: String = message.body.chars().take(NOTIFY_MAX).collect();
    out.push(Effect::Notify { title, body });
}

/// For errors that an errand brings.
pub(super) fn explain(error: &ClientError) -> String {
    match error {
        ClientError::Unreachable { .. } => "the server cannot be reached now.".into(),
        other => other.to_string(),
    }
}
