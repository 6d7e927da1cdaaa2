//! Everything over https: cookies, sockets, and the good-bye.

use crate::harness::{PASSWORD, TestServer, Ws, eventually, uuid};
use crate::process::Process;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{Connector, client_async_tls_with_config};

/// Writes a certificate for localhost and its key; returns the certificate.
pub(crate) fn certificate(dir: &Path) -> CertificateDer<'static> {
    use std::io::Write as _;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("cert.pem"), made.cert.pem()).unwrap();
    let mut options = std::fs::OpenOptions::new();
    let mut key =
        options.create(true).write(true).truncate(true).mode(0o600).open(dir.join("key.pem")).unwrap();
    key.write_all(made.signing_key.serialize_pem().as_bytes()).unwrap();
    made.cert.der().clone()
}

fn trusting(certificate: &CertificateDer<'static>) -> Connector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Connector::Rustls(Arc::new(config))
}

#[tokio::test]
async fn two_people_talk_over_tls() {
    let dir = tempfile::tempdir().unwrap();
    let made = certificate(dir.path());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let server =
        TestServer::with(&[("CHAT_TLS_CERT", &path("cert.pem")), ("CHAT_TLS_KEY", &path("key.pem"))]).await;
    let http = reqwest::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_der(&made).unwrap())
        .build()
        .unwrap();
    let base = format!("https://localhost:{}/api/v1", server.address.port());
    let mut sockets = Vec::new();
    for name in ["alice", "bob"] {
        let body = json!({"username": name, "password": PASSWORD, "cookie": true});
        let answer = http.post(format!("{base}/auth/register")).json(&body).send().await.unwrap();
        assert_eq!(answer.headers()["strict-transport-security"], "max-age=31536000");
        let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.starts_with("__Secure-") && cookie.contains("; Secure"), "{cookie}");
        let session: Value = answer.json().await.unwrap();
        let mut request = format!("{}/ws", base.replacen("http", "ws", 1)).into_client_request().unwrap();
        let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
        request.headers_mut().insert("authorization", bearer.parse().unwrap());
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let connected = client_async_tls_with_config(request, tcp, None, Some(trusting(&made))).await;
        let mut ws = Ws { socket: connected.unwrap().0, ready: Value::Null };
        ws.ready = ws.next_of("ready").await;
        sockets.push(ws);
    }
    let [mut a, mut b] = <[Ws; 2]>::try_from(sockets).ok().unwrap();
    // Long enough that an encrypted write takes several records.
    for body in ["short".to_owned(), "x".repeat(16_000), "y".repeat(16_000)] {
        a.send(json!({"type": "send", "id": uuid(), "conversation_id": 1, "body": body})).await;
        a.next_of("ack").await;
        while b.next_of("message").await["message"]["body"] != body.as_str() {}
    }
    let stopping = tokio::spawn(server.stop());
    assert_eq!(a.closed().await, Some(1012));
    assert_eq!(b.closed().await, Some(1012));
    stopping.await.unwrap();
}

/// The certificate that a new connection is shown, if it is one of these.
async fn shown(address: &str, known: &[&CertificateDer<'static>]) -> Option<usize> {
    for (number, certificate) in known.iter().enumerate() {
        let tcp = TcpStream::connect(address).await.unwrap();
        let Connector::Rustls(config) = trusting(certificate) else { unreachable!() };
        let name = "localhost".try_into().unwrap();
        if tokio_rustls::TlsConnector::from(config).connect(name, tcp).await.is_ok() {
            return Some(number);
        }
    }
    None
}

#[tokio::test]
async fn check_78_a_hangup_reads_the_certificate_again_and_drops_nobody() {
    let (data, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = certificate(dir.path());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (cert, key) = (path("cert.pem"), path("key.pem"));
    let server = Process::with(data.path(), &["--tls-cert", &cert, "--tls-key", &key]);
    let address = server.base.split('/').nth(2).unwrap().to_owned();
    let http = reqwest::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_der(&first).unwrap())
        .build()
        .unwrap();
    let base = format!("https://localhost:{}/api/v1", address.rsplit(':').next().unwrap());
    let body = json!({"username": "alice", "password": PASSWORD});
    let session: Value =
        http.post(format!("{base}/auth/register")).json(&body).send().await.unwrap().json().await.unwrap();
    let mut request = format!("{}/ws", base.replacen("http", "ws", 1)).into_client_request().unwrap();
    let bearer = format!("Bearer {}", session["access_token"].as_str().unwrap());
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    let tcp = TcpStream::connect(&address).await.unwrap();
    let connected = client_async_tls_with_config(request, tcp, None, Some(trusting(&first))).await;
    let mut ws = Ws { socket: connected.unwrap().0, ready: Value::Null };
    ws.next_of("ready").await;

    let second = certificate(dir.path());
    assert_eq!(shown(&address, &[&first, &second]).await, Some(0), "not before it is told to");
    server.signal("-HUP");
    let is_second = async || shown(&address, &[&first, &second]).await == Some(1);
    eventually("the new certificate is shown", is_second).await;
    // One that cannot be read changes nothing.
    std::fs::write(dir.path().join("cert.pem"), "nonsense").unwrap();
    server.signal("-HUP");
    ws.send(json!({"type": "ping", "id": "still here"})).await;
    assert_eq!(ws.next_of("pong").await["id"], "still here");
    assert!(is_second().await);
    assert_eq!(server.stop().await, Some(0));
    assert_eq!(ws.closed().await, Some(1012));
}
