//! `/groups`.

use super::call::{Call, conversation, segment};
use super::reply::{Answer, json, no_content, ok};
use crate::store::Actor;
use chat_shared::api::{CreateGroupRequest, PutMemberRequest, UpdateGroupRequest};
use warp::http::StatusCode;

pub(super) async fn list(call: Call) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.groups(&caller, call.list()?).await?)
}

pub(super) async fn create(mut call: Call) -> Answer {
    let caller = call.caller().await?;
    let request: CreateGroupRequest = call.json().await?;
    json(StatusCode::CREATED, &call.api.chat.create_group(&caller, &request).await?)
}

pub(super) async fn update(mut call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    let id = conversation(&id)?;
    let request: UpdateGroupRequest = call.json().await?;
    ok(&call.api.chat.update_group(&caller, id, &request).await?)
}

pub(super) async fn delete(call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    call.api.chat.delete_group(Actor::User(caller.user), conversation(&id)?).await?;
    no_content()
}

pub(super) async fn join(call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.join(&caller, conversation(&id)?).await?)
}

pub(super) async fn leave(call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    call.api.chat.leave(&caller, conversation(&id)?).await?;
    no_content()
}

pub(super) async fn put_member(mut call: Call, id: String, username: String) -> Answer {
    let caller = call.caller().await?;
    let (id, username) = (conversation(&id)?, segment(&username)?);
    let request: PutMemberRequest = call.json_or_default().await?;
    let actor = Actor::User(caller.user);
    let outcome = call.api.chat.put_member(actor, id, &username, request.role.as_deref()).await?;
    json(if outcome.added { StatusCode::CREATED } else { StatusCode::OK }, &outcome.member)
}

pub(super) async fn remove_member(call: Call, id: String, username: String) -> Answer {
    let caller = call.caller().await?;
    let actor = Actor::User(caller.user);
    call.api.chat.remove_member(actor, conversation(&id)?, &segment(&username)?).await?;
    no_content()
}
