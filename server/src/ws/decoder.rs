//! From bytes to messages: the inbound half of RFC 6455, for a server that takes only text.
//!
//! It holds no buffer of its own while nothing is incomplete: whole frames are unmasked and read in
//! the buffer they arrived in. It is as strict as the RFC lets a server be, and cuts what real
//! clients do not do: floods of fragments, and messages that never end.

use crate::planted::{Bug, planted};
use chat_shared::close::CloseCode;
use chat_shared::limits::{FRAGMENTS, FRAME_MAX_BYTES};
use std::io::Cursor;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// How long one message may take to arrive.
pub(super) const MESSAGE_TIME: Duration = Duration::from_secs(10);

/// What arrived.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A whole message.
    Text(&'a str),
    /// With what is to be sent back.
    Ping(&'a [u8]),
    /// Whatever it carries.
    Pong,
    /// A proper good-bye.
    Close,
}

/// The peer broke the protocol: the close code that says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation {
    /// What the connection is closed with.
    pub code: CloseCode,
    /// In words.
    pub why: &'static str,
}

const fn protocol(why: &'static str) -> Violation {
    Violation { code: CloseCode::Protocol, why }
}

const TOO_BIG: Violation = Violation { code: CloseCode::TooBig, why: "a message may have 65536 bytes" };
const NOT_UTF8: Violation = Violation { code: CloseCode::InvalidData, why: "text must be UTF-8" };

/// The state between two reads.
#[derive(Default)]
pub struct Decoder {
    /// The beginning of a frame whose end has not arrived.
    rest: Vec<u8>,
    /// The fragments so far of a message whose end has not arrived.
    message: Option<Fragments>,
    /// When the incomplete thing began to arrive.
    since: Option<Instant>,
}

#[derive(Default)]
struct Fragments {
    text: Vec<u8>,
    /// How many of the bytes are known to be text.
    valid: usize,
    count: u32,
}

impl Fragments {
    /// Adds a fragment. It may end within a character; what cannot become text is not waited for.
    fn push(&mut self, payload: &[u8]) -> Result<(), Violation> {
        self.count += 1;
        if self.count > FRAGMENTS && !planted(Bug::FragmentsUnlimited) {
            return Err(protocol("too many fragments"));
        }
        self.text.extend_from_slice(payload);
        match std::str::from_utf8(&self.text[self.valid..]) {
            Ok(text) => self.valid += text.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }
}

impl Decoder {
    /// Since when something incomplete is waiting for its end.
    pub fn incomplete_since(&self) -> Option<Instant> {
        self.since
    }

    /// Takes what was read (and unmasks it in place), and hands on each message in it, until one says
    /// that it was the last.
    pub fn feed(
        &mut self,
        read: &mut [u8],
        now: Instant,
        mut take: impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Violation> {
        let flow = if self.rest.is_empty() {
            let (used, flow) = self.frames(read, &mut take)?;
            self.rest.extend_from_slice(&read[used..]);
            flow
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(read);
            let (used, flow) = self.frames(&mut rest, &mut take)?;
            if used < rest.len() {
                rest.drain(..used);
                self.rest = rest;
            }
            flow
        };
        if self.rest.is_empty() && self.message.is_none() {
            self.since = None;
        } else {
            let since = *self.since.get_or_insert(now);
            if now.duration_since(since) > MESSAGE_TIME {
                return Err(protocol("a message must arrive within 10 seconds"));
            }
        }
        Ok(flow)
    }

    /// Handles the whole frames at the beginning of the buffer; returns how many bytes they had.
    fn frames(
        &mut self,
        buffer: &mut [u8],
        take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<(usize, ControlFlow<()>), Violation> {
        let mut used = 0;
        loop {
            let mut cursor = Cursor::new(&buffer[used..]);
            let parsed = FrameHeader::parse(&mut cursor).map_err(|_| protocol("reserved opcode"))?;
            let Some((header, length)) = parsed else { return Ok((used, ControlFlow::Continue(()))) };
            let start = used + cursor.position() as usize;
            self.check(&header, length)?;
            let Some(payload) = buffer.get_mut(start..start + length as usize) else {
                return Ok((used, ControlFlow::Continue(())));
            };
            if let Some(mask) = header.mask {
                unmask(payload, mask);
            }
            used = start + length as usize;
            // A whole message has arrived or gone on: what is incomplete from here on is something new.
            if self.message.is_none() {
                self.since = None;
            }
            if self.frame(&header, payload, take)?.is_break() {
                return Ok((used, ControlFlow::Break(())));
            }
        }
    }

    /// What can be said of a frame by its header, before its payload is waited for.
    fn check(&self, header: &FrameHeader, length: u64) -> Result<(), Violation> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(protocol("no extension was negotiated"));
        }
        if header.mask.is_none() {
            return Err(protocol("frames from a client must be masked"));
        }
        match header.opcode {
            OpCode::Control(_) if !header.is_final => Err(protocol("a control frame cannot be fragmented")),
            OpCode::Control(_) if length > 125 => Err(protocol("a control frame has at most 125 bytes")),
            OpCode::Control(_) => Ok(()),
            OpCode::Data(kind) => {
                match (kind, &self.message) {
                    (Data::Continue, None) => return Err(protocol("nothing to continue")),
                    (Data::Text | Data::Binary, Some(_)) => {
                        return Err(protocol("a new message inside another one"));
                    }
                    (Data::Binary, None) => {
                        return Err(Violation {
                            code: CloseCode::Unsupported,
                            why: CloseCode::Unsupported.reason(),
                        });
                    }
                    _ => {}
                }
                let before = self.message.as_ref().map_or(0, |message| message.text.len() as u64);
                if before.saturating_add(length) > FRAME_MAX_BYTES as u64 { Err(TOO_BIG) } else { Ok(()) }
            }
        }
    }

    fn frame(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Violation> {
        match header.opcode {
            OpCode::Control(Control::Ping) => Ok(take(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(take(Incoming::Pong)),
            OpCode::Control(_) => {
                check_close(payload)?;
                Ok(take(Incoming::Close))
            }
            OpCode::Data(_) if header.is_final && self.message.is_none() => text(payload, take),
            OpCode::Data(_) => {
                self.message.get_or_insert_default().push(payload)?;
                if !header.is_final {
                    return Ok(ControlFlow::Continue(()));
                }
                let whole = self.message.take().unwrap_or_default();
                self.since = None;
                text(&whole.text, take)
            }
        }
    }
}

fn text(
    payload: &[u8],
    take: &mut impl FnMut(Incoming<'_>) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Violation> {
    std::str::from_utf8(payload).map(|text| take(Incoming::Text(text))).map_err(|_| NOT_UTF8)
}

fn check_close(payload: &[u8]) -> Result<(), Violation> {
    let (code, reason) = match payload {
        [] => return Ok(()),
        [_] => return Err(protocol("a close code has two bytes")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(protocol("not a close code"));
    }
    std::str::from_utf8(reason).map(|_| ()).map_err(|_| NOT_UTF8)
}

/// Takes the mask off, eight bytes at a time.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u64::from_ne_bytes([mask[0], mask[1], mask[2], mask[3], mask[0], mask[1], mask[2], mask[3]]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests;
