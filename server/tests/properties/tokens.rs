//! A token is good only if it was issued here, whatever it says and however it was changed.
//!
//! The input is either a way to change genuine tokens (pairs of a place and a byte), or what a token says:
//! a header and claims, divided by a line end, which are then signed with the right key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_server::auth::keys::Keys;
use chat_server::auth::refresh::RefreshTokens;
use chat_server::auth::token::AccessTokens;
use chat_shared::{SessionId, UserId};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;
use std::sync::LazyLock;

const NOW: i64 = 1_800_000_000;

/// How far in the future a token may have been issued, in seconds.
const FUTURE: i64 = 60;

struct Issued {
    keys: Keys,
    access: AccessTokens,
    refresh: RefreshTokens,
    access_token: String,
    refresh_token: String,
}

static ISSUED: LazyLock<Issued> = LazyLock::new(|| {
    let keys = Keys::random().unwrap();
    let (access, refresh) = (AccessTokens::new(&keys, 900), RefreshTokens::new(&keys));
    let session: SessionId = "s1".parse().unwrap();
    let access_token = access.issue(UserId::new(7).unwrap(), &session, NOW);
    let refresh_token = refresh.first(&session).unwrap().to_string();
    Issued { keys, access, refresh, access_token, refresh_token }
});

pub(crate) fn check(data: &[u8]) {
    let Issued { access, refresh, access_token, refresh_token, .. } = &*ISSUED;
    assert!(access.verify(access_token, NOW).is_ok() && refresh.parse(refresh_token).is_ok());
    let mut texts = vec![String::from_utf8_lossy(data).into_owned()];
    texts.extend([access_token, refresh_token].map(|token| changed(token, data)));
    for text in texts {
        if &text != access_token {
            assert!(access.verify(&text, NOW).is_err(), "{text}");
        }
        if &text != refresh_token {
            assert!(refresh.parse(&text).is_err(), "{text}");
        }
    }
    signed(data);
}

fn changed(token: &str, data: &[u8]) -> String {
    let mut bytes = token.as_bytes().to_vec();
    for change in data.chunks_exact(2) {
        let at = usize::from(change[0]) % bytes.len();
        bytes[at] = change[1];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is properly signed is still read with care.
fn signed(data: &[u8]) {
    let Some(middle) = data.iter().position(|byte| *byte == b'\n') else { return };
    let key = ISSUED.keys.signing();
    let header = String::from_utf8_lossy(&data[..middle]).replace("KID", &key.kid);
    let claims = &data[middle + 1..];
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(&header), URL_SAFE_NO_PAD.encode(claims));
    let signing = EncodingKey::from_secret(&key.derive("access token"));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &signing, Algorithm::HS256).unwrap();
    let Ok(found) = ISSUED.access.verify(&format!("{message}.{signature}"), NOW) else { return };
    let (header, claims): (Value, Value) =
        (serde_json::from_str(&header).unwrap(), serde_json::from_slice(claims).unwrap());
    assert_eq!((&header["alg"], &header["typ"]), (&"HS256".into(), &"at+jwt".into()), "{header}");
    assert_eq!(claims["sub"], found.user.to_string());
    assert_eq!(claims["sid"], found.session.as_str());
    assert!(claims["exp"] == found.expires_at && found.expires_at > NOW, "{claims}");
    assert!(claims["iat"] == found.issued_at && found.issued_at <= NOW + FUTURE, "{claims}");
    assert!(claims["iss"] == "chat-server" && claims["aud"] == "chat", "{claims}");
}
