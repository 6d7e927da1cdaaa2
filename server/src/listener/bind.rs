//! Opening the listening socket.

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use tokio::net::TcpListener;

/// Connections that wait to be accepted: after a restart everybody comes back at once. The system
/// may hold fewer (`net.core.somaxconn`).
const BACKLOG: i32 = 4096;
/// Bytes that the kernel holds for a peer that does not read: left to itself it takes megabytes, and
/// a slow reader would not show for minutes. It takes twice of what it is told, for its bookkeeping: 128 KiB, which
/// a thousand slow readers may cost. Accepted sockets inherit it.
const SEND_BUFFER: usize = 64 * 1024;

/// Why an address cannot be listened on. Each text names the address and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something listens there.
    #[error("{address} is in use: stop what listens there, or choose another address with --listen")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// No interface of this machine has it.
    #[error("{address} is no address of this machine; --listen 0.0.0.0:{} listens on all", address.port())]
    NotHere {
        /// The address.
        address: SocketAddr,
    },
    /// The port is reserved.
    #[error(
        "may not listen on {address}: choose a port above 1023, or give the program CAP_NET_BIND_SERVICE"
    )]
    Denied {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on an address; port 0 is any free one. Needs a Tokio runtime.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    open(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address },
        io::ErrorKind::AddrNotAvailable => BindError::NotHere { address },
        io::ErrorKind::PermissionDenied => BindError::Denied { address },
        _ => BindError::Other { address, source },
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait until the old connections are forgotten.
    socket.set_reuse_address(true)?;
    tune(&socket)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// What holds for a listening socket, whoever opened it.
pub(super) fn tune(socket: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(socket);
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.set_nonblocking(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_address_is_told_from_others() {
        let first = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address).unwrap_err();
        assert!(matches!(error, BindError::InUse { .. }), "{error}");
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        let error = bind("192.0.2.1:0".parse().unwrap()).unwrap_err();
        assert!(matches!(error, BindError::NotHere { .. }), "{error}");
    }

    #[tokio::test]
    async fn accepted_sockets_inherit_the_small_buffer() {
        let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(tokio::net::TcpStream::connect(address), listener.accept());
        drop(client.unwrap());
        let (socket, _) = accepted.unwrap();
        let size = SockRef::from(&socket).send_buffer_size().unwrap();
        // The kernel doubles what is asked for, for its own book-keeping.
        assert!((SEND_BUFFER..=2 * SEND_BUFFER).contains(&size), "{size}");
    }
}
