//! Everything the full-screen client knows, as values: no socket, no clock, no file. `update` is the only one to
//! change it, `view` only reads it.

pub mod completion;
pub mod form;
pub mod overlay;
pub mod place;
pub mod rooms;
pub mod timeline;
mod verbs;

pub use completion::{Candidate, Completion};
pub use form::{Form, FormField};
pub use overlay::{Choice, Confirm, List, ListPurpose, ListRow, Overlay, Question};
pub use place::{Place, Scroll};
pub use rooms::{Rooms, Urgency, name_of};
pub use timeline::{Item, Timeline};

use crate::client::{Call, Connection, Ticket};
use crate::config::Config;
use crate::effect::Effect;
use crate::keymap::Key;
use crate::theme::{Theme, ThemeName};
use chat_shared::ConversationId;
use chat_shared::api::{Conversation, Group, Millis, User};
use chat_shared::limits::Limits;
use jiff::tz::TimeZone;
use std::collections::{HashMap, HashSet};

/// How long a note stands in the status line: long enough to be read twice.
pub const TOAST_MS: Millis = 8_000;
/// Notes that are kept for `messages`.
const NOTES_MAX: usize = 200;
/// Conversations whose messages are held at once; the others are read from the cache again.
const TIMELINES_MAX: usize = 24;

/// What is shown.
#[derive(Debug, Clone)]
pub enum Screen {
    /// The form for server, name and password.
    Form(Box<Form>),
    /// The chat.
    Chat,
}

/// A note's weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Info,
    /// Something did not work.
    Bad,
}

/// Something the program has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When.
    pub at: Millis,
    /// What; remote text in it is cleaned where it is drawn.
    pub text: String,
    /// How heavy.
    pub tone: Tone,
}

/// Which panels were asked for; `None`: by the width.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Panels {
    /// The conversations.
    pub rooms: Option<bool>,
    /// The members.
    pub members: Option<bool>,
}

/// What an errand was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Errand {
    /// Say this when it is done; empty: nothing.
    Say(String),
    /// Open the conversation that it brings, and send this there if there is a text.
    GoTo(Option<String>),
    /// Learn people and groups for completion and the switcher.
    Learn,
    /// Show what it brings in a list.
    Show,
    /// Keep the members for the panel.
    Members,
    /// A quoted message, or what it was edited from.
    Quoted,
    /// Earlier texts and replies, for this overlay.
    Details,
}

/// The state.
#[derive(Debug, Clone)]
pub struct State {
    /// The time of the present event.
    pub now: Millis,
    /// For showing times.
    pub zone: TimeZone,
    /// Columns and rows.
    pub size: (u16, u16),
    /// Has the terminal the focus?
    pub focused: bool,
    /// What is set.
    pub config: Config,
    /// How things look.
    pub theme: Theme,
    /// Which theme it is.
    pub theme_name: ThemeName,
    /// What `auto` means on this terminal.
    pub auto_theme: ThemeName,
    /// What is shown.
    pub screen: Screen,
    /// The server's address.
    pub server: String,
    /// What the operator calls it.
    pub server_name: String,
    /// Who is logged in.
    pub me: String,
    /// Servers with a stored log-in, and whose it is.
    pub servers: Vec<(String, String)>,
    /// Does the cache outlive the program?
    pub kept: bool,
    /// What the server wants.
    pub limits: Limits,
    /// The connection.
    pub connection: Connection,
    /// When the next attempt is.
    pub retry_at: Option<Millis>,
    /// My conversations.
    pub rooms: Rooms,
    /// What the interface keeps of each.
    pub places: HashMap<ConversationId, Place>,
    /// The open one.
    pub current: Option<ConversationId>,
    /// The one before.
    pub previous: Option<ConversationId>,
    /// The conversation that was open when the program ended, until it is there.
    pub wanted: Option<String>,
    /// Who is online.
    pub online: HashSet<String>,
    /// People and groups that were heard of, for completion.
    pub people: Vec<User>,
    /// Public groups that were heard of.
    pub groups: Vec<Group>,
    /// What lies over the screen, the topmost last.
    pub overlays: Vec<Overlay>,
    /// What the line is being completed to.
    pub completion: Option<Completion>,
    /// Keys of a sequence that is not complete.
    pub keys: Vec<Key>,
    /// What was said, the newest last.
    pub notes: Vec<Note>,
    /// Until when the newest note is shown.
    pub toast_until: Option<Millis>,
    /// Panels.
    pub panels: Panels,
    /// What was searched for.
    pub search: Option<String>,
    /// Errands under way.
    pub errands: HashMap<Ticket, Errand>,
    next_ticket: Ticket,
    /// Order in which conversations were opened, the newest last: the oldest lose their messages.
    opened: Vec<ConversationId>,
}

impl State {
    /// At the start, before anything is known.
    pub fn new(config: Config, theme: ThemeName, zone: TimeZone, size: (u16, u16)) -> Self {
        Self {
            now: 0,
            zone,
            size,
            focused: true,
            theme: Theme::new(theme),
            theme_name: theme,
            auto_theme: theme,
            screen: Screen::Form(Box::new(Form::new(config.server.clone().unwrap_or_default()))),
            config,
            server: String::new(),
            server_name: String::new(),
            me: String::new(),
            servers: Vec::new(),
            kept: true,
            limits: Limits::default(),
            connection: Connection::Connecting,
            retry_at: None,
            rooms: Rooms::default(),
            places: HashMap::new(),
            current: None,
            previous: None,
            wanted: None,
            online: HashSet::new(),
            people: Vec::new(),
            groups: Vec::new(),
            overlays: Vec::new(),
            completion: None,
            keys: Vec::new(),
            notes: Vec::new(),
            toast_until: None,
            panels: Panels::default(),
            search: None,
            errands: HashMap::new(),
            next_ticket: 1,
            opened: Vec::new(),
        }
    }

    /// Forgets the server; the form is shown.
    pub fn leave_server(&mut self, form: Form) {
        let fresh = Self::new(self.config.clone(), self.theme_name, self.zone.clone(), self.size);
        *self = Self {
            now: self.now,
            auto_theme: self.auto_theme,
            servers: std::mem::take(&mut self.servers),
            focused: self.focused,
            notes: std::mem::take(&mut self.notes),
            toast_until: self.toast_until,
            screen: Screen::Form(Box::new(form)),
            ..fresh
        };
    }

    /// The open conversation.
    pub fn conversation(&self) -> Option<&Conversation> {
        self.rooms.get(self.current?)
    }

    /// What the interface keeps of the open conversation.
    pub fn place(&self) -> Option<&Place> {
        self.places.get(&self.current?)
    }

    /// The same, to change.
    pub fn place_mut(&mut self) -> Option<&mut Place> {
        Some(self.places.entry(self.current?).or_default())
    }

    /// What the interface keeps of a conversation, to change.
    pub fn place_of(&mut self, id: ConversationId) -> &mut Place {
        self.places.entry(id).or_default()
    }

    /// Says something.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.notes.push(Note { at: self.now, text: text.into(), tone });
        let extra = self.notes.len().saturating_sub(NOTES_MAX);
        self.notes.drain(..extra);
        self.toast_until = Some(self.now + TOAST_MS);
    }

    /// The note that is shown now.
    pub fn toast(&self) -> Option<&Note> {
        self.toast_until.filter(|until| *until > self.now).and(self.notes.last())
    }

    /// An errand for the client.
    pub fn errand(&mut self, call: Call, errand: Errand) -> Effect {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.errands.insert(ticket, errand);
        Effect::Client(crate::client::Request::Call(ticket, call))
    }

    /// This conversation was opened now. Returns those whose messages should be let go.
    pub fn note_opened(&mut self, id: ConversationId) {
        self.opened.retain(|other| *other != id);
        self.opened.push(id);
        while self.opened.len() > TIMELINES_MAX {
            let oldest = self.opened.remove(0);
            if let Some(place) = self.places.get_mut(&oldest) {
                place.timeline.reset();
                place.scroll = Scroll::Bottom;
                place.selected = None;
            }
        }
    }

    /// Is a message selected?
    pub fn is_selecting(&self) -> bool {
        self.place().is_some_and(|place| place.selected.is_some())
    }

    /// When the state next changes by itself: a retry counts down, a note or a typing notice ends.
    pub fn next_tick(&self) -> Option<Millis> {
        let seconds = self.retry_at.filter(|at| *at > self.now).map(|at| {
            let left = at - self.now;
            self.now + if left % 1_000 == 0 { 1_000 } else { left % 1_000 }
        });
        let typing = self.place().and_then(|place| place.typing.iter().map(|(_, until)| *until).min());
        let drafts = self.places.values().filter_map(|place| place.save_at).min();
        let toast = self.toast_until.filter(|until| *until > self.now);
        [seconds, typing, drafts, toast].into_iter().flatten().min()
    }
}
