//! One connection as the rest of the server reaches it.
//!
//! Whoever has something to say queues it and, if told to, writes it at once, straight into the
//! socket; only where that would block the connection's own task takes over. A task and a wake-up
//! per delivery would cost more than the delivery.
//!
//! Lock: one, for the queue. It may be taken inside the hub's lock; the hub MUST NOT be called with it.

use super::encode::{close, encode};
use super::outbox::Outbox;
use crate::hub::{Connection, Frame, FrameKind};
use crate::planted::{Bug, planted};
use bytes::Bytes;
use chat_shared::close::CloseCode;
use chat_shared::frame::ServerFrame;
use chat_shared::{SessionId, UserId};
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// Writes of one connection that may wait for their commit; then it is not read from for a while.
const IN_FLIGHT_MAX: usize = 128;
/// Frames in one system call.
const SLICES: usize = 64;
/// Bytes that an encrypted connection's writer takes at once.
const CHUNK: usize = 64 * 1024;

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(super) struct Link {
    id: u64,
    user: UserId,
    session: SessionId,
    /// `None`: encrypted, and written by a task of its own.
    socket: Option<Arc<TcpStream>>,
    state: Mutex<State>,
    in_flight: AtomicUsize,
    /// The session has something to look at.
    pub(super) wake: Notify,
    /// The encrypted connection's writer has something to write.
    pub(super) write: Notify,
}

struct State {
    outbox: Outbox,
    /// Held back until `ready` is there.
    gated: bool,
    /// Somebody will flush.
    promised: bool,
    /// Since when the socket has taken nothing although something waits.
    stuck_since: Option<Instant>,
    /// How the connection is to end.
    end: Option<(CloseCode, String)>,
    /// Nothing can be written any more.
    dead: bool,
}

impl Link {
    pub(super) fn new(user: UserId, session: SessionId, socket: Option<Arc<TcpStream>>) -> Self {
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            user,
            session,
            socket,
            state: Mutex::new(State {
                outbox: Outbox::default(),
                gated: !planted(Bug::ReadyNotFirst),
                promised: false,
                stuck_since: None,
                end: None,
                dead: false,
            }),
            in_flight: AtomicUsize::new(0),
            wake: Notify::new(),
            write: Notify::new(),
        }
    }

    pub(super) fn user(&self) -> UserId {
        self.user
    }

    /// The plain socket.
    pub(super) fn socket(&self) -> Option<&TcpStream> {
        self.socket.as_deref()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts `ready` before everything that gathered, and lets it all go.
    pub(super) fn open(&self, ready: &ServerFrame) {
        let bytes = encode(ready);
        let mut state = self.state();
        state.outbox.push_front(bytes);
        state.gated = false;
        self.write_now(&mut state);
    }

    /// Answers this connection: with whatever else is about to be written, or at once.
    pub(super) fn reply(&self, frame: &ServerFrame) {
        self.reply_bytes(encode(frame));
    }

    pub(super) fn reply_bytes(&self, bytes: Bytes) {
        if self.push(&Frame { bytes, kind: FrameKind::Reply }) {
            self.flush();
        }
    }

    /// Notes that a write was asked for whose answer will come.
    pub(super) fn begin(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that it came.
    pub(super) fn finish(&self) {
        if self.in_flight.fetch_sub(1, Ordering::Relaxed) == IN_FLIGHT_MAX {
            self.wake.notify_one();
        }
    }

    /// May more be read, or would it only pile up?
    pub(super) fn may_read(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) < IN_FLIGHT_MAX && !self.state().outbox.is_full_of_replies()
    }

    pub(super) fn stuck_since(&self) -> Option<Instant> {
        self.state().stuck_since
    }

    /// How the connection is to end, if it is.
    pub(super) fn end(&self) -> Option<(CloseCode, String)> {
        self.state().end.clone()
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// The socket may take something again.
    pub(super) fn unstick(&self) {
        let mut state = self.state();
        self.write_now(&mut state);
    }

    /// Queues the close frame as the last; before it only what is already on its way if the reader
    /// was too slow for the rest.
    pub(super) fn farewell(&self, code: CloseCode, reason: &str) {
        let mut state = self.state();
        // Nothing may follow the close frame.
        state.end.get_or_insert((code, reason.to_owned()));
        if code == CloseCode::TooSlow {
            state.outbox.clear();
        }
        state.outbox.push_last(close(code, reason));
        state.gated = false;
        self.write_now(&mut state);
    }

    /// Takes nothing more.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.dead = true;
        state.outbox.clear();
    }

    /// Has everything been handed to the system?
    pub(super) fn is_written(&self) -> bool {
        let state = self.state();
        state.dead || (state.outbox.is_empty() && state.stuck_since.is_none())
    }

    /// For an encrypted connection's writer: what to write next.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.state();
        if state.dead || state.gated || state.outbox.is_empty() {
            state.stuck_since = None;
            return None;
        }
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK {
            let mut slices = [IoSlice::new(&[])];
            if state.outbox.slices(&mut slices) == 0 {
                break;
            }
            chunk.extend_from_slice(&slices[0]);
            let taken = slices[0].len();
            state.outbox.advance(taken);
        }
        // Until the next call it is on its way.
        state.stuck_since = Some(Instant::now());
        Some(chunk)
    }

    fn write_now(&self, state: &mut State) {
        state.promised = false;
        if state.gated || state.dead {
            return;
        }
        let Some(socket) = &self.socket else {
            self.write.notify_one();
            return;
        };
        loop {
            if state.outbox.is_empty() {
                state.stuck_since = None;
                return;
            }
            let written = match state.outbox.only() {
                // The usual case, and the cheaper call.
                Some(bytes) => socket.try_write(bytes),
                None => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let count = state.outbox.slices(&mut slices);
                    socket.try_write_vectored(&slices[..count])
                }
            };
            match written {
                Ok(written) => {
                    state.outbox.advance(written);
                    state.stuck_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if state.stuck_since.is_none() {
                        state.stuck_since = Some(Instant::now());
                        self.wake.notify_one();
                    }
                    return;
                }
                Err(_) => {
                    // The reading side learns of it too and says why.
                    state.dead = true;
                    self.wake.notify_one();
                    return;
                }
            }
        }
    }
}

impl Connection for Link {
    fn id(&self) -> u64 {
        self.id
    }

    fn session(&self) -> &SessionId {
        &self.session
    }

    fn push(&self, frame: &Frame) -> bool {
        let mut state = self.state();
        if state.dead || state.end.is_some() {
            return false;
        }
        state.outbox.push(frame);
        // While the socket is stuck the session writes on.
        if state.gated || state.promised || (self.socket.is_some() && state.stuck_since.is_some()) {
            return false;
        }
        state.promised = true;
        true
    }

    fn flush(&self) {
        let mut state = self.state();
        self.write_now(&mut state);
    }

    fn close(&self, code: CloseCode, reason: String) {
        self.state().end.get_or_insert((code, reason));
        self.wake.notify_one();
    }
}
