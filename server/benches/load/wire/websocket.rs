//! The client's side of a WebSocket, as little of it as the server needs to see.

use super::put;
use anyhow::{Result, bail};
use memchr::memmem;

/// The state between two reads.
#[derive(Default)]
pub(super) struct WebSocket {
    is_open: bool,
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The request for an upgrade.
pub(super) fn upgrade(path: &str, headers: &str, out: &mut Vec<u8>) -> Result<()> {
    put!(
        out,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    );
    Ok(())
}

/// A text frame with these parts. (The mask is always the same: there is no proxy to protect.)
pub(super) fn text(parts: &[&[u8]], out: &mut Vec<u8>) {
    frame(TEXT, parts, out);
}

fn frame(opcode: u8, parts: &[&[u8]], out: &mut Vec<u8>) {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode);
    match u16::try_from(length) {
        Ok(short @ 0..126) => out.push(0x80 | short as u8),
        Ok(medium) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&medium.to_be_bytes());
        }
        Err(_) => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    let bytes = parts.iter().copied().flatten();
    out.extend(bytes.zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// The first frame's header: how long it is, and what follows; `None` if the frame is not whole.
fn header(read: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = match *read.get(1)? & 127 {
        126 => (4, usize::from(u16::from_be_bytes(read.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(read.get(2..10)?.try_into().ok()?) as usize),
        short => (2, usize::from(short)),
    };
    (read.len() >= start + length).then_some((start, length))
}

impl WebSocket {
    /// Like [`super::Codec::feed`], for the texts in it.
    pub(super) fn feed(
        &mut self,
        read: &[u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<usize> {
        let mut used = 0;
        if !self.is_open {
            let Some(end) = memmem::find(read, b"\r\n\r\n") else { return Ok(0) };
            if !read.starts_with(b"HTTP/1.1 101") {
                bail!("the upgrade is refused: {}", String::from_utf8_lossy(&read[..end]));
            }
            used = end + 4;
            self.is_open = true;
        }
        while let Some((start, length)) = header(&read[used..]) {
            let opcode = read[used] & 15;
            let payload = &read[used + start..used + start + length];
            used += start + length;
            match opcode {
                TEXT => take(payload),
                PING => frame(PONG, &[payload], out),
                CLOSE => bail!("closed: {}", String::from_utf8_lossy(payload.get(2..).unwrap_or_default())),
                _ => {}
            }
        }
        Ok(used)
    }
}
