//! The way in: accepts connections, bounds them, speaks TLS and HTTP/1.1, and lets go in order.
//!
//! warp serves the routes but not the socket: its own server has no TLS, no limits on connections,
//! heads or time, and cannot be stopped while somebody is half-way through a head. What is done
//! with a request is not known here.
//!
//! Each connection is a task. An upgrade ends it: from then on the socket belongs to whoever has
//! [`reclaim`]ed it, who keeps its [`ConnectionGuard`] and watches the [`Drain`] too.

mod bind;
mod connection;
mod drain;
mod edge;
mod inherit;
mod pace;
mod peer;
mod permits;
mod tls;
mod transport;

#[cfg(test)]
mod tests;

pub use bind::{BindError, bind};
pub use drain::{Drain, DrainHandle};
pub use inherit::{InheritError, Inherited};
pub use peer::Peer;
pub use permits::ConnectionGuard;
pub use tls::{TlsError, TlsReloader};
pub use transport::{Transport, reclaim};

use connection::Accepted;
use edge::Rules;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use ipnet::IpNet;
use permits::Permits;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use warp::reply::Response;

/// How long accepting pauses when there are no file descriptors left: somebody inside may close one.
const BACK_OFF: Duration = Duration::from_millis(50);

/// How a listener treats its connections.
#[derive(Debug, Clone)]
pub struct ListenerOptions {
    /// The certificate; without one, plain HTTP.
    pub tls: Option<TlsReloader>,
    /// Do clients come by https, here or at a proxy? They are told to keep to it.
    pub is_https: bool,
    /// Sockets at once; more are closed as they come.
    pub max_connections: usize,
    /// Sockets at once from one address (IPv6: one /64); none is no limit.
    pub max_connections_per_address: Option<usize>,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// From the first byte of a head to its last; for the first head, from the connection on.
    pub head_timeout: Duration,
    /// From one answer to the next request.
    pub idle_timeout: Duration,
    /// For the TLS handshake.
    pub handshake_timeout: Duration,
    /// From a complete head to its answer, the body's arrival included.
    pub request_deadline: Duration,
    /// From the begin of the drain until a connection that has said nothing yet is closed.
    pub first_words: Duration,
    /// From the begin of the drain until whatever is left is cut.
    pub drain_grace: Duration,
    /// What happens is counted here.
    pub counters: Arc<Counters>,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            tls: None,
            is_https: false,
            max_connections: 10_000,
            max_connections_per_address: Some(200),
            trusted_proxies: Vec::new(),
            head_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(5),
            request_deadline: Duration::from_secs(30),
            first_words: Duration::from_secs(1),
            drain_grace: Duration::from_secs(10),
            counters: Arc::default(),
        }
    }
}

/// What has happened since the start, for the metrics.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sockets that were accepted and served.
    pub accepted: AtomicU64,
    /// Sockets, or upgrades behind a proxy, that were refused because there were too many.
    pub refused: AtomicU64,
    /// Times that accepting failed for want of file descriptors or memory.
    pub exhausted: AtomicU64,
    /// TLS handshakes that failed or took too long.
    pub handshakes_failed: AtomicU64,
    /// Connections closed because nothing came for too long.
    pub silent: AtomicU64,
    /// Requests not answered in time.
    pub overdue: AtomicU64,
    /// Requests whose handler panicked.
    pub panicked: AtomicU64,
}

/// Serves connections until the drain starts, then lets go of them: none is accepted any more, idle
/// ones close, requests under way are answered, and what is left after the grace is cut.
///
/// Returns when all connections have ended or were cut. Upgraded ones are not waited for.
pub async fn serve<S>(listener: TcpListener, service: S, options: ListenerOptions, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let permits = Permits::new(options.max_connections, options.max_connections_per_address);
    let grace = options.drain_grace;
    let counters = Arc::clone(&options.counters);
    let rules = Arc::new(Rules { options, permits, counters });
    let mut connections = JoinSet::new();
    let mut is_exhausted = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = drain.started() => break,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, socket)) => {
                is_exhausted = false;
                if let Some(accepted) = admit(stream, socket, &service, &rules, &drain) {
                    connections.spawn(accepted.run());
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                rules.counters.exhausted.fetch_add(1, Ordering::Relaxed);
                if !is_exhausted {
                    let open = rules.permits.sockets();
                    tracing::error!(%error, open, "cannot accept connections; raise the limit of open files");
                }
                is_exhausted = true;
                // Those inside go on; only this loop pauses.
                tokio::select! {
                    () = drain.started() => break,
                    () = tokio::time::sleep(BACK_OFF) => {}
                }
            }
        }
    }
    // From now on connecting is refused, not left waiting.
    drop(listener);
    let all_ended = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(grace, all_ended).await.is_err() {
        tracing::info!(connections = connections.len(), "cutting connections that did not end in time");
        connections.shutdown().await;
    }
}

/// Takes a place for the socket; without one it is closed by being dropped.
fn admit<S: Clone>(
    stream: TcpStream,
    socket: SocketAddr,
    routes: &S,
    rules: &Arc<Rules>,
    drain: &Drain,
) -> Option<Accepted<S>> {
    let is_proxy = peer::is_trusted(socket.ip(), &rules.options.trusted_proxies);
    match rules.permits.socket(socket.ip(), is_proxy) {
        Ok(permit) => {
            rules.counters.accepted.fetch_add(1, Ordering::Relaxed);
            let guard = ConnectionGuard::new(permit);
            let (routes, rules, drain) = (routes.clone(), Arc::clone(rules), drain.clone());
            Some(Accepted { stream, socket, guard, routes, rules, drain })
        }
        Err(full) => {
            rules.counters.refused.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%socket, ?full, "refused a connection: too many are open");
            None
        }
    }
}

/// Did accepting fail because this one peer went away, and not for want of anything here?
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the task of a connection failed");
    }
}
