//! IRC, as ngircd and InspIRCd speak it.

use super::{Codec, Event, Protocol, put};
use anyhow::{Result, bail};
use memchr::{memchr, memmem};

pub(crate) struct Irc;

struct Connection {
    user: u32,
}

impl Protocol for Irc {
    fn echoes(&self) -> bool {
        false
    }

    fn codec(&self, user: u32) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Connection { user }))
    }
}

/// A line without the part that this byte announces.
fn without(line: &[u8], announced: u8) -> &[u8] {
    match (line.first(), memchr(b' ', line)) {
        (Some(first), Some(space)) if *first == announced => &line[space + 1..],
        _ => line,
    }
}

impl Codec for Connection {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        put!(out, "NICK u{0}\r\nUSER u{0} 0 * :u\r\n", self.user);
        Ok(())
    }

    fn feed(&mut self, read: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let mut used = 0;
        while let Some(length) = memchr(b'\n', &read[used..]) {
            let line = &read[used..used + length];
            used += length + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let line = without(without(line, b'@'), b':');
            if line.starts_with(b"PRIVMSG ") {
                if let Some(text) = memmem::find(line, b" :") {
                    take(Event::Message(&line[text + 2..]));
                }
            } else if let Some(token) = line.strip_prefix(b"PING") {
                out.extend_from_slice(b"PONG");
                out.extend_from_slice(token);
                out.extend_from_slice(b"\r\n");
            } else if line.starts_with(b"376 ") || line.starts_with(b"422 ") {
                take(Event::Ready);
            } else if line.starts_with(b"366 ") {
                take(Event::Joined);
            } else if [&b"ERROR"[..], b"433 ", b"404 ", b"401 "].iter().any(|bad| line.starts_with(bad)) {
                bail!("IRC: {}", String::from_utf8_lossy(line));
            }
        }
        Ok(used)
    }

    fn join(&mut self, group: u32, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(format!("JOIN #g{group}\r\n").as_bytes());
        false
    }

    fn send_to_group(&mut self, group: u32, _number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        put!(out, "PRIVMSG #g{group} :");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn send_to_user(&mut self, user: u32, _number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        put!(out, "PRIVMSG u{user} :");
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}
