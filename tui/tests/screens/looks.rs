//! Every screen at 40, 80 and 120 columns, as text.

use crate::harness::Script;

fn at_each_size(name: &str, prepare: impl Fn(&mut Script)) {
    for (columns, rows) in [(40, 12), (80, 24), (120, 36)] {
        let mut script = Script::demo(columns, rows);
        prepare(&mut script);
        insta::assert_snapshot!(format!("{name}_{columns}"), script.screen());
    }
}

#[test]
fn the_chat() {
    at_each_size("chat", |_| {});
}

#[test]
fn a_direct() {
    at_each_size("direct", |script| {
        script.press("<alt-k>noor<enter>");
    });
}

#[test]
fn a_selected_message() {
    at_each_size("selected", |script| {
        script.press("<esc><up>");
    });
}

#[test]
fn a_reply_in_progress() {
    at_each_size("reply", |script| {
        script.press("<esc><up>rthank you");
    });
}

#[test]
fn the_help() {
    at_each_size("help", |script| {
        script.press("<f1>");
    });
}

#[test]
fn the_switcher() {
    at_each_size("switcher", |script| {
        script.press("<alt-k>");
    });
}

#[test]
fn the_reaction_picker() {
    at_each_size("react", |script| {
        script.press("<esc>+ta");
    });
}

#[test]
fn completions() {
    at_each_size("completion", |script| {
        script.press("see @");
    });
}

#[test]
fn commands_while_typing() {
    at_each_size("commands", |script| {
        script.press("/m");
    });
}

#[test]
fn keys_that_may_follow() {
    at_each_size("which_key", |script| {
        script.press("<ctrl-x>");
    });
}

#[test]
fn a_question() {
    at_each_size("delete", |script| {
        script.press("hello<enter><esc>d");
    });
}

#[test]
fn scrolled_up() {
    at_each_size("scrolled", |script| {
        script.press("<pageup>");
    });
}

#[test]
fn a_message_in_several_lines() {
    at_each_size("multiline", |script| {
        script.press("one<alt-enter>two<alt-enter>three");
    });
}

#[test]
fn the_form() {
    for (columns, rows) in [(40, 12), (80, 24)] {
        let mut script = Script::empty(columns, rows);
        insta::assert_snapshot!(format!("form_{columns}"), script.screen());
        script.press("<tab><tab><tab><enter>alice<tab>secret<enter>");
        insta::assert_snapshot!(format!("form_register_{columns}"), script.screen());
    }
}

#[test]
fn offline_with_something_unsent() {
    use chat_tui::client::{Connection, OutboxChange, Update};
    at_each_size("offline", |script| {
        script.answers = false;
        script.tell(Update::Connection(Connection::Waiting {
            retry_in: std::time::Duration::from_millis(7_400),
            reason: "connection refused".into(),
        }));
        let mut waits = chat_tui::demo::pending("written while nobody was there");
        let mut failed = chat_tui::demo::pending("this one was refused");
        failed.failed = Some("you may not write here".into());
        waits.entered_at = script.state.now;
        failed.entered_at = script.state.now;
        let id = script.id("#general");
        for pending in [failed, waits] {
            script.tell(Update::Outbox(id, OutboxChange::Added(pending)));
        }
        script.wait(9_000);
    });
}

#[test]
fn a_long_name_leaves_room_for_what_stands_beside_it() {
    let mut script = Script::demo(60, 24);
    let id = script.id("#general");
    let mut conversation = script.state.rooms.get(id).unwrap().clone();
    conversation.name = Some("a-name-that-is-as-long-as-a-name-can-be".parse().unwrap());
    script.tell(chat_tui::client::Update::Conversation(Box::new(conversation)));
    let screen = script.screen();
    let header = screen.lines().next().unwrap();
    assert!(header.contains("#a-name-that-is") && header.ends_with("… 5 members"), "{screen}");
}

#[test]
fn no_screen_is_too_small_to_draw() {
    for columns in (1..60).step_by(4) {
        for rows in (1..14).step_by(3) {
            let mut script = Script::demo(columns, rows);
            script.screen();
            script.press("<f1>");
            script.screen();
            script.press("<esc><esc><esc>dx<esc><ctrl-x>");
            script.screen();
        }
    }
}

#[test]
fn panels_never_break_their_borders() {
    for columns in (61..180).step_by(3) {
        let script = Script::demo(columns, 30);
        let areas = chat_tui::layout::areas(&script.state);
        let buffer = script.buffer();
        let edge = areas.rooms.unwrap().right();
        for y in 0..29 {
            assert_eq!(buffer[(edge, y)].symbol(), "│", "{columns} columns, row {y}:\n{}", script.screen());
            if let Some(members) = areas.members {
                assert_eq!(
                    buffer[(members.x - 1, y)].symbol(),
                    "│",
                    "{columns} columns, row {y}:\n{}",
                    script.screen()
                );
            }
        }
    }
}
