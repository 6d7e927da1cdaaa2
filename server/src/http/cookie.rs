//! The refresh token as a cookie that no script can read.

use super::Call;
use crate::chat::LoggedIn;
use crate::error::AppError;
use crate::http::reply::{Answer, json};
use hyper::header::{COOKIE, HeaderValue, ORIGIN, SET_COOKIE};
use warp::http::StatusCode;

/// Over https the browser itself refuses such a name to be set by anything less.
fn name(secure: bool) -> &'static str {
    if secure { "__Secure-chat_refresh" } else { "chat_refresh" }
}

/// A login's answer: the refresh token in the body, or in a cookie.
pub(super) fn answer(status: StatusCode, mut login: LoggedIn, as_cookie: bool, secure: bool) -> Answer {
    if !as_cookie {
        login.session.refresh_token = Some(login.refresh_token);
        return json(status, &login.session);
    }
    let mut response = json(status, &login.session)?;
    set(&mut response, &login.refresh_token, login.session.refresh_expires_in, secure)?;
    Ok(response)
}

/// Takes the cookie away.
pub(super) fn clear(response: &mut warp::reply::Response, secure: bool) -> Result<(), AppError> {
    set(response, "", 0, secure)
}

fn set(
    response: &mut warp::reply::Response,
    value: &str,
    max_age: u64,
    secure: bool,
) -> Result<(), AppError> {
    let name = name(secure);
    let suffix = if secure { "; Secure" } else { "" };
    let text =
        format!("{name}={value}; Path=/api/v1/auth; Max-Age={max_age}; HttpOnly; SameSite=Strict{suffix}");
    let value = HeaderValue::from_str(&text).map_err(|_| AppError::internal())?;
    response.headers_mut().append(SET_COOKIE, value);
    Ok(())
}

/// May the answer set a cookie? Not for another page, which would log its visitors in here as somebody
/// else; a program has no page.
pub(super) fn check_may_set(call: &Call) -> Result<(), AppError> {
    if call.headers.contains_key(ORIGIN) && !call.is_same_origin() {
        return Err(AppError::forbidden("The cookie is set only for this server's own page."));
    }
    Ok(())
}

/// The refresh token of the cookie, for requests of the server's own page only.
pub(super) fn token(call: &Call) -> Result<String, AppError> {
    if !call.is_same_origin() {
        return Err(AppError::forbidden("The cookie is taken only from this server's own page."));
    }
    let name = name(call.peer.secure);
    let cookies = call.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let found = cookies
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(other, _)| *other == name);
    found
        .map(|(_, token)| token.to_owned())
        .ok_or_else(|| AppError::unauthorized("There is no session here. Log in."))
}
