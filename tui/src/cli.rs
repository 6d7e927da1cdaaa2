//! The command line.

use crate::error::{ClientError, exit};
use crate::home::Home;
use crate::net::http::Account;
use crate::oneshot::{self, Enter};
use chat_shared::display::SafeText;
use clap::{Args, Parser, Subcommand};
use std::io::Write as _;

/// A terminal client for chat-server, and its commands for scripts.
#[derive(Debug, Parser)]
#[command(
    name = "chat-tui",
    version,
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 3 not logged in or refused, 4 unreachable, 130 interrupted.\n\
                  CHAT_TUI_HOME=DIR keeps log-ins in one folder; else they live in the XDG state directory."
)]
struct Cli {
    /// The server; after a log-in the one used last
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,
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
    Send {
        /// '#group' or @user
        target: String,
        /// The message
        text: Vec<String>,
    },
    /// Print what is new, until interrupted
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
    let Some(command) = cli.command else {
        if cli.plain {
            let home = Home::open()?;
            return crate::plain::run(&home, Account::open(&home, server)?).await;
        }
        return Err(ClientError::Other(
            "the full-screen client is not there yet. Commands: register, login, send, tail, history, groups, users (see --help).".into(),
        ));
    };
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
