//! What clients say, however it is written.

use chat_shared::ErrorCode;
use chat_shared::frame::ClientFrame;
use serde_json::Value;

/// No answer to a bad frame is longer, however long the frame was.
const DETAIL_MAX: usize = 1_000;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match ClientFrame::parse(text) {
        Ok(frame) => {
            let written = frame.to_json();
            assert_eq!(ClientFrame::parse(&written).as_ref(), Ok(&frame), "{written}");
            // Another reader of JSON sees the same frame: nothing was made up, nothing was mistaken.
            let given: Value = serde_json::from_str(text).unwrap();
            let understood: Value = serde_json::from_str(&written).unwrap();
            for (name, value) in understood.as_object().unwrap() {
                assert_eq!(value, &canonical(name, &given[name]), "{name} in {text:?}");
            }
        }
        Err(bad) => {
            assert!(matches!(bad.code, ErrorCode::InvalidRequest | ErrorCode::Unprocessable), "{bad:?}");
            assert!(!bad.detail.is_empty() && bad.detail.len() <= DETAIL_MAX, "{bad:?}");
            assert!(bad.id.is_none_or(|id| id.len() <= 64), "{text:?}");
        }
    }
}

/// A field as the server keeps it.
fn canonical(name: &str, value: &Value) -> Value {
    match (name, value.as_str()) {
        ("body", Some(text)) => text.replace("\r\n", "\n").replace('\r', "\n").into(),
        ("id", Some(text)) if text.parse::<chat_shared::SendId>().is_ok() => text.to_lowercase().into(),
        _ => value.clone(),
    }
}
