//! `chat.v1`, as our server speaks it (docs/protocol.md), plain or with TLS.
//!
//! Accounts, groups and directs are made over HTTP before anything is measured. A scenario's users are members
//! of their groups beforehand, as people are, whether they are connected or not.

use super::tls::{self, Tls};
use super::websocket::{self, WebSocket};
use super::{Codec, Event, MARK, Meet, Plan, Protocol};
use crate::stamp::Stamp;
use anyhow::{Context as _, Result, bail};
use async_trait::async_trait;
use futures_util::{StreamExt as _, TryStreamExt as _};
use memchr::{memchr, memmem};
use rustls::pki_types::CertificateDer;
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

/// Calls under way at once.
const CALLS: usize = 32;

pub(crate) struct Chat {
    base: String,
    http: reqwest::Client,
    tls: Option<Arc<rustls::ClientConfig>>,
    world: RefCell<Rc<World>>,
}

/// What was made beforehand.
#[derive(Default)]
struct World {
    /// The access token of each user.
    tokens: Vec<String>,
    /// The conversation of each group.
    groups: Vec<i64>,
    /// The conversation of each direct: of a sender and a receiver.
    directs: HashMap<(u32, u32), i64>,
}

struct Connection {
    user: u32,
    world: Rc<World>,
    socket: WebSocket,
}

impl Chat {
    /// A server at this address. With a certificate: one that speaks TLS, and has it.
    pub(crate) fn new(address: SocketAddr, certificate: Option<&CertificateDer<'static>>) -> Result<Self> {
        let mut http = reqwest::Client::builder();
        if let Some(made) = certificate {
            http = http.add_root_certificate(reqwest::Certificate::from_der(made)?);
        }
        let scheme = if certificate.is_some() { "https" } else { "http" };
        Ok(Self {
            base: format!("{scheme}://localhost:{}/api/v1", address.port()),
            http: http.resolve("localhost", address).build()?,
            tls: certificate.map(tls::trusting).transpose()?,
            world: RefCell::default(),
        })
    }

    async fn call(&self, path: &str, token: Option<&str>, body: Value) -> Result<Value> {
        let mut request = self.http.post(format!("{}{path}", self.base)).json(&body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            bail!("{path}: {status} {text}");
        }
        Ok(serde_json::from_str(&text)?)
    }

    async fn register(&self, user: u32) -> Result<String> {
        let body = json!({"username": format!("u{user}"), "password": "a password for benchmarks"});
        let session = self.call("/auth/register", None, body).await?;
        Ok(session["access_token"].as_str().context("a session without an access token")?.to_owned())
    }

    async fn group(&self, number: u32, members: &[String]) -> Result<i64> {
        let body = json!({"name": format!("g{number}")});
        let group = id(&self.call("/groups", Some(&members[0]), body).await?)?;
        let path = format!("/groups/{group}/join");
        let joins = members[1..].iter().map(|token| self.call(&path, Some(token), json!({})));
        futures_util::stream::iter(joins).buffer_unordered(CALLS).try_for_each(|_| async { Ok(()) }).await?;
        Ok(group)
    }

    async fn direct(&self, tokens: &[String], from: u32, to: u32) -> Result<((u32, u32), i64)> {
        let body = json!({"username": format!("u{to}")});
        let direct = self.call("/directs", Some(&tokens[from as usize]), body).await?;
        Ok(((from, to), id(&direct)?))
    }
}

fn id(conversation: &Value) -> Result<i64> {
    conversation["id"].as_i64().context("a conversation without an id")
}

#[async_trait(?Send)]
impl Protocol for Chat {
    fn acks(&self) -> bool {
        true
    }

    async fn prepare(&self, plan: Plan) -> Result<()> {
        let registered = (0..plan.users).map(|user| self.register(user));
        let tokens: Vec<String> =
            futures_util::stream::iter(registered).buffered(CALLS).try_collect().await?;
        let mut world = World::default();
        let other = match plan.meet {
            Meet::InGroups(size) => {
                for (number, members) in (0..).zip(tokens.chunks_exact(size as usize)) {
                    world.groups.push(self.group(number, members).await?);
                }
                None
            }
            Meet::Nowhere => None,
            Meet::Alone => Some(0),
            Meet::InPairs => Some(1),
        };
        if let Some(other) = other {
            let made = (0..plan.users).map(|user| self.direct(&tokens, user, user ^ other));
            world.directs = futures_util::stream::iter(made).buffered(CALLS).try_collect().await?;
        }
        world.tokens = tokens;
        *self.world.borrow_mut() = Rc::new(world);
        Ok(())
    }

    fn codec(&self, user: u32) -> Result<Box<dyn Codec>> {
        let plain =
            Box::new(Connection { user, world: self.world.borrow().clone(), socket: WebSocket::default() });
        match &self.tls {
            Some(config) => Ok(Box::new(Tls::new(config.clone(), plain)?)),
            None => Ok(plain),
        }
    }
}

impl Connection {
    fn send(conversation: i64, text: &[u8], out: &mut Vec<u8>) {
        let id = uuid::Uuid::now_v7();
        let head = format!(r#"{{"type":"send","id":"{id}","conversation_id":{conversation},"body":""#);
        websocket::text(&[head.as_bytes(), text, br#""}"#], out);
    }
}

impl Codec for Connection {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let token = &self.world.tokens[self.user as usize];
        let headers = format!("Authorization: Bearer {token}\r\nSec-WebSocket-Protocol: chat.v1\r\n");
        websocket::upgrade("/api/v1/ws", &headers, out)
    }

    fn feed(&mut self, read: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        // In a direct with somebody else the sender's own copy is no delivery.
        let (me, directs) = (self.user, &self.world.directs);
        let skips_own = !directs.is_empty() && !directs.contains_key(&(me, me));
        let mut error = None;
        let used = self.socket.feed(read, out, &mut |text| {
            if text.starts_with(br#"{"type":"message""#) {
                let Some(start) = memmem::find(text, MARK) else { return };
                let end = memchr(b'"', &text[start..]).map_or(text.len(), |length| start + length);
                let body = &text[start..end];
                if !skips_own || Stamp::read(body).is_some_and(|stamp| stamp.sender != me) {
                    take(Event::Message(body));
                }
            } else if text.starts_with(br#"{"type":"ack""#) {
                take(Event::Ack);
            } else if text.starts_with(br#"{"type":"ready""#) {
                take(Event::Ready);
            } else if text.starts_with(br#"{"type":"error""#) {
                error = Some(String::from_utf8_lossy(text).into_owned());
            }
        })?;
        if let Some(error) = error {
            bail!("refused: {error}");
        }
        Ok(used)
    }

    fn join(&mut self, _group: u32, _out: &mut Vec<u8>) -> bool {
        true
    }

    fn send_to_group(&mut self, group: u32, _number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        Self::send(self.world.groups[group as usize], text, out);
        Ok(())
    }

    fn send_to_user(&mut self, user: u32, _number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        Self::send(self.world.directs[&(self.user, user)], text, out);
        Ok(())
    }
}
