//! The statement behind a guarded aggregate: a row for each cell of the guard's grid, with what the guard must
//! know of it. It reads the rows of the guard, not those of the view, and what leaves it is what the guard tells.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use entities::meta::Behind;
use uuid::Uuid;

use super::{Piece, Statement, Test, aggregate::bucketed, condition::tested, filter};
use crate::{
    access::{
        connect::Dialect,
        guard::{CELLS, Dimension, Guard, Release},
        read::Pace,
        sql::Sql,
        view::View,
    },
    catalogue::{CATALOGUE, Type, TypeId},
};

pub struct Cells<'v> {
    guard: &'v Guard,
    organisation: Uuid,
    ty: &'static Type,
    sql: Sql,
    base: String,
    joins: String,
    /// From where over which field, and the row there.
    joined: Vec<(String, usize, String)>,
    row: String,
    /// The value of each side of the grid.
    keys: Vec<String>,
    inside: Option<Piece>,
    /// What the request learns something of, for the access log.
    reads: BTreeSet<(TypeId, usize)>,
}

/// The columns that are told, when so many sides are grouped by.
#[derive(Clone, Copy)]
pub struct Told(usize);

impl Told {
    pub fn suppressed(self) -> usize {
        self.0
    }

    pub fn rows(self) -> usize {
        self.0 + 1
    }

    pub fn version(self) -> usize {
        self.0 + 2
    }

    pub fn sum(self, measure: usize) -> usize {
        self.0 + 3 + 2 * measure
    }

    pub fn values(self, measure: usize) -> usize {
        self.sum(measure) + 1
    }
}

impl<'v> Cells<'v> {
    /// `None` if the view does not show the type under guard.
    pub fn new(view: &'v View, dialect: Dialect, ty: TypeId) -> Option<Self> {
        let guard = view.of(ty).guard.as_ref()?;
        let ty = CATALOGUE.ty(ty);
        let mut sql = Sql::new(dialect);
        let base = sql.alias();
        sql.pred(ty, &base, &guard.row);
        let row = std::mem::take(&mut sql.text);
        let (joins, joined, keys) = (String::new(), Vec::new(), Vec::new());
        let mut cells = Cells {
            guard,
            organisation: view.seat.organisation,
            ty,
            sql,
            base,
            joins,
            joined,
            row,
            keys,
            inside: None,
            // what may be told depends on them, whichever are asked for
            reads: guard.shape.measures.iter().map(|field| (ty.id, *field)).collect(),
        };
        for side in guard.shape.grid.iter() {
            let key = cells.key(side);
            cells.keys.push(key);
        }
        Some(cells)
    }

    fn key(&mut self, side: &Dimension) -> String {
        let alias = self.walk(&side.steps);
        let field = &CATALOGUE.ty(side.of).fields[side.field];
        let value = format!("{alias}.\"{}\"", field.column);
        side.bucket.map_or(value.clone(), |bucket| bucketed(self.sql.dialect, &value, field.kind, bucket))
    }

    /// The row that the references lead to.
    fn walk(&mut self, steps: &[usize]) -> String {
        let (mut ty, mut alias) = (self.ty, self.base.clone());
        for step in steps {
            let field = &ty.fields[*step];
            let Some(to) = field.to else { break };
            let known = self.joined.iter().find(|(from, over, _)| *from == alias && over == step);
            let target = match known.map(|(.., target)| target.clone()) {
                Some(target) => target,
                None => {
                    let (target, table) = (self.sql.alias(), CATALOGUE.ty(to).table);
                    let key = format!("{alias}.\"{}\"", field.column);
                    let _ = write!(self.joins, " LEFT JOIN \"{table}\" {target} ON {target}.\"id\" = {key}");
                    self.joined.push((alias, *step, target.clone()));
                    target
                }
            };
            (ty, alias) = (CATALOGUE.ty(to), target);
        }
        alias
    }

    /// The side's field, and the references that lead to it.
    fn learn(&mut self, side: usize) {
        let side = &self.guard.shape.grid[side];
        let mut of = self.ty;
        for field in side.steps.iter().chain([&side.field]) {
            self.reads.insert((of.id, *field));
            of = of.fields[*field].to.map_or(of, |to| CATALOGUE.ty(to));
        }
    }

    pub fn test(&mut self, side: usize, test: Test, slot: usize) -> Piece {
        self.learn(side);
        let before = std::mem::take(&mut self.sql.text);
        tested(&mut self.sql, &self.keys[side], self.guard.shape.grid[side].kind(), test, slot);
        Piece(std::mem::replace(&mut self.sql.text, before))
    }

    pub fn is_null(&mut self, side: usize, null: bool) -> Piece {
        self.learn(side);
        Piece(format!("{} IS {}NULL", self.keys[side], if null { "" } else { "NOT " }))
    }

    /// Only these cells are told; the others are read too, since what is told depends on them.
    pub fn keep(&mut self, condition: Piece) {
        self.inside = Some(condition);
    }

    /// The groups by these sides of the grid.
    pub fn groups(mut self, by: Vec<usize>) -> (Statement, Told) {
        by.iter().for_each(|side| self.learn(*side));
        let measures = self.guard.shape.measures.clone();
        let text = match self.ty.behind {
            Some(Behind::One(path)) => self.of_ones(path, &measures),
            Some(Behind::Told { of, customers, top_share }) => self.of_sums(of, customers, top_share, &measures),
            None => "SELECT 1 WHERE 1 = 0".into(),
        };
        let sql = self.sql.assemble(&format!("{text} LIMIT {}", CELLS + 1));
        tracing::debug!(sql, "statement");
        let told = Told(by.len());
        let release = Release {
            organisation: self.organisation,
            object_type: self.ty.name,
            sides_named: self.guard.shape.names(),
            sides: self.keys.len(),
            measures: measures.len(),
            threshold: self.guard.threshold,
            by,
        };
        let Sql { binds, noted, .. } = self.sql;
        let pace = Pace::default();
        (
            Statement { sql, binds, pace, reads: self.reads, noted, release: Some(Arc::new(release)), outline: None },
            told,
        )
    }

    fn inside(&self) -> String {
        self.inside.as_ref().map_or_else(|| "1".into(), |Piece(p)| format!("CASE WHEN {p} THEN 1 ELSE 0 END"))
    }

    fn from(&self) -> String {
        let table = format!("\"{}\" {}", self.ty.table, self.base);
        format!("FROM {table}{}{}", self.joins, filter(std::iter::once(&self.row)))
    }

    /// Each row is a sum that says who stands behind it.
    fn of_sums(&mut self, of: &str, customers: &str, top_share: &str, measures: &[usize]) -> String {
        let column = |name: &str| format!("{}.\"{name}\"", self.base);
        let (customers, share, all) = (column(customers), column(top_share), column(of));
        let mut list = self.keys.clone();
        list.push("count(*)".into());
        list.push(format!("coalesce(max({customers}), 0)"));
        list.push("0".into());
        list.push(format!("min({})", self.inside()));
        list.push(VERSION.into());
        for measure in measures {
            let value = column(self.ty.fields[*measure].column);
            list.push(self.sum(&value));
            list.push(format!("count({value})"));
            // share × quantity, rounded up, in steps that no quantity is too long for; a share that nobody told is all
            let one = format!(
                "CASE WHEN {share} BETWEEN 0 AND 10000 THEN abs({all}) / 10000 * {share} + (abs({all}) % 10000 * {share} + 9999) / 10000 \
                 ELSE abs({all}) END"
            );
            list.push(self.sum(&one));
        }
        let by: Vec<String> = (1..=self.keys.len()).map(|i| i.to_string()).collect();
        format!("SELECT {} {} GROUP BY {}", list.join(", "), self.from(), by.join(", "))
    }

    /// Each row belongs to one: their sums come first, then those of the cell.
    fn of_ones(&mut self, path: &str, measures: &[usize]) -> String {
        let (mut ty, mut steps) = (self.ty, Vec::new());
        for step in path.split('.') {
            let Some((index, field)) = ty.by_step(step) else { break };
            steps.push(index);
            ty = field.to.map_or(ty, |to| CATALOGUE.ty(to));
        }
        let last = steps.pop().unwrap_or(0);
        let alias = self.walk(&steps);
        let of = steps.iter().fold(self.ty, |ty, step| ty.fields[*step].to.map_or(ty, |to| CATALOGUE.ty(to)));
        let one = format!("{alias}.\"{}\"", of.fields[last].column);
        let sides = self.keys.len();
        let mut inner: Vec<String> = self.keys.iter().enumerate().map(|(i, key)| format!("{key} AS k{i}")).collect();
        inner.push(format!("{one} AS one"));
        inner.push("count(*) AS n".into());
        inner.push(format!("min({}) AS i", self.inside()));
        let mut list: Vec<String> = (0..sides).map(|i| format!("c.k{i}")).collect();
        list.extend([self.sum("c.n"), "count(c.one)".into(), "max(c.n)".into(), "min(c.i)".into(), VERSION.into()]);
        for (i, measure) in measures.iter().enumerate() {
            let value = format!("{}.\"{}\"", self.base, self.ty.fields[*measure].column);
            let (sum, most) = (self.sum(&value), self.sum(&format!("abs({value})")));
            inner.extend([format!("{sum} AS s{i}"), format!("count({value}) AS v{i}"), format!("{most} AS a{i}")]);
            list.extend([
                self.sum(&format!("c.s{i}")),
                self.sum(&format!("c.v{i}")),
                format!("coalesce(max(c.a{i}), 0)"),
            ]);
        }
        let positions = |count: usize| (1..=count).map(|i| i.to_string()).collect::<Vec<_>>().join(", ");
        format!(
            "SELECT {} FROM (SELECT {} {} GROUP BY {}) c GROUP BY {}",
            list.join(", "),
            inner.join(", "),
            self.from(),
            positions(sides + 1),
            positions(sides),
        )
    }

    fn sum(&self, value: &str) -> String {
        match self.sql.dialect {
            Dialect::Postgres => format!("sum({value})::int8"),
            Dialect::Sqlite => format!("sum({value})"),
        }
    }
}

const VERSION: &str = "(SELECT version FROM access_version)";
