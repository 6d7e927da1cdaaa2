//! How a command fails: one line for people, and an exit code for scripts.

use chat_shared::{ErrorCode, FieldError, Problem};
use std::time::Duration;

/// Exit codes.
pub mod exit {
    /// It worked.
    pub const OK: u8 = 0;
    /// It failed.
    pub const FAILURE: u8 = 1;
    /// What was typed is wrong.
    pub const USAGE: u8 = 2;
    /// Not logged in, or refused.
    pub const REFUSED: u8 = 3;
    /// The server cannot be reached.
    pub const UNREACHABLE: u8 = 4;
    /// Ctrl-C.
    pub const INTERRUPTED: u8 = 130;
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server's own answer.
    #[error("{}", sentence(.problem))]
    Api {
        /// What it said.
        problem: Box<Problem>,
        /// When to try again.
        retry_after: Option<Duration>,
    },
    /// No answer.
    #[error("{server} cannot be reached: {detail}. Is the address right, and does the server run?")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        detail: String,
    },
    /// Nobody is logged in.
    #[error("not logged in. Run: chat-tui login --server URL --username NAME (without an account: register)")]
    NotLoggedIn,
    /// What was typed is wrong.
    #[error("{0}")]
    Usage(String),
    /// The server closed the connection for good.
    #[error("the server closed the connection: {0}")]
    Closed(String),
    /// A file of this machine, with what is wrong with it.
    #[error("{0}")]
    File(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What the server said; where it is about fields, as people call them.
fn sentence(problem: &Problem) -> String {
    let about = |error: &FieldError| format!("the {} {}", error.field.replace('_', " "), error.detail);
    match problem.errors.as_slice() {
        [] => problem.detail.clone(),
        errors => errors.iter().map(about).collect::<Vec<_>>().join("; "),
    }
}

impl ClientError {
    /// The exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Api { problem, .. } => match problem.code {
                ErrorCode::Unauthorized | ErrorCode::Forbidden => exit::REFUSED,
                ErrorCode::Unavailable | ErrorCode::StorageFull => exit::UNREACHABLE,
                _ => exit::FAILURE,
            },
            Self::Unreachable { .. } => exit::UNREACHABLE,
            Self::NotLoggedIn | Self::Closed(_) => exit::REFUSED,
            Self::Usage(_) => exit::USAGE,
            Self::File(_) | Self::Other(_) => exit::FAILURE,
        }
    }

    /// May the same request succeed a little later?
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Api { problem, .. } => problem.code.is_retryable(),
            _ => false,
        }
    }

    /// Is the log-in over? Nothing else is a reason to ask for the password.
    pub fn ends_session(&self) -> bool {
        match self {
            Self::NotLoggedIn => true,
            Self::Api { problem, .. } => problem.code == ErrorCode::Unauthorized,
            _ => false,
        }
    }

    /// Something about a file.
    pub fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::File(format!("{}: {error}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_in_words() {
        let said = |errors: &[(&str, &str)]| {
            let mut problem = Problem::new(ErrorCode::Unprocessable, "as the server puts it");
            let error = |(field, detail): &(&str, &str)| FieldError {
                field: (*field).into(),
                code: "length".into(),
                detail: (*detail).into(),
            };
            problem.errors = errors.iter().map(error).collect();
            ClientError::Api { problem: Box::new(problem), retry_after: None }.to_string()
        };
        assert_eq!(said(&[]), "as the server puts it");
        assert_eq!(
            said(&[("new_password", "is too short"), ("name", "is reserved")]),
            "the new password is too short; the name is reserved"
        );
    }
}
