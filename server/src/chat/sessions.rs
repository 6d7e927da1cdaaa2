//! Logging in and staying so.

use super::{Caller, Chat, field};
use crate::auth::refresh::RefreshToken;
use crate::auth::throttle::{LOGIN, REFRESH};
use crate::error::AppError;
use crate::store::{Ends, NewSession, RefreshSession, Refreshed, SessionSeed, SetPassword, StoreError, ask};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_shared::api::{LoginRequest, Session, SessionEntry, User};
use chat_shared::name::DeviceName;
use chat_shared::{SessionId, UserId, Username};
use std::net::IpAddr;
use std::time::Instant;

/// A login's answer; the refresh token apart, since a browser gets it as a cookie.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    /// Without `refresh_token`.
    pub session: Session,
    /// The refresh token.
    pub refresh_token: String,
}

fn wrong() -> AppError {
    AppError::unauthorized("The username or the password is wrong.")
}

impl Chat {
    /// Logs in. Whether the user is unknown, the password wrong or the account disabled is not told,
    /// and costs the same.
    pub async fn login(&self, request: &LoginRequest, from: IpAddr) -> Result<LoggedIn, AppError> {
        self.check_open()?;
        let device_name: DeviceName = field("device_name", request.device_name.as_deref().unwrap_or(""))?;
        let now = Instant::now();
        self.throttle.check(LOGIN, from.into(), now)?;
        let username: Option<Username> = request.username.parse().ok();
        let name = username.as_ref().map_or("", Username::as_str);
        self.throttle.login_allowed(name, from, now)?;
        let account = match &username {
            Some(username) => self.store.account(username).await?,
            None => None,
        };
        let stored = account.as_ref().and_then(|account| account.password_hash.as_deref());
        let verdict = self.passwords.verify(&request.password, stored).await?;
        let account = account.filter(|account| verdict.ok && !account.disabled);
        let Some(account) = account else {
            self.throttle.login_failed(name, from, now);
            return Err(wrong());
        };
        self.throttle.login_succeeded(name, from, now);
        let user = account.user;
        if verdict.needs_rehash {
            let change = SetPassword {
                user: user.id,
                hash: self.passwords.hash(&request.password).await?,
                if_hash: account.password_hash,
                ends: Ends::None,
            };
            if let Err(error) = ask(|reply| self.store.set_password(change, reply)).await {
                tracing::warn!(user = %user.id, %error, "the password's hash could not be strengthened");
            }
        }
        let (seed, token) = self.new_session(device_name)?;
        let session = seed.id.clone();
        let new = NewSession { user: user.id, seed, now: self.now() };
        match ask(|reply| self.store.create_session(new, reply)).await {
            // The account was disabled while its password was being hashed.
            Err(StoreError::NotFound) => Err(wrong()),
            created => created.map(|()| self.logged_in(user, session, &token)).map_err(AppError::from),
        }
    }

    /// Exchanges a refresh token for the next one. Repeating it, until the next one was presented,
    /// gives the same next one.
    pub async fn refresh(&self, token: &str, from: IpAddr) -> Result<LoggedIn, AppError> {
        self.check_open()?;
        self.throttle.check(REFRESH, from.into(), Instant::now())?;
        let presented = self.refresh.parse(token)?;
        let next = self.refresh.next(&presented);
        let session = presented.session().clone();
        let now = self.now();
        let refresh =
            RefreshSession { next_hash: next.hash(), presented, expires_at: self.refresh_expiry(now), now };
        match ask(|reply| self.store.refresh_session(refresh, reply)).await? {
            Refreshed::Good(user) => Ok(self.logged_in(user, session, &next)),
            Refreshed::Reused => {
                tracing::warn!(%session, "a replaced refresh token was used again; its session was ended");
                Err(AppError::unauthorized("The session has ended. Log in again."))
            }
            Refreshed::Unknown => Err(AppError::unauthorized("The session has ended. Log in again.")),
        }
    }

    /// The session of a refresh token, for a browser's logout. Whoever presents a token that was
    /// issued once may end its session.
    pub async fn logout_with(&self, token: &str) -> Result<(), AppError> {
        let session = self.refresh.parse(token)?.session().clone();
        match self.store.session_user(&session, self.now()).await? {
            Some(user) => self.end_current_session(user.id, session).await,
            None => Ok(()),
        }
    }

    /// Ends the caller's own session.
    pub async fn logout(&self, caller: &Caller) -> Result<(), AppError> {
        self.end_current_session(caller.user, caller.session.clone()).await
    }

    /// Whoever finds it ended, since they last looked, has what they want.
    async fn end_current_session(&self, user: UserId, session: SessionId) -> Result<(), AppError> {
        match ask(|reply| self.store.end_session(user, session, reply)).await {
            Err(StoreError::NotFound) => Ok(()),
            ended => Ok(ended?),
        }
    }

    /// Ends one of the caller's sessions.
    pub async fn end_own_session(&self, caller: &Caller, session: SessionId) -> Result<(), AppError> {
        Ok(ask(|reply| self.store.end_session(caller.user, session, reply)).await?)
    }

    /// The caller's sessions.
    pub async fn sessions(&self, caller: &Caller) -> Result<Vec<SessionEntry>, AppError> {
        let mut sessions = self.store.sessions(caller.user, self.now()).await?;
        for session in &mut sessions {
            session.current = session.id == caller.session;
        }
        Ok(sessions)
    }

    fn refresh_expiry(&self, now: i64) -> i64 {
        now.saturating_add(
            i64::try_from(self.options.refresh_ttl).unwrap_or(i64::MAX / 2000).saturating_mul(1000),
        )
    }

    pub(super) fn new_session(
        &self,
        device_name: DeviceName,
    ) -> Result<(SessionSeed, RefreshToken), AppError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| {
            tracing::error!(%error, "the system gives no random bytes");
            AppError::internal()
        })?;
        let id: SessionId = URL_SAFE_NO_PAD.encode(random).parse().map_err(|_| AppError::internal())?;
        let token = self.refresh.first(&id)?;
        let expires_at = self.refresh_expiry(self.now());
        Ok((SessionSeed { id, device_name, token_hash: token.hash(), expires_at }, token))
    }

    pub(super) fn logged_in(&self, user: User, session: SessionId, token: &RefreshToken) -> LoggedIn {
        let access_token = self.access.issue(user.id, &session, self.now() / 1000);
        LoggedIn {
            refresh_token: token.to_string(),
            session: Session {
                access_token,
                token_type: "Bearer".to_owned(),
                expires_in: self.options.access_ttl,
                refresh_token: None,
                refresh_expires_in: self.options.refresh_ttl,
                session_id: session,
                user: self.dressed(user.id, user),
            },
        }
    }
}
