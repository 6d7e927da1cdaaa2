//! Conversations, their messages, and which parts of a history are held whole.

use super::outbox::wrong;
use super::{Cache, MESSAGES, MESSAGES_PER_CONVERSATION, Result, StoredConversation};
use chat_shared::api::{Conversation, Message};
use chat_shared::{ConversationId, Rev, Seq};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

/// Rows are counted again after so many new ones.
pub(super) const COUNT_AFTER: usize = 2_000;

/// Messages that are held whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Every message from here …
    pub from: Seq,
    /// … to here.
    pub to: Seq,
    /// They, by seq.
    pub messages: Vec<Message>,
}

impl Cache {
    /// Of which database the cache is.
    pub(super) fn epoch(&self) -> Result<Option<String>> {
        let mut select = self.db.prepare("SELECT value FROM meta WHERE name = 'epoch'")?;
        select.query_row([], |row| row.get(0)).optional()
    }

    /// Another database: everything but what the user wrote is void.
    pub fn reset(&mut self, epoch: &str) -> Result<()> {
        self.fresh_rows = 0;
        self.change(|tx| {
            tx.execute_batch("DELETE FROM messages; DELETE FROM spans; DELETE FROM conversations;")?;
            tx.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('epoch', ?1)", [epoch]).map(drop)
        })
    }

    pub(super) fn conversations(&self) -> Result<Vec<StoredConversation>> {
        self.db
            .prepare(
                "SELECT state, cursor, EXISTS (SELECT 1 FROM spans WHERE conversation = id AND last >= first)
                 FROM conversations",
            )?
            .query_map([], |row| {
                let state: String = row.get(0)?;
                Ok(StoredConversation {
                    conversation: serde_json::from_str(&state).map_err(|error| wrong(0, error))?,
                    cursor: Rev::new(row.get(1)?).map_err(|error| wrong(1, error))?,
                    cached: row.get(2)?,
                })
            })?
            .collect()
    }

    /// A conversation as it is now; what is held of it stays as it is.
    pub fn keep_conversation(&mut self, conversation: &Conversation, cursor: Rev) -> Result<()> {
        self.change(|tx| put_conversation(tx, conversation, cursor))
    }

    /// Many of them.
    pub fn keep_conversations<'a>(
        &mut self,
        all: impl IntoIterator<Item = (&'a Conversation, Rev)>,
    ) -> Result<()> {
        self.change(|tx| all.into_iter().try_for_each(|(c, cursor)| put_conversation(tx, c, cursor)))
    }

    /// It was shown at this time.
    pub fn keep_opened(&mut self, conversation: ConversationId, at: i64) -> Result<()> {
        self.change(|tx| {
            tx.prepare_cached("UPDATE conversations SET opened_at = ?2 WHERE id = ?1")?
                .execute(params![conversation.get(), at])
                .map(drop)
        })
    }

    /// It is not mine any more.
    pub fn forget(&mut self, conversation: ConversationId) -> Result<()> {
        self.change(|tx| {
            drop_history(tx, conversation)?;
            tx.execute("DELETE FROM conversations WHERE id = ?1", [conversation.get()])?;
            Ok(())
        })
    }

    /// Nothing of their history is held any more; what follows the cursors will be.
    pub fn begin_anew<'a>(&mut self, all: impl IntoIterator<Item = (&'a Conversation, Rev)>) -> Result<()> {
        self.change(|tx| {
            all.into_iter().try_for_each(|(conversation, cursor)| {
                drop_history(tx, conversation.id)?;
                put_conversation(tx, conversation, cursor)?;
                let first = if cursor == Rev::MIN { 0 } else { cursor.get() + 1 };
                put_span(tx, conversation.id, first, cursor.get())
            })
        })
    }

    /// Every change with a rev above `from` up to the cursor, in present states: what was whole up to `from`
    /// is whole up to the cursor.
    pub fn keep_changes(
        &mut self,
        conversation: &Conversation,
        messages: &[Message],
        from: Rev,
        to: Rev,
    ) -> Result<()> {
        self.fresh_rows += messages.len();
        self.change(|tx| {
            put_messages(tx, conversation.id, messages)?;
            tx.prepare_cached(
                "UPDATE spans SET last = ?3 WHERE conversation = ?1 AND last >= ?2 AND last < ?3",
            )?
            .execute(params![conversation.id.get(), from.get(), to.get()])?;
            put_conversation(tx, conversation, to)
        })
    }

    /// A part of a history, whole.
    pub fn keep_span(&mut self, conversation: ConversationId, span: &Span) -> Result<()> {
        self.fresh_rows += span.messages.len();
        self.change(|tx| {
            put_messages(tx, conversation, &span.messages)?;
            put_span(tx, conversation, span.from.get(), span.to.get())
        })
    }

    /// The newest part, changes of what was held already, and the cursor for both: a conversation that was
    /// far behind.
    pub fn keep_jump(
        &mut self,
        conversation: &Conversation,
        cursor: Rev,
        span: &Span,
        changed: &[Message],
    ) -> Result<()> {
        self.fresh_rows += span.messages.len();
        self.change(|tx| {
            put_messages(tx, conversation.id, changed)?;
            put_messages(tx, conversation.id, &span.messages)?;
            put_span(tx, conversation.id, span.from.get(), span.to.get())?;
            put_conversation(tx, conversation, cursor)
        })
    }

    /// The highest seq that is held.
    pub fn newest_seq(&self, conversation: ConversationId) -> Result<Seq> {
        let newest: Option<i64> = self
            .db
            .prepare_cached("SELECT max(seq) FROM messages WHERE conversation = ?1")?
            .query_row([conversation.get()], |row| row.get(0))?;
        Ok(Seq::new(newest.unwrap_or(0)).unwrap_or(Seq::MIN))
    }

    /// The newest messages that are held whole, `limit` at the most.
    pub fn newest(&self, conversation: ConversationId, limit: usize) -> Result<Option<Span>> {
        let found = self
            .db
            .prepare_cached(
                "SELECT first, last FROM spans WHERE conversation = ?1 AND last >= first ORDER BY first DESC LIMIT 1",
            )?
            .query_row([conversation.get()], bounds)
            .optional()?;
        let Some((first, last)) = found else { return Ok(None) };
        Ok(Some(self.below(conversation, first, last, limit)?))
    }

    /// The messages right before this one, if they are held.
    pub fn before(&self, conversation: ConversationId, seq: Seq, limit: usize) -> Result<Option<Span>> {
        let at = seq.get() - 1;
        match self.span_at(conversation, at)? {
            Some((first, _)) => self.below(conversation, first, at, limit).map(Some),
            None => Ok(None),
        }
    }

    /// The messages right after this one, if they are held.
    pub fn after(&self, conversation: ConversationId, seq: Seq, limit: usize) -> Result<Option<Span>> {
        let at = seq.get() + 1;
        match self.span_at(conversation, at)? {
            Some((_, last)) => self.above(conversation, at, last, limit).map(Some),
            None => Ok(None),
        }
    }

    /// The messages around this one, if they are held.
    pub fn around(&self, conversation: ConversationId, seq: Seq, limit: usize) -> Result<Option<Span>> {
        let at = seq.get();
        let Some((first, last)) = self.span_at(conversation, at)? else { return Ok(None) };
        let mut below = self.below(conversation, first, at - 1, limit / 2)?;
        let above = self.above(conversation, at, last, limit / 2)?;
        below.to = above.to;
        below.messages.extend(above.messages);
        Ok(Some(below))
    }

    fn span_at(&self, conversation: ConversationId, seq: i64) -> Result<Option<(i64, i64)>> {
        self.db
            .prepare_cached(
                "SELECT first, last FROM spans WHERE conversation = ?1 AND first <= ?2 AND last >= ?2",
            )?
            .query_row(params![conversation.get(), seq], bounds)
            .optional()
    }

    /// The last `limit` of what is held from `first` to `last`.
    fn below(&self, conversation: ConversationId, first: i64, last: i64, limit: usize) -> Result<Span> {
        let mut messages = self
            .db
            .prepare_cached(
                "SELECT state FROM messages WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3
                 ORDER BY seq DESC LIMIT ?4",
            )?
            .query_map(params![conversation.get(), first, last, limit as i64], message)?
            .collect::<Result<Vec<Message>>>()?;
        messages.reverse();
        let more = messages.len() == limit;
        let from = messages.first().filter(|_| more).map_or_else(|| at(first), |message| message.seq);
        Ok(Span { from, to: at(last), messages })
    }

    /// The first `limit` of what is held from `first` to `last`.
    fn above(&self, conversation: ConversationId, first: i64, last: i64, limit: usize) -> Result<Span> {
        let messages = self
            .db
            .prepare_cached(
                "SELECT state FROM messages WHERE conversation = ?1 AND seq BETWEEN ?2 AND ?3
                 ORDER BY seq LIMIT ?4",
            )?
            .query_map(params![conversation.get(), first, last, limit as i64], message)?
            .collect::<Result<Vec<Message>>>()?;
        let more = messages.len() == limit;
        let to = messages.last().filter(|_| more).map_or_else(|| at(last), |message| message.seq);
        Ok(Span { from: at(first), to, messages })
    }

    /// Lets the oldest messages of a conversation go.
    pub fn trim(&mut self, conversation: ConversationId) -> Result<()> {
        self.trim_to(conversation, MESSAGES_PER_CONVERSATION)
    }

    pub(super) fn trim_to(&mut self, conversation: ConversationId, keep: usize) -> Result<()> {
        self.change(|tx| {
            let above: Option<i64> = tx
                .prepare_cached(
                    "SELECT seq FROM messages WHERE conversation = ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2",
                )?
                .query_row(params![conversation.get(), keep as i64], |row| row.get(0))
                .optional()?;
            let Some(gone) = above else { return Ok(()) };
            tx.prepare_cached("DELETE FROM messages WHERE conversation = ?1 AND seq <= ?2")?
                .execute(params![conversation.get(), gone])?;
            tx.prepare_cached("DELETE FROM spans WHERE conversation = ?1 AND last <= ?2")?
                .execute(params![conversation.get(), gone])?;
            tx.prepare_cached("UPDATE spans SET first = ?2 + 1 WHERE conversation = ?1 AND first <= ?2")?
                .execute(params![conversation.get(), gone])?;
            Ok(())
        })
    }

    /// Keeps the whole within its bound, when it may have grown beyond: returns the conversations that have
    /// lost their messages.
    pub fn evict(&mut self) -> Result<Vec<ConversationId>> {
        self.evict_beyond(MESSAGES)
    }

    pub(super) fn evict_beyond(&mut self, bound: usize) -> Result<Vec<ConversationId>> {
        if self.fresh_rows < COUNT_AFTER {
            return Ok(Vec::new());
        }
        self.fresh_rows = 0;
        self.evict_to(bound)
    }

    pub(super) fn evict_to(&mut self, bound: usize) -> Result<Vec<ConversationId>> {
        self.change(|tx| {
            let count = |db: &Connection, of: &str, id: i64| -> Result<i64> {
                db.query_row(&format!("SELECT count(*) FROM messages {of}"), params![id], |row| row.get(0))
            };
            let mut rows = count(tx, "WHERE conversation >= ?1", 0)?;
            let bound = bound as i64;
            let mut gone = Vec::new();
            if rows <= bound {
                return Ok(gone);
            }
            let by_use: Vec<i64> = tx
                .prepare("SELECT id FROM conversations ORDER BY opened_at, id")?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_>>()?;
            // Somewhat below the bound, so that it is not done for every message.
            for id in by_use {
                if rows <= bound - bound / 10 {
                    break;
                }
                let Ok(conversation) = ConversationId::new(id) else { continue };
                match count(tx, "WHERE conversation = ?1", id)? {
                    0 => continue,
                    held => rows -= held,
                }
                drop_history(tx, conversation)?;
                tx.prepare_cached(
                    "INSERT INTO spans (conversation, first, last)
                     SELECT id, cursor + 1, cursor FROM conversations WHERE id = ?1",
                )?
                .execute([id])?;
                gone.push(conversation);
            }
            Ok(gone)
        })
    }
}

fn at(seq: i64) -> Seq {
    Seq::new(seq).unwrap_or(Seq::MIN)
}

fn bounds(row: &Row<'_>) -> Result<(i64, i64)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn message(row: &Row<'_>) -> Result<Message> {
    let state = row.get_ref(0)?.as_str().map_err(|error| wrong(0, error))?;
    serde_json::from_str(state).map_err(|error| wrong(0, error))
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn put_conversation(db: &Connection, conversation: &Conversation, cursor: Rev) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO conversations (id, cursor, state) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET cursor = excluded.cursor, state = excluded.state",
    )?
    .execute(params![conversation.id.get(), cursor.get(), json(conversation)?])
    .map(drop)
}

/// Inserts, or replaces where rev is newer.
fn put_messages(db: &Connection, conversation: ConversationId, messages: &[Message]) -> Result<()> {
    let mut put = db.prepare_cached(
        "INSERT INTO messages (conversation, seq, rev, state) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (conversation, seq) DO UPDATE SET rev = excluded.rev, state = excluded.state
         WHERE excluded.rev > rev",
    )?;
    messages.iter().try_for_each(|m| {
        put.execute(params![conversation.get(), m.seq.get(), m.rev.get(), json(m)?]).map(drop)
    })
}

/// A span, grown together with those that it meets.
fn put_span(db: &Connection, conversation: ConversationId, first: i64, last: i64) -> Result<()> {
    let c = conversation.get();
    let (low, high): (Option<i64>, Option<i64>) = db
        .prepare_cached(
            "SELECT min(first), max(last) FROM spans WHERE conversation = ?1 AND first <= ?3 + 1 AND last >= ?2 - 1",
        )?
        .query_row(params![c, first, last], |row| Ok((row.get(0)?, row.get(1)?)))?;
    db.prepare_cached("DELETE FROM spans WHERE conversation = ?1 AND first <= ?3 + 1 AND last >= ?2 - 1")?
        .execute(params![c, first, last])?;
    let (first, last) = (low.unwrap_or(first).min(first), high.unwrap_or(last).max(last));
    db.prepare_cached("INSERT INTO spans (conversation, first, last) VALUES (?1, ?2, ?3)")?
        .execute(params![c, first, last])
        .map(drop)
}

fn drop_history(db: &Connection, conversation: ConversationId) -> Result<()> {
    db.prepare_cached("DELETE FROM messages WHERE conversation = ?1")?.execute([conversation.get()])?;
    db.prepare_cached("DELETE FROM spans WHERE conversation = ?1")?.execute([conversation.get()]).map(drop)
}
