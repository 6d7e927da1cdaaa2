//! The page for browsers: files that are part of the program, each with its `ETag`, plain and gzipped.
//!
//! Nothing is read from the disk at run time, and nothing else than what stands in [`FILES`] is ever
//! served. The policy lets the page load only what is here, and talk only to this server.

use super::call::Call;
use super::reply::{Answer, text};
use crate::error::AppError;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ETAG, HeaderName, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::LazyLock;
use warp::http::StatusCode;
use warp::reply::Response;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
     manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const MANIFEST: &str = "application/manifest+json";
const SVG: &str = "image/svg+xml";

/// A file of `web/`: its name, its type, its text.
macro_rules! files {
    ($($name:literal: $kind:ident,)*) => {
        &[$(($name, $kind, include_str!(concat!("../../../web/", $name))),)*]
    };
}

/// Everything that a browser can get.
const FILES: &[(&str, &str, &str)] = files! {
    "index.html": HTML,
    "style.css": CSS,
    "api.js": SCRIPT,
    "app.js": SCRIPT,
    "composer.js": SCRIPT,
    "dialogs.js": SCRIPT,
    "dom.js": SCRIPT,
    "frames.js": SCRIPT,
    "main.js": SCRIPT,
    "outbox.js": SCRIPT,
    "socket.js": SCRIPT,
    "store.js": SCRIPT,
    "sync.js": SCRIPT,
    "text.js": SCRIPT,
    "timeline.js": SCRIPT,
    "manifest.webmanifest": MANIFEST,
    "icon.svg": SVG,
};

/// One form of a file: as it is, or compressed.
struct Form {
    body: Bytes,
    etag: HeaderValue,
}

impl Form {
    /// The tag is a hash of the bytes, so two forms never share one.
    fn new(body: impl Into<Bytes>) -> Option<Self> {
        let body = body.into();
        let hash = Sha256::digest(&body);
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..12]));
        Some(Self { body, etag: HeaderValue::from_str(&etag).ok()? })
    }
}

/// A file, ready to be served.
struct File {
    kind: &'static str,
    plain: Form,
    gzip: Option<Form>,
}

/// Compressed once, when the first browser comes.
static SERVED: LazyLock<HashMap<&str, File>> = LazyLock::new(|| {
    let file = |(name, kind, text): &(&'static str, &'static str, &'static str)| {
        let gzip = gzip(text).filter(|body| body.len() < text.len()).and_then(Form::new);
        Some((*name, File { kind, plain: Form::new(*text)?, gzip }))
    };
    FILES.iter().filter_map(file).collect()
});

fn gzip(text: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).ok()?;
    encoder.finish().ok()
}

pub(super) async fn index(call: Call) -> Answer {
    serve(&call, "index.html")
}

pub(super) async fn file(call: Call, name: String) -> Answer {
    serve(&call, &name)
}

fn serve(call: &Call, name: &str) -> Answer {
    let file = SERVED.get(name).ok_or_else(AppError::not_found)?;
    let gzip = file.gzip.as_ref().filter(|_| takes_gzip(call.header(&ACCEPT_ENCODING).unwrap_or("")));
    let form = gzip.unwrap_or(&file.plain);
    let is_known = call.header(&IF_NONE_MATCH).is_some_and(|tags| is_among(&form.etag, tags));
    let mut response = if is_known {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        text(file.kind, form.body.clone())
    };
    let headers = response.headers_mut();
    if gzip.is_some() && !is_known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(ETAG, form.etag.clone());
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    let same_origin = HeaderValue::from_static("same-origin");
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), same_origin.clone());
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), same_origin);
    Ok(response)
}

/// Does `Accept-Encoding` allow gzip? By name, or by `*`; `q=0` forbids.
fn takes_gzip(accepted: &str) -> bool {
    let quality = |name: &str| {
        accepted.split(',').find_map(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next().filter(|coding| coding.eq_ignore_ascii_case(name))?;
            let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            Some(quality.map_or(1.0, |q| q.trim().parse::<f32>().unwrap_or(0.0)))
        })
    };
    quality("gzip").or_else(|| quality("*")).is_some_and(|q| q > 0.0)
}

/// Is the tag among those of `If-None-Match`? Compared weakly, as the field wants.
fn is_among(tag: &HeaderValue, tags: &str) -> bool {
    let tags = tags.split(',').map(str::trim);
    tags.map(|other| other.strip_prefix("W/").unwrap_or(other)).any(|other| other == "*" || tag == other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn gzip_is_taken_where_it_is_accepted() {
        let table = [
            ("", false),
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0, *", false),
            ("*", true),
            ("*;q=0", false),
            ("identity", false),
            ("gzip;q=much", false),
            ("x-gzip-not", false),
        ];
        for (accepted, expected) in table {
            assert_eq!(takes_gzip(accepted), expected, "{accepted}");
        }
    }

    #[test]
    fn a_tag_is_found_in_a_list() {
        let tag = HeaderValue::from_static("\"abc\"");
        for (tags, expected) in [
            ("\"abc\"", true),
            ("\"x\", W/\"abc\"", true),
            ("*", true),
            ("\"abcd\"", false),
            ("abc", false),
            ("", false),
        ] {
            assert_eq!(is_among(&tag, tags), expected, "{tags}");
        }
    }

    #[test]
    fn every_file_is_served_in_both_forms_and_all_are_small() {
        for (name, _, text) in FILES {
            let file = &SERVED[name];
            assert_eq!(file.plain.body, text.as_bytes(), "{name}");
            let gzip = file.gzip.as_ref().unwrap_or_else(|| panic!("{name} does not shrink"));
            let mut unpacked = String::new();
            flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut unpacked).unwrap();
            assert_eq!(&unpacked, text, "{name}");
            assert_ne!(file.plain.etag, gzip.etag, "{name}");
        }
        // What is written by hand stays small enough to be read.
        let total: usize = FILES.iter().map(|(_, _, text)| text.len()).sum();
        assert!(total < 60_000, "the page has {total} bytes");
    }

    #[test]
    fn no_file_of_the_page_is_forgotten() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../web");
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_file() {
                let name = entry.file_name().into_string().unwrap();
                assert!(FILES.iter().any(|(known, _, _)| *known == name), "{name} is not served");
            }
        }
    }
}
