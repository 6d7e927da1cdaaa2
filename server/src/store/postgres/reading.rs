//! What a member has read of a conversation, and how loud it is to them. Told to their own connections only.

use super::conversations::{check_read, unread, view};
use super::rows::{id, text};
use super::tx::{Fault, Tx};
use crate::planted::{Bug, planted};
use crate::store::{Change, MarkRead, Settings, StoreError};
use chat_shared::api::{Conversation, ReadState};
use chat_shared::{Seq, Username};

pub(super) fn set_settings(tx: &mut Tx<'_>, change: &Settings) -> Result<Conversation, Fault> {
    check_read(tx.db, change.user, change.conversation)?;
    tx.db.execute(
        "UPDATE members SET level = coalesce($3, level),
                            muted_until = CASE WHEN $4 THEN $5 ELSE muted_until END,
                            marked_unread = coalesce($6, marked_unread)
         WHERE conversation_id = $1 AND user_id = $2",
        &[
            &change.conversation.get(),
            &change.user.get(),
            &change.level.map(|level| level.as_str()),
            &change.muted_until.is_some(),
            &change.muted_until.flatten(),
            &change.marked_unread,
        ],
    )?;
    let conversation = view(tx.db, change.user, change.conversation, false)?;
    tx.changes.push(Change::Settings { user: change.user, conversation: Box::new(conversation.clone()) });
    Ok(conversation)
}

pub(super) fn mark_read(tx: &mut Tx<'_>, mark: &MarkRead) -> Result<ReadState, Fault> {
    let MarkRead { user, conversation, origin, .. } = *mark;
    check_read(tx.db, user, conversation)?;
    let (before, marked_unread, last_seq, name) = tx
        .db
        .row(
            "SELECT m.read_seq, m.marked_unread, c.last_seq, u.username FROM members m
             JOIN conversations c ON c.id = m.conversation_id JOIN users u ON u.id = m.user_id
             WHERE m.conversation_id = $1 AND m.user_id = $2",
            &[&conversation.get(), &user.get()],
            |row| {
                let marked_unread: bool = row.try_get(1)?;
                Ok((id::<Seq>(row, 0)?, marked_unread, id::<Seq>(row, 2)?, text::<Username>(row, 3)?))
            },
        )?
        .ok_or(StoreError::NotFound)?;
    let goes_back = planted(Bug::CursorGoesBack) && mark.seq < before;
    let read_seq = if goes_back { mark.seq } else { before.max(mark.seq.min(last_seq)) };
    if read_seq > before || marked_unread || goes_back {
        tx.db.execute(
            "UPDATE members SET read_seq = $3, marked_unread = FALSE WHERE conversation_id = $1 AND user_id = $2",
            &[&conversation.get(), &user.get(), &read_seq.get()],
        )?;
    }
    let (unread, mentions) = unread(tx.db, conversation, user, &name, read_seq)?;
    if read_seq > before {
        tx.changes.push(Change::Read { user, conversation, seq: read_seq, unread, mentions, origin });
    }
    if marked_unread {
        let conversation = Box::new(view(tx.db, user, conversation, false)?);
        tx.changes.push(Change::Settings { user, conversation });
    }
    Ok(ReadState { read_seq, unread, mentions })
}
