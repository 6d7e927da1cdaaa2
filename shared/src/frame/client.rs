//! What clients say.

use crate::error::{ErrorCode, complaint};
use crate::id::{ConversationId, SendId, Seq};
use crate::name::Emoji;
use crate::text::MessageBody;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A frame from a client, every field checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientFrame {
    /// Post a message. Answered by `ack`.
    Send {
        /// Client-made, unique per sender for ever.
        id: SendId,
        /// Where.
        conversation_id: ConversationId,
        /// The text.
        body: MessageBody,
        /// The message it answers.
        #[serde(skip_serializing_if = "Option::is_none")]
        reply_to: Option<Seq>,
    },
    /// Write one's own message anew. Answered by `ack`.
    Edit {
        /// Client-made, unique per sender for ever.
        id: SendId,
        /// Where.
        conversation_id: ConversationId,
        /// Which message.
        seq: Seq,
        /// The new text.
        body: MessageBody,
    },
    /// Delete a message. Answered by `ack`.
    Delete {
        /// Names the answer.
        id: SendId,
        /// Where.
        conversation_id: ConversationId,
        /// Which message.
        seq: Seq,
    },
    /// Add or take back a reaction. Answered by `ack`.
    React {
        /// Names the answer.
        id: SendId,
        /// Where.
        conversation_id: ConversationId,
        /// Which message.
        seq: Seq,
        /// Which emoji.
        emoji: Emoji,
        /// Add, or take back?
        on: bool,
    },
    /// Move my read cursor.
    Read {
        /// Where.
        conversation_id: ConversationId,
        /// Up to which message.
        seq: Seq,
    },
    /// I am writing.
    Typing {
        /// Where.
        conversation_id: ConversationId,
    },
    /// A fresh access token of the same user and session. Answered by `auth_ok`.
    Auth {
        /// Names the answer.
        id: String,
        /// The token.
        access_token: String,
    },
    /// Answered by `pong`.
    Ping {
        /// Names the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
}

/// A frame that was not understood, or whose fields are not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct BadFrame {
    /// The frame's own `id`, if it had one that could be read.
    pub id: Option<String>,
    /// `invalid_request` (not understood) or `unprocessable` (a field is not valid).
    pub code: ErrorCode,
    /// What is wrong, for people.
    pub detail: String,
}

/// Longest `id` of a frame that is not a UUID (`ping`, `auth`).
const FRAME_ID_MAX: usize = 64;

/// Every field that any frame has: read in one pass and without copying what needs no unescaping.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    conversation_id: Option<i64>,
    #[serde(default)]
    seq: Option<i64>,
    #[serde(borrow, default)]
    body: Option<Cow<'a, str>>,
    #[serde(default)]
    reply_to: Option<i64>,
    #[serde(borrow, default)]
    emoji: Option<Cow<'a, str>>,
    #[serde(default)]
    on: Option<bool>,
    #[serde(borrow, default)]
    access_token: Option<Cow<'a, str>>,
}

impl ClientFrame {
    /// Reads one text frame.
    pub fn parse(text: &str) -> Result<Self, BadFrame> {
        let not_a_frame = |why: &str| BadFrame {
            id: None,
            code: ErrorCode::InvalidRequest,
            detail: format!("not a frame of this protocol: {why}"),
        };
        // A list would be taken for the fields in their order.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(not_a_frame("it is no JSON object"));
        }
        let fields: Fields<'_> =
            serde_json::from_str(text).map_err(|error| not_a_frame(&complaint(&error)))?;
        fields.check().map_err(|mut bad| {
            bad.id = fields.id.as_deref().filter(|id| id.len() <= FRAME_ID_MAX).map(str::to_owned);
            bad
        })
    }

    /// The frame as JSON text.
    pub fn to_json(&self) -> String {
        // A value of this type has only string keys and finite numbers: it can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Fields<'_> {
    fn check(&self) -> Result<ClientFrame, BadFrame> {
        Ok(match &*self.kind {
            "send" => ClientFrame::Send {
                id: self.send_id()?,
                conversation_id: self.conversation_id()?,
                body: self.body()?,
                reply_to: self.reply_to.map(|seq| message_seq("reply_to", seq)).transpose()?,
            },
            "edit" => ClientFrame::Edit {
                id: self.send_id()?,
                conversation_id: self.conversation_id()?,
                seq: self.seq()?,
                body: self.body()?,
            },
            "delete" => ClientFrame::Delete {
                id: self.send_id()?,
                conversation_id: self.conversation_id()?,
                seq: self.seq()?,
            },
            "react" => ClientFrame::React {
                id: self.send_id()?,
                conversation_id: self.conversation_id()?,
                seq: self.seq()?,
                emoji: need("emoji", self.emoji.as_deref())?.parse().map_err(|e| invalid("emoji", &e))?,
                on: need("on", self.on)?,
            },
            "read" => ClientFrame::Read {
                conversation_id: self.conversation_id()?,
                seq: Seq::new(need("seq", self.seq)?).map_err(|e| invalid("seq", &e))?,
            },
            "typing" => ClientFrame::Typing { conversation_id: self.conversation_id()? },
            "auth" => ClientFrame::Auth {
                id: need("id", self.free_id()?)?,
                access_token: need("access_token", self.access_token.as_deref())?.to_owned(),
            },
            "ping" => ClientFrame::Ping { id: self.free_id()? },
            _ => {
                return Err(BadFrame {
                    id: None,
                    code: ErrorCode::InvalidRequest,
                    detail: "type: not a frame that clients send".to_owned(),
                });
            }
        })
    }

    fn send_id(&self) -> Result<SendId, BadFrame> {
        need("id", self.id.as_deref())?.parse().map_err(|e| invalid("id", &e))
    }

    fn free_id(&self) -> Result<Option<String>, BadFrame> {
        match self.id.as_deref() {
            Some(id) if id.len() > FRAME_ID_MAX => Err(invalid("id", &"must have at most 64 bytes")),
            id => Ok(id.map(str::to_owned)),
        }
    }

    fn conversation_id(&self) -> Result<ConversationId, BadFrame> {
        let value = need("conversation_id", self.conversation_id)?;
        ConversationId::new(value).map_err(|e| invalid("conversation_id", &e))
    }

    fn seq(&self) -> Result<Seq, BadFrame> {
        message_seq("seq", need("seq", self.seq)?)
    }

    fn body(&self) -> Result<MessageBody, BadFrame> {
        MessageBody::new(need("body", self.body.as_deref())?).map_err(|e| invalid("body", &e))
    }
}

/// The seq of a message: 0 names none.
fn message_seq(field: &str, value: i64) -> Result<Seq, BadFrame> {
    match Seq::new(value) {
        Ok(seq) if value > 0 => Ok(seq),
        _ => Err(invalid(field, &"must be an integer from 1 to 9007199254740991")),
    }
}

fn need<T>(field: &str, value: Option<T>) -> Result<T, BadFrame> {
    value.ok_or_else(|| invalid(field, &"is missing"))
}

fn invalid(field: &str, why: &dyn std::fmt::Display) -> BadFrame {
    BadFrame { id: None, code: ErrorCode::Unprocessable, detail: format!("{field}: {why}") }
}
