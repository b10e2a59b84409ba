//! Customers, a person at each, and whether that person may be written to.

use entities::{Instant, consent, contact, customer, customer_team};
use rand::Rng;

use super::{
    Out,
    world::{DAY, Part, REGIONS, Thing, World, one},
};
use crate::error::Result;

const FIRST: &[&str] =
    &["Aqua", "Hydro", "Bau", "Agro", "Chem", "Therm", "Klima", "Papier", "Stahl", "Food", "Energo", "Medi"];
const SECOND: &[&str] = &["tech", "plan", "werk", "systems", "group", "service", "anlagen", "bau", "plus", "invest"];
const GIVEN: &[&str] = &["Anna", "Luca", "Marie", "Jan", "Eva", "Tom", "Iga", "Paul", "Nina", "Marc"];
const FAMILY: &[&str] =
    &["Weber", "Rossi", "Dubois", "Novak", "Bauer", "de Vries", "Nowak", "Keller", "Moreau", "Huber"];
const CITIES: &[&str] = &["Linz", "Ulm", "Bern", "Lyon", "Turin", "Delft", "Brno", "Gdansk"];

pub(super) fn make(world: &World, out: &Out) -> Result<()> {
    for chunk in Out::chunks(world.sizes.customers) {
        let all = || chunk.clone();
        out.write::<customer::Entity>(all().map(|n| account(world, n)).collect())?;
        out.write::<customer_team::Entity>(all().filter(|n| hidden(*n) > 0).map(|n| team(world, n)).collect())?;
        out.write::<contact::Entity>(all().map(|n| person(world, n)).collect())?;
        out.write::<consent::Entity>(all().filter(|n| n % 2 == 0).map(|n| permission(world, n)).collect())?;
    }
    Ok(())
}

/// Of two hundred customers two have their name hidden from partners, and one its existence.
const fn hidden(n: u64) -> i16 {
    match n % 200 {
        50 | 150 => 1,
        100 => 2,
        _ => 0,
    }
}

fn account(world: &World, n: u64) -> customer::Model {
    let known = world.customer(n);
    let mut dice = world.dice(Thing::Customer, n);
    let at = Instant(world.opening().0 + dice.gen_range(0..300) * DAY);
    let region = REGIONS[known.region];
    customer::Model {
        id: known.id,
        organisation_id: None,
        name: format!("{}{} {}", one(&mut dice, FIRST), one(&mut dice, SECOND), n + 1),
        code_name: (hidden(n) > 0).then(|| format!("Project {}", n + 1)),
        segment: one(&mut dice, &["key", "mid", "small"]).into(),
        industry: Some(one(&mut dice, &["water", "chemicals", "food", "energy", "paper"]).into()),
        country: region.into(),
        region: region.into(),
        postcode: Some(format!("{:05}", dice.gen_range(1000..99_999))),
        city: Some(one(&mut dice, CITIES).into()),
        street: Some(format!("Hauptstrasse {}", dice.gen_range(1..200))),
        owner_id: Some(world.rep(known.region)),
        lifecycle_stage: one(&mut dice, &["customer", "customer", "customer", "at_risk", "prospect"]).into(),
        portfolio_strategy: Some(one(&mut dice, &["protect", "enhance", "harvest"]).into()),
        nda_level: hidden(n),
        credit_limit: Some(entities::Decimal::from_int(dice.gen_range(10..500) * 1000)),
        annual_revenue: None,
        clv: None,
        churn_risk: Some(entities::Decimal(dice.gen_range(0..10_000))),
        assigned_partner_id: world.distributor(known.region).map(|partner| world.partner(partner)),
        created_at: at,
        updated_at: at,
    }
}

fn team(world: &World, n: u64) -> customer_team::Model {
    let known = world.customer(n);
    customer_team::Model {
        id: world.id(Thing::Customer, n, Part::Team, 0),
        customer_id: known.id,
        principal_id: world.rep(known.region),
    }
}

fn person(world: &World, n: u64) -> contact::Model {
    let mut dice = world.dice(Thing::Customer, n);
    let (given, family) = (one(&mut dice, GIVEN), one(&mut dice, FAMILY));
    contact::Model {
        id: world.id(Thing::Customer, n, Part::Contact, 0),
        customer_id: Some(world.customer(n).id),
        organisation_id: None,
        given_name: given.into(),
        family_name: family.into(),
        email: Some(format!("{}@customer-{}.example", given.to_lowercase(), n + 1)),
        phone: Some(format!("+43 1 {:07}", dice.gen_range(0..10_000_000))),
        job_title: Some("Purchasing".into()),
        language: Some("de".into()),
        preferred_channel: Some("email".into()),
        is_billing: n.is_multiple_of(3),
        birth_date: None,
        erased_at: None,
    }
}

fn permission(world: &World, n: u64) -> consent::Model {
    let withdrawn = n.is_multiple_of(10);
    consent::Model {
        id: world.id(Thing::Customer, n, Part::Consent, 0),
        contact_id: world.id(Thing::Customer, n, Part::Contact, 0),
        purpose: "marketing_email".into(),
        legal_basis: "consent".into(),
        channel: Some("email".into()),
        recipient_id: None,
        status: if withdrawn { "withdrawn" } else { "given" }.into(),
        given_at: Some(world.opening()),
        withdrawn_at: withdrawn.then_some(world.base),
        expires_at: None,
        evidence_ref: Some(format!("form-{}", n + 1)),
        text_version: Some("1".into()),
    }
}
