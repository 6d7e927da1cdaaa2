//! What an operator can ask for, and how it is done.

use crate::app::random_code;
use crate::chat::{Chat, invite_hash, known};
use crate::error::AppError;
use crate::store::{Actor, NewInvite, ask};
use chat_shared::{ConversationId, UserId, Username};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

const DAY_MS: i64 = 24 * 3600 * 1000;

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
#[allow(missing_docs, reason = "each field is an argument of the command line, described there")]
pub enum Command {
    /// Every account.
    UserList,
    /// Makes an account.
    UserAdd { username: String, password: String },
    /// Sets a password; every session ends.
    UserResetPassword { username: String, password: String },
    /// Lets an account no longer, or again, log in.
    UserDisable { username: String, disabled: bool },
    /// Deletes an account.
    UserDelete { username: String },
    /// Every group.
    GroupList,
    /// Adds a member, or changes a role.
    GroupPutMember { group: String, username: String, role: Option<String> },
    /// Takes a member out.
    GroupRemoveMember { group: String, username: String },
    /// Deletes a group.
    GroupDelete { group: String },
    /// Makes an invite.
    InviteCreate { uses: u32, days: u32, note: String },
    /// The invites that can be used.
    InviteList,
    /// Takes an invite back.
    InviteRevoke { id: i64 },
    /// Copies the database.
    Backup { to: PathBuf },
    /// Looks after everything.
    Doctor,
}

async fn user(chat: &Chat, username: &str) -> Result<(UserId, Username), AppError> {
    let missing =
        || AppError::new(chat_shared::ErrorCode::NotFound, format!("There is no user {username:?}."));
    let name: Username = known(username).map_err(|_| missing())?;
    let account = chat.store().account(&name).await?.ok_or_else(missing)?;
    Ok((account.user.id, name))
}

async fn group(chat: &Chat, name: &str) -> Result<ConversationId, AppError> {
    let missing = |_| AppError::new(chat_shared::ErrorCode::NotFound, format!("There is no group {name:?}."));
    let parsed = known(name.trim_start_matches('#')).map_err(missing)?;
    chat.store().group_by_name(parsed).await.map_err(|error| missing(error.into()))
}

/// Does what is asked.
pub async fn execute(chat: &Chat, command: Command) -> Result<Value, AppError> {
    let store = chat.store();
    let now = chat.now();
    match command {
        Command::UserList => {
            let users: Vec<Value> = store
                .accounts()
                .await?
                .into_iter()
                .map(|account| {
                    json!({
                        "id": account.user.id, "username": account.user.username,
                        "display_name": account.user.display_name, "created_at": account.user.created_at,
                        "last_seen_at": account.last_seen_at, "disabled": account.disabled,
                    })
                })
                .collect();
            Ok(json!({ "users": users }))
        }
        Command::UserAdd { username, password } => {
            let user = chat.add_user(&username, &password).await?;
            Ok(json!({ "id": user.id, "username": user.username }))
        }
        Command::UserResetPassword { username, password } => {
            let (id, name) = user(chat, &username).await?;
            chat.reset_password(id, name.as_str(), &password).await?;
            Ok(json!({ "username": name }))
        }
        Command::UserDisable { username, disabled } => {
            let (id, name) = user(chat, &username).await?;
            ask(|reply| store.set_disabled(id, disabled, now, reply)).await?;
            Ok(json!({ "username": name, "disabled": disabled }))
        }
        Command::UserDelete { username } => {
            let (id, name) = user(chat, &username).await?;
            ask(|reply| store.delete_user(id, now, reply)).await?;
            Ok(json!({ "username": name, "deleted": true }))
        }
        Command::GroupList => {
            let groups: Vec<Value> = store
                .all_groups()
                .await?
                .into_iter()
                .map(|group| {
                    json!({
                        "id": group.id, "name": group.name, "visibility": group.visibility,
                        "members": group.members, "head_rev": group.head_rev, "owners": group.owners,
                    })
                })
                .collect();
            Ok(json!({ "groups": groups }))
        }
        Command::GroupPutMember { group: name, username, role } => {
            let id = group(chat, &name).await?;
            user(chat, &username).await?;
            let outcome = chat.put_member(Actor::Operator, id, &username, role.as_deref()).await?;
            Ok(
                json!({ "username": outcome.member.user.username, "role": outcome.member.role, "added": outcome.added }),
            )
        }
        Command::GroupRemoveMember { group: name, username } => {
            let id = group(chat, &name).await?;
            user(chat, &username).await?;
            chat.remove_member(Actor::Operator, id, &username).await?;
            Ok(json!({ "username": username, "removed": true }))
        }
        Command::GroupDelete { group: name } => {
            let id = group(chat, &name).await?;
            chat.delete_group(Actor::Operator, id).await?;
            Ok(json!({ "group": name, "deleted": true }))
        }
        Command::InviteCreate { uses, days, note } => {
            let code = random_code().map_err(|error| {
                tracing::error!(%error, "the system gives no random bytes");
                AppError::internal()
            })?;
            let expires_at = now + i64::from(days) * DAY_MS;
            let invite = NewInvite { code_hash: invite_hash(&code), note, uses, expires_at, now };
            ask(|reply| store.create_invite(invite, reply)).await?;
            Ok(json!({ "code": code, "uses": uses, "expires_at": expires_at }))
        }
        Command::InviteList => {
            let invites: Vec<Value> = store
                .invites(now)
                .await?
                .into_iter()
                .map(|invite| {
                    json!({
                        "id": invite.id, "note": invite.note, "uses_left": invite.uses_left,
                        "expires_at": invite.expires_at,
                    })
                })
                .collect();
            Ok(json!({ "invites": invites }))
        }
        Command::InviteRevoke { id } => {
            ask(|reply| store.revoke_invite(id, reply)).await?;
            Ok(json!({ "id": id, "revoked": true }))
        }
        Command::Backup { to } => {
            let copied = store.backup(to.clone()).await.map_err(AppError::from);
            copied.map_err(|error| AppError {
                detail: format!("{}: {}", to.display(), error.detail),
                ..error
            })?;
            Ok(json!({ "backup": to }))
        }
        Command::Doctor => {
            let found = store.quick_check().await?;
            let counts = store.counts().await?;
            let messages = store.count_messages().await?;
            Ok(json!({
                "damage": found, "epoch": store.epoch(), "users": counts.users, "sessions": counts.sessions,
                "conversations": counts.conversations, "messages": messages,
                "connections": chat.hub().connections(),
            }))
        }
    }
}
