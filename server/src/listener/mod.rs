//! Our own accept loop around an HTTP/1 service: timeouts, limits, TLS, trusted proxies, and an end.
//!
//! warp routes requests; what it does not do stands here. It has no timeouts, no cap on connections
//! and no TLS, answers a panic with silence, and waits for ever for half a request at the end.
//!
//! What happens on an upgraded connection is somebody else's: it is handed over whole
//! ([`reclaim`]), together with the permit that counts it ([`ConnectionGuard`]).

mod drain;
mod proxy;
mod serve;
mod tls;
mod transport;

pub use drain::{Drain, DrainHandle};
pub use serve::{BindError, Body, ConnectionGuard, ListenerOptions, REFUSED, bind, serve};
pub use tls::{TlsError, TlsReloader};
pub use transport::{Transport, reclaim};

use std::net::IpAddr;

/// Who is at the other end of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address; behind a trusted proxy the one that it tells.
    pub address: IpAddr,
    /// Did the request come over https, here or at the proxy?
    pub secure: bool,
}
