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
    match cause.downcast_ref::<io::Error>() {
        Some(error) if error.raw_os_error().is_some() => error.kind().to_string(),
        _ => cause.to_string(),
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
