//! The configuration: a TOML file that is read whole, with every mistake told with its line.

use crate::action::{Action, Context};
use crate::keymap::{Keymap, Preset, Sequence};
use crate::theme::ThemeName;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
trait Word: Sized + Copy + 'static {
    const ALL: &'static [(&'static str, Self)];
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

/// Reads a text: what is right of it holds, and what is not is told.
pub fn parse(text: &str) -> (Config, Vec<Mistake>) {
    let mut reader = Reader { text, config: Config::default(), mistakes: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => reader.table(table.get_ref()),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            reader.wrong(at, error.message().to_owned());
        }
    }
    reader.mistakes.sort_by_key(|mistake| mistake.line);
    (reader.config, reader.mistakes)
}

struct Reader<'a> {
    text: &'a str,
    config: Config,
    mistakes: Vec<Mistake>,
}

/// The names that the file can have at its top.
const NAMES: &[&str] = &["server", "theme", "notify", "mouse", "typing", "hyperlinks", "keymap"];

impl Reader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn wrong(&mut self, at: usize, detail: String) {
        let line = self.line(at);
        self.mistakes.push(Mistake { line, detail });
    }

    fn table(&mut self, table: &DeTable<'_>) {
        // The preset comes first, whatever the order of the file: the rest changes it.
        if let Some(DeValue::Table(keymap)) = table.get("keymap").map(Spanned::get_ref)
            && let Some(value) = keymap.get("preset")
            && let Some(preset) = self.word::<Preset>("preset", value)
        {
            self.config.keymap = Keymap::preset(preset);
        }
        for (name, value) in table {
            let at = name.span().start;
            match name.get_ref().as_ref() {
                "server" => self.config.server = self.string("server", value).or(self.config.server.take()),
                "theme" => self.config.theme = self.word("theme", value).unwrap_or(self.config.theme),
                "notify" => self.config.notify = self.word("notify", value).unwrap_or(self.config.notify),
                "mouse" => self.config.mouse = self.flag("mouse", value).unwrap_or(self.config.mouse),
                "typing" => self.config.typing = self.flag("typing", value).unwrap_or(self.config.typing),
                "hyperlinks" => {
                    self.config.hyperlinks = self.flag("hyperlinks", value).unwrap_or(self.config.hyperlinks);
                }
                "keymap" => match value.get_ref() {
                    DeValue::Table(keymap) => self.keymap(keymap),
                    _ => self.wrong(at, "keymap is a table: [keymap.global], [keymap.compose] …".into()),
                },
                other => {
                    let detail =
                        format!("{other:?} is not a setting. {}", nearest(other, NAMES.iter().copied()));
                    self.wrong(at, detail);
                }
            }
        }
    }

    fn string(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let found = value.get_ref().as_str().map(str::to_owned);
        if found.is_none() {
            self.wrong(value.span().start, format!("{name} is a text in quotes"));
        }
        found
    }

    fn flag(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<bool> {
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.wrong(value.span().start, format!("{name} is true or false"));
        }
        found
    }

    fn word<T: Word>(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let given = value.get_ref().as_str();
        let found = T::ALL.iter().find(|(word, _)| Some(*word) == given).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<String> = T::ALL.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.wrong(value.span().start, format!("{name} is one of {}", words.join(", ")));
        }
        found
    }

    fn keymap(&mut self, table: &DeTable<'_>) {
        let mut lines: BTreeMap<(Context, String), usize> = BTreeMap::new();
        for (name, value) in table {
            let at = name.span().start;
            let name = name.get_ref().as_ref();
            if name == "preset" {
                continue;
            }
            let (Some(context), DeValue::Table(bindings)) = (Context::from_name(name), value.get_ref())
            else {
                let names = Context::ALL.iter().map(|context| context.as_str());
                let detail = format!(
                    "[keymap.{name}] is not a table of keys. {}",
                    nearest(name, names.chain(["preset"]))
                );
                self.wrong(at, detail);
                continue;
            };
            // As they stand in the file, so that the second of two is the one that is told.
            let mut bindings: Vec<_> = bindings.iter().collect();
            bindings.sort_by_key(|(keys, _)| keys.span().start);
            for (keys, value) in bindings {
                self.binding(context, keys, value, &mut lines);
            }
        }
        for context in Context::ALL {
            for (long, short) in self.config.keymap.shadowed(context) {
                let line =
                    lines.get(&(context, long.to_string())).or(lines.get(&(context, short.to_string())));
                if let Some(line) = line.copied() {
                    self.mistakes.push(Mistake {
                        line,
                        detail: format!("{long} can never be reached: {short} alone already means something"),
                    });
                }
            }
        }
    }

    fn binding(
        &mut self,
        context: Context,
        keys: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        lines: &mut BTreeMap<(Context, String), usize>,
    ) {
        let at = keys.span().start;
        let sequence: Sequence = match keys.get_ref().parse() {
            Ok(sequence) => sequence,
            Err(error) => return self.wrong(at, format!("{error}")),
        };
        let shown = sequence.to_string();
        if Keymap::is_reserved(context, &sequence) {
            return self.wrong(at, format!("{shown} cannot be changed"));
        }
        let line = self.line(at);
        if let Some(before) = lines.insert((context, shown.clone()), line) {
            return self.wrong(
                at,
                format!("{shown} is set twice in [keymap.{}], here and in line {before}", context.as_str()),
            );
        }
        match value.get_ref() {
            DeValue::Boolean(false) => {
                if !self.config.keymap.unbind(context, &sequence) {
                    self.wrong(at, format!("{shown} means nothing in [keymap.{}]", context.as_str()));
                }
            }
            DeValue::String(name) => match Action::from_name(name) {
                Some(action) if action.context() == context || action.context() == Context::Global => {
                    self.config.keymap.bind(context, sequence, action);
                }
                Some(action) => {
                    let place = action.context().as_str();
                    self.wrong(at, format!("{name:?} belongs into [keymap.{place}]"));
                }
                None => {
                    let names = Action::ALL.iter().map(|action| action.name());
                    let detail = format!("{name:?} is not an action. {}", nearest(name, names));
                    self.wrong(value.span().start, detail);
                }
            },
            _ => self.wrong(value.span().start, format!("{shown} takes an action in quotes, or false")),
        }
    }
}

/// The names nearest to what was typed, as a sentence.
fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> String {
    match crate::command::nearest(given, names) {
        Some(name) => format!("Did you mean {name:?}?"),
        None => String::new(),
    }
}

/// The commented example: every setting with what it is without a file.
pub fn example() -> String {
    let mut text = String::from(
        "# chat-tui's settings. Every line is a comment: what it says holds anyway.\n\
         # `chat-tui --check-config` tells what is wrong with the file.\n\n\
         # The server that the form begins with\n# server = \"https://chat.example.org\"\n\n\
         # auto (by NO_COLOR, COLORTERM and COLORFGBG), dark, light, contrast, 16, none\n# theme = \"auto\"\n\n\
         # How to tell somebody who is not looking: auto, osc99, osc777, osc9, bell, off\n# notify = \"auto\"\n\n\
         # Does the program have the mouse?\n# mouse = true\n\n\
         # Tell others that you are writing?\n# typing = true\n\n\
         # Links that the terminal can open (OSC 8)\n# hyperlinks = true\n\n\
         # Keys. A preset, and below it what differs: an action's name, or false. These stay as they are:\n",
    );
    let reserved: Vec<String> = crate::keymap::RESERVED
        .iter()
        .map(|(_, keys, _)| keys.parse::<Sequence>().map(|keys| keys.to_string()).unwrap_or_default())
        .collect();
    let mut reserved = reserved;
    reserved.dedup();
    text.push_str(&format!(
        "# {}\n# [keymap]\n# preset = \"default\"         # default, emacs, vim\n",
        reserved.join(", ")
    ));
    for context in Context::ALL {
        text.push_str(&format!("\n# [keymap.{}]\n", context.as_str()));
        for (other, keys, action) in Preset::Default.bindings() {
            let reserved = keys.parse().is_ok_and(|keys| Keymap::is_reserved(context, &keys));
            if other == context && !reserved {
                let binding = format!("{keys:?} = {:?}", action.name());
                text.push_str(&format!("# {binding:<40} # {}\n", action.doc()));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::Found;

    fn mistakes(text: &str) -> Vec<String> {
        parse(text).1.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_right_holds_although_something_is_wrong() {
        let (config, mistakes) = parse("theme = \"light\"\nmouze = false\nmouse = \"no\"\ntyping = false\n");
        assert_eq!((config.theme, config.mouse, config.typing), (ThemeName::Light, true, false));
        let lines: Vec<usize> = mistakes.iter().map(|mistake| mistake.line).collect();
        assert_eq!(lines, [2, 3]);
        assert!(mistakes[0].detail.contains("Did you mean \"mouse\"?"), "{mistakes:?}");
    }

    #[test]
    fn keys_are_bound_unbound_and_their_mistakes_told() {
        let (config, wrong) = parse(
            "[keymap]\npreset = \"emacs\"\n[keymap.global]\n\"f5\" = \"redraw\"\n\"alt-k\" = false\n\"ctrl-x b\" = \"palette\"\n",
        );
        assert_eq!(wrong, []);
        let keys = |text: &str| text.parse::<Sequence>().unwrap().0;
        let find = |text| config.keymap.find(&[Context::Global], &keys(text));
        assert_eq!(find("f5"), Found::Action(Action::Redraw));
        assert_eq!(find("alt-k"), Found::Nothing);
        assert_eq!(find("ctrl-x b"), Found::Action(Action::Palette));

        let table = [
            ("[keymap.global]\n\"esc\" = false\n", "line 2: Esc cannot be changed"),
            ("[keymap.select]\n\"ctrl-c\" = \"reply\"\n", "line 2: Ctrl-c cannot be changed"),
            (
                "[keymap.global]\n\"f5\" = \"help\"\n\"F5\" = \"quit\"\n",
                "line 3: F5 is set twice in [keymap.global], here and in line 2",
            ),
            (
                "[keymap.global]\n\"f5\" = \"hlep\"\n",
                "line 2: \"hlep\" is not an action. Did you mean \"help\"?",
            ),
            ("[keymap.global]\n\"f5\" = \"reply\"\n", "line 2: \"reply\" belongs into [keymap.select]"),
            ("[keymap.global]\n\"f5\" = false\n", "line 2: F5 means nothing in [keymap.global]"),
            (
                "[keymap.globl]\n\"f5\" = false\n",
                "line 1: [keymap.globl] is not a table of keys. Did you mean \"global\"?",
            ),
            (
                "[keymap.compose]\n\"ctrl-x\" = \"send\"\n",
                "line 2: Ctrl-x Ctrl-e can never be reached: Ctrl-x alone already means something",
            ),
            ("theme = ", "line 1: "),
        ];
        for (text, expected) in table {
            let found = mistakes(text);
            assert!(found.iter().any(|m| m.starts_with(expected)), "{text}: {found:?}");
        }
    }

    #[test]
    fn the_example_holds_what_holds_anyway() {
        let example = example();
        assert_eq!(parse(&example), (Config::default(), vec![]));
        let on: String = example
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with(['[', '"']) || line.contains(" = "))
            .filter(|line| !line.starts_with("server"))
            .map(|line| format!("{line}\n"))
            .collect();
        let (config, wrong) = parse(&on);
        assert_eq!(wrong, [], "{on}");
        assert_eq!(config, Config::default());
    }
}
