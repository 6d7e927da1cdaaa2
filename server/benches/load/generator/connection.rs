//! One of the generator's connections, and the task that reads it.

use super::Crowd;
use super::tally::Received;
use crate::stamp::Stamp;
use crate::wire::{Codec, Event};
use anyhow::{Context as _, Result, bail};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// How long a server may take to let somebody in or into a group.
const PATIENCE: Duration = Duration::from_secs(180);

pub(super) struct Connection {
    pub(super) user: u32,
    writer: OwnedWriteHalf,
    buffers: RefCell<Buffers>,
    /// Its task has something to write.
    unwritten: Notify,
    /// Something arrived.
    pub(super) news: Notify,
    is_ready: Cell<bool>,
    joined: Cell<u32>,
    pub(super) sent: Cell<u32>,
    pub(super) received: Cell<u64>,
    pub(super) acked: Cell<u64>,
    from: RefCell<Received>,
}

struct Buffers {
    codec: Box<dyn Codec>,
    /// The beginning of a frame whose end has not arrived.
    rest: Vec<u8>,
    out: Vec<u8>,
    /// When what is not acknowledged was sent.
    unacked: VecDeque<u64>,
    /// The text that is being sent.
    text: Vec<u8>,
}

/// To whom a message goes.
#[derive(Clone, Copy)]
pub(super) enum To {
    Group(u32),
    User(u32),
}

impl Connection {
    /// Connects, and waits until the server has let the user in.
    pub(super) async fn open(crowd: &Rc<Crowd>, user: u32) -> Result<Rc<Self>> {
        let socket = TcpStream::connect(crowd.address).await?;
        socket.set_nodelay(true)?;
        let (reader, writer) = socket.into_split();
        let codec = crowd.protocol.codec(user)?;
        let buffers =
            Buffers { codec, rest: Vec::new(), out: Vec::new(), unacked: VecDeque::new(), text: Vec::new() };
        let connection = Rc::new(Self {
            user,
            writer,
            buffers: RefCell::new(buffers),
            unwritten: Notify::new(),
            news: Notify::new(),
            is_ready: Cell::new(false),
            joined: Cell::new(0),
            sent: Cell::new(0),
            received: Cell::new(0),
            acked: Cell::new(0),
            from: RefCell::default(),
        });
        {
            let buffers = &mut *connection.buffers.borrow_mut();
            buffers.codec.start(&mut buffers.out)?;
            connection.flush(buffers)?;
        }
        crowd.add(&connection, tokio::task::spawn_local(connection.clone().run(crowd.clone(), reader)));
        connection.until(crowd, |connection| connection.is_ready.get()).await.context("it was not let in")?;
        Ok(connection)
    }

    /// Enters a group.
    pub(super) async fn join(&self, crowd: &Crowd, group: u32) -> Result<()> {
        let wanted = self.joined.get() + 1;
        {
            let buffers = &mut *self.buffers.borrow_mut();
            if buffers.codec.join(group, &mut buffers.out) {
                self.joined.set(wanted);
            }
            self.flush(buffers)?;
        }
        self.until(crowd, |connection| connection.joined.get() >= wanted)
            .await
            .context("it was not let into its group")
    }

    async fn until(&self, crowd: &Crowd, is_so: impl Fn(&Self) -> bool) -> Result<()> {
        while !is_so(self) {
            crowd.check()?;
            tokio::time::timeout(PATIENCE, self.news.notified()).await?;
        }
        Ok(())
    }

    pub(super) fn send(&self, crowd: &Crowd, to: To) -> Result<()> {
        let buffers = &mut *self.buffers.borrow_mut();
        self.write(crowd, buffers, to)?;
        self.flush(buffers)
    }

    fn write(&self, crowd: &Crowd, buffers: &mut Buffers, to: To) -> Result<()> {
        let Buffers { codec, out, unacked, text, .. } = buffers;
        let stamp = Stamp { sent: crowd.now(), sender: self.user, number: self.sent.get() };
        stamp.write(text);
        if crowd.protocol.acks() {
            unacked.push_back(stamp.sent);
        }
        match to {
            To::Group(group) => codec.send_to_group(group, stamp.number, text, out)?,
            To::User(user) => codec.send_to_user(user, stamp.number, text, out)?,
        }
        self.sent.set(stamp.number + 1);
        crowd.tally.borrow_mut().sent += 1;
        Ok(())
    }

    /// Writes what the socket takes; for the rest it wakes the task.
    fn flush(&self, buffers: &mut Buffers) -> Result<()> {
        while !buffers.out.is_empty() {
            match self.writer.try_write(&buffers.out) {
                Ok(written) => drop(buffers.out.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unwritten.notify_one();
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Takes what was read.
    fn take(&self, crowd: &Crowd, read: &[u8]) -> Result<()> {
        let now = crowd.now();
        let buffers = &mut *self.buffers.borrow_mut();
        let fresh = {
            let Buffers { codec, rest, out, unacked, .. } = &mut *buffers;
            let (tally, from) = (&mut *crowd.tally.borrow_mut(), &mut *self.from.borrow_mut());
            let mut fresh = 0;
            let mut take = |event: Event<'_>| match event {
                Event::Ready => self.is_ready.set(true),
                Event::Joined => self.joined.set(self.joined.get() + 1),
                Event::Message(text) => {
                    if let Some(stamp) = Stamp::read(text)
                        && tally.deliver(from, stamp, now)
                    {
                        fresh += 1;
                    }
                }
                Event::Ack => {
                    if let Some(sent) = unacked.pop_front() {
                        tally.acknowledge(sent, now);
                        self.acked.set(self.acked.get() + 1);
                    }
                }
            };
            if rest.is_empty() {
                let used = codec.feed(read, out, &mut take)?;
                rest.extend_from_slice(&read[used..]);
            } else {
                rest.extend_from_slice(read);
                let used = codec.feed(rest, out, &mut take)?;
                rest.drain(..used);
            }
            fresh
        };
        self.received.set(self.received.get() + fresh);
        self.news.notify_one();
        crowd.noticed();
        if crowd.answers.get() {
            for _ in 0..fresh {
                self.write(crowd, buffers, To::User(self.user ^ 1))?;
            }
        }
        self.flush(buffers)
    }

    async fn run(self: Rc<Self>, crowd: Rc<Crowd>, mut reader: OwnedReadHalf) {
        loop {
            let is_unwritten = !self.buffers.borrow().out.is_empty();
            let read = poll_fn(|context| {
                let mut space = crowd.space.borrow_mut();
                let mut buffer = ReadBuf::new(&mut space);
                match Pin::new(&mut reader).poll_read(context, &mut buffer) {
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                    Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(closed()),
                    Poll::Ready(Ok(())) => Poll::Ready(self.take(&crowd, buffer.filled())),
                }
            });
            let result = tokio::select! {
                biased;
                result = read => result,
                _ = self.writer.writable(), if is_unwritten => self.flush(&mut self.buffers.borrow_mut()),
                () = self.unwritten.notified() => Ok(()),
            };
            if let Err(error) = result {
                return crowd.fail(&format!("user {}: {error:#}", self.user));
            }
        }
    }
}

fn closed() -> Result<()> {
    bail!("the server closed the connection")
}
