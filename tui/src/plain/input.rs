//! What a typed line means.

use crate::oneshot::Target;
use chat_shared::Seq;
use chat_shared::text::MessageBody;

/// Messages that `/history` shows when it is not told how many.
const HISTORY: usize = 20;
/// And at the most.
const HISTORY_MAX: usize = 1_000;

/// What is told by `/help`.
pub(super) const HELP: &str = "\
Text goes to the current conversation; // sends a line that begins with a slash.
/to #group|@user   where the text goes from now on
/rooms             your conversations, with what is unread
/history [N]       the newest messages, with their numbers
/reply NUMBER TEXT answers a message
/quit              ends; what waits is sent the next time. The end of the input ends it too,
                   as soon as everything is sent
/help              this";

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// There was nothing in it.
    Nothing,
    /// A message, perhaps an answer to another.
    Say(MessageBody, Option<Seq>),
    /// Where to go.
    To(Target),
    /// What there is.
    Rooms,
    /// What was said.
    History(usize),
    /// The end.
    Quit,
    /// What can be typed.
    Help,
}

/// Reads a line; the error is a sentence for whoever typed it.
pub(super) fn parse(line: &str) -> Result<Input, String> {
    let line = line.trim_end_matches(['\n', '\r']);
    let Some(command) = line.strip_prefix('/') else {
        if line.trim().is_empty() {
            return Ok(Input::Nothing);
        }
        return say(line, None);
    };
    if command.starts_with('/') {
        return say(command, None);
    }
    let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
    let rest = rest.trim();
    match name {
        "to" => {
            Target::parse(rest).map(Input::To).map_err(|_| "say where: /to #group or /to @user".to_owned())
        }
        "rooms" => Ok(Input::Rooms),
        "history" if rest.is_empty() => Ok(Input::History(HISTORY)),
        "history" => match rest.parse() {
            Ok(n) if (1..=HISTORY_MAX).contains(&n) => Ok(Input::History(n)),
            _ => Err(format!("say how many: /history 1 to {HISTORY_MAX}")),
        },
        "reply" => {
            let (seq, text) = rest.split_once(' ').unwrap_or((rest, ""));
            match seq.parse() {
                Ok(seq) if seq > Seq::MIN && !text.trim().is_empty() => say(text, Some(seq)),
                _ => Err("say to what: /reply NUMBER TEXT".to_owned()),
            }
        }
        "quit" => Ok(Input::Quit),
        "help" => Ok(Input::Help),
        _ => Err(format!("there is no command /{name}. /help tells what there is; // sends a slash")),
    }
}

fn say(text: &str, reply_to: Option<Seq>) -> Result<Input, String> {
    match MessageBody::new(text) {
        Ok(body) => Ok(Input::Say(body, reply_to)),
        Err(error) => Err(format!("the text {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text = |text: &str| Ok(Input::Say(MessageBody::new(text).unwrap(), None));
        let table = [
            ("", Ok(Input::Nothing)),
            ("  \r\n", Ok(Input::Nothing)),
            ("hello there\n", text("hello there")),
            (" indented", text(" indented")),
            ("//etc/hosts", text("/etc/hosts")),
            ("/to #lab", Ok(Input::To(Target::Group("lab".into())))),
            ("/to  @Bob ", Ok(Input::To(Target::User("bob".into())))),
            ("/rooms", Ok(Input::Rooms)),
            ("/history", Ok(Input::History(HISTORY))),
            ("/history 7", Ok(Input::History(7))),
            ("/quit", Ok(Input::Quit)),
            ("/help", Ok(Input::Help)),
            (
                "/reply 12 yes, two",
                Ok(Input::Say(MessageBody::new("yes, two").unwrap(), Some(Seq::new(12).unwrap()))),
            ),
        ];
        for (line, expected) in table {
            assert_eq!(parse(line), expected, "{line:?}");
        }
        for wrong in [
            "/to",
            "/to lab",
            "/history x",
            "/history 0",
            "/reply",
            "/reply 3",
            "/reply x y",
            "/",
            "/nope",
            "a\0b",
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
