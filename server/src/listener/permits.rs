//! How many sockets are open, in all and from one address.
//!
//! A permit is held for as long as the socket lives, so it travels with the connection, also when a
//! WebSocket takes the socket over; see [`ConnectionGuard`].

use crate::address::AddressKey;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The counts and their limits.
#[derive(Debug)]
pub(super) struct Permits {
    total: usize,
    per_address: Option<usize>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    sockets: usize,
    by_address: HashMap<AddressKey, usize>,
}

/// Which limit was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    Total,
    Address,
}

/// A place; free again when dropped.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Arc<Permits>,
    is_socket: bool,
    address: Option<AddressKey>,
}

impl Permits {
    pub(super) fn new(total: usize, per_address: Option<usize>) -> Arc<Self> {
        Arc::new(Self { total, per_address, open: Mutex::default() })
    }

    /// A place for a socket. One of a trusted proxy counts for no address: it carries many clients.
    pub(super) fn socket(self: &Arc<Self>, address: IpAddr, is_proxy: bool) -> Result<Permit, Full> {
        self.take(true, (!is_proxy).then(|| address.into()))
    }

    /// A place for a client behind a trusted proxy, whose socket has its own already.
    pub(super) fn client(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Full> {
        self.take(false, Some(address.into()))
    }

    /// Sockets that hold a place.
    pub(super) fn sockets(&self) -> usize {
        self.lock().sockets
    }

    fn take(self: &Arc<Self>, is_socket: bool, address: Option<AddressKey>) -> Result<Permit, Full> {
        let address = address.filter(|_| self.per_address.is_some());
        let mut open = self.lock();
        if is_socket && open.sockets >= self.total {
            return Err(Full::Total);
        }
        if let (Some(address), Some(limit)) = (address, self.per_address) {
            let count = open.by_address.get(&address).copied().unwrap_or_default();
            if count >= limit {
                return Err(Full::Address);
            }
            open.by_address.insert(address, count + 1);
        }
        open.sockets += usize::from(is_socket);
        Ok(Permit { permits: Arc::clone(self), is_socket, address })
    }

    /// The counts are right after every line that changes them, whoever panicked elsewhere.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.permits.lock();
        open.sockets = open.sockets.saturating_sub(usize::from(self.is_socket));
        if let Some(address) = self.address
            && let Some(count) = open.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

/// Keeps the places of a connection. It stands in the extensions of every request; whoever takes
/// the socket over by an upgrade MUST keep a clone until the socket is closed.
#[derive(Debug, Clone)]
pub struct ConnectionGuard {
    _socket: Arc<Permit>,
    _client: Option<Arc<Permit>>,
}

impl ConnectionGuard {
    pub(super) fn new(socket: Permit) -> Self {
        Self { _socket: Arc::new(socket), _client: None }
    }

    pub(super) fn with_client(self, client: Permit) -> Self {
        Self { _client: Some(Arc::new(client)), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_total_holds_and_a_dropped_permit_is_free_again() {
        let permits = Permits::new(2, None);
        let first = permits.socket(ip("192.0.2.1"), false).unwrap();
        let _second = permits.socket(ip("192.0.2.1"), true).unwrap();
        assert_eq!(permits.socket(ip("192.0.2.2"), false).err(), Some(Full::Total));
        drop(first);
        assert!(permits.socket(ip("192.0.2.2"), false).is_ok());
        assert_eq!(permits.sockets(), 1);
    }

    #[test]
    fn an_address_has_its_share_and_a_proxy_is_none() {
        let permits = Permits::new(10, Some(1));
        let guard = ConnectionGuard::new(permits.socket(ip("2001:db8::1"), false).unwrap());
        assert_eq!(permits.socket(ip("2001:db8::2"), false).err(), Some(Full::Address), "one /64");
        let _other = permits.socket(ip("2001:db8:0:1::1"), false).unwrap();
        let _proxy = permits.socket(ip("2001:db8::2"), true).unwrap();
        assert_eq!(permits.client(ip("2001:db8::3")).err(), Some(Full::Address));

        let clone = guard.clone();
        drop(guard);
        assert!(permits.client(ip("2001:db8::3")).is_err(), "a clone keeps the place");
        drop(clone);
        let guard = ConnectionGuard::new(permits.socket(ip("192.0.2.9"), true).unwrap())
            .with_client(permits.client(ip("2001:db8::3")).unwrap());
        assert!(permits.client(ip("2001:db8::3")).is_err());
        drop(guard);
        assert!(permits.client(ip("2001:db8::3")).is_ok());
    }

    #[test]
    fn nothing_is_remembered_of_addresses_that_are_gone() {
        let permits = Permits::new(10, Some(1));
        drop(permits.socket(ip("192.0.2.1"), false).unwrap());
        assert!(permits.lock().by_address.is_empty());
    }
}
