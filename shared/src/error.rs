//! Errors as they stand on the wire: one stable code each, the same over HTTP and WebSocket.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// What went wrong, in a word that never changes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
            /// A code that this program does not know yet.
            #[serde(other)]
            Unknown,
        }

        impl ErrorCode {
            /// Every code the server uses.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$variant,)*];

            /// The code as written.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)* Self::Unknown => "unknown" }
            }

            /// The HTTP status that goes with it.
            pub fn status(self) -> u16 {
                match self { $(Self::$variant => $status,)* Self::Unknown => 500 }
            }

            /// A short title, the same for every error of this code.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* Self::Unknown => "Unknown error" }
            }
        }
    };
}

codes! {
    /// The request cannot be understood at all.
    InvalidRequest = "invalid_request", 400, "The request cannot be understood";
    /// No valid credential.
    Unauthorized = "unauthorized", 401, "Not logged in";
    /// The caller may see this, but not do it.
    Forbidden = "forbidden", 403, "Not allowed";
    /// It does not exist, or the caller may not know of it.
    NotFound = "not_found", 404, "Not found";
    /// This path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    /// The request did not arrive in time.
    Timeout = "timeout", 408, "The request took too long to arrive";
    /// The present state does not allow it.
    Conflict = "conflict", 409, "Not possible as things stand";
    /// Somebody has or had this username.
    UsernameTaken = "username_taken", 409, "This username is taken";
    /// A group has this name.
    GroupNameTaken = "group_name_taken", 409, "This group name is taken";
    /// The body is larger than the server reads.
    TooLarge = "too_large", 413, "Too large";
    /// The body is not JSON by its content type.
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type";
    /// Understood, but a field is not valid.
    Unprocessable = "unprocessable", 422, "A field is not valid";
    /// This path speaks WebSocket version 13 only.
    UpgradeRequired = "upgrade_required", 426, "WebSocket upgrade required";
    /// Too many of these in too short a time; try again later.
    RateLimited = "rate_limited", 429, "Too many requests";
    /// The request's head is larger than the server reads.
    HeadersTooLarge = "headers_too_large", 431, "Headers too large";
    /// A fault of the server.
    Internal = "internal", 500, "Internal error";
    /// The server cannot do it right now; try again.
    Unavailable = "unavailable", 503, "Temporarily unavailable";
    /// The server's disk is full; reading works, writing will again.
    StorageFull = "storage_full", 507, "Storage full";
}

impl ErrorCode {
    /// Is the same request likely to succeed later, unchanged?
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Unavailable | Self::StorageFull | Self::Timeout)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Longest complaint of a parser that is passed on, in characters.
const COMPLAINT_MAX: usize = 200;

/// What a parser complains of, for people. It may quote what it was given, which can be very long.
pub fn complaint(error: &impl fmt::Display) -> String {
    let mut text = error.to_string();
    if let Some((end, _)) = text.char_indices().nth(COMPLAINT_MAX) {
        text.replace_range(end.., "…");
    }
    text
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's name as in the request.
    pub field: String,
    /// A stable word for the reason.
    pub code: String,
    /// A sentence for people.
    pub detail: String,
}

/// The body of every HTTP error: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URI that names the kind of error: `urn:chat:error:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code's title.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened to what, and what to do next.
    pub detail: String,
    /// The stable code.
    pub code: ErrorCode,
    /// With `unprocessable`: the fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:chat:error:{code}"),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            errors: Vec::new(),
        }
    }
}
