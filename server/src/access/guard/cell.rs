//! The cells that the database sends → the groups that are told. It is a part of the statement, so raw cells
//! never leave `access`.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Threshold,
    atoms::{self, Cell, Measure, Weight},
};
use crate::{
    access::read::{Cell as Value, Rows},
    error::{Error, Result},
};

/// The most cells that a grid may have.
pub const CELLS: usize = 100_000;

/// What is made of a statement's rows. They begin with a column for each side of the grid, then come the rows,
/// the customers, the most rows of one, whether the filter lets the cell through and the version; then of each
/// measure the sum, the values and the most of one.
#[derive(Debug)]
pub struct Release {
    /// Whose memory it is told from, and to which it is added.
    pub organisation: Uuid,
    pub object_type: &'static str,
    /// The names of the sides.
    pub sides_named: String,
    pub sides: usize,
    pub measures: usize,
    pub threshold: Threshold,
    /// The sides that were grouped by. They lead the columns that are told; then come whether the group is
    /// suppressed, the rows and the version, then of each measure the sum and the values.
    pub by: Vec<usize>,
}

/// A key's value, in the order of keys: nothing comes last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Int(i64),
    Day(i32),
    Text(&'a str),
    Null,
}

/// The cells in the order of their keys.
pub struct Grid<'r> {
    pub cells: Vec<Cell>,
    values: Vec<Vec<Key<'r>>>,
    version: Value<'r>,
}

impl Grid<'_> {
    /// The cells' keys as texts, the same in every answer.
    pub fn labels(&self) -> Vec<String> {
        let label = |cell: &Cell| {
            let keys = cell.at.iter().zip(&self.values).map(|(value, known)| match known[*value] {
                Key::Int(n) => Json::from(n),
                Key::Day(n) => Json::from(n),
                Key::Text(text) => Json::from(text),
                Key::Null => Json::Null,
            });
            Json::from_iter(keys).to_string()
        };
        self.cells.iter().map(label).collect()
    }
}

impl Release {
    pub fn grid<'r>(&self, rows: &'r Rows) -> Result<Grid<'r>> {
        if rows.len() > CELLS {
            return Err(Error::Cost(format!(
                "there are more than {CELLS} cells to guard, tell the operator of the hub"
            )));
        }
        let values: Vec<Vec<Key<'_>>> = (0..self.sides).map(|side| values(rows, side)).collect();
        let mut cells: Vec<Cell> = (0..rows.len()).map(|row| self.cell(rows, row, &values)).collect();
        // the databases send them in orders of their own
        cells.sort_by(|a, b| a.at.cmp(&b.at));
        let version = if rows.is_empty() { Value::Null } else { rows.cell(0, self.sides + 4) };
        Ok(Grid { cells, values, version })
    }

    /// What is told of the cells, if these are the atoms.
    pub fn told(&self, grid: &Grid<'_>, atoms: &[Option<usize>]) -> Result<Rows> {
        let mut out = Rows::new(self.by.len() + 3 + 2 * self.measures);
        for group in atoms::groups(&grid.cells, atoms, &self.by) {
            for (side, value) in self.by.iter().zip(&group.at) {
                out.keep(match value.map(|value| grid.values[*side][value]) {
                    None | Some(Key::Null) => Value::Null,
                    Some(Key::Int(n)) => Value::Int(n),
                    Some(Key::Day(n)) => Value::Day(n),
                    Some(Key::Text(text)) => Value::Text(text),
                });
            }
            out.keep(Value::Bool(group.suppressed));
            out.keep(Value::Int(whole(group.weight.rows)?));
            out.keep(grid.version);
            for measure in &group.weight.measures {
                let sum = whole(measure.sum)?;
                out.keep(if measure.values == 0 { Value::Null } else { Value::Int(sum) });
                out.keep(Value::Int(whole(measure.values)?));
            }
        }
        Ok(out)
    }

    fn cell(&self, rows: &Rows, row: usize, values: &[Vec<Key<'_>>]) -> Cell {
        let int = |column: usize| rows.int(row, column).unwrap_or(0);
        let after = self.sides;
        let measure = |i: usize| {
            let from = after + 5 + 3 * i;
            Measure { sum: int(from).into(), values: int(from + 1).into(), of_one: int(from + 2).into() }
        };
        let at = values.iter().enumerate().map(|(side, known)| known.partition_point(|v| *v < key(rows, row, side)));
        Cell {
            at: at.collect(),
            inside: int(after + 3) == 1,
            weight: Weight {
                rows: int(after).into(),
                customers: int(after + 1),
                rows_of_one: int(after + 2).into(),
                measures: (0..self.measures).map(measure).collect(),
            },
        }
    }
}

fn key(rows: &Rows, row: usize, side: usize) -> Key<'_> {
    match rows.cell(row, side) {
        Value::Int(n) => Key::Int(n),
        Value::Bool(b) => Key::Int(i64::from(b)),
        Value::Day(n) => Key::Day(n),
        Value::Text(text) => Key::Text(text),
        Value::Null | Value::Id(_) => Key::Null,
    }
}

fn values(rows: &Rows, side: usize) -> Vec<Key<'_>> {
    let all: BTreeSet<Key<'_>> = (0..rows.len()).map(|row| key(rows, row, side)).collect();
    all.into_iter().collect()
}

fn whole(n: i128) -> Result<i64> {
    i64::try_from(n).map_err(|_| Error::Cost("a sum is longer than the hub can tell, group more finely".into()))
}
