//! HTTP: one file a resource, each path once.
//!
//! warp finds the path; from there on plain functions do the rest and always answer: a method that a
//! path does not have is 405 with `Allow`, a path that is not there is 404, and no rejection of
//! warp's ever reaches a client. Handlers read the call, ask `chat`, and write the answer.

mod accounts;
mod call;
mod conversations;
mod cookie;
mod groups;
mod messages;
mod page;
pub(crate) mod reply;
mod routes;
mod system;

pub use call::Call;
pub use routes::{RESOURCES, Resource, routes};

use crate::chat::Chat;
use crate::listener::Drain;
use std::sync::Arc;
use warp::filters::BoxedFilter;
use warp::reply::Response;

/// A path with its methods.
pub type Route = BoxedFilter<(Response,)>;

/// What handlers work with.
#[derive(Clone)]
pub struct Api {
    /// The use cases.
    pub chat: Arc<Chat>,
    /// How browsers reach the server.
    pub origins: Arc<Origins>,
    /// Is the server stopping?
    pub drain: Drain,
}

/// The web origins that belong to this server.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// The one that the operator named.
    pub public_url: Option<String>,
    /// Others that may open a WebSocket.
    pub allowed: Vec<String>,
}

impl Origins {
    /// Is this the server's own origin, as the browser that sent `host` sees it?
    pub fn is_own(&self, origin: &str, host: Option<&str>, secure: bool) -> bool {
        let origin = origin.to_ascii_lowercase();
        match (&self.public_url, host) {
            (Some(own), _) => origin == *own,
            (None, Some(host)) => {
                let scheme = if secure { "https" } else { "http" };
                origin == format!("{scheme}://{}", host.to_ascii_lowercase())
            }
            (None, None) => false,
        }
    }

    /// May a page of this origin open a WebSocket?
    pub fn may_connect(&self, origin: &str, host: Option<&str>, secure: bool) -> bool {
        self.is_own(origin, host, secure)
            || self.allowed.iter().any(|other| origin.eq_ignore_ascii_case(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_origin_is_its_own() {
        let plain = Origins::default();
        let named = Origins {
            public_url: Some("https://chat.example".to_owned()),
            allowed: vec!["https://other.example".to_owned()],
        };
        let host = Some("chat.example");
        let table = [
            (&plain, "http://chat.example", false, true),
            (&plain, "https://chat.example", true, true),
            (&plain, "https://chat.example", false, false),
            (&plain, "http://chat.example:8080", false, false),
            (&plain, "http://chat.example.evil", false, false),
            (&plain, "null", false, false),
            (&named, "https://chat.example", false, true),
            (&named, "HTTPS://Chat.Example", false, true),
            (&named, "http://chat.example", false, false),
            (&named, "https://other.example", false, true),
            (&named, "https://chat.example.evil", false, false),
        ];
        for (origins, origin, secure, expected) in table {
            assert_eq!(origins.may_connect(origin, host, secure), expected, "{origin} {secure}");
        }
        assert!(!named.is_own("https://other.example", host, false));
    }
}
