//! Random histories against a model of the server: whatever is cut, repeated, dropped or late, the
//! replica ends as the server's state, and the counts are exact.

use super::follow::tests::message;
use super::follow::{Event, Step};
use super::room::Room;
use chat_shared::api::{
    Conversation, ConversationKind, Level, Message, MessageKind, Notice, NoticeKind, Role,
};
use chat_shared::{ConversationId, Rev, Seq, Username};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

const LIMIT: u32 = 5;

/// What happens, in random order.
#[derive(Debug, Clone)]
enum Op {
    /// Somebody else (or I) writes, naming me or not.
    Post { mine: bool, names_me: bool },
    /// The n-th message is edited, and names me or not.
    Edit(usize, bool),
    /// The n-th message is deleted.
    Delete(usize),
    /// The n-th message takes a reaction.
    React(usize),
    /// The group is renamed.
    Rename(u8),
    /// I read up to the n-th message here.
    Read(usize),
    /// I read up to the n-th message on another device.
    ReadElsewhere(usize),
    /// The server takes what this client has said.
    Hear,
    /// So many frames arrive.
    Deliver(usize),
    /// The server answers what was asked.
    Answer,
    /// The answer arrives.
    Arrive,
    /// The connection is cut, and everything on the way with it.
    Cut,
    /// It is there again.
    Connect,
    /// What is on the way is dropped, and the client told so.
    Resync,
    /// What is on the way is dropped, and nobody tells.
    Drop,
    /// The newest messages are read as a page, and each is known.
    Learn,
}

fn op() -> impl Strategy<Value = Op> {
    let n = 0..40_usize;
    prop_oneof![
        6 => (any::<bool>(), any::<bool>()).prop_map(|(mine, names_me)| Op::Post { mine, names_me }),
        2 => (n.clone(), any::<bool>()).prop_map(|(n, names_me)| Op::Edit(n, names_me)),
        2 => n.clone().prop_map(Op::Delete),
        1 => n.clone().prop_map(Op::React),
        1 => any::<u8>().prop_map(Op::Rename),
        2 => n.clone().prop_map(Op::Read),
        2 => n.prop_map(Op::ReadElsewhere),
        2 => Just(Op::Hear),
        6 => (1..5_usize).prop_map(Op::Deliver),
        3 => Just(Op::Answer),
        3 => Just(Op::Arrive),
        1 => Just(Op::Cut),
        2 => Just(Op::Connect),
        1 => Just(Op::Resync),
        1 => Just(Op::Drop),
        1 => Just(Op::Learn),
    ]
}

enum Frame {
    Event(Event),
    Resync,
}

enum Answered {
    Changes { since: Rev, messages: Vec<Message>, head: Rev, unread: u32, mentions: u32 },
    Told(Box<Conversation>),
}

/// One conversation at the server.
struct Server {
    head: Rev,
    name: u8,
    messages: BTreeMap<Seq, Message>,
    read: Seq,
    stream: Option<VecDeque<Frame>>,
    said: VecDeque<Seq>,
}

fn me() -> Username {
    "me".parse().unwrap()
}

impl Server {
    fn conversation(&self) -> Conversation {
        let (unread, mentions) = self.counts();
        Conversation {
            id: ConversationId::MIN,
            kind: ConversationKind::Group,
            name: Some(format!("name-{}", self.name).parse().unwrap()),
            topic: None,
            visibility: None,
            peer: None,
            role: Role::Member,
            member_count: 2,
            head_rev: self.head,
            last_seq: self.messages.keys().last().copied().unwrap_or(Seq::MIN),
            read_seq: self.read,
            unread,
            mentions,
            level: Level::All,
            muted_until: None,
            marked_unread: false,
            last_message: None,
        }
    }

    fn counts(&self) -> (u32, u32) {
        let unread = self.messages.values().filter(|m| {
            m.seq > self.read
                && m.kind == MessageKind::Text
                && m.deleted_at.is_none()
                && m.sender.username != me()
        });
        let unread: Vec<bool> = unread.map(|m| m.mentions.contains(&me())).take(LIMIT as usize + 1).collect();
        (unread.len() as u32, unread.iter().filter(|mine| **mine).count() as u32)
    }

    fn change(&mut self, mut changed: Message) {
        self.head = self.head.next();
        changed.rev = self.head;
        if let Some(stream) = &mut self.stream {
            stream.push_back(Frame::Event(Event::Message(Box::new(changed.clone()))));
        }
        self.messages.insert(changed.seq, changed);
    }

    fn post(&mut self, mine: bool, names_me: bool) -> Message {
        let next = self.head.get() + 1;
        let mut new = message(next, next);
        if mine {
            new.sender.username = me();
        }
        if names_me {
            new.mentions = vec![me()];
        }
        new
    }

    /// The n-th message that can still be changed.
    fn nth(&self, n: usize) -> Option<Message> {
        let found = self.messages.values().nth(n).cloned();
        found.filter(|m| m.deleted_at.is_none() && m.kind == MessageKind::Text)
    }

    fn read(&mut self, seq: Seq, elsewhere: bool) {
        if seq <= self.read {
            return;
        }
        self.read = seq;
        let (unread, mentions) = self.counts();
        if elsewhere && let Some(stream) = &mut self.stream {
            stream.push_back(Frame::Event(Event::Read { seq, unread, mentions, after: Rev::MIN }));
        }
    }
}

/// The client, driven as the engine drives it.
struct Replica {
    room: Room,
    messages: BTreeMap<Seq, Message>,
    /// `changes` since the cursor is to be asked for.
    wants: bool,
    answer: Option<Answered>,
    up: bool,
}

impl Replica {
    fn put(&mut self, changed: Message) {
        if self.messages.get(&changed.seq).is_none_or(|old| old.rev < changed.rev) {
            self.messages.insert(changed.seq, changed);
        }
    }

    fn connect(&mut self, server: &mut Server) {
        self.up = true;
        server.stream = Some(VecDeque::new());
        let told = server.conversation();
        let head = told.head_rev;
        self.room.told(told, LIMIT);
        if self.room.counts.is_untold() {
            server.said.push_back(self.room.counts.read());
        }
        if self.room.follow.cursor() < head {
            self.room.follow.fall_behind();
            self.wants = true;
        }
    }

    fn cut(&mut self, server: &mut Server) {
        self.up = false;
        server.stream = None;
        server.said.clear();
        self.room.follow.lost();
        self.wants = false;
        self.answer = None;
    }

    fn deliver(&mut self, server: &mut Server) {
        let Some(frame) = server.stream.as_mut().and_then(VecDeque::pop_front) else { return };
        match frame {
            Frame::Resync => {
                let reading = matches!(self.answer, Some(Answered::Changes { .. }));
                self.room.follow.fall_behind();
                self.wants |= !reading;
                // The engine asks for the conversation as well, once more if it was asked before.
                if !reading {
                    self.answer = None;
                }
                self.room.counts.question();
            }
            Frame::Event(event) => match self.room.follow.event(event) {
                Step::Apply(event) => {
                    if let Some(changed) = self.room.event(event, &me()) {
                        self.put(changed);
                    }
                }
                Step::Read => self.wants = true,
                Step::Skip | Step::Held => {}
            },
        }
    }

    /// What is asked is answered as of now.
    fn ask(&mut self, server: &Server) {
        if self.answer.is_some() || !self.up {
            return;
        }
        if self.wants {
            self.wants = false;
            let since = self.room.follow.cursor();
            let mut messages: Vec<Message> =
                server.messages.values().filter(|m| m.rev > since).cloned().collect();
            messages.sort_by_key(|m| m.rev);
            let (unread, mentions) = server.counts();
            self.answer = Some(Answered::Changes { since, messages, head: server.head, unread, mentions });
        } else if self.room.counts.is_in_doubt() && !self.room.follow.is_behind() {
            self.answer = Some(Answered::Told(Box::new(server.conversation())));
        }
    }

    fn arrive(&mut self) {
        match self.answer.take() {
            Some(Answered::Changes { since, messages, head, unread, mentions }) => {
                assert_eq!(since, self.room.follow.cursor(), "nothing moves while it is read");
                self.room.apply(&messages, &me());
                messages.into_iter().for_each(|changed| self.put(changed));
                self.room.caught_up(head, unread, mentions);
                for event in self.room.follow.caught_up(head) {
                    if let Some(changed) = self.room.event(event, &me()) {
                        self.put(changed);
                    }
                }
                self.wants |= self.room.follow.is_behind();
            }
            Some(Answered::Told(told)) => {
                self.room.told(*told, LIMIT);
            }
            None => {}
        }
    }
}

fn play(ops: Vec<Op>) {
    let mut server = Server {
        head: Rev::MIN,
        name: 0,
        messages: BTreeMap::new(),
        read: Seq::MIN,
        stream: None,
        said: VecDeque::new(),
    };
    for n in 0..4 {
        let new = server.post(false, n == 2);
        server.change(new);
    }
    let mut replica = Replica {
        room: Room::new(server.conversation(), Rev::MIN, LIMIT),
        messages: BTreeMap::new(),
        wants: false,
        answer: None,
        up: false,
    };
    replica.connect(&mut server);
    for op in ops {
        step(op, &mut server, &mut replica);
    }
    // In the end everything arrives.
    if !replica.up {
        replica.connect(&mut server);
    }
    // What was dropped silently shows with the next message.
    let last = server.post(true, false);
    server.change(last);
    for _ in 0..20 {
        step(Op::Hear, &mut server, &mut replica);
        step(Op::Deliver(10_000), &mut server, &mut replica);
        replica.ask(&server);
        replica.arrive();
    }
    let room = &replica.room;
    assert!(!room.follow.is_behind() && !room.counts.is_in_doubt());
    assert_eq!(room.follow.cursor(), server.head);
    assert_eq!(replica.messages, server.messages);
    let mut shown = room.conversation.clone();
    let truth = server.conversation();
    if truth.unread > LIMIT {
        // Beyond the limit only "more" is told.
        shown.mentions = truth.mentions;
    }
    assert_eq!(shown, truth);
}

fn step(op: Op, server: &mut Server, replica: &mut Replica) {
    match op {
        Op::Post { mine, names_me } => {
            let new = server.post(mine, names_me);
            server.change(new);
        }
        Op::Edit(n, names_me) => {
            if let Some(mut old) = server.nth(n) {
                old.edited_at = Some(1);
                old.mentions = if names_me { vec![me()] } else { Vec::new() };
                server.change(old);
            }
        }
        Op::Delete(n) => {
            if let Some(mut old) = server.nth(n) {
                old.deleted_at = Some(1);
                old.mentions.clear();
                server.change(old);
            }
        }
        Op::React(n) => {
            if let Some(old) = server.nth(n) {
                server.change(old);
            }
        }
        Op::Rename(name) => {
            let mut new = server.post(false, false);
            new.kind = MessageKind::Notice;
            new.event = Some(Notice {
                kind: NoticeKind::Renamed,
                user: None,
                by: None,
                value: Some(format!("name-{name}")),
            });
            server.name = name;
            server.change(new);
        }
        Op::Read(n) => {
            if let Some(seq) = replica.messages.keys().nth(n).copied()
                && replica.room.read(seq)
                && replica.up
            {
                server.said.push_back(replica.room.counts.read());
            }
        }
        Op::ReadElsewhere(n) => {
            if let Some(seq) = server.messages.keys().nth(n).copied() {
                server.read(seq, true);
            }
        }
        Op::Hear => {
            while let Some(seq) = server.said.pop_front() {
                server.read(seq, false);
            }
        }
        Op::Deliver(n) => (0..n).for_each(|_| replica.deliver(server)),
        Op::Answer => replica.ask(server),
        Op::Arrive => replica.arrive(),
        Op::Cut => replica.cut(server),
        Op::Connect => {
            if !replica.up {
                replica.connect(server);
            }
        }
        Op::Resync => {
            if let Some(stream) = &mut server.stream {
                stream.clear();
                stream.push_back(Frame::Resync);
            }
        }
        // Read frames have no rev: what is lost of them silently no client could find out.
        Op::Drop => {
            if let Some(stream) = &mut server.stream {
                stream.retain(|frame| !matches!(frame, Frame::Event(Event::Message(_))));
            }
        }
        Op::Learn => {
            let room = &mut replica.room;
            let cursor = room.follow.cursor();
            let page: Vec<Message> = replica.messages.values().cloned().collect();
            if page.iter().all(|m| m.rev <= cursor) {
                room.learn(Seq::MIN, cursor.as_seq(), &page, &me());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_replica_ends_as_the_server(ops in prop::collection::vec(op(), 0..120)) {
        play(ops);
    }
}
