//! TLS: which certificate, which protocol, how long a handshake may take.

use super::*;
use crate::listener::tls::tests::certificate;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connects with TLS and trusts this certificate only.
pub(super) async fn connect_tls(
    server: &Server,
    cert: &CertificateDer<'static>,
    protocols: &[&str],
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(cert.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    patiently(TlsConnector::from(Arc::new(config)).connect(name, server.connect().await)).await
}

#[tokio::test]
async fn https_with_a_certificate_that_is_reloaded() {
    let dir = tempfile::tempdir().unwrap();
    let (old, cert, key) = certificate(dir.path());
    let tls = TlsReloader::load(cert, key).unwrap();
    let server = start(service_fn(route), ListenerOptions { tls: Some(tls.clone()), ..unhurried() });
    let mut before = connect_tls(&server, &old, &["http/1.1"]).await.unwrap();
    assert_eq!(before.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));

    let (new, ..) = certificate(dir.path());
    tls.reload().unwrap();
    assert!(connect_tls(&server, &old, &[]).await.is_err(), "the old one is gone");
    let mut after = connect_tls(&server, &new, &[]).await.unwrap();
    assert!(connect_tls(&server, &new, &["h2"]).await.is_err(), "HTTP/2 is not offered");
    for stream in [&mut before, &mut after] {
        stream.write_all(get("/peer", "").as_bytes()).await.unwrap();
        until(stream, "127.0.0.1 true").await;
    }
}

#[tokio::test]
async fn a_handshake_has_a_limit() {
    let dir = tempfile::tempdir().unwrap();
    let (_, cert, key) = certificate(dir.path());
    let tls = Some(TlsReloader::load(cert, key).unwrap());
    let server = start(service_fn(route), ListenerOptions { tls, handshake_timeout: SOON, ..unhurried() });
    assert_eq!(server.exchange("").await, "");
    assert!(!server.exchange(&get("/", "")).await.contains("HTTP"), "no plain HTTP on this port");
    assert_eq!(server.counters.handshakes_failed.load(Ordering::Relaxed), 2);
}
