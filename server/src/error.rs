//! The one error type of the use cases, and its way to the wire.

use chat_shared::{ErrorCode, FieldError, Problem};
use std::time::Duration;

/// Why a request or a frame was refused. What it says is meant for the caller: internals are logged
/// where they happen and never stand in here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct AppError {
    /// The stable code.
    pub code: ErrorCode,
    /// What happened to what, and what to do next.
    pub detail: String,
    /// With `unprocessable`: the fields.
    pub errors: Vec<FieldError>,
    /// With `rate_limited` and `unavailable`: when to try again.
    pub retry_after: Option<Duration>,
    /// With `unauthorized`: there was an access token, and it is not good.
    pub token_refused: bool,
}

impl AppError {
    /// An error of this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new(), retry_after: None, token_refused: false }
    }

    /// What is not there, or not for the caller to know of: one text for both, always the same.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "There is nothing here that you can see.")
    }

    /// No valid credential.
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Unauthorized, detail)
    }

    /// An access token that is not good, as opposed to none.
    pub fn token_refused(detail: impl Into<String>) -> Self {
        Self { token_refused: true, ..Self::unauthorized(detail) }
    }

    /// The caller may see it but not do it.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, detail)
    }

    /// The present state does not allow it.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, detail)
    }

    /// Cannot be understood.
    pub fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, detail)
    }

    /// One field is not valid.
    pub fn field(field: &str, code: &str, detail: impl Into<String>) -> Self {
        Self::fields(vec![FieldError { field: field.into(), code: code.into(), detail: detail.into() }])
    }

    /// Some fields are not valid.
    pub fn fields(errors: Vec<FieldError>) -> Self {
        let list: Vec<String> = errors.iter().map(|e| format!("{}: {}", e.field, e.detail)).collect();
        Self { errors, ..Self::new(ErrorCode::Unprocessable, list.join("; ")) }
    }

    /// Too many; again after this time.
    pub fn rate_limited(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::RateLimited, detail) }
    }

    /// Not now; the same request will succeed later.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(Duration::from_secs(1)), ..Self::new(ErrorCode::Unavailable, detail) }
    }

    /// A fault of ours. The cause is logged by whoever found it.
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "The server failed to do this; its log tells why.")
    }

    /// As the body of an HTTP answer.
    pub fn problem(&self) -> Problem {
        Problem { errors: self.errors.clone(), ..Problem::new(self.code, self.detail.clone()) }
    }
}
