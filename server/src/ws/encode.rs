//! Finished bytes of frames from the server.

use bytes::Bytes;
use chat_shared::close::CloseCode;
use chat_shared::frame::ServerFrame;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// The longest header of an unmasked frame.
const HEADER_MAX: usize = 10;
/// A control frame's payload has at most this many bytes (RFC 6455, 5.5).
const CONTROL_MAX: usize = 125;

/// A text frame, header included, in one allocation: the text is written behind room for the
/// longest header, and the header then directly before it.
pub fn encode(frame: &ServerFrame) -> Bytes {
    let mut buffer = Vec::with_capacity(512);
    buffer.resize(HEADER_MAX, 0);
    // A frame has only string keys and finite numbers: writing it into memory cannot fail.
    if let Err(error) = serde_json::to_writer(&mut buffer, frame) {
        tracing::error!(%error, "a frame could not be written");
    }
    finish(OpCode::Data(Data::Text), buffer)
}

/// A ping without payload.
pub(super) fn ping() -> Bytes {
    finish(OpCode::Control(Control::Ping), vec![0; HEADER_MAX])
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Bytes {
    control(Control::Pong, payload)
}

/// A close frame. The reason is cut at a character's edge to what fits.
pub(super) fn close(code: CloseCode, reason: &str) -> Bytes {
    let mut payload = code.code().to_be_bytes().to_vec();
    let mut end = reason.len().min(CONTROL_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    payload.extend_from_slice(&reason.as_bytes()[..end]);
    control(Control::Close, &payload)
}

fn control(kind: Control, payload: &[u8]) -> Bytes {
    let mut buffer = vec![0; HEADER_MAX];
    buffer.extend_from_slice(&payload[..payload.len().min(CONTROL_MAX)]);
    finish(OpCode::Control(kind), buffer)
}

/// Writes the header directly before the payload, which begins at [`HEADER_MAX`].
fn finish(opcode: OpCode, mut buffer: Vec<u8>) -> Bytes {
    let length = (buffer.len() - HEADER_MAX) as u64;
    let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask: None };
    let start = HEADER_MAX - header.len(length);
    let mut room = &mut buffer[start..HEADER_MAX];
    if let Err(error) = header.format(length, &mut room) {
        tracing::error!(%error, "a frame header could not be written");
    }
    Bytes::from(buffer).slice(start..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn parse(bytes: &[u8]) -> (FrameHeader, usize, usize) {
        let mut cursor = Cursor::new(bytes);
        let (header, length) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
        (header, length as usize, cursor.position() as usize)
    }

    #[test]
    fn headers_of_every_length_stand_directly_before_the_text() {
        for size in [0, 1, 100, 125, 126, 127, 65_000, 70_000] {
            let id = "x".repeat(size);
            let frame = ServerFrame::Pong { id: Some(id) };
            let bytes = encode(&frame);
            let (header, length, start) = parse(&bytes);
            assert_eq!(bytes.len(), start + length);
            assert!(header.is_final && header.mask.is_none());
            assert_eq!(std::str::from_utf8(&bytes[start..]).unwrap(), frame.to_json());
        }
    }

    #[test]
    fn a_long_reason_is_cut_at_a_characters_edge() {
        let bytes = close(CloseCode::Restart, &"ä".repeat(100));
        let (_, length, start) = parse(&bytes);
        assert!(length <= CONTROL_MAX);
        assert_eq!(bytes[start..start + 2], 1012_u16.to_be_bytes());
        assert!(std::str::from_utf8(&bytes[start + 2..]).is_ok());
    }
}
