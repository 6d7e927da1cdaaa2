//! How long each part of an exchange may take.

use super::*;

/// A limit that is meant to be met, but not by what is sent at once, however busy the machine.
const LATER: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_silent_socket_and_a_half_sent_head_are_cut() {
    let server = start(service_fn(route), ListenerOptions { head_timeout: SOON, ..unhurried() });
    for begin in ["", "GET / HTTP/1.1\r\nHost: local"] {
        assert_eq!(server.exchange(begin).await, "");
    }
    assert_eq!(server.counters.silent.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_later_head_has_the_same_limit_as_the_first() {
    let server = start(service_fn(route), ListenerOptions { head_timeout: SOON, ..unhurried() });
    let mut stream = loop {
        let mut stream = server.connect().await;
        let _ = stream.write_all(get("/", "").as_bytes()).await;
        // On a busy machine the first head may be late and cut already.
        if patiently(stream.readable()).await.is_ok() && matches!(stream.peek(&mut [0]).await, Ok(1)) {
            break stream;
        }
    };
    until(&mut stream, "hello").await;
    let _ = stream.write_all(b"GET / HT").await;
    assert_eq!(until_closed(&mut stream).await, "");
}

#[tokio::test]
async fn between_requests_there_is_a_limit_of_its_own() {
    let server = start(service_fn(route), ListenerOptions { idle_timeout: SOON, ..unhurried() });
    let answer = server.exchange(&get("/", "")).await;
    assert!(answer.ends_with("hello"), "{answer}");
}

/// hyper holds what came with the request before it and does not tell; see [`pace`].
#[tokio::test]
async fn a_head_that_began_in_the_read_of_another_request_waits_no_longer_than_silence() {
    let began = format!("{}GET / HT", get("/", ""));
    let server = start(service_fn(route), ListenerOptions { idle_timeout: SOON, ..unhurried() });
    let answer = server.exchange(&began).await;
    assert!(answer.ends_with("hello") && answer.matches("hello").count() == 1, "{answer}");
    assert_eq!(server.counters.silent.load(Ordering::Relaxed), 1);

    let server = start(service_fn(route), ListenerOptions { head_timeout: LATER, ..unhurried() });
    let mut stream = server.connect().await;
    stream.write_all(began.as_bytes()).await.unwrap();
    until(&mut stream, "hello").await;
    // With its next byte it is a head like every other.
    stream.write_all(b"T").await.unwrap();
    assert_eq!(until_closed(&mut stream).await, "");
    assert_eq!(server.counters.silent.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_answer_has_a_deadline() {
    let server = start(service_fn(route), ListenerOptions { request_deadline: SOON, ..unhurried() });
    assert_problem(&server.exchange(&get("/stuck", "")).await, 503, "unavailable");
    let half = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nhalf";
    assert_problem(&server.exchange(half).await, 408, "timeout");
    assert_eq!(server.counters.overdue.load(Ordering::Relaxed), 2);
}
