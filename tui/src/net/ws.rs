//! The WebSocket: connecting, frames in and out, and an access token that does not run out.

use super::cause;
use super::http::{Account, now};
use crate::credentials::Login;
use crate::error::ClientError;
use chat_shared::close::{After, CloseCode, after, retry_after_ms};
use chat_shared::frame::{ClientFrame, SUBPROTOCOL, ServerFrame};
use chat_shared::{ErrorCode, Problem};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// `ready` with 2,000 conversations is the longest honest frame.
const FRAME_MAX: usize = 16 << 20;
/// Every other frame is shorter: the longest text, each byte escaped, with all its reactions.
const LATER_FRAME_MAX: usize = 1 << 20;
/// A peer that does not read for so long is gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(20);

/// Between two attempts to renew the access token: some of them before it expires.
const RENEW_PAUSE: Duration = Duration::from_secs(5);

/// An open connection.
pub struct Socket {
    account: Account,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heartbeat: Duration,
    heard: Instant,
    pinged: bool,
    renew_at: Instant,
    /// Under way.
    renewing: Option<JoinHandle<Result<Login, ClientError>>>,
    token: String,
}

/// How a connection ended.
#[derive(Debug)]
pub enum Lost {
    /// Connect again, at the earliest after this.
    Reconnect(Option<Duration>),
    /// Do not.
    Stop(String),
    /// The session has ended.
    Ended(String),
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
            Ok(Err(error)) => return Err(unreachable(cause(&error))),
            Ok(Ok((stream, _))) => stream,
        };
        let mut socket = Self {
            account: account.clone(),
            stream,
            heartbeat: CONNECT_TIMEOUT,
            heard: Instant::now(),
            pinged: false,
            renewing: None,
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
            Err(Lost::Ended(reason)) => Err(ClientError::Api {
                problem: Box::new(Problem::new(ErrorCode::Unauthorized, reason)),
                retry_after: None,
            }),
        }
    }

    /// Says something.
    pub async fn send(&mut self, frame: &ClientFrame) -> Result<(), Lost> {
        let sending = self.stream.send(Message::text(frame.to_json()));
        match tokio::time::timeout(SEND_TIMEOUT, sending).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Lost::Reconnect(None)),
        }
    }

    /// Says good-bye; nothing is waited for.
    pub async fn close(mut self) {
        let closing = self.stream.close(None);
        let _ = tokio::time::timeout(Duration::from_secs(1), closing).await;
    }

    /// The next frame. The token is renewed and the server pinged in between. Dropping the future
    /// loses nothing.
    pub async fn next(&mut self) -> Result<ServerFrame, Lost> {
        loop {
            let patience = self.heartbeat * if self.pinged { 2 } else { 1 };
            let renewal = renewed(&mut self.renewing, self.renew_at, &self.account, &self.token);
            tokio::select! {
                message = self.stream.next() => {
                    self.heard = Instant::now();
                    self.pinged = false;
                    match message {
                        Some(Ok(Message::Text(text))) => return read(&text),
                        Some(Ok(Message::Close(frame))) => return Err(closed(frame.map(|f| (u16::from(f.code), f.reason.to_string())))),
                        Some(Ok(_)) => {}
                        Some(Err(Error::Capacity(error))) => return Err(Lost::Stop(format!("it sent too much at once ({error})"))),
                        Some(Err(_)) | None => return Err(Lost::Reconnect(None)),
                    }
                }
                login = renewal => self.renewed(login).await?,
                () = tokio::time::sleep_until(self.heard + patience) => {
                    if self.pinged {
                        return Err(Lost::Reconnect(None));
                    }
                    self.pinged = true;
                    self.send(&ClientFrame::Ping { id: None }).await?;
                }
            }
        }
    }

    async fn renewed(&mut self, login: Result<Login, ClientError>) -> Result<(), Lost> {
        match login {
            Ok(login) => {
                self.renew_at = renewal(login.access_expires_at);
                self.token = login.access_token.clone();
                self.send(&ClientFrame::Auth { id: "renew".into(), access_token: login.access_token }).await
            }
            Err(error) if error.ends_session() => Err(Lost::Ended(error.to_string())),
            // The token that is there is good for a while.
            Err(_) => {
                self.renew_at = Instant::now() + RENEW_PAUSE;
                Ok(())
            }
        }
    }
}

/// A fresh token when it is time. It is fetched in a task, so that dropping this future does not begin it anew.
async fn renewed(
    renewing: &mut Option<JoinHandle<Result<Login, ClientError>>>,
    at: Instant,
    account: &Account,
    token: &str,
) -> Result<Login, ClientError> {
    if renewing.is_none() {
        tokio::time::sleep_until(at).await;
    }
    let task = renewing.get_or_insert_with(|| {
        let (account, token) = (account.clone(), token.to_owned());
        tokio::spawn(async move { account.access_token(Some(&token)).await })
    });
    let login = task.await;
    *renewing = None;
    login.unwrap_or_else(|error| Err(ClientError::Other(error.to_string())))
}

fn read(text: &str) -> Result<ServerFrame, Lost> {
    match serde_json::from_str(text) {
        Ok(frame @ ServerFrame::Ready { .. }) => Ok(frame),
        Ok(_) if text.len() > LATER_FRAME_MAX => Err(Lost::Stop("it sent too much at once".into())),
        Ok(frame) => Ok(frame),
        Err(_) => Err(Lost::Stop("it sent what is not of this protocol".into())),
    }
}

/// At two thirds of what is left.
fn renewal(expires_at: i64) -> Instant {
    let left = (expires_at - now()).max(3).unsigned_abs();
    Instant::now() + Duration::from_secs(left * 2 / 3)
}

fn closed(frame: Option<(u16, String)>) -> Lost {
    let (code, reason) = frame.map_or((None, String::new()), |(code, reason)| (Some(code), reason));
    let over = [CloseCode::SessionEnded.code(), CloseCode::AccountDisabled.code()];
    match after(code) {
        After::Stop if code.is_some_and(|code| over.contains(&code)) => Lost::Ended(reason),
        After::Stop => Lost::Stop(reason),
        After::Reconnect => Lost::Reconnect(retry_after_ms(&reason).map(Duration::from_millis)),
    }
}
