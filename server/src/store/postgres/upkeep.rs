//! What keeps a database in order: purging, counting, checking.

use super::connection::Connection;
use super::rows::id;
use super::tx::{Fault, Tx};
use crate::planted::{Bug, planted};
use crate::store::Counts;
use crate::store::key::range;
use chat_shared::ConversationId;

/// Messages of a deleted group that are removed in one go: others wait that long at the most.
const SLICE: i64 = 500;

/// Removes a slice. True: there is more. Send ids stay known for ever.
pub(super) fn purge(tx: &mut Tx<'_>) -> Result<bool, Fault> {
    let db = tx.db;
    let found: Option<ConversationId> = db.row(
        "SELECT id FROM conversations WHERE deleted_at IS NOT NULL AND head_rev > 0 ORDER BY id LIMIT 1",
        &[],
        |row| id(row, 0),
    )?;
    let Some(conversation) = found else { return Ok(false) };
    let (first, last) = range(conversation);
    let upto: Option<i64> = db.value(
        "SELECT max(id) FROM (SELECT id FROM messages WHERE id BETWEEN $1 AND $2 ORDER BY id LIMIT $3) AS slice",
        &[&first, &last, &SLICE],
    )?;
    match upto {
        Some(upto) => {
            let last_seq = upto & i64::from(u32::MAX);
            if !planted(Bug::RetiredIdsUsable) {
                db.execute(
                    "INSERT INTO retired_sends (sender_id, send_id, conversation_id, seq, sent_at)
                     SELECT sender_id, send_id, conversation_id, seq, sent_at FROM messages
                     WHERE id BETWEEN $1 AND $2 AND send_id IS NOT NULL ON CONFLICT DO NOTHING",
                    &[&first, &upto],
                )?;
            }
            db.execute(
                "DELETE FROM edits WHERE conversation_id = $1 AND seq <= $2",
                &[&conversation.get(), &last_seq],
            )?;
            db.execute(
                "DELETE FROM reactions WHERE conversation_id = $1 AND seq <= $2",
                &[&conversation.get(), &last_seq],
            )?;
            db.execute("DELETE FROM messages WHERE id BETWEEN $1 AND $2", &[&first, &upto])?;
        }
        // Nothing is left: the row itself stays, so that its id is never used again.
        None => {
            db.execute(
                "UPDATE conversations SET head_rev = 0, last_seq = 0 WHERE id = $1",
                &[&conversation.get()],
            )?;
        }
    }
    Ok(true)
}

pub(super) fn is_new(db: &Connection) -> Result<bool, Fault> {
    db.value("SELECT NOT EXISTS (SELECT 1 FROM users)", &[])
}

pub(super) fn counts(db: &Connection) -> Result<Counts, Fault> {
    let count = |sql: &str| db.value::<i64>(sql, &[]).map(i64::unsigned_abs);
    Ok(Counts {
        users: count("SELECT count(*) FROM users WHERE deleted_at IS NULL")?,
        sessions: count("SELECT count(*) FROM sessions")?,
        conversations: count("SELECT count(*) FROM conversations WHERE deleted_at IS NULL")?,
        database_bytes: count(
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
             WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
        )?,
        // The log is the cluster's, and all its databases share it.
        log_bytes: 0,
    })
}

pub(super) fn count_messages(db: &Connection) -> Result<u64, Fault> {
    db.value::<i64>("SELECT count(*) FROM messages", &[]).map(i64::unsigned_abs)
}

pub(super) fn check(db: &Connection) -> Result<(), Fault> {
    db.value::<String>("SELECT value FROM meta WHERE key = 'epoch'", &[]).map(|_| ())
}

/// Looks for what no commit leaves behind. Whether its pages are whole, PostgreSQL's own `pg_amcheck` tells.
pub(super) fn quick_check(db: &Connection) -> Result<Vec<String>, Fault> {
    db.rows(
        "SELECT 'conversation ' || c.id || ': ' || wrong.what FROM conversations c
         CROSS JOIN LATERAL (
           SELECT 'messages above its last_seq' AS what WHERE EXISTS
             (SELECT 1 FROM messages m WHERE m.id > (c.id << 32) + c.last_seq AND m.id <= (c.id << 32) + 4294967295)
           UNION ALL
           SELECT 'changes above its head_rev' WHERE c.last_seq > c.head_rev OR EXISTS
             (SELECT 1 FROM messages m WHERE m.conversation_id = c.id AND m.rev <> m.seq AND m.rev > c.head_rev)
           UNION ALL
           SELECT 'members and their count differ' WHERE c.member_count <>
             (SELECT count(*) FROM members m WHERE m.conversation_id = c.id)) AS wrong
         ORDER BY c.id LIMIT 20",
        &[],
        |row| Ok(row.try_get(0)?),
    )
}
