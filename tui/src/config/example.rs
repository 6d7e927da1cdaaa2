//! The commented example file.

use crate::action::Context;
use crate::keymap::{Keymap, Preset, Sequence};

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
    let mut reserved: Vec<String> = Vec::new();
    for (_, keys, _) in crate::keymap::RESERVED {
        // The table is checked by a test: every row can be read.
        let keys = keys.parse::<Sequence>().map(|keys| keys.to_string()).unwrap_or_default();
        if !reserved.contains(&keys) {
            reserved.push(keys);
        }
    }
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
    use crate::config::{Config, parse};

    #[test]
    fn the_example_holds_what_holds_anyway() {
        let example = example();
        assert_eq!(parse(&example), (Config::default(), vec![]));
        assert!(example.contains("\n# Esc, Ctrl-c, Enter, Backspace\n"), "{example}");
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
