//! The life of one connection: a loop over socket, queue and clock, and nothing else.

use super::decoder::{Decoder, Incoming, MESSAGE_TIME, Violation};
use super::dispatch::Dispatch;
use super::encode;
use super::link::Link;
use super::wire::Wire;
use crate::chat::{Caller, Chat};
use crate::hub::Connection;
use crate::listener::{ConnectionGuard, Transport};
use crate::planted::{Bug, planted};
use chat_shared::close::CloseCode;
use chat_shared::limits;
use std::io;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt as _, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// How long a reader may take nothing before it is cut.
const STUCK: Duration = Duration::from_secs(10);
/// How long the close frame may take to go out.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long, and for how many bytes, is read on after the close frame, so that the system does not
/// answer what is still arriving with a reset that would overtake it.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 64 * 1024;
/// After this many bytes the other connections of the thread have their turn: the runtime counts reads, not
/// what handling them costs, and would let a flood go on for megabytes.
const TURN: usize = 16 * 1024;

/// What an operator (or a test) can choose.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Between two pings; silence for two of them ends the connection.
    pub heartbeat: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self { heartbeat: Duration::from_millis(limits::HEARTBEAT_MS) }
    }
}

/// How a session ended.
enum End {
    /// We close, and say why.
    Close(CloseCode, String),
    /// The peer closed properly.
    Answer,
    /// The socket is gone.
    Gone,
}

/// Why a session could not begin.
struct Refusal {
    end: End,
    /// Do the others know of it?
    registered: bool,
}

struct Session {
    link: Arc<Link>,
    wire: Wire,
    decoder: Decoder,
    dispatch: Dispatch,
    heartbeat: Duration,
    heard: Heard,
    next_ping: Instant,
}

/// What came from the peer.
struct Heard {
    last: Instant,
    /// Bytes since the others had their turn.
    this_turn: usize,
}

/// Serves one upgraded connection to its end. `early`: bytes that arrived with the upgrade request.
///
/// Made here instead of in an `async fn`, which would keep what it was given beside what it makes of it, for as
/// long as the connection lives.
pub(super) fn serve(
    chat: Arc<Chat>,
    caller: Caller,
    expires_at: i64,
    transport: Transport,
    early: Vec<u8>,
    guard: Option<ConnectionGuard>,
) -> impl Future<Output = ()> + Send {
    let (wire, socket, writer) = match transport {
        Transport::Plain(socket) => {
            let socket = Arc::new(socket);
            (Wire::Plain(socket.clone()), Some(socket), None)
        }
        Transport::Tls(stream) => {
            let (reader, writer) = tokio::io::split(*stream);
            (Wire::Tls(reader), None, Some(writer))
        }
    };
    let link = Arc::new(Link::new(caller.user, caller.session.clone(), socket));
    if let Some(writer) = writer {
        tokio::spawn(write_encrypted(link.clone(), writer));
    }
    let heartbeat = chat.session_options().heartbeat;
    let now = Instant::now();
    let mut session = Session {
        dispatch: Dispatch::new(chat, caller, expires_at, link.clone()),
        wire,
        decoder: Decoder::default(),
        heartbeat,
        heard: Heard { last: now, this_turn: 0 },
        next_ping: now + heartbeat,
        link,
    };
    async move {
        session.live(early).await;
        drop(guard);
    }
}

impl Session {
    /// From the first word to the last. What happens once is boxed: the connection would hold the room for it.
    async fn live(&mut self, early: Vec<u8>) {
        let end = match Box::pin(self.begin()).await {
            Ok(()) => self.run(early).await,
            Err(Refusal { end, registered: false }) => return Box::pin(self.finish(end)).await,
            Err(Refusal { end, registered: true }) => end,
        };
        self.dispatch.finish();
        let chat = self.dispatch.chat();
        // It counts no longer, but whoever waits for all connections to end waits for its good-bye too.
        chat.hub().unregister(self.link.user(), self.link.id(), chat.now());
        Box::pin(self.finish(end)).await;
        self.dispatch.chat().hub().left();
    }

    /// Joins the others, and is told how everything stands.
    async fn begin(&mut self) -> Result<(), Refusal> {
        let Self { dispatch, link, .. } = self;
        let (chat, caller) = (dispatch.chat(), dispatch.caller());
        let refusal = |code: CloseCode, reason: &str, registered| Refusal {
            end: End::Close(code, reason.to_owned()),
            registered,
        };
        let register = || chat.hub().register(caller.user, &caller.username, link.clone());
        let is_late = planted(Bug::ReadyBeforeSubscribe);
        if !is_late && register().is_err() {
            let code = CloseCode::TooManyConnections;
            return Err(refusal(code, code.reason(), false));
        }
        match chat.ready(caller, link.id()).await {
            Ok(Some(ready)) => {
                if is_late {
                    // Long enough for something to happen.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let _ = register();
                }
                link.open(&ready);
                Ok(())
            }
            Ok(None) => {
                let code = CloseCode::SessionEnded;
                Err(refusal(code, code.reason(), true))
            }
            Err(_) => Err(refusal(CloseCode::Restart, "the server is busy; retry_after_ms=2000", true)),
        }
    }

    async fn run(&mut self, mut early: Vec<u8>) -> End {
        if !early.is_empty()
            && let Some(end) = self.take(&mut early)
        {
            return end;
        }
        drop(early);
        let mut alarm = pin!(tokio::time::sleep_until(self.next_alarm(None).into()));
        loop {
            if let Some((code, reason)) = self.link.end() {
                return End::Close(code, reason);
            }
            if self.link.is_dead() {
                return End::Gone;
            }
            let stuck = self.link.stuck_since();
            let next = self.next_alarm(stuck).into();
            if alarm.deadline() != next {
                alarm.as_mut().reset(next);
            }
            let link = self.link.clone();
            let may_read = link.may_read();
            // Field by field, so that reading can use all the rest.
            let Self { wire, decoder, dispatch, heard, .. } = self;
            tokio::select! {
                () = link.wake.notified() => {}
                () = alarm.as_mut() => {
                    if let Some(end) = self.ring() {
                        return end;
                    }
                }
                read = read(wire, decoder, dispatch, heard), if may_read && stuck.is_none() => match read {
                    Ok(None) => {}
                    Ok(Some(end)) => return end,
                    Err(_) => return End::Gone,
                },
                () = writable(&link, stuck.is_some()) => {
                    link.unstick();
                    // Who takes something is there, though the answer to a ping waits behind what is not read yet.
                    self.heard.last = Instant::now();
                }
            }
            if self.heard.this_turn >= TURN {
                self.heard.this_turn = 0;
                tokio::task::yield_now().await;
            }
        }
    }

    /// Takes bytes that were read elsewhere.
    fn take(&mut self, bytes: &mut [u8]) -> Option<End> {
        take(&mut self.decoder, &mut self.dispatch, bytes, Instant::now())
    }

    /// When the peer will have been silent for too long. Not looked at with each ping: an answer comes a moment
    /// after its ping, so that the second ping from then on is that moment too early.
    fn too_silent_at(&self) -> Option<Instant> {
        (!planted(Bug::SilentKept)).then(|| self.heard.last + self.heartbeat * 2)
    }

    /// When to look at the clock next.
    fn next_alarm(&self, stuck: Option<Instant>) -> Instant {
        let mut next = self.next_ping.min(self.dispatch.next_alarm());
        if let Some(at) = self.too_silent_at() {
            next = next.min(at);
        }
        if let Some(since) = stuck {
            next = next.min(since + STUCK);
        }
        if let Some(since) = self.decoder.incomplete_since() {
            next = next.min(since + MESSAGE_TIME);
        }
        next
    }

    /// Looks at the clock.
    fn ring(&mut self) -> Option<End> {
        let now = Instant::now();
        let close = |code: CloseCode| Some(End::Close(code, code.reason().to_owned()));
        let is_stuck = self.link.stuck_since().is_some_and(|since| now >= since + STUCK);
        if is_stuck && !planted(Bug::SlowKept) {
            return close(CloseCode::TooSlow);
        }
        if self.decoder.incomplete_since().is_some_and(|since| now >= since + MESSAGE_TIME) {
            return Some(End::Close(
                CloseCode::Protocol,
                "a message must arrive within 10 seconds".to_owned(),
            ));
        }
        if self.too_silent_at().is_some_and(|at| now >= at) {
            return close(CloseCode::Silent);
        }
        if now >= self.next_ping {
            self.next_ping = now + self.heartbeat;
            self.link.reply_bytes(encode::ping());
        }
        if self.dispatch.ring(now) { close(CloseCode::TokenExpired) } else { None }
    }

    async fn finish(&mut self, end: End) {
        let (code, reason) = match end {
            End::Gone => return self.link.kill(),
            End::Answer => (CloseCode::Normal, CloseCode::Normal.reason().to_owned()),
            End::Close(code, reason) => (code, reason),
        };
        tracing::debug!(connection = self.link.id(), user = %self.link.user(), code = code.code(), reason, "connection closed");
        self.link.farewell(code, &reason);
        let written = async {
            while !self.link.is_written() {
                tokio::select! {
                    () = self.wire.writable() => self.link.unstick(),
                    () = self.link.wake.notified() => {}
                }
            }
        };
        let _ = tokio::time::timeout(FAREWELL, written).await;
        self.link.kill();
        if let Wire::Plain(socket) = &self.wire {
            let _ = socket2::SockRef::from(&**socket).shutdown(std::net::Shutdown::Write);
        }
        self.link.write.notify_one();
        let lingering = async {
            let mut left = LINGER_BYTES;
            while let Ok(count) = self.wire.read(|bytes| bytes.len()).await {
                left = left.saturating_sub(count);
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(LINGER, lingering).await;
    }
}

async fn read(
    wire: &mut Wire,
    decoder: &mut Decoder,
    dispatch: &mut Dispatch,
    heard: &mut Heard,
) -> io::Result<Option<End>> {
    wire.read(|bytes| {
        let now = Instant::now();
        *heard = Heard { last: now, this_turn: heard.this_turn + bytes.len() };
        take(decoder, dispatch, bytes, now)
    })
    .await
}

async fn writable(link: &Link, wanted: bool) {
    match link.socket().filter(|_| wanted) {
        Some(socket) => {
            let _ = socket.writable().await;
        }
        None => std::future::pending().await,
    }
}

fn take(decoder: &mut Decoder, dispatch: &mut Dispatch, bytes: &mut [u8], now: Instant) -> Option<End> {
    let mut end = None;
    let fed = decoder.feed(bytes, now, |incoming| match incoming {
        Incoming::Text(text) => {
            if dispatch.text(text, now) {
                ControlFlow::Continue(())
            } else {
                let code = CloseCode::BadFrames;
                end = Some(End::Close(code, code.reason().to_owned()));
                ControlFlow::Break(())
            }
        }
        Incoming::Ping(payload) => {
            dispatch.link().reply_bytes(encode::pong(payload));
            ControlFlow::Continue(())
        }
        Incoming::Pong => ControlFlow::Continue(()),
        Incoming::Close => {
            end = Some(End::Answer);
            ControlFlow::Break(())
        }
    });
    match fed {
        Err(Violation { code, why }) => Some(End::Close(code, why.to_owned())),
        Ok(_) => end,
    }
}

/// Writes what is queued for an encrypted connection, which only one task at a time can do.
async fn write_encrypted(link: Arc<Link>, mut writer: WriteHalf<TlsStream<TcpStream>>) {
    while !link.is_dead() {
        link.write.notified().await;
        while let Some(chunk) = link.take() {
            let written = async {
                writer.write_all(&chunk).await?;
                writer.flush().await
            };
            if written.await.is_err() {
                link.kill();
            }
        }
        link.wake.notify_one();
    }
    let _ = tokio::time::timeout(FAREWELL, writer.shutdown()).await;
}
