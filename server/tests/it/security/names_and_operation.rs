//! Checks 76 to 82: names, and what is around the program.

use super::{operate, try_operate};
use crate::harness::{PASSWORD, TestServer};
use crate::tls::certificate;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::admin::Command;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::json;
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

#[tokio::test]
async fn check_76_nobody_looks_like_somebody_else() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let body = |name: &str| Some(json!({"username": name, "password": PASSWORD}));
    for (name, status) in [
        ("ALICE", 409),
        ("Alice", 409),
        ("\u{430}lice", 422),
        ("ali\u{200b}ce", 422),
        ("alice ", 422),
        ("ａlice", 422),
        ("admin", 422),
        ("Everyone", 422),
        ("HERE", 422),
    ] {
        let (found, answer) = server.api().call("POST", "/auth/register", None, body(name)).await;
        assert_eq!(found, status, "{name:?}: {answer}");
    }
    server.stop().await;
}

#[tokio::test]
async fn check_77_a_name_that_means_something_or_meant_somebody_is_not_given_out() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let register = async |name: &str| {
        let body = json!({"username": name, "password": PASSWORD});
        server.api().call("POST", "/auth/register", None, Some(body)).await
    };
    for name in [
        "admin",
        "administrator",
        "root",
        "system",
        "server",
        "everyone",
        "here",
        "all",
        "me",
        "null",
        "ADMIN",
    ] {
        let (status, answer) = register(name).await;
        assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!("reserved")), "{name}");
        let password = PASSWORD.to_owned();
        let add = Command::UserAdd { username: name.to_owned(), password };
        assert!(try_operate(&server, &add).await.is_err(), "{name}");
    }
    server.user("bob").await;
    operate(&server, Command::UserDelete { username: "bob".to_owned() }).await;
    for name in ["bob", "BOB"] {
        let (status, answer) = register(name).await;
        assert_eq!((status, &answer["code"]), (409, &json!("username_taken")), "{name}");
    }
    server.stop().await;
}

/// The beginning of a handshake that speaks TLS 1.1 at the most, as a client of that time sent it.
fn client_hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    // No session; TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA and TLS_RSA_WITH_AES_128_CBC_SHA; no compression.
    hello.extend([0, 0, 4, 0xC0, 0x13, 0x00, 0x2F, 1, 0]);
    // That it could check signatures of today.
    hello.extend([0, 10, 0, 13, 0, 6, 0, 4, 4, 1, 4, 3]);
    let message = [&[1, 0, 0, hello.len() as u8][..], &hello].concat();
    [&[22, 3, 1, 0, message.len() as u8][..], &message].concat()
}

#[tokio::test]
async fn check_78_tls_is_of_today() {
    let dir = tempfile::tempdir().unwrap();
    let made = certificate(dir.path());
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let server =
        TestServer::with(&[("CHAT_TLS_CERT", &path("cert.pem")), ("CHAT_TLS_KEY", &path("key.pem"))]).await;
    let versions: [&'static SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];
    for version in versions {
        let mut roots = RootCertStore::empty();
        roots.add(made.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let tcp = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
    }
    let mut old = TcpStream::connect(server.address).await.unwrap();
    old.write_all(&client_hello_of_tls_1_1()).await.unwrap();
    let mut answer = Vec::new();
    old.read_to_end(&mut answer).await.unwrap();
    // An alert, fatal: protocol_version.
    assert_eq!((answer[0], &answer[5..]), (21, &[2, 70][..]), "{answer:?}");
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"), "no plain HTTP on this port");
    server.stop().await;
}

#[tokio::test]
#[cfg_attr(feature = "postgres", ignore = "SQLite's own")]
async fn check_80_nobody_else_on_the_machine_reads_the_data() {
    let server = TestServer::start().await;
    server.user("alice").await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o077;
    let mut seen = 0;
    for entry in fs::read_dir(server.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0, "{path:?}");
        seen += 1;
    }
    assert!(seen >= 4, "the database, its log, the lock and the secret");
    let answer = reqwest::get(format!("http://{}/metrics", server.address)).await.unwrap();
    assert_eq!(answer.status(), 404);
    server.stop().await;
}

#[test]
fn check_81_no_unsafe_code_and_no_unknown_licence_or_source_gets_in() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let read = |path: &str| fs::read_to_string(format!("{root}/{path}")).unwrap();
    let workspace: toml::Table = read("Cargo.toml").parse().unwrap();
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for member in workspace["workspace"]["members"].as_array().unwrap() {
        let manifest: toml::Table =
            read(&format!("{}/Cargo.toml", member.as_str().unwrap())).parse().unwrap();
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{member}");
    }
    assert!(read(".ci/run").contains("\ncargo deny check licenses bans sources\n"));
    let deny: toml::Table = read("deny.toml").parse().unwrap();
    assert_eq!(deny["sources"]["unknown-registry"].as_str(), Some("deny"));
    assert_eq!(deny["sources"]["unknown-git"].as_str(), Some("deny"));
}

#[test]
fn check_82_no_other_source_of_random_numbers_is_a_dependency() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    for member in ["shared", "server", "tui"] {
        let manifest = fs::read_to_string(format!("{root}/{member}/Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        for name in manifest["dependencies"].as_table().unwrap().keys() {
            assert!(!name.contains("rand") || name == "getrandom", "{name} in {member}");
        }
    }
}

#[tokio::test]
async fn check_82_what_has_to_be_secret_is_random() {
    /// Sessions of the test.
    const SESSIONS: usize = 200;
    let server = TestServer::start().await;
    server.user("alice").await;
    let (mut seen, mut ones) = (HashSet::new(), [0_usize; 256]);
    for _ in 0..SESSIONS {
        let body = json!({"username": "alice", "password": PASSWORD});
        let (_, session) = server.api().call("POST", "/auth/login", None, Some(body)).await;
        let token = session["refresh_token"].as_str().unwrap();
        let secret = token.split('.').max_by_key(|part| part.len()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(secret).unwrap();
        for (bit, count) in ones.iter_mut().enumerate() {
            *count += usize::from(bytes[bit / 8] >> (bit % 8) & 1);
        }
        for part in [secret, session["session_id"].as_str().unwrap()] {
            assert!(seen.insert(part.to_owned()), "{part} twice");
        }
    }
    // Each bit is as often one as not. That one of 256 is beyond this happens once in a billion runs.
    let (least, most) = (SESSIONS / 4, SESSIONS * 3 / 4);
    assert!(ones.iter().all(|count| (least..=most).contains(count)), "{ones:?}");
    server.stop().await;
}
