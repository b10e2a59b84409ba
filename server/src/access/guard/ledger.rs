//! What an organisation was told together it is never told apart: a memory of atoms, so that they only grow
//! when the data changes. Else a cell that is hidden today could be told by subtracting tomorrow's answer, in
//! which it hides among others. A cell whose companions are gone is not told at all, for the same reason.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sea_orm::{
    ConnectionTrait, DbBackend, TransactionTrait,
    sea_query::{Alias, Expr, ExprTrait, OnConflict, Query},
};
use tokio::runtime::Handle;

use super::{
    atoms::{Sets, atoms},
    cell::Release,
};
use crate::{
    access::{connect::Db, read::Rows},
    error::{Error, Result},
};

/// Cell → what it is tied to: cells of one tie are told together.
type Ties = BTreeMap<String, String>;

/// How often an answer is made anew because another one tied cells meanwhile.
const ATTEMPTS: usize = 5;

/// More cells than these are worked out on a thread of their own: it takes long, and others ask meanwhile.
const FEW: usize = 2_000;

/// The cells as they may be told. What is told together for the first time is remembered before it is told.
pub async fn release(db: &Db, how: &Arc<Release>, rows: Rows) -> Result<Rows> {
    if rows.len() <= FEW {
        return told(db, how, &rows).await;
    }
    let (db, how) = (db.clone(), how.clone());
    let work = tokio::task::spawn_blocking(move || Handle::current().block_on(told(&db, &how, &rows)));
    work.await.map_err(|_| Error::internal("working out guarded sums broke off"))?
}

async fn told(db: &Db, how: &Release, rows: &Rows) -> Result<Rows> {
    let grid = how.grid(rows)?;
    let labels = grid.labels();
    let mut known = read(db.orm(), how).await?;
    for _ in 0..ATTEMPTS {
        let Some(found) = atoms(&grid.cells, &together(&labels, &known), how.threshold) else {
            return Ok(Rows::none());
        };
        let (atoms, after) = tied(&found, &labels, &known);
        if after == known {
            return how.told(&grid, &atoms);
        }
        match remember(db, how, &known, &after).await? {
            None => return how.told(&grid, &atoms),
            Some(newer) => known = newer,
        }
    }
    Err(Error::unavailable("the memory of guarded sums changed too often to answer"))
}

/// A number for each cell, the same for those of one tie.
fn together(labels: &[String], known: &Ties) -> Vec<usize> {
    let mut first: BTreeMap<&String, usize> = BTreeMap::new();
    let number = |(cell, label)| known.get(label).map_or(cell, |tie| *first.entry(tie).or_insert(cell));
    labels.iter().enumerate().map(number).collect()
}

/// Atoms that are tied are one atom, which is a sum that passes again; `None` where a part of it is gone. With
/// them the ties as they are then.
fn tied(found: &[usize], labels: &[String], known: &Ties) -> (Vec<Option<usize>>, Ties) {
    let names: BTreeSet<&String> = known.values().collect();
    let node: BTreeMap<&String, usize> = names.into_iter().zip(labels.len()..).collect();
    let mut sets = Sets::new(labels.len() + node.len());
    let mut first: BTreeMap<usize, usize> = BTreeMap::new();
    for (cell, (atom, label)) in found.iter().zip(labels).enumerate() {
        sets.join(*first.entry(*atom).or_insert(cell), cell);
        if let Some(tie) = known.get(label) {
            sets.join(node[tie], cell);
        }
    }
    let here: BTreeSet<&String> = labels.iter().collect();
    let gone: BTreeSet<usize> =
        known.iter().filter(|(cell, _)| !here.contains(cell)).map(|(_, tie)| sets.of(node[tie])).collect();
    // a set is named by its first tie, or else by its first cell, if it has others
    let mut name: BTreeMap<usize, &String> = BTreeMap::new();
    for (tie, node) in &node {
        name.entry(sets.of(*node)).or_insert(tie);
    }
    let mut size: BTreeMap<usize, usize> = BTreeMap::new();
    for cell in 0..labels.len() {
        *size.entry(sets.of(cell)).or_default() += 1;
    }
    let mut after = Ties::new();
    for (cell, label) in labels.iter().enumerate() {
        let set = sets.of(cell);
        if size[&set] > 1 || known.contains_key(label) {
            after.insert(label.clone(), (*name.entry(set).or_insert(label)).clone());
        }
    }
    for (cell, tie) in known {
        let tie = name[&sets.of(node[tie])].clone();
        after.insert(cell.clone(), tie);
    }
    let atoms = (0..labels.len()).map(|cell| sets.of(cell)).map(|set| (!gone.contains(&set)).then_some(set));
    (atoms.collect(), after)
}

const TABLE: &str = "guard_tie";

async fn read(db: &impl ConnectionTrait, how: &Release) -> Result<Ties> {
    let select = Query::select()
        .columns(["cell", "tie"].map(Alias::new))
        .from(Alias::new(TABLE))
        .and_where(Expr::col(Alias::new("organisation_id")).eq(how.organisation))
        .and_where(Expr::col(Alias::new("object_type")).eq(how.object_type))
        .and_where(Expr::col(Alias::new("grid")).eq(how.sides_named.as_str()))
        .to_owned();
    let rows = db.query_all(&select).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// Rows of one statement: SQLite binds 32,766 values at most.
const AT_ONCE: usize = 1_000;

/// The ties that others wrote since, if they did: then nothing is written.
async fn remember(db: &Db, how: &Release, known: &Ties, after: &Ties) -> Result<Option<Ties>> {
    let tx = db.writer().begin().await?;
    // one after the other, and on SQLite as the one that writes from the start
    let lock = match tx.get_database_backend() {
        DbBackend::Postgres => "LOCK TABLE guard_tie IN SHARE ROW EXCLUSIVE MODE",
        _ => "DELETE FROM guard_tie WHERE 1 = 0",
    };
    tx.execute_unprepared(lock).await?;
    let newer = read(&tx, how).await?;
    if newer != *known {
        tx.rollback().await?;
        return Ok(Some(newer));
    }
    let changed: Vec<_> = after.iter().filter(|(cell, tie)| known.get(*cell) != Some(*tie)).collect();
    for some in changed.chunks(AT_ONCE) {
        let mut insert = Query::insert();
        insert
            .into_table(Alias::new(TABLE))
            .columns(["organisation_id", "object_type", "grid", "cell", "tie"].map(Alias::new));
        for (cell, tie) in some {
            insert.values_panic([
                how.organisation.into(),
                how.object_type.into(),
                how.sides_named.as_str().into(),
                cell.as_str().into(),
                tie.as_str().into(),
            ]);
        }
        let key = ["organisation_id", "object_type", "grid", "cell"].map(Alias::new);
        insert.on_conflict(OnConflict::columns(key).update_column(Alias::new("tie")).to_owned());
        tx.execute(&insert).await?;
    }
    tx.commit().await?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(all: &[&str]) -> Vec<String> {
        all.iter().map(|label| (*label).to_string()).collect()
    }

    #[test]
    fn atoms_only_grow_and_die_with_a_part() {
        let (all, none) = (labels(&["a", "b", "c", "d"]), Ties::new());
        let (atoms, known) = tied(&[0, 0, 1, 2], &all, &none);
        assert_eq!((atoms[0] == atoms[1], atoms[1] == atoms[2], known.len()), (true, false, 2));
        assert_eq!(together(&all, &known), [0, 0, 2, 3]);
        // what is tied anew takes the others with it
        let (atoms, known) = tied(&[0, 1, 1, 2], &all, &known);
        assert!(atoms[0] == atoms[2] && atoms[2] != atoms[3] && known.len() == 3);
        assert_eq!(tied(&[0, 0, 0, 1], &all, &known), (atoms, known.clone()));
        // a companion is gone, and comes back
        let (atoms, same) = tied(&[0, 0, 1], &labels(&["a", "b", "d"]), &known);
        assert!(atoms[0].is_none() && atoms[1].is_none() && atoms[2].is_some() && same == known);
        // two ties that meet are one from then on
        let more = labels(&["a", "b", "c", "d", "e"]);
        let (_, two) = tied(&[0, 0, 0, 1, 1], &more, &known);
        let (_, one) = tied(&[0, 0, 0, 0, 0], &more, &two);
        assert_eq!((two.values().collect::<BTreeSet<_>>().len(), one.values().collect::<BTreeSet<_>>().len()), (2, 1));
    }
}
