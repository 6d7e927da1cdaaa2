//! What a connection's bytes come from.

use socket2::SockRef;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, Interest, ReadBuf, ReadHalf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What is read at once. One buffer a thread serves all its connections.
const READ: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// The reading side of a socket.
pub(super) enum Wire {
    Plain(Arc<TcpStream>),
    Tls(ReadHalf<TlsStream<TcpStream>>),
}

impl Wire {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(socket) => loop {
                ready!(socket.poll_read_ready(cx))?;
                match read_plain(socket, buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
            },
            Self::Tls(half) => {
                let mut buffer = ReadBuf::new(buffer);
                ready!(Pin::new(half).poll_read(cx, &mut buffer))?;
                Poll::Ready(Ok(buffer.filled().len()))
            }
        }
    }

    /// Reads once and hands what came to `take`, in the thread's buffer.
    pub(super) async fn read<T>(&mut self, mut take: impl FnMut(&mut [u8]) -> T) -> io::Result<T> {
        poll_fn(|cx| {
            BUFFER.with_borrow_mut(|buffer| {
                let count = ready!(self.poll_read(cx, buffer))?;
                if count == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Poll::Ready(Ok(take(&mut buffer[..count])))
            })
        })
        .await
    }

    /// Waits until a plain socket may take something.
    pub(super) async fn writable(&self) {
        match self {
            Self::Plain(socket) => {
                // An error shows at the next write.
                let _ = socket.writable().await;
            }
            // Its own task waits.
            Self::Tls(_) => std::future::pending().await,
        }
    }
}

/// Reads what is there. Where that did not fill the buffer there is no more, and the runtime is told so: asking the
/// socket again, only to hear that, would be half of all reads.
fn read_plain(socket: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut last = None;
    let read = socket.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(socket)).read(buffer)?;
        if 0 < count && count < buffer.len() {
            last = Some(count);
            // How a caller of `try_io` says that nothing is left to read.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    last.map_or(read, Ok)
}
