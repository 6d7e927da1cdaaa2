//! The bytes beneath HTTP and WebSocket: a TCP stream, bare or under TLS.

use super::pace::Pace;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

/// How long, and for how many bytes, is read on after the last answer. Whoever is still sending, a body that is too
/// large, would have its connection reset otherwise, and the reset may overtake the answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 4 << 20;

/// An accepted connection.
#[derive(Debug)]
pub enum Transport {
    /// As it came.
    Plain(TcpStream),
    /// Behind a finished TLS handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    /// The TCP stream at the bottom.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

/// Calls the same method of whichever stream it is.
macro_rules! forward {
    ($self:expr, $method:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Transport::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Transport::Tls(stream) => Pin::new(stream.as_mut()).$method($($argument),*),
        }
    };
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_shutdown(cx))
    }
}

/// A transport while HTTP is spoken on it: tells [`Pace`] when bytes move, and ends it so that the last answer arrives.
pub(super) struct Paced {
    transport: Transport,
    pace: Arc<Pace>,
    lingering: Option<Lingering>,
}

/// What is still read of a connection on which nothing more is written.
struct Lingering {
    left: usize,
    end: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(transport: Transport, pace: Arc<Pace>) -> Self {
        Self { transport, pace, lingering: None }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.pace.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.transport).poll_write(cx, bytes))?;
        self.pace.sent();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.transport).poll_write_vectored(cx, slices))?;
        self.pace.sent();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { transport, lingering, .. } = self.get_mut();
        let mut transport = Pin::new(transport);
        let Lingering { left, end } = match lingering {
            Some(lingering) => lingering,
            none => {
                ready!(transport.as_mut().poll_shutdown(cx))?;
                none.insert(Lingering { left: LINGER_BYTES, end: Box::pin(sleep(LINGER)) })
            }
        };
        let mut piece = [0; 4096];
        while *left > 0 && end.as_mut().poll(cx).is_pending() {
            let mut piece = ReadBuf::new(&mut piece);
            // Whatever ends it, the last answer is gone.
            match ready!(transport.as_mut().poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => *left = left.saturating_sub(piece.filled().len()),
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Takes the bare stream out of an upgrade, with the bytes that were read beyond the request.
///
/// The bytes are copied: hyper's whole read buffer hangs on its own, even where they are none, and would
/// live as long as the connection. What was not accepted by this listener comes back as it was.
pub fn reclaim(upgraded: Upgraded) -> Result<(Transport, Vec<u8>), Upgraded> {
    let parts = upgraded.downcast::<TokioIo<Paced>>()?;
    Ok((parts.io.into_inner().transport, parts.read_buf.to_vec()))
}
