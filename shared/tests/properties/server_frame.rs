//! What a server says, as clients read it: a hostile one can send anything.

use chat_shared::frame::ServerFrame;

pub(crate) fn check(data: &[u8]) {
    let Ok(frame) = serde_json::from_slice::<ServerFrame>(data) else { return };
    let written = frame.to_json();
    let again: ServerFrame = serde_json::from_str(&written).unwrap();
    assert_eq!(again, frame, "{written}");
    assert_eq!(again.to_json(), written);
}
