//! What was ordered in the last fourteen months, by everybody. Parts carry the supplier that delivered
//! them and, once shipped, a lot; two lots are those of the safety cases.

use chrono::NaiveDate;
use entities::{Decimal, customer, order_line, sales_order};
use uuid::Uuid;

use super::{
    cast::Cast,
    customers::Customers,
    products::Products,
    seed::{Seed, number, text, whole},
    write,
};
use crate::{access::load::Load, error::Result};

/// A's seal kits, sold by B outside the regions of its agreement.
pub(super) const SAFETY_LOT_A: &str = "AS-4711";
/// C's motors, sold by D where D has no agreement any more.
pub(super) const SAFETY_LOT_C: &str = "CM-2201";

struct Order<'a> {
    customer: &'a customer::Model,
    /// Days from today.
    placed: i64,
    sold_by: Option<Uuid>,
    carrier: Option<Uuid>,
    items: Vec<Item>,
}

struct Item {
    product: Uuid,
    qty: i64,
    /// In percent.
    discount: i64,
    /// The supplier that delivers it.
    source: Option<Uuid>,
    lot: Option<String>,
}

pub(super) async fn insert(
    load: &mut Load,
    seed: &mut Seed,
    cast: &Cast,
    customers: &Customers,
    products: &Products,
) -> Result<()> {
    let mut orders = Vec::new();
    for (n, customer) in customers.all.iter().enumerate() {
        let (count, most) = match customer.segment.as_str() {
            "key" => (10, 40),
            "household" => (2, 2),
            _ => (6, 12),
        };
        for _ in 0..count {
            orders.push(ordinary(seed, cast, products, customer, most));
        }
        // new demand today and tomorrow's planning need open orders of everybody
        let mut open = ordinary(seed, cast, products, customer, most);
        open.placed = -(n as i64 % 9);
        orders.push(open);
    }
    orders.extend(special(cast, customers, products));
    let (mut headers, mut lines) = (Vec::new(), Vec::new());
    for (n, order) in orders.iter().enumerate() {
        let (header, mut of_order) = rows(seed, cast, products, order, n);
        headers.push(header);
        lines.append(&mut of_order);
    }
    write::<sales_order::Entity>(load, headers).await?;
    write::<order_line::Entity>(load, lines).await
}

fn ordinary<'a>(
    seed: &mut Seed,
    cast: &Cast,
    products: &Products,
    customer: &'a customer::Model,
    most: i64,
) -> Order<'a> {
    let assortment = [
        products.p100,
        products.p200,
        products.p300,
        products.p100,
        products.sk40,
        products.p400,
        products.s40,
        products.sk40,
        products.m12,
        products.g10,
        products.p200,
        products.m20,
    ];
    let placed = -(10 + seed.pick(410));
    let mut items: Vec<Item> = Vec::new();
    for _ in 0..=seed.pick(3) {
        let product = *seed.one_of(&assortment);
        let source = supplier(seed, cast, products, product);
        let lot = source.map(|who| {
            let maker = if who == cast.aqua { "AS" } else { "CM" };
            format!("{maker}-{}", 5_000 + seed.pick(4_000))
        });
        if items.iter().all(|item| item.product != product) {
            items.push(Item { product, qty: 1 + seed.pick(most), discount: 5 * seed.pick(5), source, lot });
        }
    }
    let carrier = (seed.pick(3) == 0).then_some(cast.lindner);
    Order { customer, placed, sold_by: customer.assigned_partner_id, carrier, items }
}

/// Who delivers a part; pumps are made in the house.
fn supplier(seed: &mut Seed, cast: &Cast, products: &Products, product: Uuid) -> Option<Uuid> {
    match product {
        // sixty to forty, as the quota says
        p if p == products.s40 => Some(if seed.pick(10) < 6 { cast.aqua } else { cast.ceram }),
        p if p == products.sk40 || p == products.g10 => Some(cast.aqua),
        p if p == products.m12 || p == products.m20 => Some(cast.ceram),
        _ => None,
    }
}

fn special<'a>(cast: &Cast, customers: &'a Customers, products: &Products) -> Vec<Order<'a>> {
    let order = |name: &str, placed, sold_by, product, qty, source, lot: Option<&str>| Order {
        customer: customers.named(name),
        placed,
        sold_by: Some(sold_by),
        carrier: None,
        items: vec![Item { product, qty, discount: 10, source, lot: lot.map(String::from) }],
    };
    vec![
        order("Chauffage", -70, cast.bergmann, products.sk40, 24, Some(cast.aqua), Some(SAFETY_LOT_A)),
        order("Spreewerk", -90, cast.dauphin, products.m20, 6, Some(cast.ceram), Some(SAFETY_LOT_C)),
        order("Neckar", -25, cast.bergmann, products.px500, 3, None, Some("NW-PX-0001")),
        order("Salzburg", -14, cast.bergmann, products.px500, 2, None, Some("NW-PX-0002")),
        order("Eaux de Lyon", -12, cast.dauphin, products.px500, 4, None, Some("NW-PX-0003")),
    ]
}

fn rows(
    seed: &mut Seed,
    cast: &Cast,
    products: &Products,
    order: &Order<'_>,
    n: usize,
) -> (sales_order::Model, Vec<order_line::Model>) {
    let customer = order.customer;
    let status = match order.placed {
        -4..=0 => "open",
        -19..=-5 => "confirmed",
        -44..=-20 => "shipped",
        days if days % 23 == 0 => "cancelled",
        _ => "invoiced",
    };
    let gone = matches!(status, "shipped" | "invoiced");
    let header = seed.id();
    let day = |seed: &Seed, after: i64| seed.day(order.placed + after);
    let (mut total, mut cost) = (0, 0);
    let mut lines = Vec::new();
    for (at, item) in order.items.iter().enumerate() {
        let (product, qty) = (products.get(item.product), whole(item.qty));
        let (price, unit_cost) = (product.list_price.unwrap_or_default(), product.standard_cost.unwrap_or_default());
        let net = order_line::net_amount(qty, price, whole(item.discount)).unwrap_or_default();
        total += net.0;
        cost += item.qty * unit_cost.0;
        lines.push(order_line::Model {
            id: seed.id(),
            order_id: header,
            line_no: 10 * (at as i32 + 1),
            product_id: product.id,
            qty,
            uom: product.uom.clone(),
            unit_price: Some(price),
            discount_pct: Some(whole(item.discount)),
            unit_cost: Some(unit_cost),
            net_amount: Some(net),
            ordered_on: day(seed, 0),
            requested_date: day(seed, 21),
            confirmed_date: confirmed(seed, order, status),
            source_id: item.source,
            lot_no: item.lot.clone().filter(|_| gone),
            status: status.into(),
        });
    }
    let header = sales_order::Model {
        id: header,
        number: number("SO", n),
        customer_id: customer.id,
        sold_by_id: order.sold_by,
        owner_id: customer.owner_id,
        carrier_id: order.carrier,
        ship_to_unit_id: (customer.region == "FR" && order.carrier.is_none()).then_some(cast.units.lyon),
        ship_to_country: customer.country.clone(),
        ship_to_region: customer.region.clone(),
        ship_to_postcode: customer.postcode.clone().unwrap_or_default(),
        status: status.into(),
        currency: text(if customer.region == "CH" { "CHF" } else { "EUR" }).unwrap_or_default(),
        total: Some(Decimal(total)),
        margin: Some(Decimal(total - cost)),
        placed_at: seed.at(order.placed, 7 + n as u32 % 10),
        requested_date: day(seed, 21),
        promised_date: confirmed(seed, order, status),
        shipped_on: gone.then(|| day(seed, 18)),
        updated_at: seed.at((order.placed + 19).min(-1), 16),
    };
    (header, lines)
}

fn confirmed(seed: &Seed, order: &Order<'_>, status: &str) -> Option<NaiveDate> {
    (status != "open").then(|| seed.day(order.placed + 24))
}
