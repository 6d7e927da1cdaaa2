//! https: the certificate, loaded at the start and again when asked.
//!
//! TLS 1.2 and 1.3, HTTP/1.1 only. A reload changes what new connections get; those inside stay.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// Largest PEM file that is read, in bytes: a chain of a hundred certificates.
const FILE_MAX: u64 = 1024 * 1024;

/// Why there is no certificate. Each text names the file and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}; check tls_cert and tls_key, and who may read them")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Everybody on the machine can read the key.
    #[error("the private key {path} has mode {mode:04o}, so anybody here can read it; run `chmod o= {path}`")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file has no certificate.
    #[error("{path} holds no certificate; tls_cert needs a PEM file that begins with the server's own")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file has no key.
    #[error("{path} holds no private key; tls_key needs a PEM file, not protected by a passphrase")]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The two do not make a pair, or are of a kind that is not supported.
    #[error("{cert} and {key} cannot be used together: {source}")]
    Unfit {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
}

/// The certificate in use. Clones share it.
#[derive(Debug, Clone)]
pub struct TlsReloader(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl TlsReloader {
    /// Loads certificate and key, both PEM.
    pub fn load(cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (cert, key) = (cert.into(), key.into());
        let current = RwLock::new(read(&cert, &key)?);
        Ok(Self(Arc::new(Shared { cert, key, current })))
    }

    /// Loads the same files again, for new connections. On an error, which is logged, everything
    /// stays as it is.
    pub fn reload(&self) -> Result<(), TlsError> {
        let Shared { cert, key, current } = &*self.0;
        match read(cert, key) {
            Ok(config) => {
                *current.write().unwrap_or_else(PoisonError::into_inner) = config;
                tracing::info!(cert = %cert.display(), "the certificate was reloaded");
                Ok(())
            }
            Err(error) => {
                tracing::error!(%error, "the certificate was not reloaded; the old one stays in use");
                Err(error)
            }
        }
    }

    /// What performs a handshake with the certificate of now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let current = self.0.current.read().unwrap_or_else(PoisonError::into_inner);
        TlsAcceptor::from(Arc::clone(&*current))
    }
}

fn read(cert: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let (pem, _) = read_file(cert)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NoCertificate { path: cert.to_owned() })?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: cert.to_owned() });
    }
    let (pem, mode) = read_file(key)?;
    // A group may read it: that is how distributions share one key among servers.
    if mode & 0o007 != 0 {
        return Err(TlsError::Exposed { path: key.to_owned(), mode });
    }
    let secret = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsError::NoKey { path: key.to_owned() })?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret));
    let unfit = |source| TlsError::Unfit { cert: cert.to_owned(), key: key.to_owned(), source };
    let mut config = config.map_err(unfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The file's bytes and its permission bits.
fn read_file(path: &Path) -> Result<(Vec<u8>, u32), TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o7777;
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes, mode))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};

    /// Writes a new self-signed certificate for `localhost`; returns it with the two files.
    pub(in crate::listener) fn certificate(dir: &Path) -> (CertificateDer<'static>, PathBuf, PathBuf) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        write(&cert, made.cert.pem()).unwrap();
        write(&key, made.signing_key.serialize_pem()).unwrap();
        set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        (made.cert.der().clone(), cert, key)
    }

    #[test]
    fn refuses_what_cannot_serve() {
        let dir = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        let (_, cert, key) = certificate(dir.path());
        let (_, _, other_key) = certificate(other.path());
        let missing = dir.path().join("missing.pem");
        for (cert, key, part) in [
            (&missing, &key, "missing.pem"),
            (&cert, &missing, "missing.pem"),
            (&key, &key, "holds no certificate"),
            (&cert, &cert, "chmod o="),
            (&cert, &other_key, "cannot be used together"),
        ] {
            let error = TlsReloader::load(cert, key).unwrap_err().to_string();
            assert!(error.contains(part), "{error} should tell: {part}");
        }
        set_permissions(&cert, Permissions::from_mode(0o600)).unwrap();
        let error = TlsReloader::load(&cert, &cert).unwrap_err().to_string();
        assert!(error.contains("holds no private key"), "{error}");
        set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(TlsReloader::load(&cert, &key), Err(TlsError::Exposed { mode: 0o644, .. })));
        set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        TlsReloader::load(&cert, &key).unwrap();
    }

    #[test]
    fn a_failed_reload_keeps_the_old_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let (_, cert, key) = certificate(dir.path());
        let tls = TlsReloader::load(&cert, &key).unwrap();
        let current = || Arc::as_ptr(&tls.0.current.read().unwrap());
        let old = current();
        write(&cert, "nonsense").unwrap();
        assert!(tls.reload().is_err());
        assert_eq!(current(), old);
        certificate(dir.path());
        tls.reload().unwrap();
        assert_ne!(current(), old);
    }
}
