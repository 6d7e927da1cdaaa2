//! Accounts, log-ins and invites.

use crate::auth::refresh::RefreshToken;
use chat_shared::api::User;
use chat_shared::name::{DeviceName, DisplayName, StatusText};
use chat_shared::{GroupName, SessionId, UserId, Username};

/// How somebody comes to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Anyone may.
    Open,
    /// With an invite whose code has this SHA-256.
    Invite([u8; 32]),
    /// As the very first account; refused when there is one.
    First,
    /// By the operator's hand.
    Operator,
}

/// A new account.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Handle.
    pub username: Username,
    /// Free text.
    pub display_name: DisplayName,
    /// PHC string.
    pub password_hash: String,
    /// By which door.
    pub admission: Admission,
    /// The groups to join.
    pub default_groups: Vec<GroupName>,
    /// A first login.
    pub session: Option<SessionSeed>,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A login without its user.
#[derive(Debug, Clone)]
pub struct SessionSeed {
    /// Id.
    pub id: SessionId,
    /// Device.
    pub device_name: DeviceName,
    /// SHA-256 of the first refresh token.
    pub token_hash: [u8; 32],
    /// Milliseconds since the epoch.
    pub expires_at: i64,
}

/// A login.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Who.
    pub user: UserId,
    /// What.
    pub seed: SessionSeed,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// A refresh token was presented.
#[derive(Debug, Clone)]
pub struct RefreshSession {
    /// The token, which was once issued by this server.
    pub presented: RefreshToken,
    /// SHA-256 of the one that follows it.
    pub next_hash: [u8; 32],
    /// Until when the session lives if this succeeds.
    pub expires_at: i64,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The next token is good, now or (again) as answered before.
    Good(User),
    /// The token was replaced and its successor used: the session has ended.
    Reused,
    /// No such session, or not its token.
    Unknown,
}

/// What a login must know of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The public part.
    pub user: User,
    /// PHC string.
    pub password_hash: Option<String>,
    /// May it log in?
    pub disabled: bool,
    /// When the last connection ended.
    pub last_seen_at: Option<i64>,
}

/// A change of what a user says of themselves.
#[derive(Debug, Clone)]
pub struct UpdateUser {
    /// Who.
    pub user: UserId,
    /// New display name.
    pub display_name: Option<DisplayName>,
    /// New status.
    pub status_text: Option<StatusText>,
}

/// A change of password.
#[derive(Debug, Clone)]
pub struct SetPassword {
    /// Whose.
    pub user: UserId,
    /// PHC string.
    pub hash: String,
    /// Only where the hash is still this one.
    pub if_hash: Option<String>,
    /// Which sessions end.
    pub ends: Ends,
}

/// Which sessions a change of password ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ends {
    /// None: the password is the same, only its hash is stronger.
    None,
    /// Every one but this.
    AllBut(SessionId),
    /// Every one.
    All,
}

/// A new invite.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// SHA-256 of the code.
    pub code_hash: [u8; 32],
    /// For the operator.
    pub note: String,
    /// How many can register with it.
    pub uses: u32,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
    /// Milliseconds since the epoch.
    pub now: i64,
}

/// An invite that can still be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// For revoking it.
    pub id: i64,
    /// For the operator.
    pub note: String,
    /// How many can still register with it.
    pub uses_left: u32,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
}
