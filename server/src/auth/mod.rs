//! From a request's headers to a caller. Today by bearer tokens that the hub signs itself; whatever
//! identifies people later ends in the same [`Caller`], and nothing behind this folder knows how.

mod token;

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use entities::Instant;
use quick_cache::sync::Cache;

pub use token::{Signer, Ttl};

use crate::{
    access::{
        key::Keys,
        roster::{Caller, Origin, Seat},
    },
    clock::Clock,
    error::{Error, Result},
};

/// Verified tokens that are kept. One costs under a kilobyte.
const KEPT: usize = 4096;
/// A token that is longer was not issued here.
const LONGEST: usize = 2048;
/// Turns tokens into callers. A token that was seen costs one look-up; its end is compared with the clock
/// on each use. Whether its person still holds the seat is the gate's to say, for every request.
#[derive(Debug)]
pub struct Tokens {
    signer: Signer,
    seen: Cache<Box<str>, Arc<Caller>>,
}

impl Tokens {
    pub fn new(keys: &Keys) -> Self {
        Tokens { signer: Signer::new(&keys.signing), seen: Cache::new(KEPT) }
    }

    /// A token for a person in a seat.
    pub fn issue(&self, seat: &Seat, principal: uuid::Uuid, ttl: Ttl, clock: &Clock) -> Result<String> {
        self.signer.issue(seat, principal, ttl, clock)
    }

    /// The public half of the signing key, as a JSON web key set.
    pub fn key_set(&self) -> serde_json::Value {
        self.signer.key_set()
    }

    /// Who sends these headers, and from where.
    pub fn caller(&self, headers: &HeaderMap, origin: Origin, now: Instant) -> Result<Arc<Caller>> {
        let token = bearer(headers)?;
        let verified = match self.seen.get(token) {
            Some(caller) if now >= caller.expires => {
                self.seen.remove(token);
                return Err(expired());
            }
            Some(caller) if caller.origin == origin => return Ok(caller),
            Some(caller) => caller.as_ref().clone(),
            None => self.signer.verify(token, now)?,
        };
        let caller = Arc::new(Caller { origin, ..verified });
        self.seen.insert(token.into(), caller.clone());
        Ok(caller)
    }
}

/// The token of `Authorization: Bearer …`.
fn bearer(headers: &HeaderMap) -> Result<&str> {
    let mut sent = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = sent.next() else {
        return Err(Error::unauthenticated("no token: send `Authorization: Bearer TOKEN`"));
    };
    if sent.next().is_some() {
        return Err(Error::unauthenticated("more than one `Authorization` header: send one"));
    }
    let scheme_and_token = value.to_str().ok().and_then(|text| text.trim().split_once(' '));
    match scheme_and_token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => match token.trim() {
            "" => Err(Error::unauthenticated("no token: send `Authorization: Bearer TOKEN`")),
            token if token.len() > LONGEST => Err(token::malformed()),
            token => Ok(token),
        },
        _ => Err(Error::unauthenticated(
            "the `Authorization` header is no bearer token: send `Authorization: Bearer TOKEN`",
        )),
    }
}

pub(crate) fn expired() -> Error {
    Error::unauthenticated("the token has expired, get a new one")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_seen_token_still_ends_by_the_clock() {
        let keys = Keys { signing: ed25519_dalek::SigningKey::from_bytes(&[1; 32]), seal: [0; 32] };
        let (tokens, clock) = (Tokens::new(&keys), Clock::held(Instant(1_000_000_000)));
        let seat = Seat { organisation: uuid::Uuid::nil(), role: "planner".into() };
        let token = tokens.issue(&seat, uuid::Uuid::nil(), Ttl::days(1), &clock).expect("signed");
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).expect("a header"));
        let ask = |origin, now| tokens.caller(&headers, origin, now);
        let first = ask(Origin::Here, clock.now()).expect("good");
        assert!(Arc::ptr_eq(&first, &ask(Origin::Here, clock.now()).expect("seen")));
        // the token is kept, where it came from is not
        assert_eq!(ask(Origin::Unknown, clock.now()).expect("seen").origin, Origin::Unknown);
        assert!(ask(Origin::Here, first.expires).is_err());
        assert!(ask(Origin::Here, first.expires).is_err());
    }

    #[test]
    fn only_a_bearer_header_carries_a_token() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).expect("a header"));
            headers
        };
        assert_eq!(bearer(&headers("Bearer a.b.c")).expect("a token"), "a.b.c");
        assert_eq!(bearer(&headers("bearer  a.b.c ")).expect("a token"), "a.b.c");
        for wrong in ["", "Bearer", "Bearer ", "Basic YTpi", "a.b.c"] {
            assert!(matches!(bearer(&headers(wrong)), Err(Error::Unauthenticated(_))), "{wrong}");
        }
        assert!(bearer(&headers(&format!("Bearer {}", "x".repeat(LONGEST + 1)))).is_err());
        let mut twice = headers("Bearer a.b.c");
        twice.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer d.e.f"));
        assert!(bearer(&twice).is_err());
        assert!(bearer(&HeaderMap::new()).is_err());
    }
}
