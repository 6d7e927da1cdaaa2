//! `send`: once, whatever happens on the way.

use super::{Target, resolve};
use crate::error::ClientError;
use crate::net::backoff::{Backoff, random};
use crate::net::http::Account;
use chat_shared::ConversationId;
use chat_shared::api::{Message, SendRequest};
use chat_shared::limits::BODY_MAX_BYTES;
use chat_shared::text::MessageBody;
use std::io::{self, Read as _};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// How long a message is tried before it is given up.
const TRYING: Duration = Duration::from_secs(30);
/// Messages that one pipe may become.
const PARTS_MAX: usize = 10;

/// Sends the words, or what comes from standard input.
pub async fn send(account: &Account, target: &str, words: &[String]) -> Result<(), ClientError> {
    let target = Target::parse(target)?;
    let text = if words.is_empty() { stdin()? } else { words.join(" ") };
    let parts = split(&text)?;
    let conversation = resolve(account, &target).await?;
    for part in parts {
        send_one(account, conversation, part).await?;
    }
    Ok(())
}

fn stdin() -> Result<String, ClientError> {
    let limit = (BODY_MAX_BYTES * PARTS_MAX + 1) as u64;
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
    read.map_err(|error| ClientError::Other(format!("standard input could not be read: {error}")))?;
    // Programs write what they like; what is not UTF-8 is shown as such.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Splits at line ends into messages that the server takes.
fn split(text: &str) -> Result<Vec<MessageBody>, ClientError> {
    let usage = |detail: &str| ClientError::Usage(format!("{detail} Nothing was sent."));
    let text = text.replace("\r\n", "\n").replace('\0', "\u{FFFD}");
    let mut parts: Vec<String> = Vec::new();
    let mut part = String::new();
    for line in text.trim_end_matches('\n').split_inclusive('\n') {
        if line.trim_end_matches('\n').len() > BODY_MAX_BYTES {
            return Err(usage("A line has more bytes than a message can have (16384)."));
        }
        if part.len() + line.trim_end_matches('\n').len() > BODY_MAX_BYTES {
            parts.push(std::mem::take(&mut part));
        }
        part.push_str(line);
    }
    parts.push(part);
    let bodies: Vec<MessageBody> = parts
        .iter()
        .map(|part| part.trim_end_matches('\n'))
        .filter(|part| !part.trim().is_empty())
        .map(|part| MessageBody::new(part).map_err(|error| usage(&format!("The text {error}."))))
        .collect::<Result<_, _>>()?;
    match bodies.len() {
        0 => Err(usage("There is no text.")),
        1..=PARTS_MAX => Ok(bodies),
        _ => Err(usage("The text would become more than 10 messages.")),
    }
}

/// Tries with one id until the server has answered: however often it arrives, it is sent once.
async fn send_one(
    account: &Account,
    conversation: ConversationId,
    body: MessageBody,
) -> Result<(), ClientError> {
    let request = SendRequest { id: Uuid::now_v7().to_string(), body: body.into_string(), reply_to: None };
    let deadline = Instant::now() + TRYING;
    let mut backoff = Backoff::default();
    loop {
        let sent: Result<Message, _> =
            account.post(&format!("/conversations/{conversation}/messages"), &request).await;
        let error = match sent {
            Ok(_) => return Ok(()),
            Err(error) if !error.is_retryable() => return Err(error),
            Err(error) => error,
        };
        let asked = match &error {
            ClientError::Api { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let wait = backoff.next(random()).max(asked);
        if Instant::now() + wait > deadline {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_split_at_line_ends() {
        let lines = |text: &str| {
            split(text).map(|parts| parts.iter().map(|p| p.as_str().len()).collect::<Vec<_>>()).ok()
        };
        assert_eq!(lines("hello\n"), Some(vec![5]));
        assert_eq!(lines("\n\n"), None);
        let line = "x".repeat(8_000);
        assert_eq!(lines(&format!("{line}\n{line}\n")), Some(vec![16_001]));
        assert_eq!(lines(&format!("{line}\n{line}\n{line}")), Some(vec![16_001, 8_000]));
        assert_eq!(lines(&"x".repeat(BODY_MAX_BYTES)), Some(vec![BODY_MAX_BYTES]));
        assert_eq!(lines(&"x".repeat(BODY_MAX_BYTES + 1)), None);
        let full = "x".repeat(BODY_MAX_BYTES);
        assert_eq!(split(&vec![full.clone(); 10].join("\n")).unwrap().len(), 10);
        assert!(split(&vec![full; 11].join("\n")).is_err());
    }
}
