//! Servers that do not keep to the protocol: bounded memory, no panic, and a word for the user.

use crate::fake::{Script, Ws, against, answer, listen, message, not_found, ready, room};
use crate::harness::{Face, PATIENCE};
use chat_shared::ConversationId;
use chat_tui::client::{Call, Connection, Request};
use futures_util::SinkExt as _;
use serde_json::json;
use std::time::Duration;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

async fn stops(frames: impl Fn() -> Vec<Message> + Send + Sync + Clone + 'static) -> String {
    let script = Script {
        http: not_found,
        ws: move |mut ws: Ws| {
            let frames = frames.clone();
            async move {
                for frame in frames() {
                    if ws.send(frame).await.is_err() {
                        return;
                    }
                }
                listen(ws).await;
            }
        },
    };
    let (client, updates, _dir) = against(script, 3600).await;
    let mut face = Face::new(client, updates);
    face.until("stopped", |face| matches!(face.connection, Connection::Stopped { .. })).await;
    let Connection::Stopped { reason } = face.connection.clone() else { panic!() };
    face.quit().await;
    reason
}

#[tokio::test]
async fn what_is_not_the_protocol_stops_the_client() {
    for text in
        ["", "[]", "{\"type\":\"ready\"}", "{\"type\":\"message\"}", "\u{1b}[2J", "{\"type\":\"pong\"}"]
    {
        stops(move || vec![Message::text(text)]).await;
    }
    // A message that contradicts itself.
    let wrong = json!({"type": "message", "conversation_id": 1, "rev": 6, "message": {
        "conversation_id": 2, "seq": 6, "rev": 6, "kind": "text", "body": "x", "sent_at": 0,
        "sender": {"id": 2, "username": "bob", "display_name": "Bob"}}});
    stops(move || vec![ready(vec![room(1, 5)]), Message::text(wrong.to_string())]).await;
}

#[tokio::test]
async fn frames_that_are_too_long_stop_the_client() {
    stops(|| vec![ready(vec![room(1, 0)]), Message::text("x".repeat(64 << 20))]).await;
    stops(|| vec![ready(vec![room(1, 0)]), message(1, &"x".repeat(2 << 20))]).await;
    stops(|| vec![ready(vec![room(1, 0)]), message(1, &"x".repeat(100 << 10))]).await;
}

#[tokio::test]
async fn more_rooms_than_there_can_be_stop_the_client() {
    stops(|| vec![ready((1..=30_000).map(|id| room(id, 0)).collect())]).await;
    let a_million = {
        let one = room(1, 0).to_string();
        let mut text = String::from("{\"type\":\"ready\",\"conversations\":[");
        for _ in 0..1_000_000 {
            text.push_str(&one);
            text.push(',');
        }
        text
    };
    stops(move || vec![Message::text(a_million.clone())]).await;
}

#[tokio::test]
async fn revs_that_go_backwards_are_passed_over() {
    let script = Script {
        http: not_found,
        ws: |mut ws: Ws| async move {
            let mut frames = vec![ready(vec![room(1, 5)])];
            frames.extend([6, 3, 6, 1, 7, 2].map(|rev| message(rev, &format!("text {rev}"))));
            for frame in frames {
                ws.send(frame).await.unwrap();
            }
            listen(ws).await;
        },
    };
    let (client, updates, _dir) = against(script, 3600).await;
    let mut face = Face::new(client, updates);
    let id = ConversationId::MIN;
    face.until("both", |face| face.texts(id) == ["text 6", "text 7"]).await;
    face.until("counted", |face| face.unread(id) == (2, 0)).await;
    face.quit().await;
}

#[tokio::test]
async fn changes_that_lead_nowhere_end_in_waiting() {
    fn backwards(first: &str) -> String {
        match first.contains("/changes") {
            true => answer(
                "200 OK",
                &json!({"messages": [], "head_rev": 2, "epoch": "e", "has_more": true, "unread": 0, "mentions": 0}),
            ),
            false => not_found(first),
        }
    }
    let script = Script {
        http: backwards,
        ws: |mut ws: Ws| async move {
            for frame in [ready(vec![room(1, 5)]), message(9, "after a hole")] {
                ws.send(frame).await.unwrap();
            }
            listen(ws).await;
        },
    };
    let (client, updates, _dir) = against(script, 3600).await;
    let mut face = Face::new(client, updates);
    face.until("waiting", |face| matches!(face.connection, Connection::Waiting { .. })).await;
    face.quit().await;
}

#[tokio::test]
async fn no_server_can_make_the_client_wait_for_ever() {
    // At the refresh of an expired token.
    fn later(_: &str) -> String {
        let problem =
            json!({"type": "", "title": "", "status": 429, "detail": "later", "code": "rate_limited"});
        let answer = answer("429 Too Many Requests", &problem);
        answer.replacen("\r\n", "\r\nretry-after: 1000000000\r\n", 1)
    }
    // And in the reason of a close.
    let close = |mut ws: Ws| async move {
        ws.send(ready(vec![])).await.unwrap();
        let reason = "retry_after_ms=999999999999".into();
        let _ = ws.close(Some(CloseFrame { code: 1012.into(), reason })).await;
        listen(ws).await;
    };
    for good_for in [0, 3600] {
        let (client, updates, _dir) = against(Script { http: later, ws: close }, good_for).await;
        let mut face = Face::new(client, updates);
        face.until("waiting", |face| matches!(face.connection, Connection::Waiting { .. })).await;
        let Connection::Waiting { retry_in, .. } = face.connection else { panic!() };
        assert!(retry_in <= Duration::from_secs(60), "{retry_in:?}");
        face.quit().await;
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    fn elsewhere(_: &str) -> String {
        "HTTP/1.1 302 Found\r\nlocation: /api/v1/ws\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            .to_owned()
    }
    let (client, updates, _dir) = against(Script { http: elsewhere, ws: listen }, 3600).await;
    let mut face = Face::new(client, updates);
    face.client.ask(Request::Call(1, Call::Sessions));
    face.until("an answer", |face| face.answers.contains_key(&1)).await;
    assert!(face.answers[&1].as_ref().unwrap_err().contains("sends elsewhere"), "{:?}", face.answers);
    let offline =
        |face: &Face| matches!(face.connection, Connection::Waiting { .. } | Connection::Stopped { .. });
    face.until("offline", offline).await;
    face.quit().await;
}

#[tokio::test]
async fn a_flood_is_not_read_while_nobody_takes_the_updates() {
    let (told, mut wrote) = tokio::sync::watch::channel(0_usize);
    let script = Script {
        http: not_found,
        ws: move |mut ws: Ws| {
            let told = told.clone();
            async move {
                ws.send(ready(vec![room(1, 0)])).await.unwrap();
                let text = "x".repeat(16 << 10);
                for rev in 1.. {
                    if ws.send(message(rev, &text)).await.is_err() {
                        return;
                    }
                    told.send_modify(|sum| *sum += text.len());
                }
            }
        },
    };
    let (client, updates, _dir) = against(script, 3600).await;
    wrote.wait_for(|sum| *sum > 0).await.unwrap();
    // Until it stands still: the buffers of both sockets and what the client holds are full.
    while tokio::time::timeout(Duration::from_secs(1), wrote.changed()).await.is_ok() {
        let sum = *wrote.borrow_and_update();
        assert!(sum < 64 << 20, "{sum} bytes were taken");
    }
    // And it goes on when somebody does.
    let mut face = Face::new(client, updates);
    face.until("much more", |face| face.conversations.values().any(|c| c.head_rev.get() > 500)).await;
    face.client.ask(Request::Quit);
    let ended = tokio::time::timeout(PATIENCE, face.until("the end", |face| face.ended.is_some())).await;
    assert!(ended.is_ok());
}
