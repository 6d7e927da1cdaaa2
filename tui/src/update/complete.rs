//! What the word at the cursor may become: `@user`, `#group`, `:emoji:`, `/command` and its arguments.

use super::is_online;
use crate::action::Action;
use crate::client::Call;
use crate::command::{COMMANDS, Kind, find};
use crate::editor::Edit;
use crate::effect::Effect;
use crate::emoji;
use crate::state::{Candidate, Completion, Errand, State};
use chat_shared::api::ConversationKind;
use std::collections::BTreeMap;
use std::ops::Range;

/// Candidates that are kept: more nobody reads.
const CANDIDATES_MAX: usize = 40;
/// Letters after `:` before the popup comes: `:)` is no emoji's name.
const EMOJI_FROM: usize = 2;

/// Looks again at the word before the cursor.
pub(super) fn refresh(state: &mut State, out: &mut Vec<Effect>) {
    state.completion = found(state, out, false);
}

/// Tab on a word without a popup.
pub(super) fn begin(state: &mut State, out: &mut Vec<Effect>) {
    state.completion = found(state, out, true);
    if let Some(completion) = &state.completion {
        if completion.candidates.len() == 1 {
            take(state, 0);
        } else {
            choose(state, 0);
        }
    }
}

/// Does the popup take this action? It takes only the keys that it shows.
pub(super) fn run(state: &mut State, action: Action) -> bool {
    let Some(completion) = &state.completion else { return false };
    let count = completion.candidates.len();
    let chosen = completion.chosen;
    match action {
        Action::Complete if count == 1 => take(state, 0),
        Action::Complete | Action::Down => choose(state, chosen.map_or(0, |at| (at + 1) % count)),
        Action::CompletePrevious => choose(state, chosen.map_or(count - 1, |at| (at + count - 1) % count)),
        Action::Up => choose(state, chosen.map_or(count - 1, |at| (at + count - 1) % count)),
        Action::Send => match chosen {
            Some(at) => take(state, at),
            None => return false,
        },
        _ => return false,
    }
    true
}

/// Shows the candidate in the line; the popup stays to go on.
fn choose(state: &mut State, at: usize) {
    let Some(mut completion) = state.completion.take() else { return };
    let Some(place) = state.place_mut() else { return };
    if let Some(candidate) = completion.candidates.get(at) {
        place.editor.replace(completion.range.clone(), &candidate.insert);
        completion.range.end = completion.range.start + candidate.insert.len();
        completion.chosen = Some(at);
        state.completion = Some(completion);
    }
}

/// Takes the candidate and a space.
fn take(state: &mut State, at: usize) {
    let Some(completion) = state.completion.take() else { return };
    let Some(place) = state.place_mut() else { return };
    if let Some(candidate) = completion.candidates.get(at) {
        place.editor.replace(completion.range, &candidate.insert);
        let next = place.editor.text()[place.editor.cursor()..].chars().next();
        if next.is_none_or(|c| !c.is_whitespace()) {
            place.editor.apply(Edit::Insert(' '));
        }
    }
}

fn found(state: &mut State, out: &mut Vec<Effect>, asked: bool) -> Option<Completion> {
    let place = state.place()?;
    let (range, word) = place.editor.word_at_cursor();
    let word = word.to_owned();
    let text = place.editor.text().to_owned();
    let candidates = match argument(&text, range.start) {
        Some(Kind::Topic) if range.start > 0 => words(COMMANDS.iter().map(|spec| spec.name), &word),
        Some(Kind::Word(list)) if asked || !word.is_empty() => words(list.iter().copied(), &word),
        Some(Kind::User) => people(state, word.trim_start_matches('@'), out),
        Some(Kind::Member) => members(state, word.trim_start_matches('@'), out),
        Some(Kind::Group | Kind::MyGroup) => groups(state, word.trim_start_matches('#'), out),
        _ if range.start == 0 && word.starts_with('/') && !word.starts_with("//") => commands(&word[1..]),
        _ => match word.chars().next() {
            Some('@') => members(state, &word[1..], out),
            Some('#') => groups(state, &word[1..], out),
            Some(':') if asked || word.chars().count() > EMOJI_FROM => emojis(&word[1..]),
            _ => Vec::new(),
        },
    };
    completion(range, &word, candidates)
}

fn completion(range: Range<usize>, word: &str, mut candidates: Vec<Candidate>) -> Option<Completion> {
    candidates.truncate(CANDIDATES_MAX);
    // A word that is complete already needs no popup.
    let complete = candidates.len() == 1 && candidates.first().is_some_and(|one| one.insert == word);
    (!candidates.is_empty() && !complete).then_some(Completion { range, candidates, chosen: None })
}

/// What the argument that begins here names, if the text is a command.
fn argument(text: &str, start: usize) -> Option<Kind> {
    let before = text.get(..start)?.strip_prefix('/')?;
    let mut words = before.split_whitespace();
    let spec = find(&words.next()?.to_lowercase())?;
    let index = words.count();
    spec.kinds.get(index).copied()
}

fn words<'a>(list: impl Iterator<Item = &'a str>, word: &str) -> Vec<Candidate> {
    list.filter(|one| one.starts_with(word))
        .map(|one| Candidate { insert: one.into(), label: one.into(), detail: String::new() })
        .collect()
}

fn commands(word: &str) -> Vec<Candidate> {
    let word = word.to_lowercase();
    COMMANDS
        .iter()
        .filter(|spec| spec.name.starts_with(&word) || spec.aliases.iter().any(|alias| *alias == word))
        .map(|spec| Candidate {
            insert: format!("/{}", spec.name),
            label: format!("/{} {}", spec.name, spec.usage).trim_end().to_owned(),
            detail: spec.doc.to_owned(),
        })
        .collect()
}

fn emojis(word: &str) -> Vec<Candidate> {
    emoji::beginning(&word.to_lowercase())
        .take(CANDIDATES_MAX)
        .map(|(emoji, name)| Candidate {
            insert: emoji.into(),
            label: format!("{emoji} :{name}:"),
            detail: String::new(),
        })
        .collect()
}

fn person(name: &str, display: &str) -> Candidate {
    let detail = if display == name { String::new() } else { display.to_owned() };
    Candidate { insert: format!("@{name}"), label: format!("@{name}"), detail }
}

/// Those who are in this conversation, the ones who wrote last first; then everybody.
fn members(state: &mut State, word: &str, out: &mut Vec<Effect>) -> Vec<Candidate> {
    let word = word.to_lowercase();
    let Some(conversation) = state.conversation() else { return Vec::new() };
    let (id, is_group) = (conversation.id, conversation.kind == ConversationKind::Group);
    let mut all = Vec::new();
    let mut seen = std::collections::HashSet::new();
    if let Some(place) = state.place() {
        let wrote = place
            .timeline
            .shown()
            .rev()
            .map(|m| (m.sender.username.to_string(), m.sender.display_name.clone()));
        let members = place
            .members
            .iter()
            .flatten()
            .map(|m| (m.user.username.to_string(), m.user.display_name.clone()));
        for (name, display) in wrote.chain(members) {
            if name.starts_with(&word) && name != state.me && seen.insert(name.clone()) {
                all.push(person(&name, &display));
            }
        }
    }
    if is_group && "here".starts_with(&word) {
        all.push(Candidate {
            insert: "@here".into(),
            label: "@here".into(),
            detail: "everybody who is online".into(),
        });
    }
    let asked = state.place().is_some_and(|place| place.asked_members);
    if is_group && !asked && is_online(state) {
        state.place_of(id).asked_members = true;
        out.push(state.errand(Call::Members(id), Errand::Members));
    }
    all
}

/// Everybody I have heard of.
fn people(state: &mut State, word: &str, out: &mut Vec<Effect>) -> Vec<Candidate> {
    let word = word.to_lowercase();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for conversation in state.rooms.iter() {
        if let Some(peer) = &conversation.peer {
            all.insert(peer.username.to_string(), peer.display_name.clone());
        }
    }
    for user in &state.people {
        all.insert(user.username.to_string(), user.display_name.clone());
    }
    if state.people.is_empty()
        && is_online(state)
        && !state.errands.values().any(|errand| *errand == Errand::Learn)
    {
        out.push(state.errand(Call::Users(word.clone()), Errand::Learn));
    }
    let me = state.me.clone();
    let matching = all.into_iter().filter(|(name, _)| name.starts_with(&word) && *name != me);
    matching.map(|(name, display)| person(&name, &display)).collect()
}

/// My groups, and the public ones.
fn groups(state: &mut State, word: &str, out: &mut Vec<Effect>) -> Vec<Candidate> {
    let word = word.to_lowercase();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for group in &state.groups {
        all.insert(group.name.to_string(), group.topic.clone());
    }
    for conversation in state.rooms.iter() {
        if let Some(name) = &conversation.name {
            all.insert(name.to_string(), conversation.topic.clone().unwrap_or_default());
        }
    }
    if state.groups.is_empty()
        && is_online(state)
        && !state.errands.values().any(|errand| *errand == Errand::Learn)
    {
        out.push(state.errand(Call::Groups(String::new()), Errand::Learn));
    }
    all.into_iter()
        .filter(|(name, _)| name.starts_with(&word))
        .map(|(name, topic)| Candidate {
            insert: format!("#{name}"),
            label: format!("#{name}"),
            detail: topic,
        })
        .collect()
}
