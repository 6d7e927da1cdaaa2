//! Questions, and what is seen of them.

use crate::harness::{Script, arrives, script};
use chat_shared::{ErrorCode, FieldError, Problem};
use chat_tui::client::{Call, Request, Update};
use chat_tui::effect::Effect;
use chat_tui::error::ClientError;
use chat_tui::event::{Event, LoggedIn};
use chat_tui::state::{Overlay, Screen};

/// The text inside the box of a question, without its borders and white space.
fn boxed(script: &Script) -> String {
    let screen = script.screen();
    let inside = screen.lines().filter_map(|line| {
        let (_, rest) = line.split_once('│').filter(|_| line.matches('│').count() >= 2)?;
        rest.rsplit_once('│').map(|(inside, _)| inside.trim().to_owned())
    });
    inside.collect()
}

#[test]
fn a_link_is_shown_in_full_before_it_is_opened() {
    let link = format!("https://example.org/{}?to=evil.example", "way/".repeat(30));
    for size in [(40, 12), (80, 24)] {
        let mut script = Script::demo(size.0, size.1);
        arrives(&mut script, &link);
        script.press("<ctrl-s>o");
        assert!(boxed(&script).contains(&link), "{}", script.screen());
        assert!(script.shows("y open · n no"), "{}", script.screen());
    }
    // One that is longer than the screen says that it goes on, and leaves the answers in sight.
    let mut script = Script::demo(40, 12);
    arrives(&mut script, &format!("https://example.org/{}", "x".repeat(2_000)));
    script.press("<ctrl-s>o");
    assert!(script.shows("…") && script.shows("y open · n no"), "{}", script.screen());
}

#[test]
fn a_question_is_read_whole_on_a_small_screen() {
    let mut script = Script::demo(40, 12);
    script.press("/logout<enter>");
    assert!(script.shows("on this machine."), "{}", script.screen());
    script.press("n");
    script.event(Event::Paste("1\n2\n3\n4\n".into()));
    for answer in ["s send", "e edit", "c as code", "n cancel"] {
        assert!(script.shows(answer), "{answer}: {}", script.screen());
    }
}

#[test]
fn a_box_without_a_title_has_a_whole_border() {
    let mut script = script();
    script.press("<ctrl-q>");
    assert!(script.shows("╭───"), "{}", script.screen());
    assert!(!script.shows("╭─  "), "{}", script.screen());
}

#[test]
fn the_settings_are_named_as_in_the_file() {
    let mut script = Script::demo(80, 24);
    script.press("/theme 16<enter>/settings<enter>");
    let Some(Overlay::List(list)) = script.state.overlays.last() else { panic!("no list") };
    let value = |name| list.rows.iter().find(|row| row.label == name).map(|row| row.detail.as_str());
    assert_eq!((value("theme"), value("notify")), (Some("16"), Some("auto")));
}

#[test]
fn an_empty_chat_says_on_every_screen_how_to_begin() {
    for columns in [30, 40, 80] {
        let mut script = Script::empty(columns, 12);
        script.state.screen = Screen::Chat;
        for way in ["/join", "/create", "/msg"] {
            assert!(script.shows(way), "{columns}: {}", script.screen());
        }
        script.press("<f1>");
        assert!(script.shows("Help"));
    }
}

#[test]
fn the_form_says_what_is_wrong_and_with_what() {
    let mut script = Script::empty(80, 24);
    for (keys, error) in [
        ("<enter>", "the name is missing"),
        ("alice<enter><enter>", "the password is missing"),
        ("<tab><tab><enter>short<enter>short<enter>", "the password needs at least 10 characters"),
        ("<ctrl-u>long enough<tab><ctrl-u>another one<enter>", "the two passwords differ"),
    ] {
        script.press(keys);
        assert!(script.shows(error), "{error}: {}", script.screen());
    }
    let mut script = Script::empty(80, 24);
    let Screen::Form(form) = &mut script.state.screen else { panic!("no form") };
    form.back = true;
    assert!(script.shows("Esc back · Ctrl-q quits"), "{}", script.screen());
}

/// What somebody meets first who has started no server.
#[test]
fn the_form_says_all_of_what_is_wrong() {
    for (columns, rows) in [(40, 12), (60, 20), (80, 24), (120, 40)] {
        let mut script = Script::empty(columns, rows);
        script.press("alice<enter>a long password<enter>");
        let before = script.screen().lines().position(|line| line.contains("chat · log in"));
        let server = "http://127.0.0.1:8080".to_owned();
        let detail = "connection refused".to_owned();
        script.event(Event::LoggedIn(Err(ClientError::Unreachable { server, detail })));
        let screen = script.screen();
        assert!(screen.contains("cannot be") && screen.contains("run?"), "{screen}");
        assert!(screen.contains("Tab moves"), "{screen}");
        let after = screen.lines().position(|line| line.contains("chat · log in"));
        assert_eq!(before, after, "the form stays where it is");
    }
}

#[test]
fn a_new_password_is_typed_twice_and_long_enough_before_it_is_set() {
    let mut script = script();
    let set = |script: &mut Script| script.requests().into_iter().find(|r| matches!(r, Request::Call(..)));
    script.press("/password<enter>the old one<enter>");
    script.requests();
    script.press("short<enter>");
    assert!(script.note().contains("at least 10 characters"), "{}", script.note());
    script.press("the next one<enter>the nxet one<enter>");
    assert!(script.note().contains("the two passwords differ"), "{}", script.note());
    assert_eq!(set(&mut script), None);
    script.press("the next one<enter>the next one<enter>");
    let call = Call::ChangePassword("the old one".into(), "the next one".into());
    assert!(matches!(set(&mut script), Some(Request::Call(_, set)) if set == call));
    assert!(script.state.overlays.is_empty());
}

#[test]
fn a_session_that_has_ended_leads_to_the_form_and_says_what_becomes_of_the_text() {
    let mut script = script();
    script.press("half a sentence");
    script.requests();
    script.tell(Update::LoggedOut("the session ended".into()));
    assert!(
        script
            .requests()
            .iter()
            .any(|r| matches!(r, Request::SaveDraft(_, draft) if draft.text == "half a sentence"))
    );
    assert!(script.shows("the session ended. What you have written is kept"), "{}", script.screen());
    assert!(script.shows("alice"));
}

#[test]
fn a_server_that_does_not_answer_is_given_up_and_the_form_stays_as_it_was() {
    let filled = |script: &mut Script| {
        script.press("alice<tab>a long password<enter>");
        assert!(script.shows("asking the server…") && script.shows("Esc gives it up"), "{}", script.screen());
    };
    for key in ["<esc>", "<ctrl-c>"] {
        let mut script = Script::empty(80, 24);
        filled(&mut script);
        // Nothing is changed meanwhile.
        script.press("x<tab><tab><enter>").press(key);
        assert_eq!(script.effects.last(), Some(&Effect::GiveUpLogIn));
        let Screen::Form(form) = &script.state.screen else { panic!("no form") };
        assert!(!form.busy && !form.register);
        assert_eq!((form.username.text(), form.password.text()), ("alice", "a long password"));
        // Too late.
        let late = LoggedIn { server: "http://127.0.0.1:1".into(), username: "alice".into() };
        script.effects.clear();
        script.event(Event::LoggedIn(Ok(late)));
        assert_eq!(script.effects, []);
    }
}

#[test]
fn what_the_server_says_of_a_field_is_a_sentence() {
    let mut script = Script::empty(80, 24);
    script.press("<tab><tab><tab><enter>root<enter>a long password<enter>a long password<enter>");
    let mut problem = Problem::new(ErrorCode::Unprocessable, "username: is reserved");
    problem.errors =
        vec![FieldError { field: "username".into(), code: "reserved".into(), detail: "is reserved".into() }];
    let error = ClientError::Api { problem: Box::new(problem), retry_after: None };
    script.event(Event::LoggedIn(Err(error)));
    assert!(script.shows("the name is reserved"), "{}", script.screen());
}

#[test]
fn the_code_that_a_server_asks_for_goes_with_the_next_try() {
    for (field, label) in [("invite", "Invite code"), ("setup_code", "Setup code")] {
        let mut script = Script::empty(80, 24);
        script.press("<tab><tab><tab><enter>alice<enter>a long password<enter>a long password<enter>");
        let mut problem = Problem::new(ErrorCode::Forbidden, "it needs a code");
        problem.errors =
            vec![FieldError { field: field.into(), code: "required".into(), detail: "is missing".into() }];
        let error = ClientError::Api { problem: Box::new(problem), retry_after: None };
        script.event(Event::LoggedIn(Err(error)));
        assert!(script.shows(label), "{}", script.screen());
        script.press("the-code<enter>");
        let Some(Effect::LogIn(log_in)) = script.effects.last() else { panic!("{:?}", script.effects) };
        let code = Some("the-code".to_owned());
        let expected = if field == "invite" { (code, None) } else { (None, code) };
        assert_eq!((log_in.invite.clone(), log_in.setup_code.clone()), expected);
    }
}

#[test]
fn a_field_that_is_too_narrow_shows_its_beginning_and_while_it_is_written_its_end() {
    let mut script = Script::empty(40, 12);
    let long = "http://chat.example.org/which/is/long";
    script.press("<shift-tab><ctrl-u>").press(long);
    assert!(script.shows("e.org/which/is/long"), "{}", script.screen());
    script.press("<home>");
    assert!(script.shows("http://chat.example.o"), "{}", script.screen());
    script.press("<tab>");
    assert!(
        script.shows("http://chat.example.o…") && script.shows("I have no account yet"),
        "{}",
        script.screen()
    );
    assert!(script.shows("Ctrl-q quits"), "{}", script.screen());
    // Wide letters are never halved.
    script.press("<shift-tab><ctrl-u>").press(&"漢字".repeat(10));
    assert!(script.shows(&"漢字".repeat(5)), "{}", script.screen());
}
