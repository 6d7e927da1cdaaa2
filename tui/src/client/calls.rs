//! Errands over HTTP, each a task of its own: nothing waits for them.

use super::{Answer, Call};
use crate::error::ClientError;
use crate::net::http::Account;
use chat_shared::api::{
    ChangePasswordRequest, Conversation, CreateDirectRequest, CreateGroupRequest, EditList, GroupList,
    Member, MemberList, Message, PutMemberRequest, Role, SessionList, SettingsRequest, Thread,
    UpdateGroupRequest, UpdateMeRequest, User, UserList,
};
use chat_shared::{ConversationId, ErrorCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

/// Pages of a listing of people or groups: more is searched for by name, not read.
const PAGES: usize = 5;
/// Pages of members: a group has at most 20,000.
const MEMBER_PAGES: usize = 100;

/// What an errand brought, for the engine and for whoever asked.
#[derive(Debug)]
pub(crate) struct Brought {
    /// A conversation of mine as it is now.
    pub(crate) conversation: Option<Box<Conversation>>,
    /// Not mine any more.
    pub(crate) left: Option<ConversationId>,
    /// The session has ended.
    pub(crate) logged_out: bool,
    /// For whoever asked.
    pub(crate) answer: Answer,
}

impl From<Answer> for Brought {
    fn from(answer: Answer) -> Self {
        Self { conversation: None, left: None, logged_out: false, answer }
    }
}

impl From<Conversation> for Brought {
    fn from(conversation: Conversation) -> Self {
        let answer = Answer::Conversation(conversation.id);
        Self { conversation: Some(Box::new(conversation)), ..Self::from(answer) }
    }
}

/// As it can stand in a path or a query.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Runs it.
pub(crate) async fn run(account: &Account, call: Call) -> Result<Brought, ClientError> {
    match call {
        Call::Groups(query) => groups(account, &query).await,
        Call::Users(query) => users(account, &query).await,
        Call::CreateGroup { name, topic, visibility } => {
            let body = CreateGroupRequest {
                name,
                topic: Some(topic),
                visibility: Some(visibility.as_str().to_owned()),
            };
            conversation(account, Method::POST, "/groups", &body).await
        }
        Call::Join(name) => join(account, &name).await,
        Call::Leave(id) => {
            done(account, Method::POST, &format!("/groups/{id}/leave"), &json!({})).await?;
            Ok(Brought { left: Some(id), ..Brought::from(Answer::Done) })
        }
        Call::DeleteGroup(id) => {
            nothing(account, Method::DELETE, &format!("/groups/{id}")).await?;
            Ok(Brought { left: Some(id), ..Brought::from(Answer::Done) })
        }
        Call::UpdateGroup { conversation: id, name, topic, visibility } => {
            let visibility = visibility.map(|visibility| visibility.as_str().to_owned());
            let body = UpdateGroupRequest { name, topic, visibility };
            conversation(account, Method::PATCH, &format!("/groups/{id}"), &body).await
        }
        Call::AddMember(id, username) => {
            let added = put_member(account, id, &username, None).await;
            found(added, || nobody(&username))
        }
        Call::SetRole(id, username, role) => {
            // To the server a role for somebody who is not there means to add them.
            if !members(account, id).await?.iter().any(|member| member.user.username.as_str() == username) {
                let detail = format!("{} To add them: /invite @{username}", no_member(&username));
                return Err(ClientError::Other(detail));
            }
            put_member(account, id, &username, Some(role)).await
        }
        Call::RemoveMember(id, username) => {
            let path = format!("/groups/{id}/members/{}", encode(&username));
            found(nothing(account, Method::DELETE, &path).await, || no_member(&username))
        }
        Call::Members(id) => Ok(Answer::Members(id, members(account, id).await?).into()),
        Call::Direct(username) => {
            let body = CreateDirectRequest { username };
            let opened = conversation(account, Method::POST, "/directs", &body).await;
            found(opened, || nobody(&body.username))
        }
        Call::SetLevel(id, level) => {
            let body =
                SettingsRequest { level: Some(level.as_str().to_owned()), ..SettingsRequest::default() };
            settings(account, id, &body).await
        }
        Call::Mute(id, until) => {
            settings(account, id, &SettingsRequest { muted_until: Some(until), ..SettingsRequest::default() })
                .await
        }
        Call::Sessions => {
            let list: SessionList = account.get("/me/sessions").await?;
            Ok(Answer::Sessions(list.sessions).into())
        }
        Call::EndSession(id) => nothing(account, Method::DELETE, &format!("/me/sessions/{id}")).await,
        Call::User(name) => {
            let user: User =
                found(account.get(&format!("/users/{}", encode(&name))).await, || nobody(&name))?;
            Ok(Answer::User(Box::new(user)).into())
        }
        Call::UpdateMe(display_name, status_text) => {
            let body = UpdateMeRequest { display_name, status_text };
            let user: User = account.call(Method::PATCH, "/me", Some(&body)).await?;
            Ok(Answer::User(Box::new(user)).into())
        }
        Call::ChangePassword(current_password, new_password) => {
            let body = ChangePasswordRequest { current_password, new_password };
            done(account, Method::PUT, "/me/password", &body).await
        }
        Call::Edits(id, seq) => {
            let list: EditList = account.get(&format!("/conversations/{id}/messages/{seq}/edits")).await?;
            Ok(Answer::Edits(id, seq, list.edits).into())
        }
        Call::Thread(id, seq) => {
            let thread: Thread = account.get(&format!("/conversations/{id}/messages/{seq}/thread")).await?;
            Ok(Answer::Messages(thread.messages).into())
        }
        Call::Message(id, seq) => {
            let message: Message = account.get(&format!("/conversations/{id}/messages/{seq}")).await?;
            Ok(Answer::Messages(vec![message]).into())
        }
        Call::Logout => logout(account).await,
    }
}

/// The server has one sentence for everything that is not there; here it is known what was looked for.
fn found<T>(result: Result<T, ClientError>, missing: impl FnOnce() -> String) -> Result<T, ClientError> {
    result.map_err(|error| match error {
        ClientError::Api { problem, .. } if problem.code == ErrorCode::NotFound => {
            ClientError::Other(missing())
        }
        other => other,
    })
}

fn nobody(username: &str) -> String {
    format!("there is no user @{username}.")
}

fn no_member(username: &str) -> String {
    format!("@{username} is not a member here.")
}

async fn put_member(
    account: &Account,
    id: ConversationId,
    username: &str,
    role: Option<Role>,
) -> Result<Brought, ClientError> {
    let body = PutMemberRequest { role: role.map(|role| role.as_str().to_owned()) };
    done(account, Method::PUT, &format!("/groups/{id}/members/{}", encode(username)), &body).await
}

/// Changes my own settings of a conversation.
pub(crate) async fn settings(
    account: &Account,
    id: ConversationId,
    body: &SettingsRequest,
) -> Result<Brought, ClientError> {
    conversation(account, Method::PUT, &format!("/conversations/{id}/settings"), body).await
}

async fn conversation(
    account: &Account,
    method: Method,
    path: &str,
    body: &(impl Serialize + Sync),
) -> Result<Brought, ClientError> {
    let conversation: Conversation = account.call(method, path, Some(body)).await?;
    Ok(conversation.into())
}

async fn done(
    account: &Account,
    method: Method,
    path: &str,
    body: &(impl Serialize + Sync),
) -> Result<Brought, ClientError> {
    let _: Value = account.call(method, path, Some(body)).await?;
    Ok(Answer::Done.into())
}

async fn nothing(account: &Account, method: Method, path: &str) -> Result<Brought, ClientError> {
    let _: Value = account.call(method, path, None::<&()>).await?;
    Ok(Answer::Done.into())
}

async fn groups(account: &Account, query: &str) -> Result<Brought, ClientError> {
    let (query, mut all, mut cursor) = (encode(query), Vec::new(), String::new());
    for _ in 0..PAGES {
        let page: GroupList = account.get(&format!("/groups?limit=200&q={query}{cursor}")).await?;
        all.extend(page.groups);
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={}", encode(&next));
    }
    Ok(Answer::Groups(all).into())
}

async fn users(account: &Account, query: &str) -> Result<Brought, ClientError> {
    let (query, mut all, mut cursor) = (encode(query), Vec::new(), String::new());
    for _ in 0..PAGES {
        let page: UserList = account.get(&format!("/users?limit=200&q={query}{cursor}")).await?;
        all.extend(page.users);
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={}", encode(&next));
    }
    Ok(Answer::Users(all).into())
}

async fn members(account: &Account, id: ConversationId) -> Result<Vec<Member>, ClientError> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    for _ in 0..MEMBER_PAGES {
        let page: MemberList = account.get(&format!("/conversations/{id}/members?limit=200{cursor}")).await?;
        all.extend(page.members);
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={}", encode(&next));
    }
    Ok(all)
}

async fn join(account: &Account, name: &str) -> Result<Brought, ClientError> {
    let name = name.trim_start_matches('#').to_ascii_lowercase();
    let mut cursor = String::new();
    for _ in 0..MEMBER_PAGES {
        let page: GroupList = account.get(&format!("/groups?limit=200&q={}{cursor}", encode(&name))).await?;
        if let Some(group) = page.groups.iter().find(|group| group.name.as_str() == name) {
            return conversation(account, Method::POST, &format!("/groups/{}/join", group.id), &json!({}))
                .await;
        }
        let Some(next) = page.next_cursor else { break };
        cursor = format!("&cursor={}", encode(&next));
    }
    Err(ClientError::Other(format!("there is no public group #{name}.")))
}

async fn logout(account: &Account) -> Result<Brought, ClientError> {
    let told: Result<Value, ClientError> = account.post("/auth/logout", &json!({})).await;
    match told {
        // A session that has ended already is as good as one that ends now.
        Err(error) if error.exit_code() != crate::error::exit::REFUSED => Err(error),
        _ => {
            account.forget()?;
            Ok(Brought { logged_out: true, ..Brought::from(Answer::Done) })
        }
    }
}
