//! The parts of a message's way, each alone and on one thread, so that they do the same however often they are run.

use bytes::Bytes;
use chat_server::hub::{Connection, Frame, Hub, Publisher};
use chat_server::store::sqlite::{Opening, SqliteStore};
use chat_server::store::{
    Actor, Admission, Change, Completion, NewGroup, NewUser, SendMessage, Sink, Store as _, ask,
};
use chat_server::ws::decoder::{Decoder, Incoming};
use chat_server::ws::encode;
use chat_shared::api::{Message, MessageKind, Sender, Visibility};
use chat_shared::close::CloseCode;
use chat_shared::frame::{ClientFrame, ServerFrame};
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, SendId, Seq, SessionId, UserId, Username};
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, Sender as Teller, channel};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

const BODY: usize = 196;
/// Batches that the publisher lets wait.
const BATCHES: u32 = 4;
/// Messages of one conversation in a row.
const PIECE: u32 = 20;

/// A part of the way, and how many messages go it: few, and many. What is the same for both drops out.
pub(crate) struct Work {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) few: u32,
    pub(crate) many: u32,
    pub(crate) run: fn(u32),
}

pub(crate) const WORKS: &[Work] = &[
    Work {
        name: "decode",
        title: "a frame is read: unmasked, parsed, checked",
        few: 1_000,
        many: 11_000,
        run: decode,
    },
    Work { name: "encode", title: "a frame is written", few: 1_000, many: 11_000, run: encode_all },
    Work {
        name: "publish-1",
        title: "a message is published to one connection",
        few: 400,
        many: 4_400,
        run: |messages| publish(1, 1, messages),
    },
    Work {
        name: "publish-101",
        title: "a message is published to 101 connections",
        few: 400,
        many: 4_400,
        run: |messages| publish(101, 1, messages),
    },
    Work {
        name: "piece-1",
        title: "a message is published to one connection, 20 in a piece",
        few: 400,
        many: 4_400,
        run: |messages| publish(1, PIECE, messages),
    },
    Work {
        name: "piece-101",
        title: "a message is published to 101 connections, 20 in a piece",
        few: 400,
        many: 4_400,
        run: |messages| publish(101, PIECE, messages),
    },
    Work {
        name: "send-1",
        title: "a message is stored, alone in its transaction",
        few: 200,
        many: 1_200,
        run: |messages| send(1, messages),
    },
    Work {
        name: "send-100",
        title: "a message is stored, 100 in a transaction",
        few: 2_000,
        many: 12_000,
        run: |messages| send(100, messages),
    },
];

fn id(number: u32) -> SendId {
    SendId::from_bytes(u128::from(number).to_be_bytes())
}

/// A `send` frame, masked as a client does it.
fn sent_frame() -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let body = "x".repeat(BODY);
    let id = "01a2b3c4-0000-7000-8000-000000000001";
    let text = format!(r#"{{"type":"send","id":"{id}","conversation_id":7,"body":"{body}"}}"#);
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend_from_slice(&(text.len() as u16).to_be_bytes());
    frame.extend_from_slice(&MASK);
    frame.extend(text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn decode(frames: u32) {
    let (frame, now) = (sent_frame(), Instant::now());
    let (mut decoder, mut read) = (Decoder::default(), frame.clone());
    for _ in 0..frames {
        // It unmasks in place.
        read.copy_from_slice(&frame);
        let fed = decoder.feed(&mut read, now, |incoming| {
            if let Incoming::Text(text) = incoming {
                black_box(ClientFrame::parse(text).unwrap());
            }
            ControlFlow::Continue(())
        });
        assert!(fed.unwrap().is_continue());
    }
}

fn message(conversation: ConversationId, seq: Seq, sender: UserId) -> Message {
    Message {
        conversation_id: conversation,
        seq,
        rev: seq.as_rev(),
        kind: MessageKind::Text,
        sender: Sender { id: sender, username: user_name(0), display_name: "user0".to_owned() },
        id: Some(id(1)),
        body: "x".repeat(BODY),
        sent_at: 1_700_000_000_000,
        edited_at: None,
        deleted_at: None,
        reply_to: None,
        reply_count: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        event: None,
    }
}

fn encode_all(frames: u32) {
    let of = |value| ConversationId::new(value).unwrap();
    let message = message(of(7), Seq::new(1_000).unwrap(), UserId::new(1).unwrap());
    let frame = ServerFrame::Message {
        conversation_id: message.conversation_id,
        rev: message.rev,
        message: Box::new(message),
    };
    for _ in 0..frames {
        black_box(encode(black_box(&frame)));
    }
}

/// A connection that takes what it is given, and forgets it when it is told to write.
struct Ear {
    id: u64,
    session: SessionId,
    is_promised: AtomicBool,
}

impl Connection for Ear {
    fn id(&self) -> u64 {
        self.id
    }

    fn session(&self) -> &SessionId {
        &self.session
    }

    fn push(&self, frame: &Frame) -> bool {
        black_box::<Bytes>(frame.bytes.clone());
        !self.is_promised.swap(true, Ordering::Relaxed)
    }

    fn flush(&self) {
        self.is_promised.store(false, Ordering::Relaxed);
    }

    fn close(&self, _code: CloseCode, _reason: String) {}
}

fn user_name(number: usize) -> Username {
    format!("user{number}").parse().unwrap()
}

/// One on this thread alone.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

/// Publishes so many messages of two groups of so many, who are all connected: as many `together` to the one, then to the
/// other.
fn publish(members: usize, together: u32, messages: u32) {
    let runtime = runtime();
    let world = runtime.block_on(World::new(members));
    let hub = Arc::new(Hub::new(encode, 1));
    runtime.block_on(hub.load(&*world.store)).unwrap();
    for (number, user) in world.users.iter().enumerate() {
        let session = number.to_string().parse().unwrap();
        let ear = Arc::new(Ear { id: number as u64, session, is_promised: AtomicBool::new(false) });
        hub.register(*user, &user_name(number), ear).unwrap();
    }
    let (mut queue, publisher) = Publisher::channel();
    let mut heads = runtime.block_on(world.heads());
    for _ in 0..BATCHES {
        let batch = (0..messages / BATCHES).map(|number| {
            let (group, head) = &mut heads[(number / together % 2) as usize];
            *head = head.as_rev().next().as_seq();
            let message = Box::new(message(*group, *head, world.users[0]));
            let change = Change::Message { message, joined: Vec::new(), left: Vec::new() };
            Completion { changes: vec![change], finish: Box::new(|| ()) }
        });
        queue.committed(batch.collect());
    }
    drop(queue);
    runtime.block_on(publisher.run(hub, world.store));
}

/// A database with two groups of so many.
struct World {
    store: Arc<SqliteStore>,
    users: Vec<UserId>,
    groups: [ConversationId; 2],
    feed: Arc<Feed>,
    done: Receiver<()>,
    _dir: tempfile::TempDir,
}

impl World {
    async fn new(members: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let opening = Opening { path: dir.path().join("chat.db"), reserve: 0 };
        let (teller, done) = channel();
        let feed = Arc::new(Feed { left: AtomicI64::new(0), size: OnceLock::new(), from: OnceLock::new() });
        let store = Arc::new(SqliteStore::open(&opening, Feeder { feed: feed.clone(), teller }).unwrap());
        let mut users = Vec::new();
        for number in 0..members {
            let new = NewUser {
                username: user_name(number),
                display_name: format!("user{number}").parse().unwrap(),
                password_hash: "none".to_owned(),
                admission: Admission::Operator,
                default_groups: Vec::new(),
                session: None,
                now: 1,
            };
            users.push(ask(|reply| store.create_user(new, reply)).await.unwrap().id);
        }
        let to = &*store;
        let founded = |name: &str| {
            let new = NewGroup {
                actor: Actor::User(users[0]),
                name: name.parse().unwrap(),
                topic: "".parse().unwrap(),
                visibility: Visibility::Public,
                now: 1,
            };
            ask(move |reply| to.create_group(new, reply))
        };
        let groups = [founded("one").await.unwrap().id, founded("other").await.unwrap().id];
        for group in groups {
            for user in &users[1..] {
                ask(|reply| store.join_group(*user, group, 1, reply)).await.unwrap();
            }
        }
        Self { store, users, groups, feed, done, _dir: dir }
    }

    async fn heads(&self) -> Vec<(ConversationId, Seq)> {
        let rooms = self.store.rooms().await.unwrap();
        rooms.into_iter().map(|room| (room.conversation, room.head_rev.as_seq())).collect()
    }
}

/// What the writer's thread gives itself to do.
struct Feed {
    /// Messages that are still to be sent.
    left: AtomicI64,
    /// Messages of one batch.
    size: OnceLock<u32>,
    from: OnceLock<(Arc<SqliteStore>, UserId, ConversationId)>,
}

impl Feed {
    /// Queues the next batch. False: there is none.
    fn next(&self) -> bool {
        let (Some((store, user, group)), Some(size)) = (self.from.get(), self.size.get()) else {
            return true;
        };
        let left = self.left.fetch_sub(i64::from(*size), Ordering::Relaxed);
        if left <= 0 {
            return false;
        }
        for number in 0..*size {
            let send = SendMessage {
                sender: *user,
                id: id(left as u32 - number),
                conversation: *group,
                body: MessageBody::new("x".repeat(BODY)).unwrap(),
                reply_to: None,
                here: Vec::new(),
                refuse_new: None,
                now: 1,
            };
            store.send_message(send, Box::new(|sent| assert!(!sent.unwrap().known)));
        }
        true
    }
}

/// Behind each commit it queues the next batch on the writer's own thread, so that each has its size.
struct Feeder {
    feed: Arc<Feed>,
    teller: Teller<()>,
}

impl Sink for Feeder {
    fn committed(&mut self, batch: Vec<Completion>) {
        for completion in batch {
            (completion.finish)();
        }
        if !self.feed.next() {
            let _ = self.teller.send(());
        }
    }
}

/// Stores so many messages, so many in a transaction.
fn send(size: u32, messages: u32) {
    let runtime = runtime();
    let world = runtime.block_on(World::new(1));
    world.feed.left.store(messages.into(), Ordering::Relaxed);
    world.feed.size.get_or_init(|| size);
    world.feed.from.get_or_init(|| (world.store.clone(), world.users[0], world.groups[1]));
    // Any commit sets it going.
    runtime.block_on(ask(|reply| world.store.touch_users(Vec::new(), reply))).unwrap();
    world.done.recv().unwrap();
}
