//! The socket: one command a connection, a line of JSON each way.

use super::{Command, execute};
use crate::chat::Chat;
use serde_json::{Value, json};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// Longest command: a backup's path is the longest thing in one.
const LINE_MAX: u64 = 64 * 1024;

/// Makes the socket. Whoever holds the data directory's lock may take the place of an old one.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers commands.
pub async fn serve(listener: UnixListener, chat: Arc<Chat>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let chat = chat.clone();
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &chat).await {
                        tracing::debug!(%error, "an operator's command broke off");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the operator's socket failed");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(mut stream: UnixStream, chat: &Chat) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader.take(LINE_MAX)).read_line(&mut line).await?;
    let answer = match serde_json::from_str::<Command>(&line) {
        Err(error) => json!({ "error": format!("not a command: {error}") }),
        Ok(command) => match execute(chat, command).await {
            Ok(value) => json!({ "ok": value }),
            Err(error) => json!({ "error": error.detail }),
        },
    };
    writer.write_all(format!("{answer}\n").as_bytes()).await?;
    writer.shutdown().await
}

/// Runs a command in the server that listens on this socket. `None`: none does.
pub async fn call(path: &Path, command: &Command) -> io::Result<Option<Result<Value, String>>> {
    let mut stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let line = serde_json::to_string(command)?;
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let mut answer: Value = serde_json::from_str(&text)?;
    Ok(Some(match answer.get_mut("ok") {
        Some(value) => Ok(value.take()),
        None => Err(answer["error"].as_str().unwrap_or("the server gave no answer").to_owned()),
    }))
}
