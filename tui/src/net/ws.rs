//! The WebSocket: connecting, frames in and out, and an access token that does not run out.

use super::http::{Account, now};
use crate::error::ClientError;
use chat_shared::close::{After, after, retry_after_ms};
use chat_shared::frame::{ClientFrame, SUBPROTOCOL, ServerFrame};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// `ready` with 2,000 conversations is the longest honest frame.
const FRAME_MAX: usize = 16 << 20;

/// An open connection.
pub struct Socket {
    account: Account,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heartbeat: Duration,
    heard: Instant,
    renew_at: Instant,
    token: String,
}

/// How a connection ended.
#[derive(Debug)]
pub enum Lost {
    /// Connect again, at the earliest after this.
    Reconnect(Option<Duration>),
    /// Do not.
    Stop(String),
}

impl Socket {
    /// Connects; returns with the `ready` frame.
    pub async fn connect(account: &Account) -> Result<(Self, ServerFrame), ClientError> {
        let unreachable =
            |detail: String| ClientError::Unreachable { server: account.server().to_owned(), detail };
        let login = account.access_token(None).await?;
        let url = format!("{}/api/v1/ws", account.server().replacen("http", "ws", 1));
        let mut request = url.into_client_request().map_err(|error| ClientError::Other(error.to_string()))?;
        let bearer = HeaderValue::from_str(&format!("Bearer {}", login.access_token))
            .map_err(|_| ClientError::Other("the stored access token is damaged. Log in again.".into()))?;
        request.headers_mut().insert("authorization", bearer);
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
        let config =
            WebSocketConfig::default().max_message_size(Some(FRAME_MAX)).max_frame_size(Some(FRAME_MAX));
        let connecting = connect_async_with_config(request, Some(config), true);
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let stream = match connected {
            Err(_) => return Err(unreachable("no answer in 10 seconds".into())),
            Ok(Err(Error::Http(response))) if response.status() == 401 => {
                // The next attempt asks with a fresh one.
                account.access_token(Some(&login.access_token)).await?;
                return Err(unreachable("the access token was not taken".into()));
            }
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Ok(Ok((stream, _))) => stream,
        };
        let mut socket = Self {
            account: account.clone(),
            stream,
            heartbeat: CONNECT_TIMEOUT,
            heard: Instant::now(),
            renew_at: renewal(login.access_expires_at),
            token: login.access_token,
        };
        match socket.next().await {
            Ok(ready @ ServerFrame::Ready { .. }) => {
                if let ServerFrame::Ready { heartbeat_ms, .. } = &ready {
                    socket.heartbeat = Duration::from_millis((*heartbeat_ms).clamp(1_000, 600_000));
                }
                Ok((socket, ready))
            }
            Ok(_) => Err(ClientError::Other("the server does not speak this protocol.".into())),
            Err(Lost::Reconnect(_)) => Err(unreachable("the connection was closed".into())),
            Err(Lost::Stop(reason)) => Err(ClientError::Closed(reason)),
        }
    }

    /// Says something.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), Lost> {
        self.stream.send(Message::text(frame.to_json())).await.map_err(|_| Lost::Reconnect(None))
    }

    /// The next frame. The token is renewed and the server pinged in between. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> Result<ServerFrame, Lost> {
        loop {
            let quiet = self.heard + self.heartbeat * 2;
            tokio::select! {
                message = self.stream.next() => {
                    self.heard = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                            Ok(frame) => return Ok(frame),
                            Err(_) => return Err(Lost::Stop("it sent what is not of this protocol".into())),
                        },
                        Some(Ok(Message::Close(frame))) => return Err(closed(frame.map(|f| (u16::from(f.code), f.reason.to_string())))),
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => return Err(Lost::Reconnect(None)),
                    }
                }
                () = tokio::time::sleep_until(self.renew_at) => self.renew().await?,
                () = tokio::time::sleep_until(quiet) => return Err(Lost::Reconnect(None)),
            }
        }
    }

    async fn renew(&mut self) -> Result<(), Lost> {
        match self.account.access_token(Some(&self.token)).await {
            Ok(login) => {
                self.renew_at = renewal(login.access_expires_at);
                self.token = login.access_token.clone();
                self.send(&ClientFrame::Auth { id: "renew".into(), access_token: login.access_token }).await
            }
            Err(error) if error.is_retryable() => {
                self.renew_at = Instant::now() + Duration::from_secs(5);
                Ok(())
            }
            Err(error) => Err(Lost::Stop(error.to_string())),
        }
    }
}

/// At two thirds of what is left.
fn renewal(expires_at: i64) -> Instant {
    let left = (expires_at - now()).max(3).unsigned_abs();
    Instant::now() + Duration::from_secs(left * 2 / 3)
}

fn closed(frame: Option<(u16, String)>) -> Lost {
    let (code, reason) = frame.map_or((None, String::new()), |(code, reason)| (Some(code), reason));
    match after(code) {
        After::Stop => Lost::Stop(reason),
        After::Reconnect => Lost::Reconnect(retry_after_ms(&reason).map(Duration::from_millis)),
    }
}
