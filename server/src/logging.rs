//! Logs, to standard error. Never a token, a password or a message's text; what users wrote is escaped
//! by the formatter.

use crate::config::LogFormat;
use tracing_subscriber::EnvFilter;

/// Begins to log. An unusable filter is an error that names it.
pub fn init(filter: &str, format: LogFormat) -> Result<(), String> {
    let parsed =
        EnvFilter::try_new(filter).map_err(|error| format!("log: {filter:?} is not a filter: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let done = match format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    done.map_err(|error| format!("logging could not be started: {error}"))
}
