//! TLS around another codec.

use super::{Codec, Event};
use anyhow::Result;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{ErrorKind, Read as _, Write as _};
use std::sync::Arc;

pub(super) struct Tls {
    session: ClientConnection,
    inner: Box<dyn Codec>,
    /// What was decrypted and is not a whole frame yet.
    rest: Vec<u8>,
}

/// A client that trusts this certificate and no other.
pub(super) fn trusting(certificate: &CertificateDer<'static>) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

impl Tls {
    pub(super) fn new(config: Arc<ClientConfig>, inner: Box<dyn Codec>) -> Result<Self> {
        let mut session = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
        session.set_buffer_limit(None);
        Ok(Self { session, inner, rest: Vec::new() })
    }

    /// Encrypts what the inner codec has to say.
    fn encrypt(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<()> {
        self.session.writer().write_all(plain)?;
        while self.session.wants_write() {
            self.session.write_tls(out)?;
        }
        Ok(())
    }
}

impl Codec for Tls {
    fn start(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut plain = Vec::new();
        self.inner.start(&mut plain)?;
        self.encrypt(&plain, out)
    }

    fn feed(&mut self, read: &[u8], out: &mut Vec<u8>, take: &mut dyn FnMut(Event<'_>)) -> Result<usize> {
        let mut left = read;
        while !left.is_empty() {
            self.session.read_tls(&mut left)?;
            self.session.process_new_packets()?;
            // It reads until there is nothing more for now, which is told as an error.
            match self.session.reader().read_to_end(&mut self.rest) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error.into()),
                _ => {}
            }
        }
        let mut plain = Vec::new();
        let used = self.inner.feed(&self.rest, &mut plain, take)?;
        self.rest.drain(..used);
        self.encrypt(&plain, out)?;
        Ok(read.len())
    }

    fn join(&mut self, group: u32, _out: &mut Vec<u8>) -> bool {
        // Only for servers whose groups are entered by hand, and none of them is measured with TLS.
        self.inner.join(group, &mut Vec::new())
    }

    fn send_to_group(&mut self, group: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut plain = Vec::new();
        self.inner.send_to_group(group, number, text, &mut plain)?;
        self.encrypt(&plain, out)
    }

    fn send_to_user(&mut self, user: u32, number: u32, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut plain = Vec::new();
        self.inner.send_to_user(user, number, text, &mut plain)?;
        self.encrypt(&plain, out)
    }
}
