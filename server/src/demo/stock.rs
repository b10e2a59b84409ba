//! What lies where, and whose it is.

use entities::inventory_position;

use super::{
    cast::Cast,
    products::Products,
    seed::{Seed, whole},
    write,
};
use crate::{access::load::Load, error::Result};

pub(super) async fn insert(load: &mut Load, seed: &mut Seed, cast: &Cast, products: &Products) -> Result<()> {
    let units = &cast.units;
    let mut position = |product_id, unit_id, owner_id, kind: &str, qty| inventory_position::Model {
        id: seed.id(),
        product_id,
        unit_id,
        owner_id,
        kind: kind.into(),
        qty: whole(qty),
        min_qty: Some(whole(qty / 2)),
        max_qty: Some(whole(qty * 2)),
        as_of: seed.hours(-3),
    };
    let rows = vec![
        position(products.s40, units.kiel, cast.nordwind, "on_hand", 1_480),
        // each supplier's consigned seals lie side by side
        position(products.s40, units.kiel, cast.aqua, "consigned", 420),
        position(products.s40, units.kiel, cast.ceram, "consigned", 260),
        position(products.s25, units.kiel, cast.nordwind, "on_hand", 610),
        position(products.g10, units.kiel, cast.nordwind, "on_hand", 1_135),
        position(products.g10, units.graz, cast.aqua, "consigned", 180),
        position(products.s60, units.kiel, cast.nordwind, "on_hand", 95),
        position(products.m12, units.kiel, cast.nordwind, "on_hand", 233),
        position(products.m12, units.kiel, cast.ceram, "consigned", 140),
        position(products.m90, units.kiel, cast.nordwind, "blocked", 30),
        position(products.sk40, units.kassel, cast.nordwind, "on_hand", 318),
        position(products.sk40, units.linz, cast.nordwind, "on_hand", 64),
        position(products.g10, units.linz, cast.aqua, "consigned", 72),
        position(products.p100, units.kassel, cast.nordwind, "on_hand", 147),
        position(products.p100, units.linz, cast.nordwind, "on_hand", 23),
        position(products.p100, units.linz, cast.nordwind, "allocated", 9),
        position(products.p200, units.kassel, cast.nordwind, "on_hand", 58),
        position(products.p300, units.kassel, cast.nordwind, "in_transit", 36),
        position(products.p400, units.lyon, cast.nordwind, "on_hand", 12),
        position(products.px500, units.kassel, cast.nordwind, "on_hand", 15),
    ];
    write::<inventory_position::Entity>(load, rows).await
}
