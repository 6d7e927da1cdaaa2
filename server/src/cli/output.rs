//! What is printed, and the exit codes.

use serde_json::Value;
use std::io::{self, Write as _};

/// Stopped as asked.
pub(super) const OK: u8 = 0;
/// It failed.
pub(super) const FAILURE: u8 = 1;
/// What was typed, or the configuration, is wrong.
pub(super) const USAGE: u8 = 2;

/// An answer for people: a list as columns, anything else as lines.
pub(super) fn table(value: &Value) -> String {
    let plain = |value: &Value| match value {
        Value::String(text) => chat_shared::display::stored_line(text),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let Some(object) = value.as_object() else { return format!("{}\n", plain(value)) };
    let rows = object.values().find_map(|value| value.as_array().filter(|_| object.len() == 1));
    let Some(rows) = rows else {
        return object.iter().map(|(key, value)| format!("{key}: {}\n", plain(value))).collect();
    };
    let Some(first) = rows.first().and_then(Value::as_object) else { return "(none)\n".to_owned() };
    let keys: Vec<&String> = first.keys().collect();
    let mut lines = vec![keys.iter().map(|key| key.to_uppercase()).collect::<Vec<_>>()];
    lines.extend(rows.iter().map(|row| keys.iter().map(|key| plain(&row[key.as_str()])).collect()));
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..keys.len()).map(width).collect();
    lines
        .iter()
        .map(|line| {
            let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        })
        .collect()
}

pub(super) fn say(text: &str) -> u8 {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => OK,
        // Whoever was listening has gone; that is theirs to know.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => OK,
        Err(_) => FAILURE,
    }
}

pub(super) fn complain(text: &str) {
    // There is nowhere to say that this could not be said.
    let _ = writeln!(io::stderr(), "chat-server: {text}");
}

pub(super) fn fail(text: &str, code: u8) -> u8 {
    complain(text);
    code
}
