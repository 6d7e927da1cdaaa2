//! A listening socket that was opened by whoever starts the program (systemd: socket activation). It stays open
//! while one process ends and the next begins: those who connect in between wait instead of being refused.

use super::bind::tune;
use listenfd::ListenFd;
use std::io;
use std::net::{SocketAddr, TcpListener as Socket};
use tokio::net::TcpListener;

/// The socket that was handed over.
#[derive(Debug)]
pub struct Inherited {
    socket: Socket,
    address: SocketAddr,
}

/// Why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritError {
    /// Which of them?
    #[error("{0} sockets were handed over (LISTEN_FDS); the server takes one")]
    Many(usize),
    /// Not a TCP socket that listens.
    #[error("the socket that was handed over (LISTEN_FDS) cannot be used: {0}")]
    Unusable(#[from] io::Error),
}

impl Inherited {
    /// Takes it, if there is one. Asked a second time there is none.
    pub fn take() -> Result<Option<Self>, InheritError> {
        let mut handed = ListenFd::from_env();
        if handed.len() > 1 {
            return Err(InheritError::Many(handed.len()));
        }
        let Some(socket) = handed.take_tcp_listener(0)? else { return Ok(None) };
        let address = socket.local_addr()?;
        Ok(Some(Self { socket, address }))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For the accept loop. Needs a Tokio runtime.
    pub fn listener(self) -> Result<TcpListener, InheritError> {
        tune(&self.socket)?;
        Ok(TcpListener::from_std(self.socket)?)
    }
}
