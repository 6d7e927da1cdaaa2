//! The lists that lie over the screen: what is in them, and what Enter does.

use super::{commands, compose, go, keys, questions, select};
use crate::action::{Action, Context};
use crate::client::Call;
use crate::command::{self, COMMANDS};
use crate::editor::{Edit, Editor};
use crate::effect::Effect;
use crate::emoji;
use crate::layout::message::{date_and_clock, notice};
use crate::state::overlay::{Answer, Asked};
use crate::state::{
    Choice, Confirm, Errand, List, ListPurpose, ListRow, Overlay, Question, State, Tone, name_of, rooms,
};
use crate::text::{Span, wrap};
use chat_shared::api::MessageKind;
use chat_shared::display::SafeText;
use chat_shared::{ConversationId, Seq};

/// Rows of a page in a list.
const PAGE: isize = 10;

fn push(state: &mut State, list: List) {
    state.overlays.push(Overlay::List(Box::new(list)));
}

/// Edits what is typed into the topmost layer.
pub(super) fn edit(state: &mut State, edit: Edit) {
    match state.overlays.last_mut() {
        Some(Overlay::List(list)) => {
            let Some(query) = &mut list.query else { return };
            if query.apply(edit) {
                list.narrow();
            }
        }
        Some(Overlay::Question(question)) => {
            question.editor.apply(edit);
        }
        _ => {}
    }
}

/// Runs an action in the topmost layer.
pub(super) fn run(state: &mut State, action: Action, out: &mut Vec<Effect>) {
    // Such a text has one line.
    if let Some(one) = action.edit().filter(|edit| *edit != Edit::Newline) {
        return edit(state, one);
    }
    match state.overlays.last_mut() {
        Some(Overlay::List(list)) => match action {
            Action::ListUp => list.step(-1),
            Action::ListDown => list.step(1),
            Action::ListPageUp => list.step(-PAGE),
            Action::ListPageDown => list.step(PAGE),
            Action::ListTake => take(state, out),
            // The key that opened it closes it.
            Action::Help | Action::Switcher | Action::Palette | Action::Messages => {
                state.overlays.pop();
            }
            _ => {}
        },
        Some(Overlay::Question(_)) if matches!(action, Action::Send | Action::ListTake) => {
            if let Some(Overlay::Question(question)) = state.overlays.pop() {
                questions::asked(state, *question, out);
            }
        }
        _ => {}
    }
}

/// Does what Enter means in this list.
pub(super) fn take(state: &mut State, out: &mut Vec<Effect>) {
    let Some(Overlay::List(list)) = state.overlays.last() else { return };
    let purpose = list.purpose.clone();
    let typed = list.query.as_ref().map(|query| query.text().trim().to_owned()).unwrap_or_default();
    let choice = list.row().map(|row| row.choice.clone());
    if matches!(purpose, ListPurpose::Read | ListPurpose::Details(..)) {
        state.overlays.pop();
        return;
    }
    let Some(choice) = choice else {
        // Somebody who is not in the list can still be gone to by name.
        if purpose == ListPurpose::Switch && typed.len() > 1 && typed.starts_with(['@', '#']) {
            state.overlays.pop();
            go::to_name(state, &typed, out);
        }
        return;
    };
    state.overlays.pop();
    match choice {
        Choice::None => {}
        Choice::Conversation(id) => go::open(state, id, out),
        Choice::User(name) => go::to_name(state, &format!("@{name}"), out),
        Choice::Group(name) => match state.rooms.by_name(&format!("#{name}")) {
            Some(id) => go::open(state, id, out),
            None => out.push(state.errand(Call::Join(name), Errand::GoTo(None))),
        },
        Choice::Action(action) => keys::run(state, action, out),
        Choice::Command(text) => {
            if let Some(place) = state.place_mut() {
                place.editor.set_text(&text);
            }
            super::complete::refresh(state, out);
        }
        Choice::Emoji(emoji) => {
            if let ListPurpose::React(..) = purpose {
                select::toggle(state, &emoji, out);
            }
        }
        Choice::Session(id) => state.overlays.push(Overlay::Confirm(Confirm {
            question: "End this session?".into(),
            detail: "That device has to log in again.".into(),
            answers: vec![('y', "end it", Answer::EndSession(id)), ('n', "no", Answer::Never)],
        })),
        Choice::Text(text) => {
            if let Some(place) = state.place_mut() {
                place.editor.set_text(&text);
            }
            compose::edit(state, Edit::TextEnd, out);
        }
        Choice::Link(link) => select::ask_open(state, &link),
        Choice::Server(server) => commands::to_server(state, server, out),
    }
}

/// The keys and commands; of one command only its own line.
pub(super) fn help(state: &mut State, topic: Option<&str>) {
    let wanted = topic.map(|topic| topic.trim_start_matches('/').to_lowercase());
    if let Some(topic) = &wanted
        && let Some(spec) = command::find(topic)
    {
        return state.say(Tone::Info, format!("/{} {} — {}", spec.name, spec.usage, spec.doc));
    }
    let mut rows = Vec::new();
    for context in Context::ALL {
        rows.push(ListRow::heading(context.title()));
        for action in Action::ALL.iter().filter(|action| action.context() == context) {
            let keys = state.config.keymap.keys_of(*action).join(", ");
            rows.push(ListRow::new(action.doc(), keys, Choice::Action(*action)));
        }
    }
    rows.push(ListRow::heading("Commands"));
    for spec in COMMANDS {
        let usage = format!("/{} {}", spec.name, spec.usage);
        rows.push(ListRow::new(spec.doc, usage.trim_end(), Choice::Command(format!("/{} ", spec.name))));
    }
    let list = List::new("Help", ListPurpose::Help, rows)
        .searchable()
        .hinted("type to narrow · Enter does it · Esc closes");
    push(state, list);
}

/// Every action and command.
pub(super) fn palette(state: &mut State) {
    let mut rows: Vec<ListRow> = Action::ALL
        .iter()
        .filter(|action| matches!(action.context(), Context::Global | Context::Select))
        .filter(|action| action.room_number().is_none() && **action != Action::Cancel)
        .map(|action| {
            let key = state.config.keymap.key_of(*action).unwrap_or_default();
            ListRow::new(action.doc(), key, Choice::Action(*action))
        })
        .collect();
    rows.extend(COMMANDS.iter().map(|spec| {
        ListRow::new(
            format!("/{} — {}", spec.name, spec.doc),
            spec.usage,
            Choice::Command(format!("/{} ", spec.name)),
        )
    }));
    push(state, List::new("All actions", ListPurpose::Palette, rows).searchable().hinted("Enter does it"));
}

/// Conversations, the ones that ask for attention first, and people.
pub(super) fn switcher(state: &mut State, out: &mut Vec<Effect>) {
    let rows = switcher_rows(state);
    push(state, List::new("Go to", ListPurpose::Switch, rows).searchable().hinted("Enter goes there"));
    if super::is_online(state) {
        out.push(state.errand(Call::Users(String::new()), Errand::Learn));
        out.push(state.errand(Call::Groups(String::new()), Errand::Learn));
    }
}

/// The rows of the switcher.
pub(super) fn switcher_rows(state: &State) -> Vec<ListRow> {
    let mut mine: Vec<_> = state.rooms.iter().collect();
    mine.sort_by_key(|conversation| {
        let last = Some(conversation.id) == state.previous;
        std::cmp::Reverse((rooms::urgency(conversation, state.now), last))
    });
    let mut rows: Vec<ListRow> = mine
        .iter()
        .map(|conversation| {
            let unread = match (conversation.unread, conversation.mentions) {
                (0, _) => conversation.topic.clone().unwrap_or_default(),
                (unread, 0) => format!("{} unread", rooms::count(unread)),
                (unread, mentions) => format!("{} unread, {} name you", rooms::count(unread), mentions),
            };
            ListRow::new(name_of(conversation), unread, Choice::Conversation(conversation.id))
        })
        .collect();
    for user in &state.people {
        let name = format!("@{}", user.username);
        if state.rooms.by_name(&name).is_none() {
            let about = if user.username.as_str() == state.me {
                "notes to yourself".to_owned()
            } else if user.display_name == user.username.as_str() {
                String::new()
            } else {
                user.display_name.clone()
            };
            rows.push(ListRow::new(name, about, Choice::User(user.username.to_string())));
        }
    }
    for group in state.groups.iter().filter(|group| !group.joined) {
        let name = format!("#{}", group.name);
        if state.rooms.by_name(&name).is_none() {
            let about =
                if group.topic.is_empty() { "join".to_owned() } else { format!("join · {}", group.topic) };
            rows.push(ListRow::new(name, about, Choice::Group(group.name.to_string())));
        }
    }
    rows
}

/// What people or groups were learnt is in the switcher too, if it is open.
pub(super) fn refresh_switcher(state: &mut State) {
    let rows = switcher_rows(state);
    if let Some(Overlay::List(list)) = state.overlays.last_mut()
        && list.purpose == ListPurpose::Switch
    {
        let chosen = list.row().cloned();
        list.replace(rows);
        if let Some(at) =
            chosen.and_then(|row| list.matching.iter().position(|i| list.rows[*i].choice == row.choice))
        {
            list.chosen = at;
        }
    }
}

/// Reactions to choose from, the usual ones first.
pub(super) fn react(state: &mut State, conversation: ConversationId, seq: Seq) {
    let rows = emoji::all()
        .filter_map(|(emoji, name)| {
            Some(ListRow::new(format!("{emoji}  {name}"), "", Choice::Emoji(emoji.parse().ok()?)))
        })
        .collect();
    let list = List::new("React", ListPurpose::React(conversation, seq), rows);
    push(state, list.searchable().hinted("Enter reacts, or takes it back"));
}

/// Earlier inputs of this conversation.
pub(super) fn history(state: &mut State) {
    let Some(place) = state.place() else { return };
    let rows: Vec<_> = place
        .entered
        .iter()
        .rev()
        .map(|line| ListRow::new(line.clone(), "", Choice::Text(line.clone())))
        .collect();
    if rows.is_empty() {
        return state.say(Tone::Info, "nothing was entered here before.");
    }
    push(
        state,
        List::new("Earlier inputs", ListPurpose::History, rows)
            .searchable()
            .hinted("Enter takes it into the line"),
    );
}

/// What the program had to say.
pub(super) fn notes(state: &mut State) {
    let rows: Vec<_> = state
        .notes
        .iter()
        .rev()
        .flat_map(|note| {
            let at = ListRow::new("", date_and_clock(&state.zone, note.at), Choice::None);
            std::iter::once(at).chain(wrapped(state, &note.text))
        })
        .collect();
    push(state, List::new("Notes", ListPurpose::Read, rows).searchable().hinted("Esc closes"));
}

/// Asks for a text to find.
pub(super) fn ask_search(state: &mut State) {
    let held = state.place().map_or(0, |place| place.timeline.shown().count());
    state.overlays.push(Overlay::Question(Box::new(Question {
        title: format!("Find among the {held} messages that are held here"),
        editor: Editor::default(),
        secret: false,
        purpose: Asked::Search,
    })));
}

/// All there is about a message; earlier texts and replies follow.
pub(super) fn details(state: &mut State, conversation: ConversationId, seq: Seq, out: &mut Vec<Effect>) {
    let Some(message) = state.place().and_then(|place| place.timeline.message(seq)) else { return };
    let at = |ms| date_and_clock(&state.zone, ms);
    let sender = &message.sender;
    let from = if sender.display_name == sender.username.as_str() {
        format!("from {}", sender.username)
    } else {
        format!("from {} ({})", sender.username, sender.display_name)
    };
    let mut rows = vec![ListRow::new(from, at(message.sent_at), Choice::None)];
    if let Some(edited) = message.edited_at {
        rows.push(ListRow::new("edited", at(edited), Choice::None));
    }
    if let Some(deleted) = message.deleted_at {
        rows.push(ListRow::new("deleted", at(deleted), Choice::None));
    }
    if let Some(event) = &message.event {
        rows.push(ListRow::new(notice(event), "", Choice::None));
    }
    for reaction in &message.reactions {
        let names: Vec<&str> = reaction.users.iter().map(|name| name.as_str()).collect();
        let more = usize::try_from(reaction.count).unwrap_or(0).saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        rows.push(ListRow::new(format!("{} {}{more}", reaction.emoji, names.join(", ")), "", Choice::None));
    }
    rows.extend(wrapped(state, &message.body));
    let edited = message.edited_at.is_some() && message.deleted_at.is_none();
    let replies = message.reply_count.unwrap_or(0) > 0;
    let is_text = message.kind == MessageKind::Text;
    let mut list = List::new("Message", ListPurpose::Details(conversation, seq), rows).hinted("Esc closes");
    list.loading = edited || replies;
    push(state, list);
    if edited {
        out.push(state.errand(Call::Edits(conversation, seq), Errand::Details));
    }
    if replies && is_text {
        out.push(state.errand(Call::Thread(conversation, seq), Errand::Details));
    }
}

/// A text as rows to read, broken to the list's width.
pub(super) fn wrapped(state: &State, text: &str) -> Vec<ListRow> {
    let columns = crate::view::overlay::list_columns(state.size.0);
    let line = |line: &str| wrap::wrap_line(&[Span::plain(SafeText::line(line))], columns, 0);
    text.lines().flat_map(line).map(|row| ListRow::new(row.text(), "", Choice::None)).collect()
}

/// More rows for the details of this message, if they are still open.
pub(super) fn more_details(state: &mut State, heading: &str, rows: Vec<ListRow>) {
    if let Some(Overlay::List(list)) = state.overlays.last_mut()
        && matches!(list.purpose, ListPurpose::Details(..))
    {
        list.loading = false;
        list.rows.push(ListRow::heading(heading));
        list.rows.extend(rows);
        let chosen = list.chosen;
        list.narrow();
        list.step(isize::try_from(chosen).unwrap_or(0));
    }
}

/// Asks the server for something and shows it in a list.
pub(super) fn show(state: &mut State, call: Call, out: &mut Vec<Effect>) {
    out.push(state.errand(call, Errand::Show));
}
