//! Every path with its methods, in one table that also says so to tests and documentation.

use super::call::{Call, call};
use super::reply::{method_not_allowed, problem, respond};
use super::{Api, Route, accounts, conversations, groups, messages, page, system};
use crate::error::AppError;
use crate::ws;
use warp::Filter as _;
use warp::http::Method;

/// A path and its methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// With parameters in braces.
    pub path: &'static str,
    /// Upper case.
    pub methods: &'static [&'static str],
}

/// Calls a handler with the parameters of its path.
macro_rules! handle {
    ($handler:path, $call:ident, ($($parameter:ident),*)) => { $handler($call, $($parameter),*) };
}

/// A path with its handlers.
macro_rules! resource {
    ($api:ident, [$($path:tt)*], $parameters:tt, ($($parameter:ident),*), $methods:tt) => {
        warp::path!($($path)*)
            .and(call($api.clone()))
            .then(|$($parameter: String,)* call: Call| async move { methods!(call, $parameters, $methods) })
            .boxed()
    };
}

/// The method whose handler answers. HEAD is GET: the listener leaves the body out.
fn handled_as(method: &Method) -> &str {
    if method == Method::HEAD { "GET" } else { method.as_str() }
}

/// Chooses the handler by the method.
macro_rules! methods {
    ($call:ident, $parameters:tt, { $($method:ident => $handler:path),+ }) => {
        match handled_as(&$call.method) {
            $(stringify!($method) => respond(handle!($handler, $call, $parameters).await),)+
            _ => method_not_allowed(&[$(stringify!($method)),+]),
        }
    };
}

/// The names of the methods.
macro_rules! names {
    ({ $($method:ident => $handler:path),+ }) => { &[$(stringify!($method)),+] };
}

macro_rules! resources {
    ($( $text:literal = $path:tt $parameters:tt $methods:tt )*) => {
        /// Every path there is.
        pub const RESOURCES: &[Resource] = &[$(Resource { path: $text, methods: names!($methods) },)*];

        /// The whole of it: what no path matches is 404.
        pub fn routes(api: &Api) -> Route {
            let nowhere = warp::any().map(|| problem(&AppError::not_found())).boxed();
            let all = [$(resource!(api, $path, $parameters, $parameters, $methods),)*];
            // From the last to the first, so that the first is asked first.
            all.into_iter().rev().fold(nowhere, |others, route: Route| route.or(others).unify().boxed())
        }
    };
}

resources! {
    "/api/v1/ws" = ["api" / "v1" / "ws"] () { GET => ws::upgrade }
    "/api/v1/conversations/{id}/messages" = ["api" / "v1" / "conversations" / String / "messages"] (id) {
        GET => messages::history, POST => messages::send
    }
    "/api/v1/conversations/{id}/changes" = ["api" / "v1" / "conversations" / String / "changes"] (id) {
        GET => messages::changes
    }
    "/api/v1/conversations/{id}/read" = ["api" / "v1" / "conversations" / String / "read"] (id) {
        PUT => conversations::read
    }
    "/api/v1/conversations/{id}/messages/{seq}" = ["api" / "v1" / "conversations" / String / "messages" / String] (id, seq) {
        GET => messages::get, PATCH => messages::edit, DELETE => messages::delete
    }
    "/api/v1/conversations/{id}/messages/{seq}/edits" = ["api" / "v1" / "conversations" / String / "messages" / String / "edits"] (id, seq) {
        GET => messages::edits
    }
    "/api/v1/conversations/{id}/messages/{seq}/thread" = ["api" / "v1" / "conversations" / String / "messages" / String / "thread"] (id, seq) {
        GET => messages::thread
    }
    "/api/v1/conversations/{id}/messages/{seq}/reactions/{emoji}" = ["api" / "v1" / "conversations" / String / "messages" / String / "reactions" / String] (id, seq, emoji) {
        PUT => messages::add_reaction, DELETE => messages::take_reaction
    }
    "/api/v1/conversations/{id}/settings" = ["api" / "v1" / "conversations" / String / "settings"] (id) {
        PUT => conversations::settings
    }
    "/api/v1/conversations/{id}/members" = ["api" / "v1" / "conversations" / String / "members"] (id) {
        GET => conversations::members
    }
    "/api/v1/conversations/{id}" = ["api" / "v1" / "conversations" / String] (id) { GET => conversations::get }
    "/api/v1/conversations" = ["api" / "v1" / "conversations"] () { GET => conversations::list }
    "/api/v1/directs" = ["api" / "v1" / "directs"] () { POST => conversations::open_direct }
    "/api/v1/groups/{id}/members/{username}" = ["api" / "v1" / "groups" / String / "members" / String] (id, username) {
        PUT => groups::put_member, DELETE => groups::remove_member
    }
    "/api/v1/groups/{id}/join" = ["api" / "v1" / "groups" / String / "join"] (id) { POST => groups::join }
    "/api/v1/groups/{id}/leave" = ["api" / "v1" / "groups" / String / "leave"] (id) { POST => groups::leave }
    "/api/v1/groups/{id}" = ["api" / "v1" / "groups" / String] (id) { PATCH => groups::update, DELETE => groups::delete }
    "/api/v1/groups" = ["api" / "v1" / "groups"] () { GET => groups::list, POST => groups::create }
    "/api/v1/auth/register" = ["api" / "v1" / "auth" / "register"] () { POST => accounts::register }
    "/api/v1/auth/login" = ["api" / "v1" / "auth" / "login"] () { POST => accounts::login }
    "/api/v1/auth/refresh" = ["api" / "v1" / "auth" / "refresh"] () { POST => accounts::refresh }
    "/api/v1/auth/logout" = ["api" / "v1" / "auth" / "logout"] () { POST => accounts::logout }
    "/api/v1/me" = ["api" / "v1" / "me"] () { GET => accounts::me, PATCH => accounts::update_me }
    "/api/v1/me/password" = ["api" / "v1" / "me" / "password"] () { PUT => accounts::change_password }
    "/api/v1/me/sessions" = ["api" / "v1" / "me" / "sessions"] () { GET => accounts::sessions }
    "/api/v1/me/sessions/{session}" = ["api" / "v1" / "me" / "sessions" / String] (session) {
        DELETE => accounts::end_session
    }
    "/api/v1/users" = ["api" / "v1" / "users"] () { GET => accounts::users }
    "/api/v1/users/{username}" = ["api" / "v1" / "users" / String] (username) { GET => accounts::user }
    "/healthz" = ["healthz"] () { GET => system::healthz }
    "/readyz" = ["readyz"] () { GET => system::readyz }
    "/page/{file}" = ["page" / String] (file) { GET => page::file }
    "/" = [] () { GET => page::index }
}
