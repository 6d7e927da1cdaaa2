//! Reading messages: history in every direction, and what changed since a rev.

use super::connection::{Connection, Values};
use super::conversations::{check_read, head_rev, own_counts};
use super::members;
use super::rows::{MESSAGE, load_message, message as message_row, with_reactions};
use super::tx::Fault;
use crate::planted::{Bug, planted};
use crate::store::key::SEQ_MAX;
use crate::store::{Anchor, Change, ChangesQuery, HistoryQuery, Replay};
use chat_shared::api::{Changes, Edit, EditList, Message, MessagePage, Thread};
use chat_shared::{ConversationId, Rev, Seq, UserId, limits};

fn select(db: &Connection, rest: &str, with: Values<'_>) -> Result<Vec<Message>, Fault> {
    let sql = format!("SELECT {MESSAGE} FROM messages m JOIN users u ON u.id = m.sender_id WHERE {rest}");
    db.rows(&sql, with, message_row)
}

/// Messages with seq in `above < seq < below`, the nearest to the named end first.
fn older(db: &Connection, c: ConversationId, below: i64, limit: usize) -> Result<Vec<Message>, Fault> {
    let base = c.get() << 32;
    select(
        db,
        "m.id > $1 AND m.id < $2 ORDER BY m.id DESC LIMIT $3",
        &[&base, &(base + below), &(limit as i64)],
    )
}

fn newer(db: &Connection, c: ConversationId, above: i64, limit: usize) -> Result<Vec<Message>, Fault> {
    let base = c.get() << 32;
    select(
        db,
        "m.id > $1 AND m.id <= $2 ORDER BY m.id LIMIT $3",
        &[&(base + above), &(base + SEQ_MAX), &(limit as i64)],
    )
}

pub(super) fn page(
    db: &Connection,
    viewer: UserId,
    query: &HistoryQuery,
    epoch: &str,
) -> Result<MessagePage, Fault> {
    let HistoryQuery { conversation: c, anchor, limit } = *query;
    check_read(db, viewer, c)?;
    let exists = |rows: Vec<Message>| !rows.is_empty();
    let (messages, has_before, has_after) = match anchor {
        Anchor::Newest | Anchor::Before(_) => {
            let below = match anchor {
                Anchor::Before(seq) => seq.get().min(SEQ_MAX),
                _ => SEQ_MAX + 1,
            };
            let mut rows = older(db, c, below, limit + 1)?;
            let has_before = rows.len() > limit;
            rows.truncate(limit);
            rows.reverse();
            (rows, has_before, below <= SEQ_MAX && exists(newer(db, c, below - 1, 1)?))
        }
        Anchor::After(seq) => {
            let above = seq.get().min(SEQ_MAX);
            let mut rows = newer(db, c, above, limit + 1)?;
            let has_after = rows.len() > limit;
            rows.truncate(limit);
            (rows, exists(older(db, c, above + 1, 1)?), has_after)
        }
        Anchor::Around(seq) => {
            let at = seq.get().min(SEQ_MAX);
            // Half before, the rest from there on; what one side lacks, the other may fill.
            let mut before = older(db, c, at, limit + 1)?;
            let mut after = newer(db, c, at - 1, limit + 1)?;
            let keep_before = (limit / 2).max(limit.saturating_sub(after.len())).min(before.len());
            let keep_after = (limit - keep_before).min(after.len());
            let (has_before, has_after) = (before.len() > keep_before, after.len() > keep_after);
            before.truncate(keep_before);
            after.truncate(keep_after);
            before.reverse();
            before.extend(after);
            (before, has_before, has_after)
        }
    };
    let messages = with_reactions(db, messages)?;
    Ok(MessagePage { messages, has_before, has_after, head_rev: head_rev(db, c)?, epoch: epoch.to_owned() })
}

/// Present states with rev above `since` (and seq up to `upto`), by rev: new messages by their key, and
/// older ones that changed by the index that holds only those.
fn changed(
    db: &Connection,
    c: ConversationId,
    since: Rev,
    upto: Option<Seq>,
    limit: usize,
) -> Result<Vec<Message>, Fault> {
    let base = c.get() << 32;
    let upto = upto.map_or(SEQ_MAX, |seq| seq.get().min(SEQ_MAX));
    let limit = limit as i64;
    let mut rows = select(
        db,
        "m.id > $1 AND m.id <= $2 AND m.rev = m.seq ORDER BY m.id LIMIT $3",
        &[&(base + since.get().min(SEQ_MAX)), &(base + upto), &limit],
    )?;
    if planted(Bug::ChangesForgetEdits) {
        return Ok(rows);
    }
    rows.extend(select(
        db,
        "m.conversation_id = $1 AND m.rev > $2 AND m.rev <> m.seq AND m.seq <= $3 ORDER BY m.rev LIMIT $4",
        &[&c.get(), &since.get(), &upto, &limit],
    )?);
    rows.sort_unstable_by_key(|message| message.rev);
    Ok(rows)
}

pub(super) fn changes(
    db: &Connection,
    viewer: UserId,
    query: &ChangesQuery,
    epoch: &str,
) -> Result<Changes, Fault> {
    let ChangesQuery { conversation, since, upto, limit } = *query;
    if !planted(Bug::ChangesUnchecked) {
        check_read(db, viewer, conversation)?;
    }
    let mut messages = changed(db, conversation, since, upto, limit + 1)?;
    let has_more = messages.len() > limit;
    messages.truncate(limit);
    let messages = with_reactions(db, messages)?;
    let (unread, mentions) = own_counts(db, viewer, conversation)?;
    let head_rev = head_rev(db, conversation)?;
    Ok(Changes { messages, head_rev, epoch: epoch.to_owned(), has_more, unread, mentions })
}

/// Everything above a rev, for the hub.
pub(super) fn replay(db: &Connection, conversation: ConversationId, since: Rev) -> Result<Replay, Fault> {
    let messages = with_reactions(db, changed(db, conversation, since, None, usize::from(u16::MAX))?)?;
    let changes = messages
        .into_iter()
        .map(|message| Change::Message { message: Box::new(message), joined: Vec::new(), left: Vec::new() })
        .collect();
    Ok(Replay { changes, room: members::rooms(db, Some(conversation))?.pop() })
}

pub(super) fn message(
    db: &Connection,
    viewer: UserId,
    conversation: ConversationId,
    seq: Seq,
) -> Result<Message, Fault> {
    check_read(db, viewer, conversation)?;
    load_message(db, conversation, seq)
}

pub(super) fn edits(
    db: &Connection,
    viewer: UserId,
    conversation: ConversationId,
    seq: Seq,
) -> Result<EditList, Fault> {
    let message = message(db, viewer, conversation, seq)?;
    let mut edits = db.rows(
        "SELECT body, edited_at FROM edits WHERE conversation_id = $1 AND seq = $2 AND body IS NOT NULL ORDER BY rev",
        &[&conversation.get(), &seq.get()],
        |row| Ok(Edit { body: row.try_get(0)?, edited_at: row.try_get(1)? }),
    )?;
    if edits.is_empty() && message.deleted_at.is_none() && message.event.is_none() {
        edits.push(Edit { body: message.body, edited_at: message.sent_at });
    }
    Ok(EditList { edits })
}

pub(super) fn thread(
    db: &Connection,
    viewer: UserId,
    conversation: ConversationId,
    seq: Seq,
) -> Result<Thread, Fault> {
    message(db, viewer, conversation, seq)?;
    let messages = select(
        db,
        "m.conversation_id = $1 AND m.reply_to = $2 ORDER BY m.id LIMIT $3",
        &[&conversation.get(), &seq.get(), &(limits::PAGE_MAX as i64)],
    )?;
    Ok(Thread { messages: with_reactions(db, messages)? })
}
