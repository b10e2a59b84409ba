//! Persons: who works at the customers and partners, what they allowed, and what they ask of us.

use entities::{consent, contact, privacy_request};
use serde_json::json;
use uuid::Uuid;

use super::{
    cast::Cast,
    customers::Customers,
    seed::{Seed, text},
    write,
};
use crate::{access::load::Load, error::Result};

const GIVEN: &[&str] = &[
    "Lukas", "Hannah", "Felix", "Lea", "Jonas", "Marie", "Paul", "Clara", "Emil", "Nora", "Jan", "Ida", "Theo",
    "Greta", "Moritz", "Frieda",
];
const FAMILY: &[&str] = &[
    "Wagner", "Gruber", "Keller", "Schmid", "Fischer", "Roth", "Lang", "Vogt", "Seiler", "Winter", "Sauer", "Bauer",
    "Kuhn", "Moser", "Frei", "Pichler", "Noll",
];

pub(super) struct Contacts {
    pub all: Vec<contact::Model>,
}

impl Contacts {
    /// The first person of the customer.
    pub(super) fn of(&self, customer: Uuid) -> Option<Uuid> {
        self.all.iter().find(|c| c.customer_id == Some(customer)).map(|c| c.id)
    }
}

pub(super) async fn insert(load: &mut Load, seed: &mut Seed, cast: &Cast, customers: &Customers) -> Result<Contacts> {
    let mut all = Vec::new();
    for customer in &customers.all {
        let domain = customers.domain(customer.id);
        if customer.segment == "household" {
            let family = customer.name.split(' ').next_back().unwrap_or_default();
            let mut person = person(seed, all.len(), Some(family), domain);
            person.customer_id = Some(customer.id);
            person.job_title = None;
            person.is_billing = true;
            person.birth_date = Some(seed.day(-365 * 45 + 31 * all.len() as i64));
            all.push(person);
            continue;
        }
        for title in ["Head of maintenance", "Accounts payable"] {
            let mut person = person(seed, all.len(), None, domain);
            person.customer_id = Some(customer.id);
            person.job_title = text(title);
            person.is_billing = title == "Accounts payable";
            all.push(person);
        }
    }
    for (organisation, domain) in [(cast.aqua, "aqua-seals.example"), (cast.bergmann, "bergmann.example")] {
        let mut person = person(seed, all.len(), None, domain);
        person.organisation_id = Some(organisation);
        person.job_title = text("Key account manager");
        all.push(person);
    }
    // erased at the person's wish: the tombstone keeps the key only
    let mut erased = person(seed, all.len(), Some("erased"), "erased.example");
    erased.customer_id = Some(customers.named("Automaten").id);
    erased.given_name = "erased".into();
    (erased.email, erased.phone, erased.job_title, erased.language) = (None, None, None, None);
    erased.erased_at = Some(seed.at(-20, 14));
    all.push(erased);
    write::<contact::Entity>(load, all.clone()).await?;
    Ok(Contacts { all })
}

fn person(seed: &mut Seed, n: usize, family: Option<&str>, domain: &str) -> contact::Model {
    let (given, family) = (GIVEN[n % GIVEN.len()], family.unwrap_or(FAMILY[n % FAMILY.len()]));
    contact::Model {
        id: seed.id(),
        customer_id: None,
        organisation_id: None,
        given_name: given.into(),
        family_name: family.into(),
        email: Some(format!("{}.{}@{domain}", given.to_lowercase(), family.to_lowercase())),
        phone: Some(format!("+49 30 5550{:04}", 1_000 + 37 * n)),
        job_title: None,
        language: text("de"),
        preferred_channel: text(if n.is_multiple_of(3) { "phone" } else { "email" }),
        is_billing: false,
        birth_date: None,
        erased_at: None,
    }
}

/// Every state that a consent can be in, over the first person of each customer in turn.
pub(super) async fn consents(load: &mut Load, seed: &mut Seed, cast: &Cast, contacts: &Contacts) -> Result<()> {
    let mut rows = Vec::new();
    let mut seen = Vec::new();
    for person in contacts.all.iter().filter(|c| c.erased_at.is_none()) {
        let Some(customer) = person.customer_id else { continue };
        if seen.contains(&customer) {
            continue;
        }
        let turn = seen.len() % 6;
        seen.push(customer);
        let mut allow = |purpose: &str, recipient: Option<Uuid>| {
            let mut row = consent(seed, person.id, purpose, recipient);
            match turn {
                2 => {
                    row.status = "withdrawn".into();
                    row.withdrawn_at = Some(seed.at(-12, 10));
                }
                // still noted as given, but the day has passed
                3 => row.expires_at = Some(seed.at(-2, 0)),
                4 => row.status = "expired".into(),
                _ => {}
            }
            rows.push(row);
        };
        if turn < 5 {
            allow("marketing_email", None);
        }
        match turn {
            0 | 2 | 3 | 4 => allow("partner_contact", Some(cast.bergmann)),
            1 => {
                // to be written to by the distributor is another purpose than to be reached by it
                allow("marketing_email", Some(cast.bergmann));
                allow("partner_contact", Some(cast.dauphin));
            }
            _ => allow("survey", None),
        }
    }
    write::<consent::Entity>(load, rows).await?;
    let requests = contacts.all.iter().take(2).zip(["access", "erase"]);
    let requests = requests.map(|(person, kind)| request(seed, person.id, kind)).collect();
    write::<privacy_request::Entity>(load, requests).await
}

fn consent(seed: &mut Seed, contact_id: Uuid, purpose: &str, recipient_id: Option<Uuid>) -> consent::Model {
    consent::Model {
        id: seed.id(),
        contact_id,
        purpose: purpose.into(),
        legal_basis: "consent".into(),
        channel: text("email"),
        recipient_id,
        status: "given".into(),
        given_at: Some(seed.at(-300, 9)),
        withdrawn_at: None,
        expires_at: Some(seed.at(430, 0)),
        evidence_ref: text("double opt-in mail"),
        text_version: text("3"),
    }
}

fn request(seed: &mut Seed, contact_id: Uuid, kind: &str) -> privacy_request::Model {
    privacy_request::Model {
        id: seed.id(),
        contact_id,
        kind: kind.into(),
        received_at: seed.at(-9, 8),
        due_at: seed.at(21, 8),
        status: "in_progress".into(),
        told_partners: Some(json!(["bergmann"])),
    }
}
