//! How a connection ends.

use super::*;

/// A request whose body is never read.
const UNREAD: &str = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n";

#[tokio::test]
async fn whoever_is_still_sending_gets_the_answer() {
    let server = start(service_fn(route), unhurried());
    let mut stream = server.connect().await;
    stream.write_all(UNREAD.as_bytes()).await.unwrap();
    until(&mut stream, "hello").await;
    // The server has closed its side; a reset would end this one.
    for _ in 0..16 {
        stream.write_all(&[0; 64 << 10]).await.unwrap();
    }
    assert_eq!(until_closed(&mut stream).await, "");
    server.stop().await;
}

#[tokio::test]
async fn whoever_sends_without_end_is_cut() {
    let server = start(service_fn(route), unhurried());
    let mut stream = server.connect().await;
    stream.write_all(UNREAD.as_bytes()).await.unwrap();
    until(&mut stream, "hello").await;
    patiently(async { while stream.write_all(&[0; 64 << 10]).await.is_ok() {} }).await;
    server.stop().await;
}
