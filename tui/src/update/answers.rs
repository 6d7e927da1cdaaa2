//! What came of errands.

use super::client::explain;
use super::{compose, go, lists};
use crate::client::{Answer, Ticket};
use crate::effect::Effect;
use crate::error::ClientError;
use crate::layout::message::date_and_clock;
use crate::state::{Choice, Errand, List, ListPurpose, ListRow, Overlay, State, Tone};
use chat_shared::api::{Group, Member, SessionEntry, User};

/// Takes an answer.
pub(super) fn answer(
    state: &mut State,
    ticket: Ticket,
    result: Result<Answer, ClientError>,
    out: &mut Vec<Effect>,
) {
    let Some(errand) = state.errands.remove(&ticket) else { return };
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => {
            // What was asked ahead of need may fail in silence.
            if !matches!(errand, Errand::Learn | Errand::Members | Errand::Quoted | Errand::Details) {
                state.say(Tone::Bad, explain(&error));
            }
            if let (Errand::Details, Some(Overlay::List(list))) = (&errand, state.overlays.last_mut()) {
                list.loading = false;
            }
            return;
        }
    };
    match (errand, answer) {
        (Errand::Say(text), _) if text.is_empty() => {}
        (Errand::Say(text), _) => state.say(Tone::Info, text),
        (Errand::GoTo(text), Answer::Conversation(id)) => {
            go::open(state, id, out);
            if let Some(text) = text {
                compose::say(state, &text, out);
            }
        }
        (Errand::Learn, Answer::Users(users)) => {
            state.people = users;
            lists::refresh_switcher(state);
        }
        (Errand::Learn, Answer::Groups(groups)) => {
            state.groups = groups;
            lists::refresh_switcher(state);
        }
        (Errand::Members, Answer::Members(id, members)) => {
            state.place_of(id).members = Some(sorted(state, members));
        }
        (Errand::Quoted, Answer::Messages(messages)) => {
            for message in messages {
                state.place_of(message.conversation_id).timeline.learn(message);
            }
        }
        (Errand::Details, Answer::Edits(_, _, edits)) => {
            let mut rows = Vec::new();
            for edit in &edits {
                rows.push(ListRow::new("", date_and_clock(&state.zone, edit.edited_at), Choice::None));
                rows.extend(lists::wrapped(state, &edit.body));
            }
            lists::more_details(state, "Its texts, the first as sent", rows);
        }
        (Errand::Details, Answer::Messages(messages)) => {
            let mut rows = Vec::new();
            for message in &messages {
                let at = date_and_clock(&state.zone, message.sent_at);
                rows.push(ListRow::new(format!("{}:", message.sender.username), at, Choice::None));
                rows.extend(lists::wrapped(state, &message.body));
            }
            lists::more_details(state, "Replies", rows);
        }
        (Errand::Show, answer) => show(state, answer),
        _ => {}
    }
}

/// Online first, then by name.
fn sorted(state: &State, mut members: Vec<Member>) -> Vec<Member> {
    members.sort_by_key(|member| {
        let online =
            member.user.online.unwrap_or_else(|| state.online.contains(member.user.username.as_str()));
        (!online, member.user.username.clone())
    });
    members
}

fn show(state: &mut State, answer: Answer) {
    let list = match answer {
        Answer::Groups(groups) => {
            state.groups.clone_from(&groups);
            List::new("Public groups", ListPurpose::Groups, groups.iter().map(group_row).collect())
                .hinted("Enter joins or opens")
        }
        Answer::Users(users) => {
            state.people.clone_from(&users);
            List::new("People", ListPurpose::Users, users.iter().map(user_row).collect())
                .hinted("Enter opens the conversation")
        }
        Answer::Members(id, members) => {
            let members = sorted(state, members);
            let rows = members
                .iter()
                .map(|member| ListRow { detail: member.role.to_string(), ..user_row(&member.user) })
                .collect();
            state.place_of(id).members = Some(members);
            List::new("Members", ListPurpose::Users, rows).hinted("Enter opens the conversation")
        }
        Answer::Sessions(sessions) => {
            let rows = sessions.iter().map(|session| session_row(state, session)).collect();
            List::new("Where you are logged in", ListPurpose::Sessions, rows)
                .hinted("Enter ends that session")
        }
        Answer::User(user) => {
            let at = |ms| date_and_clock(&state.zone, ms);
            let row = |label: &str, detail: String| {
                ListRow::new(label, detail, Choice::User(user.username.to_string()))
            };
            let seen = match (user.online, user.last_seen_at) {
                (Some(true), _) => "online".into(),
                (_, Some(last)) => at(last),
                _ => "not told".into(),
            };
            let mut rows = vec![
                row("name", format!("@{}", user.username)),
                row("called", called(&user).to_owned()),
                row("status", user.status_text.clone()),
                row("last seen", seen),
                row("account since", at(user.created_at)),
            ];
            rows.retain(|row| !row.detail.is_empty());
            List::new("Who it is", ListPurpose::Users, rows).hinted("Enter opens the conversation")
        }
        _ => return,
    };
    if list.rows.is_empty() {
        return state.say(Tone::Info, "nothing was found.");
    }
    state.overlays.push(Overlay::List(Box::new(list.searchable())));
}

fn group_row(group: &Group) -> ListRow {
    let mark = if group.joined { "✓ " } else { "  " };
    let mut detail = match group.member_count {
        1 => "1 member".to_owned(),
        count => format!("{count} members"),
    };
    if !group.topic.is_empty() {
        detail.push_str(&format!(" · {}", group.topic));
    }
    ListRow::new(format!("{mark}#{}", group.name), detail, Choice::Group(group.name.to_string()))
}

/// How somebody is called beside the name; nothing where that is the name.
fn called(user: &User) -> &str {
    if user.display_name == user.username.as_str() { "" } else { &user.display_name }
}

fn user_row(user: &User) -> ListRow {
    let mark = if user.online == Some(true) { "● " } else { "○ " };
    ListRow::new(format!("{mark}@{}", user.username), called(user), Choice::User(user.username.to_string()))
}

fn session_row(state: &State, session: &SessionEntry) -> ListRow {
    let name =
        if session.device_name.is_empty() { "a device without a name" } else { session.device_name.as_str() };
    let this = if session.current { " (this one)" } else { "" };
    let detail = format!("last seen {}", date_and_clock(&state.zone, session.last_seen_at));
    ListRow::new(format!("{name}{this}"), detail, Choice::Session(session.id.clone()))
}
