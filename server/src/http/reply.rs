//! From results to answers: the one place where errors become problem+json.

use crate::error::AppError;
use bytes::Bytes;
use chat_shared::ErrorCode;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;
use warp::http::StatusCode;
use warp::reply::Response;

/// What a handler answers.
pub(crate) type Answer = Result<Response, AppError>;

fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into().into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// JSON with this status.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Answer {
    match serde_json::to_vec(value) {
        Ok(text) => Ok(with(status, "application/json", text)),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            Err(AppError::internal())
        }
    }
}

/// 200 with JSON.
pub(crate) fn ok<T: Serialize>(value: &T) -> Answer {
    json(StatusCode::OK, value)
}

/// 204.
pub(crate) fn no_content() -> Answer {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// Text of some kind.
pub(crate) fn text(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    with(StatusCode::OK, content_type, body)
}

/// An answer, whatever it is.
pub(crate) fn respond(answer: Answer) -> Response {
    answer.unwrap_or_else(|error| problem(&error))
}

/// An error as problem+json.
pub(crate) fn problem(error: &AppError) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = serde_json::to_vec(&error.problem()).unwrap_or_default();
    let mut response = with(status, "application/problem+json", body);
    let headers = response.headers_mut();
    if error.code == ErrorCode::Unauthorized {
        // As RFC 6750 wants it: what is wrong is told only of a token that was sent.
        let challenge = if error.token_refused { r#"Bearer error="invalid_token""# } else { "Bearer" };
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if let Some(after) = error.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    response
}

/// 405, with the methods that there are.
pub(crate) fn method_not_allowed(methods: &[&str]) -> Response {
    // Whatever has GET has HEAD.
    let with_head = methods.iter().flat_map(|method| match *method {
        "GET" => vec!["GET", "HEAD"],
        other => vec![other],
    });
    let allowed = with_head.collect::<Vec<_>>().join(", ");
    let mut response =
        problem(&AppError::new(ErrorCode::MethodNotAllowed, format!("Only {allowed} is possible here.")));
    if let Ok(value) = HeaderValue::from_str(&allowed) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}
