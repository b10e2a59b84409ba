//! Forecasts: three planning runs over series that are split by supplier, and the signals behind them.
//! The published run reaches from 60 weeks back to 100 ahead, so that the window of the rules has edges.

use chrono::NaiveDate;
use entities::{Decimal, demand_bucket, demand_series, demand_signal, forecast_version};
use uuid::Uuid;

use super::{
    cast::Cast,
    customers::Customers,
    products::Products,
    seed::{Seed, hundredths, text, whole},
    write,
};
use crate::{access::load::Load, error::Result};

pub(super) const WEEKS_BACK: i64 = -60;
pub(super) const WEEKS_AHEAD: i64 = 100;

pub(super) struct Demand {
    pub published: Uuid,
    pub superseded: Uuid,
    /// A's and C's shares of the seal S40 at the plant in Kiel.
    pub s40_aqua: Uuid,
    pub s40_ceram: Uuid,
    /// C's motor M12.
    pub m12: Uuid,
}

struct Series {
    row: demand_series::Model,
    /// Demand of a normal week, or month, before the split.
    base: i64,
    /// What of it goes to the series' supplier, in percent.
    share: i64,
    monthly: bool,
    contributors: i32,
    /// In percent.
    top_share: i64,
}

pub(super) async fn insert(
    load: &mut Load,
    seed: &mut Seed,
    cast: &Cast,
    customers: &Customers,
    products: &Products,
) -> Result<Demand> {
    let versions = versions(seed, cast);
    let [published, superseded, draft] = [&versions[0], &versions[1], &versions[2]].map(|v| v.id);
    let all = series(seed, cast, customers, products);
    let find = |product, supplier| {
        all.iter()
            .find(|s| s.row.product_id == product && s.row.supplier_id == Some(supplier) && s.row.customer_id.is_none())
            .map_or_else(Uuid::nil, |s| s.row.id)
    };
    let demand = Demand {
        published,
        superseded,
        s40_aqua: find(products.s40, cast.aqua),
        s40_ceram: find(products.s40, cast.ceram),
        m12: find(products.m12, cast.ceram),
    };
    let mut buckets = Vec::new();
    for series in &all {
        if series.monthly {
            for month in -14..=22 {
                buckets.push(bucket(seed, series, published, i64::from(month) * 4, seed.first_of_month(month), 0));
            }
            continue;
        }
        for week in WEEKS_BACK..=WEEKS_AHEAD {
            buckets.push(bucket(seed, series, published, week, seed.monday(week), 0));
        }
        for week in -8..=26 {
            buckets.push(bucket(seed, series, superseded, week, seed.monday(week), -10));
        }
        for week in 0..=26 {
            buckets.push(bucket(seed, series, draft, week, seed.monday(week), 20));
        }
    }
    write::<forecast_version::Entity>(load, versions).await?;
    write::<demand_series::Entity>(load, all.into_iter().map(|s| s.row).collect()).await?;
    write::<demand_bucket::Entity>(load, buckets).await?;
    let signals = signals(seed, cast, customers, products);
    write::<demand_signal::Entity>(load, signals).await?;
    Ok(demand)
}

fn versions(seed: &mut Seed, cast: &Cast) -> Vec<forecast_version::Model> {
    let version = |seed: &mut Seed, age: i64, status: &str| forecast_version::Model {
        id: seed.id(),
        name: seed.monday(-age).format("Forecast %G-W%V").to_string(),
        status: status.into(),
        published_at: (status != "draft").then(|| seed.at(-7 * age - 2, 12)),
        // in the evening of the second day from now: answers are open
        commit_due_at: (status == "published").then(|| seed.at(2, 18)),
        horizon_from: seed.monday(WEEKS_BACK),
        horizon_to: seed.monday(WEEKS_AHEAD),
        created_by_id: cast.people.paula,
    };
    vec![version(seed, 0, "published"), version(seed, 4, "superseded"), version(seed, -4, "draft")]
}

fn series(seed: &mut Seed, cast: &Cast, customers: &Customers, products: &Products) -> Vec<Series> {
    let (kiel, graz, lyon, kassel) = (cast.units.kiel, cast.units.graz, cast.units.lyon, cast.units.kassel);
    let mut all = Vec::new();
    let mut add = |product_id, supplier: Option<(Uuid, i64)>, region: &str, unit, category: &str, base, customer_id| {
        let row = demand_series::Model {
            id: seed.id(),
            product_id,
            supplier_id: supplier.map(|(who, _)| who),
            customer_id,
            region: region.into(),
            ship_to_unit_id: unit,
            category: category.into(),
            uom: "pcs".into(),
        };
        let share = supplier.map_or(100, |(_, share)| share);
        let n = all.len() as i32;
        let (contributors, top_share) = match customer_id {
            Some(_) => (1, 100),
            // a number behind which too few stand, and one that a single customer dominates
            None if supplier.is_none() && region == "CH" => (3, 45),
            None if supplier.is_none() && region == "FR" => (8, 81),
            None => (6 + n % 7, 22 + i64::from(n % 5) * 4),
        };
        all.push(Series { row, base, share, monthly: supplier.is_none(), contributors, top_share });
    };
    let (a, c) = (cast.aqua, cast.ceram);
    // the seal of two suppliers: one series for each, or a supplier would see that there is another
    add(products.s40, Some((a, 60)), "DE", Some(kiel), "series", 500, None);
    add(products.s40, Some((c, 40)), "DE", Some(kiel), "series", 500, None);
    add(products.s40, Some((a, 60)), "AT", Some(graz), "series", 200, None);
    add(products.s40, Some((c, 40)), "AT", Some(graz), "series", 200, None);
    add(products.g10, Some((a, 100)), "DE", Some(kiel), "series", 400, None);
    add(products.sk40, Some((a, 100)), "DE", Some(kassel), "after_sales", 80, None);
    // excluded from A's agreement
    add(products.sk40, Some((a, 100)), "FR", Some(lyon), "after_sales", 30, None);
    // A's scope for this seal has ended; C supplies it now
    add(products.s25, Some((a, 100)), "DE", Some(kiel), "phase_out", 50, None);
    add(products.s25, Some((c, 100)), "DE", Some(kiel), "series", 260, None);
    add(products.m12, Some((c, 100)), "DE", Some(kiel), "series", 420, None);
    add(products.m20, Some((c, 100)), "AT", Some(graz), "series", 150, None);
    // parts of the new pump: A's agreement names its seal, C's does not name its motor
    add(products.s60, Some((a, 100)), "DE", Some(kiel), "phase_in", 40, None);
    add(products.m90, Some((c, 100)), "DE", Some(kiel), "phase_in", 40, None);
    // demand of one customer each: an ordinary one, one behind a code name, one that must not exist
    for name in ["Hafenwerke", "Alpenstahl", "Donauwerk"] {
        let customer = customers.named(name);
        add(products.sk40, Some((a, 100)), &customer.region, None, "single_order", 20, Some(customer.id));
    }
    // pumps, by country and month
    for (region, base) in [("DE", 900), ("AT", 300), ("CH", 120), ("FR", 400)] {
        for product in [products.p100, products.p200, products.p300] {
            add(product, None, region, None, "default", base, None);
        }
    }
    add(products.px500, None, "DE", None, "phase_in", 60, None);
    all
}

/// The quantity swings with the season, and `shift` percent tell the planning runs apart.
fn bucket(
    seed: &mut Seed,
    series: &Series,
    version_id: Uuid,
    week: i64,
    bucket_start: NaiveDate,
    shift: i64,
) -> demand_bucket::Model {
    let season = 100 + (week.rem_euclid(52) - 26).abs() - 13;
    // a multiple of ten, so that sixty and forty percent of it are whole pieces
    let total = series.base * season * (100 + shift) / 100_000 * 10;
    let qty = total * series.share / 100;
    let forecast = series.contributors > 1 && week > 0;
    demand_bucket::Model {
        id: seed.id(),
        series_id: series.row.id,
        version_id,
        supplier_id: series.row.supplier_id,
        bucket_start,
        granularity: if series.monthly { "month" } else { "week" }.into(),
        qty: whole(qty),
        qty_low: forecast.then(|| Decimal(qty * Decimal::SCALE * 9 / 10)),
        qty_high: forecast.then(|| Decimal(qty * Decimal::SCALE * 12 / 10)),
        firmness: match week {
            ..=3 => "firm",
            4..=12 => "trade_off",
            _ => "forecast",
        }
        .into(),
        contributors: series.contributors,
        top_share: Some(hundredths(series.top_share)),
        source: if week <= 0 { "orders" } else { "statistical" }.into(),
        updated_at: seed.at(-2, 12),
    }
}

fn signals(seed: &mut Seed, cast: &Cast, customers: &Customers, products: &Products) -> Vec<demand_signal::Model> {
    let spree = customers.named("Spreewerk").id;
    let (secret, lyon) = (customers.named("Donauwerk").id, customers.named("Eaux").id);
    let mut signal =
        |kind: &str, product_id, region: &str, customer_id, originator_id, magnitude, note| demand_signal::Model {
            id: seed.id(),
            kind: kind.into(),
            product_id,
            customer_id,
            region: text(region),
            observed_at: seed.at(-1 - magnitude % 20, 10),
            magnitude: whole(magnitude),
            confidence: Some(hundredths(80)),
            note,
            originator_id,
        };
    vec![
        signal(
            "sell_through",
            products.p100,
            "DE",
            Some(spree),
            cast.bergmann,
            46,
            text("Spreewerk refits three stations"),
        ),
        signal("sell_through", products.sk40, "AT", None, cast.bergmann, 31, None),
        signal("sell_through", products.p100, "FR", Some(lyon), cast.dauphin, 18, None),
        signal("stockout", products.g10, "DE", None, cast.aqua, 120, text("mould in repair")),
        signal("promotion", products.p200, "DE", None, cast.nordwind, 60, text("autumn campaign")),
        signal("order_spike", products.p300, "AT", Some(secret), cast.nordwind, 75, text("Donauwerk")),
        signal("case_spike", products.p300, "DE", None, cast.nordwind, 9, text("leaks after the change of seal")),
        signal("promotion", products.px500, "DE", None, cast.nordwind, 40, text("launch")),
    ]
}
