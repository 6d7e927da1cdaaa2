//! What waits to be sent. Every change is on the disk when its function returns.

use super::{Cache, Result};
use crate::client::Pending;
use chat_shared::{ConversationId, SendId, Seq};
use rusqlite::{Row, params};

/// Everything, in the order of its entry.
pub(super) const SELECT: &str =
    "SELECT id, conversation, body, reply_to, edits, entered_at, failed FROM outbox ORDER BY position";

impl Cache {
    /// An entry, at the end; and the draft that it was is none any more.
    pub fn keep_pending(&mut self, pending: &Pending) -> Result<()> {
        self.change_durably(|tx| {
            tx.prepare_cached(
                "INSERT INTO outbox (id, conversation, body, reply_to, edits, entered_at, failed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                pending.id.as_bytes(),
                pending.conversation.get(),
                pending.body,
                pending.reply_to.map(Seq::get),
                pending.edits.map(Seq::get),
                pending.entered_at,
                pending.failed
            ])?;
            tx.prepare_cached("DELETE FROM drafts WHERE conversation = ?1")?
                .execute([pending.conversation.get()])?;
            Ok(())
        })
    }

    /// They were refused, or (`None`) are tried again.
    pub fn mark_pending(&mut self, ids: &[SendId], failed: Option<&str>) -> Result<()> {
        self.change_durably(|tx| {
            let mut mark = tx.prepare_cached("UPDATE outbox SET failed = ?2 WHERE id = ?1")?;
            ids.iter().try_for_each(|id| mark.execute(params![id.as_bytes(), failed]).map(drop))
        })
    }

    /// It was sent, or is not to be. Losing this is harmless: it would be sent with the same id once more.
    pub fn drop_pending(&mut self, id: SendId) -> Result<()> {
        self.change(|tx| {
            tx.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([id.as_bytes()]).map(drop)
        })
    }

    /// In the order of their entry.
    pub(super) fn outbox(&self) -> Result<Vec<Pending>> {
        self.rows(SELECT, pending)?.into_iter().collect()
    }
}

/// An entry, as [`SELECT`] has it.
pub(super) fn pending(row: &Row<'_>) -> Result<Pending> {
    Ok(Pending {
        id: SendId::from_bytes(row.get(0)?),
        conversation: conversation(row, 1)?,
        body: row.get(2)?,
        reply_to: seq(row, 3)?,
        edits: seq(row, 4)?,
        entered_at: row.get(5)?,
        failed: row.get(6)?,
    })
}

/// A conversation's id.
pub(super) fn conversation(row: &Row<'_>, column: usize) -> Result<ConversationId> {
    ConversationId::new(row.get(column)?).map_err(|error| wrong(column, error))
}

/// A message's seq, if there is one.
pub(super) fn seq(row: &Row<'_>, column: usize) -> Result<Option<Seq>> {
    let value: Option<i64> = row.get(column)?;
    value.map(|value| Seq::new(value).map_err(|error| wrong(column, error))).transpose()
}

/// A value that this program did not write.
pub(super) fn wrong(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Null, Box::new(error))
}
