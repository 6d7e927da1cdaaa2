//! What the interface keeps of one conversation: its messages, where the view stands, and what is being
//! written.

use super::timeline::{Item, Timeline};
use crate::client::{Draft, OutboxChange};
use crate::editor::Editor;
use chat_shared::Seq;
use chat_shared::api::{Member, Millis};

/// Earlier inputs of a conversation that are kept.
pub const ENTERED_MAX: usize = 200;

/// Where the view stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scroll {
    /// At the newest message, and it stays there.
    #[default]
    Bottom,
    /// The lowest row is this row of this item; new messages do not move it.
    At(Item, usize),
}

/// A conversation as the interface keeps it.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// Messages.
    pub timeline: Timeline,
    /// Was its newest page asked for?
    pub opened: bool,
    /// Where the view stands.
    pub scroll: Scroll,
    /// A message to go to as soon as it is held.
    pub jump: Option<Seq>,
    /// The selected message.
    pub selected: Option<Item>,
    /// What is after this is new: a line stands above it.
    pub divider: Option<Seq>,
    /// The line above what is new that has been in view already.
    pub seen_divider: Option<Seq>,
    /// Marked unread from here by hand: looking at it does not read it.
    pub hold_unread: bool,
    /// What is being written.
    pub editor: Editor,
    /// The message it answers.
    pub reply_to: Option<Seq>,
    /// The message it replaces.
    pub editing: Option<Seq>,
    /// What was being written before an edit began.
    pub stash: Option<Draft>,
    /// Quoted messages that were asked for.
    pub asked_quotes: std::collections::HashSet<Seq>,
    /// Earlier inputs, the oldest first.
    pub entered: Vec<String>,
    /// The earlier input that is shown now, and what was written before.
    pub recalled: Option<(usize, String)>,
    /// Who is in it, once it was asked.
    pub members: Option<Vec<Member>>,
    /// Have the members been asked for?
    pub asked_members: bool,
    /// Who is writing, and until when that is good.
    pub typing: Vec<(String, Millis)>,
    /// When the draft is to be kept.
    pub save_at: Option<Millis>,
    /// When others were told last that I am writing.
    pub told_typing: Millis,
}

impl Place {
    /// The unfinished text.
    pub fn draft(&self) -> Draft {
        Draft { text: self.editor.text().to_owned(), reply_to: self.reply_to, editing: self.editing }
    }

    /// The conversation is not mine any more. What I wrote for it stays, in case it is again.
    pub fn leave(&mut self) {
        let mut timeline = std::mem::take(&mut self.timeline);
        timeline.reset();
        *self = Self {
            timeline,
            editor: std::mem::take(&mut self.editor),
            reply_to: self.reply_to,
            editing: self.editing,
            stash: self.stash.take(),
            entered: std::mem::take(&mut self.entered),
            save_at: self.save_at,
            ..Self::default()
        };
    }

    /// Takes an unfinished text up again.
    pub fn take_up(&mut self, draft: Draft) {
        self.editor.set_text(&draft.text);
        self.reply_to = draft.reply_to;
        self.editing = draft.editing;
        self.recalled = None;
    }

    /// Takes back what could not be sent. Nothing of it, and nothing of what is being written, is lost.
    pub fn give_back(&mut self, mut refused: Draft) {
        let written = self.draft();
        if written.text.is_empty() && written.reply_to.is_none() && self.editing.is_none() {
            return self.take_up(refused);
        }
        if self.editing.is_some() {
            // It comes when the edit is over.
            if let Some(stash) = self.stash.take() {
                refused = joined(refused, stash);
            }
            self.stash = Some(refused);
        } else if refused.editing.is_some() {
            self.stash = Some(written);
            self.take_up(refused);
        } else {
            self.take_up(joined(refused, written));
        }
    }

    /// What waits to be sent has changed. What is selected or shown stays so, although it has moved up.
    pub fn outbox(&mut self, change: OutboxChange) {
        let pending = &mut self.timeline.pending;
        match change {
            OutboxChange::Added(new) => pending.push_back(new),
            OutboxChange::Marked(id, failed) => {
                if let Some(marked) = pending.iter_mut().find(|pending| pending.id == id) {
                    marked.failed = failed;
                }
            }
            OutboxChange::Gone(id) => {
                let Some(gone) = pending.iter().position(|pending| pending.id == id) else { return };
                pending.remove(gone);
                let arrived = self.timeline.by_send_id(id).map(|message| Item::Message(message.seq));
                let moved = |item: Item| match item {
                    Item::Pending(at) if at > gone => Some(Item::Pending(at - 1)),
                    Item::Pending(at) if at == gone => arrived,
                    other => Some(other),
                };
                self.selected = self.selected.and_then(moved);
                if let Scroll::At(item, row) = self.scroll {
                    self.scroll = moved(item).map_or(Scroll::Bottom, |item| Scroll::At(item, row));
                }
            }
        }
    }

    /// A line was entered.
    pub fn remember(&mut self, line: &str) {
        self.entered.retain(|other| other != line);
        self.entered.push(line.to_owned());
        let extra = self.entered.len().saturating_sub(ENTERED_MAX);
        self.entered.drain(..extra);
        self.recalled = None;
    }

    /// Who is writing now.
    pub fn writers(&self, now: Millis) -> impl Iterator<Item = &str> {
        self.typing.iter().filter(move |(_, until)| *until > now).map(|(name, _)| name.as_str())
    }
}

/// Two texts as one, which no more replaces a message.
fn joined(first: Draft, second: Draft) -> Draft {
    Draft {
        text: [first.text, second.text]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("\n"),
        reply_to: first.reply_to.or(second.reply_to),
        editing: None,
    }
}
