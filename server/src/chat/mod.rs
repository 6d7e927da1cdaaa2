//! The use cases: check, commit, publish, in that order.
//!
//! Every front (HTTP, WebSocket, the operator's commands) comes through here; nothing here knows any
//! of them. What must be checked in the same transaction as the write is checked by the store;
//! publishing is driven by the store's completions. So a method here is short: limits that belong
//! to the caller, the call to the store, and what the caller may see of the answer.

mod accounts;
mod conversations;
mod messages;
mod sessions;

pub use accounts::{Registration, invite_hash};
pub use sessions::LoggedIn;

use crate::auth::keys::Keys;
use crate::auth::password::Passwords;
use crate::auth::refresh::RefreshTokens;
use crate::auth::throttle::Throttle;
use crate::auth::token::{AccessTokens, Claims};
use crate::clock::now_ms;
use crate::config::RegistrationMode;
use crate::error::AppError;
use crate::hub::Hub;
use crate::store::{Store, StoreError};
use crate::ws::SessionOptions;
use chat_shared::api::{Conversation, User};
use chat_shared::frame::{ServerFrame, ServerInfo};
use chat_shared::limits::Limits;
use chat_shared::{GroupName, SessionId, UserId, Username};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Who is calling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Id.
    pub user: UserId,
    /// Handle.
    pub username: Username,
    /// With which login.
    pub session: SessionId,
}

/// What the operator decided about the chat.
#[derive(Debug, Clone)]
pub struct ChatOptions {
    /// What the server is called.
    pub server_name: String,
    /// Who may register.
    pub registration: RegistrationMode,
    /// The groups that every new account joins.
    pub default_groups: Vec<GroupName>,
    /// Seconds that an access token is good for.
    pub access_ttl: u64,
    /// Seconds that a refresh token is good for.
    pub refresh_ttl: u64,
    /// Connections of a user.
    pub connections_per_user: usize,
    /// Of each connection.
    pub session: SessionOptions,
}

/// The chat: a handle on everything that the use cases need.
pub struct Chat {
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    passwords: Passwords,
    access: AccessTokens,
    refresh: RefreshTokens,
    throttle: Throttle,
    options: ChatOptions,
    /// The one-time code that the first account needs, if it needs one.
    setup_code: Mutex<Option<String>>,
    draining: AtomicBool,
    damaged: AtomicBool,
}

impl Chat {
    /// Puts the parts together.
    pub fn new(
        store: Arc<dyn Store>,
        hub: Arc<Hub>,
        passwords: Passwords,
        keys: &Keys,
        throttle: Throttle,
        options: ChatOptions,
        setup_code: Option<String>,
    ) -> Self {
        Self {
            store,
            hub,
            passwords,
            access: AccessTokens::new(keys, options.access_ttl),
            refresh: RefreshTokens::new(keys),
            throttle,
            options,
            setup_code: Mutex::new(setup_code),
            draining: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
        }
    }

    /// The hub.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The store, for what has no rules of its own.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// How many password hashes were made, for metrics.
    pub fn password_hashes(&self) -> u64 {
        self.passwords.hashes()
    }

    /// How connections are to be run.
    pub fn session_options(&self) -> SessionOptions {
        self.options.session
    }

    /// The wall clock, in milliseconds.
    pub fn now(&self) -> i64 {
        now_ms()
    }

    /// From now on writes are refused as retryable; what is queued is still committed.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Is the server stopping?
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on what is there is served, and writes are refused as retryable: the database is
    /// damaged, and writing to it could make that worse.
    pub fn distrust_database(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// Was the database found to be damaged?
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    fn check_open(&self) -> Result<(), StoreError> {
        match (self.is_draining(), self.is_damaged()) {
            (false, false) => Ok(()),
            _ => Err(StoreError::Unavailable),
        }
    }

    /// Checks an access token by itself; whether its session still lives is [`Chat::authenticate`]'s.
    pub fn verify_access(&self, token: &str) -> Result<Claims, AppError> {
        self.access.verify(token, self.now() / 1000)
    }

    /// Who is calling with this access token. A session that has ended ends here at once.
    pub async fn authenticate(&self, token: &str) -> Result<(Caller, Claims), AppError> {
        let claims = self.verify_access(token)?;
        let user = self.store.session_user(&claims.session, self.now()).await?;
        let user = user
            .filter(|user| user.id == claims.user)
            .ok_or_else(|| AppError::token_refused("The session has ended. Log in again."))?;
        let caller = Caller { user: user.id, username: user.username, session: claims.session.clone() };
        self.throttle.check(crate::auth::throttle::REQUEST, caller.user.into(), Instant::now())?;
        Ok((caller, claims))
    }

    /// What a connection is told first, read after it was registered. `None`: its session has ended.
    pub async fn ready(&self, caller: &Caller, connection: u64) -> Result<Option<ServerFrame>, AppError> {
        let Some(mut snapshot) = self.store.snapshot(&caller.session, self.now()).await? else {
            return Ok(None);
        };
        let peers = snapshot.conversations.iter_mut().filter_map(|conversation| conversation.peer.as_mut());
        self.hub.dress_all(caller.user, peers.chain(std::iter::once(&mut snapshot.user)));
        Ok(Some(ServerFrame::Ready {
            connection_id: connection.to_string(),
            epoch: self.store.epoch().to_owned(),
            server: ServerInfo {
                name: self.options.server_name.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                limits: Limits { connections: self.options.connections_per_user, ..Limits::default() },
            },
            heartbeat_ms: u64::try_from(self.options.session.heartbeat.as_millis()).unwrap_or(u64::MAX),
            user: snapshot.user,
            conversations: snapshot.conversations,
            online: self.hub.online_for(caller.user),
        }))
    }

    /// Fills in presence.
    fn dressed(&self, viewer: UserId, mut user: User) -> User {
        self.hub.dress(viewer, &mut user);
        user
    }

    fn dressed_conversation(&self, viewer: UserId, mut conversation: Conversation) -> Conversation {
        if let Some(peer) = &mut conversation.peer {
            self.hub.dress(viewer, peer);
        }
        conversation
    }

    /// Takes the setup code if it is the right one. It is good for one account.
    fn takes_setup_code(&self, given: &str) -> bool {
        use subtle::ConstantTimeEq as _;
        let code = self.setup_code.lock().unwrap_or_else(PoisonError::into_inner);
        let given = accounts::plain_code(given);
        code.as_deref().is_some_and(|code| bool::from(code.as_bytes().ct_eq(given.as_bytes())))
    }

    fn setup_code_is_set(&self) -> bool {
        self.setup_code.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn forget_setup_code(&self) {
        *self.setup_code.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Parses a field of a request, or says what is wrong with it.
pub(crate) fn field<T>(name: &str, text: &str) -> Result<T, AppError>
where
    T: std::str::FromStr,
    T::Err: Into<FieldFault>,
{
    text.parse().map_err(|error: T::Err| {
        let FieldFault { code, detail } = error.into();
        AppError::field(name, code, detail)
    })
}

/// Why a field was refused, whatever its type.
pub(crate) struct FieldFault {
    code: &'static str,
    detail: String,
}

impl From<chat_shared::name::NameError> for FieldFault {
    fn from(error: chat_shared::name::NameError) -> Self {
        Self { code: error.code(), detail: error.to_string() }
    }
}

impl From<chat_shared::id::IdError> for FieldFault {
    fn from(error: chat_shared::id::IdError) -> Self {
        Self { code: "range", detail: error.to_string() }
    }
}

/// A name that is looked up: one that cannot exist is one that does not.
pub(crate) fn known<T: std::str::FromStr>(text: &str) -> Result<T, AppError> {
    text.parse().map_err(|_| AppError::not_found())
}

/// One of the words of an enum.
pub(crate) fn word<T>(name: &str, text: &str, read: fn(&str) -> Option<T>, all: &str) -> Result<T, AppError> {
    read(text).ok_or_else(|| AppError::field(name, "word", format!("must be one of {all}")))
}
