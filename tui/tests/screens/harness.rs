//! A state, the made-up data behind it, and keys as text.

use chat_shared::api::{Conversation, Message, Sender};
use chat_shared::{ConversationId, Rev, SendId, Seq};
use chat_tui::client::{Request, Update};
use chat_tui::config::Config;
use chat_tui::demo::{self, Demo, MORNING};
use chat_tui::effect::Effect;
use chat_tui::event::{Event, Timed};
use chat_tui::state::{Screen, State};
use chat_tui::theme::ThemeName;
use chat_tui::update::update;
use chat_tui::view;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// The client without terminal, network and clock.
pub(crate) struct Script {
    pub(crate) state: State,
    demo: Demo,
    sent: u8,
    /// Does the made-up server answer?
    pub(crate) answers: bool,
    /// What was wanted since the last look.
    pub(crate) effects: Vec<Effect>,
}

impl Script {
    /// With the form.
    pub(crate) fn empty(columns: u16, rows: u16) -> Self {
        let mut state = State::new(Config::default(), ThemeName::Dark, TimeZone::UTC, (columns, rows));
        state.now = MORNING + 6 * 3_600_000;
        Self { state, demo: Demo::new(), sent: 0, answers: true, effects: Vec::new() }
    }

    /// With the made-up team.
    pub(crate) fn demo(columns: u16, rows: u16) -> Self {
        let mut script = Self::empty(columns, rows);
        script.state.screen = Screen::Chat;
        for update in script.demo.start() {
            script.tell(update);
        }
        script
    }

    pub(crate) fn event(&mut self, event: Event) {
        let now = self.state.now;
        for effect in update(&mut self.state, Timed { now, event }) {
            self.effects.push(effect.clone());
            let request = match effect {
                Effect::Client(request) => request,
                Effect::Send { conversation, body, reply_to } => {
                    self.sent += 1;
                    Request::Send { id: SendId::from_bytes([self.sent; 16]), conversation, body, reply_to }
                }
                Effect::Edit { conversation, seq, body } => {
                    self.sent += 1;
                    Request::Edit { id: SendId::from_bytes([self.sent; 16]), conversation, seq, body }
                }
                _ => continue,
            };
            if self.answers {
                for update in self.demo.answer(request) {
                    self.tell(update);
                }
            }
        }
    }

    pub(crate) fn tell(&mut self, update: Update) {
        self.event(Event::Client(update));
    }

    /// Time goes by.
    pub(crate) fn wait(&mut self, ms: i64) {
        self.state.now += ms;
        self.event(Event::Tick);
    }

    /// Presses keys: letters as they are, others as `<ctrl-k>`.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        let mut rest = keys;
        while let Some(c) = rest.chars().next() {
            let (name, length) = match rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
                Some((name, _)) if !name.is_empty() && !name.contains(' ') => {
                    (name.to_owned(), name.len() + 2)
                }
                _ if c == ' ' => ("space".to_owned(), 1),
                _ => (c.to_string(), c.len_utf8()),
            };
            let key = name.parse().unwrap_or_else(|error| panic!("{error}"));
            self.event(Event::Key(key));
            rest = &rest[length..];
        }
        self
    }

    pub(crate) fn buffer(&self) -> Buffer {
        let (columns, rows) = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
        view::draw(&self.state, &mut buffer);
        buffer
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        let buffer = self.buffer();
        let mut text = String::new();
        for y in 0..buffer.area.height {
            let mut skip = 0;
            let mut line = String::new();
            for x in 0..buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                if skip == 0 {
                    line.push_str(symbol);
                    skip = chat_tui::text::width::width(symbol).max(1);
                }
                skip -= 1;
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.screen().contains(text)
    }

    /// The line as it is written.
    pub(crate) fn line(&self) -> String {
        self.state.place().map(|place| place.editor.text().to_owned()).unwrap_or_default()
    }

    /// The name of the open conversation.
    pub(crate) fn open(&self) -> String {
        self.state.conversation().map(chat_tui::state::name_of).unwrap_or_default()
    }

    /// The last note.
    pub(crate) fn note(&self) -> String {
        self.state.toast().map(|note| note.text.clone()).unwrap_or_default()
    }

    /// Requests of the client since the last look.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .filter_map(|e| if let Effect::Client(request) = e { Some(request) } else { None })
            .collect()
    }

    pub(crate) fn id(&self, name: &str) -> ConversationId {
        self.state.rooms.by_name(name).unwrap_or_else(|| panic!("no {name}"))
    }
}

/// On the made-up data.
pub(crate) fn script() -> Script {
    Script::demo(80, 24)
}

pub(crate) fn seq(value: i64) -> Seq {
    Seq::new(value).unwrap()
}

pub(crate) fn rev(value: i64) -> Rev {
    Rev::new(value).unwrap()
}

/// Somebody else writes into #general.
pub(crate) fn arrives(script: &mut Script, body: &str) {
    arrives_from(script, demo::message(1).sender.username.as_str(), body);
}

/// The same of this person; one's own words are not unread.
pub(crate) fn arrives_from(script: &mut Script, username: &str, body: &str) {
    let id = script.id("#general");
    let conversation = script.state.rooms.get(id).unwrap().clone();
    let from = conversation.head_rev;
    let to = from.next();
    let message = Message {
        conversation_id: id,
        seq: to.as_seq(),
        rev: to,
        sent_at: script.state.now,
        body: body.into(),
        sender: Sender { username: username.parse().unwrap(), ..demo::message(1).sender },
        ..demo::message(1)
    };
    let unread = conversation.unread + u32::from(username != script.state.me);
    script.tell(Update::Applied { conversation: id, messages: vec![message], from, to });
    script.tell(Update::Conversation(Box::new(Conversation {
        head_rev: to,
        last_seq: to.as_seq(),
        unread,
        ..conversation
    })));
}
