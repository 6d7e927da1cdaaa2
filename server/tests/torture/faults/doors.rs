//! People who try doors that are not theirs, while others use them; and what has to be gone when it is gone.

use crate::fresh::number;
use crate::raw::{self, Came, RawSocket};
use crate::shared::Login;
use crate::world::{World, call};
use chat_shared::SendId;
use chat_shared::frame::ClientFrame;
use serde_json::{Value, json};

/// A conversation that does not exist.
const NOWHERE: i64 = 999_999_999;

pub(crate) async fn doors(world: &mut World) {
    let direct = direct_of(world).await;
    for hidden in [world.groups.1, direct] {
        over_http(world, hidden).await;
        over_the_socket(world, hidden).await;
    }
    comes_and_goes(world).await;
    a_deletion_leaves_nothing(world).await;
    a_purge_keeps_the_ids(world).await;
    cursors_are_told_to_other_devices(world).await;
}

async fn direct_of(world: &World) -> i64 {
    let list = call(world.address(), &world.people[1], "GET", "/conversations", json!({})).await;
    let all = list["conversations"].as_array().into_iter().flatten();
    all.filter(|conversation| conversation["kind"] == "direct")
        .map(|direct| number(direct, "id"))
        .next()
        .unwrap()
}

/// To outsiders it is as if it did not exist, word for word.
async fn over_http(world: &World, hidden: i64) {
    let send = json!({"id": "0198c1a2-7e3b-7c44-9d1f-2a51c9f0e8b7", "body": "an intruder"});
    let tries: [(&str, &str, Option<Value>); 12] = [
        ("GET", "", None),
        ("GET", "/messages", None),
        ("GET", "/messages/1", None),
        ("GET", "/messages/1/edits", None),
        ("GET", "/messages/1/thread", None),
        ("GET", "/changes?since=0", None),
        ("GET", "/members", None),
        ("POST", "/messages", Some(send.clone())),
        ("PATCH", "/messages/1", Some(send)),
        ("DELETE", "/messages/1", None),
        ("PUT", "/messages/1/reactions/%F0%9F%91%8D", None),
        ("PUT", "/read", Some(json!({"seq": 1}))),
    ];
    for (method, path, body) in tries {
        let of = async |id: i64| {
            let path = format!("/conversations/{id}{path}");
            let at = world.address();
            raw::call(at, &world.outsider().token, method, &path, body.as_ref()).await.unwrap_or_default()
        };
        let (there, nowhere) = (of(hidden).await, of(NOWHERE).await);
        if there.0 != 404 || there != nowhere {
            world.shared.violate("doors", format!("{method} {path} of {hidden}: {there:?}, not {nowhere:?}"));
        }
    }
}

async fn over_the_socket(world: &mut World, hidden: i64) {
    let outsider = world.outsider().clone();
    let mut socket = RawSocket::connect(world.address(), &outsider.token, None).await.unwrap();
    let id = world.chance.send_id().to_string();
    let frames = [
        json!({"type": "send", "id": id, "conversation_id": hidden, "body": "an intruder"}),
        json!({"type": "edit", "id": id, "conversation_id": hidden, "seq": 1, "body": "an intruder"}),
        json!({"type": "delete", "id": id, "conversation_id": hidden, "seq": 1}),
        json!({"type": "react", "id": id, "conversation_id": hidden, "seq": 1, "emoji": "👍", "on": true}),
        json!({"type": "read", "conversation_id": hidden, "seq": 1}),
        json!({"type": "typing", "conversation_id": hidden}),
    ];
    for frame in frames {
        let _ = socket.send(&frame).await;
        // Not every frame is answered when it is taken; but what is asked later is answered later.
        let later = send(world.chance.send_id(), 1);
        let (_, heard) = world.ask_and_hear(&mut socket, &outsider, &later).await;
        let answer = heard.into_iter().find(|heard| heard["type"] == "error" || heard["type"] == "ack");
        let answer = answer.unwrap_or_default();
        if answer["code"] != "not_found" {
            world.shared.violate("doors", format!("{frame}: {answer}"));
        }
    }
}

/// Somebody is added, hears what is said, is removed, and hears nothing more.
async fn comes_and_goes(world: &mut World) {
    let (at, group) = (world.address(), world.groups.1);
    let (owner, guest) = (world.people[0].clone(), world.outsider().clone());
    let mut hears = RawSocket::connect(at, &guest.token, None).await.unwrap();
    let mut says = RawSocket::connect(at, &owner.token, None).await.unwrap();
    hears.next_of("ready").await;
    let member = format!("/groups/{group}/members/{}", guest.name);
    call(at, &owner, "PUT", &member, json!({})).await;
    let inside = say(world, &mut says, &owner, group).await;
    heard(world, &mut hears, group, inside).await;
    call(at, &owner, "DELETE", &member, json!({})).await;
    let outside = say(world, &mut says, &owner, group).await;
    let at_last = say(world, &mut says, &owner, 1).await;
    heard(world, &mut hears, 1, at_last).await;
    let path = format!("/conversations/{group}/changes?since=0");
    let status = raw::call(at, &guest.token, "GET", &path, None).await.map(|answer| answer.0).unwrap_or(0);
    if status != 404 || outside.is_none() {
        world.shared.violate("doors", format!("changes after the removal: {status}"));
    }
}

async fn say(world: &mut World, socket: &mut RawSocket, login: &Login, group: i64) -> Option<(i64, i64)> {
    let id = world.chance.send_id();
    world.ask(socket, login, &send(id, group)).await
}

fn send(id: SendId, group: i64) -> ClientFrame {
    let frame =
        json!({"type": "send", "id": id.to_string(), "conversation_id": group, "body": format!("text {id}")});
    ClientFrame::parse(&frame.to_string()).unwrap()
}

/// Reads until this message comes. What is told between being removed and this of another group is a leak.
async fn heard(world: &World, socket: &mut RawSocket, group: i64, place: Option<(i64, i64)>) {
    let Some((seq, _)) = place else {
        return world.shared.violate("goes_on", "a message was not acknowledged");
    };
    let hidden = world.groups.1;
    let mut removed = false;
    loop {
        match socket.next().await {
            Came::Frame(frame) if frame["type"] == "conversation_removed" => {
                removed |= number(&frame, "conversation_id") == hidden;
            }
            Came::Frame(frame) if frame["type"] == "message" => {
                let id = number(&frame, "conversation_id");
                if removed && id == hidden {
                    world.shared.violate("members_only", format!("told after the removal: {frame}"));
                }
                if id == group && number(&frame["message"], "seq") == seq {
                    break;
                }
            }
            Came::Frame(_) => {}
            end => {
                world.shared.violate("delivered", format!("{seq} of {group} did not come: {end:?}"));
                return;
            }
        }
    }
    if group != hidden && !removed {
        world.shared.violate("members", "a removal was not told to the one removed");
    }
}

/// Of a deleted message no text remains, neither the first nor the later ones.
async fn a_deletion_leaves_nothing(world: &mut World) {
    let (at, owner, reader) = (world.address(), world.people[0].clone(), world.people[1].clone());
    let mut socket = RawSocket::connect(at, &owner.token, None).await.unwrap();
    let id = world.chance.send_id();
    let Some((seq, _)) = world.ask(&mut socket, &owner, &send(id, 1)).await else { return };
    let id = world.chance.send_id().to_string();
    let edit = json!({"type": "edit", "id": id, "conversation_id": 1, "seq": seq, "body": "not for ever"});
    let delete = json!({"type": "delete", "id": id, "conversation_id": 1, "seq": seq});
    for frame in [edit, delete] {
        world.ask(&mut socket, &owner, &ClientFrame::parse(&frame.to_string()).unwrap()).await;
    }
    let edits = call(at, &reader, "GET", &format!("/conversations/1/messages/{seq}/edits"), json!({})).await;
    let message = call(at, &reader, "GET", &format!("/conversations/1/messages/{seq}"), json!({})).await;
    if edits["edits"] != json!([]) || message["body"] != "" {
        world.shared.violate("deleted", format!("{edits} {message}"));
    }
}

/// The ids of a group that is gone stay known: its messages cannot be sent a second time.
async fn a_purge_keeps_the_ids(world: &mut World) {
    let owner = world.people[0].clone();
    let name = format!("gone{}", world.chance.below(1 << 30));
    let made = call(world.address(), &owner, "POST", "/groups", json!({"name": name})).await;
    let group = number(&made, "id");
    let frame = send(world.chance.send_id(), group);
    let mut socket = RawSocket::connect(world.address(), &owner.token, None).await.unwrap();
    let first = world.ask(&mut socket, &owner, &frame).await;
    call(world.address(), &owner, "DELETE", &format!("/groups/{group}"), json!({})).await;
    // What deleted groups leave behind is removed at a start.
    world.restart_server().await;
    let purged = tokio::time::timeout(world.plan.patience, async {
        while world.place.stored(group) > 0 {
            tokio::task::yield_now().await;
        }
    });
    if purged.await.is_err() {
        world.shared.violate("deleted", "a deleted group is not purged");
    }
    let mut socket = RawSocket::connect(world.address(), &owner.token, None).await.unwrap();
    let again = world.ask(&mut socket, &owner, &frame).await;
    if again != first {
        world.shared.violate("first_answer", format!("{first:?}, and after the purge {again:?}"));
    }
    world.shared.change(|record| record.model.purged(group));
}

/// A read cursor that moves on one device is told to the others.
async fn cursors_are_told_to_other_devices(world: &mut World) {
    let (at, login) = (world.address(), world.people[1].clone());
    let mut reads = RawSocket::connect(at, &login.token, None).await.unwrap();
    let mut is_told = RawSocket::connect(at, &login.token, None).await.unwrap();
    is_told.next_of("ready").await;
    let mut says = RawSocket::connect(at, &world.people[0].token, None).await.unwrap();
    let owner = world.people[0].clone();
    let Some((seq, _)) = say(world, &mut says, &owner, 1).await else { return };
    let _ = reads.send(&json!({"type": "read", "conversation_id": 1, "seq": seq})).await;
    let told = tokio::time::timeout(world.plan.patience, async {
        while let Some(frame) = is_told.next_of("read").await {
            if number(&frame, "conversation_id") == 1 && number(&frame, "seq") >= seq {
                return true;
            }
        }
        false
    });
    if !told.await.unwrap_or(false) {
        world.shared.violate("read_cursor", "another device was not told of the cursor");
    }
}
