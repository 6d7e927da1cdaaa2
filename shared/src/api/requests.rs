//! The bodies of requests.

use super::Millis;
use serde::{Deserialize, Deserializer, Serialize};

/// `POST /auth/register`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RegisterRequest {
    /// Handle.
    pub username: String,
    /// At least 10 characters.
    pub password: String,
    /// The username if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Where registration is by invite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<String>,
    /// For the first account of a server on a public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setup_code: Option<String>,
    /// For the session list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Set the refresh token as a cookie (browsers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<bool>,
}

/// `POST /auth/login`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct LoginRequest {
    /// Handle, in any letter case.
    pub username: String,
    /// Password.
    pub password: String,
    /// For the session list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_name: Option<String>,
    /// Set the refresh token as a cookie (browsers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<bool>,
}

/// `POST /auth/refresh`, and `/auth/logout` of a browser: `{}` uses the cookie.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct RefreshRequest {
    /// The newest one received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// `PATCH /me`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UpdateMeRequest {
    /// New display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// New status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status_text: Option<String>,
}

/// `PUT /me/password`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChangePasswordRequest {
    /// The present one.
    pub current_password: String,
    /// The next one.
    pub new_password: String,
}

/// `PUT /conversations/{id}/settings`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SettingsRequest {
    /// `all`, `mentions` or `nothing`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// Until when to be quiet; `null` (or a time past) ends it.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub muted_until: Option<Option<Millis>>,
    /// Mark unread by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marked_unread: Option<bool>,
}

/// Tells `null` from absent.
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// `POST /groups`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CreateGroupRequest {
    /// Unique.
    pub name: String,
    /// Empty if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// `public` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// `PATCH /groups/{id}`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UpdateGroupRequest {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// New visibility.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
}

/// `PUT /groups/{id}/members/{username}`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct PutMemberRequest {
    /// `member` if absent and the user is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// `POST /directs`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateDirectRequest {
    /// The other side; oneself for notes.
    pub username: String,
}

/// `POST /conversations/{id}/messages`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SendRequest {
    /// Client-made UUID.
    pub id: String,
    /// The text.
    pub body: String,
    /// The seq of the message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<i64>,
}

/// `PATCH /conversations/{id}/messages/{seq}`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EditRequest {
    /// Client-made UUID.
    pub id: String,
    /// The new text.
    pub body: String,
}

/// `PUT /conversations/{id}/read`
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadRequest {
    /// Up to where it was read.
    pub seq: i64,
}
