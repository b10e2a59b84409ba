//! Service cases about delivered products: one for each tenth customer.

use chrono::Days;
use entities::{Instant, case, case_message, case_product};
use rand::Rng;

use super::{
    Out,
    world::{DAY, Part, REGIONS, Thing, World, few, one},
};
use crate::error::Result;

const SUBJECTS: &[&str] = &["leaks at the shaft", "runs hot", "wrong delivery", "vibrates", "does not start", "noise"];

pub(super) fn make(world: &World, out: &Out) -> Result<()> {
    for chunk in Out::chunks(world.sizes.customers.div_ceil(10)) {
        let all = || chunk.clone();
        out.write::<case::Entity>(all().map(|n| ticket(world, n)).collect())?;
        out.write::<case_product::Entity>(all().map(|n| concerned(world, n)).collect())?;
        out.write::<case_message::Entity>(all().map(|n| message(world, n)).collect())?;
    }
    Ok(())
}

fn opened(world: &World, n: u64) -> Instant {
    let days = world.dice(Thing::Case, n).gen_range(0..world.sizes.weeks as i64 * 7);
    Instant(world.base.0 - days * DAY - DAY / 2)
}

fn ticket(world: &World, n: u64) -> case::Model {
    let mut dice = world.dice(Thing::Case, n);
    let _ = dice.gen_range(0..world.sizes.weeks as i64 * 7);
    let which = few(&mut dice, world.sizes.customers);
    let customer = world.customer(which);
    let (at, subject) = (opened(world, n), one(&mut dice, SUBJECTS));
    let closed = Instant(at.0 + dice.gen_range(2..20) * DAY);
    let done = closed < world.base;
    case::Model {
        id: world.id(Thing::Case, n, Part::Itself, 0),
        number: format!("G{}-C{:07}", world.seed, n + 1),
        customer_id: Some(customer.id),
        contact_id: Some(world.id(Thing::Customer, which, Part::Contact, 0)),
        channel: one(&mut dice, &["phone", "email", "portal"]).into(),
        status: if done { "closed" } else { "in_progress" }.into(),
        severity: dice.gen_range(1..=4),
        safety_flag: n % 100 == 99,
        subject_internal: format!("Customer says: {subject}"),
        subject_shared: Some(subject.into()),
        description_internal: None,
        description_shared: None,
        root_cause: None,
        liable_id: None,
        region: REGIONS[customer.region].into(),
        owner_id: Some(world.support()),
        opened_at: at,
        first_response_due: Some(Instant(at.0 + DAY)),
        resolution_due: Some(Instant(at.0 + 14 * DAY)),
        closed_at: done.then_some(closed),
        csat: done.then(|| dice.gen_range(1..=5)),
    }
}

fn concerned(world: &World, n: u64) -> case_product::Model {
    let product = few(&mut world.dice(Thing::Case, n), world.sizes.products);
    let delivered = opened(world, n).utc().date_naive() - Days::new(20);
    case_product::Model {
        id: world.id(Thing::Case, n, Part::Concerned, 0),
        case_id: world.id(Thing::Case, n, Part::Itself, 0),
        product_id: world.product(product).id,
        lot_no: Some(world.lot(product, delivered)),
        serial_no: Some(format!("S{n:09}")),
        delivered_on: Some(delivered),
    }
}

fn message(world: &World, n: u64) -> case_message::Model {
    case_message::Model {
        id: world.id(Thing::Case, n, Part::Message, 0),
        case_id: world.id(Thing::Case, n, Part::Itself, 0),
        author_id: world.support(),
        visibility: "internal".into(),
        party_id: None,
        body: "Asked for photos and the serial number.".into(),
        created_at: Instant(opened(world, n).0 + DAY / 24),
    }
}
