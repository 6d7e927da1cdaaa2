//! Access tokens: JWTs, HS256 and nothing else.
//!
//! What the library leaves to its caller is checked here: the `typ`, the key's name, the session, and
//! the time against the caller's clock, strictly.

use super::keys::Keys;
use crate::error::AppError;
use chat_shared::{SessionId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

const ISSUER: &str = "chat-server";
const AUDIENCE: &str = "chat";
const TYPE: &str = "at+jwt";
/// Longer than any token of ours.
const LENGTH_MAX: usize = 4096;
/// How far in the future a token may have been issued, in seconds: by a clock that was set back.
const FUTURE: i64 = 60;

#[derive(Serialize, Deserialize)]
struct Wire {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Whose.
    pub user: UserId,
    /// Of which login.
    pub session: SessionId,
    /// Seconds since the epoch.
    pub issued_at: i64,
    /// Seconds since the epoch.
    pub expires_at: i64,
}

/// Makes and checks access tokens.
pub struct AccessTokens {
    signing: EncodingKey,
    header: Header,
    believed: HashMap<String, DecodingKey>,
    validation: Validation,
    ttl: i64,
}

impl AccessTokens {
    /// With keys derived from these; tokens are good for `ttl` seconds.
    pub fn new(keys: &Keys, ttl: u64) -> Self {
        let derive = |key: &super::keys::Key| key.derive("access token");
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(keys.signing().kid.clone());
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // The time is checked below, against the clock that the caller gives.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            signing: EncodingKey::from_secret(&derive(keys.signing())),
            header,
            believed: keys
                .all()
                .iter()
                .map(|key| (key.kid.clone(), DecodingKey::from_secret(&derive(key))))
                .collect(),
            validation,
            ttl: i64::try_from(ttl).unwrap_or(900),
        }
    }

    /// A token for this login, issued now (seconds since the epoch).
    pub fn issue(&self, user: UserId, session: &SessionId, now: i64) -> String {
        let claims = Wire {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            sid: session.to_string(),
            iat: now,
            exp: now + self.ttl,
            nbf: None,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing).unwrap_or_else(|error| {
            // A token that nobody accepts is the safe thing to return.
            tracing::error!(%error, "an access token could not be signed");
            String::new()
        })
    }

    /// Checks a token at this time (seconds since the epoch). Why it is refused is not told, save that
    /// it has expired, or was issued by a clock that has been set back since.
    pub fn verify(&self, token: &str, now: i64) -> Result<Claims, AppError> {
        let refused = || AppError::token_refused("This access token is not valid. Log in again.");
        let claims = self.read(token).ok_or_else(refused)?;
        if claims.expires_at <= now {
            return Err(AppError::token_refused("This access token has expired. Refresh it."));
        }
        if claims.issued_at > now + FUTURE {
            return Err(AppError::token_refused(
                "This access token is of a later time: the server's clock was set back. Refresh it.",
            ));
        }
        Ok(claims)
    }

    fn read(&self, token: &str) -> Option<Claims> {
        if token.len() > LENGTH_MAX {
            return None;
        }
        let header = jsonwebtoken::decode_header(token).ok()?;
        if header.typ.as_deref() != Some(TYPE) || header.alg != Algorithm::HS256 {
            return None;
        }
        let key = self.believed.get(header.kid.as_deref()?)?;
        let claims = jsonwebtoken::decode::<Wire>(token, key, &self.validation).ok()?.claims;
        // We never issue one that begins later.
        if claims.nbf.is_some_and(|nbf| nbf > claims.iat) {
            return None;
        }
        Some(Claims {
            user: claims.sub.parse().ok()?,
            session: claims.sid.parse().ok()?,
            issued_at: claims.iat,
            expires_at: claims.exp,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    const NOW: i64 = 1_800_000_000;

    fn session() -> SessionId {
        "s1".parse().unwrap()
    }

    fn user() -> UserId {
        UserId::new(7).unwrap()
    }

    /// A token with this header and these claims, signed properly with the signing key.
    fn forge(keys: &Keys, algorithm: Algorithm, header: &Value, claims: &Value) -> String {
        let signing = EncodingKey::from_secret(&keys.signing().derive("access token"));
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &signing, algorithm).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn a_good_token_says_who_it_is() {
        let tokens = AccessTokens::new(&Keys::random().unwrap(), 900);
        let token = tokens.issue(user(), &session(), NOW);
        let claims = tokens.verify(&token, NOW + 899).unwrap();
        let expected = Claims { user: user(), session: session(), issued_at: NOW, expires_at: NOW + 900 };
        assert_eq!(claims, expected);
        assert!(tokens.verify(&token, NOW + 900).is_err());
        assert!(tokens.verify(&token, NOW - FUTURE - 1).is_err());
    }

    #[test]
    fn every_bad_token_is_refused() {
        let keys = Keys::random().unwrap();
        let tokens = AccessTokens::new(&keys, 900);
        let header = json!({"alg": "HS256", "typ": TYPE, "kid": keys.signing().kid});
        let claims =
            json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "sid": "s1", "iat": NOW, "exp": NOW + 900});
        let good = forge(&keys, Algorithm::HS256, &header, &claims);
        assert!(tokens.verify(&good, NOW).is_ok());

        let mut bad: Vec<(String, String)> = Vec::new();
        for claim in ["iss", "aud", "sub", "sid", "iat", "exp"] {
            let mut without = claims.clone();
            without.as_object_mut().unwrap().remove(claim);
            bad.push((format!("no {claim}"), forge(&keys, Algorithm::HS256, &header, &without)));
        }
        let wrong_claims = [
            ("exp", json!((NOW + 900).to_string())),
            ("exp", json!(null)),
            ("exp", json!(NOW - 1)),
            ("iat", json!("x")),
            ("sub", json!(7)),
            ("sub", json!("0")),
            ("sub", json!("x")),
            ("sid", json!("")),
            ("sid", json!(1)),
            ("iss", json!("other")),
            ("aud", json!("other")),
            ("nbf", json!(NOW + 100)),
            ("nbf", json!("x")),
        ];
        for (claim, value) in wrong_claims {
            let mut changed = claims.clone();
            changed[claim] = value.clone();
            bad.push((format!("{claim} {value}"), forge(&keys, Algorithm::HS256, &header, &changed)));
        }
        let wrong_headers =
            [("typ", json!("JWT")), ("typ", json!(null)), ("kid", json!("other")), ("kid", json!(null))];
        for (field, value) in wrong_headers {
            let mut changed = header.clone();
            changed[field] = value.clone();
            bad.push((format!("{field} {value}"), forge(&keys, Algorithm::HS256, &changed, &claims)));
        }
        for (name, algorithm) in [("HS384", Algorithm::HS384), ("HS512", Algorithm::HS512)] {
            let mut changed = header.clone();
            changed["alg"] = json!(name);
            bad.push((name.to_owned(), forge(&keys, algorithm, &changed, &claims)));
        }
        for alg in ["none", "RS256", "NONE", ""] {
            let mut changed = header.clone();
            changed["alg"] = json!(alg);
            let token = forge(&keys, Algorithm::HS256, &changed, &claims);
            let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
            bad.push((format!("alg {alg}"), token));
            bad.push((format!("alg {alg} unsigned"), unsigned));
        }
        let (message, signature) = good.rsplit_once('.').unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        bytes[3] ^= 1;
        bad.push(("flipped bit".into(), format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))));
        for (name, text) in
            [("empty", ""), ("null", "null"), ("dots", ".."), ("truncated", &good[..good.len() - 2])]
        {
            bad.push((name.into(), text.into()));
        }
        bad.push(("10 KB".into(), "x".repeat(10_000)));
        bad.push((
            "other keys".into(),
            AccessTokens::new(&Keys::random().unwrap(), 900).issue(user(), &session(), NOW),
        ));
        for (name, token) in bad {
            let error = tokens.verify(&token, NOW).err();
            assert_eq!(error.map(|e| e.code), Some(chat_shared::ErrorCode::Unauthorized), "{name}");
        }
    }
}
