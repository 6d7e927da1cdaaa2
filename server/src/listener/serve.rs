//! Accepting connections and serving HTTP/1 on them.

use super::proxy::peer;
use super::{Drain, TlsReloader, Transport};
use crate::error::AppError;
use bytes::Bytes;
use chat_shared::{ErrorCode, Problem};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use ipnet::IpNet;
use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// How long a request's head may take, and how long a connection may be idle between requests.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// How long an answer may take.
const REQUEST_TIME: Duration = Duration::from_secs(30);
/// How long the requests that are under way at the end may take.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// Bytes of a request's head.
const HEAD_MAX: usize = 16 * 1024;
/// Bytes that the system buffers for a reader that does not read: more would only hide slowness.
const SEND_BUFFER: usize = 128 * 1024;
/// Connections that may wait to be accepted: thousands come back at once after a restart.
const BACKLOG: i32 = 4096;
/// How long unacknowledged bytes may wait before the connection is given up.
const UNACKNOWLEDGED: Duration = Duration::from_secs(35);
/// How long to wait when there is no descriptor left.
const NO_DESCRIPTOR: Duration = Duration::from_millis(50);

/// The body of an answer.
pub type Body = BoxBody<Bytes, warp::Error>;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else does.
    #[error("{0} is in use. Stop the program that listens there, or choose another address with --listen.")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {source}. Choose another address with --listen.")]
    Other {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Begins to listen.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        // Accepted sockets inherit it.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listen().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Other { address, source },
    })
}

/// What the operator decided about connections.
#[derive(Clone)]
pub struct ListenerOptions {
    /// Serve https.
    pub tls: Option<TlsReloader>,
    /// Whose word about the client counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Sockets at once.
    pub max_connections: usize,
    /// Sockets at once from one address; `None`: any number.
    pub max_per_address: Option<usize>,
    /// How long a request's head may take.
    pub head_time: Duration,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            tls: None,
            trusted_proxies: Vec::new(),
            max_connections: 10_000,
            max_per_address: Some(200),
            head_time: HEAD_TIME,
        }
    }
}

#[derive(Default)]
struct Counts {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Counts a socket for as long as it lives, also after an upgrade.
#[derive(Clone)]
pub struct ConnectionGuard(#[allow(dead_code, reason = "held for its drop")] Arc<Permit>);

struct Permit {
    counts: Arc<Mutex<Counts>>,
    address: IpAddr,
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total -= 1;
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

fn admit(counts: &Arc<Mutex<Counts>>, address: IpAddr, options: &ListenerOptions) -> Option<ConnectionGuard> {
    let mut held = counts.lock().unwrap_or_else(PoisonError::into_inner);
    // Behind a proxy all connections come from one address: there only the total counts.
    let per_address =
        options.max_per_address.filter(|_| !crate::config::trusts(&options.trusted_proxies, address));
    let here = held.by_address.get(&address).copied().unwrap_or(0);
    if held.total >= options.max_connections || per_address.is_some_and(|max| here >= max) {
        return None;
    }
    held.total += 1;
    *held.by_address.entry(address).or_default() += 1;
    drop(held);
    Some(ConnectionGuard(Arc::new(Permit { counts: counts.clone(), address })))
}

/// Sockets that were refused because there were too many.
pub static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Serves until the drain, and then lets what is under way come to its end, for a while.
pub async fn serve<S, B>(listener: TcpListener, service: S, options: ListenerOptions, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: hyper::body::Body<Data = Bytes, Error = warp::Error> + Send + Sync + 'static,
{
    let counts: Arc<Mutex<Counts>> = Arc::default();
    let options = Arc::new(options);
    let mut tasks = JoinSet::new();
    let mut out_of_descriptors = false;
    loop {
        let accepted = tokio::select! {
            () = drain.started() => break,
            // Ended tasks are taken out as they end.
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (socket, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if matches!(error.raw_os_error(), Some(23 | 24)) => {
                if !std::mem::replace(&mut out_of_descriptors, true) {
                    tracing::error!(%error, "no file descriptor is left for new connections; raise the limit (ulimit -n)");
                }
                tokio::time::sleep(NO_DESCRIPTOR).await;
                continue;
            }
            // A connection that was gone before it was accepted.
            Err(_) => continue,
        };
        out_of_descriptors = false;
        let address = from.ip().to_canonical();
        let Some(guard) = admit(&counts, address, &options) else {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        if let Err(error) = prepare(&socket) {
            tracing::debug!(%error, "a socket option could not be set");
        }
        tasks.spawn(connection(socket, address, guard, service.clone(), options.clone(), drain.clone()));
    }
    drop(listener);
    let ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_TIME, ended).await.is_err() {
        tracing::info!(connections = tasks.len(), "cutting connections that are still open");
    }
    tasks.shutdown().await;
}

fn prepare(socket: &TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = socket2::SockRef::from(socket);
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(Duration::from_secs(60)))
}

async fn connection<S, B>(
    socket: TcpStream,
    address: IpAddr,
    guard: ConnectionGuard,
    service: S,
    options: Arc<ListenerOptions>,
    drain: Drain,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: hyper::body::Body<Data = Bytes, Error = warp::Error> + Send + Sync + 'static,
{
    let transport = match &options.tls {
        None => Transport::Plain(socket),
        Some(tls) => {
            let handshake = tokio::time::timeout(HANDSHAKE_TIME, tls.acceptor().accept(socket));
            match handshake.await {
                Ok(Ok(stream)) => Transport::Tls(Box::new(stream)),
                Ok(Err(_)) | Err(_) => return,
            }
        }
    };
    let tls = options.tls.is_some();
    let head_time = options.head_time;
    let service = service_fn(move |mut request: Request<Incoming>| {
        let peer = peer(address, tls, request.headers(), &options.trusted_proxies);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(guard.clone());
        let service = service.clone();
        async move { Ok::<_, Infallible>(dressed(answer(&service, request).await)) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_headers(HEADERS_MAX + 36)
        .max_buf_size(HEAD_MAX * 2)
        .serve_connection(TokioIo::new(transport), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // Broken requests and broken sockets are their senders' affair.
        _ = connection.as_mut() => {}
        () = drain.started() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer<S, B>(service: &S, request: Request<Incoming>) -> Response<Body>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    B: hyper::body::Body<Data = Bytes, Error = warp::Error> + Send + Sync + 'static,
{
    let headers = request.headers();
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers.len() > HEADERS_MAX || size + request.uri().to_string().len() > HEAD_MAX {
        return problem(&AppError::new(
            ErrorCode::HeadersTooLarge,
            "A request may have 64 headers and a head of 16 KiB.",
        ));
    }
    let answered = AssertUnwindSafe(tokio::time::timeout(REQUEST_TIME, service.call(request)));
    match futures_util::FutureExt::catch_unwind(answered).await {
        Ok(Ok(Ok(response))) => response.map(http_body_util::BodyExt::boxed),
        Ok(Err(_)) => problem(&AppError::unavailable("The server took too long. Try again in a moment.")),
        Err(_) => {
            tracing::error!("a request handler panicked");
            problem(&AppError::internal())
        }
    }
}

/// An error as an answer.
fn problem(error: &AppError) -> Response<Body> {
    let text = serde_json::to_vec::<Problem>(&error.problem()).unwrap_or_default();
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() =
        hyper::StatusCode::from_u16(error.code.status()).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// The headers that every answer has.
fn dressed(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    let mut default = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    default(X_CONTENT_TYPE_OPTIONS, "nosniff");
    default(REFERRER_POLICY, "no-referrer");
    default(CACHE_CONTROL, "no-store");
    response
}
