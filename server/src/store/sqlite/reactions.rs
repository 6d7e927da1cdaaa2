//! Reactions: idempotent by state. What changes nothing takes no rev and is told to nobody.

use super::conversations::check;
use super::messages::{changeable, target, tell};
use super::rows::take_rev;
use super::tx::{Fault, Tx};
use crate::auth::policy::Action;
use crate::planted::{Bug, planted};
use crate::store::key::key;
use crate::store::{Ack, React, StoreError};
use chat_shared::limits;
use rusqlite::params;

pub(super) fn react(tx: &mut Tx<'_>, react: &React) -> Result<Ack, Fault> {
    let db = tx.db;
    let React { user, conversation, seq, on, .. } = *react;
    let before = target(db, user, conversation, seq)?;
    check(db, user, conversation, Action::React)?;
    let before = changeable(before)?;
    let ack = Ack { conversation, seq, rev: before.rev, sent_at: before.sent_at };
    let place = params![conversation.get(), seq.get(), react.emoji.as_str(), user.get()];
    let mine = "conversation_id = ?1 AND seq = ?2 AND emoji = ?3 AND user_id = ?4";
    let there = db.prepare_cached(&format!("SELECT 1 FROM reactions WHERE {mine}"))?.exists(place)?;
    if there == on {
        return Ok(ack);
    }
    if on {
        tx.check_space()?;
    }
    let new_kind = before.reactions.iter().all(|reaction| reaction.emoji != react.emoji);
    if on && new_kind && before.reactions.len() >= limits::REACTION_KINDS {
        return Err(StoreError::Conflict("A message can have at most 20 different emoji.").into());
    }
    let rev = take_rev(db, conversation)?;
    if on && planted(Bug::ReactionLost) || !on && planted(Bug::ReactionKept) {
        // Answered, and nothing done.
    } else if on {
        db.prepare_cached(
            "INSERT INTO reactions (conversation_id, seq, emoji, user_id, rev) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            conversation.get(),
            seq.get(),
            react.emoji.as_str(),
            user.get(),
            rev.get()
        ])?;
    } else {
        db.prepare_cached(&format!("DELETE FROM reactions WHERE {mine}"))?.execute(place)?;
    }
    db.prepare_cached("UPDATE messages SET rev = ?2 WHERE id = ?1")?
        .execute(params![key(conversation, seq), rev.get()])?;
    tell(tx, conversation, seq)?;
    Ok(Ack { rev, ..ack })
}
