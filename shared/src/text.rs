//! The text of a message.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::borrow::Cow;

/// Why a message's text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Nothing but white space.
    #[error("must not be blank")]
    Blank,
    /// More bytes than a message can have.
    #[error("must have at most 16384 bytes")]
    TooLong,
    /// Has a NUL, which terminals, C programs and PostgreSQL cannot carry.
    #[error("must not contain NUL")]
    Nul,
}

impl BodyError {
    /// A stable word for the `code` of a field error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Blank => "blank",
            Self::TooLong => "length",
            Self::Nul => "character",
        }
    }
}

/// A message's text: 1 to 16,384 bytes of UTF-8 without NUL, not blank.
///
/// It is kept exactly as sent, save that line ends become `\n`. Making it safe to show is the
/// work of whoever shows it (see [`crate::display`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageBody(String);

impl MessageBody {
    /// Checks the text and makes its line ends `\n`.
    pub fn new<'a>(text: impl Into<Cow<'a, str>>) -> Result<Self, BodyError> {
        let mut text = text.into();
        if text.contains('\r') {
            text = Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"));
        }
        if text.len() > limits::BODY_MAX_BYTES {
            return Err(BodyError::TooLong);
        }
        if text.contains('\0') {
            return Err(BodyError::Nul);
        }
        if text.trim().is_empty() {
            return Err(BodyError::Blank);
        }
        Ok(Self(text.into_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, owned.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl Serialize for MessageBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for MessageBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Cow::<'de, str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// The names that a text mentions, in order and without repeats: each `@name` that stands at the
/// beginning or behind a character that cannot be part of a name or an address.
///
/// Only the form is looked at; who of them exists and is a member is for the server to find.
/// `here` is returned like a name. At most [`limits::MENTIONS`] are returned.
pub fn mentioned_names(body: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = body;
    let mut before: Option<char> = None;
    while let Some(at) = rest.find('@') {
        if let Some(c) = rest[..at].chars().next_back() {
            before = Some(c);
        }
        let after = &rest[at + 1..];
        let len = after
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            .count();
        // A full stop or a dash at the end belongs to the sentence, not to the name.
        let name = after[..len].trim_end_matches(['.', '_', '-']);
        let free = before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '.' | '_' | '-' | '@' | '/'));
        if free && (limits::HANDLE_MIN..=limits::USERNAME_MAX).contains(&name.len()) {
            let name = name.to_ascii_lowercase();
            if !names.contains(&name) {
                names.push(name);
                if names.len() == limits::MENTIONS {
                    break;
                }
            }
        }
        before = after[..len].chars().next_back().or(Some('@'));
        rest = &after[len..];
    }
    names
}
