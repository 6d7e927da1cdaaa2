//! MQTT 3.1.1, as Mosquitto speaks it, with quality of service 0 or 1 (acknowledged).

use super::{Codec, Event, Protocol};
use anyhow::{Context as _, Result, bail};

pub(crate) struct Mqtt {
    pub(crate) quality: u8,
}

struct Connection {
    user: u32,
    quality: u8,
    is_ready: bool,
}

const CONNECT: u8 = 0x10;
const PUBLISH: u8 = 0x30;
const ACK: u8 = 0x40;
const SUBSCRIBE: u8 = 0x82;

impl Protocol for Mqtt {
    fn acks(&self) -> bool {
        self.quality > 0
    }

    fn codec(&self, user: u32) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Connection { user, quality: self.quality, is_ready: false }))
    }
}

/// A packet's first byte and its length, seven bits a byte.
fn head(kind: u8, mut length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    while length >= 128 {
        out.push(length as u8 | 128);
        length /= 128;
    }
    out.push(length as u8);
}

fn string(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// The first packet's head: how long it is, and what follows; `None` if it is not whole.
fn packet(read: &[u8]) -> Option<(usize, usize)> {
    let (mut length, mut at) = (0, 1);
    loop {
        let byte = *read.get(at)?;
        length |= usize::from(byte & 127) << (7 * (at - 1));
        at += 1;
        if byte & 128 == 0 {
            return (read.len() >= at + length).then_some((at, length));
        }
    }
}

impl Connection {
    fn subscribe(&self, topic: &str, out: &mut Vec<u8>) {
        head(SUBSCRIBE, 2 + 2 + topic.len() + 1, out);
        out.extend_from_slice(&[0, 1]);
        string(topic, out);
        out.push(self.quality);
    }

    fn publish(&self, topic: &str, number: u32, text: &[u8], out: &mut Vec<u8>) {
        let id = if self.quality > 0 { 2 } else { 0 };
        head(PUBLISH | self.quality << 1, 2 + topic.len() + id + text.len(), out);
        string(topic, out);
        if self.quality > 0 {
            out.extend_from_slice(&((number % 65535 + 1) as u16).to_be_bytes());
        }
        out.extend_from_slice(text);
    }
}

impl Codec for Connection {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let id = format!("u{}", self.user);
        head(CONNECT, 10 + 2 + id.len(), out);
        string("MQTT", out);
        out.extend_from_slice(&[4, 2, 0, 0]);
        string(&id, out);
        self.subscribe(&format!("u/{}", self.user), out);
        Ok(())
    }

    fn feed(&mut self, read: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let mut used = 0;
        while let Some((start, length)) = packet(&read[used..]) {
            let kind = read[used];
            let body = &read[used + start..used + start + length];
            used += start + length;
            match kind >> 4 {
                3 => {
                    let topic: [u8; 2] = body.get(..2).context("a message without a topic")?.try_into()?;
                    let mut text = 2 + usize::from(u16::from_be_bytes(topic));
                    if kind >> 1 & 3 > 0 {
                        head(ACK, 2, out);
                        out.extend_from_slice(&body[text..text + 2]);
                        text += 2;
                    }
                    take(Event::Message(&body[text..]));
                }
                2 if body[1] != 0 => bail!("MQTT: the connection is refused with {}", body[1]),
                4 => take(Event::Ack),
                9 if self.is_ready => take(Event::Joined),
                9 => {
                    self.is_ready = true;
                    take(Event::Ready);
                }
                _ => {}
            }
        }
        Ok(used)
    }

    fn join(&mut self, group: u32, out: &mut Vec<u8>) -> bool {
        self.subscribe(&format!("g/{group}"), out);
        false
    }

    fn send_to_group(&mut self, group: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.publish(&format!("g/{group}"), number, text, out);
        Ok(())
    }

    fn send_to_user(&mut self, user: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.publish(&format!("u/{user}"), number, text, out);
        Ok(())
    }
}
