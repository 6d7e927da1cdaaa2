//! What lies over the screen. The topmost takes the keys; Esc takes it away.

use crate::action::Action;
use crate::editor::Editor;
use crate::text::fuzzy::Fuzzy;
use chat_shared::name::Emoji;
use chat_shared::{ConversationId, SendId, Seq, SessionId};

/// A layer.
#[derive(Debug, Clone)]
pub enum Overlay {
    /// Rows to read or to choose from, narrowed by a few letters.
    List(Box<List>),
    /// A question that one key answers.
    Confirm(Confirm),
    /// A line that is asked for.
    Question(Box<Question>),
}

/// Rows to choose from.
#[derive(Debug, Clone)]
pub struct List {
    /// What it is.
    pub title: String,
    /// What Enter does.
    pub purpose: ListPurpose,
    /// Every row.
    pub rows: Vec<ListRow>,
    /// The rows that match, as places in `rows`, the best first.
    pub matching: Vec<usize>,
    /// The chosen one, as a place in `matching`.
    pub chosen: usize,
    /// What narrows it; `None`: it cannot be narrowed.
    pub query: Option<Editor>,
    /// Is more on its way?
    pub loading: bool,
    /// What Enter does, for the bottom line.
    pub hint: &'static str,
}

/// What Enter does with the chosen row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListPurpose {
    /// Nothing: it is for reading.
    Read,
    /// The keys and commands; Enter runs the action.
    Help,
    /// Go to a conversation, a person, a group.
    Switch,
    /// Run an action or begin a command.
    Palette,
    /// React to this message.
    React(ConversationId, Seq),
    /// Do something with the selected message.
    Verbs,
    /// End the session.
    Sessions,
    /// Join the group.
    Groups,
    /// Talk to the person.
    Users,
    /// Put an earlier input into the line.
    History,
    /// Open a link.
    Links,
    /// Follow another server.
    Servers,
    /// All about this message; more is read for it.
    Details(ConversationId, Seq),
}

/// What a row stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// Nothing.
    None,
    /// A conversation of mine.
    Conversation(ConversationId),
    /// A person.
    User(String),
    /// A public group, by name.
    Group(String),
    /// An action.
    Action(Action),
    /// The beginning of a command.
    Command(String),
    /// A reaction.
    Emoji(Emoji),
    /// A log-in.
    Session(SessionId),
    /// A text.
    Text(String),
    /// A link.
    Link(String),
    /// A server with a stored log-in; `None`: another one.
    Server(Option<String>),
}

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRow {
    /// What is read and searched.
    pub label: String,
    /// What stands beside it.
    pub detail: String,
    /// What it stands for.
    pub choice: Choice,
    /// A heading: it cannot be chosen.
    pub heading: bool,
}

impl ListRow {
    /// A row.
    pub fn new(label: impl Into<String>, detail: impl Into<String>, choice: Choice) -> Self {
        Self { label: label.into(), detail: detail.into(), choice, heading: false }
    }

    /// A heading.
    pub fn heading(label: impl Into<String>) -> Self {
        Self { heading: true, ..Self::new(label, "", Choice::None) }
    }
}

impl List {
    /// A list of all of these rows.
    pub fn new(title: impl Into<String>, purpose: ListPurpose, rows: Vec<ListRow>) -> Self {
        let mut list = Self {
            title: title.into(),
            purpose,
            matching: (0..rows.len()).collect(),
            rows,
            chosen: 0,
            query: None,
            loading: false,
            hint: "",
        };
        list.settle(true);
        list
    }

    /// It can be narrowed by typing.
    pub fn searchable(mut self) -> Self {
        self.query = Some(Editor::default());
        self
    }

    /// With this in its bottom line.
    pub fn hinted(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// The chosen row.
    pub fn row(&self) -> Option<&ListRow> {
        self.rows.get(*self.matching.get(self.chosen)?)
    }

    /// Other rows, the query staying.
    pub fn replace(&mut self, rows: Vec<ListRow>) {
        self.rows = rows;
        self.narrow();
    }

    /// Shows what matches the query.
    pub fn narrow(&mut self) {
        let query = self.query.as_ref().map(|query| query.text().trim().to_owned()).unwrap_or_default();
        self.matching = if query.is_empty() { (0..self.rows.len()).collect() } else { self.ranked(&query) };
        self.chosen = 0;
        self.settle(true);
    }

    /// The rows that match, the best first: those that have what was typed as a whole word before those that
    /// resemble it. Equals stay in their order.
    fn ranked(&self, query: &str) -> Vec<usize> {
        let mut fuzzy = Fuzzy::new();
        let has_word = |row: &ListRow| {
            row.label
                .split_whitespace()
                .any(|word| word == query || word.trim_start_matches(['#', '@']) == query)
        };
        let mut scored: Vec<(bool, u32, usize)> = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.heading)
            .filter_map(|(index, row)| {
                let label = fuzzy.score(query, &row.label).map(|(score, _)| score);
                // What stands beside it is searched too, but weighs less.
                let detail = fuzzy.score(query, &row.detail).map(|(score, _)| score / 2);
                Some((has_word(row), label.max(detail)?, index))
            })
            .collect();
        scored.sort_by_key(|(has_word, score, index)| (std::cmp::Reverse((*has_word, *score)), *index));
        scored.into_iter().map(|(.., index)| index).collect()
    }

    /// Moves the choice; it stays inside, and off the headings.
    pub fn step(&mut self, by: isize) {
        let last = self.matching.len().saturating_sub(1);
        self.chosen = self.chosen.saturating_add_signed(by).min(last);
        self.settle(by >= 0);
    }

    fn settle(&mut self, down: bool) {
        let is_heading = |at: usize| {
            self.matching.get(at).and_then(|row| self.rows.get(*row)).is_some_and(|row| row.heading)
        };
        let mut at = self.chosen;
        while is_heading(at) && at + 1 < self.matching.len() && (down || at == 0) {
            at += 1;
        }
        while is_heading(at) && at > 0 {
            at -= 1;
        }
        self.chosen = at;
    }
}

/// A question that one key answers.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// The question.
    pub question: String,
    /// More of it, below.
    pub detail: String,
    /// Key, word, answer.
    pub answers: Vec<(char, &'static str, Answer)>,
}

/// What is done on an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Nothing.
    Never,
    /// End the program.
    Quit,
    /// Delete a message.
    Delete(ConversationId, Seq),
    /// Drop an unsent message.
    Discard(SendId),
    /// Send the pasted text.
    PasteSend(String),
    /// Put the pasted text into the line.
    PasteEdit(String),
    /// Put it there as a code block.
    PasteCode(String),
    /// Leave a group.
    Leave(ConversationId),
    /// Delete a group.
    DeleteGroup(ConversationId),
    /// Remove somebody.
    Kick(ConversationId, String),
    /// Add somebody.
    Invite(ConversationId, String),
    /// End a session.
    EndSession(SessionId),
    /// End this session.
    Logout,
    /// Open a link.
    Open(String),
}

/// A line that is asked for.
#[derive(Debug, Clone)]
pub struct Question {
    /// What for.
    pub title: String,
    /// What is typed.
    pub editor: Editor,
    /// Show dots?
    pub secret: bool,
    /// What it is.
    pub purpose: Asked,
}

/// What a line was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Text to find.
    Search,
    /// The present password.
    OldPassword,
    /// The next one, after the present.
    NewPassword(String),
    /// The next one again, after the present and the next: what is typed unseen is typed twice.
    NewPasswordAgain(String, String),
}
