//! What every request meets before the routes and every answer after them: who is calling, how
//! large a head may be, how long an answer may take, what a panic looks like from outside.
//!
//! Nothing here knows a path.

use super::pace::Pace;
use super::peer::Peer;
use super::permits::{ConnectionGuard, Permits};
use super::{Counters, ListenerOptions};
use crate::error::AppError;
use chat_shared::ErrorCode;
use futures_util::FutureExt;
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, REFERRER_POLICY, RETRY_AFTER,
    STRICT_TRANSPORT_SECURITY, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::Service;
use hyper::{HeaderMap, Request, StatusCode};
use std::any::Any;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use warp::reply::Response;

/// Most header lines: browsers send about twenty.
const HEADERS_MAX: usize = 64;
/// Largest head, in bytes: room for the longest token and then some.
const HEAD_MAX: usize = 16 * 1024;

/// What all connections of a listener share.
pub(super) struct Rules {
    pub(super) options: ListenerOptions,
    pub(super) permits: Arc<Permits>,
    pub(super) counters: Arc<Counters>,
}

/// The service of one connection, around that of the routes.
pub(super) struct Edge<S> {
    pub(super) routes: S,
    pub(super) rules: Arc<Rules>,
    pub(super) socket: SocketAddr,
    pub(super) is_tls: bool,
    pub(super) guard: ConnectionGuard,
    pub(super) pace: Arc<Pace>,
}

type Answer = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl<S> Service<Request<Incoming>> for Edge<S>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: Request<Incoming>) -> Answer {
        let answering = self.pace.answering();
        let admitted = self.admit(&mut request);
        let (routes, rules) = (self.routes.clone(), Arc::clone(&self.rules));
        Box::pin(async move {
            let mut response = match admitted {
                Ok(()) => answer(routes, request, &rules).await,
                Err(refusal) => refuse(&refusal),
            };
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                protect(response.headers_mut(), rules.options.is_https);
            }
            drop(answering);
            Ok(response)
        })
    }
}

impl<S> Edge<S> {
    /// Refuses what is too large, and tells the routes who is calling.
    fn admit(&self, request: &mut Request<Incoming>) -> Result<(), AppError> {
        let Rules { options, permits, counters } = &*self.rules;
        if request.headers().len() > HEADERS_MAX || head_size(request) > HEAD_MAX {
            let detail = format!("A request has at most {HEADERS_MAX} headers and {HEAD_MAX} bytes of head.");
            return Err(AppError::new(ErrorCode::HeadersTooLarge, detail));
        }
        let peer = Peer::find(self.socket, self.is_tls, &options.trusted_proxies, request.headers());
        let mut guard = self.guard.clone();
        // A socket of a proxy has no address of its own to count; one that is handed over for good
        // counts for the client behind it.
        if peer.addr != self.socket.ip().to_canonical() && request.headers().contains_key(UPGRADE) {
            let client = permits.client(peer.addr).map_err(|_| {
                counters.refused.fetch_add(1, Ordering::Relaxed);
                let detail = "Too many connections from this address; close one.";
                AppError::rate_limited(detail, Duration::from_secs(10))
            })?;
            guard = guard.with_client(client);
        }
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(guard);
        Ok(())
    }
}

/// The routes' answer, or ours when they panic or take too long.
async fn answer<S>(routes: S, request: Request<Incoming>, rules: &Rules) -> Response
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let has_body = !request.body().is_end_stream();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    // The call itself may panic, not only its future.
    let call = AssertUnwindSafe(async move { routes.call(request).await }).catch_unwind();
    match tokio::time::timeout(rules.options.request_deadline, call).await {
        Ok(Ok(Ok(response))) => response,
        Ok(Ok(Err(never))) => match never {},
        Ok(Err(panic)) => {
            rules.counters.panicked.fetch_add(1, Ordering::Relaxed);
            tracing::error!(%method, path, panic = panic_text(&*panic), "a request handler panicked");
            closing(refuse(&AppError::internal()))
        }
        Err(_) => {
            rules.counters.overdue.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%method, path, "a request was not answered in time");
            // With a body it is most likely the client that was slow.
            closing(refuse(&if has_body {
                AppError::new(ErrorCode::Timeout, "The request took too long to arrive; send it again.")
            } else {
                AppError::unavailable("The server took too long to answer; try again.")
            }))
        }
    }
}

/// The bytes of the head, near enough: request line and header lines.
fn head_size<B>(request: &Request<B>) -> usize {
    let uri = request.uri();
    let target = uri.path_and_query().map_or(0, |path| path.as_str().len())
        + uri.authority().map_or(0, |authority| authority.as_str().len());
    let line = request.method().as_str().len() + target;
    request.headers().iter().fold(line, |sum, (name, value)| sum + name.as_str().len() + value.len() + 4)
}

/// An error as `application/problem+json`.
fn refuse(error: &AppError) -> Response {
    let problem = error.problem();
    // Made of strings and numbers only; it cannot fail.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let mut response = Response::new(body.into());
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(wait) = error.retry_after {
        headers.insert(RETRY_AFTER, wait.as_secs().max(1).into());
    }
    response
}

/// After this answer the connection is of no use: part of a request may be left in it.
fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// For how long a browser is to come by https only.
const A_YEAR: &str = "max-age=31536000";

/// Headers that every answer has, whatever it is.
fn protect(headers: &mut HeaderMap, is_https: bool) {
    if is_https {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(A_YEAR));
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// What a panic said, if it was text.
fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
