//! The story that every store must pass, told in the words of the trait.
//!
//! A backend's own tests open an empty store with [`Heard`] as its sink and call [`story`]. It knows no
//! SQL, so it can be told to any of them.

use super::*;
use crate::auth::keys::Keys;
use crate::auth::refresh::RefreshTokens;
use chat_shared::api::{NoticeKind, Role, Visibility};
use chat_shared::name::Emoji;
use chat_shared::text::MessageBody;
use chat_shared::{GroupName, Rev, SendId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// A sink that keeps what was committed.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Change>>>);

impl Sink for Heard {
    fn committed(&mut self, batch: Vec<Completion>) {
        for completion in batch {
            self.0.lock().unwrap().extend(completion.changes);
            (completion.finish)();
        }
    }
}

impl Heard {
    /// The messages of a conversation as they were told: their revs.
    pub(crate) fn revs(&self, conversation: ConversationId) -> Vec<i64> {
        let heard = self.0.lock().unwrap();
        let revs = heard.iter().filter_map(|change| match change {
            Change::Message { message, .. } if message.conversation_id == conversation => {
                Some(message.rev.get())
            }
            _ => None,
        });
        revs.collect()
    }

    /// Was it told as it is?
    fn has(&self, stored: &Message) -> bool {
        let heard = self.0.lock().unwrap();
        heard.iter().any(|change| matches!(change, Change::Message { message, .. } if **message == *stored))
    }

    /// They must come with every rev, in order.
    pub(crate) fn check_revs(&self, conversation: ConversationId, head: Rev) {
        assert_eq!(self.revs(conversation), (1..=head.get()).collect::<Vec<_>>());
    }
}

/// What the story is told with.
pub(crate) struct Teller<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) now: i64,
}

impl Teller<'_> {
    async fn user(&self, name: &str) -> UserId {
        let new = NewUser {
            username: name.parse().unwrap(),
            display_name: name.parse().unwrap(),
            password_hash: "hash".to_owned(),
            admission: Admission::Open,
            default_groups: vec!["general".parse().unwrap()],
            session: None,
            now: self.now,
        };
        ask(|reply| self.store.create_user(new, reply)).await.unwrap().id
    }

    /// A user, and a public group that they own.
    pub(crate) async fn user_with_a_room(&self, name: &str) -> (UserId, ConversationId) {
        let user = self.user(name).await;
        let new = NewGroup {
            actor: Actor::User(user),
            name: format!("room-of-{name}").parse().unwrap(),
            topic: String::new().parse().unwrap(),
            visibility: Visibility::Public,
            now: self.now,
        };
        let room = ask(|reply| self.store.create_group(new, reply)).await.unwrap().id;
        (user, room)
    }

    pub(crate) fn message(
        &self,
        id: u8,
        sender: UserId,
        conversation: ConversationId,
        body: &str,
    ) -> SendMessage {
        SendMessage {
            sender,
            id: SendId::from_bytes([id; 16]),
            conversation,
            body: MessageBody::new(body).unwrap(),
            reply_to: None,
            here: Vec::new(),
            refuse_new: None,
            now: self.now,
        }
    }

    pub(crate) async fn send(&self, message: SendMessage) -> Result<Sent, StoreError> {
        ask(|reply| self.store.send_message(message, reply)).await
    }

    async fn head(&self, viewer: UserId, id: ConversationId) -> Rev {
        self.store.conversation(viewer, id).await.unwrap().head_rev
    }
}

/// Tells the story to an empty store.
pub(crate) async fn story(store: &dyn Store, heard: &Heard) {
    let teller = &Teller { store, now: 1_000 };
    let (alice, bob) = accounts(teller).await;
    let group = groups(teller, alice, bob).await;
    messages(teller, alice, bob, group).await;
    heard.check_revs(group, teller.head(alice, group).await);
    history(teller, alice, group).await;
    mentions(teller, heard).await;
    directs(teller, alice, bob).await;
    sessions(teller, alice).await;
    deleted(teller, alice, bob, group).await;
    assert!(store.quick_check().await.unwrap().is_empty());
    store.close().await;
    let late = ask(|reply| store.touch_users(Vec::new(), reply)).await;
    assert_eq!(late, Err(StoreError::Unavailable));
}

async fn accounts(t: &Teller<'_>) -> (UserId, UserId) {
    let (alice, bob) = (t.user("alice").await, t.user("bob").await);
    let mut again = NewUser {
        username: "alice".parse().unwrap(),
        display_name: "A".parse().unwrap(),
        password_hash: String::new(),
        admission: Admission::First,
        default_groups: Vec::new(),
        session: None,
        now: t.now,
    };
    let first = ask(|reply| t.store.create_user(again.clone(), reply)).await;
    assert!(matches!(first, Err(StoreError::Forbidden(_))), "there is a first account already");
    again.admission = Admission::Open;
    assert_eq!(ask(|reply| t.store.create_user(again, reply)).await, Err(StoreError::UsernameTaken));
    let general = t.store.group_by_name("general".parse().unwrap()).await.unwrap();
    assert_eq!(t.store.conversation(alice, general).await.unwrap().role, Role::Owner);
    assert_eq!(t.store.conversation(bob, general).await.unwrap().role, Role::Member);
    (alice, bob)
}

async fn groups(t: &Teller<'_>, alice: UserId, bob: UserId) -> ConversationId {
    let name: GroupName = "lab".parse().unwrap();
    let new = NewGroup {
        actor: Actor::User(alice),
        name: name.clone(),
        topic: "".parse().unwrap(),
        visibility: Visibility::Private,
        now: t.now,
    };
    let group = ask(|reply| t.store.create_group(new.clone(), reply)).await.unwrap().id;
    assert_eq!(ask(|reply| t.store.create_group(new, reply)).await, Err(StoreError::GroupNameTaken));
    // To others it does not exist.
    assert_eq!(t.store.conversation(bob, group).await, Err(StoreError::NotFound));
    assert_eq!(ask(|reply| t.store.join_group(bob, group, t.now, reply)).await, Err(StoreError::NotFound));
    let put = |role| PutMember {
        actor: Actor::User(alice),
        conversation: group,
        username: "bob".parse().unwrap(),
        role,
        now: t.now,
    };
    assert!(ask(|reply| t.store.put_member(put(None), reply)).await.unwrap().added);
    let before = t.head(alice, group).await;
    assert!(!ask(|reply| t.store.put_member(put(Some(Role::Member)), reply)).await.unwrap().added);
    assert_eq!(t.head(alice, group).await, before, "what changes nothing takes no rev");
    let page = |cursor| ListQuery { q: None, cursor, limit: 1 };
    let first = t.store.members(alice, group, page(None)).await.unwrap();
    let second = t.store.members(alice, group, page(first.next_cursor)).await.unwrap();
    let names = [first.members, second.members].concat().into_iter().map(|member| member.user.username);
    assert_eq!(names.map(|name| name.to_string()).collect::<Vec<_>>(), ["alice", "bob"]);
    assert_eq!(second.next_cursor, None);
    let foreign = t.store.members(alice, group, page(Some("bob".to_owned()))).await;
    assert!(matches!(foreign, Err(StoreError::Field { field: "cursor", .. })));
    let last_owner = ask(|reply| t.store.leave_group(alice, group, t.now, reply)).await;
    assert!(matches!(last_owner, Err(StoreError::Conflict(_))));
    group
}

async fn messages(t: &Teller<'_>, alice: UserId, bob: UserId, group: ConversationId) {
    let first = t.send(t.message(1, alice, group, "hi @bob")).await.unwrap();
    assert!(!first.known && first.ack.rev == first.ack.seq.as_rev());
    // A known id is answered as the first time, even where a new one would be refused.
    let refused =
        SendMessage { refuse_new: Some(StoreError::Unavailable), ..t.message(1, alice, group, "other") };
    assert_eq!(t.send(refused).await.unwrap(), Sent { known: true, ..first });
    // The id is the sender's own.
    assert!(!t.send(t.message(1, bob, group, "mine")).await.unwrap().known);
    let unread = t.store.conversation(bob, group).await.unwrap();
    assert_eq!((unread.unread, unread.mentions), (1, 1));

    let edit = |id: u8, editor, body: &str| EditMessage {
        editor,
        id: SendId::from_bytes([id; 16]),
        conversation: group,
        seq: first.ack.seq,
        body: MessageBody::new(body).unwrap(),
        here: Vec::new(),
        refuse_new: None,
        now: t.now,
    };
    let by_other = ask(|reply| t.store.edit_message(edit(9, bob, "x"), reply)).await;
    assert!(matches!(by_other, Err(StoreError::Forbidden(_))));
    let one = ask(|reply| t.store.edit_message(edit(2, alice, "one"), reply)).await.unwrap();
    ask(|reply| t.store.edit_message(edit(3, alice, "two"), reply)).await.unwrap();
    // A late retry does not undo a newer edit.
    assert_eq!(ask(|reply| t.store.edit_message(edit(2, alice, "one"), reply)).await.unwrap(), one);
    let texts = t.store.edits(alice, group, first.ack.seq).await.unwrap().edits;
    assert_eq!(texts.iter().map(|edit| edit.body.as_str()).collect::<Vec<_>>(), ["hi @bob", "one", "two"]);

    let emoji: Emoji = "👍".parse().unwrap();
    let react = |on| React { user: bob, conversation: group, seq: first.ack.seq, emoji: emoji.clone(), on };
    let on = ask(|reply| t.store.react(react(true), reply)).await.unwrap();
    assert_eq!(ask(|reply| t.store.react(react(true), reply)).await.unwrap(), on);

    let reply_to = Some(first.ack.seq);
    let answer = t.send(SendMessage { reply_to, ..t.message(4, bob, group, "answer") }).await.unwrap();
    let parent = t.store.message(alice, group, first.ack.seq).await.unwrap();
    assert_eq!((parent.reply_count, parent.rev), (Some(1), answer.ack.rev.next()));

    let delete = DeleteMessage { actor: alice, conversation: group, seq: first.ack.seq, now: t.now };
    let gone = ask(|reply| t.store.delete_message(delete, reply)).await.unwrap();
    assert_eq!(ask(|reply| t.store.delete_message(delete, reply)).await.unwrap(), gone);
    let tombstone = t.store.message(bob, group, first.ack.seq).await.unwrap();
    assert!(tombstone.body.is_empty() && tombstone.reactions.is_empty() && tombstone.deleted_at.is_some());
    assert!(t.store.edits(alice, group, first.ack.seq).await.unwrap().edits.is_empty());
    assert!(matches!(ask(|reply| t.store.react(react(true), reply)).await, Err(StoreError::Conflict(_))));
    assert_eq!(
        ask(|reply| t.store.edit_message(edit(3, alice, "two"), reply)).await.map(|ack| ack.seq),
        Ok(first.ack.seq)
    );
}

/// Texts that are sent at once, and so may share a transaction, mention the members of their own conversations.
async fn mentions(t: &Teller<'_>, heard: &Heard) {
    let (carol, hers) = t.user_with_a_room("carol").await;
    let (dave, his) = t.user_with_a_room("dave").await;
    let texts = [
        (carol, hers, "none", &[][..]),
        (dave, his, "@dave @carol @dave", &["dave"]),
        (dave, his, "@here and @dave", &["erin", "dave"]),
        (carol, hers, "@carol, @dave and @nobody", &["carol"]),
        (carol, hers, "carol@carol.example", &[]),
    ];
    let sends = texts.iter().zip(1..).map(|((user, room, body, _), id)| {
        let here = vec!["erin".parse().unwrap()];
        t.send(SendMessage { here, ..t.message(id, *user, *room, body) })
    });
    let sent = futures_util::future::join_all(sends).await;
    for ((user, room, body, names), sent) in texts.into_iter().zip(sent) {
        let stored = t.store.message(user, room, sent.unwrap().ack.seq).await.unwrap();
        assert_eq!(stored.mentions.iter().map(AsRef::as_ref).collect::<Vec<&str>>(), names, "{body}");
        assert!(heard.has(&stored), "{body}");
    }
}

async fn history(t: &Teller<'_>, alice: UserId, group: ConversationId) {
    let head = t.head(alice, group).await;
    let query = HistoryQuery { conversation: group, anchor: Anchor::After(Seq::MIN), limit: 100 };
    let all = t.store.history(alice, query).await.unwrap().messages;
    assert!(all.iter().any(|m| m.event.as_ref().is_some_and(|event| event.kind == NoticeKind::Added)));
    // Whatever rev a replica begins at, and however small the pages: it ends with what is there.
    for since in 0..=head.get() {
        let mut replica: HashMap<Seq, Message> =
            all.iter().filter(|m| m.rev.get() <= since).map(|m| (m.seq, m.clone())).collect();
        let mut cursor = Rev::new(since).unwrap();
        loop {
            let query = ChangesQuery { conversation: group, since: cursor, upto: None, limit: 2 };
            let changes = t.store.changes(alice, query).await.unwrap();
            for message in changes.messages {
                assert!(message.rev > cursor);
                cursor = message.rev;
                replica.insert(message.seq, message);
            }
            if !changes.has_more {
                assert_eq!(changes.head_rev, head);
                break;
            }
        }
        assert!(all.iter().all(|m| replica.get(&m.seq) == Some(m)), "from {since}");
    }
    let upto = all[all.len() / 2].seq;
    let query = ChangesQuery { conversation: group, since: Rev::MIN, upto: Some(upto), limit: 100 };
    assert!(t.store.changes(alice, query).await.unwrap().messages.iter().all(|m| m.seq <= upto));
}

async fn directs(t: &Teller<'_>, alice: UserId, bob: UserId) {
    let open = |user, peer: &str| {
        let peer = peer.parse().unwrap();
        ask(move |reply| t.store.open_direct(user, peer, t.now, reply))
    };
    let (direct, made) = open(alice, "bob").await.unwrap();
    assert!(made && t.store.conversation(bob, direct.id).await == Err(StoreError::NotFound));
    t.send(t.message(20, alice, direct.id, "psst")).await.unwrap();
    assert_eq!(t.store.conversation(bob, direct.id).await.unwrap().unread, 1);
    let (same, made) = open(bob, "alice").await.unwrap();
    assert_eq!((same.id, made), (direct.id, false));
    let mark = |seq| MarkRead { user: bob, conversation: direct.id, seq, origin: None };
    let read = ask(|reply| t.store.mark_read(mark(Seq::new(99).unwrap()), reply)).await.unwrap();
    assert_eq!((read.read_seq, read.unread), (Seq::new(1).unwrap(), 0));
    assert_eq!(ask(|reply| t.store.mark_read(mark(Seq::MIN), reply)).await.unwrap(), read);
}

async fn sessions(t: &Teller<'_>, alice: UserId) {
    let tokens = RefreshTokens::new(&Keys::random().unwrap());
    let id: SessionId = "session".parse().unwrap();
    let first = tokens.first(&id).unwrap();
    let seed = SessionSeed {
        id: id.clone(),
        device_name: "".parse().unwrap(),
        token_hash: first.hash(),
        expires_at: t.now + 1_000,
    };
    ask(|reply| t.store.create_session(NewSession { user: alice, seed, now: t.now }, reply)).await.unwrap();
    let refresh_at = |token: &crate::auth::refresh::RefreshToken, now: i64| {
        let next_hash = tokens.next(token).hash();
        let refresh = RefreshSession { presented: token.clone(), next_hash, expires_at: now + 1_000, now };
        ask(move |reply| t.store.refresh_session(refresh, reply))
    };
    let refresh = |token| refresh_at(token, t.now);
    let second = tokens.next(&first);
    assert!(matches!(refresh(&first).await, Ok(Refreshed::Good(_))));
    assert!(matches!(refresh(&first).await, Ok(Refreshed::Good(_))), "the answer was lost");
    assert!(matches!(refresh(&second).await, Ok(Refreshed::Good(_))));
    let third = tokens.next(&second);
    assert!(matches!(refresh_at(&third, 0).await, Ok(Refreshed::Good(_))), "the clock was set back");
    assert!(t.store.session_user(&id, t.now).await.unwrap().is_some());
    assert!(t.store.session_user(&id, t.now + 1_000).await.unwrap().is_none(), "expired");
    assert_eq!(refresh(&first).await, Ok(Refreshed::Reused));
    assert!(t.store.session_user(&id, t.now).await.unwrap().is_none());
}

async fn deleted(t: &Teller<'_>, alice: UserId, bob: UserId, group: ConversationId) {
    let by_member = ask(|reply| t.store.delete_group(Actor::User(bob), group, t.now, reply)).await;
    assert!(matches!(by_member, Err(StoreError::Forbidden(_))));
    ask(|reply| t.store.delete_group(Actor::User(alice), group, t.now, reply)).await.unwrap();
    assert_eq!(t.store.conversation(alice, group).await, Err(StoreError::NotFound));
    while ask(|reply| t.store.purge(reply)).await.unwrap() {}
    let again = t.send(t.message(1, alice, group, "hi")).await.unwrap();
    assert!(again.known, "a send id is never forgotten");
    assert_eq!(t.send(t.message(99, alice, group, "hi")).await, Err(StoreError::NotFound));

    ask(|reply| t.store.delete_user(alice, t.now, reply)).await.unwrap();
    let general = t.store.group_by_name("general".parse().unwrap()).await.unwrap();
    assert_eq!(t.store.conversation(bob, general).await.unwrap().role, Role::Owner, "somebody must run it");
    assert_eq!(t.store.account(&"alice".parse().unwrap()).await, Ok(None));
    let new = NewUser {
        username: "alice".parse().unwrap(),
        display_name: "A".parse().unwrap(),
        password_hash: String::new(),
        admission: Admission::Open,
        default_groups: Vec::new(),
        session: None,
        now: t.now,
    };
    let taken = ask(|reply| t.store.create_user(new, reply)).await;
    assert_eq!(taken, Err(StoreError::UsernameTaken), "a name is never given out again");
}
