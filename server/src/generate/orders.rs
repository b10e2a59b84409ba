//! Orders with their lines, spread over the weeks before the base.

use chrono::{Days, NaiveDate};
use entities::{Decimal, Instant, order_line, sales_order};
use rand::{Rng, rngs::StdRng};

use super::{
    Out,
    world::{DAY, MINUTE, Part, REGIONS, Thing, Trade, World, few},
};
use crate::{access::load::CHUNK, error::Result};

/// An order has up to so many lines.
const LONGEST: u64 = 5;

pub(super) fn make(world: &World, out: &Out) -> Result<()> {
    let carriers: Vec<u64> = (0..world.sizes.partners).filter(|n| world.trade(*n) == Trade::Carrier).collect();
    let (mut orders, mut lines) = (Vec::new(), Vec::new());
    let (mut number, mut made) = (0, 0);
    while made < world.sizes.lines {
        let mut dice = world.dice(Thing::Order, number);
        let count = dice.gen_range(1..=LONGEST).min(world.sizes.lines - made);
        let order = order(world, &mut dice, number, made, &carriers);
        let of: Vec<_> = (1..=count).map(|at| line(world, &mut dice, &order, number, at)).collect();
        orders.push(summed(order, &of));
        lines.extend(of);
        (number, made) = (number + 1, made + count);
        if lines.len() + LONGEST as usize > CHUNK {
            out.write::<sales_order::Entity>(std::mem::take(&mut orders))?;
            out.write::<order_line::Entity>(std::mem::take(&mut lines))?;
        }
    }
    out.write::<sales_order::Entity>(orders)?;
    out.write::<order_line::Entity>(lines)
}

fn order(world: &World, dice: &mut StdRng, number: u64, made: u64, carriers: &[u64]) -> sales_order::Model {
    let customer = world.customer(few(dice, world.sizes.customers));
    let span = i128::from(world.sizes.weeks) * 7 * i128::from(DAY);
    let since = span * i128::from(made) / i128::from(world.sizes.lines);
    // never in the future, whatever the last line is
    let placed =
        Instant((world.base.0 - (span - since) as i64 + dice.gen_range(0..60) * MINUTE).min(world.base.0 - MINUTE));
    let day = placed.utc().date_naive();
    let age = (world.base.0 - placed.0) / DAY;
    let status = match age {
        _ if dice.gen_bool(0.02) => "cancelled",
        0..7 => "open",
        7..14 => "confirmed",
        14..28 => "shipped",
        _ => "invoiced",
    };
    let gone = matches!(status, "shipped" | "invoiced");
    let region = REGIONS[customer.region];
    let seller = world.distributor(customer.region).filter(|_| dice.gen_bool(0.4));
    sales_order::Model {
        id: world.id(Thing::Order, number, Part::Itself, 0),
        number: format!("G{}-{:08}", world.seed, number + 1),
        customer_id: customer.id,
        sold_by_id: seller.map(|partner| world.partner(partner)),
        owner_id: Some(world.rep(customer.region)),
        carrier_id: (!carriers.is_empty()).then(|| world.partner(carriers[number as usize % carriers.len()])),
        ship_to_unit_id: None,
        ship_to_country: region.into(),
        ship_to_region: region.into(),
        ship_to_postcode: format!("{:05}", dice.gen_range(1000..99_999)),
        status: status.into(),
        currency: "EUR".into(),
        total: None,
        margin: None,
        placed_at: placed,
        requested_date: later(day, 21),
        promised_date: (status != "open").then(|| later(day, 23)),
        shipped_on: gone.then(|| later(day, dice.gen_range(10..14))),
        updated_at: placed,
    }
}

fn line(world: &World, dice: &mut StdRng, order: &sales_order::Model, number: u64, at: u64) -> order_line::Model {
    let which = few(dice, world.sizes.products);
    let product = world.product(which);
    let second = product.second.filter(|_| dice.gen_bool(0.4));
    let qty = Decimal::from_int(dice.gen_range(1..=50));
    let discount = Decimal::from_int([0, 0, 0, 5, 10][dice.gen_range(0..5)]);
    let day = order.placed_at.utc().date_naive();
    order_line::Model {
        id: world.id(Thing::Order, number, Part::Itself, at),
        order_id: order.id,
        line_no: at as i32,
        product_id: product.id,
        qty,
        uom: "piece".into(),
        unit_price: Some(product.price),
        discount_pct: Some(discount),
        unit_cost: Some(product.cost),
        net_amount: order_line::net_amount(qty, product.price, discount),
        ordered_on: day,
        requested_date: order.requested_date,
        confirmed_date: order.promised_date,
        source_id: Some(world.partner(second.unwrap_or(product.supplier))),
        lot_no: order.shipped_on.map(|shipped| world.lot(which, shipped)),
        status: order.status.clone(),
    }
}

fn summed(order: sales_order::Model, lines: &[order_line::Model]) -> sales_order::Model {
    let total: i64 = lines.iter().filter_map(|line| line.net_amount).map(|net| net.0).sum();
    let cost = |line: &order_line::Model| line.unit_cost.map_or(0, |cost| cost.0) * (line.qty.0 / Decimal::SCALE);
    let cost: i64 = lines.iter().map(cost).sum();
    sales_order::Model { total: Some(Decimal(total)), margin: Some(Decimal(total - cost)), ..order }
}

fn later(day: NaiveDate, days: u64) -> NaiveDate {
    day + Days::new(days)
}
