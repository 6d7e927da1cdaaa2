//! The full-screen client put together: one loop that waits for an event, takes what else is there, lets the
//! state change, has done what is wanted, and draws once. While nothing happens it sleeps.

mod effects;
mod source;

pub use source::Source;

use crate::config::Config;
use crate::demo::Demo;
use crate::error::ClientError;
use crate::event::{Event, Timed};
use crate::home::Home;
use crate::keymap::Key;
use crate::state::{Form, Screen, State};
use crate::terminal::{self, HangUp, Osc, Terminal};
use crate::theme::ThemeName;
use crate::update::update;
use crate::view;
use chat_shared::api::Millis;
use chat_shared::display::SafeText;
use crossterm::event::{Event as Input, EventStream, KeyEventKind};
use futures_util::{Stream, StreamExt as _};
use jiff::tz::TimeZone;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events that are taken before the screen is drawn: enough that a flood is drawn seldom, few enough
/// that a key is seen soon.
const AT_ONCE: usize = 512;
/// The first frame waits so long for the cache, so that it is not an empty one.
const FIRST_FRAME: Duration = Duration::from_millis(80);

/// The client's thread is gone, and has said why where this stands. Nothing that is typed could be kept.
const FAILED: &str =
    "a part of the program has failed. What was entered before is kept, and sent the next time";

/// What the program was asked to begin with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The server, if one was named.
    pub server: Option<String>,
    /// On made-up data.
    pub demo: bool,
    /// Allow http to another machine.
    pub insecure: bool,
}

/// Milliseconds since the epoch.
pub fn now() -> Millis {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Runs the full-screen client until it is quit.
pub async fn start(
    home: Option<Home>,
    config: Config,
    mistakes: Vec<String>,
    options: Options,
) -> Result<(), ClientError> {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let resolved = |theme: ThemeName| theme.resolve(no_color, true_color(), light_background());
    let (theme, auto) = (resolved(config.theme), resolved(ThemeName::Auto));
    let zone = if options.demo { TimeZone::UTC } else { TimeZone::system() };
    let mut state = State::new(config, theme, zone, terminal::size());
    state.auto_theme = auto;
    state.now = now();
    // Of several notes only the last is seen at once.
    let summary = match &mistakes[..] {
        [] | [_] => None,
        all => {
            Some(format!("{} mistakes in the configuration: chat-tui --check-config tells them.", all.len()))
        }
    };
    for mistake in mistakes.into_iter().chain(summary) {
        state.say(crate::state::Tone::Bad, mistake);
    }
    state.servers = servers(home.as_ref());
    let source = first_source(home.as_ref(), &mut state, &options)?;
    // Before the terminal is taken over: a signal that nobody hears yet would end the program without giving it back.
    let signals = Signals::listen().map_err(failed)?;
    let terminal = Terminal::enter(state.config.mouse, state.config.hyperlinks).map_err(failed)?;
    let (told, tell) = mpsc::unbounded_channel();
    let app = App {
        state,
        terminal,
        signals,
        source,
        home,
        insecure: options.insecure,
        entering: None,
        told,
        tell,
        title: String::new(),
        quit: false,
    };
    app.run(EventStream::new()).await
}

fn failed(error: io::Error) -> ClientError {
    match error.kind() {
        io::ErrorKind::Other => ClientError::Other(error.to_string()),
        _ => ClientError::Other(format!("the terminal cannot be used: {error}")),
    }
}

/// Servers with a stored log-in, and whose it is. A damaged file is told by whoever needs it.
fn servers(home: Option<&Home>) -> Vec<(String, String)> {
    let logins = home.and_then(|home| crate::credentials::read(home).ok()).unwrap_or_default();
    logins.servers.into_iter().map(|(server, login)| (server, login.username)).collect()
}

/// What the terminal says it can.
fn true_color() -> bool {
    let is = |name: &str, wanted: &[&str]| {
        std::env::var(name).is_ok_and(|value| wanted.iter().any(|wanted| value.contains(wanted)))
    };
    is("COLORTERM", &["truecolor", "24bit"])
        || is("TERM", &["direct", "kitty", "ghostty", "foot", "alacritty"])
}

/// `COLORFGBG` is `15;0` on dark and `0;15` on light backgrounds, where it is told at all.
fn light_background() -> Option<bool> {
    let background: u8 = std::env::var("COLORFGBG").ok()?.rsplit(';').next()?.parse().ok()?;
    Some(matches!(background, 7 | 9..=15))
}

/// The stored log-in is followed at once; without one the form is shown.
fn first_source(home: Option<&Home>, state: &mut State, options: &Options) -> Result<Source, ClientError> {
    if options.demo {
        state.screen = Screen::Chat;
        return Ok(Source::demo(Demo::new()));
    }
    let Some(home) = home else { return Ok(Source::none()) };
    let wanted = options.server.clone().or_else(|| state.config.server.clone());
    match Source::open(home, wanted.as_deref()) {
        Ok(source) => {
            state.screen = Screen::Chat;
            state.server = source.server().to_owned();
            Ok(source)
        }
        Err(ClientError::NotLoggedIn) => {
            state.screen = Screen::Form(Box::new(Form::new(wanted.unwrap_or_default())));
            Ok(Source::none())
        }
        Err(error) => Err(error),
    }
}

/// What the system tells.
struct Signals {
    terminate: Signal,
    hang_up: Signal,
    resumed: Signal,
    /// The library that reads the terminal tells of it too, but not where a key was pressed just before.
    resized: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            resumed: signal(SignalKind::from_raw(18))?,
            resized: signal(SignalKind::window_change())?,
        })
    }
}

/// The running program.
struct App {
    state: State,
    terminal: Terminal,
    signals: Signals,
    source: Source,
    home: Option<Home>,
    insecure: bool,
    /// A log-in that is under way.
    entering: Option<JoinHandle<()>>,
    /// Where tasks of ours tell what came of them.
    told: mpsc::UnboundedSender<Event>,
    tell: mpsc::UnboundedReceiver<Event>,
    title: String,
    quit: bool,
}

impl App {
    /// Until the end, which is the same when the terminal is gone: what was written is kept.
    async fn run(mut self, input: impl Stream<Item = io::Result<Input>> + Unpin) -> Result<(), ClientError> {
        let ran = self.take_all(input).await;
        let gone = terminal::is_gone();
        let unkept = self.end().await;
        for text in &unkept {
            // The last that can be done for it.
            let _ = writeln!(io::stderr(), "chat-tui: {}", SafeText::block(text));
        }
        match (gone, ran) {
            // What could not be written to a terminal that is not there is no failure.
            (true, _) => {}
            (false, ran) => ran.map_err(failed)?,
        }
        match unkept.len() {
            0 => Ok(()),
            n => Err(ClientError::Other(format!("texts that are lost with this program: {n}."))),
        }
    }

    async fn take_all(&mut self, mut input: impl Stream<Item = io::Result<Input>> + Unpin) -> io::Result<()> {
        // Until now nobody would have heard of another size.
        self.take(resize()).await?;
        let mut terminal = HangUp::watch()?;
        let first = tokio::time::Instant::now() + FIRST_FRAME;
        let mut waits = self.source.is_starting();
        while !self.quit {
            if !waits {
                self.draw()?;
            }
            let tick =
                self.state.next_tick().map(|at| Duration::from_millis((at - now()).max(1).unsigned_abs()));
            let mut read = false;
            let event = tokio::select! {
                biased;
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.hang_up.recv() => break,
                () = terminal.wait() => break,
                _ = self.signals.resumed.recv() => {
                    self.terminal.resume()?;
                    Some(resize())
                }
                _ = self.signals.resized.recv() => Some(resize()),
                next = input.next() => match next {
                    Some(Ok(next)) => {
                        read = true;
                        translate(next)
                    }
                    // The terminal is gone.
                    Some(Err(_)) | None => break,
                },
                Some(event) = self.tell.recv() => Some(event),
                update = self.source.next() => match update {
                    Some(update) => Some(Event::Client(update)),
                    None => return Err(io::Error::other(FAILED)),
                },
                () = sleep(tick) => Some(Event::Tick),
                () = tokio::time::sleep_until(first), if waits => {
                    waits = false;
                    None
                }
            };
            if let Some(event) = event {
                waits &= matches!(event, Event::Tick);
                self.take(event).await?;
            }
            for _ in 0..AT_ONCE {
                // Polled with our own waker: the terminal's stream keeps the first one that it is shown.
                let there = tokio::select! {
                    biased;
                    next = input.next() => Some(next),
                    () = std::future::ready(()) => None,
                };
                read |= there.is_some();
                let next = match there {
                    Some(Some(Ok(next))) => translate(next),
                    Some(_) => None,
                    None => {
                        match self.tell.try_recv().ok().or_else(|| self.source.try_next().map(Event::Client))
                        {
                            Some(event) => Some(event),
                            None => break,
                        }
                    }
                };
                if let Some(event) = next {
                    self.take(event).await?;
                }
            }
            if read {
                terminal::nudge();
            }
        }
        Ok(())
    }

    async fn take(&mut self, event: Event) -> io::Result<()> {
        if matches!(event, Event::Resize(..)) {
            // Of several in a row only the last is told, and a terminal that was small in between has
            // forgotten what was on it.
            self.terminal.screen.forget();
        }
        for effect in update(&mut self.state, Timed { now: now(), event }) {
            self.run_effect(effect).await?;
        }
        Ok(())
    }

    fn draw(&mut self) -> io::Result<()> {
        let state = &self.state;
        self.terminal.screen.draw(state.size, |buffer| view::draw(state, buffer))?;
        let title = title(state);
        if title != self.title {
            self.terminal.osc(&Osc::title(&title))?;
            self.title = title;
        }
        Ok(())
    }
}

async fn sleep(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}

fn resize() -> Event {
    let (columns, rows) = terminal::size();
    Event::Resize(columns, rows)
}

/// What the terminal sent as an event of ours.
fn translate(input: Input) -> Option<Event> {
    Some(match input {
        Input::Key(key) if key.kind != KeyEventKind::Release => Event::Key(Key::from(key)),
        Input::Key(_) => return None,
        Input::Mouse(mouse) => Event::Mouse(mouse),
        Input::Paste(text) => Event::Paste(text),
        // The signal itself was heard.
        Input::Resize(..) => return None,
        Input::FocusGained => Event::Focus(true),
        Input::FocusLost => Event::Focus(false),
    })
}

/// The window's title: what is unread stands first, so that it is seen in a list of windows.
fn title(state: &State) -> String {
    let (mut unread, mut mentions) = state.rooms.unread_elsewhere(None, state.now);
    if state.conversation().is_none() && state.rooms.is_empty() {
        (unread, mentions) = (0, 0);
    }
    let name = state.conversation().map(crate::state::name_of).unwrap_or_else(|| "chat".to_owned());
    let server = if state.server_name.is_empty() { &state.server } else { &state.server_name };
    let place = if server.is_empty() { name } else { format!("{name} — {server}") };
    match (unread, mentions) {
        (0, _) => place,
        (unread, 0) => format!("({unread}) {place}"),
        (unread, mentions) => format!("({unread}, @{mentions}) {place}"),
    }
}
