//! The network: chaos, connections that are half open, and everybody coming back at once.

use crate::chance::Chance;
use crate::proxy::{Proxy, Weather};
use crate::raw::{Came, RawSocket};
use crate::world::{World, register};
use chat_shared::frame::ClientFrame;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Acknowledgements that have to get through the chaos.
const THROUGH: u64 = 60;
/// Connections that come back at once. More are only waited for longer.
const STORM: usize = 100;

/// Delays, cuts in the midst of frames, resets.
pub(crate) async fn chaos(world: &mut World) {
    let chance = Chance::new(world.chance.next(), "chaos");
    let proxy = Proxy::before(world.address(), Weather::Chaos, chance).await.unwrap();
    world.shared.address.send_replace(Some(proxy.address));
    world.goes_on("through a bad network", THROUGH).await;
    world.shared.address.send_replace(Some(world.address()));
}

/// A connection goes silent without an end: the server gives it up, and tells others that its user is gone.
pub(crate) async fn half_open(world: &mut World) {
    let chance = Chance::new(world.chance.next(), "half open");
    let proxy = Proxy::before(world.address(), Weather::Fair, chance).await.unwrap();
    let name = format!("ghost{}", world.chance.below(1 << 30));
    let ghost = register(world.address(), &name).await;
    let mut socket = RawSocket::connect(proxy.address, &ghost.token, None).await.unwrap();
    socket.next_of("ready").await;
    // They share the group that all are in. Those whose connection broke meanwhile know it from `ready`.
    let online = |wanted: bool| {
        let name = name.clone();
        move |record: &crate::shared::Record| {
            record.devices[0].online.get(&name).copied().unwrap_or(false) == wanted
        }
    };
    if !world.shared.until(online(true)).await {
        world.shared.violate("presence", format!("{name} came, and nobody was told"));
    }
    proxy.weather.send_replace(Weather::Swallow);
    if !world.shared.until(online(false)).await {
        world.shared.violate("presence", format!("{name} has been silent, and is still online"));
    }
    proxy.weather.send_replace(Weather::Fair);
}

/// Killed, and everybody comes back at the same moment, with many more: each is told the heads, and follows.
pub(crate) async fn storm(world: &mut World) {
    world.take_server().kill();
    world.kills += 1;
    world.start_server();
    let at = world.address();
    let login = world.people[1].clone();
    let marker = world.chance.send_id().to_string();
    let coming = (0..STORM).map(|_| {
        let (token, marker) = (login.token.clone(), marker.clone());
        tokio::spawn(async move { follow(at, &token, &marker).await })
    });
    let coming: Vec<_> = coming.collect();
    // When all have their `ready`, one sends; all see it.
    let mut sender = RawSocket::connect(at, &world.people[0].token, None).await.unwrap();
    sender.next_of("ready").await;
    let send = json!({"type": "send", "id": marker, "conversation_id": 1, "body": format!("text {marker}")});
    let frame = ClientFrame::parse(&send.to_string()).unwrap();
    world.ask(&mut sender, &world.people[0], &frame).await;
    for one in coming {
        if let Err(wrong) = one.await.unwrap() {
            world.shared.violate("storm", wrong);
        }
    }
}

/// Connects and follows until the marker is there, in `ready`'s heads or as an event; revs must not skip.
async fn follow(at: std::net::SocketAddr, token: &str, marker: &str) -> Result<(), String> {
    let mut socket = RawSocket::connect(at, token, None).await.map_err(|error| error.to_string())?;
    let Came::Frame(ready) = socket.next().await else { return Err("no ready".to_owned()) };
    if ready["type"] != "ready" {
        return Err(format!("the first frame is {ready}"));
    }
    let conversations = ready["conversations"].as_array().into_iter().flatten();
    let heads: HashMap<i64, i64> =
        conversations.filter_map(|c| Some((c["id"].as_i64()?, c["head_rev"].as_i64()?))).collect();
    let mut last = heads.clone();
    // Whether the marker came before this connection did can be read.
    let path = "/conversations/1/messages?limit=200";
    let (_, page) =
        crate::raw::call(at, token, "GET", path, None).await.map_err(|error| error.to_string())?;
    if page["messages"].as_array().into_iter().flatten().any(|message| message["id"] == marker) {
        return Ok(());
    }
    loop {
        let frame: Value = match socket.next().await {
            Came::Frame(frame) if frame["type"] == "message" => frame,
            Came::Frame(_) => continue,
            end => return Err(format!("it ended with {end:?}")),
        };
        let (id, rev) = (frame["conversation_id"].as_i64().unwrap_or(0), frame["rev"].as_i64().unwrap_or(0));
        let before = last.entry(id).or_insert(rev - 1);
        if rev > *before + 1 {
            return Err(format!("rev {rev} of {id} after {before}"));
        }
        *before = rev.max(*before);
        if frame["message"]["id"] == marker {
            return Ok(());
        }
    }
}
