//! Doing what the state wants done.

use super::{App, Source, resize, servers};
use crate::client::{Draft, Request};
use crate::effect::{Effect, LogIn};
use crate::error::ClientError;
use crate::event::{Event, LoggedIn};
use crate::home::Home;
use crate::net::http::{Account, Http, normalize};
use crate::state::{Form, Screen, Tone};
use crate::terminal::{Osc, tmux};
use crate::update::flush;
use chat_shared::SendId;
use chat_shared::api::{LoginRequest, RegisterRequest, Session};
use std::io::{self, Write as _};
use std::process::Stdio;
use std::time::Duration;
use uuid::Uuid;

/// What waits for the disk or the network at the end is waited for so long.
const END_PATIENCE: Duration = Duration::from_secs(5);

impl App {
    pub(super) async fn run_effect(&mut self, effect: Effect) -> io::Result<()> {
        match effect {
            Effect::Client(request) => self.source.ask(request),
            Effect::Send { conversation, body, reply_to } => {
                let id = SendId::from_uuid(Uuid::now_v7());
                self.source.ask(Request::Send { id, conversation, body, reply_to });
            }
            Effect::Edit { conversation, seq, body } => {
                let id = SendId::from_uuid(Uuid::now_v7());
                self.source.ask(Request::Edit { id, conversation, seq, body });
            }
            Effect::LogIn(log_in) => self.log_in(log_in),
            Effect::GiveUpLogIn => self.give_up_log_in(),
            Effect::Start(server) => self.start(&server).await,
            Effect::Stop => self.stop().await,
            Effect::Copy(text) => match Osc::copy(&text) {
                Some(osc) => self.osc(osc)?,
                None => self.state.say(Tone::Bad, "the text is too long for the terminal's clipboard."),
            },
            Effect::OpenLink(link) => self.open(link),
            Effect::EditExternally(text) => self.edit(&text).await?,
            Effect::Notify { title, body } => {
                let how = self.state.config.notify.resolve(|name| std::env::var(name).ok());
                if let Some(osc) = Osc::notify(how, &title, &body) {
                    self.osc(osc)?;
                }
            }
            Effect::Mouse(on) => self.terminal.set_mouse(on)?,
            Effect::Redraw => self.terminal.screen.forget(),
            Effect::Suspend => self.suspend()?,
            Effect::Quit => self.quit = true,
        }
        Ok(())
    }

    fn osc(&mut self, osc: Osc) -> io::Result<()> {
        self.terminal.osc(&if tmux() { osc.through_tmux() } else { osc })
    }

    /// Stops until the shell continues us. The whole program is stopped, also the thread of the client; it
    /// notices by the clock that it was away.
    fn suspend(&mut self) -> io::Result<()> {
        self.terminal.pause();
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
        self.terminal.resume()?;
        if let Event::Resize(columns, rows) = resize() {
            self.state.size = (columns, rows);
        }
        Ok(())
    }

    fn log_in(&mut self, log_in: LogIn) {
        self.give_up_log_in();
        let (told, insecure) = (self.told.clone(), self.insecure);
        let Some(home) = self.home.clone() else { return };
        self.entering = Some(tokio::spawn(async move {
            let result = enter(&home, log_in, insecure).await;
            // Nobody waits for it when the program has ended.
            let _ = told.send(Event::LoggedIn(result));
        }));
    }

    fn give_up_log_in(&mut self) {
        if let Some(entering) = self.entering.take() {
            entering.abort();
        }
    }

    async fn stop(&mut self) {
        for (draft, reason) in self.source.end().await {
            self.state.say(Tone::Bad, unkept(&draft, &reason));
        }
    }

    /// Follows a server in place of the one before.
    async fn start(&mut self, server: &str) {
        self.stop().await;
        let Some(home) = &self.home else { return };
        self.state.servers = servers(Some(home));
        match Source::open(home, Some(server)) {
            Ok(source) => {
                self.source = source;
                self.state.leave_server(Form::new(server));
                self.state.screen = Screen::Chat;
                self.state.server = self.source.server().to_owned();
            }
            Err(error) => {
                let name = self.state.me.clone();
                let form = Form::again_for(server, &name, error.to_string());
                self.state.leave_server(form);
            }
        }
    }

    /// By the program's name and its arguments, never through a shell.
    fn open(&self, link: String) {
        let told = self.told.clone();
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let spawned = tokio::process::Command::new(opener)
            .arg(&link)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let failed = format!("the link could not be opened; it is copied instead: {link}");
        match spawned {
            Ok(mut child) => {
                tokio::spawn(async move {
                    let opened = child.wait().await.is_ok_and(|status| status.success());
                    let _ = told.send(Event::Opened(if opened { Ok(()) } else { Err(failed) }));
                });
            }
            Err(_) => {
                let _ =
                    told.send(Event::Opened(Err(format!("{opener} is not there to open the link: {link}"))));
            }
        }
    }

    /// $VISUAL, $EDITOR, or vi, on a file that only its owner can read.
    async fn edit(&mut self, text: &str) -> io::Result<()> {
        let editor = ["VISUAL", "EDITOR"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()))
            .unwrap_or_else(|| "vi".to_owned());
        let mut words = editor.split_whitespace().map(str::to_owned);
        let program = words.next().unwrap_or_else(|| "vi".to_owned());
        let written =
            tempfile::Builder::new().prefix("chat-").suffix(".md").tempfile().and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.flush()?;
                Ok(file)
            });
        let file = match written {
            Ok(file) => file,
            Err(error) => {
                let _ = self
                    .told
                    .send(Event::Edited(Err(format!("a temporary file could not be written: {error}"))));
                return Ok(());
            }
        };
        self.terminal.pause();
        let status = tokio::process::Command::new(&program).args(words).arg(file.path()).status().await;
        self.terminal.resume()?;
        let result = match status {
            Ok(status) if status.success() => std::fs::read_to_string(file.path())
                .map_err(|error| format!("what {program} wrote could not be read: {error}")),
            Ok(status) => Err(format!("{program} ended with {status}: the line is as it was.")),
            Err(error) => Err(format!("{program} could not be started: {error}. Set EDITOR.")),
        };
        let _ = self.told.send(Event::Edited(result));
        Ok(())
    }

    /// The end: drafts are kept, the terminal is given back at once, and what waits for the disk is waited for.
    /// Returns what to say of texts that could not be kept.
    pub(super) async fn end(mut self) -> Vec<String> {
        let mut out = Vec::new();
        flush(&mut self.state, &mut out);
        for effect in out {
            if let Effect::Client(request) = effect {
                self.source.ask(request);
            }
        }
        drop(self.terminal);
        let lost = tokio::time::timeout(END_PATIENCE, self.source.end()).await.unwrap_or_default();
        let lost = lost.iter().filter(|(draft, _)| !draft.text.is_empty());
        lost.map(|(draft, reason)| unkept(draft, reason)).collect()
    }
}

fn unkept(draft: &Draft, reason: &str) -> String {
    format!("this could not be kept ({reason}): {}", draft.text)
}

/// Logs in or registers, and stores the log-in.
async fn enter(home: &Home, log_in: LogIn, insecure: bool) -> Result<LoggedIn, ClientError> {
    let server = normalize(&log_in.server, insecure)?;
    let http = Http::new(&server)?;
    let device_name = Some(device_name());
    let LogIn { username, password, invite, setup_code, register, .. } = log_in;
    let session: Session = if register {
        let request = RegisterRequest {
            username,
            password,
            invite,
            setup_code,
            device_name,
            ..RegisterRequest::default()
        };
        http.post("/auth/register", &request).await?
    } else {
        let request = LoginRequest { username, password, device_name, cookie: None };
        http.post("/auth/login", &request).await?
    };
    Account::store(home, &server, &session, insecure)?;
    Ok(LoggedIn { server, username: session.user.username.to_string() })
}

/// What the list of sessions calls this machine.
fn device_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    if host.is_empty() { "chat-tui".to_owned() } else { format!("chat-tui on {host}") }
}
