//! Sockets that are handed over: the bare stream comes out, with its place, and outlives the drain.

use super::https::connect_tls;
use super::*;
use crate::listener::tls::tests::certificate;
use hyper::StatusCode;
use hyper::header::{CONNECTION, UPGRADE};

/// Answers 101 and echoes whatever comes, on the bare stream, until it is closed.
async fn echo(mut request: Request<Incoming>) -> Result<Response, Infallible> {
    if !request.headers().contains_key(UPGRADE) {
        return route(request).await;
    }
    let guard = request.extensions().get::<ConnectionGuard>().cloned();
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let (mut transport, early) = reclaim(upgrade.await.unwrap()).expect("a stream of this listener");
        let kind = match &transport {
            Transport::Plain(_) => "plain ",
            Transport::Tls(_) => "tls ",
        };
        assert!(transport.tcp().nodelay().unwrap());
        transport.write_all(kind.as_bytes()).await.unwrap();
        transport.write_all(&early).await.unwrap();
        let mut buffer = [0; 64];
        while let Ok(read @ 1..) = transport.read(&mut buffer).await {
            transport.write_all(&buffer[..read]).await.unwrap();
            transport.flush().await.unwrap();
        }
        drop(guard);
    });
    let mut response = Response::new("".into());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(CONNECTION, "upgrade".parse().unwrap());
    response.headers_mut().insert(UPGRADE, "echo".parse().unwrap());
    Ok(response)
}

fn upgrade(headers: &str) -> String {
    get("/", &format!("Connection: upgrade\r\nUpgrade: echo\r\n{headers}"))
}

/// Upgrades, and sends something right behind the request and something later.
async fn converse(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), kind: &str) {
    stream.write_all(format!("{}early ", upgrade("")).as_bytes()).await.unwrap();
    let head = until(stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("cache-control"), "{head}");
    until(stream, kind).await;
    until(stream, "early ").await;
    stream.write_all(b"late").await.unwrap();
    until(stream, "late").await;
}

#[tokio::test]
async fn a_plain_stream_comes_out_of_an_upgrade_and_outlives_the_drain() {
    let server = start(service_fn(echo), unhurried());
    let mut stream = server.connect().await;
    converse(&mut stream, "plain ").await;
    server.drain.start();
    patiently(server.task).await.unwrap();
    stream.write_all(b"still here").await.unwrap();
    until(&mut stream, "still here").await;
}

#[tokio::test]
async fn a_tls_stream_comes_out_of_an_upgrade() {
    let dir = tempfile::tempdir().unwrap();
    let (trusted, cert, key) = certificate(dir.path());
    let tls = Some(TlsReloader::load(cert, key).unwrap());
    let server = start(service_fn(echo), ListenerOptions { tls, ..unhurried() });
    let mut stream = connect_tls(&server, &trusted, &[]).await.unwrap();
    converse(&mut stream, "tls ").await;
}

#[tokio::test]
async fn an_upgraded_socket_keeps_its_place_until_it_is_closed() {
    let options = ListenerOptions { max_connections_per_address: Some(1), ..unhurried() };
    let server = start(service_fn(echo), options);
    let mut stream = server.connect().await;
    converse(&mut stream, "plain ").await;
    assert_eq!(until_closed(&mut server.connect().await).await, "");
    drop(stream);
    // The place is free once the other side has noticed.
    patiently(async { while server.exchange(&get_once("/")).await.is_empty() {} }).await;
}

#[tokio::test]
async fn behind_a_proxy_upgrades_count_for_the_client() {
    let options = ListenerOptions {
        max_connections_per_address: Some(1),
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..unhurried()
    };
    let server = start(service_fn(echo), options);
    let from = |client: &str| upgrade(&format!("X-Forwarded-For: {client}\r\n"));
    let mut inside = Vec::new();
    for client in ["203.0.113.1", "203.0.113.2"] {
        let mut stream = server.connect().await;
        stream.write_all(from(client).as_bytes()).await.unwrap();
        assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101 "));
        inside.push(stream);
    }
    let mut third = server.connect().await;
    third.write_all(from("203.0.113.1").as_bytes()).await.unwrap();
    let answer = until(&mut third, "\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("retry-after: 10"), "{answer}");
}
