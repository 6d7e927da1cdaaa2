//! Sends that follow each other: what they need is read at once, with their conversations locked in the order of
//! their ids, and what they write is written at once. However many they are, they cost two round trips, and the
//! second has the commit in it.
//!
//! A run answers what needs nothing more: a known send id, and a member's text that is no reply. Whatever else there is
//! ends the run, and is done by itself.

use super::connection::{Connection, Values};
use super::messages::{mentioned, mentions_json};
use super::rows::{bytes, id, seq_after, text, word};
use super::tx::Fault;
use crate::auth::policy::{Action, Scene, may};
use crate::planted::{Bug, planted};
use crate::store::key::key;
use crate::store::{Ack, Change, SendMessage, Sent, StoreError};
use chat_shared::api::{ConversationKind, Message, MessageKind, Role, Sender};
use chat_shared::text::mentioned_names;
use chat_shared::{ConversationId, Rev, SendId, Seq, UserId, Username};
use std::collections::{HashMap, HashSet};
use tokio_postgres::Row;

/// What was read for a run, and what is to be written.
pub(super) struct Run {
    known: HashMap<(UserId, SendId), Ack>,
    rooms: HashMap<ConversationId, Room>,
    members: HashMap<(ConversationId, UserId), Member>,
    /// Members whose names stand in the texts.
    named: HashSet<(ConversationId, String)>,
    new: New,
}

/// A conversation, locked.
struct Room {
    kind: ConversationKind,
    /// With what the run has added.
    head: Rev,
    /// Of a direct: who has written before.
    wrote: Vec<UserId>,
}

/// A member, who may want to write.
struct Member {
    role: Role,
    sender: Sender,
}

/// New messages, by column.
#[derive(Default)]
struct New {
    keys: Vec<i64>,
    senders: Vec<i64>,
    send_ids: Vec<Vec<u8>>,
    bodies: Vec<String>,
    sent_at: Vec<i64>,
    mentions: Vec<Option<String>>,
}

const LOCK: &str = "SELECT c.id, c.kind, c.head_rev, d.low_user, d.high_user, d.low_wrote, d.high_wrote
     FROM conversations c LEFT JOIN directs d ON d.conversation_id = c.id
     WHERE c.id = ANY ($1) AND c.deleted_at IS NULL ORDER BY c.id FOR UPDATE OF c";

/// Begun after the conversations are locked, so that it sees what whoever had the lock before has committed.
const KNOWN: &str = "SELECT m.sender_id, m.send_id, m.conversation_id, m.seq, m.sent_at
     FROM unnest($1::bigint[], $2::bytea[]) AS n (sender_id, send_id)
     JOIN messages m ON m.sender_id = n.sender_id AND m.send_id = n.send_id
     UNION ALL
     SELECT r.sender_id, r.send_id, r.conversation_id, r.seq, r.sent_at
     FROM unnest($1::bigint[], $2::bytea[]) AS n (sender_id, send_id)
     JOIN retired_sends r ON r.sender_id = n.sender_id AND r.send_id = n.send_id";

const MEMBERS: &str = "SELECT m.conversation_id, m.role, u.id, u.username, u.display_name
     FROM unnest($1::bigint[], $2::bigint[]) AS n (user_id, conversation_id)
     JOIN members m ON m.conversation_id = n.conversation_id AND m.user_id = n.user_id
     JOIN users u ON u.id = n.user_id";

const NAMED: &str = "SELECT m.conversation_id, u.username
     FROM unnest($1::bigint[], $2::text[]) AS n (conversation_id, username)
     JOIN users u ON u.username = n.username
     JOIN members m ON m.conversation_id = n.conversation_id AND m.user_id = u.id
     WHERE u.deleted_at IS NULL";

const INSERT: &str = "INSERT INTO messages (id, rev, sender_id, send_id, kind, body, sent_at, mentions)
     SELECT id, id & 4294967295, sender_id, send_id, 'text', body, sent_at, mentions
     FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::bigint[], $6::text[])
          AS n (id, sender_id, send_id, body, sent_at, mentions)";

const TAKE: &str = "UPDATE conversations c SET head_rev = n.head, last_seq = n.head
     FROM unnest($1::bigint[], $2::bigint[]) AS n (id, head) WHERE c.id = n.id";

/// Is there nothing to it but its text?
pub(super) fn is_plain(send: &SendMessage) -> bool {
    send.reply_to.is_none() && !planted(Bug::SentTwice)
}

impl Run {
    /// Reads what these sends need.
    pub(super) fn read(db: &Connection, sends: &[&SendMessage]) -> Result<Self, Fault> {
        let senders: Vec<i64> = sends.iter().map(|send| send.sender.get()).collect();
        let send_ids: Vec<&[u8]> = sends.iter().map(|send| &send.id.as_bytes()[..]).collect();
        let conversations: Vec<i64> = sends.iter().map(|send| send.conversation.get()).collect();
        let names = sends.iter().flat_map(|send| {
            mentioned_names(send.body.as_str()).into_iter().map(|name| (send.conversation.get(), name))
        });
        let (named_in, names): (Vec<i64>, Vec<String>) = names.unzip();
        let statements: [(&str, Values<'_>); 4] = [
            (LOCK, &[&conversations]),
            (KNOWN, &[&senders, &send_ids]),
            (MEMBERS, &[&senders, &conversations]),
            (NAMED, &[&named_in, &names]),
        ];
        // As a rule nobody is named.
        let asked = statements.len() - usize::from(names.is_empty());
        let mut found = db.together(&statements[..asked])?;
        found.resize_with(statements.len(), Vec::new);
        let [rooms, known, members, named] = <[Vec<Row>; 4]>::try_from(found).map_err(|_| Fault::Missing)?;
        Ok(Self {
            known: known.iter().map(known_row).collect::<Result<_, _>>()?,
            rooms: rooms.iter().map(room_row).collect::<Result<_, _>>()?,
            members: members.iter().map(member_row).collect::<Result<_, _>>()?,
            named: named.iter().map(|row| Ok((id(row, 0)?, text(row, 1)?))).collect::<Result<_, Fault>>()?,
            new: New::default(),
        })
    }

    /// Answers a send, if it is for the run to answer; and what is to be told of it.
    pub(super) fn send(&mut self, send: &SendMessage) -> Option<Result<(Sent, Option<Change>), StoreError>> {
        let SendMessage { sender, id, conversation, now, .. } = *send;
        // Before every other check: whatever became of the message or of its sender, the first answer stands.
        if let Some(ack) = self.known.get(&(sender, id)).filter(|_| !planted(Bug::SendLookupSkipped)) {
            return Some(Ok((Sent { ack: *ack, known: true }, None)));
        }
        if let Some(refusal) = &send.refuse_new {
            return Some(Err(refusal.clone()));
        }
        let room = self.rooms.get_mut(&conversation).filter(|_| is_plain(send))?;
        let member = self.members.get(&(conversation, sender))?;
        if room.kind == ConversationKind::Direct && !room.wrote.contains(&sender) {
            return None;
        }
        let scene = Scene { kind: room.kind, visibility: None, role: Some(member.role) };
        if let Err(denied) = may(scene, Action::Write) {
            return Some(Err(denied.into()));
        }
        let seq = match seq_after(room.head) {
            Ok(seq) => seq,
            Err(full) => return Some(Err(full)),
        };
        room.head = seq.as_rev();
        let ack = Ack { conversation, seq, rev: seq.as_rev(), sent_at: now };
        self.known.insert((sender, id), ack);
        let mentions = mentioned(mentioned_names(send.body.as_str()), &send.here, |name| {
            self.named.contains(&(conversation, name.clone()))
        });
        self.new.push(send, seq, &mentions);
        let message = Box::new(Message { mentions, ..new_message(send, seq, member.sender.clone()) });
        let change = Change::Message { message, joined: Vec::new(), left: Vec::new() };
        Some(Ok((Sent { ack, known: false }, Some(change))))
    }

    /// Writes what the run has added.
    pub(super) fn write(self, db: &Connection) -> Result<(), Fault> {
        let Some((keys, heads)) = self.taken() else { return Ok(()) };
        let New { keys: new, senders, send_ids, bodies, sent_at, mentions } = &self.new;
        db.together(&[
            (INSERT, &[new, senders, send_ids, bodies, sent_at, mentions]),
            (TAKE, &[&keys, &heads]),
        ])?;
        Ok(())
    }

    /// Writes it, and commits.
    pub(super) fn commit(self, db: &Connection, mark: &str) -> Result<(), Fault> {
        let Some((keys, heads)) = self.taken() else { return commit(db, mark) };
        let New { keys: new, senders, send_ids, bodies, sent_at, mentions } = &self.new;
        db.together(&[
            (INSERT, &[new, senders, send_ids, bodies, sent_at, mentions]),
            (TAKE, &[&keys, &heads]),
            (MARK, &[&mark]),
            (COMMIT, &[]),
        ])?;
        Ok(())
    }

    /// The conversations that got something, and their new heads.
    fn taken(&self) -> Option<(Vec<i64>, Vec<i64>)> {
        let heads: HashMap<i64, i64> =
            self.new.keys.iter().map(|key| (key >> 32, key & 0xffff_ffff)).collect();
        (!heads.is_empty()).then(|| heads.into_iter().unzip())
    }
}

/// Of the transaction that is committed with it. In one that is broken it fails, and so does what would else look
/// like a commit and be none.
const MARK: &str = "UPDATE meta SET value = $1 WHERE key = 'batch'";
const COMMIT: &str = "COMMIT";

/// Commits a transaction that ends with no run.
pub(super) fn commit(db: &Connection, mark: &str) -> Result<(), Fault> {
    db.together(&[(MARK, &[&mark]), (COMMIT, &[])]).map(|_| ())
}

impl New {
    fn push(&mut self, send: &SendMessage, seq: Seq, mentions: &[Username]) {
        self.keys.push(key(send.conversation, seq));
        self.senders.push(send.sender.get());
        self.send_ids.push(send.id.as_bytes().to_vec());
        self.bodies.push(send.body.as_str().to_owned());
        self.sent_at.push(send.now);
        self.mentions.push(mentions_json(mentions));
    }
}

/// A message as it is when it was just sent.
pub(super) fn new_message(send: &SendMessage, seq: Seq, sender: Sender) -> Message {
    Message {
        conversation_id: send.conversation,
        seq,
        rev: seq.as_rev(),
        kind: MessageKind::Text,
        sender,
        id: Some(send.id),
        body: send.body.as_str().to_owned(),
        sent_at: send.now,
        edited_at: None,
        deleted_at: None,
        reply_to: send.reply_to,
        reply_count: None,
        mentions: Vec::new(),
        reactions: Vec::new(),
        event: None,
    }
}

fn room_row(row: &Row) -> Result<(ConversationId, Room), Fault> {
    let kind = word(row, 1, ConversationKind::from_word)?;
    let mut wrote = Vec::new();
    if kind == ConversationKind::Direct {
        for side in 0..2 {
            if row.try_get(5 + side)? {
                wrote.push(id(row, 3 + side)?);
            }
        }
    }
    Ok((id(row, 0)?, Room { kind, head: id(row, 2)?, wrote }))
}

fn known_row(row: &Row) -> Result<((UserId, SendId), Ack), Fault> {
    let send_id = bytes(row, 1)?.map(SendId::from_bytes).ok_or(Fault::Missing)?;
    let seq: Seq = id(row, 3)?;
    let ack = Ack { conversation: id(row, 2)?, seq, rev: seq.as_rev(), sent_at: row.try_get(4)? };
    Ok(((id(row, 0)?, send_id), ack))
}

fn member_row(row: &Row) -> Result<((ConversationId, UserId), Member), Fault> {
    let sender = Sender { id: id(row, 2)?, username: text(row, 3)?, display_name: row.try_get(4)? };
    Ok(((id(row, 0)?, sender.id), Member { role: word(row, 1, Role::from_word)?, sender }))
}
