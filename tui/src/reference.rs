//! The reference of keys, commands and settings, made from the tables that the program itself goes by.

use crate::action::{Action, Context};
use crate::command::COMMANDS;
use crate::config;
use crate::keymap::{Keymap, Preset};
use std::fmt::Write as _;

/// The page, as markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Keys, commands and settings of chat-tui\n\nMade from the program's own tables; a test holds this page against them. \
         In the program: F1, or `/help`.\n",
    );
    let keymap = Keymap::preset(Preset::Default);
    for context in Context::ALL {
        let _ = write!(
            page,
            "\n## {}\n\n| keys | action | what it does |\n| --- | --- | --- |\n",
            context.title()
        );
        for action in Action::ALL.iter().filter(|action| action.context() == context) {
            let keys = keymap.keys_of(*action).join(", ").replace('|', "\\|");
            let _ = writeln!(page, "| {keys} | `{}` | {} |", action.name(), action.doc());
        }
    }
    page.push_str("\nCtrl-k goes to the switcher while the line is empty. The presets `emacs` and `vim` add:\n\n| preset | context | keys | action |\n| --- | --- | --- | --- |\n");
    for preset in [Preset::Emacs, Preset::Vim] {
        for (context, keys, action) in preset.own() {
            let shown =
                keys.parse::<crate::keymap::Sequence>().map(|keys| keys.to_string()).unwrap_or_default();
            let _ = writeln!(page, "| {preset} | {} | {shown} | `{}` |", context.as_str(), action.name());
        }
    }
    page.push_str("\n## Commands\n\n| command | what it does |\n| --- | --- |\n");
    for spec in COMMANDS {
        let usage = format!("/{} {}", spec.name, spec.usage).trim_end().replace('|', "\\|");
        let aliases = spec.aliases.iter().map(|alias| format!("`/{alias}`")).collect::<Vec<_>>().join(", ");
        let also = if aliases.is_empty() { String::new() } else { format!(" Also {aliases}.") };
        let _ = writeln!(page, "| `{usage}` | {}{also} |", spec.doc);
    }
    let _ = write!(
        page,
        "\nA line that begins with a slash is sent with two: `//like this`.\n\n## Settings\n\n`config.toml` in `CHAT_TUI_HOME`, else in `~/.config/chat-tui`. `chat-tui --example-config` prints it:\n\n```toml\n{}```\n",
        config::example()
    );
    page
}
