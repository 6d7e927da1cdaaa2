//! What a user left lying: unfinished texts, lines that were entered, settings of the interface.

use super::outbox::{conversation, seq};
use super::{Cache, LINES, Result};
use crate::client::Draft;
use chat_shared::{ConversationId, Seq};
use rusqlite::{Row, params};

/// Unfinished texts.
pub(super) const DRAFTS: &str = "SELECT conversation, text, reply_to, editing FROM drafts";
/// Lines that were entered, the oldest of each conversation first.
pub(super) const ENTERED: &str = "SELECT conversation, line FROM entered ORDER BY conversation, position";
/// What is kept by name.
pub(super) const SETTINGS: &str = "SELECT name, value FROM settings";

impl Cache {
    /// Keeps an unfinished text; an empty one is forgotten.
    pub fn keep_draft(&mut self, conversation: ConversationId, draft: &Draft) -> Result<()> {
        self.change(|tx| {
            if draft.text.is_empty() {
                tx.prepare_cached("DELETE FROM drafts WHERE conversation = ?1")?
                    .execute([conversation.get()])
                    .map(drop)
            } else {
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO drafts (conversation, text, reply_to, editing) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![
                    conversation.get(),
                    draft.text,
                    draft.reply_to.map(Seq::get),
                    draft.editing.map(Seq::get)
                ])
                .map(drop)
            }
        })
    }

    /// Keeps a line that was entered, and lets the oldest go.
    pub fn keep_line(&mut self, conversation: ConversationId, line: &str) -> Result<()> {
        self.change(|tx| {
            tx.prepare_cached("INSERT INTO entered (conversation, line) VALUES (?1, ?2)")?
                .execute(params![conversation.get(), line])?;
            tx.prepare_cached(
                "DELETE FROM entered WHERE conversation = ?1 AND position <=
                   (SELECT position FROM entered WHERE conversation = ?1 ORDER BY position DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![conversation.get(), LINES as i64])
            .map(drop)
        })
    }

    /// Keeps something by name.
    pub fn keep_setting(&mut self, name: &str, value: &str) -> Result<()> {
        self.change(|tx| {
            tx.prepare_cached("INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)")?
                .execute([name, value])
                .map(drop)
        })
    }

    pub(super) fn drafts(&self) -> Result<Vec<(ConversationId, Draft)>> {
        self.rows(DRAFTS, draft)?.into_iter().collect()
    }

    pub(super) fn entered(&self) -> Result<Vec<(ConversationId, Vec<String>)>> {
        let mut all: Vec<(ConversationId, Vec<String>)> = Vec::new();
        for row in self.rows(ENTERED, line)? {
            let (conversation, line) = row?;
            match all.last_mut() {
                Some((last, lines)) if *last == conversation => lines.push(line),
                _ => all.push((conversation, vec![line])),
            }
        }
        Ok(all)
    }

    pub(super) fn settings(&self) -> Result<Vec<(String, String)>> {
        self.rows(SETTINGS, setting)?.into_iter().collect()
    }
}

/// A row of [`DRAFTS`].
pub(super) fn draft(row: &Row<'_>) -> Result<(ConversationId, Draft)> {
    let draft = Draft { text: row.get(1)?, reply_to: seq(row, 2)?, editing: seq(row, 3)? };
    Ok((conversation(row, 0)?, draft))
}

/// A row of [`ENTERED`].
pub(super) fn line(row: &Row<'_>) -> Result<(ConversationId, String)> {
    Ok((conversation(row, 0)?, row.get(1)?))
}

/// A row of [`SETTINGS`].
pub(super) fn setting(row: &Row<'_>) -> Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}
