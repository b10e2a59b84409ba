//! Secrets and signatures as [Standard Webhooks](https://www.standardwebhooks.com) has them. A secret is shown once,
//! when it is made; the database keeps it sealed with the hub's key, bound to its endpoint.

use aes_gcm_siv::{
    Aes256GcmSiv, KeyInit, Nonce,
    aead::{Aead, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use entities::Instant;
use rand::{RngCore, rngs::OsRng};
use sha2::{Digest, Sha256};
use standardwebhooks::Webhook;
use uuid::Uuid;

use crate::error::{Error, Result};

const PREFIX: &str = "whsec_";
const LENGTH: usize = 32;
const NONCE: usize = 12;

/// What sender and receiver share.
pub struct Secret(Vec<u8>);

impl Secret {
    pub fn random() -> Self {
        let mut key = vec![0; LENGTH];
        OsRng.fill_bytes(&mut key);
        Secret(key)
    }

    /// As the receiver is told it, once.
    pub fn text(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(&self.0))
    }

    /// As the database keeps it.
    pub fn seal(&self, seal: &[u8; 32], endpoint: Uuid) -> Result<Vec<u8>> {
        let mut nonce = [0; NONCE];
        OsRng.fill_bytes(&mut nonce);
        let payload = Payload { msg: &self.0, aad: endpoint.as_bytes() };
        let sealed = cipher(seal).encrypt(Nonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| Error::internal("cannot seal a webhook's secret"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    pub fn open(sealed: &[u8], seal: &[u8; 32], endpoint: Uuid) -> Result<Self> {
        let open = || {
            let (nonce, msg) = sealed.split_at_checked(NONCE)?;
            cipher(seal).decrypt(Nonce::from_slice(nonce), Payload { msg, aad: endpoint.as_bytes() }).ok()
        };
        open().map(Secret).ok_or_else(|| Error::internal(format!("a secret of webhook `{endpoint}` cannot be opened")))
    }

    /// `v1,…`
    fn sign(&self, message: &str, at: Instant, body: &str) -> Result<String> {
        let signed = Webhook::from_bytes(self.0.clone())
            .and_then(|webhook| webhook.sign(message, at.0.div_euclid(1_000_000), body.as_bytes()));
        signed.map_err(|cause| Error::internal(format!("cannot sign a webhook ({cause})")))
    }
}

/// The header's value: one signature for each secret that is good, so that a receiver may know either.
pub fn signatures(secrets: &[Secret], message: &str, at: Instant, body: &str) -> Result<String> {
    let signed: Result<Vec<String>> = secrets.iter().map(|secret| secret.sign(message, at, body)).collect();
    Ok(signed?.join(" "))
}

/// A key for this purpose alone.
fn cipher(seal: &[u8; 32]) -> Aes256GcmSiv {
    let key = Sha256::new().chain_update("entente webhook secret 1").chain_update(seal).finalize();
    Aes256GcmSiv::new(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vectors_are_met() {
        // secrets and messages of the specification's own test suites
        for (secret, message, at, body, signature) in [
            (
                "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#,
                "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
            ),
            (
                "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                r#"{"email":"test@example.com","username":"test_user"}"#,
                "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
            ),
        ] {
            let secret = Secret(STANDARD.decode(secret).expect("base64"));
            let signed = signatures(&[secret], message, Instant(at * 1_000_000), body);
            assert_eq!(signed.expect("signed"), signature);
        }
    }

    #[test]
    fn each_secret_signs_what_its_receiver_verifies() {
        let (old, new) = (Secret::random(), Secret::random());
        let (message, body) = ("msg_1", r#"{"a":1}"#);
        let at = Instant(chrono::Utc::now().timestamp_micros());
        let signed = signatures(&[Secret(new.0.clone()), Secret(old.0.clone())], message, at, body).expect("signed");
        let mut headers = reqwest::header::HeaderMap::new();
        headers.insert("webhook-id", message.parse().expect("a header"));
        headers.insert("webhook-timestamp", (at.0 / 1_000_000).to_string().parse().expect("a header"));
        headers.insert("webhook-signature", signed.parse().expect("a header"));
        for (secret, good) in [(&old, true), (&new, true), (&Secret::random(), false)] {
            let receiver = Webhook::new(&secret.text()).expect("a secret");
            assert_eq!(receiver.verify(body.as_bytes(), &headers).is_ok(), good);
            assert!(receiver.verify(br#"{"a":2}"#, &headers).is_err());
        }
    }

    #[test]
    fn a_sealed_secret_opens_for_its_endpoint_and_hub_only() {
        let (secret, seal, endpoint) = (Secret::random(), [7; 32], Uuid::from_u128(1));
        let mut sealed = secret.seal(&seal, endpoint).expect("sealed");
        assert!(!sealed.windows(8).any(|part| *part == secret.0[..8]));
        assert_eq!(Secret::open(&sealed, &seal, endpoint).expect("opened").0, secret.0);
        assert!(Secret::open(&sealed, &seal, Uuid::from_u128(2)).is_err());
        assert!(Secret::open(&sealed, &[8; 32], endpoint).is_err());
        assert!(Secret::open(&sealed[..5], &seal, endpoint).is_err());
        sealed[20] ^= 1;
        assert!(Secret::open(&sealed, &seal, endpoint).is_err());
    }
}
