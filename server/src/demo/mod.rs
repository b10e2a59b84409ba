//! The Nordwind world: a manufacturer of pumps, its partners, and every situation of the twenty access
//! rules; `policies/README.md` says where to look for which. It is built around the clock's instant.

mod agreements;
mod cases;
mod cast;
mod contacts;
mod customers;
mod demand;
mod log;
mod orders;
mod products;
mod seed;
mod stock;
mod supply;

use entities::Instant;
use sea_orm::{EntityTrait, IntoActiveModel};
use tempfile::TempDir;

use self::{cast::Cast, customers::Customers, products::Products, seed::Seed};
use crate::{
    access::{
        connect::{DatabaseUrl, Db, Opening},
        load::Load,
        log::Acting,
    },
    clock::Clock,
    error::{Error, Result},
};

/// A world of its own in a temporary file, which goes with this value; its clock stands still.
pub struct Passing {
    pub db: Db,
    pub clock: Clock,
    _folder: TempDir,
}

impl Passing {
    pub async fn at(now: Instant) -> Result<Self> {
        let folder = TempDir::with_prefix("entente-")
            .map_err(|cause| Error::usage(format!("cannot make a temporary folder ({cause})")))?;
        let url = DatabaseUrl::sqlite(folder.path().join("world.db"));
        let db = Db::open_as(&url, Opening { durable: false, ..Opening::default() }).await?;
        db.migrate_up().await?;
        let clock = Clock::held(now);
        let mut load = db.load().await?;
        build(&mut load, &clock).await?;
        load.commit().await?;
        Ok(Passing { db, clock, _folder: folder })
    }
}

/// Writes the world; the caller commits.
pub async fn build(load: &mut Load, clock: &Clock) -> Result<()> {
    load.act(&Acting::operator(clock.now())).await?;
    let mut seed = Seed::new(clock.now());
    let cast = Cast::insert(load, &mut seed).await?;
    let customers = Customers::insert(load, &mut seed, &cast).await?;
    let contacts = contacts::insert(load, &mut seed, &cast, &customers).await?;
    let products = Products::insert(load, &mut seed, &cast).await?;
    orders::insert(load, &mut seed, &cast, &customers, &products).await?;
    let demand = demand::insert(load, &mut seed, &cast, &customers, &products).await?;
    supply::insert(load, &mut seed, &cast, &demand).await?;
    stock::insert(load, &mut seed, &cast, &products).await?;
    cases::insert(load, &mut seed, &cast, &customers, &contacts, &products).await?;
    let agreements = agreements::insert(load, &mut seed, &cast, &customers, &products).await?;
    contacts::consents(load, &mut seed, &cast, &contacts).await?;
    log::insert(load, &mut seed, &cast, &agreements).await
}

async fn write<E>(load: &mut Load, rows: Vec<E::Model>) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    load.insert_many::<E>(rows.into_iter().map(IntoActiveModel::into_active_model).collect()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::connect::{DatabaseUrl, Db};

    /// Every key of every table, after the constraints of the database took the rows.
    async fn keys(at: &str) -> Vec<(String, Vec<u8>)> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("world.db");
        let db = Db::open(&DatabaseUrl::sqlite(&file)).await.expect("a database");
        db.migrate_up().await.expect("tables");
        let mut load = db.load().await.expect("a transaction");
        build(&mut load, &Clock::held(at.parse().expect("valid"))).await.expect("a world");
        load.commit().await.expect("committed");
        let file = rusqlite::Connection::open(&file).expect("the file");
        let mut out = Vec::new();
        for ty in &crate::catalogue::CATALOGUE.types {
            let sql = format!("SELECT id FROM \"{}\" ORDER BY id", ty.table);
            let mut statement = file.prepare(&sql).expect("a table");
            let ids = statement.query_map([], |row| row.get(0)).expect("rows");
            out.extend(ids.map(|id| (ty.name.to_string(), id.expect("a key"))));
        }
        out
    }

    #[tokio::test]
    async fn the_same_clock_makes_the_same_world_and_no_type_is_left_out() {
        // the first day of a year, and a leap day
        for at in ["2026-01-01T00:00:00Z", "2028-02-29T23:59:59Z"] {
            let world = keys(at).await;
            assert_eq!(world, keys(at).await);
            // what nobody but the hub writes comes from its use
            for ty in crate::catalogue::CATALOGUE.types.iter().filter(|ty| !ty.closed) {
                assert!(world.iter().any(|(name, _)| name == ty.name), "no {}", ty.name);
            }
        }
    }
}
