//! A database with a past, made through the store itself.

use anyhow::{Context as _, Result, ensure};
use chat_server::store::sqlite::{Opening, SqliteStore};
use chat_server::store::{
    Actor, Admission, NewGroup, NewUser, NobodyListens, SendMessage, SessionSeed, Store, ask,
};
use chat_shared::api::Visibility;
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, SendId, SessionId, UserId};
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::path::Path;
use std::sync::Arc;

/// Operations under way at once.
const AT_ONCE: usize = 2_000;

/// How much of everything.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) users: usize,
    pub(crate) groups: usize,
    /// In all groups together, to each in turn.
    pub(crate) messages: u64,
}

/// What was made: a user who is in every group, and a group that everybody is in.
pub(crate) struct Filled {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    /// Everybody is in the first; in each other one that user, and who writes there.
    pub(crate) groups: Vec<ConversationId>,
}

/// A store on SQLite in this directory.
pub(crate) fn sqlite(dir: &Path) -> Result<Arc<dyn Store>> {
    let opening = Opening { path: dir.join("chat.db"), reserve: 0 };
    Ok(Arc::new(SqliteStore::open(&opening, NobodyListens)?))
}

/// Makes it in a store that is empty.
pub(crate) async fn fill(store: Arc<dyn Store>, size: Size) -> Result<Filled> {
    ensure!(size.users > 1 && size.groups > 0, "somebody has to write to somebody");
    let session: SessionId = format!("{:022}", 1).parse()?;
    let users: Vec<UserId> = futures_util::stream::iter(0..size.users)
        .map(|n| make_user(&*store, n, (n == 0).then(|| session.clone())))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut groups = Vec::new();
    for n in 0..size.groups {
        let new = NewGroup {
            actor: Actor::User(users[0]),
            name: format!("group{n}").parse()?,
            topic: "".parse()?,
            visibility: Visibility::Public,
            now: 1,
        };
        groups.push(ask(|reply| store.create_group(new, reply)).await?.id);
    }
    let writer = |group: usize| users[1 + group % (users.len() - 1)];
    let entries = users[1..].iter().map(|user| (groups[0], *user));
    let entries = entries.chain((1..groups.len()).map(|n| (groups[n], writer(n))));
    let join = |(group, user)| {
        let store = store.clone();
        async move { ask(|reply| store.join_group(user, group, 1, reply)).await }
    };
    futures_util::stream::iter(entries)
        .map(join)
        .buffered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    let body = MessageBody::new("x".repeat(crate::stamp::TEXT)).ok().context("the text is refused")?;
    let send = |n: u64| {
        let group = n as usize % groups.len();
        let send = SendMessage {
            sender: writer(group),
            id: SendId::from_bytes(*uuid::Uuid::now_v7().as_bytes()),
            conversation: groups[group],
            body: body.clone(),
            reply_to: None,
            here: Vec::new(),
            refuse_new: None,
            now: 1,
        };
        let store = store.clone();
        async move { ask(|reply| store.send_message(send, reply)).await }
    };
    futures_util::stream::iter(0..size.messages)
        .map(send)
        .buffered(AT_ONCE)
        .try_for_each(|_| async { Ok(()) })
        .await?;
    Ok(Filled { store, user: users[0], session, groups })
}

async fn make_user(store: &dyn Store, n: usize, session: Option<SessionId>) -> Result<UserId> {
    let seed = |id| -> Result<SessionSeed> {
        Ok(SessionSeed { id, device_name: "bench".parse()?, token_hash: [0; 32], expires_at: i64::MAX })
    };
    let new = NewUser {
        username: format!("user{n}").parse()?,
        display_name: format!("user{n}").parse()?,
        password_hash: "none".to_owned(),
        admission: Admission::Operator,
        default_groups: Vec::new(),
        session: session.map(seed).transpose()?,
        now: 1,
    };
    Ok(ask(|reply| store.create_user(new, reply)).await?.id)
}
