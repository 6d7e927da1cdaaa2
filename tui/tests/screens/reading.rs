//! Reading: what counts as read, what is scrolled to, and what is found.

use crate::harness::{Script, arrives, arrives_from, script, seq};
use chat_shared::api::{Message, MessageKind};
use chat_tui::client::{Request, Update, Want};
use chat_tui::demo;
use chat_tui::event::Event;
use chat_tui::state::{Item, Overlay};

#[test]
fn looking_away_is_not_reading() {
    let mut script = script();
    let id = script.id("#general");
    script.requests();
    script.event(Event::Focus(false));
    arrives(&mut script, "are you there?");
    assert!(!script.requests().iter().any(|request| matches!(request, Request::Read(..))));
    assert_eq!(script.state.rooms.get(id).unwrap().unread, 1);
    assert!(script.shows("new messages"));
    script.event(Event::Focus(true));
    assert!(
        script.requests().iter().any(|request| matches!(request, Request::Read(other, _) if *other == id))
    );
    assert_eq!(script.state.rooms.get(id).unwrap().unread, 0);
}

/// Nobody moves the read mark over what they wrote themselves.
#[test]
fn the_line_stands_above_the_first_words_of_somebody_else() {
    let mut script = script();
    let id = script.id("#general");
    script.requests();
    let read = script.state.rooms.get(id).unwrap().read_seq;
    script.event(Event::Focus(false));
    arrives_from(&mut script, "alice", "my own words");
    arrives(&mut script, "are you there?");
    assert_eq!(script.state.place().unwrap().divider, Some(read));
    let screen = script.screen();
    let at = |text: &str| screen.find(text).unwrap_or_else(|| panic!("{text:?} is not in\n{screen}"));
    assert!(at("my own words") < at("new messages") && at("new messages") < at("are you there?"), "{screen}");
}

#[test]
fn scrolled_up_is_not_reading_and_the_view_does_not_move() {
    let mut script = script();
    script.press("<pageup>");
    script.requests();
    let area = chat_tui::layout::areas(&script.state).messages;
    let messages = |script: &Script| -> Vec<String> {
        let right = |line: &str| line.chars().skip(usize::from(area.x)).collect();
        script.screen().lines().skip(1).take(usize::from(area.height) - 1).map(right).collect()
    };
    let before = messages(&script);
    for number in 0..5 {
        arrives(&mut script, &format!("news {number}"));
    }
    assert_eq!(messages(&script), before);
    assert!(script.shows("↓ 5 new"), "{}", script.screen());
    assert!(!script.requests().iter().any(|request| matches!(request, Request::Read(..))));
    script.press("<alt-end>");
    assert!(script.shows("news 4"));
    assert!(script.requests().iter().any(|request| matches!(request, Request::Read(..))));
}

#[test]
fn what_is_new_above_the_view_is_pointed_at_until_it_has_been_seen() {
    let mut script = script();
    script.event(Event::Focus(false));
    for number in 0..40 {
        arrives(&mut script, &format!("news {number}"));
    }
    script.event(Event::Focus(true));
    assert!(script.shows("news 39") && !script.shows("news 0"));
    assert!(script.shows("↑ new (Alt-u)"), "{}", script.screen());
    script.press("<alt-u>");
    assert!(script.shows("─ new messages ─") && script.shows("news 0"), "{}", script.screen());
    script.press("<alt-end>");
    assert!(script.shows("news 39") && !script.shows("↑ new"), "{}", script.screen());
}

#[test]
fn marked_unread_stays_so_while_it_is_looked_at() {
    let mut script = script();
    script.press("<esc><up>u");
    let id = script.id("#general");
    assert!(script.requests().contains(&Request::MarkUnread(id, true)));
    script.wait(1_000);
    assert!(!script.requests().iter().any(|request| matches!(request, Request::Read(..))));
    assert!(script.shows("•"));
    script.press("<alt-2><alt-1>");
    assert!(
        script.requests().iter().any(|request| matches!(request, Request::Read(other, _) if *other == id))
    );
}

#[test]
fn older_messages_are_asked_for_before_they_are_needed_and_gaps_are_seen() {
    let mut script = Script::demo(80, 24);
    script.answers = false;
    let id = script.id("#random");
    script.press("<alt-3>");
    let text = |at: i64| Message { conversation_id: id, kind: MessageKind::Text, ..demo::message(at) };
    script.requests();
    script.tell(Update::Page {
        conversation: id,
        from: seq(500),
        to: seq(560),
        messages: (500..=560).map(text).collect(),
    });
    assert!(
        !script.requests().iter().any(|r| matches!(r, Request::Load(..))),
        "there is more than a page above"
    );
    script.press("<pageup><pageup>");
    let wanted = Request::Load(id, Want::Before(seq(500)));
    assert_eq!(script.requests().iter().filter(|request| **request == wanted).count(), 1);
    script.press("<pageup><pageup>");
    assert!(script.shows("loading older messages"), "{}", script.screen());
    script.tell(Update::Page {
        conversation: id,
        from: seq(0),
        to: seq(499),
        messages: (450..=499).map(text).collect(),
    });
    assert!(!script.shows("loading older messages"));
    assert!(script.shows("message 500"), "the view stays where it was:\n{}", script.screen());
}

#[test]
fn the_quoted_message_is_gone_to() {
    let mut script = script();
    script.press("/search looks right<enter>Q");
    assert_eq!(script.state.place().unwrap().selected, Some(Item::Message(seq(9))));
}

#[test]
fn what_was_searched_for_is_found_above() {
    let mut script = script();
    script.press("<ctrl-f>bob<enter>");
    assert_eq!(script.state.place().unwrap().selected, Some(Item::Message(seq(12))));
    script.press("n");
    assert_eq!(script.state.place().unwrap().selected, Some(Item::Message(seq(8))));
    script.press("nnN");
    assert!(script.state.is_selecting());
    script.press("<ctrl-f>no such words<enter>");
    assert!(script.note().contains("no match"), "{}", script.note());
}

#[test]
fn the_search_says_among_how_many_messages_it_looks() {
    let mut script = script();
    let held = script.state.place().unwrap().timeline.shown().count();
    assert!(held > 0);
    script.press("<ctrl-f>");
    let Some(Overlay::Question(question)) = script.state.overlays.last() else { panic!("no question") };
    assert_eq!(question.title, format!("Find among the {held} messages that are held here"));
}
