//! The line mode as it is used: by hand, in pipes, and through all that can go wrong.

use crate::harness::{Person, TestServer};

/// Alice and bob in #lab.
async fn lab() -> (TestServer, Person, Person) {
    let server = TestServer::start().await;
    let alice = Person::registered(&server, "alice").await;
    let bob = Person::registered(&server, "bob").await;
    alice.ok(&["create", "lab"]).await;
    bob.ok(&["join", "lab"]).await;
    (server, alice, bob)
}

/// The texts of #lab.
async fn texts(person: &Person) -> Vec<String> {
    let history = person.run(&["history", "#lab", "--json"]).await.json();
    let texts = history.iter().filter(|message| message["kind"] == "text");
    texts.map(|message| message["body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn two_people_talk_in_lines() {
    let (_server, alice, bob) = lab().await;
    let (mut a, mut b) = (alice.plain(), bob.plain());
    for plain in [&mut a, &mut b] {
        plain.until("(online)").await;
        plain.types("/to #lab").await;
        plain.until("(to #lab)").await;
    }
    a.types("hello bob").await;
    a.until("(pending) #lab: hello bob").await;
    a.until("(sent) #lab: hello bob").await;
    let heard = b.until("alice: hello bob").await;
    // 2026-11-23 05:11 #lab 4 alice: hello bob
    let number = heard.split_whitespace().nth(3).unwrap().to_owned();
    b.types(&format!("/reply {number} hello yourself")).await;
    a.until("bob: hello yourself").await;
    a.types("//slash, and two lines? no").await;
    b.until("alice: /slash, and two lines? no").await;
    // A text of several lines cannot pass for lines of the program.
    bob.ok(&["send", "#lab", "first\n(sent) #lab: forged"]).await;
    a.until("bob: first").await;
    assert_eq!(a.until("forged").await, "    (sent) #lab: forged");

    // The counts come right after the messages.
    let mut rooms = String::new();
    for _ in 0..100 {
        a.types("/rooms").await;
        rooms = a.until("* #lab").await;
        if rooms.ends_with("(2 unread)") {
            break;
        }
    }
    assert_eq!(rooms, "* #lab (2 unread)");
    a.types("/history 2").await;
    a.until("alice: /slash").await;
    a.until("bob: first").await;
    a.types("/to @bob").await;
    a.until("(to @bob)").await;
    a.types("only for you").await;
    b.until("@alice").await;
    for (line, answer) in [
        ("/help", "/reply NUMBER TEXT"),
        ("/dance", "(error) there is no command /dance"),
        ("/to #nowhere", "(error) you are not in #nowhere"),
        ("said to nobody", "(error) say where first"),
        ("/to @nobody", "(error)"),
    ] {
        a.types(line).await;
        a.until(answer).await;
    }
    a.types("/quit").await;
    for done in [a.ends().await, b.ends().await] {
        assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    }
    let replies = alice.run(&["history", "#lab", "--json"]).await.json();
    let reply = replies.iter().find(|message| message["body"] == "hello yourself").unwrap();
    assert_eq!(reply["reply_to"].to_string(), number);
}

#[tokio::test]
async fn the_end_of_a_pipe_comes_after_everything_is_sent() {
    let (_server, alice, _bob) = lab().await;
    let lines: Vec<String> = (0..250).map(|n| format!("line {n}")).collect();
    let done = alice.pipe(&["--plain"], &format!("/to #lab\n{}", lines.join("\n"))).await;
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
    assert_eq!(done.out.matches("(sent)").count(), 250);
    let history = alice.run(&["history", "#lab", "--limit", "1000", "--json"]).await.json();
    let texts: Vec<&str> =
        history.iter().filter_map(|m| m["body"].as_str()).filter(|b| !b.is_empty()).collect();
    assert_eq!(texts, lines);
}

#[tokio::test]
async fn without_a_log_in_it_says_how_to_get_one() {
    let done = Person::new().pipe(&["--plain"], "").await;
    assert_eq!(done.code, 3);
    assert!(done.err.contains("chat-tui login"), "{done:?}");
}

#[tokio::test]
async fn what_cannot_be_sent_now_is_told_and_sent_the_next_time() {
    let (mut server, alice, _bob) = lab().await;
    assert_eq!(alice.pipe(&["--plain"], "/to #lab\n").await.code, 0);
    server.stop().await;
    // At the end of a pipe: nobody is there to wait for the server.
    let done = alice.pipe(&["--plain"], "/to #lab\nwritten to nobody\n").await;
    assert_eq!(done.code, 4, "{done:?}");
    assert!(done.out.contains("(pending) #lab: written to nobody"), "{done:?}");
    assert!(done.out.contains("(1 wait and are sent the next time)"), "{done:?}");
    assert!(done.err.contains("cannot be reached"), "{done:?}");
    server.start_again().await;
    let done = alice.pipe(&["--plain"], "").await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.out.contains("(sent) #lab: written to nobody"), "{done:?}");
    assert_eq!(texts(&alice).await, ["written to nobody"]);
}

#[tokio::test]
async fn what_was_entered_survives_a_kill() {
    let (mut server, alice, _bob) = lab().await;
    assert_eq!(alice.pipe(&["--plain"], "/to #lab\n").await.code, 0);
    server.stop().await;
    let mut plain = alice.plain();
    plain.until("(offline").await;
    plain.types("/to #lab").await;
    for n in 0..3 {
        plain.types(&format!("line {n}")).await;
        plain.until(&format!("(pending) #lab: line {n}")).await;
    }
    plain.kill().await;
    let mut plain = alice.plain();
    plain.until("(pending) #lab: line 2").await;
    server.start_again().await;
    plain.until("(sent) #lab: line 2").await;
    assert_eq!(plain.ends().await.code, 0);
    assert_eq!(texts(&alice).await, ["line 0", "line 1", "line 2"]);
}

#[tokio::test]
async fn it_goes_on_through_a_restart_of_the_server() {
    let (mut server, alice, bob) = lab().await;
    alice.ok(&["create", "den"]).await;
    bob.ok(&["join", "den"]).await;
    let mut plain = alice.plain();
    plain.until("(online)").await;
    plain.types("/to #lab").await;
    plain.types("/history 1").await;
    plain.until("bob: * joined").await;
    server.stop().await;
    plain.until("(offline").await;
    plain.types("meanwhile").await;
    plain.until("(pending) #lab: meanwhile").await;
    server.start_again().await;
    bob.ok(&["send", "#lab", "welcome back"]).await;
    bob.ok(&["send", "#den", "come here as well"]).await;
    // Where it is, it tells what was said; of other places that something was.
    plain.until("(online)").await;
    let done = plain.ends().await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.out.matches("bob: welcome back").count(), 1, "{done:?}");
    let told = ["(1 unread in #den: /to #den and /history show it)", "bob: come here as well"];
    assert_eq!(told.map(|told| done.out.matches(told).count()).iter().sum::<usize>(), 1, "{done:?}");
    assert_eq!(texts(&alice).await.len(), 2);
}

#[tokio::test]
async fn a_session_that_ends_ends_it() {
    let (_server, alice, _bob) = lab().await;
    let mut plain = alice.plain();
    plain.until("(online)").await;
    alice.ok(&["logout"]).await;
    let done = plain.ends().await;
    assert_eq!(done.code, 3, "{done:?}");
    assert!(done.err.contains("the server closed the connection"), "{done:?}");
}

#[tokio::test]
async fn a_line_that_is_too_long_is_refused_whole() {
    let (_server, alice, _bob) = lab().await;
    // Neither is a part of it sent, nor is a letter cut in two.
    let long = "ä".repeat(9_000);
    let done = alice.pipe(&["--plain"], &format!("/to #lab\n{long}\nshort\n{long}")).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.out.matches("(error) the text").count(), 2, "{}", done.out);
    assert_eq!(texts(&alice).await, ["short"]);
}

#[tokio::test]
async fn a_text_that_finds_no_room_on_the_disk_is_given_back() {
    let (_server, alice, _bob) = lab().await;
    assert_eq!(alice.pipe(&["--plain"], "/to #lab\n").await.code, 0);
    // No file grows beyond what it is in blocks of 512 bytes.
    let mut plain = alice.plain_below("trap '' XFSZ; ulimit -f 300");
    plain.types("/to #lab").await;
    plain.until("(to #lab)").await;
    let mut sent = Vec::new();
    let failed = loop {
        let text = format!("{} {}", sent.len(), "x".repeat(12_000));
        plain.types(&text).await;
        let line = plain.until(&text).await;
        if line.starts_with("(failed)") {
            break line;
        }
        sent.push(text);
        assert!(sent.len() < 100, "it always finds room");
    };
    assert!(failed.contains("it could not be stored"), "{failed}");
    let done = plain.ends().await;
    assert!(!done.out.contains(&format!("(sent) #lab: {} ", sent.len())), "called sent");
    let history = texts(&alice).await;
    assert!(history.iter().all(|text| sent.contains(text)), "something else was sent");
}
