//! Accounts: registering, and what users say of themselves.

use super::{Caller, Chat, LoggedIn, field};
use crate::auth::password::check_password_rules;
use crate::auth::throttle::{GUESS, REGISTER};
use crate::config::RegistrationMode;
use crate::error::AppError;
use crate::store::{Admission, Ends, ListQuery, NewUser, SetPassword, UpdateUser, ask};
use chat_shared::api::{RegisterRequest, UpdateMeRequest, User, UserList};
use chat_shared::name::DeviceName;
use chat_shared::{ErrorCode, FieldError, UserId, Username};
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use std::time::Instant;

/// What somebody who registers gave.
pub type Registration = RegisterRequest;

/// A code without what does not matter: codes are read aloud and typed, with case and spaces as they come.
pub(super) fn plain_code(code: &str) -> String {
    let plain: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    plain.to_ascii_lowercase()
}

/// The SHA-256 of an invite's code, which is all that is stored of it.
pub fn invite_hash(code: &str) -> [u8; 32] {
    Sha256::digest(plain_code(code)).into()
}

impl Chat {
    /// Makes an account and logs it in.
    pub async fn register(&self, request: Registration, from: IpAddr) -> Result<LoggedIn, AppError> {
        self.check_open()?;
        let now = Instant::now();
        self.throttle.check(REGISTER, from.into(), now)?;
        let mut errors: Vec<FieldError> = Vec::new();
        let mut note = |error: AppError| errors.extend(error.errors);
        let username = field::<Username>("username", &request.username).map_err(&mut note).ok();
        if username.as_ref().is_some_and(Username::is_reserved) {
            note(AppError::field("username", "reserved", "is reserved; choose another one"));
        }
        let display_name = request.display_name.as_deref().unwrap_or(&request.username);
        let display_name = match (&username, &request.display_name) {
            // A name that was refused need not be refused a second time.
            (None, None) => None,
            _ => field("display_name", display_name).map_err(&mut note).ok(),
        };
        let device_name: Option<DeviceName> =
            field("device_name", request.device_name.as_deref().unwrap_or("")).map_err(&mut note).ok();
        if let Err(error) = check_password_rules(&request.password, &request.username) {
            errors.push(error);
        }
        let (Some(username), Some(display_name), Some(device_name), true) =
            (username, display_name, device_name, errors.is_empty())
        else {
            return Err(AppError::fields(errors));
        };
        let admission = self.admission(&request, from, now).await?;
        let first = admission == Admission::First;
        // Told before the costly hash; the store decides.
        if self.store.user(username.clone()).await.is_ok() {
            return Err(crate::store::StoreError::UsernameTaken.into());
        }
        let password_hash = self.passwords.hash(&request.password).await?;
        let (seed, token) = self.new_session(device_name)?;
        let session = seed.id.clone();
        let new = NewUser {
            username,
            display_name,
            password_hash,
            admission,
            default_groups: self.options.default_groups.clone(),
            session: Some(seed),
            now: self.now(),
        };
        let user = ask(|reply| self.store.create_user(new, reply)).await?;
        if first {
            self.forget_setup_code();
        }
        tracing::info!(user = %user.id, "account made");
        Ok(self.logged_in(user, session, &token))
    }

    async fn admission(
        &self,
        request: &Registration,
        from: IpAddr,
        now: Instant,
    ) -> Result<Admission, AppError> {
        if let Some(code) = &request.setup_code {
            self.throttle.check(GUESS, from.into(), now)?;
            return if self.takes_setup_code(code) {
                Ok(Admission::First)
            } else {
                Err(AppError::forbidden("This setup code is wrong or was used already."))
            };
        }
        if self.setup_code_is_set() && self.store.is_new().await? {
            return Err(AppError::forbidden(
                "The first account needs the setup code that the server printed when it started.",
            ));
        }
        match (self.options.registration, &request.invite) {
            (RegistrationMode::Open, None) => Ok(Admission::Open),
            (RegistrationMode::Open | RegistrationMode::Invite, Some(code)) => {
                self.throttle.check(GUESS, from.into(), now)?;
                Ok(Admission::Invite(invite_hash(code)))
            }
            (RegistrationMode::Invite, None) => {
                Err(AppError::forbidden("Registration is by invite. Ask whoever runs this server for one."))
            }
            (RegistrationMode::Closed, _) => Err(AppError::forbidden(
                "Registration is closed. Ask whoever runs this server for an account.",
            )),
        }
    }

    /// The caller's own account.
    pub async fn me(&self, caller: &Caller) -> Result<User, AppError> {
        let account = self.store.account_by_id(caller.user).await?.ok_or_else(AppError::not_found)?;
        Ok(self.dressed(caller.user, account.user))
    }

    /// Changes what the caller says of themselves.
    pub async fn update_me(&self, caller: &Caller, request: &UpdateMeRequest) -> Result<User, AppError> {
        self.check_open()?;
        let display_name =
            request.display_name.as_deref().map(|name| field("display_name", name)).transpose()?;
        let status_text =
            request.status_text.as_deref().map(|text| field("status_text", text)).transpose()?;
        let change = UpdateUser { user: caller.user, display_name, status_text };
        let user = ask(|reply| self.store.update_user(change, reply)).await?;
        Ok(self.dressed(caller.user, user))
    }

    /// Changes the caller's password; every other session of theirs ends.
    pub async fn change_password(
        &self,
        caller: &Caller,
        current: &str,
        new: &str,
        from: IpAddr,
    ) -> Result<(), AppError> {
        self.check_open()?;
        let name = caller.username.as_str();
        check_password_rules(new, name).map_err(|error| {
            AppError::fields(vec![FieldError { field: "new_password".to_owned(), ..error }])
        })?;
        let now = Instant::now();
        self.throttle.login_allowed(name, from, now)?;
        let account = self.store.account_by_id(caller.user).await?.ok_or_else(AppError::not_found)?;
        let verdict = self.passwords.verify(current, account.password_hash.as_deref()).await?;
        if !verdict.ok {
            self.throttle.login_failed(name, from, now);
            return Err(AppError::new(ErrorCode::Forbidden, "The current password is wrong."));
        }
        let hash = self.passwords.hash(new).await?;
        let ends = Ends::AllBut(caller.session.clone());
        let change = SetPassword { user: caller.user, hash, if_hash: account.password_hash, ends };
        Ok(ask(|reply| self.store.set_password(change, reply)).await?)
    }

    /// Sets a password by the operator's hand; every session of the user ends.
    pub async fn reset_password(&self, user: UserId, username: &str, new: &str) -> Result<(), AppError> {
        check_password_rules(new, username).map_err(|error| AppError::fields(vec![error]))?;
        let hash = self.passwords.hash(new).await?;
        let change = SetPassword { user, hash, if_hash: None, ends: Ends::All };
        Ok(ask(|reply| self.store.set_password(change, reply)).await?)
    }

    /// Makes an account by the operator's hand.
    pub async fn add_user(&self, username: &str, password: &str) -> Result<User, AppError> {
        let name: Username = field("username", username)?;
        if name.is_reserved() {
            return Err(AppError::field("username", "reserved", "is reserved; choose another one"));
        }
        check_password_rules(password, username).map_err(|error| AppError::fields(vec![error]))?;
        let new = NewUser {
            display_name: field("display_name", name.as_str())?,
            username: name,
            password_hash: self.passwords.hash(password).await?,
            admission: Admission::Operator,
            default_groups: self.options.default_groups.clone(),
            session: None,
            now: self.now(),
        };
        let user = ask(|reply| self.store.create_user(new, reply)).await?;
        self.forget_setup_code();
        Ok(user)
    }

    /// Users whose names contain the query.
    pub async fn users(&self, caller: &Caller, query: ListQuery) -> Result<UserList, AppError> {
        let mut list = self.store.users(query).await?;
        self.hub.dress_all(caller.user, list.users.iter_mut());
        Ok(list)
    }

    /// One user.
    pub async fn user(&self, caller: &Caller, username: Username) -> Result<User, AppError> {
        Ok(self.dressed(caller.user, self.store.user(username).await?))
    }
}
