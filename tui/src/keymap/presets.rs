//! The bindings that the program comes with.

use crate::action::{Action, Context};
use Action as A;
use Context::{Compose, Global, List, Select};
use std::fmt;

/// A set of bindings with a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Preset {
    /// readline's line editing, Alt for going places.
    #[default]
    Default,
    /// The same, with Emacs' keys for moving, scrolling and leaving.
    Emacs,
    /// The same, with vi's keys in the selection.
    Vim,
}

/// A row of a preset: where, which keys, what they mean.
pub type Row = (Context, &'static str, Action);

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 3] = [Self::Default, Self::Emacs, Self::Vim];

    /// As the configuration names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Emacs => "emacs",
            Self::Vim => "vim",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// What it adds to the default; of the default itself all of it.
    pub fn own(self) -> Vec<Row> {
        match self {
            Self::Default => DEFAULT.to_vec(),
            Self::Emacs => EMACS.to_vec(),
            Self::Vim => VIM.to_vec(),
        }
    }

    /// All of it, later rows taking the place of earlier ones.
    pub fn bindings(self) -> Vec<Row> {
        let mut rows = DEFAULT.to_vec();
        if self != Self::Default {
            rows.extend(self.own());
        }
        rows
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const DEFAULT: &[Row] = &[
    (Global, "f1", A::Help),
    (Global, "alt-k", A::Switcher),
    (Global, "ctrl-p", A::Palette),
    (Global, "alt-a", A::NextUnread),
    (Global, "alt-u", A::FirstUnread),
    (Global, "alt-up", A::PreviousRoom),
    (Global, "alt-down", A::NextRoom),
    (Global, "alt-/", A::LastRoom),
    (Global, "alt-1", A::Room1),
    (Global, "alt-2", A::Room2),
    (Global, "alt-3", A::Room3),
    (Global, "alt-4", A::Room4),
    (Global, "alt-5", A::Room5),
    (Global, "alt-6", A::Room6),
    (Global, "alt-7", A::Room7),
    (Global, "alt-8", A::Room8),
    (Global, "alt-9", A::Room9),
    (Global, "pageup", A::PageUp),
    (Global, "pagedown", A::PageDown),
    (Global, "alt-home", A::ScrollTop),
    (Global, "alt-end", A::ScrollBottom),
    (Global, "alt-p", A::PreviousMention),
    (Global, "alt-n", A::NextMention),
    (Global, "f7", A::ToggleRooms),
    (Global, "f8", A::ToggleMembers),
    (Global, "alt-m", A::ToggleMouse),
    (Global, "ctrl-s", A::Select),
    (Global, "ctrl-f", A::Search),
    (Global, "alt-s", A::MarkUnread),
    (Global, "alt-r", A::Reconnect),
    (Global, "f2", A::Messages),
    (Global, "ctrl-l", A::Redraw),
    (Global, "ctrl-z", A::Suspend),
    (Global, "ctrl-q", A::Quit),
    (Global, "esc", A::Cancel),
    (Global, "ctrl-c", A::Interrupt),
    (Compose, "enter", A::Send),
    (Compose, "alt-enter", A::Newline),
    (Compose, "shift-enter", A::Newline),
    (Compose, "ctrl-j", A::Newline),
    (Compose, "tab", A::Complete),
    (Compose, "shift-tab", A::CompletePrevious),
    (Compose, "up", A::Up),
    (Compose, "down", A::Down),
    (Compose, "ctrl-r", A::HistorySearch),
    (Compose, "left", A::Left),
    (Compose, "ctrl-b", A::Left),
    (Compose, "right", A::Right),
    (Compose, "alt-b", A::WordLeft),
    (Compose, "ctrl-left", A::WordLeft),
    (Compose, "alt-left", A::WordLeft),
    (Compose, "alt-f", A::WordRight),
    (Compose, "ctrl-right", A::WordRight),
    (Compose, "alt-right", A::WordRight),
    (Compose, "ctrl-a", A::LineStart),
    (Compose, "home", A::LineStart),
    (Compose, "ctrl-e", A::LineEnd),
    (Compose, "end", A::LineEnd),
    (Compose, "backspace", A::DeleteBack),
    (Compose, "delete", A::DeleteForward),
    (Compose, "ctrl-d", A::DeleteForward),
    (Compose, "ctrl-k", A::KillToEnd),
    (Compose, "ctrl-u", A::KillToStart),
    (Compose, "ctrl-w", A::KillWordBack),
    (Compose, "alt-backspace", A::KillPartBack),
    (Compose, "alt-d", A::KillWordForward),
    (Compose, "ctrl-y", A::Yank),
    (Compose, "alt-y", A::YankPop),
    (Compose, "ctrl-t", A::Transpose),
    (Compose, "ctrl-_", A::Undo),
    (Compose, "ctrl-x ctrl-u", A::Undo),
    (Compose, "ctrl-x ctrl-r", A::Redo),
    (Compose, "ctrl-x ctrl-e", A::EditExternally),
    (Select, "up", A::SelectUp),
    (Select, "k", A::SelectUp),
    (Select, "down", A::SelectDown),
    (Select, "j", A::SelectDown),
    (Select, "g", A::SelectFirst),
    (Select, "home", A::SelectFirst),
    (Select, "G", A::SelectLast),
    (Select, "end", A::SelectLast),
    (Select, "enter", A::Verbs),
    (Select, "r", A::Reply),
    (Select, "+", A::React),
    (Select, "=", A::Agree),
    (Select, "e", A::EditMessage),
    (Select, "d", A::DeleteMessage),
    (Select, "y", A::CopyText),
    (Select, "Y", A::CopyLine),
    (Select, "o", A::OpenLink),
    (Select, "v", A::ViewMessage),
    (Select, "u", A::UnreadFromHere),
    (Select, ">", A::Quote),
    (Select, "Q", A::GoToQuoted),
    (Select, "R", A::RetrySend),
    (Select, "/", A::Search),
    (Select, "n", A::FindNext),
    (Select, "N", A::FindPrevious),
    (Select, "?", A::Help),
    (List, "up", A::ListUp),
    (List, "ctrl-p", A::ListUp),
    (List, "down", A::ListDown),
    (List, "ctrl-n", A::ListDown),
    (List, "tab", A::ListDown),
    (List, "shift-tab", A::ListUp),
    (List, "pageup", A::ListPageUp),
    (List, "pagedown", A::ListPageDown),
    (List, "enter", A::ListTake),
];

const EMACS: &[Row] = &[
    (Compose, "ctrl-p", A::Up),
    (Compose, "ctrl-n", A::Down),
    (Compose, "ctrl-f", A::Right),
    (Compose, "alt-<", A::ScrollTop),
    (Compose, "alt->", A::ScrollBottom),
    (Compose, "ctrl-v", A::PageDown),
    (Compose, "alt-v", A::PageUp),
    (Compose, "ctrl-/", A::Undo),
    (Compose, "ctrl-o", A::Newline),
    (Global, "ctrl-g", A::Cancel),
    (Global, "alt-x", A::Palette),
    (Global, "ctrl-x b", A::Switcher),
    (Global, "ctrl-x o", A::LastRoom),
    (Global, "ctrl-x ctrl-c", A::Quit),
    (Select, "p", A::SelectUp),
    (Select, "ctrl-p", A::SelectUp),
    (Select, "ctrl-n", A::SelectDown),
    (List, "ctrl-v", A::ListPageDown),
    (List, "alt-v", A::ListPageUp),
];

const VIM: &[Row] = &[
    (Select, "i", A::Cancel),
    (Select, "a", A::Cancel),
    (Select, "ctrl-u", A::PageUp),
    (Select, "ctrl-b", A::PageUp),
    (Select, "ctrl-d", A::PageDown),
    (Select, "ctrl-f", A::PageDown),
    (Select, "p", A::Quote),
    (Select, "x", A::DeleteMessage),
    (Select, "]", A::NextRoom),
    (Select, "[", A::PreviousRoom),
    (Global, "alt-j", A::NextRoom),
    (Global, "alt-h", A::LastRoom),
    (List, "ctrl-j", A::ListDown),
    (List, "ctrl-k", A::ListUp),
    (List, "ctrl-d", A::ListPageDown),
    (List, "ctrl-u", A::ListPageUp),
];
