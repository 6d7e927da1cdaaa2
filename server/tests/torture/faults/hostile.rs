//! Clients that mean harm, or do it: malformed frames, readers that do not read, sockets without end.

use crate::raw::{Came, RawSocket, client_frame};
use crate::server::HEARTBEAT;
use crate::shared::Login;
use crate::world::{World, call, register};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Connections that send what they drew by lot.
const GARBAGE: usize = 60;
/// Frames of which one is the end of none.
const FRAGMENTS: usize = 5_000;
/// Well before the ten seconds after which a message that is not whole, or a reader that does not read, is cut.
const PROMPT: Duration = Duration::from_secs(8);
/// Messages of almost the largest size, which together are far more than may wait for one reader.
const FLOOD: usize = 200;
const FLOOD_BODY: usize = 16_000;
/// What the system may keep for a reader that does not read.
const WINDOW: u32 = 4096;
/// What the server, and the system for it, may hold more for readers that do not read.
const MEMORY: u64 = 64 << 20;
/// Files and sockets that the server may open, and sockets that are opened to it.
const DESCRIPTORS: u32 = 60;
const SOCKETS: usize = 80;

/// What is malformed, and the code with which the server closes.
fn malformed() -> Vec<(&'static str, Vec<u8>, u16)> {
    let mut unmasked = client_frame(0x81, b"{}");
    unmasked[1] &= 0x7F;
    let mut flood = client_frame(0x01, b"");
    flood.extend((0..FRAGMENTS).flat_map(|_| client_frame(0x00, b"")));
    vec![
        ("compressed", client_frame(0xC1, b"x"), 1002),
        ("opcode 3", client_frame(0x83, b"x"), 1002),
        ("unmasked", unmasked, 1002),
        ("a long ping", client_frame(0x89, &[0; 126]), 1002),
        ("a ping in parts", client_frame(0x09, b""), 1002),
        ("a continuation of nothing", client_frame(0x80, b"x"), 1002),
        ("half a close code", client_frame(0x88, b"x"), 1002),
        ("no text", client_frame(0x81, &[0xFF, 0xFE]), 1007),
        ("binary", client_frame(0x82, b"x"), 1003),
        ("too long", client_frame(0x81, &vec![b'x'; 64 * 1024 + 1]), 1009),
        ("ten bad frames", (0..10).flat_map(|_| client_frame(0x81, b"[]")).collect(), 4501),
        ("fragments without end", flood, 1002),
    ]
}

/// Malformed frames, garbage and a flood of fragments beside the load: each is cut with its code, alone.
pub(crate) async fn malformed_frames(world: &mut World) {
    let (at, mallory) = (world.address(), world.outsider().token.clone());
    for (what, bytes, code) in malformed() {
        let mut socket = RawSocket::connect(at, &mallory, None).await.unwrap();
        let begun = Instant::now();
        // It may be cut while it still writes.
        let _ = socket.stream.write_all(&bytes).await;
        let end = end_of(&mut socket).await;
        if !matches!(end, Came::Closed(told) if told == code) || begun.elapsed() > PROMPT {
            world.shared.violate("malformed", format!("{what}: {end:?} instead of {code}"));
        }
    }
    for _ in 0..GARBAGE {
        let count = 1 + world.chance.below(400);
        let garbage = world.chance.bytes(count);
        let mut socket = RawSocket::connect(at, &mallory, None).await.unwrap();
        let _ = socket.stream.write_all(&garbage).await;
        let _ = socket.stream.shutdown().await;
        end_of(&mut socket).await;
    }
}

/// Reads to the end; how it ended.
async fn end_of(socket: &mut RawSocket) -> Came {
    loop {
        match socket.next().await {
            Came::Frame(_) => {}
            end => return end,
        }
    }
}

/// Readers that stop reading while much is sent: they cost little, the late ones are told that they missed
/// something and can read it, the ones that never read are cut.
pub(crate) async fn slow_readers(world: &mut World) {
    // Readers that do not read do not answer pings either; that is not what they are to be cut for.
    world.place.heartbeat = 10 * HEARTBEAT;
    world.restart_server().await;
    let at = world.address();
    let number = world.chance.below(1 << 30);
    let writer = register(at, &format!("writer{number}")).await;
    let sloth = register(at, &format!("sloth{number}")).await;
    let body = json!({"name": format!("flood{number}"), "visibility": "private"});
    let group = call(at, &writer, "POST", "/groups", body).await["id"].as_i64().unwrap();
    call(at, &writer, "PUT", &format!("/groups/{group}/members/{}", sloth.name), json!({})).await;
    // Not the writer, who is sent the flood as well, and would be cut like them where it takes long.
    let mut watching = RawSocket::connect(at, &world.people[0].token, None).await.unwrap();
    let mut late = RawSocket::connect(at, &sloth.token, Some(WINDOW)).await.unwrap();
    let never = RawSocket::connect(at, &sloth.token, Some(WINDOW)).await.unwrap();
    let (memory, sockets, begun) = (world.server().memory(), socket_memory(), Instant::now());
    let body = "x".repeat(FLOOD_BODY);
    for _ in 0..FLOOD {
        let id = world.chance.send_id().to_string();
        let body = json!({"id": id, "body": body});
        call(at, &writer, "POST", &format!("/conversations/{group}/messages"), body).await;
    }
    let grown = world.server().memory().saturating_sub(memory);
    let waiting = socket_memory().saturating_sub(sockets);
    if grown > MEMORY || waiting > MEMORY {
        world.shared.violate("bounded", format!("{grown} bytes more, {waiting} in sockets"));
    }
    match stragglers_view(&mut late, group, FLOOD as i64).await {
        Ok(()) => catches_up(world, &sloth, group).await,
        // Where the flood took that long it was rightly cut.
        Err(_) if begun.elapsed() > PROMPT => catches_up(world, &sloth, group).await,
        Err(wrong) => world.shared.violate("resync", wrong),
    }
    // The other one was not read from at all: when it is cut, and the first has left, their user is gone.
    drop(late);
    if !is_gone(&mut watching, &sloth.name).await {
        world.shared.violate("too_slow", "a reader that never reads is kept");
    }
    drop(never);
    call(at, &writer, "DELETE", &format!("/groups/{group}"), json!({})).await;
    world.place.heartbeat = HEARTBEAT;
    world.restart_server().await;
}

/// Reads what a late reader is sent: without a hole, up to the `resync` that says that there is one.
async fn stragglers_view(socket: &mut RawSocket, group: i64, wanted: i64) -> Result<(), String> {
    let mut last: HashMap<i64, i64> = HashMap::new();
    loop {
        match socket.next().await {
            Came::Frame(frame) if frame["type"] == "resync" => return Ok(()),
            Came::Frame(frame) if frame["type"] == "message" => {
                let (id, rev) =
                    (frame["conversation_id"].as_i64().unwrap_or(0), frame["rev"].as_i64().unwrap_or(0));
                if let Some(before) = last.insert(id, rev)
                    && rev != before + 1
                {
                    return Err(format!("rev {rev} of {id} after {before}, without a resync"));
                }
                if id == group && rev > wanted {
                    return Err("a reader that did not read was sent everything".to_owned());
                }
            }
            Came::Frame(_) => {}
            end => return Err(format!("a late reader was cut with {end:?}")),
        }
    }
}

/// Whoever missed events reads them.
async fn catches_up(world: &World, login: &Login, group: i64) {
    let (mut since, mut seen) = (0, 0);
    loop {
        let path = format!("/conversations/{group}/changes?since={since}&limit=200");
        let changes = call(world.address(), login, "GET", &path, json!({})).await;
        let messages = changes["messages"].as_array().cloned().unwrap_or_default();
        seen += messages.iter().filter(|message| message["kind"] == "text").count();
        since = messages.last().map_or(since, |message| message["rev"].as_i64().unwrap_or(since));
        if changes["has_more"] != true {
            break;
        }
    }
    if seen != FLOOD {
        world.shared.violate("delivered", format!("a late reader found {seen} of {FLOOD} messages"));
    }
}

/// Is it told that this user went offline?
async fn is_gone(watching: &mut RawSocket, name: &str) -> bool {
    while let Some(frame) = watching.next_of("presence").await {
        let changes = frame["changes"].as_array().cloned().unwrap_or_default();
        if changes.iter().any(|change| change["username"] == name && change["online"] == false) {
            return true;
        }
    }
    false
}

/// Bytes that the system holds for TCP sockets, of all programs.
pub(crate) fn socket_memory() -> u64 {
    const PAGE: u64 = 4096;
    let text = std::fs::read_to_string("/proc/net/sockstat").unwrap();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap();
    let pages = line.split(' ').skip_while(|word| *word != "mem").nth(1);
    pages.and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE
}

/// More sockets than the server has descriptors: those inside are served, and afterwards everybody is.
pub(crate) async fn descriptors(world: &mut World) {
    world.place.descriptors = Some(DESCRIPTORS);
    world.restart_server().await;
    let everybody = |record: &crate::shared::Record| record.devices.iter().all(|device| device.connected);
    world.shared.until(everybody).await;
    let mut idle = Vec::new();
    for _ in 0..SOCKETS {
        idle.extend(TcpStream::connect(world.address()).await);
    }
    world.goes_on("while there are no descriptors", world.plan.load / 2).await;
    drop(idle);
    if RawSocket::connect(world.address(), &world.people[0].token, None).await.is_err() {
        world.shared.violate("recovers", "nobody gets in although there are descriptors again");
    }
    world.place.descriptors = None;
    world.restart_server().await;
}
