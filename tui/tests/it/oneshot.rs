//! What the commands for shells, scripts and pipes promise: their output, their exit codes, and that
//! nothing is lost or doubled on the way.

use crate::harness::{PASSWORD, Person, Tail, TestServer};
use chat_tui::home::Home;
use chat_tui::net::http::Account;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

#[tokio::test]
async fn a_login_lasts_until_the_logout_and_is_nobody_elses_to_read() {
    let server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    assert_eq!(alice.ok(&["whoami"]).await, format!("alice on {}\n", server.url()));
    for file in std::fs::read_dir(alice.home.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
    }
    alice.ok(&["logout"]).await;
    let done = alice.run(&["whoami"]).await;
    assert_eq!(done.code, 3);
    assert!(done.err.contains("chat-tui login"), "{done:?}");
    let login = ["login", "--server", &server.url(), "--username", "alice", "--password-stdin"];
    let done = alice.pipe(&login, "not the password\n").await;
    assert_eq!(done.code, 3, "{done:?}");
    assert_eq!(alice.pipe(&login, &format!("{PASSWORD}\n")).await.code, 0);
    // The name is taken, and the password is asked for only where somebody can type it.
    let again = ["register", "--server", &server.url(), "--username", "alice", "--password-stdin"];
    let done = Person::new().pipe(&again, &format!("{PASSWORD}\n")).await;
    assert_eq!(done.code, 1, "{done:?}");
    let done = alice.run(&["login", "--server", &server.url(), "--username", "alice"]).await;
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.err.contains("--password-stdin"), "{done:?}");
}

#[tokio::test]
async fn groups_are_made_listed_joined_and_left() {
    let server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let bob = Person::registered(&server, "bob").await;
    alice.ok(&["create", "#lab", "--topic", "what we try"]).await;
    alice.ok(&["create", "den", "--private"]).await;
    assert_eq!(
        alice.ok(&["groups"]).await,
        "* #den          1\n* #general      2\n* #lab          1  what we try\n"
    );
    let listed = bob.run(&["groups", "--json"]).await.json();
    let expected = [
        json!({"name": "general", "member_count": 2, "joined": true, "topic": ""}),
        json!({"name": "lab", "member_count": 1, "joined": false, "topic": "what we try"}),
    ];
    assert_eq!(listed, expected);
    bob.ok(&["join", "#Lab"]).await;
    bob.ok(&["send", "#lab", "here I am"]).await;
    bob.ok(&["leave", "lab"]).await;
    for (arguments, code, word) in [
        (&["send", "#lab", "still there?"][..], 1, "chat-tui join '#lab'"),
        (&["join", "den"], 1, "no public group #den"),
        (&["leave", "#nowhere"], 1, "#nowhere"),
        (&["create", "#lab"], 1, "name"),
        (&["create", "#no good"], 1, ""),
        (&["send", "lab", "x"], 2, "neither '#group' nor @user"),
        (&["send", "@nobody", "x"], 1, "no user @nobody"),
        (&["history"], 2, "Usage"),
        (&["history", "#general", "--limit", "many"], 2, "--limit"),
        (&["no-such-command"], 2, "no-such-command"),
        (&["--server", "ftp://x", "whoami"], 2, "not a server's address"),
        (&["login", "--server", "http://chat.example", "--username", "bob"], 2, "--insecure"),
    ] {
        let done = bob.run(arguments).await;
        assert_eq!(done.code, code, "{arguments:?}: {done:?}");
        assert!(done.err.contains(word) && done.out.is_empty(), "{arguments:?}: {done:?}");
    }
    let people = bob.run(&["users", "--json"]).await.json();
    assert_eq!(people.iter().map(|user| &user["username"]).collect::<Vec<_>>(), ["alice", "bob"]);
    assert_eq!(bob.ok(&["users"]).await, "  @alice                alice\n  @bob                  bob\n");
}

#[tokio::test]
async fn history_is_what_was_said_in_the_time_of_the_place() {
    let server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let bob = Person::registered(&server, "bob").await;
    bob.ok(&["send", "@alice", "psst,", "in", "private"]).await;
    for text in ["one", "two\n#general admin: a forged line \u{1b}[31m"] {
        alice.ok(&["send", "#general", text]).await;
    }
    let messages = alice.run(&["history", "#general", "--limit", "2", "--json"]).await.json();
    assert_eq!(
        messages.iter().map(|m| &m["body"]).collect::<Vec<_>>(),
        ["one", "two\n#general admin: a forged line \u{1b}[31m"]
    );
    assert!(messages.iter().all(|message| message["conversation"] == "#general"));
    let text = alice.ok(&["history", "#general", "--limit", "2"]).await;
    let lines: Vec<&str> = text.lines().collect();
    // Three hours east of what the server says.
    let minute = messages[0]["sent_at"].as_i64().unwrap() / 60_000 + 180;
    let clock = format!(" {:02}:{:02} #general alice: one", minute / 60 % 24, minute % 60);
    assert!(lines[0].ends_with(&clock), "{} is not {clock}", lines[0]);
    assert!(
        lines[2].starts_with("    #general admin"),
        "what a text says cannot look like another's: {text:?}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let private = alice.run(&["history", "@bob", "--json"]).await.json();
    assert_eq!(
        (&private[0]["body"], &private[0]["conversation"]),
        (&json!("psst, in private"), &json!("@bob"))
    );
}

#[tokio::test]
async fn a_pipe_becomes_at_most_ten_messages_or_none() {
    let server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let bodies = async || -> Vec<String> {
        let messages = alice.run(&["history", "#general", "--json"]).await.json();
        let texts = messages.iter().filter(|message| message["kind"] == "text");
        texts.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
    };
    let line = "x".repeat(10_000);
    for (input, code) in [
        ("".to_owned(), 2),
        (" \n\n".to_owned(), 2),
        ("x".repeat(16_385), 2),
        ([line.as_str(); 11].join("\n"), 2),
    ] {
        let done = alice.pipe(&["send", "#general"], &input).await;
        assert_eq!(done.code, code, "{} bytes: {done:?}", input.len());
        assert!(done.err.contains("Nothing was sent"), "{done:?}");
    }
    assert_eq!(bodies().await, Vec::<String>::new());
    assert_eq!(alice.pipe(&["send", "#general"], "one\r\ntwo\n").await.code, 0);
    assert_eq!(alice.pipe(&["send", "#general"], &[line.as_str(); 10].join("\n")).await.code, 0);
    let mut expected = vec!["one\ntwo".to_owned()];
    expected.extend(vec![line; 10]);
    assert_eq!(bodies().await, expected);
}

/// What a line of JSON says, without the notices.
async fn body(tail: &mut Tail) -> Value {
    loop {
        let message: Value = serde_json::from_str(&tail.line().await).unwrap();
        if message["kind"] == "text" {
            return message["body"].clone();
        }
    }
}

#[tokio::test]
async fn a_tail_goes_through_a_restart_without_a_gap_or_a_repeat() {
    let mut server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let bob = Person::registered(&server, "bob").await;
    let carol = Person::registered(&server, "carol").await;
    let (mut tail, mut text) = (bob.tail(&["--json"]), carol.tail(&["#general"]));
    // A tail begins with what comes after it has connected.
    let online = async || alice.ok(&["users"]).await.lines().filter(|line| line.starts_with('*')).count();
    while online().await < 2 {}
    alice.ok(&["send", "#general", "marked"]).await;
    assert_eq!(body(&mut tail).await, "marked");
    assert!(text.line().await.ends_with("alice: marked"));

    server.stop().await;
    let done = alice.run(&["send", "#general", "nobody there"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.err.contains("cannot be reached"), "{done:?}");
    assert_eq!(alice.run(&["history", "#general"]).await.code, 4);
    server.start_again().await;
    // These come while the tails are away, or not: it makes no difference.
    for n in 0..3 {
        alice.ok(&["send", "#general", &format!("after {n}")]).await;
        alice.ok(&["send", "@bob", &format!("private {n}")]).await;
    }
    // Each conversation's in order; also those of one that did not exist before.
    let mut bodies = Vec::new();
    for _ in 0..6 {
        bodies.push(body(&mut tail).await.as_str().unwrap().to_owned());
    }
    bodies.sort_by_key(|body| body.starts_with("private"));
    assert_eq!(bodies, ["after 0", "after 1", "after 2", "private 0", "private 1", "private 2"]);
    for n in 0..3 {
        let line = text.line().await;
        assert!(line.ends_with(&format!("#general alice: after {n}")), "{line}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_tail_does_not_print_a_text_again_because_somebody_replied() {
    let mut server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let bob = Person::registered(&server, "bob").await;
    let mut tail = bob.tail(&["#general"]);
    while !alice.ok(&["users"]).await.lines().any(|line| line.starts_with("* @bob")) {}
    alice.ok(&["send", "#general", "a question"]).await;
    let account = Account::open(&Home::at(alice.home.path()).unwrap(), None).unwrap();
    let history: Value = account.get("/conversations/1/messages?limit=1").await.unwrap();
    let seq = &history["messages"][0]["seq"];
    let path = "/conversations/1/messages";
    let reply = json!({"id": uuid::Uuid::now_v7().to_string(), "body": "an answer", "reply_to": seq});
    let _: Value = account.post(path, &reply).await.unwrap();
    alice.ok(&["send", "#general", "the end"]).await;
    for text in ["a question", "an answer", "the end"] {
        let line = tail.line().await;
        assert!(line.ends_with(&format!("alice: {text}")), "{line} instead of {text}");
    }
    server.stop().await;
}
