//! Everything the full-screen client can be asked to do, in one table: the keymap, the help, the
//! palette, the footer's hints, the configuration and the documentation are all made from it.

use crate::editor::Edit;

/// Where a key means an action. The more exact context is asked first, [`Context::Global`] last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// Everywhere.
    Global,
    /// While text is written.
    Compose,
    /// While a message is selected.
    Select,
    /// In a list that lies over the screen.
    List,
}

impl Context {
    /// Every context, in the order of the help.
    pub const ALL: [Self; 4] = [Self::Global, Self::Compose, Self::Select, Self::List];

    /// As the configuration names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Compose => "compose",
            Self::Select => "select",
            Self::List => "list",
        }
    }

    /// As the help heads it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Global => "Everywhere",
            Self::Compose => "While writing",
            Self::Select => "With a message selected",
            Self::List => "In lists",
        }
    }

    /// From its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|context| context.as_str() == name)
    }
}

macro_rules! actions {
    ($($context:ident { $($variant:ident = $name:literal, $short:literal, $doc:literal;)* })*) => {
        /// An intent with a name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action { $($(#[doc = $doc] $variant,)*)* }

        impl Action {
            /// Every action, in the order of the help.
            pub const ALL: &'static [Self] = &[$($(Self::$variant,)*)*];

            /// As the configuration names it.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$variant => $name,)*)* }
            }

            /// A word or two for the footer and the popup of keys.
            pub const fn short(self) -> &'static str {
                match self { $($(Self::$variant => $short,)*)* }
            }

            /// A sentence for the help.
            pub const fn doc(self) -> &'static str {
                match self { $($(Self::$variant => $doc,)*)* }
            }

            /// Where it belongs.
            pub const fn context(self) -> Context {
                match self { $($(Self::$variant => Context::$context,)*)* }
            }

            /// From its name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|action| action.name() == name)
            }
        }
    };
}

actions! {
    Global {
        Help = "help", "help", "Show the keys and commands.";
        Switcher = "switcher", "go to", "Go to a conversation or a person by a few letters.";
        Palette = "palette", "all actions", "Find any action or command by a few letters.";
        NextUnread = "next-unread", "next unread", "Go to the next unread conversation: mentions, then people, then groups.";
        FirstUnread = "first-unread", "first unread", "Go to the first unread message here.";
        PreviousRoom = "previous-room", "previous", "Go to the conversation above.";
        NextRoom = "next-room", "next", "Go to the conversation below.";
        LastRoom = "last-room", "back", "Go back to the conversation before this one.";
        Room1 = "room-1", "1st", "Go to the 1st conversation.";
        Room2 = "room-2", "2nd", "Go to the 2nd conversation.";
        Room3 = "room-3", "3rd", "Go to the 3rd conversation.";
        Room4 = "room-4", "4th", "Go to the 4th conversation.";
        Room5 = "room-5", "5th", "Go to the 5th conversation.";
        Room6 = "room-6", "6th", "Go to the 6th conversation.";
        Room7 = "room-7", "7th", "Go to the 7th conversation.";
        Room8 = "room-8", "8th", "Go to the 8th conversation.";
        Room9 = "room-9", "9th", "Go to the 9th conversation.";
        PageUp = "page-up", "page up", "Scroll up.";
        PageDown = "page-down", "page down", "Scroll down.";
        ScrollTop = "scroll-top", "to the top", "Go to the oldest message that is held, then to the beginning.";
        ScrollBottom = "scroll-bottom", "to the end", "Go to the newest message.";
        PreviousMention = "previous-mention", "mention above", "Go to the mention of you before this place.";
        NextMention = "next-mention", "mention below", "Go to the mention of you after this place.";
        ToggleRooms = "toggle-rooms", "rooms", "Show or fold the list of conversations.";
        ToggleMembers = "toggle-members", "members", "Show or fold the list of members.";
        ToggleMouse = "toggle-mouse", "mouse", "Let the program or the terminal have the mouse.";
        Select = "select", "select", "Select a message.";
        Search = "search", "search", "Find text among the messages that are held here.";
        MarkUnread = "mark-unread", "mark unread", "Mark this conversation unread.";
        Reconnect = "reconnect", "reconnect", "Try to connect now.";
        Messages = "messages", "notes", "Show what the program had to say.";
        Redraw = "redraw", "redraw", "Draw everything again.";
        Suspend = "suspend", "suspend", "Stop the program; `fg` brings it back.";
        Quit = "quit", "quit", "End the program.";
        Cancel = "cancel", "back", "Take back one layer: popup, reply or edit, selection, scrolling.";
        Interrupt = "interrupt", "clear", "Clear the line; on an empty one ask whether to quit.";
    }
    Compose {
        Send = "send", "send", "Send the message, or run the command.";
        Newline = "newline", "newline", "Begin a new line.";
        Complete = "complete", "complete", "Take the completion, or go to the next.";
        CompletePrevious = "complete-previous", "previous", "Go to the completion before.";
        Up = "up", "up", "Up a line; at the first: edit your last message (empty line), or your earlier inputs.";
        Down = "down", "down", "Down a line; at the last: your later inputs.";
        HistorySearch = "history-search", "history", "Find an earlier input.";
        Left = "left", "left", "One character to the left.";
        Right = "right", "right", "One character to the right.";
        WordLeft = "word-left", "word left", "One word to the left.";
        WordRight = "word-right", "word right", "One word to the right.";
        LineStart = "line-start", "line start", "To the start of the line.";
        LineEnd = "line-end", "line end", "To the end of the line.";
        DeleteBack = "delete-back", "delete", "Delete the character before the cursor.";
        DeleteForward = "delete-forward", "delete", "Delete the character at the cursor.";
        KillToEnd = "kill-to-end", "cut to end", "Cut to the end of the line.";
        KillToStart = "kill-to-start", "cut to start", "Cut to the start of the line.";
        KillWordBack = "kill-word-back", "cut word", "Cut back to white space.";
        KillPartBack = "kill-part-back", "cut word", "Cut the word before the cursor.";
        KillWordForward = "kill-word-forward", "cut word", "Cut the word after the cursor.";
        Yank = "yank", "paste cut", "Insert what was cut.";
        YankPop = "yank-pop", "older cut", "Replace what was inserted by what was cut before.";
        Transpose = "transpose", "swap", "Swap the two characters before the cursor.";
        Undo = "undo", "undo", "Undo.";
        Redo = "redo", "redo", "Do again what was undone.";
        EditExternally = "edit-externally", "$EDITOR", "Write in $EDITOR.";
    }
    Select {
        SelectUp = "select-up", "up", "The message above.";
        SelectDown = "select-down", "down", "The message below.";
        SelectFirst = "select-first", "first", "The first message that is held.";
        SelectLast = "select-last", "last", "The newest message.";
        Verbs = "verbs", "all", "List what can be done with the message.";
        Reply = "reply", "reply", "Reply to it.";
        React = "react", "react", "Choose a reaction; again takes it back.";
        Agree = "agree", "👍", "React with a thumb up; again takes it back.";
        EditMessage = "edit", "edit", "Edit your message.";
        DeleteMessage = "delete", "delete", "Delete it.";
        CopyText = "copy", "copy", "Copy its text to the clipboard (OSC 52).";
        CopyLine = "copy-line", "copy line", "Copy it with time and name.";
        OpenLink = "open-link", "open link", "Open a link in it.";
        ViewMessage = "view", "view", "Show all there is about it: times, reactions, earlier texts, replies.";
        UnreadFromHere = "unread-from-here", "unread", "Mark unread from here.";
        Quote = "quote", "quote", "Quote it in the line.";
        GoToQuoted = "go-to-quoted", "to quoted", "Go to the message that it answers.";
        RetrySend = "retry", "try again", "Send the failed message again.";
        FindNext = "find-next", "next match", "The next message that was searched for.";
        FindPrevious = "find-previous", "previous match", "The one before.";
    }
    List {
        ListUp = "list-up", "up", "One up.";
        ListDown = "list-down", "down", "One down.";
        ListPageUp = "list-page-up", "page up", "A page up.";
        ListPageDown = "list-page-down", "page down", "A page down.";
        ListTake = "list-take", "take", "Take this one.";
    }
}

impl Action {
    /// The action that goes to the conversation at this place, from 1.
    pub fn room(number: usize) -> Option<Self> {
        const ROOMS: [Action; 9] = [
            Action::Room1,
            Action::Room2,
            Action::Room3,
            Action::Room4,
            Action::Room5,
            Action::Room6,
            Action::Room7,
            Action::Room8,
            Action::Room9,
        ];
        ROOMS.get(number.checked_sub(1)?).copied()
    }

    /// What it does to a text that is being written, wherever that is: the line, the form, a list's filter.
    pub fn edit(self) -> Option<Edit> {
        Some(match self {
            Self::Newline => Edit::Newline,
            Self::Left => Edit::Left,
            Self::Right => Edit::Right,
            Self::WordLeft => Edit::WordLeft,
            Self::WordRight => Edit::WordRight,
            Self::LineStart => Edit::LineStart,
            Self::LineEnd => Edit::LineEnd,
            Self::DeleteBack => Edit::DeleteBack,
            Self::DeleteForward => Edit::DeleteForward,
            Self::KillToEnd => Edit::KillToEnd,
            Self::KillToStart => Edit::KillToStart,
            Self::KillWordBack => Edit::KillWordBack,
            Self::KillPartBack => Edit::KillWordBackAlt,
            Self::KillWordForward => Edit::KillWordForward,
            Self::Yank => Edit::Yank,
            Self::YankPop => Edit::YankPop,
            Self::Transpose => Edit::Transpose,
            Self::Undo => Edit::Undo,
            Self::Redo => Edit::Redo,
            _ => return None,
        })
    }

    /// The place of the conversation that it goes to, from 1.
    pub fn room_number(self) -> Option<usize> {
        (1..=9).find(|number| Self::room(*number) == Some(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_documented() {
        let mut names = HashSet::new();
        for action in Action::ALL {
            assert!(names.insert(action.name()), "{} twice", action.name());
            assert!(action.doc().ends_with('.') && !action.short().is_empty(), "{}", action.name());
            assert_eq!(Action::from_name(action.name()), Some(*action));
        }
    }

    #[test]
    fn rooms_have_numbers() {
        assert_eq!(Action::room(9).and_then(Action::room_number), Some(9));
        assert_eq!((Action::room(0), Action::room(10)), (None, None));
    }
}
