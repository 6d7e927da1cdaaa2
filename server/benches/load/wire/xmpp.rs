//! XMPP, as Prosody and ejabberd speak it: SASL PLAIN, and groups as multi-user chats.

use super::{Codec, Event, Protocol, put};
use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::{memchr, memmem};

pub(crate) struct Xmpp;

struct Connection {
    user: u32,
    step: Step,
}

/// What is waited for.
#[derive(Clone, Copy)]
enum Step {
    Features,
    Success,
    FeaturesAgain,
    Bound,
    Stanzas,
}

const HEAD: &str = "<stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>";

impl Protocol for Xmpp {
    fn codec(&self, user: u32) -> Result<Box<dyn Codec>> {
        Ok(Box::new(Connection { user, step: Step::Features }))
    }
}

/// Where the first such text ends.
fn end_of(text: &[u8], wanted: &[u8]) -> Option<usize> {
    memmem::find(text, wanted).map(|start| start + wanted.len())
}

fn contains(text: &[u8], wanted: &str) -> bool {
    memmem::find(text, wanted.as_bytes()).is_some()
}

/// Has the element this attribute, in either kind of quotes?
fn has(element: &[u8], name: &str, value: &str) -> bool {
    contains(element, &format!("{name}='{value}'")) || contains(element, &format!("{name}=\"{value}\""))
}

impl Connection {
    /// A step of logging in: how many bytes it took, `None` if what it waits for has not arrived.
    fn log_in(
        &mut self,
        read: &[u8],
        out: &mut Vec<u8>,
        take: &mut dyn FnMut(Event<'_>),
    ) -> Result<Option<usize>> {
        if contains(read, "<failure") {
            bail!("XMPP: {}", String::from_utf8_lossy(read));
        }
        let wanted: &[u8] = match self.step {
            Step::Features | Step::FeaturesAgain => b"</stream:features>",
            Step::Success => b"<success",
            Step::Bound | Step::Stanzas => b"</iq>",
        };
        let Some(mut end) = end_of(read, wanted) else { return Ok(None) };
        self.step = match self.step {
            Step::Features => {
                let secret = BASE64.encode(format!("\0u{0}\0p{0}", self.user));
                put!(out, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>");
                Step::Success
            }
            Step::Success => {
                let Some(tag) = memchr(b'>', &read[end..]) else { return Ok(None) };
                end += tag + 1;
                put!(out, "{HEAD}");
                Step::FeaturesAgain
            }
            Step::FeaturesAgain => {
                put!(
                    out,
                    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>l</resource></bind></iq>"
                );
                Step::Bound
            }
            Step::Bound | Step::Stanzas => {
                put!(out, "<presence/>");
                take(Event::Ready);
                Step::Stanzas
            }
        };
        Ok(Some(end))
    }
}

/// The first stanza: where it begins and ends; `None` if it is not whole.
fn stanza(read: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(start) = memchr(b'<', read) else { return Ok(Some((read.len(), read.len()))) };
    let text = &read[start..];
    let closing: &[u8] = if text.starts_with(b"<message") {
        b"</message>"
    } else if text.starts_with(b"<presence") {
        b"</presence>"
    } else if text.starts_with(b"<iq") {
        b"</iq>"
    } else if text.starts_with(b"<stream:error") || text.starts_with(b"</stream") {
        bail!("XMPP: {}", String::from_utf8_lossy(text));
    } else if text.len() < b"<stream:error".len() {
        return Ok(None);
    } else {
        b">"
    };
    let Some(tag) = memchr(b'>', text) else { return Ok(None) };
    let whole = if text[tag - 1] == b'/' || closing == b">" {
        Some(tag + 1)
    } else {
        end_of(&text[tag..], closing).map(|end| tag + end)
    };
    Ok(whole.map(|end| (start, start + end)))
}

fn look(stanza: &[u8], take: &mut dyn FnMut(Event<'_>)) -> Result<()> {
    let tag = memchr(b'>', stanza).map_or(stanza, |end| &stanza[..end]);
    if has(tag, "type", "error") {
        bail!("XMPP: {}", String::from_utf8_lossy(stanza));
    }
    if stanza.starts_with(b"<message") {
        if let Some(start) = end_of(stanza, b"<body>") {
            let length = memchr(b'<', &stanza[start..]).context("a body without an end")?;
            take(Event::Message(&stanza[start..start + length]));
        }
    } else if stanza.starts_with(b"<presence") && has(stanza, "code", "110") {
        // One's own presence in the group.
        take(Event::Joined);
    }
    Ok(())
}

impl Codec for Connection {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        put!(out, "<?xml version='1.0'?>{HEAD}");
        Ok(())
    }

    fn feed(&mut self, read: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let mut used = 0;
        while used < read.len() {
            let rest = &read[used..];
            if let Step::Stanzas = self.step {
                let Some((start, end)) = stanza(rest)? else { break };
                look(&rest[start..end], take)?;
                used += end;
            } else {
                let Some(end) = self.log_in(rest, out, take)? else { break };
                used += end;
            }
        }
        Ok(used)
    }

    fn join(&mut self, group: u32, out: &mut Vec<u8>) -> bool {
        let join = format!(
            "<presence to='g{group}@conference.localhost/u{}'><x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>",
            self.user
        );
        out.extend_from_slice(join.as_bytes());
        false
    }

    fn send_to_group(&mut self, group: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        put!(out, "<message type='groupchat' id='m{number}' to='g{group}@conference.localhost'><body>");
        out.extend_from_slice(text);
        out.extend_from_slice(b"</body></message>");
        Ok(())
    }

    fn send_to_user(&mut self, user: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        put!(out, "<message type='chat' id='m{number}' to='u{user}@localhost/l'><body>");
        out.extend_from_slice(text);
        out.extend_from_slice(b"</body></message>");
        Ok(())
    }
}
