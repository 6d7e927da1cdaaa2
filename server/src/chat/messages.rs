//! Messages. The methods that write take a reply instead of being awaited, so that a connection's
//! sends are queued in the order of their arrival.

use super::{Caller, Chat};
use crate::auth::throttle::SEND;
use crate::error::AppError;
use crate::store::{
    Ack, ChangesQuery, DeleteMessage, EditMessage, HistoryQuery, MarkRead, React, Reply, SendMessage, Sent,
    StoreError,
};
use chat_shared::api::{Changes, EditList, Message, MessagePage, ReadState, Thread};
use chat_shared::name::Emoji;
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, SendId, Seq, Username};
use std::time::Instant;

impl Chat {
    /// Why a write of this caller is to be refused, unless it is one that was answered before.
    fn refusal(&self, caller: &Caller) -> Option<StoreError> {
        if let Err(closed) = self.check_open() {
            return Some(closed);
        }
        let limited = self.throttle.check(SEND, caller.user.into(), Instant::now()).err()?;
        Some(StoreError::RateLimited(limited.retry_after.unwrap_or_default()))
    }

    fn here(&self, caller: &Caller, conversation: ConversationId, body: &MessageBody) -> Vec<Username> {
        if body.as_str().contains("@here") { self.hub.here(conversation, caller.user) } else { Vec::new() }
    }

    /// Sends a message.
    pub fn send_message(
        &self,
        caller: &Caller,
        id: SendId,
        conversation: ConversationId,
        body: MessageBody,
        reply_to: Option<Seq>,
        reply: Reply<Sent>,
    ) {
        let send = SendMessage {
            sender: caller.user,
            id,
            conversation,
            here: self.here(caller, conversation, &body),
            body,
            reply_to,
            refuse_new: self.refusal(caller),
            now: self.now(),
        };
        self.store.send_message(send, reply);
    }

    /// Writes one's own message anew.
    pub fn edit_message(
        &self,
        caller: &Caller,
        id: SendId,
        conversation: ConversationId,
        seq: Seq,
        body: MessageBody,
        reply: Reply<Ack>,
    ) {
        let edit = EditMessage {
            editor: caller.user,
            id,
            conversation,
            seq,
            here: self.here(caller, conversation, &body),
            body,
            refuse_new: self.refusal(caller),
            now: self.now(),
        };
        self.store.edit_message(edit, reply);
    }

    /// Deletes a message.
    pub fn delete_message(&self, caller: &Caller, conversation: ConversationId, seq: Seq, reply: Reply<Ack>) {
        match self.refusal(caller) {
            Some(error) => reply(Err(error)),
            None => {
                let delete = DeleteMessage { actor: caller.user, conversation, seq, now: self.now() };
                self.store.delete_message(delete, reply);
            }
        }
    }

    /// Adds or takes back a reaction.
    pub fn react(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        seq: Seq,
        emoji: Emoji,
        on: bool,
        reply: Reply<Ack>,
    ) {
        match self.refusal(caller) {
            Some(error) => reply(Err(error)),
            None => self.store.react(React { user: caller.user, conversation, seq, emoji, on }, reply),
        }
    }

    /// Moves the caller's read cursor.
    pub fn mark_read(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        seq: Seq,
        origin: Option<u64>,
        reply: Reply<ReadState>,
    ) {
        if let Err(closed) = self.check_open() {
            return reply(Err(closed));
        }
        self.store.mark_read(MarkRead { user: caller.user, conversation, seq, origin }, reply);
    }

    /// A page of history.
    pub async fn history(&self, caller: &Caller, query: HistoryQuery) -> Result<MessagePage, AppError> {
        Ok(self.store.history(caller.user, query).await?)
    }

    /// What changed since a rev.
    pub async fn changes(&self, caller: &Caller, query: ChangesQuery) -> Result<Changes, AppError> {
        Ok(self.store.changes(caller.user, query).await?)
    }

    /// One message.
    pub async fn message(&self, caller: &Caller, id: ConversationId, seq: Seq) -> Result<Message, AppError> {
        Ok(self.store.message(caller.user, id, seq).await?)
    }

    /// The texts a message had.
    pub async fn edits(&self, caller: &Caller, id: ConversationId, seq: Seq) -> Result<EditList, AppError> {
        Ok(self.store.edits(caller.user, id, seq).await?)
    }

    /// The messages that reply to one.
    pub async fn thread(&self, caller: &Caller, id: ConversationId, seq: Seq) -> Result<Thread, AppError> {
        Ok(self.store.thread(caller.user, id, seq).await?)
    }
}
