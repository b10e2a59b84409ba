//! Generated worlds in a database file.

use super::*;
use crate::{
    access::connect::{DatabaseUrl, Db},
    catalogue::Value,
};

const BASE: &str = "2026-06-29T00:00:00Z";

async fn hub(folder: &tempfile::TempDir, name: &str) -> Db {
    let db = Db::open(&DatabaseUrl::sqlite(folder.path().join(name))).await.expect("a database");
    db.migrate_up().await.expect("tables");
    db
}

fn args(seed: u64) -> Args {
    let base = Some(BASE.parse().expect("valid"));
    Args { seed, customers: 300, products: 40, partners: 12, weeks: 10, lines: Some(1_234), base }
}

/// The rows of each table.
type Rows = Vec<(&'static str, Vec<String>)>;

/// All rows of all tables.
async fn rows(folder: &tempfile::TempDir, name: &str) -> Rows {
    let file = rusqlite::Connection::open(folder.path().join(name)).expect("a database");
    let table = |ty: &'static Type| {
        let mut query = file.prepare(&format!("SELECT * FROM {} ORDER BY id", ty.table)).expect("a table");
        let width = query.column_count();
        let text = |row: &rusqlite::Row<'_>| (0..width).map(|at| format!("{:?}", row.get_ref(at))).collect::<String>();
        let rows = query.query_map([], |row| Ok(text(row))).expect("rows");
        (ty.table, rows.map(|row| row.expect("a row")).collect())
    };
    CATALOGUE.types.iter().map(table).collect()
}

#[tokio::test]
async fn the_same_seed_makes_the_same_rows() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, seed) in [("a", 3), ("b", 3), ("c", 4)] {
        let db = hub(&folder, name).await;
        write(&db, &Clock::system(), &args(seed)).await.expect("made");
    }
    let (a, b, c) = (rows(&folder, "a").await, rows(&folder, "b").await, rows(&folder, "c").await);
    assert_eq!(a, b);
    let of = |rows: &Rows, table: &str| -> Vec<String> {
        rows.iter().filter(|(name, _)| *name == table).flat_map(|(_, rows)| rows.clone()).collect()
    };
    let lines = of(&a, "order_line");
    assert_eq!(lines.len(), 1_234);
    assert_eq!(of(&a, "customer").len(), 300);
    assert_ne!(lines, of(&c, "order_line"));
}

#[tokio::test]
async fn a_world_joins_the_host_that_is_here_and_comes_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = hub(&folder, "a").await;
    write(&db, &Clock::system(), &args(1)).await.expect("made");
    let again = write(&db, &Clock::system(), &args(1)).await.err().map(|error| error.to_string());
    assert_eq!(again.as_deref(), Some("the world of seed 1 is here already, choose another --seed"));
    write(&db, &Clock::system(), &args(2)).await.expect("made beside the first");

    let mut load = db.load().await.expect("a transaction");
    let (organisations, agreements) =
        (named("Organisation").expect("a type"), named("SharingAgreement").expect("a type"));
    let slug = field(organisations, "slug").expect("a field");
    let host = load.first_with(organisations, slug, "host").await.expect("an answer").expect("a host");
    let second = World::new(
        2,
        args(2).base.expect("given"),
        Sizes { customers: 300, products: 40, partners: 12, weeks: 10, lines: 1 },
        Some(host),
    );
    let agreement = second.id(world::Thing::Partner, 0, world::Part::Agreement, 0);
    let grantor = field(agreements, "grantor").expect("a field");
    let found = load.values(agreements, grantor, &[agreement]).await.expect("an answer");
    assert_eq!(found.get(&agreement), Some(&Value::Id(host)));
}

#[tokio::test]
async fn few_of_each_are_a_world_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = hub(&folder, "a").await;
    let base = Some(BASE.parse().expect("valid"));
    let args = Args { seed: 1, customers: 1, products: 1, partners: 1, weeks: 1, lines: None, base };
    write(&db, &Clock::system(), &args).await.expect("made");
    let args = Args { seed: 2, lines: Some(0), ..args };
    write(&db, &Clock::system(), &args).await.expect("made");
}

#[test]
fn mondays() {
    for (now, monday) in [
        ("2026-07-02T12:00:00Z", "2026-06-29T00:00:00Z"),
        ("2026-06-29T00:00:00Z", "2026-06-29T00:00:00Z"),
        ("2026-07-05T23:59:59Z", "2026-06-29T00:00:00Z"),
    ] {
        assert_eq!(this_monday(now.parse().expect("valid")).to_string(), monday);
    }
}
