//! One line of the log, and the one form of it that is hashed, whatever the database.

use std::io::Write;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Names the canonical form: another one needs another name, or old hashes would be read in a new way.
const FORM: &str = "entente access log 1";

/// A line as a request writes it into the journal; [`Line`] reads it.
#[derive(Debug, Serialize)]
pub(super) struct Noted<'a> {
    pub id: Uuid,
    pub at: i64,
    pub principal: Uuid,
    pub organisation: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<Uuid>,
    pub action: &'a str,
    pub object_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_id: Option<Uuid>,
    pub fields: &'a [&'a str],
    pub rows: u32,
    pub decision: &'a str,
    pub policy_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Noted<'_> {
    pub(super) fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}

/// A line, before it has its place in the chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    pub id: Uuid,
    /// Microseconds; see `entities::Instant`.
    pub at: i64,
    pub principal: Option<Uuid>,
    pub organisation: Option<Uuid>,
    pub on_behalf_of: Option<Uuid>,
    pub action: String,
    pub object_type: String,
    pub object_id: Option<Uuid>,
    pub fields: Option<serde_json::Value>,
    pub rows: Option<i64>,
    pub decision: String,
    pub policy_version: String,
    pub agreement: Option<Uuid>,
    pub reason: Option<String>,
}

impl Line {
    /// The hash of this line at this place behind a line with that hash, in hexadecimal: SHA-256 over the parts
    /// in a fixed order, each with its length before it, so that no two lines have one form.
    pub fn hash(&self, before: &str, seq: i64) -> String {
        let mut form = Form(Vec::with_capacity(512));
        form.text(FORM);
        form.text(before);
        form.number(Some(seq));
        form.id(Some(self.id));
        form.number(Some(self.at));
        form.id(self.principal);
        form.id(self.organisation);
        form.id(self.on_behalf_of);
        form.text(&self.action);
        form.text(&self.object_type);
        form.id(self.object_id);
        form.maybe(self.fields.as_ref().map(ToString::to_string).as_deref());
        form.number(self.rows);
        form.text(&self.decision);
        form.text(&self.policy_version);
        form.id(self.agreement);
        form.maybe(self.reason.as_deref());
        let digest = Sha256::digest(&form.0);
        let mut hex = String::with_capacity(64);
        for byte in digest {
            for nibble in [byte >> 4, byte & 15] {
                hex.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
        hex
    }
}

/// `4:read` for a text, `-` for null; what follows a text's length cannot be taken for anything else.
struct Form(Vec<u8>);

impl Form {
    fn text(&mut self, text: &str) {
        // writing to memory cannot fail
        drop(write!(self.0, "{}:", text.len()));
        self.0.extend_from_slice(text.as_bytes());
    }

    fn maybe(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.0.push(b'-'),
        }
    }

    fn number(&mut self, number: Option<i64>) {
        match number {
            Some(number) => self.text(itoa::Buffer::new().format(number)),
            None => self.0.push(b'-'),
        }
    }

    fn id(&mut self, id: Option<Uuid>) {
        match id {
            Some(id) => self.text(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
            None => self.0.push(b'-'),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn line() -> Line {
        Line {
            id: Uuid::from_u128(1),
            at: 1_700_000_000_000_000,
            principal: Some(Uuid::from_u128(2)),
            organisation: Some(Uuid::from_u128(3)),
            on_behalf_of: None,
            action: "read".into(),
            object_type: "Customer".into(),
            object_id: None,
            fields: Some(json!(["name", "city"])),
            rows: Some(20),
            decision: "masked".into(),
            policy_version: "00000000deadbeef".into(),
            agreement: Some(Uuid::from_u128(4)),
            reason: None,
        }
    }

    #[test]
    fn the_form_is_the_one_that_kept_logs_were_hashed_in() {
        let hash = line().hash("head", 7);
        assert_eq!(hash, "55f1a35c7c5c2220c0abb0bc74515114e332fe5c35e069ba9a4ce2ab44fc9b65");
    }

    #[test]
    fn a_noted_line_is_read_back() {
        let mut out = Vec::new();
        let noted = Noted {
            id: Uuid::from_u128(1),
            at: 1_700_000_000_000_000,
            principal: Uuid::from_u128(2),
            organisation: Uuid::from_u128(3),
            on_behalf_of: None,
            action: "read",
            object_type: "Customer",
            object_id: None,
            fields: &["name", "city"],
            rows: 20,
            decision: "masked",
            policy_version: "00000000deadbeef",
            agreement: Some(Uuid::from_u128(4)),
            reason: None,
        };
        noted.write(&mut out).expect("written");
        assert_eq!(out.last(), Some(&b'\n'));
        assert_eq!(serde_json::from_slice::<Line>(&out).expect("a line"), line());
    }

    fn maybe_id() -> impl Strategy<Value = Option<Uuid>> {
        prop::option::of((0u128..3).prop_map(Uuid::from_u128))
    }

    prop_compose! {
        /// Few values, so that lines are often the same, and texts that look like the form itself.
        fn any_line()(
            ids in (0u128..2, maybe_id(), maybe_id(), maybe_id(), maybe_id(), maybe_id()),
            texts in prop::array::uniform4("(-|1:|2:aa|read|){0,2}"),
            at in 0i64..3,
            rows in prop::option::of(0i64..12),
            fields in prop::option::of(prop::collection::vec("(a|b|-|1:a){0,2}", 0..3)),
            reason in prop::option::of("(-|1:-|a){0,2}"),
        ) -> Line {
            let [action, object_type, decision, policy_version] = texts;
            Line {
                id: Uuid::from_u128(ids.0), at, principal: ids.1, organisation: ids.2, on_behalf_of: ids.3, action,
                object_type, object_id: ids.4, fields: fields.map(|f| json!(f)), rows, decision, policy_version,
                agreement: ids.5, reason,
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn two_lines_have_one_hash_only_if_they_are_one(
            a in any_line(), b in any_line(), before in prop::array::uniform2("(-|1:a|a){0,2}"), seq in [0i64..12, 0i64..12]
        ) {
            let same = a == b && before[0] == before[1] && seq[0] == seq[1];
            prop_assert_eq!(a.hash(&before[0], seq[0]) == b.hash(&before[1], seq[1]), same);
            prop_assert_eq!(a.hash(&before[0], seq[0]), a.clone().hash(&before[0], seq[0]));
        }

        #[test]
        fn every_part_counts(a in any_line(), part in 0usize..14) {
            let mut b = a.clone();
            let other = Some(Uuid::from_u128(99));
            match part {
                0 => b.id = Uuid::from_u128(99),
                1 => b.at += 1,
                2 => b.principal = other,
                3 => b.organisation = other,
                4 => b.on_behalf_of = other,
                5 => b.action.push('x'),
                6 => b.object_type.push('x'),
                7 => b.object_id = other,
                8 => b.fields = Some(json!(["x"])),
                9 => b.rows = Some(99),
                10 => b.decision.push('x'),
                11 => b.policy_version.push('x'),
                12 => b.agreement = other,
                _ => b.reason = Some("x".into()),
            }
            prop_assert_ne!(a.hash("", 1), b.hash("", 1));
        }
    }
}
