//! Limits at n − 1, n and n + 1, and what values let in.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "support/mutated.rs"]
mod mutated;
#[path = "properties/values.rs"]
mod values;

use chat_shared::close::{After, after, retry_after_ms};
use chat_shared::limits;
use chat_shared::name::{DeviceName, DisplayName, StatusText, Topic};
use chat_shared::text::{MessageBody, mentioned_names};
use chat_shared::{ConversationId, ErrorCode, GroupName, SendId, Seq, Username};
use mutated::{many, mutated, seeds};
use proptest::prelude::*;

#[test]
fn lengths() {
    let at = |n: usize| "x".repeat(n);
    let check = |name: &str, min: usize, max: usize, ok: &dyn Fn(&str) -> bool| {
        if min > 0 {
            assert!(!ok(&at(min - 1)), "{name} {}", min - 1);
        }
        assert!(ok(&at(min)) && ok(&at(max - 1)) && ok(&at(max)), "{name}");
        assert!(!ok(&at(max + 1)), "{name} {}", max + 1);
    };
    check("username", 2, limits::USERNAME_MAX, &|t| t.parse::<Username>().is_ok());
    check("group", 2, limits::GROUP_NAME_MAX, &|t| t.parse::<GroupName>().is_ok());
    check("display name", 1, limits::DISPLAY_NAME_MAX, &|t| t.parse::<DisplayName>().is_ok());
    check("status", 0, limits::STATUS_TEXT_MAX, &|t| t.parse::<StatusText>().is_ok());
    check("topic", 0, limits::TOPIC_MAX, &|t| t.parse::<Topic>().is_ok());
    check("device", 0, limits::DEVICE_NAME_MAX, &|t| t.parse::<DeviceName>().is_ok());
    check("body", 1, limits::BODY_MAX_BYTES, &|t| MessageBody::new(t).is_ok());
}

#[test]
fn usernames() {
    for (text, expected) in [("Alice", "alice"), ("a.b-c_d", "a.b-c_d"), ("42", "42"), ("x1", "x1")] {
        assert_eq!(text.parse::<Username>().unwrap().as_str(), expected);
    }
    for text in ["", "a", ".ab", "ab.", "a b", "a@b", "\u{430}dmin", "adm\u{200b}in", "ä1", "a/b", "a\n"] {
        assert!(text.parse::<Username>().is_err(), "{text:?}");
    }
    assert!("Admin".parse::<Username>().unwrap().is_reserved());
    assert!(!"alice".parse::<Username>().unwrap().is_reserved());
}

#[test]
fn ids() {
    assert!("9007199254740991".parse::<ConversationId>().is_ok());
    for text in ["9007199254740992", "0", "-1", "+1", "1.0", "", "x", " 1"] {
        assert!(text.parse::<ConversationId>().is_err(), "{text:?}");
    }
    assert!("0".parse::<Seq>().is_ok());
    let id: SendId = "0198C1A2-7E3B-7C44-9D1F-2A51C9F0E8B7".parse().unwrap();
    assert_eq!(id.to_string(), "0198c1a2-7e3b-7c44-9d1f-2a51c9f0e8b7");
    for text in ["", "x", "0198c1a27e3b7c449d1f2a51c9f0e8b7", "{0198c1a2-7e3b-7c44-9d1f-2a51c9f0e8b7}"] {
        assert!(text.parse::<SendId>().is_err(), "{text}");
    }
}

#[test]
fn mentions() {
    let table: &[(&str, &[&str])] = &[
        ("@bob", &["bob"]),
        ("hi @Bob, and (@carol)!", &["bob", "carol"]),
        ("@bob.", &["bob"]),
        ("@bob @bob", &["bob"]),
        ("mail bob@example.org", &[]),
        ("https://x/@bob", &[]),
        ("@@bob", &[]),
        ("漢@bob", &[]),
        ("漢 @bob", &["bob"]),
        ("@here", &["here"]),
        ("@a", &[]),
        ("@", &[]),
    ];
    for (text, expected) in table {
        assert_eq!(mentioned_names(text), *expected, "{text}");
    }
    let many: String = (0..100).map(|n| format!("@user{n} ")).collect();
    assert_eq!(mentioned_names(&many).len(), limits::MENTIONS);
}

#[test]
fn line_ends_become_one_kind_and_nothing_else_changes() {
    assert_eq!(MessageBody::new("a\r\nb\rc \u{202e}").unwrap().as_str(), "a\nb\nc \u{202e}");
}

#[test]
fn close_codes_tell_what_to_do() {
    for code in [1000, 1001, 1006, 1012, 4000, 4001, 4008, 4010, 4099] {
        assert_eq!(after(Some(code)), After::Reconnect, "{code}");
    }
    for code in [1002, 1003, 1007, 1009, 4500, 4501, 4503, 4504, 4599] {
        assert_eq!(after(Some(code)), After::Stop, "{code}");
    }
    assert_eq!(after(None), After::Reconnect);
    assert_eq!(retry_after_ms("the server restarts; retry_after_ms=1500"), Some(1500));
    assert_eq!(retry_after_ms("retry_after_ms=999999999999"), Some(60_000));
    assert_eq!(retry_after_ms("bye"), None);
}

#[test]
fn error_codes_are_written_as_they_are_named() {
    for code in ErrorCode::ALL {
        let text = serde_json::to_string(code).unwrap();
        assert_eq!(text, format!("\"{}\"", code.as_str()));
        assert!((400..600).contains(&code.status()) && !code.title().is_empty());
    }
    assert_eq!(serde_json::from_str::<ErrorCode>("\"brand_new\"").unwrap(), ErrorCode::Unknown);
}

#[test]
fn what_was_taken_once_is_taken_again() {
    seeds("tests/seeds/values").iter().for_each(|text| values::check(text));
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn what_is_made_of_it_as_well(text in mutated(seeds("tests/seeds/values"))) {
        values::check(&text);
    }
}
