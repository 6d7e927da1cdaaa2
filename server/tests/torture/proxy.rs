//! A bad network between clients and server: it delays, cuts in the midst of frames, resets, and swallows.

use crate::chance::Chance;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The longest delay of a piece.
const DELAY_MS: usize = 20;
/// The most that goes through a connection before it is cut.
const CUT_AFTER: usize = 60_000;

/// What becomes of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Delays, cuts and resets.
    Chaos,
    /// All goes through.
    Fair,
    /// Nothing goes through, and nobody is told: no byte, no end.
    Swallow,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    pub(crate) weather: watch::Sender<Weather>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr, weather: Weather, chance: Chance) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let weather = watch::Sender::new(weather);
        let chance = Arc::new(Mutex::new(chance));
        let told = weather.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (told, chance) = (told.clone(), chance.clone());
                tokio::spawn(async move {
                    if let Ok(upstream) = TcpStream::connect(server).await {
                        pass(client, upstream, &told, &chance).await;
                    }
                });
            }
        });
        Ok(Self { address, weather, accepting })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes on in both directions, until one of them ends or the network has enough.
async fn pass(
    client: TcpStream,
    server: TcpStream,
    weather: &watch::Sender<Weather>,
    chance: &Mutex<Chance>,
) {
    let (budget, resets) = {
        let mut chance = chance.lock().unwrap();
        (chance.below(CUT_AFTER), chance.one_in(2))
    };
    if resets && *weather.borrow() == Weather::Chaos {
        // Dropping it then is a reset, not an end.
        let _ = client.set_zero_linger();
        let _ = server.set_zero_linger();
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        () = one_way(from_client, to_server, budget, weather, chance) => {}
        () = one_way(from_server, to_client, budget, weather, chance) => {}
    }
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut budget: usize,
    weather: &watch::Sender<Weather>,
    chance: &Mutex<Chance>,
) {
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let now = *weather.borrow();
        let mut piece = &buffer[..count];
        if now == Weather::Chaos {
            let delay = chance.lock().unwrap().below(DELAY_MS) as u64;
            tokio::time::sleep(Duration::from_millis(delay)).await;
            piece = &piece[..count.min(budget)];
            budget -= piece.len();
        }
        if now == Weather::Swallow {
            continue;
        }
        if to.write_all(piece).await.is_err() || (now == Weather::Chaos && budget == 0) {
            return;
        }
    }
    if *weather.borrow() == Weather::Swallow {
        // An end does not go through either: until the weather changes.
        let _ = weather.subscribe().wait_for(|weather| *weather != Weather::Swallow).await;
    }
}
