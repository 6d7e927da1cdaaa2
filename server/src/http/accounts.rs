//! `/auth`, `/me` and `/users`.

use super::call::{Call, segment};
use super::cookie;
use super::reply::{Answer, no_content, ok};
use crate::chat::known;
use crate::error::AppError;
use chat_shared::api::{
    ChangePasswordRequest, LoginRequest, RefreshRequest, RegisterRequest, SessionList, UpdateMeRequest,
};
use warp::http::StatusCode;

pub(super) async fn register(mut call: Call) -> Answer {
    let request: RegisterRequest = call.json().await?;
    let as_cookie = wants_cookie(&call, request.cookie)?;
    let login = call.api.chat.register(request, call.peer.addr).await?;
    cookie::answer(StatusCode::CREATED, login, as_cookie, call.peer.secure)
}

pub(super) async fn login(mut call: Call) -> Answer {
    let request: LoginRequest = call.json().await?;
    let as_cookie = wants_cookie(&call, request.cookie)?;
    let login = call.api.chat.login(&request, call.peer.addr).await?;
    cookie::answer(StatusCode::OK, login, as_cookie, call.peer.secure)
}

/// Is the refresh token to be set as a cookie, where it may be?
fn wants_cookie(call: &Call, asked: Option<bool>) -> Result<bool, AppError> {
    let wanted = asked.unwrap_or(false);
    if wanted {
        cookie::check_may_set(call)?;
    }
    Ok(wanted)
}

pub(super) async fn refresh(mut call: Call) -> Answer {
    let request: RefreshRequest = call.json().await?;
    let (token, as_cookie) = match request.refresh_token {
        Some(token) => (token, false),
        None => (cookie::token(&call)?, true),
    };
    let login = call.api.chat.refresh(&token, call.peer.addr).await?;
    cookie::answer(StatusCode::OK, login, as_cookie, call.peer.secure)
}

pub(super) async fn logout(mut call: Call) -> Answer {
    if call.bearer().is_some() {
        let caller = call.caller().await?;
        call.api.chat.logout(&caller).await?;
        return no_content();
    }
    let request: RefreshRequest = call.json_or_default().await?;
    let (token, is_cookie) = match request.refresh_token {
        Some(token) => (token, false),
        None if call.headers.contains_key(hyper::header::COOKIE) => (cookie::token(&call)?, true),
        None => return Err(AppError::unauthorized("Log in first: this needs an access token.")),
    };
    call.api.chat.logout_with(&token).await?;
    let mut response = no_content()?;
    if is_cookie {
        cookie::clear(&mut response, call.peer.secure)?;
    }
    Ok(response)
}

pub(super) async fn me(call: Call) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.me(&caller).await?)
}

pub(super) async fn update_me(mut call: Call) -> Answer {
    let caller = call.caller().await?;
    let request: UpdateMeRequest = call.json().await?;
    ok(&call.api.chat.update_me(&caller, &request).await?)
}

pub(super) async fn change_password(mut call: Call) -> Answer {
    let caller = call.caller().await?;
    let request: ChangePasswordRequest = call.json().await?;
    let ChangePasswordRequest { current_password, new_password } = request;
    call.api.chat.change_password(&caller, &current_password, &new_password, call.peer.addr).await?;
    no_content()
}

pub(super) async fn sessions(call: Call) -> Answer {
    let caller = call.caller().await?;
    ok(&SessionList { sessions: call.api.chat.sessions(&caller).await? })
}

pub(super) async fn end_session(call: Call, session: String) -> Answer {
    let caller = call.caller().await?;
    call.api.chat.end_own_session(&caller, known(&segment(&session)?)?).await?;
    no_content()
}

pub(super) async fn users(call: Call) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.users(&caller, call.list()?).await?)
}

pub(super) async fn user(call: Call, username: String) -> Answer {
    let caller = call.caller().await?;
    ok(&call.api.chat.user(&caller, known(&segment(&username)?)?).await?)
}
