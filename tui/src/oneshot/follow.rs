//! `history` and `tail`.

use super::{Target, as_json, as_text, name_of, print, print_json, resolve};
use crate::error::ClientError;
use crate::net::backoff::{Backoff, random};
use crate::net::http::Account;
use crate::net::sync::{Cursors, Step};
use crate::net::ws::{Lost, Socket};
use chat_shared::api::{Changes, Conversation, ConversationKind, Message, MessagePage};
use chat_shared::frame::ServerFrame;
use chat_shared::{ConversationId, ErrorCode, Rev, Seq};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Rows of a page.
const PAGE: usize = 200;

/// Prints the newest messages, the oldest of them first.
pub async fn history(account: &Account, target: &str, limit: usize, json: bool) -> Result<(), ClientError> {
    let target = Target::parse(target)?;
    let name = match &target {
        Target::Group(name) => format!("#{name}"),
        Target::User(name) => format!("@{name}"),
    };
    let id = resolve(account, &target).await?;
    let mut messages: Vec<Message> = Vec::new();
    let mut before = String::new();
    while messages.len() < limit {
        let rows = PAGE.min(limit - messages.len());
        let page: MessagePage =
            account.get(&format!("/conversations/{id}/messages?limit={rows}{before}")).await?;
        let (more, mut rows) = (page.has_before, page.messages);
        let Some(first) = rows.first().map(|message| message.seq) else { break };
        before = format!("&before={first}");
        rows.append(&mut messages);
        messages = rows;
        if !more {
            break;
        }
    }
    messages.iter().try_for_each(|message| show(message, &name, json))
}

fn show(message: &Message, name: &str, json: bool) -> Result<(), ClientError> {
    if json { print_json(&as_json(message, name)) } else { print(&as_text(message, name)) }
}

/// Follows conversations from now on, through every reconnection.
struct Tail {
    account: Account,
    /// Empty: all.
    wanted: Vec<String>,
    json: bool,
    /// Of the connection before.
    epoch: Option<String>,
    cursors: Cursors,
    names: HashMap<ConversationId, String>,
    /// When the messages that changed were edited or deleted, as they were last shown.
    changed: HashMap<(ConversationId, Seq), i64>,
}

/// Prints what is new, for ever, without a gap or a repeat.
pub async fn tail(account: &Account, targets: &[String], json: bool) -> Result<(), ClientError> {
    let mut wanted = Vec::new();
    for target in targets {
        let target = Target::parse(target)?;
        // What is not there is said now, not never.
        resolve(account, &target).await?;
        wanted.push(match target {
            Target::Group(name) => format!("#{name}"),
            Target::User(name) => format!("@{name}"),
        });
    }
    let mut tail = Tail {
        account: account.clone(),
        wanted,
        json,
        epoch: None,
        cursors: Cursors::default(),
        names: HashMap::new(),
        changed: HashMap::new(),
    };
    let mut backoff = Backoff::default();
    let mut first = true;
    loop {
        let lost = match Socket::connect(account).await {
            Ok((socket, ready)) => {
                first = false;
                backoff.reset();
                tail.follow(socket, ready).await?
            }
            // A server that is not there when we begin is an error; one that goes away comes back.
            Err(error) if first || !error.is_retryable() => return Err(error),
            Err(_) => Lost::Reconnect(None),
        };
        match lost {
            Lost::Stop(reason) | Lost::Ended(reason) => return Err(ClientError::Closed(reason)),
            Lost::Reconnect(asked) => {
                tokio::time::sleep(backoff.next(random()).max(asked.unwrap_or(Duration::ZERO))).await;
            }
        }
    }
}

impl Tail {
    async fn follow(&mut self, mut socket: Socket, ready: ServerFrame) -> Result<Lost, ClientError> {
        if let ServerFrame::Ready { epoch, conversations, .. } = ready {
            self.names = conversations.iter().map(|c| (c.id, name_of(c))).collect();
            // What came to be while we were away is news from its beginning, or from when I joined.
            if self.epoch.as_ref() == Some(&epoch) {
                for conversation in &conversations {
                    let since = match conversation.kind {
                        ConversationKind::Direct => Rev::MIN,
                        ConversationKind::Group => conversation.read_seq.as_rev(),
                    };
                    self.cursors.entered(conversation.id, since);
                }
            }
            self.epoch = Some(epoch.clone());
            let heads = conversations.iter().map(|c| (c.id, c.head_rev));
            for (conversation, since) in self.cursors.ready(&epoch, heads) {
                self.read(conversation, since).await?;
            }
        }
        loop {
            let frame = match socket.next().await {
                Ok(frame) => frame,
                Err(lost) => return Ok(lost),
            };
            match self.frame(frame).await {
                Ok(()) => {}
                // What could not be read now is read after the next connection.
                Err(error) if error.is_retryable() => return Ok(Lost::Reconnect(None)),
                Err(error) => return Err(error),
            }
        }
    }

    async fn frame(&mut self, frame: ServerFrame) -> Result<(), ClientError> {
        match frame {
            ServerFrame::Message { conversation_id, rev, message } => {
                match self.cursors.message(conversation_id, rev) {
                    Step::Show => self.show(&message, message.rev == message.seq.as_rev())?,
                    Step::Read(since) => self.read(conversation_id, since).await?,
                    Step::Skip => {}
                }
            }
            ServerFrame::Conversation { conversation } => self.entered(&conversation),
            ServerFrame::ConversationRemoved { conversation_id } => self.cursors.removed(conversation_id),
            ServerFrame::Resync { conversation_id: Some(id), .. } => {
                if let Some(since) = self.cursors.seen(id) {
                    self.read(id, since).await?;
                }
            }
            ServerFrame::Resync { conversation_id: None, .. } => {
                for conversation in super::conversations(&self.account).await? {
                    self.entered(&conversation);
                }
                for (conversation, since) in self.cursors.all() {
                    self.read(conversation, since).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The first message of a new conversation is news: its notice or text is at the head.
    fn entered(&mut self, conversation: &Conversation) {
        self.names.insert(conversation.id, name_of(conversation));
        let head = Rev::new(conversation.head_rev.get().saturating_sub(1)).unwrap_or(Rev::MIN);
        self.cursors.entered(conversation.id, head);
    }

    async fn read(&mut self, conversation: ConversationId, mut since: Rev) -> Result<(), ClientError> {
        let seen = since;
        let mut new = HashSet::new();
        loop {
            let path = format!("/conversations/{conversation}/changes?since={since}&limit={PAGE}");
            let changes: Changes = match self.account.get(&path).await {
                Ok(changes) => changes,
                // Not mine any more, which the server will say or has said.
                Err(ClientError::Api { problem, .. }) if problem.code == ErrorCode::NotFound => {
                    self.cursors.removed(conversation);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            for message in &changes.messages {
                since = message.rev;
                if self.cursors.read(conversation, message.rev) == Step::Show {
                    // What changed while it was missed is new all the same, but only once.
                    let is_new = message.seq.as_rev() > seen && new.insert(message.seq);
                    self.show(message, is_new)?;
                }
            }
            if !changes.has_more {
                self.cursors.caught_up(conversation, changes.head_rev);
                return Ok(());
            }
        }
    }

    /// Programs get every state. People get what is new, and what now says something else: that somebody
    /// reacted or replied is no reason to print a text again.
    fn show(&mut self, message: &Message, is_new: bool) -> Result<(), ClientError> {
        let name = self.names.get(&message.conversation_id).map_or("", String::as_str);
        let is_wanted = self.wanted.is_empty() || self.wanted.iter().any(|wanted| wanted == name);
        let changed_at = message.deleted_at.or(message.edited_at);
        let says_something_else = changed_at
            .is_some_and(|at| self.changed.insert((message.conversation_id, message.seq), at) != Some(at));
        if is_wanted && (self.json || is_new || says_something_else) {
            show(message, name, self.json)
        } else {
            Ok(())
        }
    }
}
