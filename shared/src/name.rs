//! Handles of users and groups, and the short free texts that stand beside them.
//!
//! Handles are plain ASCII so that no two can look alike; free text is cleaned for display when it
//! comes in, since it has no other use than being shown.

use crate::display;
use crate::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Why a name or a short text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Too short or too long for its kind.
    #[error("must have {min} to {max} characters")]
    Length {
        /// The fewest characters.
        min: usize,
        /// The most characters.
        max: usize,
    },
    /// A character that a handle cannot have.
    #[error("may have only the letters a to z, digits, '.', '_' and '-'")]
    Character,
    /// The first or last character is neither a letter nor a digit.
    #[error("must begin and end with a letter or a digit")]
    Edge,
    /// Not one emoji.
    #[error("must be one emoji")]
    Emoji,
}

impl NameError {
    /// A stable word for the `code` of a field error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length { .. } => "length",
            Self::Character => "character",
            Self::Edge => "edge",
            Self::Emoji => "emoji",
        }
    }
}

/// Usernames that nobody can have: they would pass for the server or for a group of people.
pub const RESERVED_USERNAMES: [&str; 10] =
    ["admin", "administrator", "root", "system", "server", "everyone", "here", "all", "me", "null"];

fn parse_handle(text: &str, max: usize) -> Result<String, NameError> {
    let min = limits::HANDLE_MIN;
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        return Err(NameError::Character);
    }
    if !(min..=max).contains(&text.len()) {
        return Err(NameError::Length { min, max });
    }
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    if !edge(text.bytes().next()) || !edge(text.bytes().next_back()) {
        return Err(NameError::Edge);
    }
    Ok(text.to_ascii_lowercase())
}

macro_rules! text_type {
    ($name:ident) => {
        impl $name {
            /// The text as stored.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

/// A user's handle: 2 to 32 of `a-z 0-9 . _ -`, first and last a letter or digit; stored in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Username(String);

text_type!(Username);

impl Username {
    /// Is it one of [`RESERVED_USERNAMES`]? Such a name is well-formed, but nobody can register it.
    pub fn is_reserved(&self) -> bool {
        RESERVED_USERNAMES.contains(&self.0.as_str())
    }
}

impl FromStr for Username {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        parse_handle(text, limits::USERNAME_MAX).map(Self)
    }
}

/// A group's handle: like a username, up to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

text_type!(GroupName);

impl FromStr for GroupName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        parse_handle(text, limits::GROUP_NAME_MAX).map(Self)
    }
}

macro_rules! line_type {
    ($(#[$doc:meta])* $name:ident, $min:expr, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        text_type!($name);

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let error = NameError::Length { min: $min, max: $max };
                // A cheap bound before cleaning: no character has more than 4 bytes, and cleaning
                // never makes a text that fits out of one sixteen times as long.
                if text.len() > $max * 64 {
                    return Err(error);
                }
                let clean = display::stored_line(text);
                if ($min..=$max).contains(&clean.chars().count()) { Ok(Self(clean)) } else { Err(error) }
            }
        }
    };
}

line_type!(
    /// What a user wants to be called: one line of free text, cleaned for display.
    DisplayName,
    1,
    limits::DISPLAY_NAME_MAX
);
line_type!(
    /// What a user is doing: one line, may be empty.
    StatusText,
    0,
    limits::STATUS_TEXT_MAX
);
line_type!(
    /// What a group is about: one line, may be empty.
    Topic,
    0,
    limits::TOPIC_MAX
);
line_type!(
    /// What a session calls the device it is on: one line, may be empty.
    DeviceName,
    0,
    limits::DEVICE_NAME_MAX
);

/// One emoji: a single grapheme cluster that begins with a symbol (or is a keycap).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Emoji(String);

text_type!(Emoji);

impl FromStr for Emoji {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() <= limits::EMOJI_MAX_BYTES && display::is_one_emoji(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::Emoji)
        }
    }
}
