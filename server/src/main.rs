//! `chat-server`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(chat_server::cli::run(std::env::args_os()))
}
