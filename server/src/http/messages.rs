//! `/conversations/{id}/messages` and `…/changes`.

use super::call::{Call, conversation, message_seq, segment};
use super::reply::{Answer, json, ok};
use crate::chat::{Caller, field};
use crate::error::AppError;
use crate::store::{Anchor, ChangesQuery, HistoryQuery, ask};
use chat_shared::api::{EditRequest, SendRequest};
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, Rev, SendId, Seq};
use warp::http::StatusCode;

fn body(text: String) -> Result<MessageBody, AppError> {
    MessageBody::new(text).map_err(|error| AppError::field("body", error.code(), error.to_string()))
}

pub(super) async fn history(call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    let mut anchors = Vec::new();
    anchors.extend(call.seq("before")?.map(Anchor::Before));
    anchors.extend(call.seq("after")?.map(Anchor::After));
    anchors.extend(call.seq("around")?.map(Anchor::Around));
    let anchor = match anchors[..] {
        [] => Anchor::Newest,
        [anchor] => anchor,
        _ => {
            return Err(AppError::field(
                "before",
                "together",
                "only one of before, after and around can be given",
            ));
        }
    };
    let query = HistoryQuery { conversation: conversation(&id)?, anchor, limit: call.limit()? };
    ok(&call.api.chat.history(&caller, query).await?)
}

pub(super) async fn changes(call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    let since = call.number("since")?.ok_or_else(|| AppError::field("since", "missing", "is missing"))?;
    let query = ChangesQuery {
        conversation: conversation(&id)?,
        since: Rev::new(since).map_err(|error| AppError::field("since", "range", error.to_string()))?,
        upto: call.seq("upto_seq")?,
        limit: call.limit()?,
    };
    ok(&call.api.chat.changes(&caller, query).await?)
}

pub(super) async fn send(mut call: Call, id: String) -> Answer {
    let caller = call.caller().await?;
    let conversation = conversation(&id)?;
    let request: SendRequest = call.json().await?;
    let send_id: SendId = field("id", &request.id)?;
    let text = body(request.body)?;
    let reply_to = request.reply_to.map(|seq| field::<Seq>("reply_to", &seq.to_string())).transpose()?;
    let chat = &call.api.chat;
    let sent = ask(|reply| chat.send_message(&caller, send_id, conversation, text, reply_to, reply)).await?;
    let message = present(&call, &caller, sent.ack.conversation, sent.ack.seq).await;
    let status = if sent.known { StatusCode::OK } else { StatusCode::CREATED };
    match message {
        Ok(message) => json(status, &message),
        // It was sent, and the answer must say so, although its sender can no longer read it.
        Err(_) if sent.known => json(
            status,
            &serde_json::json!({
                "conversation_id": sent.ack.conversation, "seq": sent.ack.seq, "rev": sent.ack.rev,
                "kind": "text", "id": send_id, "body": "", "sent_at": sent.ack.sent_at,
                "sender": {"id": caller.user, "username": caller.username, "display_name": caller.username},
            }),
        ),
        Err(error) => Err(error),
    }
}

async fn present(
    call: &Call,
    caller: &Caller,
    id: ConversationId,
    seq: Seq,
) -> Result<chat_shared::api::Message, AppError> {
    call.api.chat.message(caller, id, seq).await
}

pub(super) async fn get(call: Call, id: String, seq: String) -> Answer {
    let caller = call.caller().await?;
    ok(&present(&call, &caller, conversation(&id)?, message_seq(&seq)?).await?)
}

pub(super) async fn edit(mut call: Call, id: String, seq: String) -> Answer {
    let caller = call.caller().await?;
    let (id, seq) = (conversation(&id)?, message_seq(&seq)?);
    let request: EditRequest = call.json().await?;
    let edit_id: SendId = field("id", &request.id)?;
    let text = body(request.body)?;
    let chat = &call.api.chat;
    let ack = ask(|reply| chat.edit_message(&caller, edit_id, id, seq, text, reply)).await?;
    ok(&present(&call, &caller, ack.conversation, ack.seq).await?)
}

pub(super) async fn delete(call: Call, id: String, seq: String) -> Answer {
    let caller = call.caller().await?;
    let (id, seq) = (conversation(&id)?, message_seq(&seq)?);
    ask(|reply| call.api.chat.delete_message(&caller, id, seq, reply)).await?;
    ok(&present(&call, &caller, id, seq).await?)
}

pub(super) async fn edits(call: Call, id: String, seq: String) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.edits(&caller, conversation(&id)?, message_seq(&seq)?).await?)
}

pub(super) async fn thread(call: Call, id: String, seq: String) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.thread(&caller, conversation(&id)?, message_seq(&seq)?).await?)
}

async fn react(call: Call, id: String, seq: String, emoji: String, on: bool) -> Answer {
    let caller = call.caller().await?;
    let (id, seq) = (conversation(&id)?, message_seq(&seq)?);
    let emoji = field("emoji", &segment(&emoji)?)?;
    ask(|reply| call.api.chat.react(&caller, id, seq, emoji, on, reply)).await?;
    ok(&present(&call, &caller, id, seq).await?)
}

pub(super) async fn add_reaction(call: Call, id: String, seq: String, emoji: String) -> Answer {
    react(call, id, seq, emoji, true).await
}

pub(super) async fn take_reaction(call: Call, id: String, seq: String, emoji: String) -> Answer {
    react(call, id, seq, emoji, false).await
}
