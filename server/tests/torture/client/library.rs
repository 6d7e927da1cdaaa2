//! A device's connection over tungstenite, with the frames of `chat-shared`.

use super::{AGAIN, Device, Left};
use chat_shared::frame::{ClientFrame, ServerFrame};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Packet;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

type Socket = WebSocketStream<TcpStream>;

/// Connects, follows and asks, until the connection ends.
pub(super) async fn session(device: &mut Device, at: SocketAddr) -> Result<(), Left> {
    let mut socket = connect(device, at).await?;
    let first = next(device, &mut socket).await?;
    device.begin(at, first).await?;
    let frames = device.again();
    ask(device, &mut socket, frames).await?;
    let mut phase = device.shared.phases();
    let mut again = tokio::time::interval(AGAIN);
    loop {
        let frames = device.more();
        ask(device, &mut socket, frames).await?;
        tokio::select! {
            frame = next(device, &mut socket) => take(device, at, frame?).await?,
            _ = phase.changed() => {}
            _ = again.tick() => {
                let frames = device.put_off();
                ask(device, &mut socket, frames).await?;
            }
        }
    }
}

async fn connect(device: &Device, at: SocketAddr) -> Result<Socket, Left> {
    let mut request = format!("ws://{at}/api/v1/ws").into_client_request().map_err(|_| Left)?;
    let bearer = format!("Bearer {}", device.login.token).parse().map_err(|_| Left)?;
    request.headers_mut().insert("authorization", bearer);
    let connecting = async {
        let stream = TcpStream::connect(at).await.map_err(|_| Left)?;
        tokio_tungstenite::client_async(request, stream).await.map_err(|_| Left)
    };
    let connected = tokio::time::timeout(device.shared.patience, connecting).await;
    Ok(connected.map_err(|_| Left)??.0)
}

async fn ask(device: &Device, socket: &mut Socket, frames: Vec<ClientFrame>) -> Result<(), Left> {
    for frame in frames {
        let text = frame.to_json();
        device.note("asked", serde_json::from_str(&text).unwrap_or_default());
        socket.send(Packet::text(text)).await.map_err(|_| Left)?;
    }
    Ok(())
}

/// The next frame from the server.
async fn next(device: &Device, socket: &mut Socket) -> Result<ServerFrame, Left> {
    loop {
        match socket.next().await {
            Some(Ok(Packet::Text(text))) => {
                device.note("told", serde_json::from_str(&text).unwrap_or_default());
                match serde_json::from_str(&text) {
                    Ok(ServerFrame::Unknown) | Err(_) => device.violate("frames", &text),
                    Ok(frame) => return Ok(frame),
                }
            }
            Some(Ok(Packet::Close(close))) => {
                let code = close.map_or(1005, |close| close.code.into());
                device.note("closed", json!(code));
                return Err(Left);
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(Left),
        }
    }
}

async fn take(device: &mut Device, at: SocketAddr, frame: ServerFrame) -> Result<(), Left> {
    match frame {
        ServerFrame::Ack { id, conversation_id, seq, rev, .. } => {
            device.acked(&id.to_string(), conversation_id.get(), seq.get(), rev.get());
        }
        ServerFrame::Error { id, code, detail, .. } => device.refused(id.as_deref(), code, &detail),
        other => device.take(at, other).await?,
    }
    Ok(())
}
