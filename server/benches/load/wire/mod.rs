//! How each server is spoken to.
//!
//! A small state machine a connection, fed with bytes: no task, timer or buffer of its own, and no client library.
//! The generator has one core; its own cost of a delivery has to stay below the server's.

mod chat;
mod irc;
mod mqtt;
mod nats;
mod tls;
mod websocket;
mod xmpp;

pub(crate) use chat::Chat;
pub(crate) use irc::Irc;
pub(crate) use mqtt::Mqtt;
pub(crate) use nats::Nats;
pub(crate) use xmpp::Xmpp;

use anyhow::Result;
use async_trait::async_trait;

/// What every text begins with; what follows is in [`crate::stamp`].
pub(crate) const MARK: &[u8] = b"~LG~";

/// What a codec finds in what it is fed.
pub(crate) enum Event<'a> {
    /// The connection is authenticated and can be written to.
    Ready,
    /// The server confirmed one `join`.
    Joined,
    /// A message arrived, with this text.
    Message(&'a [u8]),
    /// The server acknowledged the oldest message of this connection that it had not.
    Ack,
}

/// One connection's state.
pub(crate) trait Codec {
    /// What to write as soon as the connection is there.
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()>;
    /// Takes the whole frames at the beginning of `read`, and returns how many bytes they had. Answers that
    /// the protocol asks for go to `out`.
    fn feed(&mut self, read: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<usize>;
    /// Enters a group. True: it is done, and nothing will be answered.
    fn join(&mut self, group: u32, out: &mut Vec<u8>) -> bool;
    /// Sends to a group.
    fn send_to_group(&mut self, group: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()>;
    /// Sends to one user.
    fn send_to_user(&mut self, user: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()>;
}

/// What a scenario needs, told before the first connection.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) users: u32,
    pub(crate) meet: Meet,
}

/// Where users meet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meet {
    Nowhere,
    /// In groups of so many: the first so many in group 0, the next in group 1, and so on.
    InGroups(u32),
    /// Each is alone, in a direct with oneself.
    Alone,
    /// Each with a partner in a direct: 0 with 1, 2 with 3, and so on.
    InPairs,
}

/// A protocol.
#[async_trait(?Send)]
pub(crate) trait Protocol {
    /// Does a sender receive what it sent to a group?
    fn echoes(&self) -> bool {
        true
    }
    /// Is each message acknowledged to its sender, in order?
    fn acks(&self) -> bool {
        false
    }
    /// Makes accounts and groups, where the server has them. Once, before the first connection.
    async fn prepare(&self, _plan: Plan) -> Result<()> {
        Ok(())
    }
    /// A new connection of this user.
    fn codec(&self, user: u32) -> Result<Box<dyn Codec>>;
}

/// Appends formatted text.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        std::io::Write::write_fmt($out, format_args!($($text)*))?
    };
}
use put;
