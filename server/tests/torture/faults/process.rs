//! The server's process: killed, or asked to stop.

use crate::world::World;
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Request heads that are never ended.
const HALF_SENT: usize = 20;

/// `kill -9`, and a new start.
pub(crate) async fn kill(world: &mut World) {
    // At a moment that nobody chose.
    let more = world.chance.below(40) as u64;
    world.shared.more_acks(more).await;
    world.take_server().kill();
    world.kills += 1;
    world.start_server();
}

/// It is asked to stop, while people write and half-sent requests stand open: it takes its leave of everybody.
pub(crate) async fn stop(world: &mut World) {
    let mut open = Vec::new();
    for _ in 0..HALF_SENT {
        if let Ok(mut socket) = TcpStream::connect(world.address()).await {
            let _ = socket.write_all(b"GET /api/v1/me HTTP/1.1\r\nHost:").await;
            open.push(socket);
        }
    }
    let all_connected = |r: &crate::shared::Record| r.devices.iter().all(|device| device.connected);
    world.shared.until(all_connected).await;
    world.shared.change(|record| record.devices.iter_mut().for_each(|device| device.closed.clear()));
    let asked = Instant::now();
    let code = world.take_server().stop().await;
    if code != Some(0) {
        world.shared.violate("stops", format!("{code:?} after {:?}", asked.elapsed()));
    }
    let told = world.shared.until(|r| r.devices.iter().all(|device| device.closed.contains(&1012))).await;
    if !told {
        world.shared.violate("takes_leave", "not everybody was closed with 1012");
    }
    drop(open);
    world.start_server();
}
