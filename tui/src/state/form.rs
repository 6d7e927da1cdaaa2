//! The form that lets somebody in.

use crate::editor::Editor;
use crate::effect::LogIn;

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormField {
    /// The server's address.
    Server,
    /// Who.
    Username,
    /// Password.
    Password,
    /// The same again, to register.
    Again,
    /// Where the server asks for one.
    Code,
    /// Log in, or register.
    Submit,
    /// To the other of both.
    Switch,
}

/// Which code a server asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// For the first account of a server on a public address.
    Setup,
    /// Where registration is by invite.
    Invite,
}

/// The form.
#[derive(Debug, Clone)]
pub struct Form {
    /// Make an account?
    pub register: bool,
    /// The server's address.
    pub server: Editor,
    /// Who.
    pub username: Editor,
    /// Password.
    pub password: Editor,
    /// The same again.
    pub again: Editor,
    /// The code.
    pub code: Editor,
    /// Which code is asked for, once the server has said so.
    pub asks: Option<Code>,
    /// The field that has the cursor.
    pub focus: FormField,
    /// What is wrong, and with which field.
    pub error: Option<(FormField, String)>,
    /// Is an answer awaited?
    pub busy: bool,
    /// Can it be left with Esc, back to the chat?
    pub back: bool,
}

/// The server that a fresh installation runs on.
pub const LOCAL: &str = "http://127.0.0.1:8080";

fn line(text: &str) -> Editor {
    let mut editor = Editor::default();
    editor.set_text(text);
    editor
}

impl Form {
    /// With this server filled in; the local one if none is known.
    pub fn new(server: impl Into<String>) -> Self {
        let server: String = server.into();
        let known = !server.is_empty();
        Self {
            register: false,
            server: line(if known { &server } else { LOCAL }),
            username: Editor::default(),
            password: Editor::default(),
            again: Editor::default(),
            code: Editor::default(),
            asks: None,
            focus: FormField::Username,
            error: None,
            busy: false,
            back: false,
        }
    }

    /// Of somebody whose session is over.
    pub fn again_for(server: &str, username: &str, reason: impl Into<String>) -> Self {
        let mut form = Self::new(server);
        form.username = line(username);
        form.focus = FormField::Password;
        form.error = Some((FormField::Submit, reason.into()));
        form
    }

    /// The fields, from the top down.
    pub fn fields(&self) -> Vec<FormField> {
        let mut fields = vec![FormField::Server, FormField::Username, FormField::Password];
        if self.register {
            fields.push(FormField::Again);
            if self.asks.is_some() {
                fields.push(FormField::Code);
            }
        }
        fields.extend([FormField::Submit, FormField::Switch]);
        fields
    }

    /// The text of a field.
    pub fn editor(&self, field: FormField) -> Option<&Editor> {
        match field {
            FormField::Server => Some(&self.server),
            FormField::Username => Some(&self.username),
            FormField::Password => Some(&self.password),
            FormField::Again => Some(&self.again),
            FormField::Code => Some(&self.code),
            FormField::Submit | FormField::Switch => None,
        }
    }

    /// The text of the field with the cursor.
    pub fn focused_editor(&mut self) -> Option<&mut Editor> {
        match self.focus {
            FormField::Server => Some(&mut self.server),
            FormField::Username => Some(&mut self.username),
            FormField::Password => Some(&mut self.password),
            FormField::Again => Some(&mut self.again),
            FormField::Code => Some(&mut self.code),
            FormField::Submit | FormField::Switch => None,
        }
    }

    /// The next field, or the one before.
    pub fn step(&mut self, by: isize) {
        let fields = self.fields();
        let at = fields.iter().position(|field| *field == self.focus).unwrap_or(0);
        let count = fields.len();
        let next = (at + count).saturating_add_signed(by) % count;
        self.focus = fields.get(next).copied().unwrap_or(FormField::Server);
    }

    /// To registering, or back to logging in.
    pub fn switch(&mut self) {
        self.register = !self.register;
        self.error = None;
        let empty = |field: &FormField| self.editor(*field).is_some_and(Editor::is_empty);
        self.focus = self.fields().into_iter().find(empty).unwrap_or(FormField::Submit);
    }

    /// What is to be done, or what is wrong with which field.
    pub fn submit(&self) -> Result<LogIn, (FormField, String)> {
        let text = |field| self.editor(field).map(|editor| editor.text().to_owned()).unwrap_or_default();
        let wrong = |field, text: &str| Err((field, text.to_owned()));
        let server = text(FormField::Server).trim().to_owned();
        if server.is_empty() {
            return wrong(FormField::Server, "the server's address is missing");
        }
        let username = text(FormField::Username).trim().trim_start_matches('@').to_owned();
        if username.is_empty() {
            return wrong(FormField::Username, "the name is missing");
        }
        if let Err(error) = username.parse::<chat_shared::Username>() {
            return wrong(FormField::Username, &format!("a name {error}"));
        }
        let password = text(FormField::Password);
        if password.is_empty() {
            return wrong(FormField::Password, "the password is missing");
        }
        if self.register && password.chars().count() < chat_shared::limits::PASSWORD_MIN {
            let detail =
                format!("the password needs at least {} characters", chat_shared::limits::PASSWORD_MIN);
            return wrong(FormField::Password, &detail);
        }
        if self.register && text(FormField::Again) != password {
            return wrong(FormField::Again, "the two passwords differ");
        }
        let code = Some(text(FormField::Code).trim().to_owned()).filter(|code| !code.is_empty());
        Ok(LogIn {
            server,
            username,
            password,
            register: self.register,
            invite: code.clone().filter(|_| self.asks == Some(Code::Invite)),
            setup_code: code.filter(|_| self.asks == Some(Code::Setup)),
        })
    }
}
