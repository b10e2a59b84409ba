//! Forecast demand: per product, region and supplier a series; per version and week a bucket, already
//! split by quota; and what the suppliers answer.

use entities::{Decimal, Instant, demand_bucket, demand_series, forecast_version, supply_commitment};
use rand::Rng;
use uuid::Uuid;

use super::{
    Out,
    world::{DAY, Part, REGIONS, Thing, World},
};
use crate::error::Result;

/// Weeks that a forecast looks ahead.
pub(super) const HORIZON: u64 = 26;
/// Weeks that a supplier has answered.
const ANSWERED: u64 = 4;
/// Regions in which a product is planned.
const PLANNED: u64 = 2;

/// The version before, the one that counts, and the one in the making.
const VERSIONS: [(&str, i64); 3] = [("superseded", -4), ("published", 0), ("draft", 4)];

/// A series and the part of the demand that is its supplier's, in percent.
struct Share {
    series: u64,
    product: u64,
    region: usize,
    supplier: u64,
    quota: i64,
}

pub(super) fn make(world: &World, out: &Out) -> Result<()> {
    out.write::<forecast_version::Entity>((0..VERSIONS.len()).map(|n| version(world, n)).collect())?;
    // few products at a time: each has more than a hundred buckets
    let size = 40;
    for from in (0..world.sizes.products).step_by(size) {
        let products = from..(from + size as u64).min(world.sizes.products);
        let shares: Vec<Share> = products.flat_map(|n| shares(world, n)).collect();
        out.write::<demand_series::Entity>(shares.iter().map(|share| series(world, share)).collect())?;
        let buckets =
            shares.iter().flat_map(|share| (0..2).flat_map(move |n| (0..HORIZON).map(move |week| (share, n, week))));
        let buckets: Vec<_> = buckets.map(|(share, n, week)| bucket(world, share, n, week)).collect();
        let answers = shares.iter().filter(|share| share.series % 3 != 0);
        let answers = answers.flat_map(|share| (0..ANSWERED).map(|week| answer(world, share, week)));
        let answers = answers.collect();
        out.write::<demand_bucket::Entity>(buckets)?;
        out.write::<supply_commitment::Entity>(answers)?;
    }
    Ok(())
}

fn version_id(world: &World, n: usize) -> Uuid {
    world.id(Thing::Version, n as u64, Part::Itself, 0)
}

fn version(world: &World, n: usize) -> forecast_version::Model {
    let (status, weeks) = VERSIONS[n];
    let from = world.monday(weeks);
    let at = Instant(world.base.0 + weeks * 7 * DAY);
    let published = status != "draft";
    forecast_version::Model {
        id: version_id(world, n),
        name: format!("Forecast {from}"),
        status: status.into(),
        published_at: published.then_some(at),
        commit_due_at: published.then_some(Instant(at.0 + 5 * DAY)),
        horizon_from: from,
        horizon_to: world.monday(weeks + HORIZON as i64),
        created_by_id: world.planner(),
    }
}

fn shares(world: &World, n: u64) -> Vec<Share> {
    let product = world.product(n);
    let regions = (0..PLANNED).map(|at| (at, ((n + at * 3) % REGIONS.len() as u64) as usize));
    let share = |at: u64, region, second: u64, supplier, quota| Share {
        series: (n * PLANNED + at) * 2 + second,
        product: n,
        region,
        supplier,
        quota,
    };
    regions
        .flat_map(|(at, region)| match product.second {
            None => vec![share(at, region, 0, product.supplier, 100)],
            Some(other) => vec![share(at, region, 0, product.supplier, 60), share(at, region, 1, other, 40)],
        })
        .collect()
}

fn series_id(world: &World, share: &Share) -> Uuid {
    world.id(Thing::Series, share.series, Part::Itself, 0)
}

fn series(world: &World, share: &Share) -> demand_series::Model {
    demand_series::Model {
        id: series_id(world, share),
        product_id: world.product(share.product).id,
        supplier_id: Some(world.partner(share.supplier)),
        customer_id: None,
        region: REGIONS[share.region].into(),
        ship_to_unit_id: Some(world.warehouse()),
        category: "default".into(),
        uom: "piece".into(),
    }
}

/// The planned quantity of a week, before the split.
fn planned(world: &World, share: &Share, version: usize, week: u64) -> i64 {
    // both suppliers of a product split the same number
    let mut dice = world.dice(Thing::Series, share.series / 2);
    let level: i64 = dice.gen_range(20..400);
    let season = [0, 4, 8, 10, 8, 4][(week % 6) as usize];
    level + level * season / 100 + version as i64 * level / 20
}

fn bucket(world: &World, share: &Share, version: usize, week: u64) -> demand_bucket::Model {
    let qty = Decimal(planned(world, share, version, week) * share.quota * Decimal::SCALE / 100);
    let mut dice = world.dice(Thing::Series, share.series);
    let weeks = VERSIONS[version].1;
    demand_bucket::Model {
        id: world.id(Thing::Series, share.series, Part::Bucket, version as u64 * HORIZON + week),
        series_id: series_id(world, share),
        version_id: version_id(world, version),
        supplier_id: Some(world.partner(share.supplier)),
        bucket_start: world.monday(weeks + week as i64),
        granularity: "week".into(),
        qty,
        qty_low: Some(Decimal(qty.0 * 8 / 10)),
        qty_high: Some(Decimal(qty.0 * 12 / 10)),
        firmness: match week {
            0..4 => "firm",
            4..12 => "trade_off",
            _ => "forecast",
        }
        .into(),
        contributors: dice.gen_range(1..60),
        top_share: Some(Decimal(dice.gen_range(500..9_500))),
        source: "statistical".into(),
        updated_at: Instant(world.base.0 + weeks * 7 * DAY),
    }
}

fn answer(world: &World, share: &Share, week: u64) -> supply_commitment::Model {
    let asked = bucket(world, share, 1, week);
    let short = (share.series + week).is_multiple_of(7);
    supply_commitment::Model {
        id: world.id(Thing::Series, share.series, Part::Answer, week),
        series_id: asked.series_id,
        version_id: asked.version_id,
        bucket_start: asked.bucket_start,
        supplier_id: world.partner(share.supplier),
        qty: if short { Decimal(asked.qty.0 * 7 / 10) } else { asked.qty },
        upside_qty: None,
        status: if short { "partial" } else { "committed" }.into(),
        reason_code: short.then(|| "capacity".into()),
        comment_shared: None,
        comment_private: None,
        committed_by_id: Some(world.person(share.supplier)),
        committed_at: Some(world.base),
        row_version: 1,
    }
}
