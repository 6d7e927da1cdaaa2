//! `/conversations` and `/directs`.

use super::call::{Call, conversation};
use super::reply::{Answer, json, ok};
use crate::chat::field;
use crate::store::ask;
use chat_shared::Seq;
use chat_shared::api::{CreateDirectRequest, ReadRequest, SettingsRequest};
use warp::http::StatusCode;

pub(super) async fn list(call: Call) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.conversations(&caller, call.list()?).await?)
}

pub(super) async fn get(call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.conversation(&caller, conversation(&id)?).await?)
}

pub(super) async fn settings(mut call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    let id = conversation(&id)?;
    let request: SettingsRequest = call.json().await?;
    ok(&call.api.chat.set_settings(&caller, id, &request).await?)
}

pub(super) async fn members(call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.members(&caller, conversation(&id)?, call.list()?).await?)
}

pub(super) async fn read(mut call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    let id = conversation(&id)?;
    let request: ReadRequest = call.json().await?;
    let seq: Seq = field("seq", &request.seq.to_string())?;
    ok(&ask(|reply| call.api.chat.mark_read(&caller, id, seq, None, reply)).await?)
}

pub(super) async fn open_direct(mut call: Call) -> Answer {
    let caller = call.caller().await?;
    let request: CreateDirectRequest = call.json().await?;
    let (conversation, made) = call.api.chat.open_direct(&caller, &request.username).await?;
    json(if made { StatusCode::CREATED } else { StatusCode::OK }, &conversation)
}
