//! The hub's own tokens: JSON web tokens, EdDSA and nothing else. The key's thumbprint names the hub, so
//! a token of another hub is told from a forged one.

use std::{fmt, str::FromStr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use entities::Instant;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::expired;
use crate::{
    access::roster::{Caller, Origin, Seat},
    clock::Clock,
    error::{Error, Result},
};

const AUDIENCE: &str = "entente";

/// For how long a token is good, or something else is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Ttl(i64);

impl Ttl {
    const LONGEST: i64 = 366 * 86_400;

    pub const fn days(days: i64) -> Self {
        Ttl(days * 86_400)
    }

    pub const fn micros(self) -> i64 {
        self.0 * 1_000_000
    }
}

impl fmt::Display for Ttl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
        let (seconds, unit) = units.into_iter().find(|(seconds, _)| self.0 % seconds == 0).unwrap_or((1, 's'));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

impl TryFrom<String> for Ttl {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<Ttl> for String {
    fn from(ttl: Ttl) -> Self {
        ttl.to_string()
    }
}

impl FromStr for Ttl {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let unit = text.chars().last().unwrap_or_default();
        let seconds = match unit {
            's' => Some(1),
            'm' => Some(60),
            'h' => Some(3_600),
            'd' => Some(86_400),
            _ => None,
        };
        let count =
            text.get(..text.len() - unit.len_utf8().min(text.len())).and_then(|count| count.parse::<u32>().ok());
        match (count, seconds) {
            (Some(count @ 1..), Some(seconds)) if i64::from(count) * seconds <= Self::LONGEST => {
                Ok(Ttl(i64::from(count) * seconds))
            }
            _ => Err("write a time such as `15m`, `1h` or `7d`, at most `366d`".to_owned()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    org: Uuid,
    role: String,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Extensions that a reader must understand; there are none that this one does.
    crit: Option<serde::de::IgnoredAny>,
}

/// Signs and verifies with one key.
pub struct Signer {
    /// RFC 7638: the same key has the same name everywhere.
    kid: String,
    public: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Signer {
    pub fn new(key: &SigningKey) -> Self {
        let public = key.verifying_key();
        let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
        let thumbprint = Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#));
        let mut validation = Validation::new(Algorithm::EdDSA);
        // time and audience are compared here: the clock is ours, and the messages are
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let der = key.to_pkcs8_der().expect("a key of 32 bytes always has a PKCS#8 form");
        Signer {
            kid: URL_SAFE_NO_PAD.encode(thumbprint),
            public: x,
            encoding: EncodingKey::from_ed_der(der.as_bytes()),
            decoding: DecodingKey::from_ed_der(public.as_bytes()),
            validation,
        }
    }

    pub(super) fn issue(&self, seat: &Seat, principal: Uuid, ttl: Ttl, clock: &Clock) -> Result<String> {
        let iat = clock.now().0.div_euclid(1_000_000);
        let claims = Claims {
            iss: self.issuer(),
            aud: AUDIENCE.to_owned(),
            sub: principal,
            org: seat.organisation,
            role: seat.role.clone(),
            iat,
            exp: iat + ttl.0,
            jti: clock.id(),
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.encoding)
            .map_err(|cause| Error::internal(format!("cannot sign: {cause}")))
    }

    pub(super) fn verify(&self, token: &str, now: Instant) -> Result<Caller> {
        let head = head(token).ok_or_else(malformed)?;
        if head.alg != "EdDSA" || head.crit.is_some() {
            return Err(Error::unauthenticated("the token is not signed with EdDSA, get one from this hub"));
        }
        if head.kid.as_deref() != Some(&self.kid) {
            return Err(Error::unauthenticated("the token is not signed with this hub's key, get one from this hub"));
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let claims = decoded.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature => Error::unauthenticated("the token's signature does not hold, get a new one"),
            _ => malformed(),
        })?;
        let claims = claims.claims;
        if claims.aud != AUDIENCE || claims.iss != self.issuer() {
            return Err(Error::unauthenticated("the token is not for this hub, get one from this hub"));
        }
        let expires = Instant(claims.exp.saturating_mul(1_000_000));
        if now >= expires {
            return Err(expired());
        }
        let seat = Seat { organisation: claims.org, role: claims.role };
        let seat = Arc::new(seat);
        Ok(Caller { seat, principal: claims.sub, expires, place: None, origin: Origin::Unknown })
    }

    pub(super) fn key_set(&self) -> serde_json::Value {
        serde_json::json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.public,
        }] })
    }

    fn issuer(&self) -> String {
        format!("urn:entente:{}", self.kid)
    }
}

pub(super) fn malformed() -> Error {
    Error::unauthenticated("the token is malformed, send it exactly as it was issued")
}

/// Read before the signature is checked, so nothing but the choice of the key may rest on it.
fn head(token: &str) -> Option<Head> {
    let mut parts = token.split('.');
    let (head, _claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(seed: u8) -> Signer {
        Signer::new(&SigningKey::from_bytes(&[seed; 32]))
    }

    fn seat() -> Seat {
        Seat { organisation: Uuid::from_u128(7), role: "planner".into() }
    }

    fn clock() -> Clock {
        Clock::held("2026-06-01T12:00:00Z".parse().expect("valid"))
    }

    fn refusal(signer: &Signer, token: &str) -> String {
        let error = signer.verify(token, clock().now()).expect_err("refused");
        assert!(matches!(error, Error::Unauthenticated(_)));
        for part in token.split('.').filter(|part| part.len() > 8) {
            assert!(!error.to_string().contains(part), "the token is never echoed");
        }
        error.to_string()
    }

    fn raw(head: &str, claims: &str, signature: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(head), encode(claims), encode(signature))
    }

    #[test]
    fn a_token_holds_until_the_second_it_expires() {
        let (signer, clock) = (signer(1), clock());
        let token = signer.issue(&seat(), Uuid::from_u128(9), "15m".parse().expect("valid"), &clock).expect("signed");
        let claimed = signer.verify(&token, clock.now()).expect("good");
        assert_eq!((&*claimed.seat, claimed.principal), (&seat(), Uuid::from_u128(9)));
        assert_eq!(claimed.expires.to_string(), "2026-06-01T12:15:00Z");
        assert!(signer.verify(&token, Instant(claimed.expires.0 - 1)).is_ok());
        let late = signer.verify(&token, claimed.expires).expect_err("expired");
        assert!(late.to_string().contains("expired"));
    }

    #[test]
    fn what_does_not_hold_is_named() {
        let signer = signer(1);
        let good = signer.issue(&seat(), Uuid::nil(), Ttl::days(1), &clock()).expect("signed");
        let parts: Vec<&str> = good.split('.').collect();
        let head = URL_SAFE_NO_PAD.decode(parts[0]).expect("base64");
        let head = String::from_utf8(head).expect("text");

        for token in ["", "abc", "a.b", "a.b.c", "a.b.c.d", &format!("{good}.x"), &raw("[]", "{}", "")] {
            assert!(refusal(&signer, token).contains("malformed"), "{token}");
        }
        let foreign = super::tests::signer(2).issue(&seat(), Uuid::nil(), Ttl::days(1), &clock()).expect("signed");
        assert!(refusal(&signer, &foreign).contains("this hub's key"));

        // the right key's name over another key's signature
        let forged = format!("{}.{}.{}", parts[0], parts[1], foreign.rsplit('.').next().unwrap_or_default());
        assert!(refusal(&signer, &forged).contains("signature"));
        let changed = format!("{}.{}.{}", parts[0], foreign.split('.').nth(1).unwrap_or_default(), parts[2]);
        assert!(refusal(&signer, &changed).contains("signature"));

        for alg in ["none", "HS256", "RS256", "ES256", "eddsa"] {
            let token = raw(&head.replace("EdDSA", alg), r#"{"aud":"entente"}"#, "");
            assert!(refusal(&signer, &token).contains("EdDSA"), "{alg}");
        }
        let critical = raw(&head.replacen('{', r#"{"crit":["b64"],"#, 1), "{}", "");
        assert!(refusal(&signer, &critical).contains("EdDSA"));
    }

    #[test]
    fn a_public_key_is_no_secret_for_hs256() {
        let signer = signer(1);
        let claims = serde_json::json!({ "sub": Uuid::nil(), "aud": "entente" });
        let key = EncodingKey::from_secret(signer.decoding.as_bytes());
        let header = Header { kid: Some(signer.kid.clone()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &key).expect("signed");
        assert!(refusal(&signer, &token).contains("EdDSA"));
    }

    #[test]
    fn another_audience_or_issuer_is_not_for_this_hub() {
        let signer = signer(1);
        for (aud, iss) in [("other", signer.issuer()), (AUDIENCE, "urn:entente:other".to_owned())] {
            let claims = Claims {
                iss,
                aud: aud.into(),
                sub: Uuid::nil(),
                org: Uuid::nil(),
                role: "admin".into(),
                iat: 0,
                exp: i64::MAX,
                jti: Uuid::nil(),
            };
            let header = Header { kid: Some(signer.kid.clone()), ..Header::new(Algorithm::EdDSA) };
            let token = jsonwebtoken::encode(&header, &claims, &signer.encoding).expect("signed");
            assert!(refusal(&signer, &token).contains("not for this hub"));
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        assert_eq!("1h".parse(), Ok(Ttl(3_600)));
        assert_eq!("7d".parse(), Ok(Ttl::days(7)));
        for wrong in ["", "h", "0s", "1", "-1h", "1.5h", "1w", "367d", "99999999999h", "1µ"] {
            assert!(wrong.parse::<Ttl>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_key_set_shows_the_public_half_only() {
        let set = signer(1).key_set();
        assert_eq!(set["keys"][0]["x"].as_str().map(str::len), Some(43));
        assert!(set["keys"][0].get("d").is_none());
    }
}
