//! The checks: what the clients know, against the server's state as it is read anew. To be made while nothing is
//! open and nothing changes. Each is a function that tells what is wrong; the names of its findings are the
//! names of the table.

use crate::fresh::{Fresh, FreshRoom, number, text};
use crate::model::Text;
use crate::shared::Record;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

type Check = fn(&Fresh, &Record) -> Vec<String>;

/// Every check, by name. (Others are made as frames come, in `client`, or by asking, in `probes`.)
const CHECKS: [(&str, Check); 13] = [
    ("acked_once", acked_once),
    ("sent_once", sent_once),
    ("changes_kept", changes_kept),
    ("revs", revs),
    ("delivered", delivered),
    ("replica", replica),
    ("members", members),
    ("members_only", members_only),
    ("unread", unread),
    ("read_cursor", read_cursor),
    ("reply_count", reply_count),
    ("mentions", mentions),
    ("paging", paging),
];
/// Findings of one check that are told: the first ones say it all.
const TOLD: usize = 5;

/// Makes all checks, and notes what is wrong.
pub(crate) fn check(fresh: &Fresh, record: &mut Record) {
    for (name, check) in CHECKS {
        for what in check(fresh, record).into_iter().take(TOLD) {
            record.history.violate(name, what);
        }
    }
    record.told.clear();
}

fn at(fresh: &Fresh, (conversation, seq): (i64, i64)) -> Option<&Value> {
    fresh.rooms.get(&conversation)?.messages.get(&seq)
}

/// Every message that was acknowledged is at its place.
fn acked_once(fresh: &Fresh, record: &Record) -> Vec<String> {
    let sends = record.model.sends.iter().filter_map(|(id, sent)| Some((id, sent, sent.acked?)));
    sends
        .filter(|(id, sent, place)| {
            let message = at(fresh, *place);
            message.is_none_or(|m| m["id"] != **id || m["sender"]["username"] != *sent.user)
        })
        .map(|(id, _, place)| format!("{id} is not at {place:?}"))
        .collect()
}

/// No send id stands twice, none that was refused is there, and none that nobody sent.
fn sent_once(fresh: &Fresh, record: &Record) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut wrong = Vec::new();
    for (conversation, message) in fresh.messages().filter(|(_, m)| m["kind"] == "text") {
        let id = text(message, "id");
        match record.model.sends.get(&id) {
            None => wrong.push(format!("{id} in {conversation} was never sent")),
            Some(sent) if sent.refused => wrong.push(format!("{id} in {conversation} was refused")),
            Some(_) => {}
        }
        if !seen.insert(id.clone()) {
            wrong.push(format!("{id} stands twice, once in {conversation}"));
        }
    }
    wrong
}

/// Edits, deletions and reactions that were acknowledged are there; of edits the newest.
fn changes_kept(fresh: &Fresh, record: &Record) -> Vec<String> {
    let texts = record.model.texts.iter().filter_map(|(place, text)| Some((place, text, at(fresh, *place)?)));
    texts
        .filter_map(|(place, text, message)| Some(format!("{place:?}: {}", differs(text, message)?)))
        .collect()
}

fn differs(text: &Text, message: &Value) -> Option<String> {
    let deleted = message["deleted_at"].is_i64();
    if text.deleted || (text.maybe_deleted && deleted) {
        let empty = message["body"] == "" && message["reactions"].is_null();
        return (!deleted || !empty).then(|| format!("deleted, and still {message}"));
    }
    if deleted {
        return Some("nobody deleted it".to_owned());
    }
    let body = text.bodies.values().next_back()?;
    if message["body"] != **body {
        return Some(format!("{} instead of {body}", message["body"]));
    }
    let there = reactions(message);
    let wrong = text.reactions.iter().find(|(by, on)| on.is_some_and(|on| on != there.contains(by)));
    if let Some((by, on)) = wrong {
        return Some(format!("the reaction {by:?} should be {on:?}"));
    }
    let invented = there.iter().find(|by| !text.reactions.contains_key(by));
    invented.map(|by| format!("nobody acknowledged the reaction {by:?}"))
}

/// Who reacted with what.
pub(crate) fn reactions(message: &Value) -> HashSet<(String, String)> {
    let reactions = message["reactions"].as_array().into_iter().flatten();
    let by = |reaction: &Value| {
        let emoji = text(reaction, "emoji");
        let users = reaction["users"].as_array().cloned().unwrap_or_default();
        users.into_iter().map(move |user| (user.as_str().unwrap_or_default().to_owned(), emoji.clone()))
    };
    reactions.flat_map(by).collect()
}

/// Each rev is carried by at most one message, none lies above the head, and the newest is the head.
fn revs(fresh: &Fresh, record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, room) in &fresh.rooms {
        let revs: HashSet<i64> = room.messages.values().map(|message| number(message, "rev")).collect();
        let newest = revs.iter().max().copied().unwrap_or(0);
        if revs.len() != room.messages.len() || newest != room.head {
            wrong.push(format!(
                "{id}: {} of {} revs, {newest} of {}",
                revs.len(),
                room.messages.len(),
                room.head
            ));
        }
        if let Some(early) = room.messages.values().find(|m| number(m, "rev") < number(m, "seq")) {
            wrong.push(format!("{id}: {early}"));
        }
        // Every rev was told to the one who is always inside, once the device began to follow.
        let told: HashSet<i64> =
            record.told.iter().filter(|(_, c, _)| c == id).map(|(_, _, rev)| *rev).collect();
        if let Some(above) = told.iter().find(|rev| **rev > room.head) {
            wrong.push(format!("{id}: rev {above} was told, above {}", room.head));
        }
    }
    for list in fresh.lists.values() {
        let stale = |c: &&Value| {
            fresh.rooms.get(&number(c, "id")).is_some_and(|room| {
                let last = room.messages.keys().next_back().copied().unwrap_or(0);
                number(c, "head_rev") != room.head || number(c, "last_seq") != last
            })
        };
        wrong.extend(list.iter().filter(stale).map(|c| format!("the list says {c}")));
    }
    wrong
}

/// Every device has been told of everything in its conversations, and has no others.
fn delivered(fresh: &Fresh, record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for device in &record.devices {
        let wanted = heads(fresh, &device.user);
        let has: BTreeMap<i64, i64> =
            device.replica.rooms.iter().map(|(id, room)| (*id, room.cursor)).collect();
        if has != wanted {
            wrong.push(format!("{} has {has:?} of {wanted:?}", device.name));
        }
    }
    wrong
}

/// The conversations of a user, with their heads.
pub(crate) fn heads(fresh: &Fresh, user: &str) -> BTreeMap<i64, i64> {
    let list = fresh.lists.get(user).into_iter().flatten();
    list.map(|conversation| (number(conversation, "id"), number(conversation, "head_rev"))).collect()
}

/// What each device holds by following is what is there.
fn replica(fresh: &Fresh, record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for device in &record.devices {
        for (id, held) in &device.replica.rooms {
            let Some(room) = fresh.rooms.get(id) else { continue };
            let held_only = held.messages.keys().filter(|seq| !room.messages.contains_key(seq));
            for seq in room.messages.keys().chain(held_only) {
                let mine = held.messages.get(seq).and_then(|message| serde_json::to_value(message).ok());
                if mine.as_ref() != room.messages.get(seq) {
                    wrong.push(format!(
                        "{}: {id}/{seq}: {mine:?}, not {:?}",
                        device.name,
                        room.messages.get(seq)
                    ));
                }
            }
        }
    }
    wrong
}

/// The members are those whom the notices tell of, and those whose coming or going was acknowledged last.
fn members(fresh: &Fresh, record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, room) in fresh.rooms.iter().filter(|(_, room)| !room.direct) {
        let mut told = HashSet::new();
        for (name, comings) in &room.comings {
            let mut before = false;
            for (seq, inside) in comings {
                // Nobody comes who is there, and nobody goes who is not.
                if before == *inside {
                    wrong.push(format!("{id}: the notice {seq} makes {name} what they were: {inside}"));
                }
                before = *inside;
            }
            if before {
                told.insert(name.clone());
            }
        }
        if told != room.members {
            wrong.push(format!("{id}: the notices say {told:?}, the list {:?}", room.members));
        }
    }
    for ((user, group), inside) in &record.model.inside {
        let room = fresh.rooms.get(group);
        if let Some((room, inside)) = room.zip(*inside)
            && room.members.contains(user) != inside
        {
            wrong.push(format!("{user} in {group} should be {inside}"));
        }
    }
    for (user, list) in &fresh.lists {
        for conversation in list {
            let Some(room) = fresh.rooms.get(&number(conversation, "id")) else { continue };
            let count = number(conversation, "member_count") as usize;
            if !room.members.contains(user) || (!room.direct && count != room.members.len()) {
                wrong.push(format!("{user} sees {conversation}, members {:?}", room.members));
            }
        }
    }
    wrong
}

/// No event went to somebody who was no member when it happened.
fn members_only(fresh: &Fresh, record: &Record) -> Vec<String> {
    let strangers = record.told.iter().filter(|(device, conversation, rev)| {
        let room = fresh.rooms.get(conversation);
        room.is_some_and(|room| !room.had(&record.devices[*device].user, *rev))
    });
    strangers
        .map(|(device, id, rev)| format!("{} was told rev {rev} of {id}", record.devices[*device].name))
        .collect()
}

/// The counts of unread messages and mentions are those that a fresh count gives.
fn unread(fresh: &Fresh, _: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for (user, list) in &fresh.lists {
        for conversation in list {
            let Some(room) = fresh.rooms.get(&number(conversation, "id")) else { continue };
            let counted = count_unread(room, user, number(conversation, "read_seq"));
            let told = (number(conversation, "unread") as usize, number(conversation, "mentions") as usize);
            if counted != told && counted.0 < 1000 {
                wrong.push(format!("{user} in {}: {told:?} instead of {counted:?}", conversation["id"]));
            }
        }
    }
    wrong
}

fn count_unread(room: &FreshRoom, user: &str, read: i64) -> (usize, usize) {
    let above = room.messages.range(read + 1..).map(|(_, message)| message);
    let unread =
        above.filter(|m| m["kind"] == "text" && m["deleted_at"].is_null() && m["sender"]["username"] != user);
    unread.fold((0, 0), |(all, mentions), message| {
        (all + 1, mentions + usize::from(names(message).contains(user)))
    })
}

fn names(message: &Value) -> HashSet<&str> {
    message["mentions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A read cursor never goes back behind what was told of it.
fn read_cursor(fresh: &Fresh, _: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for (user, list) in &fresh.lists {
        for conversation in list {
            let told = fresh.cursors.get(&(user.clone(), number(conversation, "id")));
            if told.is_some_and(|told| number(conversation, "read_seq") < *told) {
                wrong.push(format!("{user} had read up to {told:?}, and now {conversation}"));
            }
        }
    }
    wrong
}

/// Each message tells how many replies to it stand.
fn reply_count(fresh: &Fresh, _: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for (id, room) in &fresh.rooms {
        let mut counts: HashMap<i64, i64> = HashMap::new();
        for reply in room.messages.values().filter(|m| m["reply_to"].is_i64() && m["deleted_at"].is_null()) {
            *counts.entry(number(reply, "reply_to")).or_default() += 1;
        }
        for (seq, parent) in room.messages.iter().filter(|(_, m)| m["deleted_at"].is_null()) {
            let (told, counted) =
                (parent["reply_count"].as_i64().unwrap_or(0), counts.get(seq).copied().unwrap_or(0));
            if told != counted {
                wrong.push(format!("{id}/{seq}: {told} replies instead of {counted}"));
            }
        }
    }
    wrong
}

/// A text names those of the people in it who were members when it was written.
fn mentions(fresh: &Fresh, record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    for ((id, seq), model) in &record.model.texts {
        let Some(room) = fresh.rooms.get(id).filter(|room| !room.direct) else { continue };
        let Some(message) = room.messages.get(seq).filter(|m| m["deleted_at"].is_null()) else { continue };
        let Some((rev, body)) = model.bodies.last_key_value() else { continue };
        if message["edited_at"].is_i64() && model.bodies.len() == 1 {
            // Edited before the last restore: when, is not known.
            continue;
        }
        let named = body.split(' ').filter_map(|word| word.strip_prefix('@'));
        let wanted: HashSet<&str> = named.filter(|name| room.had(name, *rev)).collect();
        if names(message) != wanted {
            wrong.push(format!("{id}/{seq} names {:?} instead of {wanted:?}", names(message)));
        }
    }
    wrong
}

/// Pages are in the order of seqs, and nothing stands in two of them.
fn paging(fresh: &Fresh, _: &Record) -> Vec<String> {
    let unordered = fresh.rooms.iter().filter(|(_, room)| !room.order.is_sorted_by(|a, b| a < b));
    unordered.map(|(id, _)| format!("the pages of {id} are not in order")).collect()
}
