//! What is kept between runs: one SQLite file for each server and user, owned by one process.
//!
//! Nothing here knows the network, and nothing decides: the rows of a conversation and the rev up to
//! which they are complete change in one transaction, and a message that waits to be sent is on the disk when
//! [`Cache::keep_pending`] returns. What can be read anew from the server is bounded and evicted; drafts and
//! the outbox are not.

mod history;
mod notes;
mod open;
mod outbox;
mod salvage;
#[cfg(test)]
mod tests;

pub use history::Span;
pub use open::Opened;

use crate::client::{Draft, Pending};
use chat_shared::api::Conversation;
use chat_shared::{ConversationId, Rev};
use rusqlite::{Connection, ErrorCode, Row, Transaction};
use std::fs::File;

/// Messages of one conversation: some days of a busy one, and more than is scrolled back.
pub const MESSAGES_PER_CONVERSATION: usize = 1_000;
/// Messages in all: about 100 MB. The conversations that were not opened for longest lose theirs first.
pub const MESSAGES: usize = 200_000;
/// Lines of input history of one conversation: more than is ever scrolled through.
pub const LINES: usize = 200;

/// The cache of one user at one server.
#[derive(Debug)]
pub struct Cache {
    db: Connection,
    kept: bool,
    /// Held as long as the cache is.
    _lock: Option<File>,
    fresh_rows: usize,
}

/// What a start needs; messages are read when they are shown.
#[derive(Debug, Default)]
pub struct Stored {
    /// Of which database.
    pub epoch: Option<String>,
    /// As they were known last.
    pub conversations: Vec<StoredConversation>,
    /// What waits to be sent, in order.
    pub outbox: Vec<Pending>,
    /// Unfinished texts.
    pub drafts: Vec<(ConversationId, Draft)>,
    /// Lines that were entered, the oldest first.
    pub entered: Vec<(ConversationId, Vec<String>)>,
    /// Settings of the interface.
    pub settings: Vec<(String, String)>,
}

/// A conversation and how far it was followed.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredConversation {
    /// As it was known last.
    pub conversation: Conversation,
    /// Every change up to here is in the rows.
    pub cursor: Rev,
    /// Are there any messages?
    pub cached: bool,
}

/// How a write of the cache ends.
pub type Result<T> = rusqlite::Result<T>;

/// Is the file itself broken, rather than the disk full or busy?
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

impl Cache {
    /// Does what is written outlive this process?
    pub fn is_kept(&self) -> bool {
        self.kept
    }

    /// The file is damaged: the next start puts it aside. Until then what can be written is written.
    pub fn condemn(&mut self) {
        // Where not even this can be written, the next start finds out by itself, or goes on as this one.
        let _ = self.db.pragma_update(None, "user_version", open::CONDEMNED);
    }

    /// What a start needs.
    pub fn stored(&self) -> Result<Stored> {
        Ok(Stored {
            epoch: self.epoch()?,
            conversations: self.conversations()?,
            outbox: self.outbox()?,
            drafts: self.drafts()?,
            entered: self.entered()?,
            settings: self.settings()?,
        })
    }

    /// Row by row, so that one that cannot be read takes no other with it.
    fn rows<T>(&self, select: &str, read: impl FnMut(&Row<'_>) -> Result<T>) -> Result<Vec<Result<T>>> {
        Ok(self.db.prepare(select)?.query_map([], read)?.collect())
    }

    /// In one transaction.
    fn change<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let tx = self.db.transaction()?;
        let done = work(&tx)?;
        tx.commit()?;
        Ok(done)
    }

    /// In one transaction that is on the disk when this returns.
    fn change_durably<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.db.pragma_update(None, "synchronous", "FULL")?;
        let done = self.change(work);
        // What can be read anew from the server is not worth a flush for every message.
        self.db.pragma_update(None, "synchronous", "NORMAL")?;
        done
    }
}
