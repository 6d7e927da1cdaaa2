//! The command line: what was typed, then what it means, then doing it.

#[cfg(feature = "postgres")]
mod copy;
mod output;

use crate::admin::{self, Command as Request};
use crate::app::{Server, StartError, new_epoch, offline};
use crate::clock::now_ms;
use crate::config::{self, Config, Loaded, Values};
use crate::data_dir::DataDir;
use crate::listener::{Drain, Inherited};
use crate::logging;
use crate::restore::restore;
use clap::{Arg, ArgAction, ArgMatches, Command};
use output::{FAILURE, OK, USAGE, complain, fail, say, table};
use serde_json::Value;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

/// The whole command line.
pub fn command() -> Command {
    let name = |id: &'static str, help: &'static str| Arg::new(id).required(true).help(help);
    let stdin = || {
        Arg::new("password_stdin")
            .long("password-stdin")
            .action(ArgAction::SetTrue)
            .help("Read the password from the first line of standard input instead of asking for it")
    };
    let command = Command::new("chat-server")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A self-hosted chat server: one program, one data directory")
        .after_help("Exit codes: 0 stopped as asked, 1 failure, 2 usage or configuration, 3 data directory in use or of a newer version, 4 address in use.")
        .args_conflicts_with_subcommands(false)
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .global(true)
                .help("Read settings from this TOML file [env: CHAT_CONFIG]"),
        )
        .arg(Arg::new("json").long("json").global(true).action(ArgAction::SetTrue).help("Answer in JSON"))
        .subcommand(Command::new("serve").about("Serve the chat (also without any command)"))
        .subcommand(
            Command::new("config")
                .about("Look at settings")
                .subcommand_required(true)
                .subcommand(Command::new("check").about("Say what is wrong with the settings"))
                .subcommand(Command::new("example").about("Print a commented file with every setting")),
        )
        .subcommand(
            Command::new("user")
                .about("Accounts")
                .subcommand_required(true)
                .subcommand(Command::new("list").about("Every account"))
                .subcommand(Command::new("add").about("Make an account").arg(name("username", "Its name")).arg(stdin()))
                .subcommand(
                    Command::new("reset-password")
                        .about("Set a new password; every log-in of the user ends")
                        .arg(name("username", "Whose"))
                        .arg(stdin()),
                )
                .subcommand(Command::new("disable").about("End all log-ins of a user and allow no new one").arg(name("username", "Whom")))
                .subcommand(Command::new("enable").about("Allow a user to log in again").arg(name("username", "Whom")))
                .subcommand(Command::new("delete").about("Delete an account; its messages stay, its name is never given out again").arg(name("username", "Whom"))),
        )
        .subcommand(
            Command::new("group")
                .about("Groups")
                .subcommand_required(true)
                .subcommand(Command::new("list").about("Every group, with its owners"))
                .subcommand(
                    Command::new("add")
                        .about("Add a member, or change a member's role")
                        .arg(name("group", "Where"))
                        .arg(name("username", "Whom"))
                        .arg(Arg::new("role").long("role").help("owner, moderator or member")),
                )
                .subcommand(Command::new("remove").about("Take a member out").arg(name("group", "Where")).arg(name("username", "Whom")))
                .subcommand(Command::new("delete").about("Delete a group with all its messages").arg(name("group", "Which"))),
        )
        .subcommand(
            Command::new("invite")
                .about("Invites, for registration = \"invite\"")
                .subcommand_required(true)
                .subcommand(
                    Command::new("create")
                        .about("Make an invite and print its code")
                        .arg(Arg::new("uses").long("uses").default_value("1").value_parser(clap::value_parser!(u32).range(1..=10_000)).help("How many people can register with it"))
                        .arg(Arg::new("days").long("days").default_value("7").value_parser(clap::value_parser!(u32).range(1..=3650)).help("For how many days it is good"))
                        .arg(Arg::new("note").long("note").default_value("").help("What it is for")),
                )
                .subcommand(Command::new("list").about("The invites that can be used"))
                .subcommand(Command::new("revoke").about("Take an invite back").arg(name("id", "Its number").value_parser(clap::value_parser!(i64)))),
        )
        .subcommand(Command::new("backup").about("Copy the database into a new file, also while the server runs").arg(name("file", "Where to")))
        .subcommand(
            Command::new("restore")
                .about("Put a backup in the place of the database; the server must be stopped")
                .arg(name("file", "The backup")),
        )
        .subcommand(
            Command::new("doctor").about("Look for damage and count what there is").arg(
                Arg::new("new_epoch")
                    .long("new-epoch")
                    .action(ArgAction::SetTrue)
                    .help("Give the database a new epoch, after a copy or a roll-back of the machine: clients then read everything anew. The server must be stopped"),
            ),
        );
    #[cfg(feature = "postgres")]
    let command = command.subcommand(copy::command());
    config::args(command)
}

/// Runs what was typed; returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = std::ffi::OsString>) -> u8 {
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            // Help and version are no errors, and say so by their code.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(USAGE);
        }
    };
    if let Some(("config", sub)) = matches.subcommand()
        && sub.subcommand_name() == Some("example")
    {
        return say(&config::example());
    }
    let leaf = deepest(&matches);
    let inherited = match matches.subcommand() {
        None | Some(("serve", _)) => Inherited::take(),
        Some(_) => Ok(None),
    };
    let inherited = match inherited {
        Ok(inherited) => inherited,
        Err(error) => return fail(&error.to_string(), FAILURE),
    };
    let Loaded { config, warnings } = match load(leaf, inherited.as_ref()) {
        Ok(loaded) => loaded,
        Err(problems) => {
            for problem in problems {
                complain(&problem);
            }
            return USAGE;
        }
    };
    for warning in &warnings {
        complain(&format!("warning: {warning}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), FAILURE),
    };
    match matches.subcommand() {
        None | Some(("serve", _)) => {
            let code = runtime.block_on(serve(config, inherited));
            // A check or a copy of the whole database may still be reading: nobody waits for it any more.
            runtime.shutdown_background();
            code
        }
        Some(("config", _)) => say("The settings are all right.\n"),
        Some(("restore", sub)) => do_restore(&config, Path::new(&argument(sub, "file"))),
        #[cfg(feature = "postgres")]
        Some(("copy", sub)) => copy::run(&config, sub),
        Some(("doctor", sub)) if sub.get_flag("new_epoch") => do_new_epoch(&config),
        Some((group, sub)) => match request(group, sub) {
            Ok(request) => runtime.block_on(ask_server(&config, request, leaf.get_flag("json"))),
            Err(problem) => fail(&problem, USAGE),
        },
    }
}

/// Global flags are known at the last subcommand, wherever they were typed.
fn deepest(matches: &ArgMatches) -> &ArgMatches {
    match matches.subcommand() {
        Some((_, sub)) => deepest(sub),
        None => matches,
    }
}

fn argument(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().unwrap_or_default()
}

fn load(matches: &ArgMatches, inherited: Option<&Inherited>) -> Result<Loaded, Vec<String>> {
    let mut values = Values::default();
    let mut problems = Vec::new();
    if let Some(socket) = inherited {
        values.inherited(socket.address());
    }
    values.flags(matches);
    values.environment(|name| std::env::var(name).ok());
    let file = matches.get_one::<String>("config").cloned().or_else(|| std::env::var("CHAT_CONFIG").ok());
    if let Some(file) = file.filter(|file| !file.is_empty()) {
        match std::fs::read_to_string(&file) {
            Ok(text) => values.file(Path::new(&file), &text, &mut problems),
            Err(error) => {
                problems.push(config::Problem { place: file, detail: format!("cannot be read: {error}") })
            }
        }
    }
    match values.load() {
        Ok(loaded) if problems.is_empty() => Ok(loaded),
        Ok(_) => Err(problems.iter().map(ToString::to_string).collect()),
        Err(more) => Err(problems.iter().chain(&more).map(ToString::to_string).collect()),
    }
}

async fn serve(config: Config, inherited: Option<Inherited>) -> u8 {
    if let Err(problem) = logging::init(&config.log, config.log_format) {
        return fail(&problem.to_string(), USAGE);
    }
    let listener = match inherited.map(Inherited::listener).transpose() {
        Ok(listener) => listener,
        Err(error) => return fail(&error.to_string(), FAILURE),
    };
    let server = match Server::start(config, listener).await {
        Ok(server) => server,
        Err(error) => return fail(&error.to_string(), error.exit_code()),
    };
    let (stop, drain) = Drain::new();
    if let Err(error) = signals(stop, server.tls()) {
        return fail(&format!("cannot listen for signals: {error}"), FAILURE);
    }
    say(&server.greeting());
    match server.serve(drain).await {
        Ok(()) => OK,
        Err(error) => fail(&error.to_string(), error.exit_code()),
    }
}

/// SIGTERM and SIGINT stop the server, a second one at once; SIGHUP reads the certificate again.
fn signals(stop: crate::listener::DrainHandle, tls: Option<crate::listener::TlsReloader>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut stopping = false;
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {
                    match tls.as_ref().map(crate::listener::TlsReloader::reload) {
                        Some(Ok(())) => tracing::info!("the certificate was read again"),
                        Some(Err(error)) => tracing::error!(%error, "the certificate stays as it was"),
                        None => {}
                    }
                    continue;
                }
            }
            if std::mem::replace(&mut stopping, true) {
                tracing::warn!("stopping at once");
                std::process::exit(i32::from(FAILURE));
            }
            stop.start();
        }
    });
    Ok(())
}

/// The data directory, for as long as a command works in it.
fn hold(config: &Config) -> Result<DataDir, StartError> {
    Ok(DataDir::open(&config.data_dir)?)
}

fn do_restore(config: &Config, file: &Path) -> u8 {
    let Some(database) = config.database.file() else {
        return fail(
            "the database is PostgreSQL, and is restored by its own means, such as pg_restore. Then say `chat-server doctor --new-epoch`.",
            FAILURE,
        );
    };
    let done = hold(config).map_err(|error| (error.exit_code(), error.to_string())).and_then(|held| {
        restore(&held, database, file, now_ms()).map_err(|error| (FAILURE, error.to_string()))
    });
    match done {
        Ok(None) => say(&format!("Restored {}.\n", file.display())),
        Ok(Some(old)) => {
            say(&format!("Restored {}. The database before is kept as {}.\n", file.display(), old.display()))
        }
        Err((code, problem)) => fail(&problem, code),
    }
}

fn do_new_epoch(config: &Config) -> u8 {
    match hold(config).and_then(|held| new_epoch(config, &held)) {
        Ok(epoch) => say(&format!("The database has a new epoch, {epoch}.\n")),
        Err(error) => fail(&error.to_string(), error.exit_code()),
    }
}

fn request(group: &str, matches: &ArgMatches) -> Result<Request, String> {
    let Some((verb, sub)) = matches.subcommand() else {
        return match group {
            "backup" => {
                let to = PathBuf::from(argument(matches, "file"));
                // The server may stand in another directory.
                let to = std::path::absolute(&to).map_err(|error| format!("{}: {error}", to.display()))?;
                Ok(Request::Backup { to })
            }
            _ => Ok(Request::Doctor),
        };
    };
    let username = || argument(sub, "username");
    let group_name = || argument(sub, "group");
    Ok(match (group, verb) {
        ("user", "list") => Request::UserList,
        ("user", "add") => Request::UserAdd { username: username(), password: password(sub)? },
        ("user", "reset-password") => {
            Request::UserResetPassword { username: username(), password: password(sub)? }
        }
        ("user", "disable") => Request::UserDisable { username: username(), disabled: true },
        ("user", "enable") => Request::UserDisable { username: username(), disabled: false },
        ("user", _) => Request::UserDelete { username: username() },
        ("group", "list") => Request::GroupList,
        ("group", "add") => Request::GroupPutMember {
            group: group_name(),
            username: username(),
            role: sub.get_one::<String>("role").cloned(),
        },
        ("group", "remove") => Request::GroupRemoveMember { group: group_name(), username: username() },
        ("group", _) => Request::GroupDelete { group: group_name() },
        ("invite", "create") => Request::InviteCreate {
            uses: sub.get_one("uses").copied().unwrap_or(1),
            days: sub.get_one("days").copied().unwrap_or(7),
            note: argument(sub, "note"),
        },
        ("invite", "list") => Request::InviteList,
        _ => Request::InviteRevoke { id: sub.get_one("id").copied().unwrap_or(0) },
    })
}

fn password(matches: &ArgMatches) -> Result<String, String> {
    let unread = |error: io::Error| format!("the password could not be read: {error}");
    if matches.get_flag("password_stdin") || !io::stdin().is_terminal() {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(unread)?;
        return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
    }
    rpassword::prompt_password("New password: ").map_err(unread)
}

/// Runs a command in the running server, or on the database while none runs.
async fn ask_server(config: &Config, request: Request, json: bool) -> u8 {
    let socket = config.data_dir.join("admin.sock");
    let answer = match admin::call(&socket, &request).await {
        Ok(Some(answer)) => answer,
        Ok(None) => match run_offline(config, request.clone()).await {
            Ok(answer) => answer,
            Err(error) => return fail(&error.to_string(), error.exit_code()),
        },
        Err(error) => return fail(&format!("{}: {error}", socket.display()), FAILURE),
    };
    match answer {
        Ok(value) => {
            let damaged = value["damage"].as_array().is_some_and(|found| !found.is_empty());
            let text = if json { format!("{value}\n") } else { table(&value) };
            let code = say(&text);
            if damaged { FAILURE } else { code }
        }
        Err(problem) => fail(&problem, FAILURE),
    }
}

async fn run_offline(config: &Config, request: Request) -> Result<Result<Value, String>, StartError> {
    let held = hold(config)?;
    let chat = offline(config, &held).await?;
    let answer = admin::execute(&chat, request).await.map_err(|error| error.detail);
    chat.store().close().await;
    Ok(answer)
}
