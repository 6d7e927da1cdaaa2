//! The life of one connection, from the accepted socket to its end or its upgrade.

use super::Drain;
use super::edge::{Edge, Rules};
use super::pace::Pace;
use super::permits::ConnectionGuard;
use super::transport::{Paced, Transport};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;
use warp::reply::Response;

/// How long sent bytes may stay without an acknowledgement: two heartbeats find a dead peer, this
/// finds one to which we only write.
const USER_TIMEOUT: Duration = Duration::from_secs(35);
/// When an idle connection is probed, and how often.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// hyper refuses more header lines itself, without a body; up to here we do, with one.
const HEADERS_READ: usize = 100;
/// Bytes that a head or a write may buffer. Twice the largest head, so that ours is the refusal.
const BUFFER: usize = 32 * 1024;

/// An accepted socket with all that belongs to it.
pub(super) struct Accepted<S> {
    pub(super) stream: TcpStream,
    pub(super) socket: SocketAddr,
    pub(super) guard: ConnectionGuard,
    pub(super) routes: S,
    pub(super) rules: Arc<Rules>,
    pub(super) drain: Drain,
}

impl<S> Accepted<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    /// Serves it. Returns when it is closed, or taken over by an upgrade.
    pub(super) async fn run(self) {
        if let Err(error) = tune(&self.stream) {
            // The peer is gone already.
            tracing::debug!(%error, "cannot set options of a new connection");
            return;
        }
        let Self { stream, socket, guard, routes, rules, drain } = self;
        let Some(transport) = secure(stream, &rules, &drain).await else { return };
        let pace = Arc::new(Pace::new());
        let is_tls = matches!(transport, Transport::Tls(_));
        let io = TokioIo::new(Paced::new(transport, Arc::clone(&pace)));
        let edge = Edge { routes, rules: Arc::clone(&rules), socket, is_tls, guard, pace: Arc::clone(&pace) };
        let mut connection = pin!(builder().serve_connection(io, edge).with_upgrades());
        let mut overdue = pin!(pace.overdue(rules.options.head_timeout, rules.options.idle_timeout));
        let mut leaving = pin!(leaving(&drain, &pace, rules.options.first_words));
        let mut is_draining = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = overdue.as_mut() => {
                    rules.counters.silent.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                () = leaving.as_mut(), if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// Returns when a connection is to end after what it is about: when the server stops. One that was just opened may
/// say what it came for, so that nobody is cut while one process takes over from another.
async fn leaving(drain: &Drain, pace: &Pace, first_words: Duration) {
    drain.started().await;
    let _ = tokio::time::timeout(first_words, pace.spoken()).await;
}

/// hyper's part; its own timer stays off, [`Pace`] keeps the time.
fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_headers(HEADERS_READ)
        .max_buf_size(BUFFER)
        .half_close(false);
    builder
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    // Frames are written whole; waiting for more would only delay them.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3))?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

/// The TLS handshake, if there is to be one. None when it failed, or took too long, also for a stop.
async fn secure(stream: TcpStream, rules: &Rules, drain: &Drain) -> Option<Transport> {
    let Some(tls) = &rules.options.tls else { return Some(Transport::Plain(stream)) };
    let handshake = tokio::time::timeout(rules.options.handshake_timeout, tls.acceptor().accept(stream));
    let stopping = async {
        drain.started().await;
        tokio::time::sleep(rules.options.first_words).await;
    };
    let error = tokio::select! {
        done = handshake => match done {
            Ok(Ok(stream)) => return Some(Transport::Tls(Box::new(stream))),
            Ok(Err(error)) => error,
            Err(late) => late.into(),
        },
        () = stopping => return None,
    };
    rules.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
    tracing::debug!(%error, "a TLS handshake failed");
    None
}
