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
pub(super) enum Incoming<'a> {
    Text(&'a str),
    Ping(&'a [u8]),
    Pong,
    Close,
}

/// The peer broke the protocol: the close code that says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) code: CloseCode,
    pub(super) why: &'static str,
}

const fn protocol(why: &'static str) -> Violation {
    Violation { code: CloseCode::Protocol, why }
}

const TOO_BIG: Violation = Violation { code: CloseCode::TooBig, why: "a message may have 65536 bytes" };
const NOT_UTF8: Violation = Violation { code: CloseCode::InvalidData, why: "text must be UTF-8" };

/// The state between two reads.
#[derive(Default)]
pub(super) struct Decoder {
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
    pub(super) fn incomplete_since(&self) -> Option<Instant> {
        self.since
    }

    /// Takes what was read (and unmasks it in place), and hands on each message in it, until one says
    /// that it was the last.
    pub(super) fn feed(
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MASK: [u8; 4] = [0x12, 0xF4, 0x00, 0x9C];

    /// A client's frame; `first`: its first byte (FIN, RSV, opcode).
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = vec![first];
        match payload.len() {
            n @ 0..=125 => bytes.push(0x80 | n as u8),
            n @ 126..=0xFFFF => {
                bytes.push(0x80 | 126);
                bytes.extend((n as u16).to_be_bytes());
            }
            n => {
                bytes.push(0x80 | 127);
                bytes.extend((n as u64).to_be_bytes());
            }
        }
        bytes.extend(MASK);
        bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// What comes out, in words; a violation as its number.
    fn decode(reads: impl IntoIterator<Item = Vec<u8>>) -> Vec<String> {
        let mut decoder = Decoder::default();
        let mut out = Vec::new();
        let now = Instant::now();
        for mut read in reads {
            let result = decoder.feed(&mut read, now, |incoming| {
                out.push(match incoming {
                    Incoming::Text(text) => format!("text {text}"),
                    Incoming::Ping(payload) => format!("ping {}", String::from_utf8_lossy(payload)),
                    Incoming::Pong => "pong".to_owned(),
                    Incoming::Close => "close".to_owned(),
                });
                ControlFlow::Continue(())
            });
            if let Err(violation) = result {
                out.push(violation.code.code().to_string());
                return out;
            }
        }
        out
    }

    const TEXT: u8 = 0x81;
    const TEXT_BEGIN: u8 = 0x01;
    const CONTINUE: u8 = 0x00;
    const CONTINUE_END: u8 = 0x80;
    const CLOSE: u8 = 0x88;
    const PING: u8 = 0x89;

    #[test]
    fn each_malformed_frame_has_its_close_code() {
        let mut unmasked = frame(TEXT, b"hi");
        unmasked[1] &= 0x7F;
        let big = vec![b'x'; FRAME_MAX_BYTES + 1];
        let close = |code: u16, reason: &[u8]| frame(CLOSE, &[&code.to_be_bytes()[..], reason].concat());
        let table: Vec<(&str, Vec<u8>, &[&str])> = vec![
            ("text", frame(TEXT, "grüß".as_bytes()), &["text grüß"]),
            ("empty text", frame(TEXT, b""), &["text "]),
            ("largest", frame(TEXT, &big[1..]), &[]),
            ("too large", frame(TEXT, &big), &["1009"]),
            ("rsv1", frame(0xC1, b"hi"), &["1002"]),
            ("rsv2", frame(0xA1, b"hi"), &["1002"]),
            ("rsv3", frame(0x91, b"hi"), &["1002"]),
            ("opcode 3", frame(0x83, b"hi"), &["1002"]),
            ("opcode 11", frame(0x8B, b"hi"), &["1002"]),
            ("unmasked", unmasked, &["1002"]),
            ("binary", frame(0x82, b"hi"), &["1003"]),
            ("fragmented ping", frame(0x09, b"hi"), &["1002"]),
            ("ping of 125", frame(PING, &big[..125]), &[]),
            ("ping of 126", frame(PING, &big[..126]), &["1002"]),
            ("stray continuation", frame(CONTINUE_END, b"hi"), &["1002"]),
            ("bad utf-8", frame(TEXT, b"\xff\xfe"), &["1007"]),
            ("close", frame(CLOSE, b""), &["close"]),
            ("close 1000", close(1000, b"bye"), &["close"]),
            ("close of one byte", frame(CLOSE, b"x"), &["1002"]),
            ("close 999", close(999, b""), &["1002"]),
            ("close 1005", close(1005, b""), &["1002"]),
            ("close 5000", close(5000, b""), &["1002"]),
            ("close with bad reason", close(1000, b"\xff"), &["1007"]),
            ("text in text", [frame(TEXT_BEGIN, b"a"), frame(TEXT, b"b")].concat(), &["1002"]),
        ];
        for (name, bytes, expected) in table {
            let found = decode([bytes]);
            if expected.is_empty() {
                assert!(
                    found[0].starts_with("text x") || found[0].starts_with("ping x"),
                    "{name}: {found:?}"
                );
            } else {
                assert_eq!(found, expected, "{name}");
            }
        }
    }

    #[test]
    fn fragments_are_joined_and_control_frames_may_stand_between() {
        let bytes = [
            frame(TEXT_BEGIN, b"a\xC3"),
            frame(PING, b"p"),
            frame(CONTINUE, b"\xA4b"),
            frame(CONTINUE_END, b"c"),
            frame(TEXT, b"next"),
        ]
        .concat();
        assert_eq!(decode([bytes]), ["ping p", "text aäbc", "text next"]);
    }

    #[test]
    fn floods_of_fragments_are_cut() {
        let mut reads = vec![frame(TEXT_BEGIN, b"")];
        reads.extend((0..FRAGMENTS - 1).map(|_| frame(CONTINUE, b"")));
        assert!(decode(reads.clone()).is_empty());
        reads.push(frame(CONTINUE, b""));
        assert_eq!(decode(reads), ["1002"]);
    }

    #[test]
    fn fragments_together_keep_the_limit() {
        let half = vec![b'x'; FRAME_MAX_BYTES / 2 + 1];
        assert_eq!(decode([frame(TEXT_BEGIN, &half), frame(CONTINUE_END, &half)]), ["1009"]);
    }

    #[test]
    fn a_message_that_does_not_end_is_cut() {
        let mut decoder = Decoder::default();
        let begin = Instant::now();
        let never = |_: Incoming<'_>| ControlFlow::Continue(());
        assert!(decoder.feed(&mut frame(TEXT_BEGIN, b"a"), begin, never).is_ok());
        let late = begin + MESSAGE_TIME + Duration::from_millis(1);
        assert!(decoder.feed(&mut frame(CONTINUE, b"a"), late, never).is_err());
    }

    #[test]
    fn a_finished_message_starts_the_clock_anew() {
        let mut decoder = Decoder::default();
        let begin = Instant::now();
        let never = |_: Incoming<'_>| ControlFlow::Continue(());
        let mut first = frame(TEXT, b"a");
        first.extend(&frame(TEXT, b"b")[..3]);
        assert!(decoder.feed(&mut first, begin, never).is_ok());
        let mut second = frame(TEXT, b"b")[3..].to_vec();
        second.extend(&frame(TEXT, b"c")[..3]);
        assert!(decoder.feed(&mut second, begin + Duration::from_secs(9), never).is_ok());
        assert_eq!(decoder.incomplete_since(), Some(begin + Duration::from_secs(9)));
    }

    proptest! {
        #[test]
        fn however_the_bytes_are_cut_the_messages_are_the_same(
            texts in prop::collection::vec("\\PC{0,200}", 1..8),
            cuts in prop::collection::vec(1_usize..400, 1..40),
        ) {
            let stream: Vec<u8> = texts.iter().flat_map(|text| frame(TEXT, text.as_bytes())).collect();
            let mut reads = Vec::new();
            let mut rest = &stream[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                reads.push(head.to_vec());
                rest = tail;
            }
            let expected: Vec<String> = texts.iter().map(|text| format!("text {text}")).collect();
            prop_assert_eq!(decode(reads), expected);
        }

        #[test]
        fn no_bytes_make_it_panic(reads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..6)) {
            decode(reads);
        }
    }
}
