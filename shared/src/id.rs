//! Identifiers. Users and conversations are JSON integers below 2^53, never used twice;
//! sessions, connections and sends are strings.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The largest integer that every JSON reader keeps exactly (2^53 − 1).
pub const MAX_SAFE_INTEGER: i64 = (1 << 53) - 1;

/// Why an identifier was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not an integer in the range of its kind.
    #[error("must be an integer from {min} to 9007199254740991")]
    Integer {
        /// The smallest value of this kind.
        min: i64,
    },
    /// Not a UUID.
    #[error("must be a UUID, such as 0198c1a2-7e3b-7c44-9d1f-2a51c9f0e8b7")]
    Uuid,
    /// Not a session id.
    #[error("must be 1 to 64 of A-Z a-z 0-9 _ -")]
    Session,
}

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident, $min:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(i64);

        impl $name {
            /// The smallest value of this kind.
            pub const MIN: Self = Self($min);

            /// Checks the range.
            pub const fn new(value: i64) -> Result<Self, IdError> {
                if value >= $min && value <= MAX_SAFE_INTEGER {
                    Ok(Self(value))
                } else {
                    Err(IdError::Integer { min: $min })
                }
            }

            /// The number, as it stands in JSON and in the database.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = IdError;
            fn try_from(value: i64) -> Result<Self, IdError> {
                Self::new(value)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                // `i64::from_str` would take a plus sign, which no id is written with.
                let plain = text.bytes().all(|b| b.is_ascii_digit());
                let value = text.parse().ok().filter(|_| plain).ok_or(IdError::Integer { min: $min })?;
                Self::new(value)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_i64(self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(i64::deserialize(deserializer)?).map_err(de::Error::custom)
            }
        }
    };
}

integer_id!(
    /// An account.
    UserId,
    1
);
integer_id!(
    /// Where messages live: a group or a direct.
    ConversationId,
    1
);
integer_id!(
    /// The place of a message in its conversation: the rev at which it was created. 0 is before the first.
    Seq,
    0
);
integer_id!(
    /// A conversation's change counter. 0 is before the first change.
    Rev,
    0
);

impl Seq {
    /// A message's rev at its creation is its seq.
    pub const fn as_rev(self) -> Rev {
        Rev(self.0)
    }
}

impl Rev {
    /// The next change's number.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The seq of a message created at this rev.
    pub const fn as_seq(self) -> Seq {
        Seq(self.0)
    }
}

/// A client-made id of a send or an edit: a UUID (version 7 recommended), unique per sender for ever.
///
/// Any letter case is read; it is written in lower case with hyphens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SendId(Uuid);

impl SendId {
    /// From a UUID that a client has made.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The 16 bytes as stored.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// From the 16 bytes as stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for SendId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        // Only the usual 36 characters: `Uuid` itself also reads braces and URNs, and two
        // spellings of one id are one too many.
        if text.len() != 36 {
            return Err(IdError::Uuid);
        }
        Uuid::try_parse(text).map(Self).map_err(|_| IdError::Uuid)
    }
}

impl fmt::Display for SendId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl Serialize for SendId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut buffer = [0; 36];
        serializer.serialize_str(self.0.as_hyphenated().encode_lower(&mut buffer))
    }
}

impl<'de> Deserialize<'de> for SendId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// One login on one device: the life of one chain of refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SessionId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let valid = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if valid { Ok(Self(text.to_owned())) } else { Err(IdError::Session) }
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}
