//! What a device is told of its conversations: checked as it comes, and kept in the record.

use super::{Device, Left};
use crate::raw;
use crate::shared::Room;
use chat_shared::api::{Changes, Conversation, Message, NoticeKind};
use chat_shared::frame::ServerFrame;
use std::net::SocketAddr;

/// The events of a conversation, as they come over one connection.
#[derive(Default)]
pub(super) struct Stream {
    /// The rev of the last.
    last: Option<i64>,
    /// What was there already when the stream began.
    head: i64,
    /// The last read cursor.
    read: i64,
}

impl Device {
    /// A new connection: the first frame has to be `ready`, and what was missed is read.
    pub(super) async fn begin(&mut self, at: SocketAddr, first: ServerFrame) -> Result<(), Left> {
        self.streams.clear();
        self.dropped.clear();
        self.placed.clear();
        let ServerFrame::Ready { epoch, conversations, online, .. } = first else {
            self.violate("ready_first", "another frame came first");
            return Err(Left);
        };
        self.state(|record, index| {
            record.devices[index].online = online.iter().map(|name| (name.to_string(), true)).collect();
        });
        if self.ready(epoch, &conversations) {
            self.done.clear();
        }
        for conversation in &conversations {
            self.catch_up(at, conversation.id.get()).await?;
        }
        Ok(())
    }

    /// What `ready` tells of conversations: those that are not in it are gone, and another epoch is another
    /// database. True: it is.
    fn ready(&mut self, epoch: String, conversations: &[Conversation]) -> bool {
        let streams = &mut self.streams;
        let (user, name) = (&self.login.name, &self.name);
        self.shared.change(|record| {
            let known = record.epoch.get_or_insert_with(|| epoch.clone()).clone();
            if known != epoch {
                record.history.violate("epoch", format!("{name}: {epoch} after {known}"));
            }
            let replica = &mut record.devices[self.index].replica;
            let is_new = std::mem::replace(&mut replica.epoch, epoch.clone()) != epoch;
            if is_new {
                replica.rooms.clear();
            }
            replica
                .rooms
                .retain(|id, _| conversations.iter().any(|conversation| conversation.id.get() == *id));
            for conversation in conversations {
                let (id, head) = (conversation.id.get(), conversation.head_rev.get());
                let room = replica.rooms.entry(id).or_default();
                room.role = conversation.role.to_string();
                let beyond = room.cursor > head;
                if beyond {
                    let what = format!("{name}: {id} has {}, and is told of {head}", room.cursor);
                    record.history.violate("acked_once", what);
                }
                streams.insert(id, Stream { head, ..Stream::default() });
                record.model.read(user, id, conversation.read_seq.get());
            }
            is_new
        })
    }

    /// Reads what is missing of a conversation.
    async fn catch_up(&self, at: SocketAddr, id: i64) -> Result<(), Left> {
        loop {
            let Some(since) =
                self.state(|r, index| r.devices[index].replica.rooms.get(&id).map(|r| r.cursor))
            else {
                return Ok(());
            };
            let path = format!("/conversations/{id}/changes?since={since}&limit=200");
            let (status, body) =
                raw::call(at, &self.login.token, "GET", &path, None).await.map_err(|_| Left)?;
            match status {
                200 => {}
                // I was taken out in the meantime; a frame will say so.
                404 => return Ok(()),
                // The server is busy: the whole connection anew.
                503 => return Err(Left),
                _ => {
                    self.violate("changes", &format!("{path}: {status} {body}"));
                    return Err(Left);
                }
            }
            let changes: Changes = serde_json::from_value(body).map_err(|_| Left)?;
            let revs: Vec<i64> = changes.messages.iter().map(|message| message.rev.get()).collect();
            let ascending = std::iter::once(&since).chain(&revs).is_sorted_by(|a, b| a < b);
            if !ascending || revs.last().is_some_and(|last| *last > changes.head_rev.get()) {
                self.violate("changes", &format!("{path}: {revs:?}"));
            }
            let cursor = if changes.has_more { revs.last().copied() } else { Some(changes.head_rev.get()) };
            let done = !changes.has_more;
            self.state(|record, index| {
                if let Some(room) = record.devices[index].replica.rooms.get_mut(&id) {
                    changes.messages.into_iter().for_each(|message| room.apply(message));
                    room.cursor = cursor.unwrap_or(0).max(room.cursor);
                }
            });
            if done {
                return Ok(());
            }
        }
    }

    /// Takes what is no answer.
    pub(super) async fn take(&mut self, at: SocketAddr, frame: ServerFrame) -> Result<(), Left> {
        match frame {
            ServerFrame::Message { conversation_id, rev, message } => {
                let skipped = self.event(conversation_id.get(), rev.get(), *message);
                if skipped {
                    self.catch_up(at, conversation_id.get()).await?;
                }
            }
            ServerFrame::Conversation { conversation } => {
                let (id, head) = (conversation.id.get(), conversation.head_rev.get());
                let role = conversation.role.to_string();
                let is_new = self.state(|record, index| {
                    let rooms = &mut record.devices[index].replica.rooms;
                    let is_new = !rooms.contains_key(&id);
                    rooms.entry(id).or_insert_with(Room::default).role = role;
                    is_new
                });
                if is_new {
                    self.streams.insert(id, Stream { head, ..Stream::default() });
                    self.catch_up(at, id).await?;
                }
            }
            // What a `resync` covers it still covers when its conversation has gone and come back meanwhile.
            ServerFrame::ConversationRemoved { conversation_id } => {
                self.state(|record, index| {
                    record.devices[index].replica.rooms.remove(&conversation_id.get())
                });
                self.streams.remove(&conversation_id.get());
            }
            ServerFrame::Read { conversation_id, seq, .. } => self.read(conversation_id.get(), seq.get()),
            ServerFrame::Typing { conversation_id, username, .. } => {
                let mine = self.streams.contains_key(&conversation_id.get());
                if !mine || username.as_str() == self.login.name {
                    self.violate("typing", &format!("{username} in {conversation_id}"));
                }
            }
            ServerFrame::Presence { changes } => self.state(|record, index| {
                let told = changes.iter().map(|change| (change.username.to_string(), change.online));
                record.devices[index].online.extend(told);
            }),
            ServerFrame::Resync { conversation_id, .. } => {
                let all: Vec<i64> = match conversation_id {
                    Some(id) => vec![id.get()],
                    None => self.streams.keys().copied().collect(),
                };
                for id in all {
                    self.dropped.insert(id);
                    self.catch_up(at, id).await?;
                }
            }
            ServerFrame::Ready { .. } => self.violate("ready_first", "once more"),
            ServerFrame::Ack { .. }
            | ServerFrame::Error { .. }
            | ServerFrame::AuthOk { .. }
            | ServerFrame::Pong { .. }
            | ServerFrame::Unknown => {}
        }
        Ok(())
    }

    /// A message was created or changed. True: revs were skipped.
    fn event(&mut self, id: i64, rev: i64, message: Message) -> bool {
        if message.rev.get() != rev || message.conversation_id.get() != id {
            self.violate("frames", &format!("rev {rev} of {id} carries {message:?}"));
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            self.violate("members_only", &format!("rev {rev} of {id}"));
            return false;
        };
        let before = stream.last.replace(rev);
        let follows = match before {
            Some(last) => rev == last + 1,
            // What was there already may come once more.
            None => rev <= stream.head + 1,
        };
        let may_skip = self.dropped.remove(&id);
        let skips = may_skip && before.is_none_or(|last| rev > last);
        if !follows && !skips {
            self.violate("contiguous", &format!("rev {rev} of {id} after {before:?}"));
        }
        self.state(|record, index| {
            record.told.push((index, id, rev));
            let device = &mut record.devices[index];
            let Some(room) = device.replica.rooms.get_mut(&id) else { return false };
            let skipped = rev > room.cursor + 1;
            let event = message.event.as_ref();
            if let Some(event) = event.filter(|e| e.user.as_ref().is_some_and(|u| u.as_str() == device.user))
                && let Some(role) = event.value.as_ref().filter(|_| event.kind == NoticeKind::Role)
            {
                room.role.clone_from(role);
            }
            room.apply(message);
            if !skipped {
                room.cursor = room.cursor.max(rev);
            }
            skipped
        })
    }

    fn read(&mut self, id: i64, seq: i64) {
        let before = std::mem::replace(&mut self.streams.entry(id).or_default().read, seq);
        if seq < before {
            self.violate("read_cursor", &format!("{seq} after {before} in {id}"));
        }
        self.shared.change(|record| record.model.read(&self.login.name, id, seq));
    }
}
