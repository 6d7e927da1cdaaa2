//! HTTP: one server, one log-in, kept fresh.

use super::cause;
use crate::credentials::{self, Credentials, Login};
use crate::error::ClientError;
use crate::home::Home;
use chat_shared::api::{RefreshRequest, Session};
use chat_shared::{ErrorCode, Problem};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TIMEOUT: Duration = Duration::from_secs(30);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A page of the longest messages is 3.3 MB; more is no honest answer.
const ANSWER_MAX: u64 = 16 << 20;
/// An access token is renewed this many seconds before it expires.
const EARLY: i64 = 30;

/// Seconds since the epoch.
pub fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// A server's address as it is stored: scheme, host and port, without a path.
pub fn normalize(server: &str, insecure: bool) -> Result<String, ClientError> {
    let given = server.trim().trim_end_matches('/');
    let local = |host: &str| matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.starts_with("127.");
    let with_scheme = if given.contains("://") {
        given.to_owned()
    } else {
        let host = given.rsplit_once(':').map_or(given, |(host, _)| host);
        format!("{}://{given}", if local(host) { "http" } else { "https" })
    };
    let wrong = || {
        ClientError::Usage(format!("{server:?} is not a server's address such as https://chat.example.org"))
    };
    let url = reqwest::Url::parse(&with_scheme).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    if !matches!(url.scheme(), "http" | "https") || url.path() != "/" || !url.username().is_empty() {
        return Err(wrong());
    }
    if url.scheme() == "http" && !local(host) && !insecure {
        return Err(ClientError::Usage(format!(
            "{server} is another machine, and over http your password would cross the network unencrypted. Use https, or --insecure if you must."
        )));
    }
    Ok(with_scheme.to_ascii_lowercase())
}

/// A client without a log-in.
#[derive(Clone)]
pub struct Http {
    client: Client,
    server: String,
}

impl Http {
    /// For this (normalized) address. Redirects are not followed: a credential goes nowhere else.
    pub fn new(server: &str) -> Result<Self, ClientError> {
        let client = Client::builder()
            .timeout(TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("chat-tui/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ClientError::Other(format!("no HTTP client: {error}")))?;
        Ok(Self { client, server: server.to_owned() })
    }

    /// Where.
    pub fn server(&self) -> &str {
        &self.server
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/api/v1{path}", self.server))
    }

    async fn finish<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ClientError> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok()?.parse().ok())
            // A hostile server must not put us to sleep for ever.
            .map(|seconds: u64| Duration::from_secs(seconds.min(60)));
        if status.is_redirection() {
            return Err(ClientError::Other(format!(
                "{} sends elsewhere (HTTP {status}), and a credential is not sent after it. Use the address it points to.",
                self.server
            )));
        }
        let text = self.body(response).await?;
        if !status.is_success() {
            let problem =
                serde_json::from_slice::<Problem>(&text).unwrap_or_else(|_| unknown_problem(status));
            return Err(ClientError::Api { problem: Box::new(problem), retry_after });
        }
        let text: &[u8] = if text.is_empty() { b"null" } else { &text };
        serde_json::from_slice(text).map_err(|error| {
            ClientError::Other(format!(
                "{} gave an answer that is not one of this protocol: {error}",
                self.server
            ))
        })
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ClientError> {
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(&error))? {
            text.extend_from_slice(&chunk);
            if text.len() as u64 > ANSWER_MAX {
                return Err(ClientError::Other(format!(
                    "{} gave an answer of more than 16 MiB.",
                    self.server
                )));
            }
        }
        Ok(text)
    }

    fn unreachable(&self, error: &reqwest::Error) -> ClientError {
        ClientError::Unreachable { server: self.server.clone(), detail: cause(error) }
    }

    /// Asks without a log-in.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ClientError> {
        self.finish(self.request(Method::POST, path).json(body)).await
    }
}

fn unknown_problem(status: StatusCode) -> Problem {
    let code = match status.as_u16() {
        401 => ErrorCode::Unauthorized,
        403 => ErrorCode::Forbidden,
        502..=504 => ErrorCode::Unavailable,
        _ => ErrorCode::Unknown,
    };
    Problem::new(code, format!("the server answered with HTTP {status}"))
}

/// A client with a log-in, whose tokens live in the home.
#[derive(Clone)]
pub struct Account {
    http: Http,
    home: Home,
}

impl Account {
    /// The log-in at this server, or at the one used last.
    pub fn open(home: &Home, server: Option<&str>) -> Result<Self, ClientError> {
        let logins = credentials::read(home)?;
        let server = match server {
            Some(server) => normalize(server, true)?,
            None => logins.default.clone().ok_or(ClientError::NotLoggedIn)?,
        };
        let login = logins.servers.get(&server).ok_or(ClientError::NotLoggedIn)?;
        normalize(&server, login.insecure)?;
        Ok(Self { http: Http::new(&server)?, home: home.clone() })
    }

    /// Where.
    pub fn server(&self) -> &str {
        self.http.server()
    }

    /// Stores a log-in, and makes its server the default.
    pub fn store(home: &Home, server: &str, session: &Session, insecure: bool) -> Result<(), ClientError> {
        let login = Login::new(session, insecure, now())
            .ok_or_else(|| ClientError::Other("the server gave no refresh token.".into()))?;
        let credentials = Credentials::lock(home)?;
        let mut logins = credentials.read()?;
        logins.default = Some(server.to_owned());
        logins.servers.insert(server.to_owned(), login);
        credentials.write(&logins)
    }

    /// Forgets the log-in.
    pub fn forget(&self) -> Result<(), ClientError> {
        let credentials = Credentials::lock(&self.home)?;
        let mut logins = credentials.read()?;
        logins.servers.remove(self.server());
        if logins.default.as_deref() == Some(self.server()) {
            logins.default = logins.servers.keys().next().cloned();
        }
        credentials.write(&logins)
    }

    /// The log-in as it is stored now.
    pub fn login(&self) -> Result<Login, ClientError> {
        credentials::read(&self.home)?.servers.remove(self.server()).ok_or(ClientError::NotLoggedIn)
    }

    /// A good access token: the stored one, or a fresh one if that is `stale` or about to expire.
    pub async fn access_token(&self, stale: Option<&str>) -> Result<Login, ClientError> {
        let good = |login: &Login| {
            login.access_expires_at > now() + EARLY && stale != Some(login.access_token.as_str())
        };
        let login = self.login()?;
        if good(&login) {
            return Ok(login);
        }
        // Waiting for the lock must not stand in the way of the runtime.
        let home = self.home.clone();
        let credentials = tokio::task::spawn_blocking(move || Credentials::lock(&home))
            .await
            .map_err(|error| ClientError::Other(error.to_string()))??;
        let mut logins = credentials.read()?;
        let login = logins.servers.get(self.server()).cloned().ok_or(ClientError::NotLoggedIn)?;
        if good(&login) {
            return Ok(login);
        }
        let body = RefreshRequest { refresh_token: Some(login.refresh_token.clone()) };
        let session: Session = self.http.post("/auth/refresh", &body).await?;
        let fresh = Login::new(&session, login.insecure, now())
            .ok_or_else(|| ClientError::Other("the server gave no refresh token.".into()))?;
        logins.servers.insert(self.server().to_owned(), fresh.clone());
        credentials.write(&logins)?;
        Ok(fresh)
    }

    /// Asks with the log-in; once more with a fresh token if the server no longer takes this one.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let mut stale: Option<String> = None;
        loop {
            let login = self.access_token(stale.as_deref()).await?;
            let mut request = self.http.request(method.clone(), path).bearer_auth(&login.access_token);
            if let Some(body) = body {
                request = request.json(body);
            }
            match self.http.finish(request).await {
                Err(ClientError::Api { problem, .. })
                    if problem.code == ErrorCode::Unauthorized && stale.is_none() =>
                {
                    stale = Some(login.access_token);
                }
                answer => return answer,
            }
        }
    }

    /// `GET`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None::<&()>).await
    }

    /// `POST`.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, ClientError> {
        self.call(Method::POST, path, Some(body)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let table = [
            ("127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            ("localhost", Some("http://localhost")),
            ("chat.example.org", Some("https://chat.example.org")),
            ("chat.example.org:8443/", Some("https://chat.example.org:8443")),
            ("HTTPS://Chat.Example.org/", Some("https://chat.example.org")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("http://chat.example.org", None),
            ("ftp://chat.example.org", None),
            ("https://chat.example.org/path", None),
            ("https://me@chat.example.org", None),
            ("", None),
        ];
        for (given, expected) in table {
            assert_eq!(normalize(given, false).ok().as_deref(), expected, "{given}");
        }
        assert!(normalize("http://chat.example.org", true).is_ok());
    }
}
