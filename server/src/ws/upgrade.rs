//! The way in: `GET /api/v1/ws`.

use super::session;
use crate::error::AppError;
use crate::http::Call;
use crate::http::reply::{Answer, problem};
use crate::listener::reclaim;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chat_shared::ErrorCode;
use chat_shared::frame::{BEARER_PREFIX, SUBPROTOCOL};
use hyper::header::{
    CONNECTION, HOST, HeaderValue, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use warp::http::StatusCode;

/// Answers the upgrade request, and serves the connection in a task of its own.
pub async fn upgrade(mut call: Call) -> Answer {
    for name in ["access_token", "token", "bearer", "authorization"] {
        if call.parameter(name)?.is_some() {
            return Err(AppError::invalid_request(
                "A token does not belong into the URL, where logs keep it. Send it as a header or a sub-protocol.",
            ));
        }
    }
    let origin = call.header(&ORIGIN).map(str::to_owned);
    if let Some(origin) = &origin
        && !call.api.origins.may_connect(origin, call.header(&HOST), call.peer.secure)
    {
        return Err(AppError::forbidden("Pages of this origin may not connect here."));
    }
    let accept = match handshake(&call) {
        Ok(accept) => accept,
        Err(error) => {
            let mut response = problem(&error);
            if error.code == ErrorCode::UpgradeRequired {
                let headers = response.headers_mut();
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            }
            return Ok(response);
        }
    };
    let offered = offered(&call);
    if !offered.is_empty() && !offered.iter().any(|name| name == SUBPROTOCOL) {
        return Err(AppError::invalid_request("This server speaks the sub-protocol chat.v1."));
    }
    let (caller, claims) = match call.bearer() {
        Some(token) => call.api.chat.authenticate(token).await?,
        None => call.api.chat.authenticate(browser_token(&offered, origin.is_some())?).await?,
    };
    let Some(on_upgrade) = call.upgrade.take() else {
        return Err(AppError::new(ErrorCode::UpgradeRequired, "This connection cannot be upgraded."));
    };
    let (chat, guard) = (call.api.chat.clone(), call.guard.take());
    tokio::spawn(async move {
        let Ok(upgraded) = on_upgrade.await else { return };
        let Ok((transport, early)) = reclaim(upgraded) else {
            tracing::error!("an upgraded connection is of an unknown kind");
            return;
        };
        // A task of its own, so that nothing of the request's lives as long as the connection.
        tokio::spawn(session::serve(chat, caller, claims.expires_at, transport, early, guard));
    });
    let mut response = warp::reply::Response::default();
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if !offered.is_empty() {
        headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    Ok(response)
}

/// Checks the handshake; returns what answers its key.
fn handshake(call: &Call) -> Result<HeaderValue, AppError> {
    let has = |name, word: &str| {
        let values = call.headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(word))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") {
        return Err(AppError::new(ErrorCode::UpgradeRequired, "This path speaks WebSocket only."));
    }
    if call.header(&SEC_WEBSOCKET_VERSION) != Some("13") {
        return Err(AppError::new(ErrorCode::UpgradeRequired, "This server speaks WebSocket version 13."));
    }
    let key = call.header(&SEC_WEBSOCKET_KEY).map(str::trim);
    let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16));
    let key =
        key.ok_or_else(|| AppError::invalid_request("Sec-WebSocket-Key must be 16 bytes in base64."))?;
    let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
    HeaderValue::from_str(&accept).map_err(|_| AppError::internal())
}

fn offered(call: &Call) -> Vec<String> {
    let values = call.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|name| name.trim().to_owned()).collect()
}

/// The access token among the sub-protocols, which is how a browser sends it; so there is an origin.
fn browser_token(offered: &[String], has_origin: bool) -> Result<&str, AppError> {
    let mut tokens = offered.iter().filter_map(|name| name.strip_prefix(BEARER_PREFIX));
    match (tokens.next(), tokens.next()) {
        (None, _) => Err(AppError::unauthorized("Log in first: this needs an access token.")),
        (Some(_), Some(_)) => Err(AppError::token_refused("Only one access token can be given.")),
        (Some(_), None) if !has_origin => {
            Err(AppError::forbidden("A token as a sub-protocol is for browsers, which send an Origin."))
        }
        (Some(token), None) => Ok(token),
    }
}
