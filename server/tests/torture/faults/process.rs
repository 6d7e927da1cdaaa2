//! The server's process: killed, or asked to stop.

use crate::raw::{Came, RawSocket};
use crate::world::World;
use futures_util::future::join_all;
use std::time::Instant;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Request heads that are never ended.
const HALF_SENT: usize = 20;

/// `kill -9`, and a new start.
pub(crate) async fn kill(world: &mut World) {
    // At a moment that nobody chose.
    let more = world.chance.below(150) as u64;
    world.shared.more_acks(more).await;
    world.take_server().kill();
    world.kills += 1;
    world.start_server();
}

/// It is asked to stop, while people write and half-sent requests stand open: it takes its leave of everybody.
pub(crate) async fn stop(world: &mut World) {
    let mut half_sent = Vec::new();
    for _ in 0..HALF_SENT {
        if let Ok(mut socket) = TcpStream::connect(world.address()).await {
            let _ = socket.write_all(b"GET /api/v1/me HTTP/1.1\r\nHost:").await;
            half_sent.push(socket);
        }
    }
    let mut readers = Vec::new();
    for login in &world.people {
        let mut reader = RawSocket::connect(world.address(), &login.token, None).await.unwrap();
        reader.next_of("ready").await;
        readers.push(reader);
    }
    let reading = readers.into_iter().map(|mut reader| async move {
        loop {
            match reader.next().await {
                Came::Frame(_) => {}
                end => return end,
            }
        }
    });
    let asked = Instant::now();
    let server = world.take_server();
    let (code, ends) = tokio::join!(server.stop(), join_all(reading));
    if code != Some(0) {
        world.shared.violate("stops", format!("{code:?} after {:?}", asked.elapsed()));
    }
    for end in ends.iter().filter(|end| !matches!(end, Came::Closed(1012))) {
        world.shared.violate("takes_leave", format!("somebody was left with {end:?}"));
    }
    world.start_server();
}
