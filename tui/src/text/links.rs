//! The links of a message: where they begin and end, and how one is written into a terminal's link.
//!
//! Only `http` and `https` are links, and only what stands in the text is a target. Nothing here opens
//! one.

use chat_shared::display::SafeText;
use std::fmt::Write as _;

/// Longer links are text.
const BYTES_MAX: usize = 2_048;

/// A link's target: `http://` or `https://` with a host, without white space or control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url(String);

impl Url {
    /// The target, if this is one and nothing else.
    pub fn new(text: &str) -> Option<Self> {
        let rest = strip_scheme(text)?;
        let fits = text.len() <= BYTES_MAX && rest.starts_with(|c: char| c.is_alphanumeric() || c == '[');
        (fits && text.chars().all(may_hold)).then(|| Self(text.to_owned()))
    }

    /// As it stands in the text: to be shown, or handed to a browser as one argument.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For OSC 8: printable ASCII only, everything else percent-encoded, and so are the characters
    /// that divide an OSC's fields.
    pub fn encoded(&self) -> String {
        let mut out = String::with_capacity(self.0.len());
        for byte in self.0.bytes() {
            if byte.is_ascii_graphic()
                && !matches!(byte, b';' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
            {
                out.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    }
}

fn strip_scheme(text: &str) -> Option<&str> {
    ["https://", "http://"].into_iter().find_map(|scheme| {
        let head = text.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &text[scheme.len()..])
    })
}

/// Can a link have this character in it?
pub(super) fn may_hold(c: char) -> bool {
    !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | '"' | '`' | '⟨' | '⟩')
}

/// What of this text would be a link at its start, if it is not too long for one. It ends before white
/// space, before a bracket that was not opened in it, and before the punctuation of the sentence
/// around it.
pub(super) fn at_start(text: &str) -> Option<&str> {
    let rest = strip_scheme(text)?;
    let start = text.len() - rest.len();
    let mut end = start;
    let mut open = Vec::new();
    for (at, c) in rest.char_indices() {
        match c {
            c if !may_hold(c) => break,
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' if open.pop() != Some(opening(c)) => break,
            _ => {}
        }
        end = start + at + c.len_utf8();
    }
    let url = text[..end].trim_end_matches([
        '.', ',', ';', ':', '!', '?', '\'', '*', '_', '~', '…', '。', '、', '，', '(', '[', '{',
    ]);
    (url.len() > start).then_some(url)
}

fn opening(closing: char) -> char {
    match closing {
        ')' => '(',
        ']' => '[',
        _ => '{',
    }
}

/// All links of a text, in order, also those in code.
pub fn links(body: &SafeText) -> Vec<Url> {
    let text = body.as_ref();
    let mut found = Vec::new();
    let mut before = None;
    let mut skip = 0;
    for (at, c) in text.char_indices() {
        if at >= skip
            && may_begin(before, c)
            && let Some(url) = at_start(&text[at..])
        {
            skip = at + url.len();
            found.extend(Url::new(url));
        }
        before = Some(c);
    }
    found
}

/// Can a link begin with this character after that one?
pub(super) fn may_begin(before: Option<char>, c: char) -> bool {
    matches!(c, 'h' | 'H') && !before.is_some_and(|c| c.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        links(&SafeText::block(text)).into_iter().map(|url| url.0).collect()
    }

    #[test]
    fn where_links_end() {
        for (text, expected) in [
            ("see https://a.b/c.", vec!["https://a.b/c"]),
            ("(https://a.b/c_(d)) and", vec!["https://a.b/c_(d)"]),
            ("(https://a.b/c)", vec!["https://a.b/c"]),
            ("**https://a.b**", vec!["https://a.b"]),
            ("<https://a.b>x", vec!["https://a.b"]),
            ("[x](https://a.b) http://c", vec!["https://a.b", "http://c"]),
            ("HTTP://A.b", vec!["HTTP://A.b"]),
            ("xhttp://a.b", vec![]),
            ("http:// a", vec![]),
            ("ftp://a javascript:x", vec![]),
            ("http://a.b?q=1,2;", vec!["http://a.b?q=1,2"]),
            ("https://例え.jp/あ。", vec!["https://例え.jp/あ"]),
            ("https://[::1]:80/x", vec!["https://[::1]:80/x"]),
            ("https://a.b/\u{202e}gnp", vec!["https://a.b/"]),
            ("https://a\nhttps://b", vec!["https://a", "https://b"]),
        ] {
            assert_eq!(found(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_link_that_is_too_long_is_text_in_one_piece() {
        assert_eq!(found(&"http://a/".repeat(400)), Vec::<String>::new());
        assert_eq!(found(&format!("http://{} http://b", "(".repeat(400))), ["http://b"]);
    }

    #[test]
    fn nothing_gets_out_of_a_terminal_link() {
        let url = Url::new("https://a/é;id=1\\x{y}").unwrap();
        assert_eq!(url.encoded(), "https://a/%C3%A9%3Bid=1%5Cx%7By%7D");
        for text in
            ["https://a\x1b\\", "https://a\x07", "https://a b", "https://", "file:///x", "https://\u{9c}"]
        {
            assert_eq!(Url::new(text), None, "{text:?}");
        }
        assert_eq!(Url::new(&format!("https://a/{}", "x".repeat(3_000))), None);
    }
}
