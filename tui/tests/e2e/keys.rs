//! Keys as text: `hello<enter><c-k><a-up><esc>`.

use std::fmt::Write as _;

/// The bytes that a terminal sends for these keys.
///
/// Everything outside of `<…>` is typed. Inside: `c-`, `a-`, `s-` and the name of a key or a letter;
/// `<lt>` is `<`. A terminal sends Alt as an escape before the key, and so nothing can follow `<esc>` but
/// another `<esc>`: wait for what it does first.
pub(crate) fn bytes(keys: &str) -> String {
    let mut out = String::new();
    let mut rest = keys;
    let mut escaped = false;
    while let Some(c) = rest.chars().next() {
        let named = rest.strip_prefix('<').and_then(|rest| rest.split_once('>'));
        let key = if let Some((name, after)) = named {
            rest = after;
            key(name).unwrap_or_else(|| panic!("there is no key <{name}>"))
        } else {
            rest = &rest[c.len_utf8()..];
            c.to_string()
        };
        assert!(!escaped || key == "\x1b", "{keys:?}: what follows <esc> would be taken for Alt");
        escaped = key == "\x1b";
        out.push_str(&key);
    }
    out
}

fn key(name: &str) -> Option<String> {
    let (mut control, mut alt, mut shift) = (false, false, false);
    let mut name = name;
    while let Some((modifier, after)) = name.split_once('-').filter(|(_, after)| !after.is_empty()) {
        match modifier {
            "c" => control = true,
            "a" => alt = true,
            "s" => shift = true,
            _ => return None,
        }
        name = after;
    }
    // As xterm counts them.
    let modifiers = 1 + u8::from(shift) + 2 * u8::from(alt) + 4 * u8::from(control);
    let number = |number: u8| {
        if modifiers > 1 { format!("\x1b[{number};{modifiers}~") } else { format!("\x1b[{number}~") }
    };
    let letter = |letter: char, plain: &str| {
        if modifiers > 1 { format!("\x1b[1;{modifiers}{letter}") } else { plain.to_owned() }
    };
    let key = match name {
        "up" => letter('A', "\x1b[A"),
        "down" => letter('B', "\x1b[B"),
        "right" => letter('C', "\x1b[C"),
        "left" => letter('D', "\x1b[D"),
        "home" => letter('H', "\x1b[H"),
        "end" => letter('F', "\x1b[F"),
        "f1" => letter('P', "\x1bOP"),
        "f2" => letter('Q', "\x1bOQ"),
        "f3" => letter('R', "\x1bOR"),
        "f4" => letter('S', "\x1bOS"),
        "f5" => number(15),
        "f6" => number(17),
        "f7" => number(18),
        "f8" => number(19),
        "f9" => number(20),
        "f10" => number(21),
        "f11" => number(23),
        "f12" => number(24),
        "insert" => number(2),
        "del" => number(3),
        "pgup" => number(5),
        "pgdn" => number(6),
        "tab" if shift => "\x1b[Z".to_owned(),
        // Only the kitty protocol has these.
        "enter" if shift || control => format!("\x1b[13;{modifiers}u"),
        _ => {
            let mut key = if alt { "\x1b".to_owned() } else { String::new() };
            key.push(plain(name, control)?);
            key
        }
    };
    Some(key)
}

fn plain(name: &str, control: bool) -> Option<char> {
    let c = match name {
        "enter" => '\r',
        "tab" => '\t',
        "esc" => '\x1b',
        "bs" if control => '\x08',
        "bs" => '\x7f',
        "space" => ' ',
        "lt" => '<',
        _ => {
            let mut chars = name.chars();
            chars.next().filter(|_| chars.next().is_none())?
        }
    };
    if !control || c.is_control() {
        return Some(c);
    }
    match c.to_ascii_lowercase() {
        c @ 'a'..='z' => Some(char::from(c as u8 & 0x1F)),
        ' ' | '@' => Some('\0'),
        '[' => Some('\x1b'),
        '\\' => Some('\x1c'),
        ']' => Some('\x1d'),
        '^' => Some('\x1e'),
        '_' | '/' => Some('\x1f'),
        _ => None,
    }
}

/// One paste, as a terminal brackets it. It takes the end mark out of what is pasted, as good ones do.
pub(crate) fn paste(text: &str) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = write!(out, "\x1b[200~{}\x1b[201~", text.replace("\x1b[201~", "").replace('\n', "\r"));
    out
}

#[test]
fn what_keys_send() {
    for (keys, expected) in [
        ("hi<enter>", "hi\r"),
        ("<c-k><c-_><c-space><c-/>", "\x0b\x1f\0\x1f"),
        ("<a-b><a-bs><a-enter><a-1><a-/>", "\x1bb\x1b\x7f\x1b\r\x1b1\x1b/"),
        ("<up><a-up><c-left><pgup><s-tab><f1><f7>", "\x1b[A\x1b[1;3A\x1b[1;5D\x1b[5~\x1b[Z\x1bOP\x1b[18~"),
        ("<a-home><c-s-right><s-enter>", "\x1b[1;3H\x1b[1;6C\x1b[13;2u"),
        ("a<lt>b>", "a<b>"),
        ("<esc><esc>", "\x1b\x1b"),
        ("<a-->", "\x1b-"),
        ("漢", "漢"),
    ] {
        assert_eq!(bytes(keys), expected, "{keys:?}");
    }
    assert_eq!(paste("a\nb\x1b[201~c"), "\x1b[200~a\rbc\x1b[201~");
}

#[test]
#[should_panic(expected = "taken for Alt")]
fn nothing_follows_escape() {
    bytes("<esc>j");
}
