//! Products, who supplies and sells them, what they are built of and what is in stock.

use entities::{Decimal, inventory_position, partner_product, product, product_component};
use rand::Rng;
use uuid::Uuid;

use super::{
    Out,
    world::{FAMILIES, Part, Thing, Trade, World, one},
};
use crate::error::Result;

const WORDS: &[&str] = &["compact", "inline", "heavy", "silent", "twin", "steel", "ceramic", "fast", "light", "sealed"];

pub(super) fn make(world: &World, out: &Out) -> Result<()> {
    for chunk in Out::chunks(world.sizes.products) {
        let all = || chunk.clone();
        out.write::<product::Entity>(all().map(|n| article(world, n)).collect())?;
        out.write::<partner_product::Entity>(all().flat_map(|n| relations(world, n)).collect())?;
        out.write::<product_component::Entity>(all().filter_map(|n| component(world, n)).collect())?;
        out.write::<inventory_position::Entity>(all().map(|n| stock(world, n)).collect())?;
    }
    Ok(())
}

fn article(world: &World, n: u64) -> product::Model {
    let product = world.product(n);
    let mut dice = world.dice(Thing::Product, n);
    let family = FAMILIES[product.family];
    product::Model {
        id: product.id,
        sku: world.sku(n),
        name: format!("{} {} {}", family.trim_end_matches('s'), one(&mut dice, WORDS), n + 1),
        family: family.into(),
        gtin: Some(format!("40{:011}", n)),
        uom: "piece".into(),
        lifecycle: if dice.gen_bool(0.9) { "active" } else { "phase_out" }.into(),
        embargo_until: None,
        list_price: Some(product.price),
        standard_cost: Some(product.cost),
    }
}

fn relations(world: &World, n: u64) -> Vec<partner_product::Model> {
    let product = world.product(n);
    let relation = |part, at, partner: u64, role: &str, quota: Option<i64>| partner_product::Model {
        id: world.id(Thing::Product, n, part, at),
        organisation_id: world.partner(partner),
        product_id: product.id,
        role: role.into(),
        partner_part_no: Some(format!("P{:03}-{n:06}", partner % 1000)),
        quota_pct: quota.map(Decimal::from_int),
        unit_price: quota.map(|_| product.cost),
        lead_time_days: quota.map(|_| 14),
        moq: quota.map(|_| Decimal::from_int(10)),
        valid_from: world.opening_day(),
        valid_to: None,
    };
    let mut all = Vec::new();
    all.push(relation(
        Part::Supply,
        0,
        product.supplier,
        "supplies",
        Some(if product.second.is_some() { 60 } else { 100 }),
    ));
    all.extend(product.second.map(|second| relation(Part::SecondSupply, 0, second, "supplies", Some(40))));
    // one distributor of ten partners shows enough of the relation
    let seller = (0..world.sizes.partners.min(10)).find(|partner| world.trade(*partner) == Trade::Distributor);
    all.extend(
        seller.filter(|_| n.is_multiple_of(4)).map(|seller| relation(Part::Sale, 0, seller, "distributes", None)),
    );
    all
}

/// Every fifth product contains the one before it.
fn component(world: &World, n: u64) -> Option<product_component::Model> {
    (n % 5 == 4).then(|| product_component::Model {
        id: world.id(Thing::Product, n, Part::Component, 0),
        product_id: world.product(n).id,
        component_id: world.product(n - 1).id,
        qty_per: Decimal::from_int(2),
        valid_from: world.opening_day(),
        valid_to: None,
    })
}

fn stock(world: &World, n: u64) -> inventory_position::Model {
    let qty = world.dice(Thing::Product, n).gen_range(0..500);
    let owner: Uuid = world.host();
    inventory_position::Model {
        id: world.id(Thing::Product, n, Part::Stock, 0),
        product_id: world.product(n).id,
        unit_id: world.warehouse(),
        owner_id: owner,
        kind: "on_hand".into(),
        qty: Decimal::from_int(qty),
        min_qty: Some(Decimal::from_int(50)),
        max_qty: Some(Decimal::from_int(400)),
        as_of: world.base,
    }
}
