//! Hostile text stays text.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "properties/display.rs"]
mod display;
#[path = "support/mutated.rs"]
mod mutated;

use chat_shared::display::{SafeText, is_one_emoji, stored_line};
use mutated::{many, mutated, seeds};
use proptest::prelude::*;

/// Sequences that terminals obey, and characters that hide or turn what stands around them.
fn corpus() -> Vec<Vec<u8>> {
    let mut parts: Vec<String> =
        (0_u32..0x20).chain(0x7F..0xA0).filter_map(char::from_u32).map(String::from).collect();
    for sequence in [
        "\x1b[2J",
        "\x1b[31m",
        "\x1b]0;title\x07",
        "\x1b]2;title\x1b\\",
        "\x1b]8;;http://evil\x1b\\",
        "\x1b]52;c;AAAA\x07",
        "\x1bP1$r\x1b\\",
        "\x1b_apc\x1b\\",
        "\x1b^pm\x1b\\",
        "\x1bOA",
        "\u{9b}31m",
        "\u{9d}0;t\u{9c}",
        "\x1b",
        "\x1b[",
        "\x1b]52",
        "\r\n",
        "a\rb",
        "ab\x08\x08cd",
        "\u{202a}",
        "\u{202b}",
        "\u{202d}",
        "\u{202e}gnp.exe",
        "\u{2066}",
        "\u{2067}",
        "\u{2069}",
        "\u{200b}",
        "\u{200c}",
        "\u{200d}",
        "\u{200e}",
        "\u{200f}",
        "\u{2060}",
        "\u{feff}",
        "\u{ad}",
        "\u{61c}",
        "\u{fe0f}",
        "\u{e0001}",
        "\u{e0041}",
        "\u{2028}",
        "\u{2029}",
        "\u{3164}",
        "\u{115f}",
        "\u{e000}",
        "\u{fff9}",
        "\u{180e}",
        "\u{2800}",
    ] {
        parts.push(sequence.to_owned());
    }
    parts.push(format!("a{}", "\u{301}".repeat(500)));
    let mut corpus = seeds("tests/seeds/display");
    for part in &parts {
        for around in ["", "plain", "漢字", "👍", "<admin>"] {
            for text in [
                part.clone(),
                format!("{part}{around}"),
                format!("{around}{part}"),
                format!("{around}{part}{around}"),
                format!("{part}{part}{around}"),
            ] {
                corpus.push(text.into_bytes());
            }
        }
    }
    corpus
}

#[test]
fn no_text_acts_on_a_terminal() {
    let corpus = corpus();
    assert!(corpus.len() >= 2_000, "{}", corpus.len());
    corpus.iter().for_each(|text| display::check(text));
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn nothing_made_of_it_does_either(text in mutated(corpus())) {
        display::check(&text);
    }
}

#[test]
fn honest_text_comes_through() {
    for text in [
        "plain ASCII ~!@",
        "grüß dich",
        "漢字かな",
        "שלום",
        "مرحبا",
        "हिन्दी",
        "👍🏽",
        "👨‍👩‍👧‍👦",
        "🏳️‍🌈",
        "🇩🇪",
        "1️⃣",
        "❤️",
        "e\u{301}",
    ] {
        assert_eq!(SafeText::line(text).as_ref(), text);
        assert_eq!(SafeText::block(text).as_ref(), text);
    }
    assert_eq!(SafeText::block("a\n\tb").as_ref(), "a\n    b");
    assert_eq!(SafeText::line("a\u{202e}b").as_ref(), "a⟨U+202E⟩b");
    assert_eq!(stored_line("  a \t\u{200b} b\n"), "a b");
}

#[test]
fn emoji() {
    for text in ["👍", "👍🏽", "❤️", "🇩🇪", "1️⃣", "👨‍👩‍👧‍👦", "🏳️‍🌈", "‼️", "☺", "🫨"]
    {
        assert!(is_one_emoji(text), "{text}");
    }
    for text in ["", "a", "1", "é", "ab", "👍👍", " ", "👍 ", "\u{1F1E6}", "\u{200d}", "\x1b", "漢"] {
        assert!(!is_one_emoji(text), "{text:?}");
    }
}

#[test]
fn a_part_of_safe_text_is_safe() {
    let family = "👨\u{200d}👩";
    let text = SafeText::block(&format!("{family}\nb"));
    assert_eq!(text.slice(0..family.len()).as_ref(), family);
    assert_eq!(text.slice(4..family.len()).as_ref(), "⟨U+200D⟩👩");
    assert_eq!(text.slice(0..7).as_ref(), "👨⟨U+200D⟩");
    assert_eq!(text.slice(1..4).as_ref(), "");
    assert_eq!(text.slice(0..400).as_ref(), "");
    let accents = SafeText::line(&format!("a{}", "\u{301}".repeat(8)));
    let more = SafeText::line(&"\u{301}".repeat(8));
    assert_eq!(accents.join(&more), accents);
}

#[test]
fn a_joiner_stays_only_where_it_joins() {
    for text in ["∑\u{200d}∑", "👍\u{200d}∑", "∑\u{200d}👍", "👍a\u{200d}👍"] {
        assert!(!SafeText::line(text).as_ref().contains('\u{200d}'), "{text:?}");
    }
}

#[test]
fn no_emoji_grows_without_end() {
    // Each joiner looks back at its whole emoji: of skin tones alone that was a second for one message.
    let text = format!("👍{}", "\u{200d}🏻".repeat(2_300));
    let shown = SafeText::block(&text);
    let longest = shown.as_ref().split("⟨U+200D⟩").map(str::len).max().unwrap();
    assert!(longest < 100, "{longest}");
}
