//! Which key means what, and where: a table that presets fill and the configuration changes.

mod key;
mod presets;

pub use key::{Key, KeyError, Sequence};
pub use presets::{Preset, Row};

use crate::action::{Action, Context};
use std::collections::BTreeMap;

/// Keys that always mean what they mean: who has changed everything must still find out.
pub const RESERVED: &[(Context, &str, Action)] = &[
    (Context::Global, "esc", Action::Cancel),
    (Context::Global, "ctrl-c", Action::Interrupt),
    (Context::Compose, "enter", Action::Send),
    (Context::Compose, "backspace", Action::DeleteBack),
    (Context::List, "enter", Action::ListTake),
];

/// A binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The keys, one after another.
    pub keys: Sequence,
    /// What they mean.
    pub action: Action,
}

/// What a row of keys means so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// This.
    Action(Action),
    /// Nothing yet: more keys may follow.
    Prefix,
    /// Nothing.
    Nothing,
}

/// The bindings of every context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keymap {
    contexts: BTreeMap<Context, Vec<Binding>>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::preset(Preset::Default)
    }
}

impl Keymap {
    /// The bindings of a preset.
    pub fn preset(preset: Preset) -> Self {
        let mut keymap = Self { contexts: BTreeMap::new() };
        for (context, keys, action) in preset.bindings() {
            // The tables are checked by a test: every row can be read.
            if let Ok(keys) = keys.parse() {
                keymap.bind(context, keys, action);
            }
        }
        keymap
    }

    /// Binds, in place of what these keys meant there.
    pub fn bind(&mut self, context: Context, keys: Sequence, action: Action) {
        let bindings = self.contexts.entry(context).or_default();
        match bindings.iter_mut().find(|binding| binding.keys == keys) {
            Some(binding) => binding.action = action,
            None => bindings.push(Binding { keys, action }),
        }
    }

    /// Takes the meaning of these keys away; were they bound?
    pub fn unbind(&mut self, context: Context, keys: &Sequence) -> bool {
        let bindings = self.contexts.entry(context).or_default();
        let before = bindings.len();
        bindings.retain(|binding| binding.keys != *keys);
        bindings.len() < before
    }

    /// The bindings of a context.
    pub fn bindings(&self, context: Context) -> &[Binding] {
        self.contexts.get(&context).map_or(&[], Vec::as_slice)
    }

    /// What keys mean, the first context that knows them being right.
    pub fn find(&self, contexts: &[Context], keys: &[Key]) -> Found {
        for context in contexts {
            let mut prefix = false;
            for binding in self.bindings(*context) {
                if binding.keys.0 == keys {
                    return Found::Action(binding.action);
                }
                prefix |= binding.keys.0.len() > keys.len() && binding.keys.0.starts_with(keys);
            }
            if prefix {
                return Found::Prefix;
            }
        }
        Found::Nothing
    }

    /// What may follow these keys, for the popup.
    pub fn after(&self, contexts: &[Context], keys: &[Key]) -> Vec<(Sequence, Action)> {
        let mut rows = Vec::new();
        for context in contexts {
            for binding in self.bindings(*context) {
                if binding.keys.0.len() > keys.len() && binding.keys.0.starts_with(keys) {
                    rows.push((Sequence(binding.keys.0[keys.len()..].to_vec()), binding.action));
                }
            }
        }
        rows
    }

    /// The keys of an action, the first bound first.
    pub fn keys_of(&self, action: Action) -> Vec<String> {
        self.contexts
            .values()
            .flatten()
            .filter(|binding| binding.action == action)
            .map(|binding| binding.keys.to_string())
            .collect()
    }

    /// The first key of an action, for a hint.
    pub fn key_of(&self, action: Action) -> Option<String> {
        self.keys_of(action).into_iter().next()
    }

    /// Bindings that can never be reached, since shorter ones of the same context begin them.
    pub fn shadowed(&self, context: Context) -> Vec<(Sequence, Sequence)> {
        let bindings = self.bindings(context);
        let mut found = Vec::new();
        for long in bindings {
            for short in bindings {
                if short.keys.0.len() < long.keys.0.len() && long.keys.0.starts_with(&short.keys.0) {
                    found.push((long.keys.clone(), short.keys.clone()));
                }
            }
        }
        found
    }

    /// Is this a key whose meaning stays?
    pub fn is_reserved(context: Context, keys: &Sequence) -> bool {
        RESERVED.iter().any(|(other, text, _)| {
            // A reserved key is reserved where it is used, and wherever it would be asked before.
            (*other == context || *other == Context::Global)
                && text.parse::<Sequence>().is_ok_and(|reserved| reserved == *keys)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Sequence {
        text.parse().unwrap()
    }

    #[test]
    fn every_preset_can_be_read_reaches_everything_and_keeps_reserved_keys() {
        for preset in Preset::ALL {
            for (context, text, action) in preset.bindings() {
                assert!(text.parse::<Sequence>().is_ok(), "{preset}: {text}");
                assert!(
                    action.context() == context
                        || action.context() == Context::Global
                        || context == Context::Global,
                    "{preset}: {text} means {} in {}",
                    action.name(),
                    context.as_str()
                );
            }
            let keymap = Keymap::preset(preset);
            for context in Context::ALL {
                assert_eq!(keymap.shadowed(context), [], "{preset}");
            }
            for (context, text, action) in RESERVED {
                assert_eq!(
                    keymap.find(&[*context], &keys(text).0),
                    Found::Action(*action),
                    "{preset}: {text}"
                );
            }
            for action in Action::ALL {
                assert!(keymap.key_of(*action).is_some(), "{preset}: no key for {}", action.name());
            }
        }
    }

    #[test]
    fn no_preset_says_two_things_of_one_key() {
        for preset in Preset::ALL {
            let mut seen = std::collections::HashMap::new();
            for (context, text, action) in preset.own() {
                let before = seen.insert((context, keys(text)), action);
                assert!(before.is_none(), "{preset}: {text} twice in {}", context.as_str());
            }
        }
    }

    #[test]
    fn the_exact_context_comes_first() {
        let mut keymap = Keymap::default();
        keymap.bind(Context::Global, keys("f5"), Action::Redraw);
        keymap.bind(Context::Select, keys("f5"), Action::Reply);
        let contexts = [Context::Select, Context::Global];
        assert_eq!(keymap.find(&contexts, &keys("f5").0), Found::Action(Action::Reply));
        assert!(keymap.unbind(Context::Select, &keys("f5")));
        assert_eq!(keymap.find(&contexts, &keys("f5").0), Found::Action(Action::Redraw));
        assert_eq!(keymap.find(&contexts, &keys("f6").0), Found::Nothing);
    }

    #[test]
    fn sequences() {
        let keymap = Keymap::default();
        let contexts = [Context::Compose, Context::Global];
        assert_eq!(keymap.find(&contexts, &keys("ctrl-x").0), Found::Prefix);
        assert_eq!(keymap.find(&contexts, &keys("ctrl-x ctrl-e").0), Found::Action(Action::EditExternally));
        assert!(keymap.after(&contexts, &keys("ctrl-x").0).iter().any(|(_, a)| *a == Action::EditExternally));
    }
}
