//! Ids and cursors as one organisation sees them. An id is the row's key under a block cipher whose
//! key belongs to the organisation and whose tweak to the type: two partners cannot compare theirs,
//! and neither age nor volume can be read off. A cursor is sealed, so a changed or foreign one fails.

use aes::{
    Aes128,
    cipher::{BlockDecrypt, BlockEncrypt, KeyInit, generic_array::GenericArray},
};
use aes_gcm_siv::{
    Aes128GcmSiv,
    aead::{Aead, Payload},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{Datelike, NaiveDate};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    access::read::Arg,
    catalogue::{CATALOGUE, TypeId},
};

pub struct Codec {
    ids: Aes128,
    cursors: Aes128GcmSiv,
    secret: String,
    /// By type.
    tweaks: Vec<[u8; 16]>,
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Codec")
    }
}

fn derive(seal: &[u8; 32], purpose: &str, organisation: Uuid) -> [u8; 16] {
    half(Sha256::new().chain_update(seal).chain_update(purpose).chain_update(organisation).finalize().as_slice())
}

fn half(digest: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&digest[..16]);
    out
}

/// The digits of an id or cursor are the same for every run: nothing to cache, nothing to leak.
const NONCE: [u8; 12] = [0; 12];

impl Codec {
    pub fn new(seal: &[u8; 32], organisation: Uuid) -> Self {
        let tweak = |name: &str| half(Sha256::digest(name).as_slice());
        Codec {
            ids: Aes128::new(&GenericArray::from(derive(seal, "id", organisation))),
            cursors: Aes128GcmSiv::new(&GenericArray::from(derive(seal, "cursor", organisation))),
            secret: URL_SAFE_NO_PAD.encode(derive(seal, "pseudonym", organisation)),
            tweaks: CATALOGUE.types.iter().map(|t| tweak(t.name)).collect(),
        }
    }

    /// What the organisation's pseudonyms are made with.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// `Customer_` and 22 characters.
    pub fn write_id(&self, ty: TypeId, id: Uuid, out: &mut Vec<u8>) {
        let mut block = GenericArray::from(*id.as_bytes());
        for (b, t) in block.iter_mut().zip(self.tweaks[ty.0]) {
            *b ^= t;
        }
        self.ids.encrypt_block(&mut block);
        out.extend_from_slice(CATALOGUE.ty(ty).name.as_bytes());
        out.push(b'_');
        let start = out.len();
        out.resize(start + 22, 0);
        // 16 bytes are always 22 characters
        let _ = URL_SAFE_NO_PAD.encode_slice(block, &mut out[start..]);
    }

    pub fn id(&self, ty: TypeId, id: Uuid) -> String {
        let mut out = Vec::with_capacity(40);
        self.write_id(ty, id, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// The type and the key; whether there is such a row is another question.
    pub fn read_id(&self, text: &str) -> Option<(TypeId, Uuid)> {
        let (name, rest) = text.split_once('_')?;
        let ty = CATALOGUE.by_name(name)?.id;
        let mut block = [0; 16];
        if rest.len() != 22 || URL_SAFE_NO_PAD.decode_slice(rest, &mut block) != Ok(16) {
            return None;
        }
        let mut block = GenericArray::from(block);
        self.ids.decrypt_block(&mut block);
        for (b, t) in block.iter_mut().zip(self.tweaks[ty.0]) {
            *b ^= t;
        }
        Some((ty, Uuid::from_bytes(block.into())))
    }

    /// `list` names what the cursor walks: the type and the order.
    pub fn cursor(&self, list: &str, values: &[Arg]) -> String {
        let mut plain = Vec::with_capacity(32);
        let mut nulls = 0u8;
        for (i, value) in values.iter().enumerate() {
            write_value(value, &mut plain);
            // an order has at most eight terms before the key, and the key is never null
            nulls |= u8::from(*value == Arg::Null) << (i & 7);
        }
        let sealed =
            self.cursors.encrypt(&GenericArray::from(NONCE), Payload { msg: &plain, aad: &about(list, nulls) });
        let mut bytes = vec![nulls];
        bytes.extend(sealed.unwrap_or_default());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Bytes that only this organisation's codec opens again, and only for the same purpose.
    pub fn seal(&self, purpose: &str, plain: &[u8]) -> String {
        let payload = Payload { msg: plain, aad: purpose.as_bytes() };
        URL_SAFE_NO_PAD.encode(self.cursors.encrypt(&GenericArray::from(NONCE), payload).unwrap_or_default())
    }

    pub fn open(&self, purpose: &str, text: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        self.cursors.decrypt(&GenericArray::from(NONCE), Payload { msg: &sealed, aad: purpose.as_bytes() }).ok()
    }

    /// Which of a cursor's values are null, as a plan for it must know. The cursor is not trusted yet.
    pub fn nulls(&self, text: &str) -> Option<u8> {
        URL_SAFE_NO_PAD.decode(text).ok()?.first().copied()
    }

    pub fn read_cursor(&self, list: &str, text: &str) -> Option<Vec<Arg>> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nulls, sealed) = bytes.split_first()?;
        let plain = self
            .cursors
            .decrypt(&GenericArray::from(NONCE), Payload { msg: sealed, aad: &about(list, *nulls) })
            .ok()?;
        let mut rest = &plain[..];
        let mut values = Vec::new();
        while !rest.is_empty() {
            values.push(read_value(&mut rest)?);
        }
        Some(values)
    }
}

fn about(list: &str, nulls: u8) -> Vec<u8> {
    let mut about = list.as_bytes().to_vec();
    about.push(nulls);
    about
}

fn write_value(value: &Arg, out: &mut Vec<u8>) {
    match value {
        Arg::Int(n) => {
            out.push(1);
            out.extend(n.to_be_bytes());
        }
        Arg::Text(text) => {
            out.push(2);
            out.extend((text.len() as u32).to_be_bytes());
            out.extend(text.as_bytes());
        }
        Arg::Id(id) => {
            out.push(3);
            out.extend(id.as_bytes());
        }
        Arg::Date(day) => {
            out.push(4);
            out.extend(day.num_days_from_ce().to_be_bytes());
        }
        Arg::Bool(b) => out.extend([5, u8::from(*b)]),
        _ => out.push(0),
    }
}

fn read_value(rest: &mut &[u8]) -> Option<Arg> {
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at_checked(n)?;
        *rest = tail;
        Some(head)
    };
    Some(match take(1)?[0] {
        0 => Arg::Null,
        1 => Arg::Int(i64::from_be_bytes(take(8)?.try_into().ok()?)),
        2 => {
            let len = u32::from_be_bytes(take(4)?.try_into().ok()?) as usize;
            Arg::Text(String::from_utf8(take(len)?.to_vec()).ok()?)
        }
        3 => Arg::Id(Uuid::from_slice(take(16)?).ok()?),
        4 => Arg::Date(NaiveDate::from_num_days_from_ce_opt(i32::from_be_bytes(take(4)?.try_into().ok()?))?),
        5 => Arg::Bool(take(1)?[0] != 0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_stable_for_one_organisation_and_mean_nothing_to_another() {
        let (a, b) = (Codec::new(&[7; 32], Uuid::from_u128(1)), Codec::new(&[7; 32], Uuid::from_u128(2)));
        let (ty, row) = (CATALOGUE.by_name("Customer").unwrap().id, Uuid::now_v7());
        assert_eq!(a.read_id(&a.id(ty, row)), Some((ty, row)));
        assert_ne!(a.id(ty, row), b.id(ty, row));
        assert_ne!(b.read_id(&a.id(ty, row)), Some((ty, row)));
        for text in [
            "",
            "Customer",
            "Customer_",
            "Nothing_AAAAAAAAAAAAAAAAAAAAAA",
            "Customer_AAAA",
            "Customer_AAAAAAAAAAAAAAAAAAAAA!",
        ] {
            assert_eq!(a.read_id(text), None, "{text}");
        }
    }

    #[test]
    fn cursors_fail_when_changed_foreign_or_of_another_order() {
        let (a, b) = (Codec::new(&[7; 32], Uuid::from_u128(1)), Codec::new(&[7; 32], Uuid::from_u128(2)));
        let values = vec![Arg::Text("ä".into()), Arg::Null, Arg::Int(-5), Arg::Id(Uuid::from_u128(9))];
        let text = a.cursor("Customer:1", &values);
        assert_eq!(a.read_cursor("Customer:1", &text), Some(values));
        assert_eq!(a.read_cursor("Customer:2", &text), None);
        assert_eq!(b.read_cursor("Customer:1", &text), None);
        assert_eq!(a.read_cursor("Customer:1", &text[1..]), None);
        assert_eq!(a.read_cursor("Customer:1", ""), None);
    }
}
