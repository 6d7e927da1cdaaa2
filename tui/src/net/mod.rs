//! Talking to the server.

pub mod backoff;
pub mod http;
pub mod sync;
pub mod ws;

use std::error::Error;
use std::io;

/// What an error comes down to, in words: the innermost cause, and of the system's the kind without its number.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let Some(error) = cause.downcast_ref::<io::Error>() else { return cause.to_string() };
    match tls_error(error).and_then(distrust) {
        Some(words) => words.to_owned(),
        None if error.raw_os_error().is_some() => error.kind().to_string(),
        None => error.to_string(),
    }
}

/// The TLS library's own error, which layers above it wrap as one of the system's, perhaps several times.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| tls_error(inner.downcast_ref()?))
}

/// Why a server is not trusted, where the library says it for those who know it.
fn distrust(error: &rustls::Error) -> Option<&'static str> {
    use rustls::CertificateError::{
        BadSignature, Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, UnknownIssuer,
    };
    use rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13;
    match error {
        rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. }) => {
            Some("its certificate has expired")
        }
        rustls::Error::InvalidCertificate(NotValidYet | NotValidYetContext { .. }) => {
            Some("its certificate is not valid yet, or the clock of this machine is wrong")
        }
        rustls::Error::InvalidCertificate(UnknownIssuer | BadSignature) => {
            Some("its certificate is signed by nobody whom this machine trusts")
        }
        rustls::Error::InvalidCertificate(NotValidForName | NotValidForNameContext { .. }) => {
            Some("its certificate is of another server")
        }
        rustls::Error::PeerIncompatible(ServerDoesNotSupportTls12Or13) => {
            Some("it speaks neither TLS 1.2 nor 1.3")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_words() {
        assert_eq!(cause(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(
            cause(&io::Error::other("the certificate is of another server")),
            "the certificate is of another server"
        );
    }
}
