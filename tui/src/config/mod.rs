//! The configuration: a TOML file that is read whole, with every mistake told with its line.

mod example;
mod read;

pub use example::example;
pub use read::parse;

use crate::keymap::{Keymap, Preset};
use crate::theme::ThemeName;
use std::fmt;
use std::path::{Path, PathBuf};

/// How to tell somebody who is not looking.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    /// By what the environment says of the terminal.
    #[default]
    Auto,
    /// OSC 99 (kitty).
    Osc99,
    /// OSC 777 (foot, urxvt, WezTerm, Ghostty).
    Osc777,
    /// OSC 9 (iTerm2, Windows Terminal).
    Osc9,
    /// The bell.
    Bell,
    /// Not at all.
    Off,
}

/// Names a value in the file.
pub(crate) trait Word: Sized + Copy + PartialEq + 'static {
    /// Each value with its name.
    const ALL: &'static [(&'static str, Self)];

    /// As the file names it.
    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, value)| *value == self).map_or("", |(word, _)| *word)
    }
}

impl Word for Notify {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("osc99", Self::Osc99),
        ("osc777", Self::Osc777),
        ("osc9", Self::Osc9),
        ("bell", Self::Bell),
        ("off", Self::Off),
    ];
}

impl Word for ThemeName {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("dark", Self::Dark),
        ("light", Self::Light),
        ("contrast", Self::Contrast),
        ("16", Self::Sixteen),
        ("none", Self::None),
    ];
}

impl Word for Preset {
    const ALL: &'static [(&'static str, Self)] =
        &[("default", Self::Default), ("emacs", Self::Emacs), ("vim", Self::Vim)];
}

/// What can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The server that the form begins with.
    pub server: Option<String>,
    /// Colours.
    pub theme: ThemeName,
    /// Notifications.
    pub notify: Notify,
    /// Does the program have the mouse?
    pub mouse: bool,
    /// Tell others that I am writing?
    pub typing: bool,
    /// Links as OSC 8, so that the terminal can open them.
    pub hyperlinks: bool,
    /// Keys.
    pub keymap: Keymap,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: None,
            theme: ThemeName::Auto,
            notify: Notify::Auto,
            mouse: true,
            typing: true,
            hyperlinks: true,
            keymap: Keymap::default(),
        }
    }
}

/// Something wrong in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub detail: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.detail)
    }
}

/// The file that is read: `config.toml` in `CHAT_TUI_HOME`, else chat-tui/config.toml in the XDG configuration
/// directory.
pub fn path() -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let own = std::env::var_os("CHAT_TUI_HOME").filter(|home| !home.is_empty());
    if let Some(home) = own {
        return Some(PathBuf::from(home).join("config.toml"));
    }
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".config")))
        .map(|config| config.join("chat-tui/config.toml"))
}

/// Reads the file; one that is not there sets nothing.
pub fn load(path: &Path) -> Result<(Config, Vec<Mistake>), String> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok((Config::default(), Vec::new())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
