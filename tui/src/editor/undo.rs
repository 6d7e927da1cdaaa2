//! Changes of the text, to be taken back.

/// More are forgotten, the oldest first.
const CHANGES_MAX: usize = 1_000;

/// One change: at this byte this was replaced by that.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) at: usize,
    pub(super) removed: String,
    pub(super) inserted: String,
    /// Where the cursor was.
    pub(super) before: usize,
    /// Where it was then.
    pub(super) after: usize,
}

/// The changes made, and behind them those taken back.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    list: Vec<Change>,
    /// How many of them are made.
    made: usize,
}

impl Changes {
    /// Remembers a change. One that joins is taken back together with the one before it.
    pub(super) fn made(&mut self, change: Change, joins: bool) {
        self.list.truncate(self.made);
        match self.list.last_mut() {
            Some(last)
                if joins && change.removed.is_empty() && last.at + last.inserted.len() == change.at =>
            {
                last.inserted.push_str(&change.inserted);
                last.after = change.after;
            }
            _ => self.list.push(change),
        }
        if self.list.len() > CHANGES_MAX {
            self.list.remove(0);
        }
        self.made = self.list.len();
    }

    /// The last change, to be taken back.
    pub(super) fn undo(&mut self) -> Option<Change> {
        self.made = self.made.checked_sub(1)?;
        self.list.get(self.made).cloned()
    }

    /// The change that was taken back last.
    pub(super) fn redo(&mut self) -> Option<Change> {
        let change = self.list.get(self.made).cloned()?;
        self.made += 1;
        Some(change)
    }
}
