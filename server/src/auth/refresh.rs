//! Refresh tokens: what they look like, how one follows from another, and what a presented one means.
//!
//! `crt.SESSION.GENERATION.VALUE.MAC`. The first value is random; each next one is derived from the
//! one before with the server's secret, so that repeating a refresh whose answer was lost gives the
//! *same* next token. The MAC proves that a token was once issued here, so that an old one that is
//! used again can be told from an invention without keeping every old one.

use super::keys::{Keys, mac};
use crate::error::AppError;
use crate::planted::{Bug, planted};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chat_shared::SessionId;
use sha2::{Digest as _, Sha256};
use std::fmt;
use subtle::ConstantTimeEq as _;

/// Longer than any token of ours.
const LENGTH_MAX: usize = 256;

/// A refresh token that was once issued by this server.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    session: SessionId,
    generation: i64,
    value: [u8; 32],
    mac: [u8; 16],
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("session", &self.session)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, mac) = (URL_SAFE_NO_PAD.encode(self.value), URL_SAFE_NO_PAD.encode(self.mac));
        write!(f, "crt.{}.{}.{value}.{mac}", self.session, self.generation)
    }
}

impl RefreshToken {
    /// Its session.
    pub fn session(&self) -> &SessionId {
        &self.session
    }

    /// How many came before it.
    pub fn generation(&self) -> i64 {
        self.generation
    }

    /// What is stored of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.value).into()
    }
}

/// Makes and reads refresh tokens.
#[derive(Clone)]
pub struct RefreshTokens {
    /// The one that makes new ones first.
    keys: Vec<[u8; 32]>,
}

impl RefreshTokens {
    /// With keys derived from these.
    pub fn new(keys: &Keys) -> Self {
        Self { keys: keys.all().iter().map(|key| key.derive("refresh token")).collect() }
    }

    fn sign(key: &[u8; 32], session: &SessionId, generation: i64, value: &[u8; 32]) -> [u8; 16] {
        let full = mac(key, &[b"issued", session.as_str().as_bytes(), &generation.to_be_bytes(), value]);
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        short
    }

    fn issue(&self, session: SessionId, generation: i64, value: [u8; 32]) -> RefreshToken {
        let mac = Self::sign(&self.keys[0], &session, generation, &value);
        RefreshToken { session, generation, value, mac }
    }

    /// The first of a session.
    pub fn first(&self, session: &SessionId) -> Result<RefreshToken, AppError> {
        let mut value = [0; 32];
        getrandom::fill(&mut value).map_err(|error| {
            tracing::error!(%error, "the system gives no random bytes");
            AppError::internal()
        })?;
        Ok(self.issue(session.clone(), 0, value))
    }

    /// The one that follows: always the same.
    pub fn next(&self, token: &RefreshToken) -> RefreshToken {
        let generation = token.generation + 1;
        let session = token.session.as_str().as_bytes();
        let value = mac(&self.keys[0], &[b"next", session, &generation.to_be_bytes(), &token.value]);
        self.issue(token.session.clone(), generation, value)
    }

    /// Reads a token; whatever was not issued here is refused with one wording.
    pub fn parse(&self, text: &str) -> Result<RefreshToken, AppError> {
        self.read(text).ok_or_else(|| AppError::unauthorized("The session has ended. Log in again."))
    }

    fn read(&self, text: &str) -> Option<RefreshToken> {
        if text.len() > LENGTH_MAX {
            return None;
        }
        let mut parts = text.strip_prefix("crt.")?.split('.');
        let session: SessionId = parts.next()?.parse().ok()?;
        let generation: i64 = parts.next()?.parse().ok().filter(|generation| *generation >= 0)?;
        let value: [u8; 32] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        let mac: [u8; 16] = URL_SAFE_NO_PAD.decode(parts.next()?).ok()?.try_into().ok()?;
        if parts.next().is_some() {
            return None;
        }
        let genuine =
            self.keys.iter().any(|key| Self::sign(key, &session, generation, &value).ct_eq(&mac).into());
        genuine.then_some(RefreshToken { session, generation, value, mac })
    }
}

/// What is stored of a session's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRefresh {
    /// Of the newest.
    pub generation: i64,
    /// Of the newest.
    pub current_hash: [u8; 32],
    /// Of the one that it replaced.
    pub previous_hash: Option<[u8; 32]>,
    /// Until when the session lives.
    pub expires_at: i64,
}

impl StoredRefresh {
    /// Until when the session lives once its token is replaced. Never less long than before: a clock that is behind for
    /// a moment, as after a start without the right time, would end it as soon as it is set.
    pub fn extended(&self, expires_at: i64) -> i64 {
        if planted(Bug::RefreshShortens) { expires_at } else { expires_at.max(self.expires_at) }
    }
}

/// What a presented token means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It is the newest: the next one takes its place.
    Rotate,
    /// It was just replaced, and its successor was not seen yet: the answer was lost.
    Repeat,
    /// It was replaced and its successor used: somebody has a copy. The session must end.
    Reused,
    /// It is not one of this session's.
    Unknown,
}

/// What a presented token, which is known to be genuine, means for its session.
pub fn judge(presented: &RefreshToken, stored: &StoredRefresh) -> Judgement {
    match judge_fairly(presented, stored) {
        Judgement::Reused if planted(Bug::RefreshReuseAccepted) => Judgement::Repeat,
        Judgement::Repeat if planted(Bug::LostRefreshEnds) => Judgement::Reused,
        judgement => judgement,
    }
}

fn judge_fairly(presented: &RefreshToken, stored: &StoredRefresh) -> Judgement {
    let hash = presented.hash();
    let is = |stored: &[u8; 32]| bool::from(stored.ct_eq(&hash));
    if presented.generation == stored.generation && is(&stored.current_hash) {
        Judgement::Rotate
    } else if presented.generation + 1 == stored.generation && stored.previous_hash.as_ref().is_some_and(is) {
        Judgement::Repeat
    } else if presented.generation < stored.generation {
        Judgement::Reused
    } else {
        Judgement::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn session() -> SessionId {
        "abc-DEF_123".parse().unwrap()
    }

    fn tokens() -> RefreshTokens {
        RefreshTokens::new(&Keys::random().unwrap())
    }

    #[test]
    fn what_is_written_is_read() {
        let tokens = tokens();
        let first = tokens.first(&session()).unwrap();
        let next = tokens.next(&first);
        assert_eq!(tokens.parse(&first.to_string()).unwrap(), first);
        assert_eq!(tokens.parse(&next.to_string()).unwrap(), next);
        assert_eq!(tokens.next(&first), next);
        assert_ne!(first.hash(), next.hash());
    }

    #[test]
    fn what_was_not_issued_is_refused() {
        let tokens = tokens();
        let good = tokens.first(&session()).unwrap().to_string();
        assert!(RefreshTokens::new(&Keys::random().unwrap()).parse(&good).is_err());
        for bad in ["", "crt", "crt.", "crt.a.b.c.d", "null", &good[..good.len() - 1], &format!("{good}.x")] {
            assert!(tokens.parse(bad).is_err(), "{bad}");
        }
        assert!(tokens.parse(&good.replace(".0.", ".1.")).is_err());
        assert!(tokens.parse(&"x".repeat(100_000)).is_err());
    }

    proptest! {
        /// However tokens are presented: nobody is logged out by a lost answer, and whoever uses a
        /// token whose successor was used ends the session.
        #[test]
        fn a_lost_answer_is_harmless_and_a_reuse_is_not(choices in prop::collection::vec(0_usize..4, 1..60)) {
            let tokens = tokens();
            let mut issued = vec![tokens.first(&session()).unwrap()];
            let mut stored = StoredRefresh {
                generation: 0,
                current_hash: issued[0].hash(),
                previous_hash: None,
                expires_at: 0,
            };
            for back in choices {
                let newest = issued.len() - 1;
                let presented = issued[newest.saturating_sub(back)].clone();
                match judge(&presented, &stored) {
                    Judgement::Rotate => {
                        prop_assert_eq!(presented.generation(), stored.generation);
                        let next = tokens.next(&presented);
                        stored = StoredRefresh {
                            generation: stored.generation + 1,
                            current_hash: next.hash(),
                            previous_hash: Some(presented.hash()),
                            expires_at: 0,
                        };
                        issued.push(next);
                    }
                    Judgement::Repeat => {
                        prop_assert_eq!(presented.generation() + 1, stored.generation);
                        prop_assert_eq!(tokens.next(&presented).hash(), stored.current_hash);
                    }
                    Judgement::Reused => {
                        prop_assert!(presented.generation() + 1 < stored.generation);
                        return Ok(());
                    }
                    Judgement::Unknown => prop_assert!(false, "a genuine token is known"),
                }
            }
        }
    }
}
