//! NATS, plain and with JetStream: there each message goes into a stream on disk and is acknowledged.

use super::{Codec, Event, Protocol, put};
use anyhow::{Context as _, Result, bail};
use memchr::{memchr, memmem};

pub(crate) struct Nats {
    pub(crate) stream: bool,
}

struct Connection {
    user: u32,
    stream: bool,
    step: Step,
    subscriptions: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Greeted,
    /// The stream is being made.
    Stream,
    /// An answer to `PING` says that all before it was done.
    Pong,
    Ready,
}

const STREAM: &str = r#"{"name":"LG","subjects":["g.>","u.>"],"retention":"limits","max_consumers":-1,"max_msgs":-1,"max_bytes":-1,"max_age":0,"max_msgs_per_subject":-1,"max_msg_size":-1,"discard":"old","storage":"file","num_replicas":1}"#;

impl Protocol for Nats {
    fn acks(&self) -> bool {
        self.stream
    }

    fn codec(&self, user: u32) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Connection { user, stream: self.stream, step: Step::Greeted, subscriptions: 2 }))
    }
}

impl Connection {
    /// A message: its subject tells whether it is an answer of JetStream's.
    fn message(&mut self, line: &[u8], text: &[u8], take: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let Some(subject) = line.strip_prefix(b"MSG _I.") else {
            take(Event::Message(text));
            return Ok(());
        };
        if memmem::find(text, b"\"error\"").is_some() {
            bail!("JetStream: {}", String::from_utf8_lossy(text));
        }
        if memmem::find(subject, b".create ").is_some() {
            self.step = Step::Ready;
            take(Event::Ready);
        } else {
            take(Event::Ack);
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        if line.starts_with(b"PING") {
            out.extend_from_slice(b"PONG\r\n");
        } else if line.starts_with(b"PONG") {
            match self.step {
                Step::Ready => take(Event::Joined),
                Step::Pong => {
                    self.step = Step::Ready;
                    take(Event::Ready);
                }
                Step::Greeted | Step::Stream => {}
            }
        } else if line.starts_with(b"INFO") && self.step == Step::Greeted {
            put!(
                out,
                "CONNECT {{\"verbose\":false,\"pedantic\":false,\"lang\":\"lg\",\"version\":\"1\",\"protocol\":1}}\r\n"
            );
            put!(out, "SUB u.{} 1\r\n", self.user);
            self.step = Step::Pong;
            if self.stream {
                put!(out, "SUB _I.{}.* 2\r\n", self.user);
                if self.user == 0 {
                    put!(out, "PUB $JS.API.STREAM.CREATE.LG _I.0.create {}\r\n{STREAM}\r\n", STREAM.len());
                    self.step = Step::Stream;
                }
            }
            out.extend_from_slice(b"PING\r\n");
        } else if line.starts_with(b"-ERR") {
            bail!("NATS: {}", String::from_utf8_lossy(line));
        }
        Ok(())
    }

    fn publish(&self, subject: &str, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if self.stream {
            put!(out, "PUB {subject} _I.{}.{number} {}\r\n", self.user, text.len());
        } else {
            put!(out, "PUB {subject} {}\r\n", text.len());
        }
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

impl Codec for Connection {
    fn start(&mut self, _out: &mut Vec<u8>) -> Result<()> {
        Ok(())
    }

    fn feed(&mut self, read: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let mut used = 0;
        while let Some(length) = memchr(b'\n', &read[used..]) {
            let line = &read[used..used + length.saturating_sub(1)];
            let start = used + length + 1;
            if line.starts_with(b"MSG ") {
                let length = line.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
                let length: usize = std::str::from_utf8(length)?.parse().context("a message's length")?;
                let Some(text) = read.get(start..start + length) else { break };
                if read.len() < start + length + 2 {
                    break;
                }
                used = start + length + 2;
                self.message(line, text, take)?;
            } else {
                used = start;
                self.line(line, out, take)?;
            }
        }
        Ok(used)
    }

    fn join(&mut self, group: u32, out: &mut Vec<u8>) -> bool {
        self.subscriptions += 1;
        out.extend_from_slice(format!("SUB g.{group} {}\r\nPING\r\n", self.subscriptions).as_bytes());
        false
    }

    fn send_to_group(&mut self, group: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.publish(&format!("g.{group}"), number, text, out)
    }

    fn send_to_user(&mut self, user: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.publish(&format!("u.{user}"), number, text, out)
    }
}
