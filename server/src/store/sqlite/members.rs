//! Members: who comes, goes and may do what; each change told by a notice in the same transaction.

use super::conversations::{check, check_group, check_memberships, check_read, scene, view};
use super::messages;
use super::rows::{USER, id, text, user, user_by_id, user_id, word};
use super::tx::{Fault, Tx};
use crate::auth::policy::{Action, may};
use crate::planted::{Bug, planted};
use crate::store::listing;
use crate::store::{
    Actor, Change, ListQuery, PutMember, PutMemberOutcome, RemoveMember, RoomState, StoreError,
};
use chat_shared::api::{Conversation, ConversationKind, Member, MemberList, Notice, NoticeKind, Role};
use chat_shared::{ConversationId, UserId, Username, limits};
use rusqlite::{Connection, OptionalExtension as _, params};

/// The handle of a user.
pub(super) fn name_of(db: &Connection, user: UserId) -> rusqlite::Result<Username> {
    db.prepare_cached("SELECT username FROM users WHERE id = ?1")?.query_row([user.get()], |row| text(row, 0))
}

/// Writes a notice and tells of it. Members that are new with it must be stored already.
pub(super) fn notice(
    tx: &mut Tx<'_>,
    conversation: ConversationId,
    sender: UserId,
    notice: Notice,
    joined: &[UserId],
    left: &[UserId],
    now: i64,
) -> Result<(), Fault> {
    let message = messages::insert_notice(tx, conversation, sender, notice, now)?;
    let joined = joined
        .iter()
        .map(|user| {
            // What was there before they came is not news to them.
            tx.db
                .prepare_cached(
                    "UPDATE members SET read_seq = ?3 WHERE conversation_id = ?1 AND user_id = ?2",
                )?
                .execute(params![conversation.get(), user.get(), message.seq.get()])?;
            Ok((*user, Box::new(view(tx.db, *user, conversation, false)?)))
        })
        .collect::<Result<Vec<_>, Fault>>()?;
    tx.changes.push(Change::Message { message: Box::new(message), joined, left: left.to_vec() });
    Ok(())
}

fn insert(
    db: &Connection,
    conversation: ConversationId,
    user: UserId,
    role: Role,
    now: i64,
) -> Result<(), Fault> {
    check_memberships(db, user)?;
    let count: u32 = db
        .prepare_cached(
            "UPDATE conversations SET member_count = member_count + 1 WHERE id = ?1 RETURNING member_count",
        )?
        .query_row([conversation.get()], |row| row.get(0))?;
    if count as usize > limits::GROUP_MEMBERS {
        return Err(StoreError::Conflict("This group has as many members as a group can have.").into());
    }
    db.prepare_cached(
        "INSERT INTO members (conversation_id, user_id, role, joined_at, read_seq) VALUES (?1, ?2, ?3, ?4, 0)",
    )?
    .execute(params![conversation.get(), user.get(), role.as_str(), now])?;
    Ok(())
}

fn take_out(db: &Connection, conversation: ConversationId, user: UserId) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM members WHERE conversation_id = ?1 AND user_id = ?2")?
        .execute(params![conversation.get(), user.get()])?;
    if planted(Bug::MemberCountWrong) {
        return Ok(());
    }
    db.prepare_cached("UPDATE conversations SET member_count = member_count - 1 WHERE id = ?1")?
        .execute([conversation.get()])?;
    Ok(())
}

fn role_of(db: &Connection, conversation: ConversationId, user: UserId) -> rusqlite::Result<Option<Role>> {
    db.prepare_cached("SELECT role FROM members WHERE conversation_id = ?1 AND user_id = ?2")?
        .query_row(params![conversation.get(), user.get()], |row| word(row, 0, Role::from_word))
        .optional()
}

/// Is this user the only owner?
fn is_last_owner(db: &Connection, conversation: ConversationId, user: UserId) -> rusqlite::Result<bool> {
    db.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM members WHERE conversation_id = ?1 AND user_id = ?2 AND role = 'owner')
            AND NOT EXISTS (SELECT 1 FROM members WHERE conversation_id = ?1 AND user_id <> ?2 AND role = 'owner')",
    )?
    .query_row(params![conversation.get(), user.get()], |row| row.get(0))
}

/// Somebody becomes a member of a group.
pub(super) struct Entry {
    pub(super) conversation: ConversationId,
    pub(super) user: UserId,
    pub(super) role: Role,
    pub(super) how: How,
    pub(super) now: i64,
}

/// How somebody becomes a member.
pub(super) enum How {
    /// By themselves.
    Joined,
    /// By this user, or by the operator, who signs nothing.
    Added(Option<UserId>),
}

pub(super) fn enter(tx: &mut Tx<'_>, entry: Entry) -> Result<(), Fault> {
    let Entry { conversation, user, role, how, now } = entry;
    insert(tx.db, conversation, user, role, now)?;
    let (kind, by) = match how {
        How::Joined => (NoticeKind::Joined, None),
        How::Added(by) => (NoticeKind::Added, by),
    };
    let told = Notice {
        kind,
        user: Some(name_of(tx.db, user)?),
        by: by.map(|by| name_of(tx.db, by)).transpose()?,
        value: None,
    };
    notice(tx, conversation, by.unwrap_or(user), told, &[user], &[], now)
}

/// The creator of a group becomes its first member and owner.
pub(super) fn found(
    tx: &mut Tx<'_>,
    conversation: ConversationId,
    owner: UserId,
    now: i64,
) -> Result<(), Fault> {
    insert(tx.db, conversation, owner, Role::Owner, now)?;
    let by = Some(name_of(tx.db, owner)?);
    let told = Notice { kind: NoticeKind::Created, user: None, by, value: None };
    notice(tx, conversation, owner, told, &[owner], &[], now)
}

pub(super) fn join(
    tx: &mut Tx<'_>,
    actor: UserId,
    conversation: ConversationId,
    now: i64,
) -> Result<Conversation, Fault> {
    let scene = check(tx.db, actor, conversation, Action::Join)?;
    if scene.role.is_none() {
        enter(tx, Entry { conversation, user: actor, role: Role::Member, how: How::Joined, now })?;
    }
    view(tx.db, actor, conversation, true)
}

pub(super) fn leave(
    tx: &mut Tx<'_>,
    actor: UserId,
    conversation: ConversationId,
    now: i64,
) -> Result<(), Fault> {
    let last_owner = is_last_owner(tx.db, conversation, actor)?;
    check(tx.db, actor, conversation, Action::Leave { last_owner })?;
    depart(tx, conversation, actor, now)
}

fn depart(tx: &mut Tx<'_>, conversation: ConversationId, user: UserId, now: i64) -> Result<(), Fault> {
    take_out(tx.db, conversation, user)?;
    if planted(Bug::NoticeMissing) {
        return Ok(());
    }
    let told = Notice { kind: NoticeKind::Left, user: Some(name_of(tx.db, user)?), by: None, value: None };
    notice(tx, conversation, user, told, &[], &[user], now)
}

/// A deleted account leaves its groups; where it was the only owner, whoever has been there longest
/// (moderators first) becomes one, so that no group is left that nobody can run.
pub(super) fn leave_everything(tx: &mut Tx<'_>, user: UserId, now: i64) -> Result<(), Fault> {
    let groups = tx
        .db
        .prepare_cached(
            "SELECT m.conversation_id FROM members m JOIN groups g ON g.conversation_id = m.conversation_id
             WHERE m.user_id = ?1 ORDER BY m.conversation_id",
        )?
        .query_map([user.get()], |row| id(row, 0))?
        .collect::<Result<Vec<ConversationId>, _>>()?;
    for conversation in groups {
        let orphans = is_last_owner(tx.db, conversation, user)?;
        depart(tx, conversation, user, now)?;
        let heir = tx
            .db
            .prepare_cached(
                "SELECT user_id FROM members WHERE conversation_id = ?1
                 ORDER BY role = 'moderator' DESC, joined_at, user_id LIMIT 1",
            )?
            .query_row([conversation.get()], |row| id::<UserId>(row, 0))
            .optional()?;
        if let (true, Some(heir)) = (orphans, heir) {
            set_role(tx, conversation, heir, Role::Owner, None, now)?;
        }
    }
    Ok(())
}

fn set_role(
    tx: &mut Tx<'_>,
    conversation: ConversationId,
    user: UserId,
    role: Role,
    by: Option<UserId>,
    now: i64,
) -> Result<(), Fault> {
    tx.db
        .prepare_cached("UPDATE members SET role = ?3 WHERE conversation_id = ?1 AND user_id = ?2")?
        .execute(params![conversation.get(), user.get(), role.as_str()])?;
    let told = Notice {
        kind: NoticeKind::Role,
        user: Some(name_of(tx.db, user)?),
        by: by.map(|by| name_of(tx.db, by)).transpose()?,
        value: Some(role.as_str().to_owned()),
    };
    notice(tx, conversation, by.unwrap_or(user), told, &[], &[], now)
}

/// The user whose rights count, if it is one's; the operator may do everything to a group that exists.
fn permit(
    db: &Connection,
    actor: Actor,
    conversation: ConversationId,
    action: Action,
) -> Result<Option<UserId>, Fault> {
    match actor {
        Actor::User(user) => check(db, user, conversation, action).map(|_| Some(user)),
        Actor::Operator => check_group(db, conversation).map(|()| None),
    }
}

pub(super) fn put(tx: &mut Tx<'_>, change: &PutMember) -> Result<PutMemberOutcome, Fault> {
    let PutMember { actor, conversation, now, .. } = *change;
    // Whoever may not look into the group learns nothing, not even whether the other user exists.
    if let Actor::User(user) = actor {
        let scene = check(tx.db, user, conversation, Action::Read)?;
        if scene.kind != ConversationKind::Group {
            return Err(StoreError::NotFound.into());
        }
    }
    let target = user_id(tx.db, &change.username)?.ok_or(StoreError::NotFound)?;
    let present = role_of(tx.db, conversation, target)?;
    match (present, change.role) {
        (None, role) => {
            let role = role.unwrap_or(Role::Member);
            let by = permit(tx.db, actor, conversation, Action::Add { role })?;
            enter(tx, Entry { conversation, user: target, role, how: How::Added(by), now })?;
        }
        (Some(present), Some(role)) if role != present => {
            let orphans = role != Role::Owner && is_last_owner(tx.db, conversation, target)?;
            let by = permit(tx.db, actor, conversation, Action::ChangeRole { orphans })?;
            set_role(tx, conversation, target, role, by, now)?;
        }
        (Some(_), _) => {
            permit(tx.db, actor, conversation, Action::Read)?;
        }
    }
    let member = tx
        .db
        .prepare_cached("SELECT role, joined_at FROM members WHERE conversation_id = ?1 AND user_id = ?2")?
        .query_row(params![conversation.get(), target.get()], |row| {
            Ok((word(row, 0, Role::from_word)?, row.get(1)?))
        })?;
    let member = Member { user: user_by_id(tx.db, target)?, role: member.0, joined_at: member.1 };
    Ok(PutMemberOutcome { member, added: present.is_none() })
}

pub(super) fn remove(tx: &mut Tx<'_>, change: &RemoveMember) -> Result<(), Fault> {
    let RemoveMember { actor, conversation, now, .. } = *change;
    if let Actor::User(user) = actor {
        check_read(tx.db, user, conversation)?;
    }
    let target = user_id(tx.db, &change.username)?.ok_or(StoreError::NotFound)?;
    let role = role_of(tx.db, conversation, target)?.ok_or(StoreError::NotFound)?;
    if actor == Actor::User(target) {
        return leave(tx, target, conversation, now);
    }
    let by = permit(tx.db, actor, conversation, Action::Remove { role })?;
    if is_last_owner(tx.db, conversation, target)? {
        return Err(StoreError::Conflict(
            "The group would have no owner. Make somebody else an owner first.",
        )
        .into());
    }
    take_out(tx.db, conversation, target)?;
    let told = Notice {
        kind: NoticeKind::Removed,
        user: Some(change.username.clone()),
        by: by.map(|by| name_of(tx.db, by)).transpose()?,
        value: None,
    };
    notice(tx, conversation, by.unwrap_or(target), told, &[], &[target], now)
}

pub(super) fn list(
    db: &Connection,
    viewer: UserId,
    conversation: ConversationId,
    query: &ListQuery,
) -> Result<MemberList, Fault> {
    may(scene(db, viewer, conversation)?, Action::Read)?;
    let rows = db
        .prepare_cached(&format!(
            "SELECT {USER}, m.role, m.joined_at FROM members m JOIN users u ON u.id = m.user_id
             WHERE m.conversation_id = ?1 AND m.user_id > ?2 ORDER BY m.user_id LIMIT ?3"
        ))?
        .query_map(
            params![conversation.get(), listing::after(query.cursor.as_deref())?, query.limit as i64 + 1],
            |row| {
                Ok(Member { user: user(row)?, role: word(row, 6, Role::from_word)?, joined_at: row.get(7)? })
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    Ok(listing::members(rows, query.limit))
}

/// Who is a member of what: of everything, or of one conversation.
pub(super) fn rooms(db: &Connection, only: Option<ConversationId>) -> Result<Vec<RoomState>, Fault> {
    let mut members = db.prepare("SELECT user_id FROM members WHERE conversation_id = ?1")?;
    let mut conversations = db.prepare(
        "SELECT c.id, c.head_rev, d.low_user, d.high_user, d.low_wrote, d.high_wrote FROM conversations c
         LEFT JOIN directs d ON d.conversation_id = c.id WHERE c.deleted_at IS NULL AND (?1 IS NULL OR c.id = ?1)",
    )?;
    let rooms = conversations.query_map([only.map(ConversationId::get)], |row| {
        let conversation: ConversationId = id(row, 0)?;
        let direct = row.get_ref(2)?.as_i64_or_null()?.is_some();
        let mut wrote = Vec::new();
        if direct {
            for side in 0..2 {
                if row.get(4 + side)? {
                    wrote.push(id(row, 2 + side)?);
                }
            }
        }
        let members = members.query_map([conversation.get()], |row| id(row, 0))?.collect::<Result<_, _>>()?;
        Ok(RoomState { conversation, head_rev: id(row, 1)?, direct, wrote, members })
    })?;
    Ok(rooms.collect::<Result<_, _>>()?)
}
