//! What keys do.

use crate::harness::{Script, arrives, rev, script, seq};
use chat_tui::client::{Connection, Request, Update};
use chat_tui::demo;
use chat_tui::effect::Effect;
use chat_tui::event::Event;
use chat_tui::state::{Overlay, Scroll};

#[test]
fn a_line_is_sent_and_remembered() {
    let mut script = script();
    script.press("hello  there<enter>");
    assert!(script.shows("hello  there"));
    assert_eq!(script.line(), "");
    assert!(
        script
            .effects
            .iter()
            .any(|e| matches!(e, Effect::Send { body, .. } if body.as_str() == "hello  there"))
    );
    assert!(
        script.requests().iter().any(|r| matches!(r, Request::Remember(_, line) if line == "hello  there"))
    );
}

#[test]
fn slash_commands_are_never_sent_as_text() {
    let mut script = script();
    script.press("/jion lab<enter>");
    assert_eq!(script.line(), "/jion lab");
    assert!(script.note().contains("did you mean /join?"), "{}", script.note());
    assert!(!script.effects.iter().any(|effect| matches!(effect, Effect::Send { .. })));
    script.press("<ctrl-u>//slash<enter>");
    assert!(
        script.effects.iter().any(|e| matches!(e, Effect::Send { body, .. } if body.as_str() == "/slash"))
    );
}

#[test]
fn escape_takes_back_one_layer_and_never_text() {
    let mut script = script();
    script.press("<pageup><esc>");
    assert_eq!(script.state.place().unwrap().scroll, Scroll::Bottom);
    script.press("<esc><up>rtext<ctrl-s><f1>");
    assert!(matches!(script.state.overlays.last(), Some(Overlay::List(_))));
    script.press("<esc>");
    assert!(script.state.overlays.is_empty() && script.state.is_selecting());
    script.press("<esc>");
    assert!(!script.state.is_selecting());
    assert!(script.state.place().unwrap().reply_to.is_some());
    script.press("<esc>");
    assert!(script.state.place().unwrap().reply_to.is_none());
    assert_eq!(script.line(), "text");
    script.press("<esc><esc>");
    assert_eq!(script.line(), "text");
    assert!(!script.effects.contains(&Effect::Quit));
}

#[test]
fn control_c_clears_the_line_then_asks() {
    let mut script = script();
    script.press("some text<ctrl-c>");
    assert_eq!(script.line(), "");
    script.press("<ctrl-_>");
    assert_eq!(script.line(), "some text");
    script.press("<ctrl-c><ctrl-c>");
    assert!(matches!(script.state.overlays.last(), Some(Overlay::Confirm(_))));
    script.press("n");
    assert!(script.state.overlays.is_empty() && !script.effects.contains(&Effect::Quit));
    script.press("<ctrl-c>y");
    assert!(script.effects.contains(&Effect::Quit));
}

#[test]
fn up_in_an_empty_line_edits_my_last_message() {
    let mut script = script();
    script.press("first version<enter><up>");
    assert_eq!(script.line(), "first version");
    script.press("<ctrl-u>second version<enter>");
    assert!(script.shows("second version (edited)"), "{}", script.screen());
    assert!(!script.shows("first version"));
    script.press("<up>");
    script.press("<esc>");
    assert_eq!(script.line(), "");
}

#[test]
fn editing_puts_what_was_written_aside() {
    let mut script = script();
    script.press("mine<enter>half a sentence<ctrl-s>e");
    assert_eq!(script.line(), "mine");
    script.press("!<enter>");
    assert_eq!(script.line(), "half a sentence");
}

#[test]
fn earlier_inputs_come_back() {
    let mut script = script();
    script.press("one<enter>two<enter>draft<up>");
    assert_eq!(script.line(), "two");
    script.press("<up>");
    assert_eq!(script.line(), "one");
    script.press("<down><down>");
    assert_eq!(script.line(), "draft");
}

#[test]
fn drafts_belong_to_their_conversation_and_are_kept() {
    let mut script = script();
    script.press("for general");
    script.requests();
    script.press("<alt-down>");
    let id = script.id("#general");
    let saved = script.requests();
    assert!(saved.iter().any(
        |r| matches!(r, Request::SaveDraft(other, draft) if *other == id && draft.text == "for general")
    ));
    assert_eq!((script.open().as_str(), script.line().as_str()), ("#ops", "I would rather clean up first"));
    script.press("<alt-/>");
    assert_eq!(script.line(), "for general");
}

#[test]
fn a_draft_is_kept_soon_after_the_last_key() {
    let mut script = script();
    script.press("abc");
    script.requests();
    script.wait(300);
    assert_eq!(script.requests(), []);
    assert_eq!(script.state.next_tick().map(|at| at > script.state.now), Some(true));
    script.wait(500);
    assert!(matches!(script.requests().as_slice(), [Request::SaveDraft(_, draft)] if draft.text == "abc"));
}

#[test]
fn rooms_are_reached_by_number_order_and_need() {
    let mut script = script();
    for (keys, room) in [
        ("<alt-2>", "#ops"),
        ("<alt-down>", "#random"),
        ("<alt-up>", "#ops"),
        ("<alt-/>", "#random"),
        ("<alt-1>", "#general"),
        ("<alt-up>", "@yuki"),
        ("<alt-down>", "#general"),
        ("<alt-k>ran<enter>", "#random"),
        ("/go @bob<enter>", "@bob"),
    ] {
        script.press(keys);
        assert_eq!(script.open(), room, "{keys}");
    }
    let mut script = self::script();
    script.press("<alt-a>");
    assert_eq!(script.open(), "#ops", "a mention comes first");
    script.press("<alt-a>");
    assert_eq!(script.open(), "@yuki", "then a person");
    script.press("<alt-a>");
    assert_eq!(script.open(), "@yuki", "a muted group does not ask");
    assert!(script.note().contains("nothing is unread"));
}

#[test]
fn reactions_are_added_and_taken_back() {
    let mut script = script();
    script.press("<esc>=");
    assert!(script.shows("👍 1"));
    script.press("=");
    assert!(!script.shows("👍 1"));
    script.press("+tada<enter>");
    assert!(script.shows("🎉 1"), "{}", script.screen());
}

#[test]
fn what_is_named_in_full_is_found_before_what_resembles_it() {
    for (name, emoji) in [("heart", "❤️ 1"), ("x", "❌ 1"), ("eyes", "👀 1")] {
        let mut script = script();
        script.press("hi<enter><esc>+").press(name).press("<enter>");
        assert!(script.shows(emoji), "{name}: {}", script.screen());
    }
}

#[test]
fn only_what_can_be_done_with_a_message_is_offered() {
    let offered = |script: &mut Script| {
        script.press("<enter>");
        let Some(Overlay::List(list)) = script.state.overlays.last() else { panic!("no list") };
        let rows: Vec<String> = list.rows.iter().map(|row| row.detail.clone()).collect();
        script.press("<esc>");
        rows.concat()
    };
    let mut script = Script::demo(120, 36);
    arrives(&mut script, "look: https://example.org/");
    let id = script.id("#general");
    let mut conversation = script.state.rooms.get(id).unwrap().clone();
    conversation.role = chat_shared::api::Role::Member;
    script.tell(Update::Conversation(Box::new(conversation)));
    script.press("<ctrl-s>");
    assert_eq!(offered(&mut script), "r+=yYovu>");
    assert!(script.shows("r reply · + react · y copy"), "{}", script.screen());
    script.press("<esc>mine<enter><ctrl-s>");
    assert_eq!(offered(&mut script), "r+=edyYvu>");
    assert!(script.shows("e edit · d delete"), "{}", script.screen());
    script.press("dy");
    assert_eq!(offered(&mut script), "Yvu");
}

#[test]
fn a_message_is_deleted_only_after_a_yes() {
    let mut script = script();
    script.press("oops<enter><esc>dn");
    assert!(script.shows("oops"));
    script.press("dy");
    assert!(script.shows("(deleted)") && !script.shows("oops"));
}

#[test]
fn a_long_paste_is_one_text_and_asks() {
    let mut script = script();
    script.event(Event::Paste("one\r\ntwo\rthree".into()));
    assert_eq!(script.line(), "one\ntwo\nthree");
    script.press("<ctrl-c>");
    let long = "1\n2\n3\n4\n";
    script.event(Event::Paste(long.into()));
    assert!(script.shows("Paste 4 lines?"));
    script.event(Event::Paste("another".into()));
    assert!(script.note().contains("nothing was pasted"), "{}", script.note());
    script.press("n");
    assert_eq!(script.line(), "");
    script.event(Event::Paste(long.into()));
    script.press("c");
    assert_eq!(script.line(), "```\n1\n2\n3\n4\n```");
    script.press("<ctrl-c>");
    script.event(Event::Paste(long.into()));
    script.press("s");
    assert!(
        script
            .effects
            .iter()
            .any(|e| matches!(e, Effect::Send { body, .. } if body.as_str() == "1\n2\n3\n4"))
    );
}

#[test]
fn a_word_is_completed() {
    for (keys, line) in [
        ("hi @bo<tab>", "hi @bob "),
        ("in #op<tab>", "in #ops "),
        (":tad<tab>", "🎉 "),
        ("/unr<tab>", "/unread "),
        ("/level men<tab>", "/level mentions "),
        ("/msg @yu<tab>hello", "/msg @yuki hello"),
        ("a/b<tab>", "a/b"),
    ] {
        let mut script = script();
        script.press(keys);
        assert_eq!(script.line(), line, "{keys}");
    }
}

#[test]
fn the_popup_is_walked_and_taken() {
    let mut script = script();
    script.press("@<tab>");
    let first = script.line();
    script.press("<tab>");
    assert_ne!(script.line(), first);
    script.press("<shift-tab>");
    assert_eq!(script.line(), first);
    script.press("<enter>");
    assert_eq!(script.line(), format!("{first} "));
    assert!(!script.effects.iter().any(|effect| matches!(effect, Effect::Send { .. })));
}

#[test]
fn code_is_copied_as_it_was_written() {
    let mut script = script();
    let body = format!("look:\n```rust\n\tlet long = \"{}\";\n\n  x\n```", "a  b ".repeat(40));
    arrives(&mut script, &body);
    script.press("<ctrl-s>y");
    assert!(script.effects.contains(&Effect::Copy(body)), "{:?}", script.effects);
}

#[test]
fn nothing_wakes_an_idle_client() {
    let mut script = script();
    script.wait(60_000);
    assert_eq!(script.state.next_tick(), None);
    script.tell(Update::Connection(Connection::Waiting {
        retry_in: std::time::Duration::from_millis(2_500),
        reason: String::new(),
    }));
    assert_eq!(script.state.next_tick(), Some(script.state.now + 500));
}

#[test]
fn notifications_come_only_when_nobody_looks_and_as_loud_as_wanted() {
    let mut script = script();
    let notified = |script: &mut Script| {
        let effects = std::mem::take(&mut script.effects);
        effects.iter().filter(|effect| matches!(effect, Effect::Notify { .. })).count()
    };
    arrives(&mut script, "one");
    assert_eq!(notified(&mut script), 0);
    script.event(Event::Focus(false));
    arrives(&mut script, "two");
    assert_eq!(notified(&mut script), 1);
    let id = script.id("#general");
    let mut conversation = script.state.rooms.get(id).unwrap().clone();
    conversation.level = chat_shared::api::Level::Mentions;
    script.tell(Update::Conversation(Box::new(conversation)));
    arrives(&mut script, "three");
    assert_eq!(notified(&mut script), 0);
}

#[test]
fn a_conversation_that_is_gone_is_left() {
    let mut script = script();
    let id = script.id("#general");
    script.tell(Update::Removed(id));
    assert_eq!(script.open(), "#ops");
    assert!(script.note().contains("not in #general any more"), "{}", script.note());
}

#[test]
fn hostile_revs_do_no_harm() {
    let mut script = script();
    let id = script.id("#general");
    for (from, to) in [(900, 3), (0, 0), (5, 4)] {
        script.tell(Update::Applied {
            conversation: id,
            messages: vec![demo::message(7)],
            from: rev(from),
            to: rev(to),
        });
        script.tell(Update::Page { conversation: id, from: seq(from), to: seq(to), messages: Vec::new() });
        script.screen();
        script.press("<pageup><alt-home><alt-end><esc><up><esc>");
    }
}

#[test]
fn an_earlier_input_is_found_by_a_few_letters() {
    let mut script = script();
    script.press("deploy the thing<enter>hello<enter><ctrl-r>dply<enter>");
    assert_eq!(script.line(), "deploy the thing");
}

#[test]
fn the_palette_does_actions_and_begins_commands() {
    let mut script = script();
    script.press("<ctrl-p>conversation above<enter>");
    assert_eq!(script.open(), "@yuki");
    script.press("<ctrl-p>/topic<enter>");
    assert_eq!(script.line(), "/topic ");
}

#[test]
fn a_message_is_quoted_above_what_is_written() {
    let mut script = script();
    arrives(&mut script, "one\ntwo");
    script.press("and I say<ctrl-s>>");
    assert_eq!(script.line(), "> one\n> two\nand I say");
    assert!(!script.state.is_selecting());
}

#[test]
fn the_mouse_is_let_go_and_taken_again() {
    let mut script = script();
    script.press("<alt-m>");
    assert!(
        script.effects.contains(&Effect::Mouse(false))
            && script.note().contains("the terminal has the mouse")
    );
    script.press("<alt-m>");
    assert_eq!(script.effects.last(), Some(&Effect::Mouse(true)));
}

#[test]
fn members_are_shown_where_there_is_room() {
    for (columns, as_panel) in [(120, false), (80, true), (40, false)] {
        let mut script = Script::demo(columns, 24);
        // At 120 columns they are there from the start, and go.
        script.press("<f8>");
        assert_eq!(chat_tui::layout::areas(&script.state).members.is_some(), as_panel, "{columns}");
        assert_eq!(script.state.overlays.len(), usize::from(columns == 40), "{columns}");
        assert_eq!(script.shows("Members"), columns < 120, "{columns}: {}", script.screen());
    }
}
