//! The whole interface on made-up data, with no server and no file: to look around in, and what the
//! pictures of the screens are made from.

mod made;

pub use made::{ME, MORNING, direct, group, message, pending, user};

use made::{MINUTE, conversation_id, notice, seq, text, username};

use crate::client::{Answer, Call, Connection, Draft, Request, Start, Update, Want};
use chat_shared::api::{
    Conversation, Group, Member, Message, MessageKind, Millis, NoticeKind, Reaction, Role, SessionEntry,
    Visibility,
};
use chat_shared::limits::Limits;
use chat_shared::{ConversationId, Seq, Username};
use std::collections::BTreeMap;
use std::time::Duration;

/// A client that answers from memory.
#[derive(Debug, Clone)]
pub struct Demo {
    conversations: BTreeMap<ConversationId, Conversation>,
    messages: BTreeMap<ConversationId, Vec<Message>>,
    settings: Vec<(String, String)>,
    now: Millis,
}

impl Default for Demo {
    fn default() -> Self {
        Self::new()
    }
}

impl Demo {
    /// The made-up team.
    pub fn new() -> Self {
        let mut demo = Self {
            conversations: BTreeMap::new(),
            messages: BTreeMap::new(),
            settings: vec![("open".into(), "#general".into())],
            now: MORNING + 6 * 60 * MINUTE,
        };
        let day = MORNING - 24 * 60 * MINUTE;
        let at = |minutes: Millis| MORNING + minutes * MINUTE;
        let mut general = vec![
            notice(1, 1, "alice", day, NoticeKind::Created, None),
            notice(1, 2, "bob", day + MINUTE, NoticeKind::Joined, None),
            text(1, 3, "bob", day + 2 * MINUTE, "Nice: our own chat, on our own machine."),
            text(
                1,
                4,
                "alice",
                day + 3 * MINUTE,
                "And the history stays. *Every* message is on disk before it is acknowledged.",
            ),
            text(1, 5, "bob", day + 3 * MINUTE, "good enough for me"),
            notice(1, 6, "yuki", at(0), NoticeKind::Joined, None),
            text(1, 7, "yuki", at(1), "おはようございます ☀️ 全角文字も大丈夫？"),
            text(
                1,
                8,
                "bob",
                at(2),
                "Works here: 日本語, e\u{301}, 👩‍👩‍👧‍👦 and العربية all stay in their column.",
            ),
            text(
                1,
                9,
                "carol",
                at(12),
                "The deploy script from yesterday:\n```sh\nset -euo pipefail\nchat-server backup /var/backups/chat.db\nsystemctl restart chat-server\n```\nDocs: https://chat.example.org/docs/backup",
            ),
            text(1, 10, "alice", at(14), "Looks right to me."),
            notice(1, 11, "alice", at(15), NoticeKind::Topic, Some("What we are up to · be kind")),
            text(
                1,
                12,
                "bob",
                at(21),
                "> be kind\nAlways. @alice can you look at #ops when you have a minute?",
            ),
            text(
                1,
                13,
                "carol",
                at(22),
                "- backups run at **03:00**\n- they are checked by `doctor`\n- nobody has to get up for it",
            ),
        ];
        let reaction = |emoji: &str, names: &[&str]| {
            let users: Vec<Username> = names.iter().map(|name| username(name)).collect();
            Some(Reaction { emoji: emoji.parse().ok()?, count: u32::try_from(users.len()).ok()?, users })
        };
        general[8].reactions =
            [reaction("👍", &["alice", "bob"]), reaction("🎉", &["yuki"])].into_iter().flatten().collect();
        general[8].reply_count = Some(1);
        general[9].reply_to = Some(seq(9));
        general[9].edited_at = Some(at(15));
        demo.add(
            Conversation {
                topic: Some("What we are up to · be kind".into()),
                member_count: 5,
                role: Role::Owner,
                ..group(1, "general")
            },
            general,
            11,
        );
        demo.add(
            Conversation {
                topic: Some("Machines and their moods".into()),
                member_count: 3,
                ..group(2, "ops")
            },
            vec![
                notice(2, 1, "bob", day, NoticeKind::Created, None),
                text(2, 2, "bob", at(3), "disk at 81 % on the small host"),
                text(2, 3, "bob", at(20), "@alice shall I grow the volume?"),
            ],
            1,
        );
        demo.add(
            Conversation {
                topic: Some("Anything but work".into()),
                member_count: 12,
                muted_until: Some(MORNING * 2),
                ..group(3, "random")
            },
            vec![
                notice(3, 1, "carol", day, NoticeKind::Created, None),
                text(3, 2, "carol", at(5), "cake in the kitchen 🍰"),
            ],
            1,
        );
        demo.add(
            direct(4, "bob"),
            vec![text(4, 1, "bob", at(30), "psst, lunch?"), text(4, 2, "alice", at(31), "at twelve")],
            2,
        );
        demo.add(direct(5, "yuki"), vec![text(5, 1, "yuki", at(40), "thank you for the help!")], 0);
        demo.add(
            direct(6, "noor"),
            vec![text(6, 1, "alice", at(41), "welcome aboard"), text(6, 2, "noor", at(42), "شكرا جزيلا")],
            2,
        );
        demo
    }

    fn add(&mut self, mut conversation: Conversation, messages: Vec<Message>, read: i64) {
        let last = messages.last().map_or(Seq::MIN, |message| message.seq);
        let unread = |m: &&Message| {
            m.kind == MessageKind::Text && m.seq > seq(read) && m.sender.username.as_str() != ME
        };
        conversation.head_rev = last.as_rev();
        conversation.last_seq = last;
        conversation.read_seq = seq(read);
        conversation.unread = u32::try_from(messages.iter().filter(unread).count()).unwrap_or(0);
        conversation.mentions =
            u32::try_from(messages.iter().filter(unread).filter(|m| !m.mentions.is_empty()).count())
                .unwrap_or(0);
        self.messages.insert(conversation.id, messages);
        self.conversations.insert(conversation.id, conversation);
    }

    /// What a client tells at its start and when it is connected.
    pub fn start(&self) -> Vec<Update> {
        vec![
            Update::Start(Box::new(Start {
                server: "https://chat.example.org".into(),
                me: ME.into(),
                kept: true,
                conversations: self.conversations.values().cloned().collect(),
                drafts: vec![(
                    conversation_id(2),
                    Draft { text: "I would rather clean up first".into(), ..Draft::default() },
                )],
                entered: vec![(
                    conversation_id(1),
                    vec!["/topic What we are up to · be kind".into(), "Looks right to me.".into()],
                )],
                settings: self.settings.clone(),
                ..Start::default()
            })),
            Update::Connection(Connection::Online { name: "demo".into(), limits: Limits::default() }),
            Update::Online(["alice", "bob", "yuki"].map(username).to_vec()),
        ]
    }

    /// What becomes of a request.
    pub fn answer(&mut self, request: Request) -> Vec<Update> {
        match request {
            Request::Open(id) => self.page(id).into_iter().collect(),
            Request::Load(id, Want::Before(_) | Want::After(_) | Want::Around(_)) => {
                self.page(id).into_iter().collect()
            }
            Request::Send { id: send_id, conversation, body, reply_to } => {
                let mut message = text(0, 0, ME, self.now, body.as_str());
                message.id = Some(send_id);
                message.reply_to = reply_to;
                self.append(conversation, message)
            }
            Request::Edit { conversation, seq, body, .. } => {
                self.change(conversation, seq, |message, now| {
                    message.body = body.into_string();
                    message.edited_at = Some(now);
                })
            }
            Request::Delete(conversation, seq) => self.change(conversation, seq, |message, now| {
                message.body.clear();
                message.reactions.clear();
                message.deleted_at = Some(now);
            }),
            Request::React(conversation, seq, emoji, on) => self.change(conversation, seq, |message, _| {
                let me = username(ME);
                for reaction in &mut message.reactions {
                    if reaction.emoji == emoji {
                        reaction.users.retain(|name| *name != me);
                    }
                }
                if on {
                    match message.reactions.iter_mut().find(|reaction| reaction.emoji == emoji) {
                        Some(reaction) => reaction.users.push(me),
                        None => message.reactions.push(Reaction { emoji, count: 0, users: vec![me] }),
                    }
                }
                message
                    .reactions
                    .iter_mut()
                    .for_each(|r| r.count = u32::try_from(r.users.len()).unwrap_or(0));
                message.reactions.retain(|reaction| reaction.count > 0);
            }),
            Request::Read(id, read) => self.update(id, |conversation| {
                conversation.read_seq = conversation.read_seq.max(read);
                conversation.unread = 0;
                conversation.mentions = 0;
                conversation.marked_unread = false;
            }),
            Request::MarkUnread(id, on) => self.update(id, |conversation| conversation.marked_unread = on),
            Request::Call(ticket, call) => {
                let mut updates = Vec::new();
                let answer = self.call(call, &mut updates);
                updates.push(Update::Answer(ticket, Ok(answer)));
                updates
            }
            Request::Quit => vec![Update::Ended(None)],
            _ => Vec::new(),
        }
    }

    fn page(&self, id: ConversationId) -> Option<Update> {
        let to = self.conversations.get(&id)?.head_rev.as_seq();
        Some(Update::Page { conversation: id, from: Seq::MIN, to, messages: self.messages.get(&id)?.clone() })
    }

    fn append(&mut self, id: ConversationId, mut message: Message) -> Vec<Update> {
        let Some(conversation) = self.conversations.get_mut(&id) else { return Vec::new() };
        let from = conversation.head_rev;
        let to = from.next();
        message.conversation_id = id;
        message.seq = to.as_seq();
        message.rev = to;
        conversation.head_rev = to;
        conversation.last_seq = to.as_seq();
        self.messages.entry(id).or_default().push(message.clone());
        vec![
            Update::Applied { conversation: id, messages: vec![message], from, to },
            Update::Conversation(Box::new(conversation.clone())),
        ]
    }

    fn change(
        &mut self,
        id: ConversationId,
        at: Seq,
        change: impl FnOnce(&mut Message, Millis),
    ) -> Vec<Update> {
        let Some(conversation) = self.conversations.get_mut(&id) else { return Vec::new() };
        let messages = self.messages.entry(id).or_default();
        let Some(message) = messages.iter_mut().find(|message| message.seq == at) else { return Vec::new() };
        let from = conversation.head_rev;
        let to = from.next();
        change(message, self.now);
        message.rev = to;
        conversation.head_rev = to;
        vec![
            Update::Applied { conversation: id, messages: vec![message.clone()], from, to },
            Update::Conversation(Box::new(conversation.clone())),
        ]
    }

    fn update(&mut self, id: ConversationId, change: impl FnOnce(&mut Conversation)) -> Vec<Update> {
        let Some(conversation) = self.conversations.get_mut(&id) else { return Vec::new() };
        change(conversation);
        vec![Update::Conversation(Box::new(conversation.clone()))]
    }

    fn call(&mut self, call: Call, updates: &mut Vec<Update>) -> Answer {
        match call {
            Call::Members(id) => {
                let names: &[&str] = if id == conversation_id(1) {
                    &["alice", "bob", "carol", "noor", "yuki"]
                } else {
                    &["alice", "bob", "carol"]
                };
                let role = |name: &str| if name == ME { Role::Owner } else { Role::Member };
                let member = |name: &&str| Member { user: user(name), role: role(name), joined_at: MORNING };
                Answer::Members(id, names.iter().map(member).collect())
            }
            Call::Users(_) => Answer::Users(["alice", "bob", "carol", "noor", "yuki"].map(user).to_vec()),
            Call::Groups(_) => Answer::Groups(
                [("general", 5, true), ("ops", 3, true), ("random", 12, true), ("garden", 4, false)]
                    .into_iter()
                    .enumerate()
                    .filter_map(|(index, (name, member_count, joined))| {
                        Some(Group {
                            id: conversation_id(i64::try_from(index).ok()? + 1),
                            name: name.parse().ok()?,
                            topic: String::new(),
                            visibility: Visibility::Public,
                            member_count,
                            joined,
                        })
                    })
                    .collect(),
            ),
            Call::User(name) => Answer::User(Box::new(user(&name))),
            Call::Sessions => Answer::Sessions(
                [("chat-tui on a laptop", true), ("the page", false)]
                    .into_iter()
                    .filter_map(|(name, current)| {
                        Some(SessionEntry {
                            id: name.replace(' ', "-").parse().ok()?,
                            device_name: name.into(),
                            created_at: MORNING,
                            last_seen_at: MORNING,
                            current,
                        })
                    })
                    .collect(),
            ),
            Call::Join(name) | Call::CreateGroup { name, .. } => {
                let number = i64::try_from(self.conversations.len()).unwrap_or(0) + 1;
                let made = Conversation { member_count: 1, ..group(number, &name) };
                let id = made.id;
                self.add(made.clone(), vec![notice(number, 1, ME, self.now, NoticeKind::Joined, None)], 1);
                updates.extend(
                    self.conversations.get(&id).map(|made| Update::Conversation(Box::new(made.clone()))),
                );
                Answer::Conversation(id)
            }
            Call::Direct(name) => {
                let number = i64::try_from(self.conversations.len()).unwrap_or(0) + 1;
                let made = direct(number, &name);
                let id = made.id;
                self.add(made, Vec::new(), 0);
                updates.extend(
                    self.conversations.get(&id).map(|made| Update::Conversation(Box::new(made.clone()))),
                );
                Answer::Conversation(id)
            }
            Call::Leave(id) | Call::DeleteGroup(id) => {
                self.conversations.remove(&id);
                updates.push(Update::Removed(id));
                Answer::Done
            }
            Call::Edits(id, seq) => Answer::Edits(id, seq, Vec::new()),
            Call::Thread(id, at) => Answer::Messages(
                self.messages
                    .get(&id)
                    .into_iter()
                    .flatten()
                    .filter(|m| m.reply_to == Some(at))
                    .cloned()
                    .collect(),
            ),
            Call::Message(id, at) => Answer::Messages(
                self.messages.get(&id).into_iter().flatten().filter(|m| m.seq == at).cloned().collect(),
            ),
            _ => Answer::Done,
        }
    }

    /// Somebody is writing: a sign of life for whoever looks around.
    pub fn typing(&self) -> Update {
        Update::Typing(conversation_id(1), username("bob"), Duration::from_secs(6))
    }
}
