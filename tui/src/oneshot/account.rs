//! Getting in and out.

use super::print;
use crate::error::ClientError;
use crate::home::Home;
use crate::net::http::{Account, Http, normalize};
use chat_shared::api::{LoginRequest, RegisterRequest, Session, User};
use std::io::{self, BufRead as _, IsTerminal as _};

/// What `register` and `login` were given.
#[derive(Debug, Clone, Default)]
pub struct Enter {
    /// Make an account first?
    pub register: bool,
    /// Where.
    pub server: String,
    /// Who.
    pub username: String,
    /// Read the password from standard input?
    pub password_stdin: bool,
    /// Free text.
    pub display_name: Option<String>,
    /// Where registration is by invite.
    pub invite: Option<String>,
    /// For the first account.
    pub setup_code: Option<String>,
    /// For the session list.
    pub device_name: Option<String>,
    /// Also over http to another machine.
    pub insecure: bool,
}

/// Registers or logs in, and stores the log-in.
pub async fn enter(home: &Home, given: Enter) -> Result<(), ClientError> {
    let server = normalize(&given.server, given.insecure)?;
    let http = Http::new(&server)?;
    let password = password(given.password_stdin)?;
    let device_name = Some(given.device_name.unwrap_or_else(|| "chat-tui".to_owned()));
    let session: Session = if given.register {
        let request = RegisterRequest {
            username: given.username,
            password,
            display_name: given.display_name,
            invite: given.invite,
            setup_code: given.setup_code,
            device_name,
            cookie: None,
        };
        http.post("/auth/register", &request).await?
    } else {
        let request = LoginRequest { username: given.username, password, device_name, cookie: None };
        http.post("/auth/login", &request).await?
    };
    Account::store(home, &server, &session, given.insecure)?;
    print(&format!("Logged in to {server} as {}.\n", session.user.username))
}

fn password(from_stdin: bool) -> Result<String, ClientError> {
    let unread = |error: io::Error| ClientError::Other(format!("the password could not be read: {error}"));
    if from_stdin {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(unread)?;
        return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
    }
    if !io::stdin().is_terminal() {
        return Err(ClientError::Usage(
            "there is no terminal to ask for the password. Use --password-stdin.".into(),
        ));
    }
    rpassword::prompt_password("Password: ").map_err(unread)
}

/// Ends the session, at the server and here.
pub async fn logout(account: &Account) -> Result<(), ClientError> {
    let told: Result<serde_json::Value, ClientError> =
        account.post("/auth/logout", &serde_json::json!({})).await;
    match told {
        // A session that has ended already is as good as one that ends now.
        Err(error) if error.exit_code() != crate::error::exit::REFUSED => Err(error),
        _ => {
            account.forget()?;
            print(&format!("Logged out of {}.\n", account.server()))
        }
    }
}

/// Who is logged in, and where.
pub async fn whoami(account: &Account) -> Result<(), ClientError> {
    let me: User = account.get("/me").await?;
    print(&format!("{} on {}\n", me.username, account.server()))
}
