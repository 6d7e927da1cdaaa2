//! TLS from two files, read again when asked.

use crate::config::TlsFiles;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// Why https cannot be served. Each names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of its kind.
    #[error(
        "cannot read {what} from {path}: {detail}. It must be a PEM file that the user running chat-server can read."
    )]
    File {
        /// What was expected in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// Others can read the private key.
    #[error("{0} can be read by everybody. Run `chmod 600` on it.")]
    Exposed(PathBuf),
    /// Certificate and key do not belong together, or are of no kind that is known.
    #[error(
        "the certificate and the key do not work together: {0}. Check that both files are of the same certificate."
    )]
    Pair(rustls::Error),
}

struct Resolver(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Resolver")
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Holds the certificate that new connections get.
#[derive(Clone)]
pub struct TlsReloader {
    files: TlsFiles,
    resolver: Arc<Resolver>,
    acceptor: TlsAcceptor,
}

impl TlsReloader {
    /// Reads the files.
    pub fn new(files: &TlsFiles) -> Result<Self, TlsError> {
        let resolver = Arc::new(Resolver(RwLock::new(Arc::new(read(files)?))));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Pair)?
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { files: files.clone(), resolver, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Reads the files again. On an error the certificate stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = Arc::new(read(&self.files)?);
        *self.resolver.0.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

fn read(files: &TlsFiles) -> Result<CertifiedKey, TlsError> {
    let file = |what, path: &Path, detail: String| TlsError::File { what, path: path.to_owned(), detail };
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| file("the certificate", &files.cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(file("the certificate", &files.cert, "it holds none".to_owned()));
    }
    let mode = std::fs::metadata(&files.key).map(|meta| meta.mode());
    match mode {
        Ok(mode) if mode & 0o004 != 0 => return Err(TlsError::Exposed(files.key.clone())),
        _ => {}
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| file("the private key", &files.key, error.to_string()))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map_err(TlsError::Pair)
}
