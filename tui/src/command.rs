//! Slash commands: one table for parsing, completion, help and documentation.

use crate::text::near::nearest;
use chat_shared::api::{Level, Role, Visibility};

/// What an argument names, for completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A group of mine.
    MyGroup,
    /// Any public group.
    Group,
    /// Any user.
    User,
    /// A member of this conversation.
    Member,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Free text, to the end of the line.
    Text,
    /// An action's name or a command's.
    Topic,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// Without the slash.
    pub name: &'static str,
    /// Other names.
    pub aliases: &'static [&'static str],
    /// What follows the name, for people.
    pub usage: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What the arguments name.
    pub kinds: &'static [Kind],
    parse: fn(&str) -> Option<Command>,
}

/// A command that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Join a public group.
    Join(String),
    /// Leave this group.
    Leave,
    /// Make a group: name, visibility, topic.
    Create(String, Visibility, String),
    /// Open the direct with a user, and say something if there is a text.
    Msg(String, String),
    /// Say what I do.
    Me(String),
    /// Show or set the topic.
    Topic(Option<String>),
    /// Rename this group.
    Rename(String),
    /// Who can find this group.
    Visibility(Visibility),
    /// Add somebody.
    Invite(String),
    /// Remove somebody.
    Kick(String),
    /// Change what somebody may do.
    Role(String, Role),
    /// Delete this group.
    DeleteGroup,
    /// Be quiet for so many minutes; `None`: until unmuted.
    Mute(Option<u64>),
    /// No longer.
    Unmute,
    /// About what to be told.
    Level(Level),
    /// Mark this conversation unread.
    Unread,
    /// Find text among the messages that are held.
    Search(String),
    /// Reply to the newest message of somebody else.
    Reply(String),
    /// Edit my newest message; with a text, at once.
    Edit(Option<String>),
    /// Show or fold the members.
    Members,
    /// List groups.
    Groups(String),
    /// List users.
    Users(String),
    /// Show a user.
    Whois(String),
    /// Where I am logged in.
    Sessions,
    /// How I am called.
    Nick(String),
    /// What I am doing.
    Status(String),
    /// Change my password.
    Password,
    /// Colours.
    Theme(String),
    /// What is set, and where.
    Settings,
    /// Another server, or the form.
    Server(Option<String>),
    /// End this session.
    Logout,
    /// Go to a conversation.
    Go(String),
    /// Connect now.
    Reconnect,
    /// Help.
    Help(Option<String>),
    /// End.
    Quit,
}

/// Why a command was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no such command.
    #[error("there is no command /{name}{} A line that begins with a slash is sent with two: //{name}", hint(.nearest))]
    Unknown {
        /// As typed.
        name: String,
        /// What may have been meant.
        nearest: Option<&'static str>,
    },
    /// Its arguments are not as they should be.
    #[error("usage: /{name} {usage}")]
    Usage {
        /// Which.
        name: &'static str,
        /// What should follow.
        usage: &'static str,
    },
}

fn hint(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(|| ".".to_owned(), |name| format!(", did you mean /{name}?"))
}

const LEVELS: &[&str] = &["all", "mentions", "nothing"];
const ROLES: &[&str] = &["member", "moderator", "owner"];
const VISIBILITIES: &[&str] = &["public", "private"];
const THEMES: &[&str] = &["auto", "dark", "light", "contrast", "16", "none"];

fn word(rest: &str) -> Option<String> {
    let mut words = rest.split_whitespace();
    let (word, None) = (words.next()?, words.next()) else { return None };
    Some(word.to_owned())
}

fn handle(rest: &str) -> Option<String> {
    word(rest).map(|word| word.trim_start_matches(['#', '@']).to_lowercase()).filter(|word| !word.is_empty())
}

fn text(rest: &str) -> Option<String> {
    (!rest.trim().is_empty()).then(|| rest.trim_end().to_owned())
}

fn nothing(rest: &str, command: Command) -> Option<Command> {
    rest.trim().is_empty().then_some(command)
}

fn create(rest: &str) -> Option<Command> {
    let (name, rest) = split(rest);
    let (first, topic) = split(rest);
    let (visibility, topic) = match first {
        "private" => (Visibility::Private, topic),
        "public" => (Visibility::Public, topic),
        _ => (Visibility::Public, rest),
    };
    Some(Command::Create(handle(name)?, visibility, topic.trim().to_owned()))
}

fn mute(rest: &str) -> Option<Command> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Some(Command::Mute(None));
    }
    let digits = rest.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok().filter(|number| (1..=10_000).contains(number))?;
    let minutes = match &rest[digits.len()..] {
        "" | "m" | "min" => 1,
        "h" => 60,
        "d" => 24 * 60,
        "w" => 7 * 24 * 60,
        _ => return None,
    };
    Some(Command::Mute(Some(number * minutes)))
}

fn role(rest: &str) -> Option<Command> {
    let (name, role) = split(rest);
    Some(Command::Role(handle(name)?, Role::from_word(role.trim())?))
}

fn msg(rest: &str) -> Option<Command> {
    let (name, text) = split(rest);
    Some(Command::Msg(handle(name)?, text.trim().to_owned()))
}

/// The first word, and what follows the white space after it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    match text.find(char::is_whitespace) {
        Some(at) => (&text[..at], text[at..].trim_start()),
        None => (text, ""),
    }
}

macro_rules! commands {
    ($($name:literal $aliases:tt $usage:literal, $doc:literal, $kinds:expr, $parse:expr;)*) => {
        /// Every command, in the order of the help.
        pub const COMMANDS: &[Spec] = &[$(Spec {
            name: $name,
            aliases: &$aliases,
            usage: $usage,
            doc: $doc,
            kinds: &$kinds,
            parse: $parse,
        },)*];
    };
}

commands! {
    "join" ["j"] "#GROUP", "Join a public group.", [Kind::Group], |rest| Some(Command::Join(handle(rest)?));
    "leave" ["part"] "", "Leave this group.", [], |rest| nothing(rest, Command::Leave);
    "create" [] "#GROUP [private] [TOPIC…]", "Make a group; you own it.", [Kind::Text], create;
    "go" ["g"] "#GROUP|@USER", "Go to a conversation.", [Kind::MyGroup], |rest| Some(Command::Go(word(rest)?));
    "msg" ["query", "q", "dm"] "@USER [TEXT…]", "Talk to somebody in private.", [Kind::User, Kind::Text], msg;
    "me" [] "TEXT…", "Say what you do.", [Kind::Text], |rest| Some(Command::Me(text(rest)?));
    "reply" ["r"] "TEXT…", "Reply to the newest message of somebody else.", [Kind::Text], |rest| Some(Command::Reply(text(rest)?));
    "edit" [] "[TEXT…]", "Edit your newest message.", [Kind::Text], |rest| Some(Command::Edit(text(rest)));
    "search" ["find"] "TEXT…", "Find text among the messages that are held here.", [Kind::Text], |rest| Some(Command::Search(text(rest)?));
    "unread" [] "", "Mark this conversation unread.", [], |rest| nothing(rest, Command::Unread);
    "topic" [] "[TEXT…]", "Show or set the topic of this group.", [Kind::Text], |rest| Some(Command::Topic(text(rest)));
    "rename" [] "#NAME", "Rename this group.", [Kind::Text], |rest| Some(Command::Rename(handle(rest)?));
    "visibility" [] "public|private", "Who can find this group.", [Kind::Word(VISIBILITIES)], |rest| Some(Command::Visibility(Visibility::from_word(rest.trim())?));
    "members" ["names"] "", "Show or fold the members.", [], |rest| nothing(rest, Command::Members);
    "invite" ["add"] "@USER", "Add somebody to this group; they see all of its history.", [Kind::User], |rest| Some(Command::Invite(handle(rest)?));
    "kick" ["remove"] "@USER", "Remove somebody from this group.", [Kind::Member], |rest| Some(Command::Kick(handle(rest)?));
    "role" [] "@USER member|moderator|owner", "Change what a member may do.", [Kind::Member, Kind::Word(ROLES)], role;
    "delete-group" [] "", "Delete this group with all its messages.", [], |rest| nothing(rest, Command::DeleteGroup);
    "mute" [] "[30m|8h|2d]", "Tell nothing of this conversation for a while.", [Kind::Word(&["30m", "1h", "8h", "1d", "1w"])], mute;
    "unmute" [] "", "Tell of it again.", [], |rest| nothing(rest, Command::Unmute);
    "level" [] "all|mentions|nothing", "About what of this conversation to be told.", [Kind::Word(LEVELS)], |rest| Some(Command::Level(Level::from_word(rest.trim())?));
    "groups" ["list"] "[TEXT]", "List public groups.", [Kind::Text], |rest| Some(Command::Groups(rest.trim().to_owned()));
    "users" [] "[TEXT]", "List people.", [Kind::Text], |rest| Some(Command::Users(rest.trim().to_owned()));
    "whois" [] "@USER", "Show what is known of somebody.", [Kind::User], |rest| Some(Command::Whois(handle(rest)?));
    "nick" ["name"] "TEXT…", "Set how you are called beside your name.", [Kind::Text], |rest| Some(Command::Nick(text(rest)?));
    "status" [] "[TEXT…]", "Say what you are doing.", [Kind::Text], |rest| Some(Command::Status(rest.trim().to_owned()));
    "sessions" [] "", "Show where you are logged in, and end it there.", [], |rest| nothing(rest, Command::Sessions);
    "password" [] "", "Change your password.", [], |rest| nothing(rest, Command::Password);
    "theme" [] "auto|dark|light|contrast|16|none", "Change the colours until the end of the program.", [Kind::Word(THEMES)], |rest| Some(Command::Theme(word(rest)?));
    "settings" [] "", "Show what is set, and where.", [], |rest| nothing(rest, Command::Settings);
    "server" [] "[URL]", "Go to another server.", [Kind::Text], |rest| if rest.trim().is_empty() { Some(Command::Server(None)) } else { Some(Command::Server(Some(word(rest)?))) };
    "reconnect" [] "", "Connect now.", [], |rest| nothing(rest, Command::Reconnect);
    "logout" [] "", "End this session, here and at the server.", [], |rest| nothing(rest, Command::Logout);
    "help" ["?"] "[COMMAND]", "Show the keys and commands.", [Kind::Topic], |rest| Some(Command::Help(word(rest)));
    "quit" ["exit"] "", "End the program.", [], |rest| nothing(rest, Command::Quit);
}

/// What a line in the composer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// To be sent as it stands.
    Text(String),
    /// A command.
    Command(Command),
}

/// Is it a command, or a text that begins like a path? A command is one line whose slash is followed by a letter;
/// two slashes are one that is sent.
pub fn parse(line: &str) -> Result<Line, CommandError> {
    let Some(rest) = line.strip_prefix('/') else { return Ok(Line::Text(line.to_owned())) };
    if rest.starts_with('/') {
        return Ok(Line::Text(rest.to_owned()));
    }
    let (name, arguments) = split(rest);
    if rest.starts_with(char::is_whitespace) || name.is_empty() {
        return Ok(Line::Text(line.to_owned()));
    }
    let lower = name.to_lowercase();
    let Some(spec) = find(&lower) else {
        let names = COMMANDS.iter().map(|spec| spec.name);
        return Err(CommandError::Unknown { name: name.to_owned(), nearest: nearest(&lower, names) });
    };
    (spec.parse)(arguments)
        .map(Line::Command)
        .ok_or(CommandError::Usage { name: spec.name, usage: spec.usage })
}

/// A command by its name or alias.
pub fn find(name: &str) -> Option<&'static Spec> {
    COMMANDS.iter().find(|spec| spec.name == name || spec.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ok(line: &str) -> Line {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn lines_are_texts_or_commands() {
        for text in ["hello", " /join x", "/ not a command", "/", ""] {
            assert_eq!(ok(text), Line::Text(text.into()));
        }
        assert_eq!(ok("//shrug"), Line::Text("/shrug".into()));
        let table = [
            ("/join #Ops", Command::Join("ops".into())),
            ("/j ops", Command::Join("ops".into())),
            ("/LEAVE", Command::Leave),
            (
                "/create lab private what we do",
                Command::Create("lab".into(), Visibility::Private, "what we do".into()),
            ),
            (
                "/create #lab privateer talk",
                Command::Create("lab".into(), Visibility::Public, "privateer talk".into()),
            ),
            ("/msg @bob", Command::Msg("bob".into(), String::new())),
            ("/msg bob  two words ", Command::Msg("bob".into(), "two words".into())),
            ("/me waves", Command::Me("waves".into())),
            ("/topic", Command::Topic(None)),
            ("/topic what it is", Command::Topic(Some("what it is".into()))),
            ("/role @bob moderator", Command::Role("bob".into(), Role::Moderator)),
            ("/mute", Command::Mute(None)),
            ("/mute 8h", Command::Mute(Some(480))),
            ("/mute 15", Command::Mute(Some(15))),
            ("/level mentions", Command::Level(Level::Mentions)),
            ("/edit", Command::Edit(None)),
            ("/server", Command::Server(None)),
            ("/server https://a.example", Command::Server(Some("https://a.example".into()))),
            ("/help join", Command::Help(Some("join".into()))),
            ("/?", Command::Help(None)),
            ("/quit", Command::Quit),
        ];
        for (line, command) in table {
            assert_eq!(ok(line), Line::Command(command), "{line}");
        }
    }

    #[test]
    fn mistakes_are_told_with_what_was_meant() {
        let table = [
            ("/jion x", "there is no command /jion, did you mean /join? A line that begins"),
            ("/sesions", "there is no command /sesions, did you mean /sessions?"),
            (
                "/usr/local/bin",
                "there is no command /usr/local/bin. A line that begins with a slash is sent with two: //usr",
            ),
            ("/join", "usage: /join #GROUP"),
            ("/join a b", "usage: /join #GROUP"),
            ("/leave now", "usage: /leave"),
            ("/role bob king", "usage: /role @USER member|moderator|owner"),
            ("/mute 5y", "usage: /mute [30m|8h|2d]"),
            ("/kick @", "usage: /kick @USER"),
        ];
        for (line, expected) in table {
            let error = parse(line).expect_err(line).to_string();
            assert!(error.starts_with(expected), "{line}: {error}");
        }
    }

    #[test]
    fn names_are_unique_and_every_command_has_a_sentence() {
        let mut seen = std::collections::HashSet::new();
        for spec in COMMANDS {
            assert!(spec.doc.ends_with('.'), "{}", spec.name);
            for name in [spec.name].iter().chain(spec.aliases) {
                assert!(seen.insert(*name), "{name} twice");
            }
        }
    }
}
