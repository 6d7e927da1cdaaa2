//! Questions, and what their answers lead to.

use super::{commands, compose, flush};
use crate::client::{Call, Request};
use crate::editor::{Edit, Editor};
use crate::effect::Effect;
use crate::state::overlay::{Answer, Asked};
use crate::state::{Confirm, Errand, Overlay, Question, Screen, State, Tone};
use chat_shared::limits::PASSWORD_MIN;

/// Asks for a yes or a no.
pub(super) fn confirm(state: &mut State, question: String, detail: &str, word: &'static str, answer: Answer) {
    let answers = vec![('y', word, answer), ('n', "no", Answer::Never)];
    state.overlays.push(Overlay::Confirm(Confirm { question, detail: detail.to_owned(), answers }));
}

/// Asks for a password.
pub(super) fn ask_password(state: &mut State, title: &str, purpose: Asked) {
    state.overlays.push(Overlay::Question(Box::new(Question {
        title: title.to_owned(),
        editor: Editor::default(),
        secret: true,
        purpose,
    })));
}

fn ask_new_password(state: &mut State, old: String) {
    let title = format!("The new password (at least {PASSWORD_MIN} characters)");
    ask_password(state, &title, Asked::NewPassword(old));
}

/// A line that was asked for has come.
pub(super) fn asked(state: &mut State, question: Question, out: &mut Vec<Effect>) {
    let text = question.editor.text().to_owned();
    if text.is_empty() {
        return;
    }
    match question.purpose {
        Asked::Search => commands::search(state, text),
        Asked::OldPassword => ask_new_password(state, text),
        Asked::NewPassword(old) if text.chars().count() < PASSWORD_MIN => {
            state.say(Tone::Bad, format!("the password needs at least {PASSWORD_MIN} characters."));
            ask_new_password(state, old);
        }
        Asked::NewPassword(old) => {
            ask_password(state, "The new password once more", Asked::NewPasswordAgain(old, text));
        }
        Asked::NewPasswordAgain(old, new) if new != text => {
            state.say(Tone::Bad, "the two passwords differ.");
            ask_new_password(state, old);
        }
        Asked::NewPasswordAgain(old, _) => {
            let done = Errand::Say("your password is changed; every other session has ended.".into());
            out.push(state.errand(Call::ChangePassword(old, text), done));
        }
    }
}

/// Asks whether to quit when something would be lost, else quits.
pub(super) fn ask_quit(state: &mut State, out: &mut Vec<Effect>) {
    // What has failed for a conversation that is gone waits for nothing.
    let mine = state.places.iter().filter(|(id, _)| state.rooms.get(**id).is_some());
    let unsent: usize = mine.map(|(_, place)| place.timeline.pending.len()).sum();
    let (question, detail) = match (unsent, state.kept) {
        (0, _) => ("Quit?".to_owned(), String::new()),
        (n, true) => (format!("Quit with {n} unsent?"), "They are kept, and sent the next time.".to_owned()),
        (n, false) => (
            format!("Quit with {n} unsent?"),
            "They will be lost: another program owns the cache.".to_owned(),
        ),
    };
    if matches!(state.screen, Screen::Form(_)) {
        return out.push(Effect::Quit);
    }
    let answers = vec![('y', "quit", Answer::Quit), ('n', "stay", Answer::Never)];
    state.overlays.push(Overlay::Confirm(Confirm { question, detail, answers }));
}

/// A question was answered.
pub(super) fn answer(state: &mut State, answer: Answer, out: &mut Vec<Effect>) {
    match answer {
        Answer::Never => {}
        Answer::Quit => {
            flush(state, out);
            out.push(Effect::Quit);
        }
        Answer::Delete(conversation, seq) => {
            out.push(Effect::Client(Request::Delete(conversation, seq)));
            if let Some(place) = state.place_mut()
                && place.editing == Some(seq)
            {
                compose::cancel(state, out);
            }
        }
        Answer::Discard(id) => out.push(Effect::Client(Request::Discard(id))),
        Answer::PasteSend(text) => {
            let before = state.place().map(|place| place.editor.text().to_owned()).unwrap_or_default();
            let text = format!("{before}{}", text.trim_end_matches('\n'));
            if compose::say(state, &text, out)
                && let Some(place) = state.place_mut()
            {
                place.editor.take();
            }
        }
        Answer::PasteEdit(text) => compose::edit(state, Edit::InsertText(text), out),
        Answer::PasteCode(text) => {
            let fence = if text.contains("```") { "~~~~" } else { "```" };
            let text = format!("{fence}\n{}\n{fence}", text.trim_end_matches('\n'));
            compose::edit(state, Edit::InsertText(text), out);
        }
        Answer::Leave(id) => out.push(state.errand(Call::Leave(id), Errand::Say("you left.".into()))),
        Answer::DeleteGroup(id) => {
            out.push(state.errand(Call::DeleteGroup(id), Errand::Say("the group is deleted.".into())));
        }
        Answer::Kick(id, name) => {
            let done = Errand::Say(format!("@{name} is removed."));
            out.push(state.errand(Call::RemoveMember(id, name), done));
        }
        Answer::Invite(id, name) => {
            let done = Errand::Say(format!("@{name} is added."));
            out.push(state.errand(Call::AddMember(id, name), done));
        }
        Answer::EndSession(id) => {
            out.push(state.errand(Call::EndSession(id), Errand::Say("that session has ended.".into())));
        }
        Answer::Logout => {
            flush(state, out);
            out.push(state.errand(Call::Logout, Errand::Say(String::new())));
        }
        Answer::Open(link) => out.push(Effect::OpenLink(link)),
    }
}
