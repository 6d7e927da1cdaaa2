//! Reading the file: every mistake is told with its line, what stands there, and what can stand there.

use super::{Config, Mistake, Word};
use crate::action::{Action, Context};
use crate::keymap::{Keymap, Preset, Sequence};
use crate::net::http::normalize;
use crate::text::near;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Of a value that is wrong so much is shown, in characters: enough to find it.
const SHOWN: usize = 40;

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
                "server" => self.config.server = self.server(value).or(self.config.server.take()),
                "theme" => self.config.theme = self.word("theme", value).unwrap_or(self.config.theme),
                "notify" => self.config.notify = self.word("notify", value).unwrap_or(self.config.notify),
                "mouse" => self.config.mouse = self.flag("mouse", value).unwrap_or(self.config.mouse),
                "typing" => self.config.typing = self.flag("typing", value).unwrap_or(self.config.typing),
                "hyperlinks" => {
                    self.config.hyperlinks = self.flag("hyperlinks", value).unwrap_or(self.config.hyperlinks);
                }
                "keymap" => match value.get_ref() {
                    DeValue::Table(keymap) => self.keymap(keymap),
                    _ => self.not("keymap", value, "a table: [keymap.global], [keymap.compose] …"),
                },
                other => {
                    let meant = nearest(other, NAMES.iter().copied())
                        .unwrap_or_else(|| format!("There are {}.", NAMES.join(", ")));
                    let detail = format!("{other:?} is not a setting. {meant}");
                    self.wrong(at, detail);
                }
            }
        }
    }

    /// A value that it cannot be.
    fn not(&mut self, name: &str, value: &Spanned<DeValue<'_>>, can: &str) {
        let given = self.text.get(value.span()).unwrap_or_default();
        let mut shown: String = given.lines().next().unwrap_or_default().chars().take(SHOWN).collect();
        if shown.len() < given.len() {
            shown.push('…');
        }
        self.wrong(value.span().start, format!("{name} cannot be {shown}: it is {can}"));
    }

    fn server(&mut self, value: &Spanned<DeValue<'_>>) -> Option<String> {
        // Whether http may go to another machine is asked where it is used.
        let found = value.get_ref().as_str().filter(|server| normalize(server, true).is_ok());
        if found.is_none() {
            self.not("server", value, "an address in quotes, such as \"https://chat.example.org\"");
        }
        found.map(str::to_owned)
    }

    fn flag(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<bool> {
        let found = value.get_ref().as_bool();
        if found.is_none() {
            self.not(name, value, "true or false");
        }
        found
    }

    fn word<T: Word>(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<T> {
        let given = value.get_ref().as_str();
        let found = T::ALL.iter().find(|(word, _)| Some(*word) == given).map(|(_, value)| *value);
        if found.is_none() {
            let words: Vec<String> = T::ALL.iter().map(|(word, _)| format!("{word:?}")).collect();
            self.not(name, value, &format!("one of {}", words.join(", ")));
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
                let names: Vec<&str> = Context::ALL.iter().map(|context| context.as_str()).collect();
                let meant = nearest(name, names.iter().copied().chain(["preset"]))
                    .unwrap_or_else(|| format!("There are {}.", names.join(", ")));
                self.wrong(at, format!("[keymap.{name}] is not a table of keys. {meant}"));
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
                    let meant = nearest(name, names)
                        .unwrap_or_else(|| "chat-tui --example-config shows them all.".to_owned());
                    self.wrong(value.span().start, format!("{name:?} is not an action. {meant}"));
                }
            },
            _ => self.not(&shown, value, "an action in quotes, or false"),
        }
    }
}

/// The name nearest to what was typed, as a sentence.
fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    near::nearest(given, names).map(|name| format!("Did you mean {name:?}?"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::Found;
    use crate::theme::ThemeName;

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
            ("[keymap.global]\n\"f5\" = 7\n", "line 2: F5 cannot be 7: it is an action in quotes, or false"),
            (
                "theme = \"mauve\"",
                "line 1: theme cannot be \"mauve\": it is one of \"auto\", \"dark\", \"light\"",
            ),
            ("mouse = \"no\"", "line 1: mouse cannot be \"no\": it is true or false"),
            ("server = 5", "line 1: server cannot be 5: it is an address in quotes, such as"),
            ("server = \"ftp://x\"", "line 1: server cannot be \"ftp://x\": it is an address"),
            ("keymap = 3", "line 1: keymap cannot be 3: it is a table"),
            ("[keymap]\npreset = [\n1,\n2]\n", "line 2: preset cannot be […: it is one of"),
            ("wallpaper = 1", "line 1: \"wallpaper\" is not a setting. There are server, theme,"),
            (
                "[keymap.global]\n\"f5\" = \"make tea\"",
                "line 2: \"make tea\" is not an action. chat-tui --example-config",
            ),
        ];
        for (text, expected) in table {
            let found = mistakes(text);
            assert!(found.iter().any(|m| m.starts_with(expected)), "{text}: {found:?}");
        }
    }
}
