//! One request, as handlers see it.

use super::Api;
use crate::auth::token::Claims;
use crate::chat::Caller;
use crate::error::AppError;
use crate::listener::{ConnectionGuard, Peer};
use crate::store::ListQuery;
use bytes::{Buf, Bytes, BytesMut};
use chat_shared::error::complaint;
use chat_shared::limits::{HTTP_BODY_MAX_BYTES, PAGE_DEFAULT, PAGE_MAX};
use chat_shared::{ConversationId, ErrorCode, Seq};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::upgrade::OnUpgrade;
use serde::de::DeserializeOwned;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use warp::http::Method;
use warp::{Filter, Rejection};

/// How long a request's body may take.
const BODY_TIME: Duration = Duration::from_secs(10);

type Chunks = BoxStream<'static, Result<Bytes, ()>>;

/// One request.
pub struct Call {
    /// What the handlers work with.
    pub api: Api,
    /// Method.
    pub method: Method,
    /// Headers.
    pub headers: HeaderMap,
    /// Who is at the other end.
    pub peer: Peer,
    /// Taken by the upgrade.
    pub upgrade: Option<OnUpgrade>,
    /// Counts the socket.
    pub guard: Option<ConnectionGuard>,
    query: String,
    /// Never locked: it only makes the call shareable, which a stream alone is not.
    body: Mutex<Chunks>,
}

/// Takes a request apart. Never rejects.
pub(super) fn call(api: Api) -> impl Filter<Extract = (Call,), Error = Rejection> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::any()
        .map(move || api.clone())
        .and(warp::method())
        .and(warp::header::headers_cloned())
        .and(query)
        .and(warp::ext::optional::<Peer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::ext::optional::<ConnectionGuard>())
        .and(warp::body::stream())
        .map(|api, method, headers, query, peer: Option<Peer>, upgrade, guard, body| {
            let body = StreamExt::map(body, |chunk: Result<_, warp::Error>| {
                chunk.map(|mut chunk| take(&mut chunk)).map_err(|_| ())
            });
            // Without our listener there is no peer; tests of routes alone come from here.
            let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            let peer = peer.unwrap_or(Peer { addr: nobody.ip(), socket: nobody, secure: false });
            Call { api, method, headers, peer, upgrade, guard, query, body: Mutex::new(body.boxed()) }
        })
}

fn take(chunk: &mut impl Buf) -> Bytes {
    chunk.copy_to_bytes(chunk.remaining())
}

impl Call {
    /// A header as text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The bearer token, if there is exactly one.
    pub fn bearer(&self) -> Option<&str> {
        let value = self.header(&AUTHORIZATION)?;
        let (scheme, token) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && self.headers.get_all(AUTHORIZATION).iter().count() == 1)
            .then(|| token.trim())
    }

    /// Who is calling.
    pub async fn caller(&self) -> Result<Caller, AppError> {
        self.authenticated().await.map(|(caller, _)| caller)
    }

    /// Who is calling, and what the token says.
    pub async fn authenticated(&self) -> Result<(Caller, Claims), AppError> {
        let token = self
            .bearer()
            .ok_or_else(|| AppError::unauthorized("Log in first: this needs an access token."))?;
        self.api.chat.authenticate(token).await
    }

    /// The body as this type.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, AppError> {
        let content_type = self.header(&CONTENT_TYPE).unwrap_or("");
        let kind = content_type.split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(AppError::new(
                ErrorCode::UnsupportedMediaType,
                "The body must be JSON, with Content-Type: application/json.",
            ));
        }
        let body = self.bytes().await?;
        // A list would be taken for the fields in their order.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(AppError::invalid_request("The body must be a JSON object."));
        }
        serde_json::from_slice(&body).map_err(|error| {
            AppError::invalid_request(format!(
                "The body is not what is expected here: {}.",
                complaint(&error)
            ))
        })
    }

    /// The body as this type, or its default where there is none.
    pub async fn json_or_default<T: DeserializeOwned + Default>(&mut self) -> Result<T, AppError> {
        if self.headers.contains_key(CONTENT_TYPE) { self.json().await } else { Ok(T::default()) }
    }

    async fn bytes(&mut self) -> Result<BytesMut, AppError> {
        let too_large =
            || AppError::new(ErrorCode::TooLarge, format!("A body may have {HTTP_BODY_MAX_BYTES} bytes."));
        let told =
            self.headers.get("content-length").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if told.is_some_and(|length| length > HTTP_BODY_MAX_BYTES as u64) {
            return Err(too_large());
        }
        let chunks = self.body.get_mut().unwrap_or_else(PoisonError::into_inner);
        let read = async {
            let mut body = BytesMut::new();
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|()| AppError::invalid_request("The body broke off."))?;
                if body.len() + chunk.remaining() > HTTP_BODY_MAX_BYTES {
                    return Err(too_large());
                }
                body.extend_from_slice(&chunk);
            }
            Ok(body)
        };
        let late = || AppError::new(ErrorCode::Timeout, "The body did not arrive in 10 seconds.");
        tokio::time::timeout(BODY_TIME, read).await.unwrap_or_else(|_| Err(late()))
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Result<Option<String>, AppError> {
        let mut found = None;
        for pair in self.query.split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decode(key).as_deref() != Some(name) {
                continue;
            }
            if found.is_some() {
                return Err(AppError::field(name, "twice", "is given twice"));
            }
            let value = decode(value).ok_or_else(|| AppError::field(name, "utf8", "is not UTF-8"))?;
            found = Some(value);
        }
        Ok(found)
    }

    /// A whole number of the query that is not negative.
    pub fn number(&self, name: &str) -> Result<Option<i64>, AppError> {
        let Some(text) = self.parameter(name)? else { return Ok(None) };
        match text.parse::<i64>() {
            Ok(number) if (0..=chat_shared::id::MAX_SAFE_INTEGER).contains(&number) => Ok(Some(number)),
            _ => Err(AppError::field(name, "range", "must be a whole number from 0 to 9007199254740991")),
        }
    }

    /// A seq of the query.
    pub fn seq(&self, name: &str) -> Result<Option<Seq>, AppError> {
        let number = self.number(name)?;
        number.map(|number| crate::chat::field(name, &number.to_string())).transpose()
    }

    /// How many rows: clamped to what a page can have.
    pub fn limit(&self) -> Result<usize, AppError> {
        let Some(text) = self.parameter("limit")? else { return Ok(PAGE_DEFAULT) };
        match text.parse::<i128>() {
            Ok(limit) if limit >= 1 => Ok(usize::try_from(limit).unwrap_or(PAGE_MAX).min(PAGE_MAX)),
            _ => Err(AppError::field("limit", "range", "must be a whole number from 1 to 200")),
        }
    }

    /// The usual parameters of a listing.
    pub fn list(&self) -> Result<ListQuery, AppError> {
        let q = self.parameter("q")?.filter(|q| !q.is_empty());
        if q.as_ref().is_some_and(|q| q.len() > 256) {
            return Err(AppError::field("q", "length", "must have at most 256 bytes"));
        }
        Ok(ListQuery { q, cursor: self.parameter("cursor")?, limit: self.limit()? })
    }

    /// Did this come from the server's own page? Asked where a cookie is the credential.
    pub fn is_same_origin(&self) -> bool {
        let origin = self.header(&ORIGIN);
        origin.is_some_and(|origin| self.api.origins.is_own(origin, self.header(&HOST), self.peer.secure))
    }
}

fn decode(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    percent_encoding::percent_decode_str(&text).decode_utf8().ok().map(|text| text.into_owned())
}

/// A segment of the path, decoded; one that is not UTF-8 names nothing.
pub(super) fn segment(text: &str) -> Result<String, AppError> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(|text| text.into_owned()).map_err(|_| AppError::not_found())
}

/// A conversation in the path; one that cannot exist does not.
pub(super) fn conversation(text: &str) -> Result<ConversationId, AppError> {
    crate::chat::known(text)
}

/// A message in the path.
pub(super) fn message_seq(text: &str) -> Result<Seq, AppError> {
    crate::chat::known(text)
}
