//! What is asked for: by devices over their sockets, and by people who come, go, add and remove.

use crate::chance::Chance;
use crate::raw;
use crate::shared::{Login, Phase, Replica, Room, Shared};
use chat_shared::api::{Message, MessageKind};
use chat_shared::frame::ClientFrame;
use chat_shared::text::MessageBody;
use chat_shared::{ConversationId, SendId, Seq};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;

/// How far back the newest messages go that are answered, edited, reacted to.
const RECENT: usize = 40;
const EMOJI: [&str; 3] = ["👍", "🎉", "👀"];
/// Of a hundred things that are asked for, those from here on are sends.
const SEND: usize = 45;
/// People that texts name; one of them is nobody.
const NAMED: [&str; 6] = ["alice", "bob", "carol", "dave", "mallory", "nobody-here"];

/// The next thing that a device asks for; nothing where it is in no conversation.
pub(crate) fn next(chance: &mut Chance, user: &str, replica: &Replica) -> Option<ClientFrame> {
    let (conversation, turn) = (any_room(chance, replica)?, chance.below(100));
    next_in(conversation, turn, chance, user, replica)
}

/// The same for somebody who mostly sends, and mostly to the newest conversation.
pub(crate) fn next_send(chance: &mut Chance, user: &str, replica: &Replica) -> Option<ClientFrame> {
    let newest = *replica.rooms.keys().next_back()?;
    let conversation = if chance.one_in(5) { any_room(chance, replica)? } else { newest };
    let turn = if chance.one_in(3) { chance.below(100) } else { SEND };
    next_in(conversation, turn, chance, user, replica)
}

fn any_room(chance: &mut Chance, replica: &Replica) -> Option<i64> {
    let ids: Vec<i64> = replica.rooms.keys().copied().collect();
    chance.pick(&ids).copied()
}

/// `turn`: what it is, of a hundred.
fn next_in(
    conversation: i64,
    turn: usize,
    chance: &mut Chance,
    user: &str,
    replica: &Replica,
) -> Option<ClientFrame> {
    let room = &replica.rooms[&conversation];
    let recent: Vec<&Message> = room.messages.values().rev().take(RECENT).filter(|m| is_text(m)).collect();
    let mine: Vec<&Message> = recent.iter().filter(|m| m.sender.username.as_str() == user).copied().collect();
    let id = chance.send_id();
    let conversation_id = ConversationId::new(conversation).ok()?;
    Some(match turn {
        0..14 if !mine.is_empty() => {
            let seq = chance.pick(&mine)?.seq;
            ClientFrame::Edit { id, conversation_id, seq, body: body(chance, &id.to_string())? }
        }
        14..20 => {
            let theirs = if may_delete(room) { &recent } else { &mine };
            let seq = chance.pick(theirs).map_or(Seq::new(1).ok(), |message| Some(message.seq))?;
            ClientFrame::Delete { id, conversation_id, seq }
        }
        20..36 if !recent.is_empty() => react(chance, user, &recent, id)?,
        36..42 => ClientFrame::Read {
            conversation_id,
            seq: Seq::new(chance.below(room.cursor as usize) as i64).ok()?,
        },
        42..SEND => ClientFrame::Typing { conversation_id },
        _ => {
            let parent = chance.one_in(4).then(|| chance.pick(&recent).map(|m| m.seq)).flatten();
            let body = body(chance, &id.to_string())?;
            ClientFrame::Send { id, conversation_id, body, reply_to: parent }
        }
    })
}

/// A reaction, or one's own taken back.
fn react(chance: &mut Chance, user: &str, recent: &[&Message], id: SendId) -> Option<ClientFrame> {
    let own = |message: &&Message| {
        let reactions = message.reactions.iter().filter(|r| r.users.iter().any(|name| name.as_str() == user));
        reactions.map(|reaction| (message.conversation_id, message.seq, reaction.emoji.clone())).next()
    };
    let mine: Vec<_> = recent.iter().filter_map(own).collect();
    let taken_back = if chance.one_in(3) { chance.pick(&mine).cloned() } else { None };
    let on = taken_back.is_none();
    let (conversation_id, seq, emoji) = match taken_back {
        Some(place) => place,
        None => {
            let message = chance.pick(recent)?;
            (message.conversation_id, message.seq, chance.pick(&EMOJI)?.parse().ok()?)
        }
    };
    Some(ClientFrame::React { id, conversation_id, seq, emoji, on })
}

fn is_text(message: &Message) -> bool {
    message.kind == MessageKind::Text && message.deleted_at.is_none()
}

fn may_delete(room: &Room) -> bool {
    matches!(&*room.role, "owner" | "moderator")
}

/// A text that stands nowhere else; some name people, some are long.
fn body(chance: &mut Chance, id: &str) -> Option<MessageBody> {
    let mut text = format!("text {id}");
    if chance.one_in(4) {
        text.push_str(&format!(" @{}", chance.pick(&NAMED)?));
    }
    if chance.one_in(20) {
        text.push_str(&" lorem".repeat(chance.below(400)));
    }
    MessageBody::new(&text).ok()
}

/// The groups in which people come and go, and the names they go by.
pub(crate) struct Groups {
    pub(crate) public: i64,
    pub(crate) private: i64,
}

/// A change of membership.
struct Step {
    by: usize,
    method: &'static str,
    path: String,
    /// Whose membership it decides, and how.
    decides: Option<(String, i64, bool)>,
}

/// Whoever is in a group leaves it, is removed from it or gets another role; whoever is not joins or is added; and
/// sometimes somebody moves a read cursor. The first of the people owns the groups.
fn step(
    chance: &mut Chance,
    people: &[Login],
    groups: &Groups,
    is_inside: impl Fn(&str, i64) -> bool,
) -> (Step, Value) {
    let guest = 2 + chance.below(people.len() - 2);
    let name = people[guest].name.clone();
    let square = format!("/groups/{}", groups.public);
    let member = format!("/groups/{}/members/{name}", groups.private);
    let role = if chance.one_in(2) { "moderator" } else { "member" };
    let (by, method, path, decides, body) = match chance.below(5) {
        0 | 1 if is_inside(&name, groups.public) => {
            (guest, "POST", format!("{square}/leave"), Some((groups.public, false)), json!({}))
        }
        0 | 1 => (guest, "POST", format!("{square}/join"), Some((groups.public, true)), json!({})),
        2 | 3 if !is_inside(&name, groups.private) => {
            (0, "PUT", member, Some((groups.private, true)), json!({}))
        }
        2 => (0, "DELETE", member, Some((groups.private, false)), json!({})),
        3 => (0, "PUT", member, Some((groups.private, true)), json!({"role": role})),
        _ => (guest, "PUT", "/conversations/1/read".to_owned(), None, json!({"seq": chance.below(400)})),
    };
    let decides = decides.map(|(group, inside)| (name, group, inside));
    (Step { by, method, path, decides }, body)
}

/// Lets people come and go as long as there is load, once in so many acknowledgements.
pub(crate) async fn visits(
    shared: Arc<Shared>,
    people: Vec<Login>,
    groups: Groups,
    pause: u64,
    mut chance: Chance,
) {
    let mut phase = shared.phases();
    loop {
        match phase.wait_for(|phase| *phase != Phase::Settle).await.map(|phase| *phase) {
            Ok(Phase::Load) => {}
            _ => return,
        }
        let at = *shared.address.borrow();
        let (step, body) = {
            let record = shared.record();
            let inside = &record.model.inside;
            step(&mut chance, &people, &groups, |name, group| {
                inside.get(&(name.to_owned(), group)).copied().flatten().unwrap_or(false)
            })
        };
        let mut address = shared.address.subscribe();
        let may_visit = || {
            shared.change(|record| {
                record.visiting = !record.nobody_visits && shared.phase() == Phase::Load;
                record.visiting
            })
        };
        let Some(at) = at.filter(|_| may_visit()) else {
            // Until there is a server, or the next load.
            tokio::select! { _ = address.changed() => {}, _ = phase.changed() => {} }
            continue;
        };
        visit(&shared, at, &people[step.by], step, body).await;
        shared.change(|record| record.visiting = false);
        let before = shared.record().acked;
        shared.until(|record| record.acked >= before + pause || shared.phase() != Phase::Load).await;
    }
}

async fn visit(shared: &Shared, at: SocketAddr, by: &Login, step: Step, body: Value) {
    let who = format!("{} over http", by.name);
    shared.note(&who, "asked", json!({"method": step.method, "path": step.path, "body": body}));
    if let Some((name, group, _)) = &step.decides {
        shared.change(|record| record.model.inside.insert((name.clone(), *group), None));
    }
    let answer = raw::call(at, &by.token, step.method, &step.path, Some(&body)).await;
    let Ok((status, value)) = answer else { return };
    shared.note(&who, "told", json!({"status": status, "body": value}));
    shared.change(|record| match (status, step.decides) {
        (200..300, Some((name, group, inside))) => {
            record.model.inside.insert((name, group), Some(inside));
            record.model.count("comings and goings");
        }
        (200..300, None) => {
            record.model.read(&by.name, 1, value["read_seq"].as_i64().unwrap_or(0));
        }
        // Not there any more, or not yet; or the server is away.
        (403 | 404 | 409 | 503 | 507, _) => {}
        _ => record
            .history
            .violate("answers", format!("{who}: {} {}: {status} {value}", step.method, step.path)),
    });
}
