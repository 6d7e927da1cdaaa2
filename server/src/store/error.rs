//! Why the store did not do it.

use crate::auth::policy::Denied;
use crate::error::AppError;
use chat_shared::ErrorCode;
use std::time::Duration;

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It is not there, or not for this user to know of.
    #[error("not found")]
    NotFound,
    /// The user sees it but may not do this.
    #[error("forbidden: {0}")]
    Forbidden(&'static str),
    /// Not as things stand.
    #[error("conflict: {0}")]
    Conflict(&'static str),
    /// Somebody has or had this username.
    #[error("username taken")]
    UsernameTaken,
    /// A group has this name.
    #[error("group name taken")]
    GroupNameTaken,
    /// A field is not valid.
    #[error("{field}: {detail}")]
    Field {
        /// Which.
        field: &'static str,
        /// A stable word.
        code: &'static str,
        /// A sentence.
        detail: &'static str,
    },
    /// Too many in too short a time; again after this.
    #[error("rate limited")]
    RateLimited(Duration),
    /// The queue is full, the store is closing, or the database is locked or away: the same call will
    /// succeed later. Nothing was stored, as far as is known: where the connection to a database is lost while it
    /// commits, and cannot be made anew in time, nobody can say.
    #[error("unavailable")]
    Unavailable,
    /// The disk is full: the same call will succeed later. Nothing was stored.
    #[error("storage full")]
    StorageFull,
    /// A fault that was logged. Nothing was stored.
    #[error("internal")]
    Internal,
}

impl From<Denied> for StoreError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::NotFound => Self::NotFound,
            Denied::Forbidden(why) => Self::Forbidden(why),
            Denied::Conflict(why) => Self::Conflict(why),
        }
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::not_found(),
            StoreError::Forbidden(why) => Self::forbidden(why),
            StoreError::Conflict(why) => Self::conflict(why),
            StoreError::UsernameTaken => {
                Self::new(ErrorCode::UsernameTaken, "Somebody has this username. Choose another one.")
            }
            StoreError::GroupNameTaken => {
                Self::new(ErrorCode::GroupNameTaken, "A group has this name. Choose another one.")
            }
            StoreError::Field { field, code, detail } => Self::field(field, code, detail),
            StoreError::RateLimited(after) => {
                Self::rate_limited("You are sending faster than this server takes. Wait a moment.", after)
            }
            StoreError::Unavailable => {
                Self::unavailable("The server is busy or stopping. Try again in a moment.")
            }
            StoreError::StorageFull => Self::new(
                ErrorCode::StorageFull,
                "The server's disk is full. Nothing was stored; try again later.",
            ),
            StoreError::Internal => Self::internal(),
        }
    }
}
