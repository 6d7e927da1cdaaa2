//! Slash commands, and what keys share with them.

use super::questions::{ask_password, ask_quit, confirm};
use super::{compose, go, lists, select};
use crate::client::{Call, Request};
use crate::command::Command;
use crate::config::Word as _;
use crate::effect::Effect;
use crate::layout;
use crate::state::overlay::{Answer, Asked};
use crate::state::{
    Choice, Errand, Form, FormField, List, ListPurpose, ListRow, Overlay, Screen, State, Tone, name_of,
};
use crate::theme::{Theme, ThemeName};
use chat_shared::ConversationId;
use chat_shared::api::{ConversationKind, MessageKind, Millis};

/// How long "until unmuted" is.
const MUTED_FOR_GOOD_MS: Millis = 100 * 365 * 24 * 3_600_000;

/// The open group, or a sentence that says that there is none.
fn group(state: &mut State) -> Option<ConversationId> {
    match state.conversation() {
        Some(conversation) if conversation.kind == ConversationKind::Group => Some(conversation.id),
        _ => {
            state.say(Tone::Bad, "that works in groups only.");
            None
        }
    }
}

/// Runs a command.
pub(super) fn run(state: &mut State, command: Command, out: &mut Vec<Effect>) {
    let say = |text: String| Errand::Say(text);
    match command {
        Command::Join(name) => match state.rooms.by_name(&format!("#{name}")) {
            Some(id) => go::open(state, id, out),
            None => out.push(state.errand(Call::Join(name), Errand::GoTo(None))),
        },
        Command::Leave => {
            if let Some(id) = group(state) {
                let name = state.conversation().map(name_of).unwrap_or_default();
                confirm(
                    state,
                    format!("Leave {name}?"),
                    "You will get nothing of it any more.",
                    "leave",
                    Answer::Leave(id),
                );
            }
        }
        Command::Create(name, visibility, topic) => {
            out.push(state.errand(Call::CreateGroup { name, topic, visibility }, Errand::GoTo(None)));
        }
        Command::Go(name) => go::to_name(state, &name, out),
        Command::Msg(name, text) => {
            let text = Some(text).filter(|text| !text.is_empty());
            match state.rooms.by_name(&format!("@{name}")) {
                Some(id) => {
                    go::open(state, id, out);
                    if let Some(text) = text {
                        compose::say(state, &text, out);
                    }
                }
                None => out.push(state.errand(Call::Direct(name), Errand::GoTo(text))),
            }
        }
        Command::Me(text) => {
            compose::say(state, &format!("*{text}*"), out);
        }
        Command::Topic(None) => {
            let topic = state.conversation().and_then(|c| c.topic.clone()).filter(|topic| !topic.is_empty());
            state.say(Tone::Info, topic.unwrap_or_else(|| "there is no topic.".into()));
        }
        Command::Topic(Some(topic)) => update_group(state, None, Some(topic), None, "the topic is set.", out),
        Command::Rename(name) => update_group(state, Some(name), None, None, "the group is renamed.", out),
        Command::Visibility(visibility) => {
            update_group(state, None, None, Some(visibility), "who can find the group is set.", out);
        }
        Command::Invite(name) => {
            if let Some(id) = group(state) {
                let question = format!("Add @{name} to this group?");
                confirm(
                    state,
                    question,
                    "New members see its whole history.",
                    "add",
                    Answer::Invite(id, name),
                );
            }
        }
        Command::Kick(name) => {
            if let Some(id) = group(state) {
                confirm(
                    state,
                    format!("Remove @{name} from this group?"),
                    "",
                    "remove",
                    Answer::Kick(id, name),
                );
            }
        }
        Command::Role(name, role) => {
            if let Some(id) = group(state) {
                let done = say(format!("@{name} is {role} now."));
                out.push(state.errand(Call::SetRole(id, name, role), done));
            }
        }
        Command::DeleteGroup => {
            if let Some(id) = group(state) {
                let name = state.conversation().map(name_of).unwrap_or_default();
                let detail = "All of its messages are deleted, for everybody and for ever.";
                confirm(state, format!("Delete {name}?"), detail, "delete", Answer::DeleteGroup(id));
            }
        }
        Command::Mute(minutes) => {
            let Some(id) = state.current else { return };
            let length =
                minutes.map_or(MUTED_FOR_GOOD_MS, |minutes| i64::try_from(minutes).unwrap_or(0) * 60_000);
            let until = state.now + length;
            out.push(state.errand(Call::Mute(id, Some(until)), say("muted.".into())));
        }
        Command::Unmute => {
            let Some(id) = state.current else { return };
            out.push(state.errand(Call::Mute(id, None), say("not muted any more.".into())));
        }
        Command::Level(level) => {
            let Some(id) = state.current else { return };
            out.push(state.errand(Call::SetLevel(id, level), say(format!("you will be told of: {level}."))));
        }
        Command::Unread => go::mark_unread(state, None, out),
        Command::Search(text) => search(state, text),
        Command::Reply(text) => {
            let me = state.me.clone();
            let other = state.place().and_then(|place| {
                place.timeline.shown().rev().find(|m| {
                    m.kind == MessageKind::Text && m.deleted_at.is_none() && m.sender.username.as_str() != me
                })
            });
            let Some(seq) = other.map(|message| message.seq) else {
                return state.say(Tone::Bad, "there is no message of somebody else to reply to.");
            };
            compose::begin_reply(state, seq);
            compose::say(state, &text, out);
        }
        Command::Edit(text) => edit(state, text, out),
        Command::Members => toggle_members(state, out),
        Command::Groups(query) => lists::show(state, Call::Groups(query), out),
        Command::Users(query) => lists::show(state, Call::Users(query), out),
        Command::Whois(name) => lists::show(state, Call::User(name), out),
        Command::Sessions => lists::show(state, Call::Sessions, out),
        Command::Nick(name) => {
            let done = say("your display name is set.".into());
            out.push(state.errand(Call::UpdateMe(Some(name), None), done));
        }
        Command::Status(text) => {
            let done = say(if text.is_empty() {
                "your status is cleared.".into()
            } else {
                "your status is set.".into()
            });
            out.push(state.errand(Call::UpdateMe(None, Some(text)), done));
        }
        Command::Password => ask_password(state, "Your present password", Asked::OldPassword),
        Command::Theme(name) => match ThemeName::from_name(&name) {
            Some(name) => set_theme(state, name),
            None => state.say(Tone::Bad, "usage: /theme auto|dark|light|contrast|16|none"),
        },
        Command::Settings => settings(state),
        Command::Server(None) => {
            let mut rows: Vec<ListRow> = state
                .servers
                .iter()
                .map(|(server, name)| {
                    let here = if *server == state.server { " (this one)" } else { "" };
                    let row = format!("{server}{here}");
                    ListRow::new(row, format!("@{name}"), Choice::Server(Some(server.clone())))
                })
                .collect();
            rows.push(ListRow::new("another server…", "", Choice::Server(None)));
            let list =
                List::new("Servers", ListPurpose::Servers, rows).searchable().hinted("Enter goes there");
            state.overlays.push(Overlay::List(Box::new(list)));
        }
        Command::Server(Some(server)) => to_server(state, Some(server), out),
        Command::Logout => {
            let detail = "Drafts and unsent messages are kept on this machine.";
            confirm(state, "Log out?".into(), detail, "log out", Answer::Logout);
        }
        Command::Reconnect => out.push(Effect::Client(Request::Reconnect)),
        Command::Help(topic) => lists::help(state, topic.as_deref()),
        Command::Quit => ask_quit(state, out),
    }
}

/// To a server with a stored log-in, or to the form for any other.
pub(super) fn to_server(state: &mut State, server: Option<String>, out: &mut Vec<Effect>) {
    let known = server.as_ref().is_some_and(|server| state.servers.iter().any(|(other, _)| other == server));
    match server {
        Some(server) if known => {
            flush(state, out);
            out.push(Effect::Start(server));
        }
        server => {
            let mut form = Form::new(server.unwrap_or_default());
            form.focus = FormField::Server;
            form.back = true;
            state.overlays.clear();
            state.screen = Screen::Form(Box::new(form));
        }
    }
}

fn update_group(
    state: &mut State,
    name: Option<String>,
    topic: Option<String>,
    visibility: Option<chat_shared::api::Visibility>,
    done: &str,
    out: &mut Vec<Effect>,
) {
    if let Some(conversation) = group(state) {
        let call = Call::UpdateGroup { conversation, name, topic, visibility };
        out.push(state.errand(call, Errand::Say(done.to_owned())));
    }
}

fn edit(state: &mut State, text: Option<String>, out: &mut Vec<Effect>) {
    let me = state.me.clone();
    let mine = state.place().and_then(|place| {
        place.timeline.shown().rev().find(|m| {
            m.kind == MessageKind::Text && m.deleted_at.is_none() && m.sender.username.as_str() == me
        })
    });
    let Some(seq) = mine.map(|message| message.seq) else {
        return state.say(Tone::Bad, "there is no message of yours to edit.");
    };
    compose::begin_edit(state, seq);
    if let Some(text) = text {
        if let Some(place) = state.place_mut() {
            place.editor.set_text(&text);
        }
        compose::send(state, out);
    }
}

/// The conversations' panel.
pub(super) fn toggle_rooms(state: &mut State, out: &mut Vec<Effect>) {
    let shown = layout::areas(state).rooms.is_some();
    state.panels.rooms = Some(!shown);
    if !shown && layout::areas(state).rooms.is_none() {
        // There is no room for it: the switcher shows the same.
        state.panels.rooms = None;
        return lists::switcher(state, out);
    }
    out.push(Effect::Client(Request::SaveSetting("rooms".into(), (!shown).to_string())));
}

/// The members' panel; a list where there is no room for it.
pub(super) fn toggle_members(state: &mut State, out: &mut Vec<Effect>) {
    let shown = layout::areas(state).members.is_some();
    state.panels.members = Some(!shown);
    if !shown && layout::areas(state).members.is_none() {
        state.panels.members = None;
        if let Some(id) = state.current {
            lists::show(state, Call::Members(id), out);
        }
        return;
    }
    out.push(Effect::Client(Request::SaveSetting("members".into(), (!shown).to_string())));
}

fn set_theme(state: &mut State, name: ThemeName) {
    // `auto` was resolved by the program's start: here it means that again.
    let name = if name == ThemeName::Auto { state.auto_theme } else { name };
    state.theme_name = name;
    state.theme = Theme::new(name);
}

fn settings(state: &mut State) {
    let config = &state.config;
    let path = crate::config::path().map(|path| path.display().to_string()).unwrap_or_default();
    let row = |name: &str, value: String| ListRow::new(name, value, Choice::None);
    let rows = vec![
        row("configuration file", path),
        row("server", state.server.clone()),
        row("user", state.me.clone()),
        row("theme", state.theme_name.word().to_owned()),
        row("notify", config.notify.word().to_owned()),
        row("mouse", config.mouse.to_string()),
        row("typing", config.typing.to_string()),
        row("hyperlinks", config.hyperlinks.to_string()),
    ];
    let list = List::new("Settings", ListPurpose::Read, rows)
        .hinted("chat-tui --example-config prints them all · Esc closes");
    state.overlays.push(Overlay::List(Box::new(list)));
}

/// Selects the newest message that has this text in it.
pub(super) fn search(state: &mut State, text: String) {
    state.search = Some(text);
    if !state.is_selecting() {
        select::begin(state);
    }
    // From the newest on, the newest included.
    if let Some(place) = state.place_mut() {
        place.selected = None;
    }
    select::find(state, false);
}

/// Back from the form to the chat that is still there.
pub(super) fn back_to_chat(state: &mut State, _: &mut Vec<Effect>) {
    state.screen = Screen::Chat;
}

/// Drafts that were not kept yet are kept now.
pub(crate) fn flush(state: &mut State, out: &mut Vec<Effect>) {
    let mut drafts: Vec<_> = state
        .places
        .iter_mut()
        .filter_map(|(id, place)| place.save_at.take().map(|_| (*id, place.draft())))
        .collect();
    drafts.sort_by_key(|(id, _)| *id);
    out.extend(drafts.into_iter().map(|(id, draft)| Effect::Client(Request::SaveDraft(id, draft))));
}
