//! Sequences that ask something of the terminal besides drawing: title, clipboard, notifications. What comes
//! from elsewhere is cleaned or encoded on its way in.

use crate::config::Notify;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chat_shared::display::SafeText;

/// Bytes of a text that are copied at the most: terminals take no more.
const COPY_MAX: usize = 74_000;
const ST: &str = "\x1b\\";

/// A sequence that is safe to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Osc(String);

impl Osc {
    /// The window's title.
    pub fn title(text: &str) -> Self {
        Self(format!("\x1b]2;{}{ST}", SafeText::line(text)))
    }

    /// To the clipboard (OSC 52). `None`: the text is too long for that.
    pub fn copy(text: &str) -> Option<Self> {
        (text.len() <= COPY_MAX).then(|| Self(format!("\x1b]52;c;{}{ST}", BASE64.encode(text))))
    }

    /// Tells somebody who is not looking; `None`: not at all.
    pub fn notify(how: Notify, title: &str, body: &str) -> Option<Self> {
        let (title, body) = (SafeText::line(title), SafeText::line(body));
        // What separates the fields of these sequences is not theirs.
        let plain = |text: &SafeText| text.as_ref().replace(';', ",");
        Some(Self(match how {
            Notify::Auto | Notify::Bell => "\x07".to_owned(),
            Notify::Off => return None,
            Notify::Osc9 => format!("\x1b]9;{}: {}{ST}", plain(&title), plain(&body)),
            Notify::Osc777 => format!("\x1b]777;notify;{};{}{ST}", plain(&title), plain(&body)),
            Notify::Osc99 => format!(
                "\x1b]99;i=chat:d=0:e=1;{}{ST}\x1b]99;i=chat:p=body:e=1;{}{ST}",
                BASE64.encode(title.as_ref()),
                BASE64.encode(body.as_ref())
            ),
        }))
    }

    /// Passed through tmux to the terminal outside.
    pub fn through_tmux(self) -> Self {
        if self.0 == "\x07" {
            return self;
        }
        Self(format!("\x1bPtmux;{}{ST}", self.0.replace('\x1b', "\x1b\x1b")))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Notify {
    /// What `auto` means, by what the environment says of the terminal.
    pub fn resolve(self, variable: impl Fn(&str) -> Option<String>) -> Self {
        if self != Self::Auto {
            return self;
        }
        let is = |name: &str, value: &str| variable(name).is_some_and(|found| found.contains(value));
        if is("TERM", "kitty") || variable("KITTY_WINDOW_ID").is_some() {
            Self::Osc99
        } else if is("TERM", "foot")
            || is("TERM", "rxvt")
            || is("TERM_PROGRAM", "WezTerm")
            || is("TERM", "ghostty")
        {
            Self::Osc777
        } else if is("TERM_PROGRAM", "iTerm") || variable("WT_SESSION").is_some() {
            Self::Osc9
        } else {
            Self::Bell
        }
    }
}

/// Does the program run inside tmux?
pub fn tmux() -> bool {
    std::env::var_os("TMUX").is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_others_wrote_ends_a_sequence() {
        let evil = "a\x1b]52;c;ZXZpbA==\x07b\x1b\\;c\u{9c}\u{202e}";
        for osc in [
            Osc::title(evil),
            Osc::notify(Notify::Osc9, evil, evil).unwrap(),
            Osc::notify(Notify::Osc777, evil, evil).unwrap(),
            Osc::notify(Notify::Osc99, evil, evil).unwrap(),
            Osc::copy(evil).unwrap(),
        ] {
            let text = std::str::from_utf8(osc.as_bytes()).unwrap();
            let sequences = text.matches('\x1b').count();
            assert_eq!(sequences % 2, 0, "{text:?}");
            let inner = text.trim_start_matches("\x1b]").trim_end_matches(ST);
            for part in inner.split("\x1b\\\x1b]") {
                assert!(!part.chars().any(char::is_control), "{text:?}");
            }
        }
        let osc777 = Osc::notify(Notify::Osc777, "a;b", "c;d").unwrap();
        assert_eq!(osc777.as_bytes(), b"\x1b]777;notify;a,b;c,d\x1b\\");
    }

    #[test]
    fn tmux_passes_sequences_on() {
        let osc = Osc::title("x").through_tmux();
        assert_eq!(osc.as_bytes(), b"\x1bPtmux;\x1b\x1b]2;x\x1b\x1b\\\x1b\\");
        assert_eq!(Osc::notify(Notify::Bell, "", "").unwrap().through_tmux().as_bytes(), b"\x07");
        assert_eq!(Osc::notify(Notify::Off, "", ""), None);
        assert_eq!(Osc::copy(&"x".repeat(COPY_MAX + 1)), None);
    }

    #[test]
    fn the_terminal_is_known_by_its_environment() {
        let with = |name: &'static str, value: &'static str| {
            Notify::Auto.resolve(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(with("TERM", "xterm-kitty"), Notify::Osc99);
        assert_eq!(with("TERM", "foot"), Notify::Osc777);
        assert_eq!(with("TERM_PROGRAM", "iTerm.app"), Notify::Osc9);
        assert_eq!(with("TERM", "xterm"), Notify::Bell);
        assert_eq!(Notify::Off.resolve(|_| None), Notify::Off);
    }
}
