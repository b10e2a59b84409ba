//! What customers complain about: each case is there for a border of a rule, which its comment names.

use entities::{case, case_message, case_party, case_product};
use uuid::Uuid;

use super::{
    cast::Cast,
    contacts::Contacts,
    customers::Customers,
    orders::{SAFETY_LOT_A, SAFETY_LOT_C},
    products::{Products, S25_CHANGED_SUPPLIER, S25_LEFT_P200},
    seed::{Seed, number},
    write,
};
use crate::{access::load::Load, error::Result};

struct Complaint {
    /// How the customer's name begins.
    customer: &'static str,
    severity: i16,
    /// Days from today.
    opened: i64,
    closed: Option<i64>,
    subject: &'static str,
    /// What a person released.
    shared: Option<&'static str>,
    /// Product, lot, day of delivery.
    products: Vec<(Uuid, &'static str, Option<i64>)>,
    safety: bool,
}

pub(super) async fn insert(
    load: &mut Load,
    seed: &mut Seed,
    cast: &Cast,
    customers: &Customers,
    contacts: &Contacts,
    products: &Products,
) -> Result<()> {
    let (mut cases, mut lots) = (Vec::new(), Vec::new());
    for (n, complaint) in complaints(products).into_iter().enumerate() {
        let case = case_of(seed, cast, customers, contacts, &complaint, n);
        for (product_id, lot, delivered) in complaint.products {
            lots.push(case_product::Model {
                id: seed.id(),
                case_id: case.id,
                product_id,
                lot_no: (!lot.is_empty()).then(|| lot.into()),
                serial_no: case.contact_id.map(|_| format!("SN{}", 700_000 + 137 * n)),
                delivered_on: delivered.map(|days| seed.day(days)),
            });
        }
        cases.push(case);
    }
    // each customer complains once
    let of =
        |name| cases.iter().find(|c| c.customer_id == Some(customers.named(name).id)).map_or_else(Uuid::nil, |c| c.id);
    let (parties, messages) = (parties(seed, cast, of), messages(seed, cast, of));
    write::<case::Entity>(load, cases).await?;
    write::<case_product::Entity>(load, lots).await?;
    write::<case_party::Entity>(load, parties).await?;
    write::<case_message::Entity>(load, messages).await
}

fn complaints(p: &Products) -> Vec<Complaint> {
    let case = |customer, opened, subject, shared: &'static str, product, lot, delivered| Complaint {
        customer,
        severity: 3,
        opened,
        closed: None,
        subject,
        shared: (!shared.is_empty()).then_some(shared),
        products: vec![(product, lot, Some(delivered))],
        safety: false,
    };
    let (changed, left) = (S25_CHANGED_SUPPLIER, S25_LEFT_P200);
    let closed = |on, complaint| Complaint { closed: Some(on), ..complaint };
    let undated = |complaint| Complaint { products: vec![(p.p100, "", None)], ..complaint };
    let mut all = vec![
        // P100 holds S40, which A and C supply: both see it, neither the other
        case("Hafenwerke", -6, "Ms Gruber: P100 leaks again", "P100 leaks at the shaft", p.p100, "P100-3310", -60),
        // P300 holds S25; on the day of delivery A supplied it ...
        case("Rheinwasser", -20, "leak, angry", "P300 leaks after a year", p.p300, "P300-1207", changed - 50),
        // ... and on this day C did
        case("Brauerei", -11, "Mr Keller: drops", "P300 drips at standstill", p.p300, "P300-1933", changed + 200),
        // P200 held S25, then S40
        case("Wiener", -33, "pool closed", "P200 leaks after long use", p.p200, "P200-0871", left - 100),
        case("Salzburg", -15, "P200 loud", "P200 runs loud", p.p200, "P200-1140", left + 50),
        // P400 holds a motor of C's and no seal of A's
        case("Tiroler", -9, "P400 motor hot", "P400 motor runs hot", p.p400, "P400-0410", -150),
        // a part as such
        case("Kraftwerk", -4, "seal scratched", "S40 scratched on arrival", p.s40, "AS-6021", -40),
        // no text was released
        case("Elbe", -2, "call back Mr Lang, delicate", "", p.p100, "P100-3391", -30),
        // nobody knows when it was delivered: no supplier is asked
        undated(case("Stadtwerke", -25, "P100 without papers", "P100 noisy", p.p100, "", 0)),
        // the carrier is invited
        case("Zürich", -5, "pallet fell off", "Pallet damaged in transport", p.p100, "P100-3402", -8),
        // B's exclusion
        case("K9", -14, "K9 wants all pumps back", "P200 loses pressure", p.p200, "P200-1188", -200),
        // D's region
        case("Eaux", -7, "M. Roth: P100 fuit", "P100 leaks at the flange", p.p100, "P100-3377", -75),
        case("Hôpital", -40, "panne de P300", "P300 stops at night", p.p300, "P300-1800", -120),
        // customers under a non-disclosure agreement, level 1 and 2
        case("Alpenstahl", -18, "Alpenstahl line 4 stands", "P200 leaks under heat", p.p200, "P200-1151", -210),
        case("Donauwerk", -16, "Donauwerk hall 2", "P300 leaks in use", p.p300, "P300-1250", changed - 30),
        // persons: closed ten days ago, closed long ago, open
        closed(-10, case("Familie Brandt", -30, "Frau Brandt: brummt", "P100 hums", p.p100, "P100-2990", -300)),
        closed(-45, case("Familie Huber", -90, "Herr Huber: kein Druck", "P100 weak", p.p100, "P100-2871", -420)),
        case("Famille Moreau", -3, "Mme Moreau: bruit", "P100 noisy", p.p100, "P100-3120", -180),
    ];
    // danger: B sold the kit where its agreement does not reach, and the second lot is none of A's
    all.push(Complaint {
        customer: "Chauffage",
        severity: 1,
        opened: -3,
        closed: None,
        subject: "M. Delorme burnt by steam",
        shared: Some("Seal kit fails under pressure: hot water escapes, stop using this lot"),
        products: vec![(p.sk40, SAFETY_LOT_A, Some(-52)), (p.m20, "CM-3300", Some(-52))],
        safety: true,
    });
    // danger: D sold the motor where it has no agreement any more
    all.push(Complaint {
        customer: "Spreewerk",
        severity: 1,
        opened: -2,
        closed: None,
        subject: "electric shock at Spreewerk, Mr Sauer in hospital",
        shared: Some("Motor housing may be live: disconnect motors of this lot"),
        products: vec![(p.m20, SAFETY_LOT_C, Some(-72))],
        safety: true,
    });
    all
}

fn case_of(
    seed: &mut Seed,
    cast: &Cast,
    customers: &Customers,
    contacts: &Contacts,
    complaint: &Complaint,
    n: usize,
) -> case::Model {
    let customer = customers.named(complaint.customer);
    case::Model {
        id: seed.id(),
        number: number("C", 700 + n),
        customer_id: Some(customer.id),
        contact_id: contacts.of(customer.id),
        channel: ["phone", "email", "portal"][n % 3].into(),
        status: if complaint.closed.is_some() { "closed" } else { ["open", "in_progress", "waiting"][n % 3] }.into(),
        severity: complaint.severity,
        safety_flag: complaint.safety,
        subject_internal: format!("{} ({})", complaint.subject, customer.name),
        subject_shared: complaint.shared.map(String::from),
        description_internal: Some(format!("{} called: {}.", customer.name, complaint.subject)),
        description_shared: complaint.shared.map(|s| format!("{s}. Photographs on request.")),
        root_cause: (n % 4 == 1).then(|| "hardness of the rubber out of range".into()),
        liable_id: (n % 4 == 1).then_some(cast.aqua),
        region: customer.region.clone(),
        owner_id: Some(if n.is_multiple_of(2) { cast.people.svea } else { cast.people.sven }),
        opened_at: seed.at(complaint.opened, 8),
        first_response_due: Some(seed.at(complaint.opened + 1, 8)),
        resolution_due: Some(seed.at(complaint.opened + 14, 17)),
        closed_at: complaint.closed.map(|days| seed.at(days, 16)),
        csat: complaint.closed.map(|_| 4),
    }
}

fn parties(seed: &mut Seed, cast: &Cast, of: impl Fn(&'static str) -> Uuid) -> Vec<case_party::Model> {
    let mut invite = |case, organisation_id, role: &str, until: Option<i64>| case_party::Model {
        id: seed.id(),
        case_id: of(case),
        organisation_id,
        role: role.into(),
        valid_from: seed.at(-90, 0),
        valid_to: until.map(|days| seed.at(days, 0)),
    };
    vec![
        invite("Hafenwerke", cast.aqua, "analysis", None),
        invite("Hafenwerke", cast.ceram, "analysis", None),
        invite("Hafenwerke", cast.bergmann, "field visit", None),
        invite("Zürich", cast.lindner, "carrier", None),
        // an invitation that is over
        invite("Eaux", cast.lindner, "carrier", Some(-1)),
    ]
}

fn messages(seed: &mut Seed, cast: &Cast, of: impl Fn(&'static str) -> Uuid) -> Vec<case_message::Model> {
    let people = &cast.people;
    let mut say = |case, author_id, visibility: &str, party_id, hour, body: &str| case_message::Model {
        id: seed.id(),
        case_id: of(case),
        author_id,
        visibility: visibility.into(),
        party_id,
        body: body.into(),
        created_at: seed.at(-2, hour),
    };
    let (a, b, c, l) = (Some(cast.aqua), Some(cast.bergmann), Some(cast.ceram), Some(cast.lindner));
    vec![
        say("Hafenwerke", people.svea, "internal", None, 8, "Hafenwerke threatens to leave, see the contract"),
        say("Hafenwerke", people.svea, "customer", None, 9, "Dear Ms Gruber, a technician will come tomorrow"),
        say("Hafenwerke", people.svea, "all_parties", None, 10, "Photographs of the leak are attached"),
        say("Hafenwerke", people.svea, "party", a, 11, "Which batch of rubber is in AS-6021?"),
        say("Hafenwerke", people.alice, "party", a, 12, "Batch 17, we test a sample"),
        say("Hafenwerke", people.svea, "party", c, 11, "Please send the test report of your seals"),
        say("Hafenwerke", people.carl, "party", c, 13, "Report follows tonight"),
        say("Hafenwerke", people.svea, "party", b, 11, "Can you visit the site?"),
        say("Hafenwerke", people.bea, "party", b, 14, "Tomorrow at eight"),
        say("Zürich", people.sven, "party", l, 9, "Please report the damage to your insurer"),
        say("Zürich", people.lena, "party", l, 10, "Reported"),
        say("Eaux", people.denis, "party", Some(cast.dauphin), 9, "Nous passons demain"),
        say("Eaux", people.sven, "internal", None, 9, "ask Claire about the contract"),
    ]
}
