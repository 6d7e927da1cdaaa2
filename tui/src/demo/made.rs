//! The words that made-up data is put together from, here and in tests.

use crate::client::Pending;
use chat_shared::api::{
    Conversation, ConversationKind, Level, Message, MessageKind, Millis, Notice, NoticeKind, Role, Sender,
    User, Visibility,
};
use chat_shared::{ConversationId, Rev, SendId, Seq, UserId, Username};

/// Tuesday, 24 November 2026, 09:00 UTC: the demo's day.
pub const MORNING: Millis = 1_795_510_800_000;
/// Who looks at it.
pub const ME: &str = "alice";

pub(super) const MINUTE: Millis = 60_000;

/// What is made up here is valid; a mistake would show as something missing, and in the tests.
pub(super) fn id<T: TryFrom<i64>>(value: i64) -> Option<T> {
    T::try_from(value).ok()
}

pub(super) fn seq(value: i64) -> Seq {
    Seq::new(value).unwrap_or(Seq::MIN)
}

pub(super) fn rev(value: i64) -> Rev {
    Rev::new(value).unwrap_or(Rev::MIN)
}

pub(super) fn conversation_id(value: i64) -> ConversationId {
    id(value).unwrap_or(ConversationId::MIN)
}

pub(super) fn username(name: &str) -> Username {
    // Every name here is one; the other ends the recursion of a mistake.
    name.parse().unwrap_or_else(|_| username("nobody"))
}

pub(super) fn user_id(name: &str) -> UserId {
    id(i64::from(name.bytes().map(u32::from).sum::<u32>()) + 1).unwrap_or(UserId::MIN)
}

pub(super) fn display(name: &str) -> String {
    match name {
        "alice" => "Alice Liddell",
        "bob" => "Bob",
        "carol" => "Carol 🌻",
        "yuki" => "雪",
        "noor" => "نور",
        other => other,
    }
    .to_owned()
}

/// A user.
pub fn user(name: &str) -> User {
    User {
        id: user_id(name),
        username: username(name),
        display_name: display(name),
        status_text: String::new(),
        created_at: MORNING,
        online: Some(matches!(name, "alice" | "bob" | "yuki")),
        last_seen_at: None,
    }
}

/// A message of Bob's at this place.
pub fn message(at: i64) -> Message {
    text(1, at, "bob", MORNING + at * MINUTE, &format!("message {at}"))
}

pub(super) fn text(conversation: i64, at: i64, sender: &str, sent_at: Millis, body: &str) -> Message {
    Message {
        conversation_id: conversation_id(conversation),
        seq: seq(at),
        rev: rev(at),
        kind: MessageKind::Text,
        sender: Sender { id: user_id(sender), username: username(sender), display_name: display(sender) },
        id: None,
        body: body.to_owned(),
        sent_at,
        edited_at: None,
        deleted_at: None,
        reply_to: None,
        reply_count: None,
        mentions: if body.contains("@alice") { vec![username("alice")] } else { Vec::new() },
        reactions: Vec::new(),
        event: None,
    }
}

pub(super) fn notice(
    conversation: i64,
    at: i64,
    sender: &str,
    sent_at: Millis,
    kind: NoticeKind,
    value: Option<&str>,
) -> Message {
    let about = matches!(kind, NoticeKind::Joined | NoticeKind::Left).then(|| username(sender));
    Message {
        kind: MessageKind::Notice,
        event: Some(Notice {
            kind,
            user: about,
            by: Some(username(sender)),
            value: value.map(str::to_owned),
        }),
        ..text(conversation, at, sender, sent_at, "")
    }
}

/// An entry of the outbox.
pub fn pending(body: &str) -> Pending {
    let bytes: Vec<u8> = body.bytes().chain(std::iter::repeat(0)).take(16).collect();
    Pending {
        id: SendId::from_bytes(bytes.try_into().unwrap_or_default()),
        conversation: conversation_id(1),
        body: body.to_owned(),
        reply_to: None,
        edits: None,
        entered_at: MORNING,
        failed: None,
    }
}

pub(super) fn conversation(number: i64, kind: ConversationKind) -> Conversation {
    Conversation {
        id: conversation_id(number),
        kind,
        name: None,
        topic: None,
        visibility: None,
        peer: None,
        role: Role::Member,
        member_count: 2,
        head_rev: Rev::MIN,
        last_seq: Seq::MIN,
        read_seq: Seq::MIN,
        unread: 0,
        mentions: 0,
        level: Level::All,
        muted_until: None,
        marked_unread: false,
        last_message: None,
    }
}

/// A group.
pub fn group(number: i64, name: &str) -> Conversation {
    Conversation {
        name: name.parse().ok(),
        topic: Some(String::new()),
        visibility: Some(Visibility::Public),
        ..conversation(number, ConversationKind::Group)
    }
}

/// A direct.
pub fn direct(number: i64, name: &str) -> Conversation {
    Conversation { peer: Some(user(name)), ..conversation(number, ConversationKind::Direct) }
}
