//! The form: moving in it, sending it, and what the server said.

use crate::action::Action;
use crate::editor::Edit;
use crate::effect::Effect;
use crate::error::ClientError;
use crate::event::LoggedIn;
use crate::state::form::Code;
use crate::state::{Form, FormField, Screen, State};
use chat_shared::ErrorCode;

/// Types into the field with the cursor.
pub(super) fn edit(form: &mut Form, edit: Edit) {
    if form.busy || matches!(edit, Edit::Newline) {
        return;
    }
    if let Edit::Insert(' ') = edit
        && matches!(form.focus, FormField::Submit | FormField::Switch)
    {
        return;
    }
    if let Some(editor) = form.focused_editor() {
        editor.apply(edit);
        form.error = None;
    }
}

/// Runs an action in the form.
pub(super) fn run(state: &mut State, action: Action, out: &mut Vec<Effect>) {
    let Screen::Form(form) = &mut state.screen else { return };
    match action {
        Action::Send if form.focus == FormField::Switch && !form.busy => form.switch(),
        Action::Send => enter(state, out),
        Action::Complete | Action::Down => form.step(1),
        Action::CompletePrevious | Action::Up => form.step(-1),
        Action::Help => super::lists::help(state, None),
        _ => {
            if let Some(one) = action.edit() {
                edit(form, one);
            }
        }
    }
}

/// Enter: to the next field that is empty, and at the last one the form is sent.
fn enter(state: &mut State, out: &mut Vec<Effect>) {
    let Screen::Form(form) = &mut state.screen else { return };
    if form.busy {
        return;
    }
    if form.focus != FormField::Submit {
        let empty = form.fields().into_iter().find(|field| {
            *field != form.focus && form.editor(*field).is_some_and(crate::editor::Editor::is_empty)
        });
        let own_empty = form.editor(form.focus).is_some_and(crate::editor::Editor::is_empty);
        if let Some(field) = empty.filter(|_| !own_empty) {
            form.focus = field;
            return;
        }
    }
    match form.submit() {
        Ok(log_in) => {
            form.busy = true;
            form.error = None;
            out.push(Effect::LogIn(log_in));
        }
        Err((field, detail)) => {
            form.focus = field;
            form.error = Some((field, detail));
        }
    }
}

/// The server is not waited for any longer.
pub(super) fn give_up(form: &mut Form, out: &mut Vec<Effect>) {
    form.busy = false;
    if form.register {
        let detail = "no answer was waited for. If the account was made all the same, log in.";
        form.error = Some((FormField::Submit, detail.to_owned()));
    }
    out.push(Effect::GiveUpLogIn);
}

/// What came of the log-in.
pub(super) fn logged_in(state: &mut State, result: Result<LoggedIn, ClientError>, out: &mut Vec<Effect>) {
    let Screen::Form(form) = &mut state.screen else { return };
    // An answer that came as it was given up changes nothing any more.
    if !std::mem::take(&mut form.busy) {
        return;
    }
    let error = match result {
        Ok(logged_in) => return out.push(Effect::Start(logged_in.server)),
        Err(error) => error,
    };
    let (field, detail) = complaint(form, &error);
    if field != FormField::Submit {
        form.focus = field;
    }
    form.error = Some((field, detail));
}

/// The field that the server complains about, and what to do.
fn complaint(form: &mut Form, error: &ClientError) -> (FormField, String) {
    let ClientError::Api { problem, .. } = error else {
        let field = match error {
            ClientError::Unreachable { .. } | ClientError::Usage(_) => FormField::Server,
            _ => FormField::Submit,
        };
        return (field, error.to_string());
    };
    let names_field = |name: &str| problem.errors.iter().find(|error| error.field == name);
    if form.register {
        let asks = [("setup_code", Code::Setup), ("invite", Code::Invite)];
        let asked =
            asks.into_iter().find(|(name, _)| names_field(name).is_some() || problem.detail.contains(name));
        let asked = asked.map(|(_, code)| code).or_else(|| {
            let detail = problem.detail.to_lowercase();
            let forbidden = problem.code == ErrorCode::Forbidden;
            match () {
                () if forbidden && detail.contains("setup code") => Some(Code::Setup),
                () if forbidden && detail.contains("invite") => Some(Code::Invite),
                () => None,
            }
        });
        if let Some(code) = asked {
            form.asks = Some(code);
            return (FormField::Code, problem.detail.clone());
        }
    }
    if problem.code == ErrorCode::UsernameTaken {
        return (FormField::Username, problem.detail.clone());
    }
    for (name, field, word) in
        [("username", FormField::Username, "name"), ("password", FormField::Password, "password")]
    {
        if let Some(error) = names_field(name) {
            return (field, format!("the {word} {}", error.detail));
        }
    }
    match problem.code {
        ErrorCode::Unauthorized if form.register => (FormField::Password, problem.detail.clone()),
        // On a fresh server this is what a newcomer meets first.
        ErrorCode::Unauthorized => {
            (FormField::Password, format!("{} New here? Choose \"I have no account yet\".", problem.detail))
        }
        _ => (FormField::Submit, error.to_string()),
    }
}
