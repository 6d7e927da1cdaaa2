//! The log: one event a line on standard error, as text or JSON.
//!
//! Much of what is logged was written by others. No control character of theirs reaches a terminal
//! or forges a line: whatever formats the events, each finished line is cleaned on its way out. What
//! must not be logged at all (tokens, passwords, bodies) is for whoever logs to leave out.

use crate::config::LogFormat;
use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// It was set up before.
    #[error("the log is set up already")]
    Twice,
}

/// Sets up the log of this process. `filter` is an env-filter, such as `info,chat_server=debug`.
pub fn init(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let subscriber = subscriber(EnvFilter::try_new(filter)?, format, io::stderr);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)
}

fn subscriber<W>(filter: EnvFilter, format: LogFormat, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // No colours: they are control characters too, and would be cleaned like any other.
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(Clean(writer));
    match format {
        LogFormat::Text => Box::new(builder.finish()),
        LogFormat::Json => Box::new(builder.json().flatten_event(true).finish()),
    }
}

/// Makes writers that clean, and writes clean lines itself.
struct Clean<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Clean<W> {
    type Writer = Clean<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Clean(self.0.make_writer())
    }
}

/// An event comes as one write, with its line end.
impl<W: Write> Write for Clean<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        let mut clean = escape(line).into_owned();
        clean.push('\n');
        self.0.write_all(clean.as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Writes every control character as `\u` and four digits: what JSON strings take as well.
fn escape(line: &str) -> Cow<'_, str> {
    if !line.contains(is_control) {
        return Cow::Borrowed(line);
    }
    let mut clean = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if is_control(c) {
            // Writing to a string cannot fail.
            let _ = write!(clean, "\\u{:04x}", u32::from(c));
        } else {
            clean.push(c);
        }
    }
    Cow::Owned(clean)
}

/// Acts on a terminal instead of being shown: C0, DEL, C1, line and paragraph separators, and what
/// changes the direction of text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    /// What an attacker would like to see come through.
    const HOSTILE: &str = "a\nb\r\u{1b}[2J\u{7}\u{8}\u{7f}\u{9b}31m\u{202e}\u{2028}\u{2066}z";

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{HOSTILE}")]
    struct HostileError;

    /// What comes out when hostile text is logged in every way there is.
    fn logged(format: LogFormat) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = subscriber(EnvFilter::new("info"), format, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("span", shown = %HOSTILE, debugged = ?HOSTILE).entered();
            tracing::info!(text = HOSTILE, "text");
            tracing::info!(shown = %HOSTILE, "shown");
            tracing::info!(debugged = ?HOSTILE, "debugged");
            tracing::info!(error = %HostileError, "error");
            tracing::info!(error = &HostileError as &dyn std::error::Error, "error value");
            tracing::info!("message {HOSTILE}");
            tracing::debug!("not at this level");
        });
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn no_control_character_comes_through_and_each_event_is_one_line() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let output = logged(format);
            assert_eq!(output.lines().count(), 6, "{output}");
            assert!(output.ends_with('\n'));
            for line in output.lines() {
                assert!(!line.contains(is_control), "{line:?}");
            }
        }
    }

    #[test]
    fn json_stays_json_and_keeps_the_text() {
        for line in logged(LogFormat::Json).lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(event["level"], "INFO");
            if event["message"] == "shown" {
                assert_eq!(event["shown"], HOSTILE);
            }
        }
    }

    #[test]
    fn what_is_clean_is_left_alone() {
        for text in ["plain", "caf\u{e9} \u{1f98a} \\n", ""] {
            assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
        }
        assert_eq!(escape("a\u{1b}b"), "a\\u001bb");
    }

    #[test]
    fn a_bad_filter_is_an_error() {
        assert!(matches!(init("info,x=loudest", LogFormat::Text), Err(LogError::Filter(_))));
    }
}
