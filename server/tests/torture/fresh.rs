//! The state of the server, read anew through the bare client, as everybody sees it.

use crate::raw;
use crate::shared::Login;
use serde_json::Value;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::net::SocketAddr;

/// Everything that the people can read.
#[derive(Default)]
pub(crate) struct Fresh {
    pub(crate) rooms: BTreeMap<i64, FreshRoom>,
    /// Each one's conversations, as `GET /conversations` tells them.
    pub(crate) lists: BTreeMap<String, Vec<Value>>,
    /// The read cursors that were told before it was read: the last of them may be stored a moment later than
    /// everything else.
    pub(crate) cursors: HashMap<(String, i64), i64>,
}

pub(crate) struct FreshRoom {
    pub(crate) direct: bool,
    /// By seq.
    pub(crate) messages: BTreeMap<i64, Value>,
    /// Seqs in the order in which the pages had them.
    pub(crate) order: Vec<i64>,
    pub(crate) head: i64,
    pub(crate) members: HashSet<String>,
    /// Who came and went: by name, and by the seq of the notice that tells of it.
    pub(crate) comings: HashMap<String, BTreeMap<i64, bool>>,
}

impl Fresh {
    pub(crate) async fn read(
        at: SocketAddr,
        people: &[Login],
        cursors: HashMap<(String, i64), i64>,
    ) -> io::Result<Self> {
        let mut fresh = Self { cursors, ..Self::default() };
        for login in people {
            let list = get(at, login, "/conversations?limit=200").await?;
            let list = list["conversations"].as_array().cloned().unwrap_or_default();
            for conversation in &list {
                let id = number(conversation, "id");
                if let Entry::Vacant(room) = fresh.rooms.entry(id) {
                    room.insert(FreshRoom::read(at, login, conversation).await?);
                }
            }
            fresh.lists.insert(login.name.clone(), list);
        }
        Ok(fresh)
    }

    /// All messages, with their conversation.
    pub(crate) fn messages(&self) -> impl Iterator<Item = (i64, &Value)> {
        self.rooms.iter().flat_map(|(id, room)| room.messages.values().map(|message| (*id, message)))
    }
}

impl FreshRoom {
    async fn read(at: SocketAddr, member: &Login, conversation: &Value) -> io::Result<Self> {
        let id = number(conversation, "id");
        let mut room = Self {
            direct: conversation["kind"] == "direct",
            messages: BTreeMap::new(),
            order: Vec::new(),
            head: 0,
            members: HashSet::new(),
            comings: HashMap::new(),
        };
        let mut after = 0;
        loop {
            let path = format!("/conversations/{id}/messages?after={after}&limit=200");
            let page = get(at, member, &path).await?;
            room.head = number(&page, "head_rev");
            let messages = page["messages"].as_array().cloned().unwrap_or_default();
            for message in messages {
                after = number(&message, "seq");
                room.note_coming(after, &message["event"]);
                room.order.push(after);
                room.messages.insert(after, message);
            }
            if page["has_after"] != true {
                break;
            }
        }
        let members = get(at, member, &format!("/conversations/{id}/members?limit=200")).await?;
        let names = members["members"].as_array().into_iter().flatten();
        room.members = names.map(|member| text(&member["user"], "username")).collect();
        Ok(room)
    }

    fn note_coming(&mut self, seq: i64, event: &Value) {
        let (who, inside) = match event["kind"].as_str() {
            Some("created") => ("by", true),
            Some("joined" | "added") => ("user", true),
            Some("left" | "removed") => ("user", false),
            _ => return,
        };
        self.comings.entry(text(event, who)).or_default().insert(seq, inside);
    }

    /// Was this user a member when this rev was made?
    pub(crate) fn had(&self, user: &str, rev: i64) -> bool {
        if self.direct {
            return self.members.contains(user);
        }
        let comings = self.comings.get(user);
        comings.and_then(|comings| comings.range(..=rev).next_back()).is_some_and(|(_, inside)| *inside)
    }
}

async fn get(at: SocketAddr, login: &Login, path: &str) -> io::Result<Value> {
    match raw::call(at, &login.token, "GET", path, None).await? {
        (200, value) => Ok(value),
        (status, value) => Err(io::Error::other(format!("{}: GET {path}: {status} {value}", login.name))),
    }
}

pub(crate) fn number(value: &Value, field: &str) -> i64 {
    value[field].as_i64().unwrap_or(-1)
}

pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
