//! Bytes become the same messages however they arrive, and the ones that another implementation reads.
//!
//! The first two bytes say in what pieces the others arrive.

use chat_server::ws::decoder::{Decoder, Incoming, Violation};
use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;
use std::time::Instant;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use tungstenite::{Error, Message};

/// The longest message, as the protocol has it.
const MESSAGE_MAX: usize = 65_536;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    Close,
}

pub(crate) fn check(data: &[u8]) {
    let [first, second, bytes @ ..] = data else { return };
    let whole = ours(bytes, &[usize::MAX]);
    for pieces in [&[usize::from(*first) + 1, usize::from(*second) + 1][..], &[1]] {
        assert_eq!(ours(bytes, pieces), whole, "in pieces of {pieces:?}");
    }
    let (events, end) = whole;
    for event in &events {
        assert!(!matches!(event, Event::Text(text) if text.len() > MESSAGE_MAX));
    }
    let (theirs, complaint) = theirs(bytes);
    if end.is_err() {
        // Where it is stricter than another one, the messages before are the same.
        assert!(theirs.starts_with(&events), "{events:?} here, {theirs:?} there");
    } else {
        assert_eq!(events, theirs);
        assert!(complaint.is_none(), "{complaint:?} there");
    }
}

/// What this decoder makes of it.
fn ours(mut bytes: &[u8], pieces: &[usize]) -> (Vec<Event>, Result<ControlFlow<()>, Violation>) {
    let (mut decoder, mut events, now) = (Decoder::default(), Vec::new(), Instant::now());
    for piece in pieces.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (head, tail) = bytes.split_at(bytes.len().min(*piece));
        bytes = tail;
        let fed = decoder.feed(&mut head.to_vec(), now, |incoming| {
            events.push(match incoming {
                Incoming::Text(text) => Event::Text(text.to_owned()),
                Incoming::Ping(payload) => Event::Ping(payload.to_vec()),
                Incoming::Pong => Event::Pong,
                Incoming::Close => Event::Close,
            });
            if events.last() == Some(&Event::Close) {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        match fed {
            Ok(ControlFlow::Continue(())) => {}
            end => return (events, end),
        }
    }
    (events, Ok(ControlFlow::Continue(())))
}

/// What tungstenite makes of it, and what it complains about.
fn theirs(bytes: &[u8]) -> (Vec<Event>, Option<Error>) {
    let limits =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    let mut socket = WebSocket::from_raw_socket(OneWay(Cursor::new(bytes)), Role::Server, Some(limits));
    let mut events = Vec::new();
    loop {
        events.push(match socket.read() {
            Ok(Message::Text(text)) => Event::Text(text.to_string()),
            Ok(Message::Ping(payload)) => Event::Ping(payload.to_vec()),
            Ok(Message::Pong(_)) => Event::Pong,
            // Nothing that follows a good-bye counts.
            Ok(Message::Close(_)) => {
                events.push(Event::Close);
                return (events, None);
            }
            Ok(Message::Binary(_) | Message::Frame(_)) => return (events, None),
            // The bytes are at their end.
            Err(Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
                return (events, None);
            }
            Err(error) => return (events, Some(error)),
        });
    }
}

/// Bytes to read; what is written goes nowhere.
struct OneWay<'a>(Cursor<&'a [u8]>);

impl Read for OneWay<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for OneWay<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
