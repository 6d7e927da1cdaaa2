//! Groups: making, changing and deleting them. Who is in them: `members`.

use super::conversations::{check, check_group, check_memberships, view};
use super::members::{self, Entry, How};
use super::rows::{id, is_unique_violation, text, word};
use super::tx::{Fault, Tx};
use crate::auth::policy::Action;
use crate::store::listing::{containing, page};
use crate::store::{Actor, Change, GroupSummary, ListQuery, NewGroup, StoreError, UpdateGroup};
use chat_shared::api::{Conversation, Group, GroupList, Notice, NoticeKind, Role, Visibility};
use chat_shared::{ConversationId, GroupName, Rev, UserId, Username};
use rusqlite::{Connection, OptionalExtension as _, params};

fn insert(
    db: &Connection,
    name: &GroupName,
    topic: &str,
    visibility: Visibility,
    now: i64,
) -> Result<ConversationId, Fault> {
    let conversation: ConversationId = db
        .prepare_cached("INSERT INTO conversations (kind, created_at) VALUES ('group', ?1) RETURNING id")?
        .query_row([now], |row| id(row, 0))?;
    let inserted = db
        .prepare_cached(
            "INSERT INTO groups (conversation_id, name, topic, visibility) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![conversation.get(), name.as_str(), topic, visibility.as_str()]);
    match inserted {
        Err(error) if is_unique_violation(&error) => Err(StoreError::GroupNameTaken.into()),
        other => Ok(other.map(|_| conversation)?),
    }
}

fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<ConversationId>> {
    db.prepare_cached("SELECT conversation_id FROM groups WHERE name = ?1")?
        .query_row([name], |row| id(row, 0))
        .optional()
}

pub(super) fn ensure_default(tx: &mut Tx<'_>, names: &[GroupName], now: i64) -> Result<(), Fault> {
    for name in names {
        if find(tx.db, name.as_str())?.is_none() {
            insert(tx.db, name, "", Visibility::Public, now)?;
        }
    }
    Ok(())
}

/// Lets a new account join a default group; the first account owns it.
pub(super) fn join_default(
    tx: &mut Tx<'_>,
    user: UserId,
    name: &GroupName,
    first: bool,
    now: i64,
) -> Result<(), Fault> {
    let conversation = match find(tx.db, name.as_str())? {
        Some(conversation) => conversation,
        None => insert(tx.db, name, "", Visibility::Public, now)?,
    };
    let role = if first { Role::Owner } else { Role::Member };
    members::enter(tx, Entry { conversation, user, role, how: How::Joined, now })
}

pub(super) fn create(tx: &mut Tx<'_>, new: &NewGroup) -> Result<Conversation, Fault> {
    let Actor::User(owner) = new.actor else { return Err(StoreError::Internal.into()) };
    tx.check_space()?;
    check_memberships(tx.db, owner)?;
    let conversation = insert(tx.db, &new.name, new.topic.as_str(), new.visibility, new.now)?;
    members::found(tx, conversation, owner, new.now)?;
    view(tx.db, owner, conversation, true)
}

pub(super) fn update(tx: &mut Tx<'_>, change: &UpdateGroup) -> Result<Conversation, Fault> {
    let UpdateGroup { actor, conversation, now, .. } = *change;
    check(tx.db, actor, conversation, Action::EditGroup)?;
    let (name, topic, visibility) = tx
        .db
        .prepare_cached("SELECT name, topic, visibility FROM groups WHERE conversation_id = ?1")?
        .query_row([conversation.get()], |row| {
            Ok((text::<GroupName>(row, 0)?, row.get::<_, String>(1)?, word(row, 2, Visibility::from_word)?))
        })?;
    let by = members::name_of(tx.db, actor)?;
    let tell = |tx: &mut Tx<'_>, kind, column: &str, value: &str| -> Result<(), Fault> {
        let updated = tx
            .db
            .prepare_cached(&format!("UPDATE groups SET {column} = ?2 WHERE conversation_id = ?1"))?
            .execute(params![conversation.get(), value]);
        match updated {
            Err(error) if is_unique_violation(&error) => return Err(StoreError::GroupNameTaken.into()),
            other => other?,
        };
        let notice = Notice { kind, user: None, by: Some(by.clone()), value: Some(value.to_owned()) };
        members::notice(tx, conversation, actor, notice, &[], &[], now)
    };
    if let Some(new) = change.name.as_ref().filter(|new| **new != name) {
        tell(tx, NoticeKind::Renamed, "name", new.as_str())?;
    }
    if let Some(new) = change.topic.as_ref().filter(|new| new.as_str() != topic) {
        tell(tx, NoticeKind::Topic, "topic", new.as_str())?;
    }
    if let Some(new) = change.visibility.filter(|new| *new != visibility) {
        tell(tx, NoticeKind::Visibility, "visibility", new.as_str())?;
    }
    view(tx.db, actor, conversation, true)
}

pub(super) fn delete(
    tx: &mut Tx<'_>,
    actor: Actor,
    conversation: ConversationId,
    now: i64,
) -> Result<(), Fault> {
    match actor {
        Actor::User(user) => {
            check(tx.db, user, conversation, Action::DeleteGroup)?;
        }
        Actor::Operator => check_group(tx.db, conversation)?,
    }
    let db = tx.db;
    db.execute(
        "UPDATE conversations SET deleted_at = ?2, member_count = 0 WHERE id = ?1",
        params![conversation.get(), now],
    )?;
    // The name is free again; whoever takes it gets another conversation.
    db.execute("DELETE FROM groups WHERE conversation_id = ?1", [conversation.get()])?;
    db.execute("DELETE FROM members WHERE conversation_id = ?1", [conversation.get()])?;
    tx.changes.push(Change::Deleted { conversation });
    Ok(())
}

pub(super) fn by_name(db: &Connection, name: &GroupName) -> Result<ConversationId, Fault> {
    Ok(find(db, name.as_str())?.ok_or(StoreError::NotFound)?)
}

pub(super) fn all(db: &Connection) -> Result<Vec<GroupSummary>, Fault> {
    let mut owners = db.prepare(
        "SELECT u.username FROM members m JOIN users u ON u.id = m.user_id
         WHERE m.conversation_id = ?1 AND m.role = 'owner' ORDER BY u.username",
    )?;
    let mut statement = db.prepare(
        "SELECT g.conversation_id, g.name, g.visibility, c.member_count, c.head_rev
         FROM groups g JOIN conversations c ON c.id = g.conversation_id ORDER BY g.name",
    )?;
    let groups = statement.query_map([], |row| {
        let id: ConversationId = id(row, 0)?;
        let owners =
            owners.query_map([id.get()], |row| text::<Username>(row, 0))?.collect::<Result<Vec<_>, _>>()?;
        Ok(GroupSummary {
            id,
            name: text(row, 1)?,
            visibility: word(row, 2, Visibility::from_word)?,
            members: row.get(3)?,
            head_rev: Rev::new(row.get(4)?).unwrap_or(Rev::MIN),
            owners,
        })
    })?;
    Ok(groups.collect::<Result<_, _>>()?)
}

pub(super) fn list(db: &Connection, viewer: UserId, query: &ListQuery) -> Result<GroupList, Fault> {
    let pattern = query.q.as_deref().map(containing);
    let rows = db
        .prepare_cached(
            r"SELECT g.conversation_id, g.name, g.topic, g.visibility, c.member_count,
                     EXISTS (SELECT 1 FROM members m WHERE m.conversation_id = c.id AND m.user_id = ?1)
              FROM groups g JOIN conversations c ON c.id = g.conversation_id
              WHERE g.name > ?2 AND g.visibility = 'public'
                AND (?3 IS NULL OR g.name LIKE ?3 ESCAPE '\' OR g.topic LIKE ?3 ESCAPE '\')
              ORDER BY g.name LIMIT ?4",
        )?
        .query_map(
            params![viewer.get(), query.cursor.as_deref().unwrap_or(""), pattern, query.limit as i64 + 1],
            |row| {
                Ok(Group {
                    id: id(row, 0)?,
                    name: text(row, 1)?,
                    topic: row.get(2)?,
                    visibility: word(row, 3, Visibility::from_word)?,
                    member_count: row.get(4)?,
                    joined: row.get(5)?,
                })
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    let (groups, next_cursor) = page(rows, query.limit, |group| group.name.to_string());
    Ok(GroupList { groups, next_cursor })
}
