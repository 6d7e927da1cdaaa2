//! Conversations as their members see them.

use super::connection::{Connection, Values};
use super::rows::{count, id, load_messages, text, users_by_id, word, word_or_null};
use super::sessions;
use super::tx::Fault;
use crate::auth::policy::{Action, Scene, may};
use crate::planted::{Bug, planted};
use crate::store::key::{key, range};
use crate::store::listing::{after, page};
use crate::store::{ListQuery, Snapshot, StoreError};
use chat_shared::api::{Conversation, ConversationKind, ConversationList, Level, Role, Sender, Visibility};
use chat_shared::{ConversationId, Rev, Seq, SessionId, UserId, Username, limits};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

/// What stands about a user and a conversation; a conversation that is not there is one that the
/// user is not in.
pub(super) fn scene(db: &Connection, user: UserId, conversation: ConversationId) -> Result<Scene, Fault> {
    let scene = db.row(
        "SELECT c.kind, g.visibility, m.role FROM conversations c
         LEFT JOIN groups g ON g.conversation_id = c.id
         LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = $2
         WHERE c.id = $1 AND c.deleted_at IS NULL",
        &[&conversation.get(), &user.get()],
        |row| {
            Ok(Scene {
                kind: word(row, 0, ConversationKind::from_word)?,
                visibility: word_or_null(row, 1, Visibility::from_word)?,
                role: word_or_null(row, 2, Role::from_word)?,
            })
        },
    )?;
    Ok(scene.ok_or(StoreError::NotFound)?)
}

/// Somebody who may write in a conversation.
pub(super) struct Writer {
    pub(super) kind: ConversationKind,
    pub(super) sender: Sender,
}

/// May this user write there? All that a message needs in one go.
pub(super) fn check_writer(
    db: &Connection,
    user: UserId,
    conversation: ConversationId,
) -> Result<Writer, Fault> {
    let found = db.row(
        "SELECT c.kind, m.role, u.id, u.username, u.display_name FROM conversations c
         JOIN users u ON u.id = $2
         LEFT JOIN members m ON m.conversation_id = c.id AND m.user_id = $2
         WHERE c.id = $1 AND c.deleted_at IS NULL",
        &[&conversation.get(), &user.get()],
        |row| {
            let role = word_or_null(row, 1, Role::from_word)?;
            let sender = Sender { id: id(row, 2)?, username: text(row, 3)?, display_name: row.try_get(4)? };
            Ok((role, Writer { kind: word(row, 0, ConversationKind::from_word)?, sender }))
        },
    )?;
    let (role, writer) = found.ok_or(StoreError::NotFound)?;
    let scene = match role {
        // How visible a group is matters to those outside only.
        Some(_) => Scene { kind: writer.kind, visibility: None, role },
        None => scene(db, user, conversation)?,
    };
    if !planted(Bug::WriteUnchecked) {
        may(scene, Action::Write)?;
    }
    Ok(writer)
}

/// May this user do this there? Returns what the answer was based on.
pub(super) fn check(
    db: &Connection,
    user: UserId,
    conversation: ConversationId,
    action: Action,
) -> Result<Scene, Fault> {
    let scene = scene(db, user, conversation)?;
    may(scene, action)?;
    Ok(scene)
}

const VIEW: &str =
    "SELECT c.id, c.kind, c.head_rev, c.last_seq, c.member_count, g.name, g.topic, g.visibility,
            m.role, m.read_seq, m.level, m.muted_until, m.marked_unread, d.low_user, d.high_user
     FROM members m JOIN conversations c ON c.id = m.conversation_id
     LEFT JOIN groups g ON g.conversation_id = c.id
     LEFT JOIN directs d ON d.conversation_id = c.id
     WHERE m.user_id = $1";

/// A row of [`VIEW`], without what needs queries of its own; and the other side of a direct.
fn base(row: &Row, viewer: UserId) -> Result<(Conversation, Option<UserId>), Fault> {
    let kind = word(row, 1, ConversationKind::from_word)?;
    let group = kind == ConversationKind::Group;
    let sides = match kind {
        ConversationKind::Direct => Some((id::<UserId>(row, 13)?, id::<UserId>(row, 14)?)),
        ConversationKind::Group => None,
    };
    let conversation = Conversation {
        id: id(row, 0)?,
        kind,
        name: if group { Some(text(row, 5)?) } else { None },
        topic: row.try_get(6)?,
        visibility: if group { Some(word(row, 7, Visibility::from_word)?) } else { None },
        peer: None,
        role: word(row, 8, Role::from_word)?,
        member_count: match sides {
            // Both sides count from the start, also the one that does not see it yet.
            Some((low, high)) => 1 + u32::from(low != high),
            None => count(row, 4)?,
        },
        head_rev: id(row, 2)?,
        last_seq: id(row, 3)?,
        read_seq: id(row, 9)?,
        unread: 0,
        mentions: 0,
        level: word(row, 10, Level::from_word)?,
        muted_until: row.try_get(11)?,
        marked_unread: row.try_get(12)?,
        last_message: None,
    };
    let peer = sides.map(|(low, high)| if low == viewer { high } else { low });
    Ok((conversation, peer))
}

/// Fills in the rest, for all of them at once.
fn complete(
    db: &Connection,
    viewer: UserId,
    name: &Username,
    found: Vec<(Conversation, Option<UserId>)>,
    with_last: bool,
) -> Result<Vec<Conversation>, Fault> {
    let (mut conversations, peers): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let users = users_by_id(db, peers.iter().copied().flatten())?;
    for (conversation, peer) in conversations.iter_mut().zip(peers) {
        if let Some(peer) = peer {
            conversation.peer = Some(users.get(&peer).cloned().ok_or(Fault::Missing)?);
        }
    }
    let is_behind = |conversation: &Conversation| conversation.last_seq > conversation.read_seq;
    let cursors: Vec<_> = conversations
        .iter()
        .filter(|conversation| is_behind(conversation))
        .map(|conversation| (conversation.id, conversation.read_seq))
        .collect();
    let counts = unread_above(db, viewer, name, &cursors)?;
    let behind = conversations.iter_mut().filter(|conversation| is_behind(conversation));
    for (conversation, (unread, mentions)) in behind.zip(counts) {
        (conversation.unread, conversation.mentions) = (unread, mentions);
    }
    if with_last {
        let has_any = |conversation: &Conversation| conversation.last_seq > Seq::MIN;
        let newest = conversations.iter().filter(|conversation| has_any(conversation));
        let mut messages =
            load_messages(db, newest.map(|conversation| (conversation.id, conversation.last_seq)))?;
        for conversation in conversations.iter_mut().filter(|conversation| has_any(conversation)) {
            conversation.last_message = Some(messages.remove(&conversation.id).ok_or(Fault::Missing)?);
        }
    }
    Ok(conversations)
}

/// How many texts of others lie above each of these cursors, and how many of them name this user; counted from
/// the newest down, up to one above [`limits::UNREAD`] and among [`limits::UNREAD_SCAN`] messages.
fn unread_above(
    db: &Connection,
    user: UserId,
    name: &Username,
    cursors: &[(ConversationId, Seq)],
) -> Result<Vec<(u32, u32)>, Fault> {
    // Names have no character that JSON escapes, so a quoted one can be looked for as text.
    let quoted = format!("\"{name}\"");
    // Nobody has this id.
    let me = if planted(Bug::UnreadOwn) { -1 } else { user.get() };
    let (most, scanned) = (i64::from(limits::UNREAD) + 1, i64::from(limits::UNREAD_SCAN));
    let ranges: Vec<(i64, i64)> = cursors
        .iter()
        .map(|(conversation, seq)| (key(*conversation, *seq), range(*conversation).1))
        .collect();
    let values: Vec<[&(dyn ToSql + Sync); 6]> = ranges
        .iter()
        .map(|(from, to)| [from as &(dyn ToSql + Sync), to, &me, &most, &quoted, &scanned])
        .collect();
    let values: Vec<Values<'_>> = values.iter().map(|values| &values[..]).collect();
    let counted = db.each(
        "SELECT count(*), count(*) FILTER (WHERE strpos(mentions, $5) > 0) FROM
           (SELECT mentions FROM
             (SELECT id, mentions, sender_id, kind, deleted_at FROM messages
              WHERE id > $1 AND id <= $2 ORDER BY id DESC LIMIT $6) AS newest
            WHERE sender_id <> $3 AND kind = 'text' AND deleted_at IS NULL ORDER BY id DESC LIMIT $4) AS theirs",
        &values,
    )?;
    let pair = |rows: &Vec<Row>| {
        let row = rows.first().ok_or(Fault::Missing)?;
        Ok((count(row, 0)?, count(row, 1)?))
    };
    counted.iter().map(pair).collect()
}

/// The same of one conversation.
pub(super) fn unread(
    db: &Connection,
    conversation: ConversationId,
    user: UserId,
    name: &Username,
    read_seq: Seq,
) -> Result<(u32, u32), Fault> {
    unread_above(db, user, name, &[(conversation, read_seq)])?.pop().ok_or(Fault::Missing)
}

fn username(db: &Connection, user: UserId) -> Result<Username, Fault> {
    db.row("SELECT username FROM users WHERE id = $1", &[&user.get()], |row| text(row, 0))?
        .ok_or(Fault::Missing)
}

/// A conversation as a member sees it.
pub(super) fn view(
    db: &Connection,
    viewer: UserId,
    conversation: ConversationId,
    with_last: bool,
) -> Result<Conversation, Fault> {
    let found = db.row(
        &format!("{VIEW} AND m.conversation_id = $2"),
        &[&viewer.get(), &conversation.get()],
        |row| base(row, viewer),
    )?;
    let found = vec![found.ok_or(StoreError::NotFound)?];
    complete(db, viewer, &username(db, viewer)?, found, with_last)?.pop().ok_or(Fault::Missing)
}

pub(super) fn list(db: &Connection, viewer: UserId, query: &ListQuery) -> Result<ConversationList, Fault> {
    let after = after(query.cursor.as_deref())?;
    let found = db.rows(
        &format!("{VIEW} AND m.conversation_id > $2 ORDER BY m.conversation_id LIMIT $3"),
        &[&viewer.get(), &after, &(query.limit as i64 + 1)],
        |row| base(row, viewer),
    )?;
    let (found, next_cursor) = page(found, query.limit, |(conversation, _)| conversation.id.to_string());
    let name = username(db, viewer)?;
    let conversations = complete(db, viewer, &name, found, true)?;
    Ok(ConversationList { conversations, next_cursor })
}

pub(super) fn snapshot(db: &Connection, session: &SessionId, now: i64) -> Result<Option<Snapshot>, Fault> {
    let Some(user) = sessions::user(db, session, now)? else { return Ok(None) };
    let found =
        db.rows(&format!("{VIEW} ORDER BY m.conversation_id"), &[&user.id.get()], |row| base(row, user.id))?;
    let conversations = complete(db, user.id, &user.username, found, false)?;
    Ok(Some(Snapshot { user, conversations }))
}

/// Is there room for one more conversation? [`limits::MEMBERSHIPS`] is the most.
pub(super) fn check_memberships(db: &Connection, user: UserId) -> Result<(), Fault> {
    let count: i64 = db.value("SELECT count(*) FROM members WHERE user_id = $1", &[&user.get()])?;
    if count >= limits::MEMBERSHIPS as i64 {
        return Err(StoreError::Conflict("A user can be in at most 2,000 conversations.").into());
    }
    Ok(())
}

/// Reading through one door: only members.
pub(super) fn check_read(db: &Connection, viewer: UserId, conversation: ConversationId) -> Result<(), Fault> {
    if planted(Bug::ReadUnchecked) {
        return Ok(());
    }
    check(db, viewer, conversation, Action::Read).map(|_| ())
}

/// The newest rev.
pub(super) fn head_rev(db: &Connection, conversation: ConversationId) -> Result<Rev, Fault> {
    db.row("SELECT head_rev FROM conversations WHERE id = $1", &[&conversation.get()], |row| id(row, 0))?
        .ok_or(Fault::Missing)
}

/// A member's own counts, as of this transaction.
pub(super) fn own_counts(
    db: &Connection,
    viewer: UserId,
    conversation: ConversationId,
) -> Result<(u32, u32), Fault> {
    if planted(Bug::ChangesUnchecked) {
        return Ok((0, 0));
    }
    let read_seq = read_seq(db, viewer, conversation)?;
    unread(db, conversation, viewer, &username(db, viewer)?, read_seq)
}

/// A member's read cursor.
fn read_seq(db: &Connection, viewer: UserId, conversation: ConversationId) -> Result<Seq, Fault> {
    let found = db.row(
        "SELECT read_seq FROM members WHERE conversation_id = $1 AND user_id = $2",
        &[&conversation.get(), &viewer.get()],
        |row| id(row, 0),
    )?;
    Ok(found.ok_or(StoreError::NotFound)?)
}

/// Is it a group that was not deleted?
pub(super) fn check_group(db: &Connection, conversation: ConversationId) -> Result<(), Fault> {
    let found: bool =
        db.value("SELECT EXISTS (SELECT 1 FROM groups WHERE conversation_id = $1)", &[&conversation.get()])?;
    if found { Ok(()) } else { Err(StoreError::NotFound.into()) }
}
