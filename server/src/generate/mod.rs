//! `entente generate`: a coherent world of any size, the same for the same seed. Rows are made on one
//! thread and written on another, some batches apart, so that memory stays the same however large it is.

mod cases;
mod customers;
mod demand;
mod orders;
mod partners;
mod products;
mod world;

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use entities::Instant;
use sea_orm::{EntityTrait, IntoActiveModel};
use tokio::sync::mpsc;

use self::world::{DAY, Sizes, World};
use crate::{
    access::{
        connect::Db,
        load::{Batch, CHUNK, Load},
        log::Acting,
    },
    catalogue::{CATALOGUE, Type, TypeId},
    clock::Clock,
    error::{Error, Result},
    progress::Progress,
};

/// The source under which a world is noted, so that it is not made twice.
const SOURCE: &str = "generate";
/// From so many rows on, the largest tables are prepared for them.
const MANY: u64 = 100_000;
const LARGE: &[&str] =
    &["Customer", "Contact", "Consent", "SalesOrder", "OrderLine", "DemandBucket", "SupplyCommitment"];
/// Batches that may wait to be written.
const AHEAD: usize = 4;

#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The same seed, sizes and base make the same rows
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub customers: u64,
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..))]
    pub products: u64,
    /// Of ten, seven supply, two distribute and one carries
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub partners: u64,
    /// How far orders go back
    #[arg(long, value_name = "N", default_value_t = 52, value_parser = clap::value_parser!(u64).range(1..=1_040))]
    pub weeks: u64,
    /// Order lines [default: one per customer and month]
    #[arg(long, value_name = "N")]
    pub lines: Option<u64>,
    /// The world's present, such as `2026-06-29T00:00:00Z` [default: this week's Monday]
    #[arg(long, value_name = "INSTANT")]
    pub base: Option<Instant>,
}

/// Rows by type.
type Made = BTreeMap<TypeId, usize>;

/// Where made rows go.
struct Out(mpsc::Sender<Batch>);

impl Out {
    fn write<E>(&self, rows: Vec<E::Model>) -> Result<()>
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
    {
        if rows.is_empty() {
            return Ok(());
        }
        let batch = Batch::of::<E>(rows.into_iter().map(IntoActiveModel::into_active_model))?;
        // the other side has ended, and says itself why
        self.0.blocking_send(batch).map_err(|_| Error::internal("the rows are no longer written"))
    }

    /// Makes things in batches, so that what points at them is written soon after them.
    fn chunks(total: u64) -> impl Iterator<Item = std::ops::Range<u64>> {
        let size = CHUNK as u64;
        (0..total.div_ceil(size)).map(move |n| n * size..((n + 1) * size).min(total))
    }
}

/// Makes a world, and tells on stdout what is in it.
pub async fn run(db: &Db, clock: &Clock, args: &Args) -> Result<()> {
    let (made, base) = write(db, clock, args).await?;
    tell(&made, base).map_err(|cause| Error::internal(format!("cannot write the report ({cause})")))
}

async fn write(db: &Db, clock: &Clock, args: &Args) -> Result<(Made, Instant)> {
    let base = args.base.unwrap_or_else(|| this_monday(clock.now()));
    let lines = args.lines.unwrap_or(args.customers * args.weeks / 4);
    let Args { seed, customers, products, partners, weeks, .. } = *args;
    let sizes = Sizes { customers, products, partners, weeks, lines };
    let mut load = db.load().await?;
    load.act(&Acting::operator(clock.now())).await?;
    let world = World::new(seed, base, sizes, host(&mut load).await?);
    note(&mut load, &world).await?;
    let expected = rows(&sizes);
    if expected > MANY {
        for name in LARGE {
            load.expect_many(named(name)?).await?;
        }
    }

    let progress = Progress::rows(expected);
    let (sender, mut batches) = mpsc::channel(AHEAD);
    let maker = tokio::task::spawn_blocking(move || make(&world, &Out(sender)));
    let mut made = Made::new();
    while let Some(batch) = batches.recv().await {
        progress.at(batch.ty.name);
        load.insert_batch(&batch).await?;
        progress.add(batch.rows.len() as u64);
        *made.entry(batch.ty.id).or_default() += batch.rows.len();
    }
    maker.await.map_err(|cause| Error::internal(format!("the world was not made: {cause}")))??;
    progress.at("finishing");
    load.commit().await?;
    Ok((made, base))
}

fn tell(made: &Made, base: Instant) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (ty, rows) in made {
        writeln!(out, "{}: {rows} new", CATALOGUE.ty(*ty).name)?;
    }
    writeln!(out, "the same world again: --base {base}")
}

fn make(world: &World, out: &Out) -> Result<()> {
    partners::make(world, out)?;
    products::make(world, out)?;
    customers::make(world, out)?;
    orders::make(world, out)?;
    demand::make(world, out)?;
    cases::make(world, out)
}

/// About how many rows there will be.
const fn rows(sizes: &Sizes) -> u64 {
    let buckets = sizes.products * 2 * demand::HORIZON * 2 * 13 / 10;
    sizes.partners * 12 + sizes.products * 5 + sizes.customers * 3 + sizes.lines * 4 / 3 + buckets + sizes.customers / 3
}

fn this_monday(now: Instant) -> Instant {
    // the epoch was a Thursday
    let day = now.0.div_euclid(DAY);
    Instant((day - (day + 3).rem_euclid(7)) * DAY)
}

fn named(name: &str) -> Result<&'static Type> {
    CATALOGUE.by_name(name).ok_or_else(|| Error::internal(format!("`{name}` is not in the catalogue")))
}

fn field(ty: &Type, name: &str) -> Result<usize> {
    ty.field_index(name).ok_or_else(|| Error::internal(format!("`{}.{name}` is not in the catalogue", ty.name)))
}

/// The organisation that runs this hub, if it has one already.
async fn host(load: &mut Load) -> Result<Option<uuid::Uuid>> {
    let roles = named("OrgRole")?;
    let Some(role) = load.first_with(roles, field(roles, "kind")?, "internal").await? else { return Ok(None) };
    let organisation = load.values(roles, field(roles, "organisation")?, &[role]).await?;
    Ok(match organisation.get(&role) {
        Some(crate::catalogue::Value::Id(id)) => Some(*id),
        _ => None,
    })
}

/// Refuses a second world of the same seed.
async fn note(load: &mut Load, world: &World) -> Result<()> {
    let ty = named("Organisation")?;
    let key = format!("seed-{}", world.seed);
    if !load.keyed(ty, SOURCE, std::slice::from_ref(&key)).await?.is_empty() {
        return Err(Error::usage(format!("the world of seed {} is here already, choose another --seed", world.seed)));
    }
    load.register(ty, SOURCE, &[(key, world.partner(0))]).await
}

#[cfg(test)]
mod tests;
