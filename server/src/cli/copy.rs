//! `copy`: everything from one database into another.

use super::output::{FAILURE, USAGE, fail, say};
use crate::config::{Config, Database};
use crate::store::copy::{Copied, CopyError, End, copy};
use clap::{Arg, ArgMatches, Command};
use indicatif::{ProgressBar, ProgressStyle};

/// What is typed.
pub(super) fn command() -> Command {
    let end = |id: &'static str, help: &'static str| {
        Arg::new(id).long(id).required(true).value_name("DATABASE").help(help)
    };
    Command::new("copy")
        .about("Copy everything from one database into an empty one, and compare; no server may use either meanwhile")
        .arg(end("from", "sqlite:PATH or postgres://USER@HOST/DATABASE"))
        .arg(end("to", "The same, of the database to copy into"))
        .after_help("A copy that was cut off goes on where it was when the same is said again.")
}

/// Does it.
pub(super) fn run(config: &Config, matches: &ArgMatches) -> u8 {
    let [from, to] = ["from", "to"].map(|id| {
        let text = matches.get_one::<String>(id).map_or("", String::as_str);
        let database =
            text.parse().and_then(|database: Database| database.with_files(&config.database_files, true));
        database.map_err(|problem| format!("--{id}: {problem}"))
    });
    let (from, to) = match (from, to) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(problem), _) | (_, Err(problem)) => return fail(&problem, USAGE),
    };
    let _held = match super::hold(config) {
        Ok(held) => held,
        Err(error) => return fail(&error.to_string(), error.exit_code()),
    };
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {percent}% {pos} of {len} rows, {eta} to go") {
        bar.set_style(style);
    }
    let progress = |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    };
    // It waits for PostgreSQL, which no thread of a runtime may.
    let done = std::thread::scope(|scope| {
        scope
            .spawn(|| copy(&end(&from), &end(&to), &progress))
            .join()
            .unwrap_or_else(|_| Err(CopyError::Differs("it ended by a fault of the program".to_owned())))
    });
    bar.finish_and_clear();
    match done {
        Ok(Copied { rows, messages, conversations }) => say(&format!(
            "Copied and compared {messages} messages of {conversations} conversations, {rows} rows in all. The server can be started on the new database.\n"
        )),
        Err(error) => fail(&error.to_string(), FAILURE),
    }
}

fn end(database: &Database) -> End<'_> {
    match database {
        Database::Sqlite(path) => End::Sqlite(path),
        Database::Postgres(address) => End::Postgres(address),
    }
}
