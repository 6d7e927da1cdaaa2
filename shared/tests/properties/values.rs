//! Names, ids and texts: what was taken once is taken again and stays as it is, keeps its limits, and is
//! the same in JSON.

use chat_shared::display::SafeText;
use chat_shared::limits;
use chat_shared::name::{DeviceName, DisplayName, Emoji, StatusText, Topic};
use chat_shared::text::{MessageBody, mentioned_names};
use chat_shared::{ConversationId, GroupName, Rev, SendId, Seq, SessionId, UserId, Username};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::{Debug, Display};
use std::str::FromStr;

pub(crate) fn check(data: &[u8]) {
    let text = &*String::from_utf8_lossy(data);
    for (name, max) in [
        (text_value::<Username>(text), limits::USERNAME_MAX),
        (text_value::<GroupName>(text), limits::GROUP_NAME_MAX),
    ] {
        let Some(name) = name else { continue };
        assert!((limits::HANDLE_MIN..=max).contains(&name.len()), "{name}");
        assert!(
            name.eq_ignore_ascii_case(text) && !name.contains(|c: char| c.is_ascii_uppercase()),
            "{name}"
        );
    }
    for (line, max) in [
        (text_value::<DisplayName>(text), limits::DISPLAY_NAME_MAX),
        (text_value::<StatusText>(text), limits::STATUS_TEXT_MAX),
        (text_value::<Topic>(text), limits::TOPIC_MAX),
        (text_value::<DeviceName>(text), limits::DEVICE_NAME_MAX),
    ] {
        let Some(line) = line else { continue };
        assert!(line.chars().count() <= max, "{line:?}");
        assert_eq!(SafeText::line(&line).as_ref(), line, "it is shown as it is stored");
    }
    if let Some(emoji) = text_value::<Emoji>(text) {
        assert!(emoji.len() <= limits::EMOJI_MAX_BYTES && !emoji.contains(char::is_control), "{emoji:?}");
    }
    text_value::<SessionId>(text);
    text_value::<SendId>(text);
    integer::<UserId>(text);
    integer::<ConversationId>(text);
    integer::<Seq>(text);
    integer::<Rev>(text);
    body(text);
}

/// What is taken of a text, if it is taken.
fn text_value<T>(text: &str) -> Option<String>
where
    T: FromStr + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let value = text.parse::<T>().ok();
    assert_eq!(serde_json::from_value::<T>(text.into()).ok(), value, "{text:?} in JSON");
    let value = value?;
    let written = value.to_string();
    assert_eq!(
        written.parse::<T>().ok().as_ref(),
        Some(&value),
        "{text:?} was taken, and {written:?} is not"
    );
    assert_eq!(serde_json::to_value(&value).unwrap(), written.as_str());
    Some(written)
}

fn integer<T>(text: &str)
where
    T: FromStr + Display + Debug + PartialEq + Serialize + DeserializeOwned,
{
    let Ok(value) = text.parse::<T>() else { return };
    assert_eq!(serde_json::from_str::<T>(&value.to_string()).unwrap(), value);
    assert_eq!(value.to_string().parse::<T>().ok(), Some(value), "{text:?}");
}

fn body(text: &str) {
    let Ok(body) = MessageBody::new(text) else { return };
    let kept = body.as_str();
    assert!(kept.len() <= limits::BODY_MAX_BYTES && !kept.contains(['\r', '\0']) && !kept.trim().is_empty());
    assert_eq!(MessageBody::new(kept).as_ref(), Ok(&body));
    let lower = kept.to_ascii_lowercase();
    let names = mentioned_names(kept);
    assert!(names.len() <= limits::MENTIONS);
    for (at, name) in names.iter().enumerate() {
        assert!(lower.contains(&format!("@{name}")), "{name} in {kept:?}");
        assert!(!names[..at].contains(name), "{name} twice in {kept:?}");
    }
}
