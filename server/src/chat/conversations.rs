//! Groups, directs, members and one's own settings of them.

use super::{Caller, Chat, field, known, word};
use crate::auth::throttle::CREATE;
use crate::error::AppError;
use crate::store::{
    Actor, ListQuery, NewGroup, PutMember, PutMemberOutcome, RemoveMember, Settings, UpdateGroup, ask,
};
use chat_shared::ConversationId;
use chat_shared::api::{
    Conversation, ConversationList, CreateGroupRequest, GroupList, Level, MemberList, Role, SettingsRequest,
    UpdateGroupRequest, Visibility,
};
use std::time::Instant;

const VISIBILITIES: &str = "public, private";
const ROLES: &str = "owner, moderator, member";
const LEVELS: &str = "all, mentions, nothing";

impl Chat {
    /// The caller's conversations.
    pub async fn conversations(
        &self,
        caller: &Caller,
        query: ListQuery,
    ) -> Result<ConversationList, AppError> {
        let mut list = self.store.conversations(caller.user, query).await?;
        self.hub.dress_all(caller.user, list.conversations.iter_mut().filter_map(|c| c.peer.as_mut()));
        Ok(list)
    }

    /// One of them.
    pub async fn conversation(&self, caller: &Caller, id: ConversationId) -> Result<Conversation, AppError> {
        Ok(self.dressed_conversation(caller.user, self.store.conversation(caller.user, id).await?))
    }

    /// Public groups.
    pub async fn groups(&self, caller: &Caller, query: ListQuery) -> Result<GroupList, AppError> {
        Ok(self.store.groups(caller.user, query).await?)
    }

    /// A conversation's members.
    pub async fn members(
        &self,
        caller: &Caller,
        id: ConversationId,
        query: ListQuery,
    ) -> Result<MemberList, AppError> {
        let mut list = self.store.members(caller.user, id, query).await?;
        self.hub.dress_all(caller.user, list.members.iter_mut().map(|member| &mut member.user));
        Ok(list)
    }

    /// Makes a group.
    pub async fn create_group(
        &self,
        caller: &Caller,
        request: &CreateGroupRequest,
    ) -> Result<Conversation, AppError> {
        self.check_open()?;
        self.throttle.check(CREATE, caller.user.into(), Instant::now())?;
        let visibility = request.visibility.as_deref().unwrap_or("public");
        let new = NewGroup {
            actor: Actor::User(caller.user),
            name: field("name", &request.name)?,
            topic: field("topic", request.topic.as_deref().unwrap_or(""))?,
            visibility: word("visibility", visibility, Visibility::from_word, VISIBILITIES)?,
            now: self.now(),
        };
        Ok(ask(|reply| self.store.create_group(new, reply)).await?)
    }

    /// Changes a group.
    pub async fn update_group(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        request: &UpdateGroupRequest,
    ) -> Result<Conversation, AppError> {
        self.check_open()?;
        let visibility = request.visibility.as_deref();
        let change = UpdateGroup {
            actor: caller.user,
            conversation,
            name: request.name.as_deref().map(|name| field("name", name)).transpose()?,
            topic: request.topic.as_deref().map(|topic| field("topic", topic)).transpose()?,
            visibility: visibility
                .map(|text| word("visibility", text, Visibility::from_word, VISIBILITIES))
                .transpose()?,
            now: self.now(),
        };
        Ok(ask(|reply| self.store.update_group(change, reply)).await?)
    }

    /// Deletes a group: gone at once, purged in slices.
    pub async fn delete_group(&self, actor: Actor, conversation: ConversationId) -> Result<(), AppError> {
        self.check_open()?;
        Ok(ask(|reply| self.store.delete_group(actor, conversation, self.now(), reply)).await?)
    }

    /// Joins a public group.
    pub async fn join(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<Conversation, AppError> {
        self.check_open()?;
        Ok(ask(|reply| self.store.join_group(caller.user, conversation, self.now(), reply)).await?)
    }

    /// Leaves a group.
    pub async fn leave(&self, caller: &Caller, conversation: ConversationId) -> Result<(), AppError> {
        self.check_open()?;
        Ok(ask(|reply| self.store.leave_group(caller.user, conversation, self.now(), reply)).await?)
    }

    /// Adds a member or changes a role.
    pub async fn put_member(
        &self,
        actor: Actor,
        conversation: ConversationId,
        username: &str,
        role: Option<&str>,
    ) -> Result<PutMemberOutcome, AppError> {
        self.check_open()?;
        let change = PutMember {
            actor,
            conversation,
            username: known(username)?,
            role: role.map(|role| word("role", role, Role::from_word, ROLES)).transpose()?,
            now: self.now(),
        };
        let mut outcome = ask(|reply| self.store.put_member(change, reply)).await?;
        if let Actor::User(viewer) = actor {
            self.hub.dress(viewer, &mut outcome.member.user);
        }
        Ok(outcome)
    }

    /// Takes a member out.
    pub async fn remove_member(
        &self,
        actor: Actor,
        conversation: ConversationId,
        username: &str,
    ) -> Result<(), AppError> {
        self.check_open()?;
        let change = RemoveMember { actor, conversation, username: known(username)?, now: self.now() };
        Ok(ask(|reply| self.store.remove_member(change, reply)).await?)
    }

    /// The direct with a user. True: it was made.
    pub async fn open_direct(
        &self,
        caller: &Caller,
        username: &str,
    ) -> Result<(Conversation, bool), AppError> {
        self.check_open()?;
        self.throttle.check(CREATE, caller.user.into(), Instant::now())?;
        let peer = known(username)?;
        let (conversation, made) =
            ask(|reply| self.store.open_direct(caller.user, peer, self.now(), reply)).await?;
        Ok((self.dressed_conversation(caller.user, conversation), made))
    }

    /// Changes the caller's own settings.
    pub async fn set_settings(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        request: &SettingsRequest,
    ) -> Result<Conversation, AppError> {
        self.check_open()?;
        let level = request.level.as_deref();
        let change = Settings {
            user: caller.user,
            conversation,
            level: level.map(|level| word("level", level, Level::from_word, LEVELS)).transpose()?,
            // A time that is past says the same as none.
            muted_until: request.muted_until.map(|until| until.filter(|until| *until > self.now())),
            marked_unread: request.marked_unread,
        };
        let conversation = ask(|reply| self.store.set_settings(change, reply)).await?;
        Ok(self.dressed_conversation(caller.user, conversation))
    }
}
