//! The host and its partners: who they are, who works there, and what they agreed to share.

use entities::{
    agreement_field, agreement_scope, org_role, org_unit, organisation, principal, role_assignment, sharing_agreement,
};
use rand::Rng;
use uuid::Uuid;

use super::{
    Out,
    world::{FAMILIES, Part, REGIONS, Thing, Trade, World, one},
};
use crate::error::Result;

/// Whom the host employs in a hub that was empty. In a hub that has a host, only the last three.
const STAFF: &[&str] = &["admin", "finance", "marketing", "sales_manager", "planner", "support_agent", "sales_rep"];
const PLANNER: u64 = 4;
const SUPPORT: u64 = 5;
/// Sales representatives come after the staff, one for each region.
const REPS: u64 = 10;

const FIRST: &[&str] = &["North", "Alpen", "Rhein", "Delta", "Prime", "Euro", "Silver", "Global", "Inter", "Metro"];
const SECOND: &[&str] = &["tec", "fluid", "form", "works", "dyn", "metall", "parts", "line", "motion", "supply"];
const NAMES: &[&str] =
    &["Anna Weber", "Luca Rossi", "Marie Dubois", "Jan Novak", "Eva Bauer", "Tom de Vries", "Iga Nowak"];

impl World {
    pub(super) fn planner(&self) -> Uuid {
        self.id(Thing::Host, PLANNER, Part::Person, 0)
    }

    pub(super) fn support(&self) -> Uuid {
        self.id(Thing::Host, SUPPORT, Part::Person, 0)
    }

    /// Who sells in a region.
    pub(super) fn rep(&self, region: usize) -> Uuid {
        self.id(Thing::Host, REPS + region as u64, Part::Person, 0)
    }

    pub(super) fn warehouse(&self) -> Uuid {
        self.id(Thing::Host, 0, Part::Unit, 0)
    }

    /// The person who plans or sells at a partner.
    pub(super) fn person(&self, partner: u64) -> Uuid {
        self.id(Thing::Partner, partner, Part::Person, 0)
    }
}

pub(super) fn make(world: &World, out: &Out) -> Result<()> {
    host(world, out)?;
    for chunk in Out::chunks(world.sizes.partners) {
        let all = || chunk.clone();
        out.write::<organisation::Entity>(all().map(|n| company(world, n)).collect())?;
        out.write::<org_role::Entity>(all().map(|n| role(world, n)).collect())?;
        out.write::<org_unit::Entity>(all().map(|n| plant(world, n)).collect())?;
        out.write::<principal::Entity>(all().flat_map(|n| people(world, n)).collect())?;
        out.write::<role_assignment::Entity>(all().flat_map(|n| rights(world, n)).collect())?;
        out.write::<sharing_agreement::Entity>(all().map(|n| agreement(world, n)).collect())?;
        out.write::<agreement_scope::Entity>(all().flat_map(|n| scopes(world, n)).collect())?;
        out.write::<agreement_field::Entity>(all().flat_map(|n| fields(world, n)).collect())?;
    }
    Ok(())
}

fn host(world: &World, out: &Out) -> Result<()> {
    let (id, opening) = (world.host(), world.opening());
    if world.found.is_none() {
        out.write::<organisation::Entity>(vec![organisation::Model {
            id,
            slug: "host".into(),
            parent_id: None,
            display_name: "Host Industries".into(),
            legal_name: "Host Industries AG".into(),
            country: "DE".into(),
            region: "DE".into(),
            external_ids: None,
            partner_tier: None,
            risk_rating: None,
            nda_ref: None,
            transfer_contract: None,
            privacy_contact: None,
            status: "active".into(),
            created_at: opening,
        }])?;
        out.write::<org_role::Entity>(vec![org_role::Model {
            id: world.id(Thing::Host, 0, Part::Role, 0),
            organisation_id: id,
            kind: "internal".into(),
            valid_from: opening,
            valid_to: None,
        }])?;
    }
    let unit = |n: u64, name: String, kind: &str, region: &str, parent: Option<Uuid>| org_unit::Model {
        id: world.id(Thing::Host, n, Part::Unit, 0),
        organisation_id: id,
        parent_id: parent,
        name,
        kind: kind.into(),
        country: region.into(),
        region: region.into(),
        cost_centre: None,
    };
    let markets = REGIONS.iter().zip(REPS..);
    let mut units = vec![unit(0, "Central warehouse".into(), "warehouse", "DE", None)];
    units.extend(markets.clone().map(|(region, n)| unit(n, format!("Sales {region}"), "sales_region", region, None)));
    out.write::<org_unit::Entity>(units)?;

    let employed = if world.found.is_some() { PLANNER as usize } else { 0 };
    let staff = STAFF.iter().zip(0u64..).skip(employed).map(|(role, n)| (*role, n, (*role).replace('_', "-"), None));
    let reps = markets.map(|(region, n)| ("sales_rep", n, format!("rep-{}", region.to_lowercase()), Some(n)));
    let staff: Vec<_> = staff.chain(reps).collect();
    let person = |(_, n, slug, market): &(&str, u64, String, Option<u64>)| principal::Model {
        id: world.id(Thing::Host, *n, Part::Person, 0),
        organisation_id: id,
        unit_id: market.map(|n| world.id(Thing::Host, n, Part::Unit, 0)),
        slug: format!("g{}-{slug}", world.seed),
        kind: "user".into(),
        subject: format!("g{}-host-{slug}", world.seed),
        display_name: one(&mut world.dice(Thing::Host, *n), NAMES).into(),
        email: Some(format!("{slug}@host.example")),
        locale: None,
        status: "active".into(),
        last_seen_at: None,
    };
    out.write::<principal::Entity>(staff.iter().map(person).collect())?;
    let right = |(role, n, _, market): &(&str, u64, String, Option<u64>)| role_assignment::Model {
        id: world.id(Thing::Host, *n, Part::Assignment, 0),
        principal_id: world.id(Thing::Host, *n, Part::Person, 0),
        role: (*role).into(),
        scope_unit_id: market.map(|n| world.id(Thing::Host, n, Part::Unit, 0)),
        valid_from: opening,
        valid_to: None,
        networks: None,
        cost_per_minute: None,
    };
    out.write::<role_assignment::Entity>(staff.iter().map(right).collect())
}

fn region(world: &World, n: u64) -> &'static str {
    match world.trade(n) {
        Trade::Distributor => REGIONS[world.market(n)],
        Trade::Supplier | Trade::Carrier => REGIONS[n as usize % REGIONS.len()],
    }
}

fn slug(world: &World, n: u64) -> String {
    let word = match world.trade(n) {
        Trade::Supplier => "supplier",
        Trade::Distributor => "distributor",
        Trade::Carrier => "carrier",
    };
    format!("g{}-{word}-{}", world.seed, n + 1)
}

fn company(world: &World, n: u64) -> organisation::Model {
    let mut dice = world.dice(Thing::Partner, n);
    let name = format!("{}{} {}", one(&mut dice, FIRST), one(&mut dice, SECOND), n + 1);
    organisation::Model {
        id: world.partner(n),
        slug: slug(world, n),
        parent_id: None,
        legal_name: format!("{name} GmbH"),
        display_name: name,
        country: region(world, n).into(),
        region: region(world, n).into(),
        external_ids: Some(serde_json::json!({ "duns": format!("{:09}", dice.gen_range(0..1_000_000_000u32)) })),
        partner_tier: Some(one(&mut dice, &["gold", "silver", "bronze"]).into()),
        risk_rating: Some(one(&mut dice, &["low", "medium", "high"]).into()),
        nda_ref: None,
        transfer_contract: None,
        privacy_contact: None,
        status: "active".into(),
        created_at: world.opening(),
    }
}

fn role(world: &World, n: u64) -> org_role::Model {
    let kind = match world.trade(n) {
        Trade::Supplier => "supplier",
        Trade::Distributor => "distributor",
        Trade::Carrier => "logistics",
    };
    org_role::Model {
        id: world.id(Thing::Partner, n, Part::Role, 0),
        organisation_id: world.partner(n),
        kind: kind.into(),
        valid_from: world.opening(),
        valid_to: None,
    }
}

fn plant(world: &World, n: u64) -> org_unit::Model {
    org_unit::Model {
        id: world.id(Thing::Partner, n, Part::Unit, 0),
        organisation_id: world.partner(n),
        parent_id: None,
        name: "Main plant".into(),
        kind: if world.trade(n) == Trade::Supplier { "plant" } else { "warehouse" }.into(),
        country: region(world, n).into(),
        region: region(world, n).into(),
        cost_centre: None,
    }
}

/// One person and one machine.
fn people(world: &World, n: u64) -> [principal::Model; 2] {
    let firm = slug(world, n);
    let person = principal::Model {
        id: world.person(n),
        organisation_id: world.partner(n),
        unit_id: Some(world.id(Thing::Partner, n, Part::Unit, 0)),
        slug: "desk".into(),
        kind: "user".into(),
        subject: format!("{firm}-desk"),
        display_name: one(&mut world.dice(Thing::Partner, n), NAMES).into(),
        email: Some(format!("desk@{firm}.example")),
        locale: None,
        status: "active".into(),
        last_seen_at: None,
    };
    let machine = principal::Model {
        id: world.id(Thing::Partner, n, Part::Machine, 0),
        slug: "system".into(),
        kind: "service".into(),
        subject: format!("{firm}-system"),
        display_name: "Planning system".into(),
        email: None,
        ..person.clone()
    };
    [person, machine]
}

fn rights(world: &World, n: u64) -> [role_assignment::Model; 2] {
    let role = if world.trade(n) == Trade::Distributor { "partner_sales" } else { "partner_planner" };
    let right = |part, principal_id, role: &str| role_assignment::Model {
        id: world.id(Thing::Partner, n, part, 0),
        principal_id,
        role: role.into(),
        scope_unit_id: None,
        valid_from: world.opening(),
        valid_to: None,
        networks: None,
        cost_per_minute: None,
    };
    let machine = right(Part::MachineAssignment, world.id(Thing::Partner, n, Part::Machine, 0), "service_account");
    [
        right(Part::Assignment, world.person(n), role),
        role_assignment::Model {
            networks: Some(serde_json::json!(["127.0.0.0/8", "::1/128", "10.0.0.0/8"])),
            cost_per_minute: Some(2_000),
            ..machine
        },
    ]
}

fn agreement(world: &World, n: u64) -> sharing_agreement::Model {
    sharing_agreement::Model {
        id: world.id(Thing::Partner, n, Part::Agreement, 0),
        grantor_id: world.host(),
        grantee_id: world.partner(n),
        title: format!("Sharing with {}", slug(world, n)),
        purpose: if world.trade(n) == Trade::Distributor { "sales" } else { "supply planning" }.into(),
        legal_ref: Some(format!("C-{:05}", n + 1)),
        status: "active".into(),
        valid_from: world.opening(),
        valid_to: None,
        read_after_end_days: 90,
        history_days: Some(182),
        horizon_days: Some(546),
        k_threshold: Some(5),
        signed_by_grantor_id: Some(world.planner()),
        signed_by_grantee_id: Some(world.person(n)),
    }
}

/// A supplier sees the families that it makes, a distributor its market, a carrier what it carries.
fn scopes(world: &World, n: u64) -> Vec<agreement_scope::Model> {
    let scope = |at: usize, object: &str, family: Option<&str>, region: Option<&str>| agreement_scope::Model {
        id: world.id(Thing::Partner, n, Part::Scope, at as u64),
        agreement_id: world.id(Thing::Partner, n, Part::Agreement, 0),
        object_type: object.into(),
        effect: "include".into(),
        product_id: None,
        product_family: family.map(Into::into),
        region: region.map(Into::into),
        customer_id: None,
        valid_from: None,
        valid_to: None,
    };
    match world.trade(n) {
        Trade::Supplier => {
            let objects = ["order", "demand", "inventory"];
            let pairs = world.makes(n).flat_map(|family| objects.map(|object| (object, FAMILIES[family])));
            let products = pairs.enumerate().map(|(at, (object, family))| scope(at + 1, object, Some(family), None));
            std::iter::once(scope(0, "case", None, None)).chain(products).collect()
        }
        Trade::Distributor => {
            let market = Some(REGIONS[world.market(n)]);
            ["customer", "order", "case", "demand"]
                .iter()
                .enumerate()
                .map(|(at, object)| scope(at, object, None, market))
                .collect()
        }
        Trade::Carrier => vec![scope(0, "order", None, None)],
    }
}

fn fields(world: &World, n: u64) -> Vec<agreement_field::Model> {
    let (object, columns): (_, &[_]) = match world.trade(n) {
        Trade::Supplier => return Vec::new(),
        Trade::Distributor => ("customer", &[("name", "full", None), ("postcode", "prefix", Some("2"))]),
        Trade::Carrier => ("order", &[("shipToPostcode", "full", None)]),
    };
    let field = |(at, (name, treatment, param)): (usize, &(&str, &str, Option<&str>))| agreement_field::Model {
        id: world.id(Thing::Partner, n, Part::Field, at as u64),
        agreement_id: world.id(Thing::Partner, n, Part::Agreement, 0),
        object_type: object.into(),
        field: (*name).into(),
        treatment: (*treatment).into(),
        param: param.map(Into::into),
        writable: false,
    };
    columns.iter().enumerate().map(field).collect()
}
