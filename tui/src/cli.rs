//! The command line.

use crate::app::{self, Options};
use crate::config;
use crate::error::{ClientError, exit};
use crate::home::Home;
use crate::net::http::Account;
use crate::oneshot::{self, Enter};
use chat_shared::display::SafeText;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use std::io::Write as _;

/// A terminal client for chat-server. Without a command it opens on the full screen, and asks there for what it
/// needs to know; the commands are for scripts and pipes.
#[derive(Debug, Parser)]
#[command(
    name = "chat-tui",
    version,
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 3 not logged in or refused, 4 unreachable, 130 interrupted.\n\
                  CHAT_TUI_HOME=DIR keeps log-ins, cache and configuration in one folder; else they live in the XDG directories."
)]
struct Cli {
    /// The server; after a log-in the one used last
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
    /// Allow http to another machine: the password crosses the network unencrypted
    #[arg(long)]
    insecure: bool,
    /// Look around on made-up data, without a server
    #[arg(long)]
    demo: bool,
    /// Say what is wrong with the configuration file, and end
    #[arg(long)]
    check_config: bool,
    /// Print a configuration file with every setting, and end
    #[arg(long)]
    example_config: bool,
    /// Lines in and lines out: for screen readers, dumb terminals and pipes
    #[arg(long)]
    plain: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct EnterArgs {
    /// Who
    #[arg(long, value_name = "NAME")]
    username: String,
    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
    /// What the session list calls this device
    #[arg(long, value_name = "TEXT")]
    device_name: Option<String>,
    /// Allow http to another machine: the password crosses the network unencrypted
    #[arg(long)]
    insecure: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an account and log in
    Register {
        #[command(flatten)]
        enter: EnterArgs,
        /// What others see beside the name
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        /// Where registration is by invite
        #[arg(long, value_name = "CODE")]
        invite: Option<String>,
        /// For the first account of a server on a public address
        #[arg(long, value_name = "CODE")]
        setup_code: Option<String>,
    },
    /// Log in
    Login {
        #[command(flatten)]
        enter: EnterArgs,
    },
    /// End this log-in
    Logout,
    /// Say who is logged in
    Whoami,
    /// Send a message; without TEXT what comes from standard input
    #[command(
        after_help = "Examples:\n  chat-tui send '#ci' the build is green\n  make 2>&1 | chat-tui send '#ci'"
    )]
    Send {
        /// '#group' or @user
        target: String,
        /// The message
        text: Vec<String>,
    },
    /// Print what is new, until interrupted
    #[command(after_help = "Examples:\n  chat-tui tail '#ops' @bob\n  chat-tui tail --json | jq -r .body")]
    Tail {
        /// '#group' or @user; all if none is given
        targets: Vec<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print the newest messages
    History {
        /// '#group' or @user
        target: String,
        /// How many
        #[arg(long, default_value_t = 50, value_name = "N")]
        limit: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// List groups; * marks the ones you are in
    Groups {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// List people; * marks who is online
    Users {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Join a public group
    Join {
        /// With or without #
        name: String,
    },
    /// Leave a group
    Leave {
        /// With or without #
        name: String,
    },
    /// Make a group
    Create {
        /// With or without #
        name: String,
        /// What it is about
        #[arg(long, value_name = "TEXT")]
        topic: Option<String>,
        /// Not listed; people are added
        #[arg(long)]
        private: bool,
    },
    /// Print the completions for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory
    Man {
        /// Made if it is not there
        #[arg(default_value = ".", value_name = "DIR")]
        directory: std::path::PathBuf,
    },
}

/// Runs what was typed; returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors, and say so by their code.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(exit::USAGE);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                done = dispatch(cli) => done,
                _ = tokio::signal::ctrl_c() => return Err(None),
            }
            .map_err(Some)
        }),
        Err(error) => Err(Some(ClientError::Other(format!("cannot start: {error}")))),
    };
    match done {
        Ok(()) => exit::OK,
        Err(None) => exit::INTERRUPTED,
        Err(Some(error)) => {
            // What the server said is remote text like any other.
            let line = SafeText::line(&error.to_string());
            let _ = writeln!(std::io::stderr(), "chat-tui: {line}");
            error.exit_code()
        }
    }
}

async fn dispatch(cli: Cli) -> Result<(), ClientError> {
    let server = cli.server.as_deref();
    if cli.example_config {
        return oneshot::print(&config::example());
    }
    if cli.check_config {
        return check_config();
    }
    let Some(command) = cli.command else {
        if cli.plain {
            let home = Home::open()?;
            return crate::plain::run(&home, Account::open(&home, server)?).await;
        }
        return full_screen(&cli).await;
    };
    match &command {
        Command::Completions { shell } => return completions(*shell),
        Command::Man { directory } => return man(directory),
        _ => {}
    }
    let home = Home::open()?;
    let account = || Account::open(&home, server);
    let entering = |args: EnterArgs| -> Result<Enter, ClientError> {
        let server =
            server.ok_or_else(|| ClientError::Usage("say which server, with --server URL.".into()))?;
        Ok(Enter {
            server: server.to_owned(),
            username: args.username,
            password_stdin: args.password_stdin,
            device_name: args.device_name,
            insecure: args.insecure,
            ..Enter::default()
        })
    };
    match command {
        // Answered above: they need no home.
        Command::Completions { .. } | Command::Man { .. } => Ok(()),
        Command::Register { enter, display_name, invite, setup_code } => {
            let enter = Enter { register: true, display_name, invite, setup_code, ..entering(enter)? };
            oneshot::enter(&home, enter).await
        }
        Command::Login { enter } => oneshot::enter(&home, entering(enter)?).await,
        Command::Logout => oneshot::logout(&account()?).await,
        Command::Whoami => oneshot::whoami(&account()?).await,
        Command::Send { target, text } => oneshot::send(&account()?, &target, &text).await,
        Command::Tail { targets, json } => oneshot::tail(&account()?, &targets, json).await,
        Command::History { target, limit, json } => oneshot::history(&account()?, &target, limit, json).await,
        Command::Groups { json } => oneshot::groups(&account()?, json).await,
        Command::Users { json } => oneshot::users(&account()?, json).await,
        Command::Join { name } => oneshot::join(&account()?, &name).await,
        Command::Leave { name } => oneshot::leave(&account()?, &name).await,
        Command::Create { name, topic, private } => oneshot::create(&account()?, &name, topic, private).await,
    }
}

fn config_path() -> Result<std::path::PathBuf, ClientError> {
    config::path()
        .ok_or_else(|| ClientError::Other("there is no home directory. Say where with CHAT_TUI_HOME.".into()))
}

fn check_config() -> Result<(), ClientError> {
    let path = config_path()?;
    let (_, mistakes) = config::load(&path).map_err(ClientError::Other)?;
    if mistakes.is_empty() {
        let found = if path.exists() { "is right" } else { "is not there; everything is as it comes" };
        return oneshot::print(&format!("{} {found}.\n", path.display()));
    }
    for mistake in &mistakes {
        oneshot::print(&format!("{}: {}\n", path.display(), SafeText::line(&mistake.to_string())))?;
    }
    Err(ClientError::Usage(match mistakes.len() {
        1 => "one mistake in the configuration.".to_owned(),
        n => format!("{n} mistakes in the configuration."),
    }))
}

async fn full_screen(cli: &Cli) -> Result<(), ClientError> {
    use std::io::IsTerminal as _;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(ClientError::Usage(
            "the full-screen client needs a terminal. In scripts and pipes: send, tail, history (see --help).".into(),
        ));
    }
    let (config, mistakes) = match config_path() {
        Ok(path) => {
            let (config, mistakes) = config::load(&path).map_err(ClientError::Other)?;
            (config, mistakes.iter().map(|mistake| format!("{}: {mistake}", path.display())).collect())
        }
        // Made-up data needs no home.
        Err(_) if cli.demo => Default::default(),
        Err(error) => return Err(error),
    };
    let home = if cli.demo { None } else { Some(Home::open()?) };
    let options = Options { server: cli.server.clone(), demo: cli.demo, insecure: cli.insecure };
    app::start(home, config, mistakes, options).await
}

fn completions(shell: clap_complete::Shell) -> Result<(), ClientError> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "chat-tui", &mut text);
    oneshot::print(&String::from_utf8_lossy(&text))
}

fn man(directory: &std::path::Path) -> Result<(), ClientError> {
    let written =
        std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|error| ClientError::file(directory, &error))?;
    oneshot::print(&format!("The pages are in {}.\n", directory.display()))
}
