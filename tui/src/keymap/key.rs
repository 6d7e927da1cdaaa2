//! A key as the configuration writes it: `ctrl-k`, `alt-enter`, `f1`, `G`, `ctrl-x ctrl-e`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::fmt;
use std::str::FromStr;

/// One key with its modifiers, in the one form that terminals' different reports are brought to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    mods: KeyModifiers,
}

const NAMES: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("space", KeyCode::Char(' ')),
    ("minus", KeyCode::Char('-')),
];

impl Key {
    /// From a code and modifiers.
    pub fn new(code: KeyCode, mods: KeyModifiers) -> Self {
        let mut mods = mods & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match code {
            // A letter tells itself whether it is a capital.
            KeyCode::Char(c) => {
                let c = if mods.contains(KeyModifiers::CONTROL) { c.to_ascii_lowercase() } else { c };
                let c = if mods.contains(KeyModifiers::SHIFT) && !mods.contains(KeyModifiers::CONTROL) {
                    // Terminals of the newer keyboard protocol send the plain letter with a modifier.
                    if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c }
                } else {
                    c
                };
                mods.remove(KeyModifiers::SHIFT);
                KeyCode::Char(c)
            }
            KeyCode::BackTab => {
                mods.insert(KeyModifiers::SHIFT);
                KeyCode::Tab
            }
            other => other,
        };
        // What a terminal without the newer protocol sends for these two cannot be told apart.
        match (code, mods) {
            (KeyCode::Char('h'), KeyModifiers::CONTROL) => {
                Self { code: KeyCode::Backspace, mods: KeyModifiers::NONE }
            }
            (KeyCode::Char('7' | '/'), KeyModifiers::CONTROL) => {
                Self { code: KeyCode::Char('_'), mods: KeyModifiers::CONTROL }
            }
            _ => Self { code, mods },
        }
    }

    /// The character that it types, if it types one.
    pub fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.mods.is_empty() => Some(c),
            // AltGr arrives as both, and then means the character.
            KeyCode::Char(c)
                if self.mods == KeyModifiers::CONTROL | KeyModifiers::ALT && !c.is_ascii_alphanumeric() =>
            {
                Some(c)
            }
            _ => None,
        }
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        Self::new(event.code, event.modifiers)
    }
}

/// Why a key could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a key such as ctrl-k, alt-enter, f1 or G")]
pub struct KeyError(String);

impl FromStr for Key {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let wrong = || KeyError(text.to_owned());
        let mut mods = KeyModifiers::NONE;
        let mut rest = text;
        loop {
            let lower = rest.to_ascii_lowercase();
            let found = [
                ("ctrl-", KeyModifiers::CONTROL),
                ("c-", KeyModifiers::CONTROL),
                ("alt-", KeyModifiers::ALT),
                ("a-", KeyModifiers::ALT),
                ("shift-", KeyModifiers::SHIFT),
                ("s-", KeyModifiers::SHIFT),
            ]
            .into_iter()
            .find(|(prefix, _)| lower.starts_with(prefix) && lower.len() > prefix.len());
            let Some((prefix, modifier)) = found else { break };
            mods |= modifier;
            rest = &rest[prefix.len()..];
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) if !c.is_control() => KeyCode::Char(c),
            _ => {
                let lower = rest.to_ascii_lowercase();
                let named = NAMES.iter().find(|(name, _)| *name == lower).map(|(_, code)| *code);
                let function = || {
                    let number: u8 = lower.strip_prefix('f')?.parse().ok()?;
                    (1..=24).contains(&number).then_some(KeyCode::F(number))
                };
                named.or_else(function).ok_or_else(wrong)?
            }
        };
        Ok(Self::new(code, mods))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "Ctrl-"), (KeyModifiers::ALT, "Alt-"), (KeyModifiers::SHIFT, "Shift-")]
        {
            if self.mods.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Up => f.write_str("↑"),
            KeyCode::Down => f.write_str("↓"),
            KeyCode::Left => f.write_str("←"),
            KeyCode::Right => f.write_str("→"),
            KeyCode::PageUp => f.write_str("PgUp"),
            KeyCode::PageDown => f.write_str("PgDn"),
            KeyCode::F(number) => write!(f, "F{number}"),
            KeyCode::Char(' ') => f.write_str("Space"),
            KeyCode::Char(c) => write!(f, "{c}"),
            code => {
                let name = NAMES.iter().find(|(_, other)| *other == code).map_or("?", |(name, _)| name);
                let mut chars = name.chars();
                let first = chars.next().map(|c| c.to_ascii_uppercase()).unwrap_or('?');
                write!(f, "{first}{}", chars.as_str())
            }
        }
    }
}

/// One key after another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sequence(pub Vec<Key>);

/// Keys in a row at the most: more nobody remembers.
const SEQUENCE_MAX: usize = 3;

impl FromStr for Sequence {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Self, KeyError> {
        let keys: Vec<Key> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() || keys.len() > SEQUENCE_MAX {
            return Err(KeyError(text.to_owned()));
        }
        Ok(Self(keys))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            key.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_written() {
        let table = [
            ("ctrl-k", "Ctrl-k"),
            ("C-K", "Ctrl-k"),
            ("alt-enter", "Alt-Enter"),
            ("alt-up", "Alt-↑"),
            ("f12", "F12"),
            ("G", "G"),
            ("shift-g", "G"),
            ("shift-tab", "Shift-Tab"),
            ("alt-/", "Alt-/"),
            ("-", "-"),
            ("alt-minus", "Alt--"),
            ("alt--", "Alt--"),
            ("space", "Space"),
            ("ctrl-h", "Backspace"),
        ];
        for (text, shown) in table {
            assert_eq!(text.parse::<Key>().map(|key| key.to_string()).as_deref(), Ok(shown), "{text}");
        }
        for wrong in ["", "ctrl-", "hyper-x", "f0", "f25", "entre"] {
            assert!(wrong.parse::<Key>().is_err(), "{wrong}");
        }
        assert_eq!("ctrl-x ctrl-e".parse::<Sequence>().unwrap().to_string(), "Ctrl-x Ctrl-e");
        assert!("a b c d".parse::<Sequence>().is_err() && " ".parse::<Sequence>().is_err());
    }

    #[test]
    fn reports_of_different_terminals_are_one_key() {
        let key = |code, mods| Key::new(code, mods);
        assert_eq!(key(KeyCode::BackTab, KeyModifiers::SHIFT), "shift-tab".parse().unwrap());
        assert_eq!(key(KeyCode::Char('G'), KeyModifiers::SHIFT), "G".parse().unwrap());
        assert_eq!(key(KeyCode::Char('g'), KeyModifiers::SHIFT), "G".parse().unwrap());
        assert_eq!(key(KeyCode::Char('K'), KeyModifiers::CONTROL), "ctrl-k".parse().unwrap());
        assert_eq!(key(KeyCode::Char('ä'), KeyModifiers::NONE).typed(), Some('ä'));
        assert_eq!(key(KeyCode::Char('{'), KeyModifiers::CONTROL | KeyModifiers::ALT).typed(), Some('{'));
        assert_eq!(key(KeyCode::Char('k'), KeyModifiers::ALT).typed(), None);
    }
}
