//! A device's connection on a bare socket: frames and JSON are made and read by hand, and many go out in one piece.
//! Only what it holds in the end is of the types of `chat-shared`, to be compared like what others hold.

use super::{AGAIN, Device, Left};
use crate::fresh::{number, text};
use crate::raw::{Came, RawSocket, client_frame};
use chat_shared::ErrorCode;
use chat_shared::frame::{ClientFrame, ServerFrame};
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::io::AsyncWriteExt as _;

/// FIN and text.
const TEXT: u8 = 0x81;

/// Connects, follows and asks, until the connection ends.
pub(super) async fn session(device: &mut Device, at: SocketAddr) -> Result<(), Left> {
    let mut socket = RawSocket::connect(at, &device.login.token, None).await.map_err(|_| Left)?;
    let first = next(device, &mut socket).await?;
    device.begin(at, held(device, &first)?).await?;
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

async fn ask(device: &Device, socket: &mut RawSocket, frames: Vec<ClientFrame>) -> Result<(), Left> {
    let mut bytes = Vec::new();
    for frame in frames {
        let value = written(&frame);
        bytes.extend(client_frame(TEXT, value.to_string().as_bytes()));
        device.note("asked", value);
    }
    socket.stream.write_all(&bytes).await.map_err(|_| Left)
}

/// A frame as it stands on the wire.
fn written(frame: &ClientFrame) -> Value {
    match frame {
        ClientFrame::Send { id, conversation_id: to, body, reply_to } => {
            let (id, to, body) = (id.to_string(), to.get(), body.as_str());
            let mut send = json!({"type": "send", "id": id, "conversation_id": to, "body": body});
            if let Some(seq) = reply_to {
                send["reply_to"] = json!(seq.get());
            }
            send
        }
        ClientFrame::Edit { id, conversation_id: to, seq, body } => {
            let (id, to, seq, body) = (id.to_string(), to.get(), seq.get(), body.as_str());
            json!({"type": "edit", "id": id, "conversation_id": to, "seq": seq, "body": body})
        }
        ClientFrame::Delete { id, conversation_id: to, seq } => {
            json!({"type": "delete", "id": id.to_string(), "conversation_id": to.get(), "seq": seq.get()})
        }
        ClientFrame::React { id, conversation_id: to, seq, emoji, on } => {
            let (id, to, seq, emoji) = (id.to_string(), to.get(), seq.get(), emoji.to_string());
            json!({"type": "react", "id": id, "conversation_id": to, "seq": seq, "emoji": emoji, "on": on})
        }
        ClientFrame::Read { conversation_id: to, seq } => {
            json!({"type": "read", "conversation_id": to.get(), "seq": seq.get()})
        }
        ClientFrame::Typing { conversation_id: to } => json!({"type": "typing", "conversation_id": to.get()}),
        ClientFrame::Auth { .. } | ClientFrame::Ping { .. } => panic!("no device asks for {frame:?}"),
    }
}

/// The next frame from the server.
async fn next(device: &Device, socket: &mut RawSocket) -> Result<Value, Left> {
    match socket.next().await {
        Came::Frame(frame) => {
            device.note("told", frame.clone());
            Ok(frame)
        }
        Came::Closed(code) => {
            device.note("closed", json!(code));
            Err(Left)
        }
        Came::Gone => Err(Left),
    }
}

async fn take(device: &mut Device, at: SocketAddr, frame: Value) -> Result<(), Left> {
    match frame["type"].as_str() {
        Some("ack") => {
            let (seq, rev) = (number(&frame, "seq"), number(&frame, "rev"));
            device.acked(&text(&frame, "id"), number(&frame, "conversation_id"), seq, rev);
        }
        Some("error") => {
            let code = serde_json::from_value(frame["code"].clone()).unwrap_or(ErrorCode::Unknown);
            device.refused(frame["id"].as_str(), code, &text(&frame, "detail"));
        }
        _ => {
            let frame = held(device, &frame)?;
            device.take(at, frame).await?;
        }
    }
    Ok(())
}

/// What a frame tells, as it is held.
fn held(device: &Device, frame: &Value) -> Result<ServerFrame, Left> {
    match ServerFrame::deserialize(frame) {
        Ok(ServerFrame::Unknown) | Err(_) => {
            device.violate("frames", &frame.to_string());
            Err(Left)
        }
        Ok(frame) => Ok(frame),
    }
}
