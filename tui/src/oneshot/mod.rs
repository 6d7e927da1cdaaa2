//! Commands for scripts and pipes: each does one thing and ends.

mod account;
mod follow;
mod rooms;
mod send;

pub use account::{Enter, enter, logout, whoami};
pub use follow::{history, tail};
pub use rooms::{create, groups, join, leave, users};
pub use send::send;

use crate::error::ClientError;
use crate::net::http::Account;
use chat_shared::ConversationId;
use chat_shared::api::{Conversation, ConversationList, CreateDirectRequest, Message};
use chat_shared::display::SafeText;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use std::io::{self, Write as _};

/// Prints; whoever stopped listening ends the program quietly.
pub(crate) fn print(text: &str) -> Result<(), ClientError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            std::process::exit(i32::from(crate::error::exit::OK));
        }
        Err(error) => Err(ClientError::Other(format!("cannot write: {error}"))),
    }
}

/// One object a line. JSON escapes C0; DEL and C1, which a terminal might also obey, are escaped here.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), ClientError> {
    let text = serde_json::to_string(value).map_err(|error| ClientError::Other(error.to_string()))?;
    let mut line = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if ('\u{7F}'..='\u{9F}').contains(&c) {
            line.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            line.push(c);
        }
    }
    line.push('\n');
    print(&line)
}

/// What a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// `#name`
    Group(String),
    /// `@name`
    User(String),
}

impl Target {
    /// Reads `#group` or `@user`.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        match (text.strip_prefix('#'), text.strip_prefix('@')) {
            (Some(name), _) if !name.is_empty() => Ok(Self::Group(name.to_ascii_lowercase())),
            (_, Some(name)) if !name.is_empty() => Ok(Self::User(name.to_ascii_lowercase())),
            _ => Err(ClientError::Usage(format!(
                "{text:?} is neither '#group' nor @user (quote the # for your shell)"
            ))),
        }
    }
}

/// The name that a conversation goes by.
pub(crate) fn name_of(conversation: &Conversation) -> String {
    match (&conversation.name, &conversation.peer) {
        (Some(name), _) => format!("#{name}"),
        (None, Some(peer)) => format!("@{}", peer.username),
        (None, None) => format!("({})", conversation.id),
    }
}

/// Every conversation of mine.
pub(crate) async fn conversations(account: &Account) -> Result<Vec<Conversation>, ClientError> {
    let mut all = Vec::new();
    let mut path = "/conversations?limit=200".to_owned();
    loop {
        let page: ConversationList = account.get(&path).await?;
        all.extend(page.conversations);
        match page.next_cursor {
            Some(cursor) => path = format!("/conversations?limit=200&cursor={cursor}"),
            None => return Ok(all),
        }
    }
}

/// The conversation that is meant.
pub(crate) async fn resolve(account: &Account, target: &Target) -> Result<ConversationId, ClientError> {
    match target {
        Target::User(username) => {
            let body = CreateDirectRequest { username: username.clone() };
            let direct: Result<Conversation, _> = account.post("/directs", &body).await;
            direct.map(|direct| direct.id).map_err(|error| match error {
                ClientError::Api { problem, .. } if problem.code == chat_shared::ErrorCode::NotFound => {
                    ClientError::Other(format!("there is no user @{username}."))
                }
                other => other,
            })
        }
        Target::Group(name) => {
            let mine = conversations(account).await?;
            let found = mine.iter().find(|c| c.name.as_ref().is_some_and(|other| other.as_str() == name));
            found.map(|conversation| conversation.id).ok_or_else(|| {
                ClientError::Other(format!(
                    "you are not in #{name}. If it is public, run: chat-tui join '#{name}'"
                ))
            })
        }
    }
}

/// A message as a script wants it: the protocol's, with the conversation's name.
pub(crate) fn as_json(message: &Message, name: &str) -> Value {
    let mut value = serde_json::to_value(message).unwrap_or_default();
    value["conversation"] = Value::from(name);
    value
}

/// A message as a line; what follows its first line is indented, so that no text can forge a line.
pub(crate) fn as_text(message: &Message, name: &str) -> String {
    let time = time(message.sent_at);
    let name = SafeText::line(name);
    let sender = SafeText::line(message.sender.username.as_str());
    let text = match (&message.event, message.deleted_at) {
        (_, Some(_)) => "(deleted)".to_owned(),
        (Some(event), None) => {
            let user = event.user.as_ref().map_or(String::new(), |user| format!(" {user}"));
            let value =
                event.value.as_ref().map_or(String::new(), |value| format!(" {}", SafeText::line(value)));
            format!("* {}{user}{value}", event.kind)
        }
        (None, None) => {
            let body = SafeText::block(&message.body);
            body.as_ref().replace('\n', "\n    ")
        }
    };
    let edited = if message.edited_at.is_some() { " (edited)" } else { "" };
    format!("{time} {name} {sender}: {text}{edited}\n")
}

/// To the minute, in the time of wherever this runs.
fn time(ms: i64) -> String {
    time_in(ms, &TimeZone::system())
}

fn time_in(ms: i64, zone: &TimeZone) -> String {
    match Timestamp::from_millisecond(ms) {
        Ok(moment) => moment.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        // No year has it: the server made it up.
        Err(_) => "????-??-?? ??:??".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_place() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let table = [
            (0, "1970-01-01 00:00", "1970-01-01 01:00"),
            (951_782_400_000, "2000-02-29 00:00", "2000-02-29 01:00"),
            (1_795_399_862_826, "2026-11-23 02:11", "2026-11-23 03:11"),
            (1_782_777_600_000, "2026-06-30 00:00", "2026-06-30 02:00"),
            (i64::MAX, "????-??-?? ??:??", "????-??-?? ??:??"),
        ];
        for (ms, utc, local) in table {
            assert_eq!((time_in(ms, &TimeZone::UTC).as_str(), time_in(ms, &berlin).as_str()), (utc, local));
        }
    }

    #[test]
    fn targets() {
        assert_eq!(Target::parse("#Lab").unwrap(), Target::Group("lab".into()));
        assert_eq!(Target::parse("@bob").unwrap(), Target::User("bob".into()));
        assert!(Target::parse("lab").is_err() && Target::parse("#").is_err());
    }
}
