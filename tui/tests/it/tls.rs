//! Over https the client talks to the server that it was told to, or not at all.

use crate::harness::{PASSWORD, Person, TestServer};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Who signs certificates, and is trusted.
struct Authority(Issuer<'static, KeyPair>);

impl Authority {
    /// Makes one of this name; its own certificate goes into this file.
    fn new(name: &str, file: &Path) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self(Issuer::new(params, key))
    }

    /// A certificate for this name, as changed, and its key; both PEM.
    fn sign(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// What happens to a connection of the test's server.
#[derive(Clone)]
enum Peer {
    /// A handshake with this certificate.
    Tls(TlsAcceptor),
    /// It goes on with a protocol of 2006.
    Tls11,
}

impl Peer {
    fn with((certificate, key): &(String, String)) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        Self::Tls(TlsAcceptor::from(Arc::new(config)))
    }

    /// How many bytes the client confided.
    async fn serve(&self, mut tcp: TcpStream) -> usize {
        match self {
            Self::Tls(acceptor) => {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return 0 };
                let mut read = Vec::new();
                let _ = stream.read_to_end(&mut read).await;
                read.len()
            }
            Self::Tls11 => {
                let _ = tcp.read(&mut [0; 4096]).await;
                // TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, without compression.
                let hello = [&[2, 0, 0, 38, 3, 2][..], &[7; 32], &[0, 0xC0, 0x13, 0]].concat();
                let record = [&[22, 3, 2, 0, hello.len() as u8][..], &hello].concat();
                let _ = tcp.write_all(&record).await;
                // An alert: a record of seven bytes.
                let mut read = Vec::new();
                let _ = tcp.read_to_end(&mut read).await;
                read.len().saturating_sub(7)
            }
        }
    }
}

#[tokio::test]
async fn check_73_a_server_that_cannot_show_who_it_is_is_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = dir.path().join("trusted.pem");
    let authority = Authority::new("trusted", &trusted);
    let unchanged = |_: &mut CertificateParams| {};
    let itself = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let itself = (itself.cert.pem(), itself.signing_key.serialize_pem());
    let by = |name: &str| Authority::new(name, &dir.path().join("other.pem")).sign("localhost", unchanged);
    let (stranger, pretender) = (by("stranger"), by("trusted"));
    let expired = authority.sign("localhost", |params| {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    });
    let early = authority.sign("localhost", |params| params.not_before = date_time_ymd(2200, 1, 1));
    let other = authority.sign("other.example", unchanged);
    let table = [
        ("expired", Peer::with(&expired), "has expired"),
        ("not valid yet", Peer::with(&early), "is not valid yet"),
        ("self-signed", Peer::with(&itself), "is signed by nobody whom this machine trusts"),
        ("signed by a stranger", Peer::with(&stranger), "is signed by nobody whom this machine trusts"),
        ("signed by a pretender", Peer::with(&pretender), "is signed by nobody whom this machine trusts"),
        ("of another server", Peer::with(&other), "is of another server"),
        ("TLS 1.1", Peer::Tls11, "neither TLS 1.2 nor 1.3"),
    ];
    for (what, peer, words) in table {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let confided = Arc::new(AtomicUsize::new(0));
        let counting = confided.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                counting.fetch_add(peer.serve(tcp).await, Ordering::Relaxed);
            }
        });
        let alice = Person::trusting(&trusted);
        // What is for http is no way around it.
        for more in [&[][..], &["--insecure"]] {
            let login = ["login", "--server", &url, "--username", "alice", "--password-stdin"];
            let done = alice.pipe(&[&login, more].concat(), &format!("{PASSWORD}\n")).await;
            assert_eq!(done.code, 4, "{what}: {done:?}");
            assert!(done.err.contains(words), "{what}: {done:?}");
        }
        assert_eq!(confided.load(Ordering::Relaxed), 0, "{what}");
        serving.abort();
    }
}

#[tokio::test]
async fn check_73_what_the_machine_trusts_is_trusted_for_requests_and_for_the_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let trusted = path("trusted.pem");
    let (certificate, key) = Authority::new("trusted", &trusted).sign("localhost", |_| {});
    fs::write(path("cert.pem"), certificate).unwrap();
    fs::write(path("key.pem"), key).unwrap();
    fs::set_permissions(path("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| path(name).to_str().unwrap().to_owned());
    let server = TestServer::with(&[("CHAT_TLS_CERT", &cert), ("CHAT_TLS_KEY", &key)]).await;
    let url = format!("https://localhost:{}", server.address.port());
    let alice = Person::trusting(&trusted);
    let register = ["register", "--server", &url, "--username", "alice", "--password-stdin"];
    let done = alice.pipe(&register, &format!("{PASSWORD}\n")).await;
    assert_eq!(done.code, 0, "{done:?}");
    let (_tail, line) = alice.follows("#general").await;
    assert!(line.contains("alice"), "{line}");
    // The trust is in what the machine says, not in what was once seen: the socket is the first that is told.
    Authority::new("other", &trusted);
    let error = alice.tail(&[]).error().await;
    assert!(error.contains("is signed by nobody whom this machine trusts"), "{error}");
}
