//! The only way to a statement that reads: a builder over a view. Whatever table it touches brings the
//! view's row filter, and a field is only ever the expression that the view shows, in the select list,
//! in filters, orders, groups and aggregates alike. So no caller can write a bypass.

mod aggregate;
mod cells;
mod condition;
mod page;

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use chrono::{DateTime, NaiveDate};
use entities::Instant;
use uuid::Uuid;

pub use aggregate::{Aggregate, Bucket};
pub use cells::{Cells, Told};
pub use condition::Test;
pub use page::OrderBy;

use super::{
    connect::Dialect,
    guard::Release,
    guess::{is_late, is_narrow, reach},
    lead::{Leads, Link, Noted},
    memory::{Outline, Shows},
    pred::{Pred, always, and, at_row, behind, conjuncts, given},
    read::{Arg, Pace},
    sql::{Bind, Reach, Sql, day},
    treat::Treatment,
    view::View,
};
use crate::catalogue::{CATALOGUE, TypeId};

/// A row that the statement reads: the paged one, or one that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RowRef(usize);

/// A condition or an expression that the builder has written.
#[derive(Clone, Debug)]
pub struct Piece(String);

#[derive(Debug)]
pub struct Statement {
    sql: String,
    binds: Vec<Bind>,
    pace: Pace,
    reads: BTreeSet<(TypeId, usize)>,
    noted: Noted,
    /// What may be told of the rows, if not all of them.
    release: Option<Arc<Release>>,
    /// The same without SQL, where it is about rows with keys that are given, and nothing else is asked of them.
    outline: Option<Outline>,
}

/// The values of one run.
#[derive(Debug)]
pub struct Binding<'a> {
    pub now: Instant,
    pub me: Uuid,
    /// Makes the pseudonyms of the organisation that asks.
    pub secret: &'a str,
    pub slots: &'a [Arg],
}

struct Source {
    alias: String,
    ty: TypeId,
    /// What has been tested of every row that is read from here.
    known: Arc<Pred>,
}

pub struct Select<'v> {
    view: &'v View,
    sql: Sql,
    sources: Vec<Source>,
    joins: String,
    joined: Vec<(RowRef, usize, RowRef)>,
    /// The row once more, if it satisfies the condition: what a field is read from that not every row shows.
    guards: Vec<(RowRef, Arc<Pred>, String)>,
    columns: Vec<String>,
    /// What each column shows, as far as memory could show it.
    shows: Vec<Option<(RowRef, Shows)>>,
    conditions: Vec<String>,
    /// Given by their keys; more is asked of the rows.
    keyed: bool,
    narrowed: bool,
    /// What is better tested when the others have left few rows.
    late: Vec<String>,
    order: Vec<OrderBy>,
    reversed: bool,
    /// Reads many rows to give few: joins look up sets, not rows.
    bulk: bool,
    /// What the request learns something of, for the access log. That rows have keys is not among it.
    reads: BTreeSet<(TypeId, usize)>,
}

impl<'v> Select<'v> {
    /// The rows of a type that the view shows.
    pub fn rows(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        let reach = match dialect {
            Dialect::Postgres => Reach::Few,
            Dialect::Sqlite => reach(CATALOGUE.ty(ty), &view.of(ty).row),
        };
        Self::new(view, dialect, ty, reach, false, always())
    }

    /// The same, for a few rows whose keys are bound when the statement runs.
    pub fn some_rows(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        Self::new(view, dialect, ty, Reach::Few, false, always())
    }

    /// The same, for rows that point with `by` at parents whose keys are bound when the statement runs. Another
    /// statement of this view has shown the parents at the same moment, so what that says of them holds.
    pub fn children(view: &'v View, dialect: Dialect, ty: TypeId, by: usize) -> (Self, RowRef) {
        let parent = CATALOGUE.ty(ty).fields[by].to;
        let known = parent.map_or_else(always, |to| at_row(by, view.of(to).row.clone()));
        Self::new(view, dialect, ty, Reach::Few, false, known)
    }

    /// The same, to be counted or aggregated.
    pub fn all_rows(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        Self::new(view, dialect, ty, Reach::Many, true, always())
    }

    fn new(view: &'v View, dialect: Dialect, ty: TypeId, reach: Reach, bulk: bool, known: Arc<Pred>) -> (Self, RowRef) {
        let mut sql = Sql::new(dialect);
        let alias = sql.alias();
        sql.noted.root(&alias, ty);
        let mut select = Select {
            view,
            sql,
            sources: Vec::new(),
            joins: String::new(),
            joined: Vec::new(),
            guards: Vec::new(),
            columns: Vec::new(),
            shows: Vec::new(),
            conditions: Vec::new(),
            keyed: false,
            narrowed: false,
            late: Vec::new(),
            order: Vec::new(),
            reversed: false,
            bulk,
            reads: BTreeSet::new(),
        };
        let filter = view.of(ty).row.clone();
        let left = given(&known, &filter);
        // PostgreSQL cannot guess what a bound moment lets through, and would test all rows before it sorts them
        let (late, early): (Vec<_>, Vec<_>) = match dialect == Dialect::Postgres && reach == Reach::Few {
            true if is_narrow(CATALOGUE.ty(ty), &left) => conjuncts(&left).iter().cloned().partition(|p| is_late(p)),
            _ => (Vec::new(), vec![left]),
        };
        for (parts, late) in [(early, false), (late, true)] {
            let part = and(parts);
            if !part.is_always() {
                let condition = select.condition(ty, &alias, &part, if late { Reach::One } else { reach });
                if late { &mut select.late } else { &mut select.conditions }.push(condition);
            }
        }
        select.sources.push(Source { alias, ty, known: and([known, filter]) });
        (select, RowRef(0))
    }

    fn row_filter(&mut self, ty: TypeId, alias: &str, reach: Reach) -> Option<String> {
        let filter = self.view.of(ty).row.clone();
        (!filter.is_always()).then(|| self.condition(ty, alias, &filter, reach))
    }

    fn condition(&mut self, ty: TypeId, alias: &str, p: &Pred, reach: Reach) -> String {
        let ty = CATALOGUE.ty(ty);
        self.piece(|sql| {
            let before = std::mem::replace(&mut sql.reach, reach);
            sql.pred(ty, alias, p);
            sql.reach = before;
        })
    }

    /// Writes with the statement's binds, but beside its text.
    fn piece(&mut self, write: impl FnOnce(&mut Sql)) -> String {
        let text = std::mem::take(&mut self.sql.text);
        write(&mut self.sql);
        std::mem::replace(&mut self.sql.text, text)
    }

    fn source(&self, row: RowRef) -> (TypeId, String) {
        let source = &self.sources[row.0];
        (source.ty, source.alias.clone())
    }

    /// The field in a condition or an aggregate, over rows that are many.
    fn shown(&mut self, ty: TypeId, alias: &str, field: usize) -> String {
        let view = &self.view.of(ty).fields[field];
        self.piece(|sql| sql.shown(CATALOGUE.ty(ty), alias, field, view))
    }

    /// The field in the select list, over the few rows of a page: a condition is decided once per row,
    /// however many fields depend on it, and a hidden value is not read.
    fn read(&mut self, row: RowRef, field: usize) -> String {
        let (ty, alias) = self.source(row);
        let of = CATALOGUE.ty(ty);
        let def = &of.fields[field];
        let levels = self.levels(row, field);
        if field == 0 || self.bulk || levels.is_empty() {
            return self.shown(ty, &alias, field);
        }
        let mut parts = Vec::new();
        for (p, shown) in &levels {
            let from = if p.is_always() { alias.clone() } else { self.guard(row, p) };
            let value = self.piece(|sql| sql.treated(of, &from, def, *shown));
            parts.push((from, value));
        }
        if let [(_, value)] = &parts[..] {
            return value.clone();
        }
        let mut text = String::from("CASE");
        for (from, value) in parts {
            let _ = write!(text, " WHEN {from}.\"id\" IS NOT NULL THEN {value}");
        }
        text + " END"
    }

    /// How the field is shown in this row, up to the first level that always holds.
    fn levels(&self, row: RowRef, field: usize) -> Vec<(Arc<Pred>, Treatment)> {
        let source = &self.sources[row.0];
        let mut out = Vec::new();
        for (p, shown) in &self.view.of(source.ty).fields[field].levels {
            let left = given(&source.known, p);
            let last = left.is_always();
            out.push((left, *shown));
            if last {
                break;
            }
        }
        out
    }

    fn guard(&mut self, row: RowRef, p: &Arc<Pred>) -> String {
        if let Some((.., alias)) = self.guards.iter().find(|(r, q, _)| *r == row && q == p) {
            return alias.clone();
        }
        let (ty, alias) = self.source(row);
        let guard = self.sql.alias();
        self.sql.noted.row(&alias, Link::Same, &guard, ty);
        let condition = self.condition(ty, &alias, p, Reach::One);
        let table = CATALOGUE.ty(ty).table;
        let _ = write!(self.joins, " LEFT JOIN \"{table}\" {guard} ON {guard}.\"id\" = {alias}.\"id\" AND {condition}");
        self.guards.push((row, p.clone(), guard.clone()));
        guard
    }

    /// The row that a reference leads to, if the view shows it.
    pub fn join(&mut self, from: RowRef, field: usize) -> Option<RowRef> {
        if let Some((.., row)) = self.joined.iter().find(|(r, f, _)| *r == from && *f == field) {
            return Some(*row);
        }
        self.learn(from, field);
        let source = &self.sources[from.0];
        let to = CATALOGUE.ty(source.ty).fields[field].to?;
        // where the reference is shown, so is what shows it
        let access = self.view.of(source.ty).fields[field].access();
        let known = behind(&and([source.known.clone(), access]), field);
        let key = self.read(from, field);
        let target = self.sql.alias();
        let (_, alias) = self.source(from);
        self.sql.noted.row(&alias, Link::To(field), &target, to);
        let reach = if self.bulk { Reach::Many } else { Reach::One };
        let filter = self.view.of(to).row.clone();
        let table = CATALOGUE.ty(to).table;
        let _ = write!(self.joins, " LEFT JOIN \"{table}\" {target} ON {target}.\"id\" = {key}");
        let left = given(&known, &filter);
        if !left.is_always() {
            let condition = self.condition(to, &target, &left, reach);
            let _ = write!(self.joins, " AND {condition}");
        }
        let row = RowRef(self.sources.len());
        self.sources.push(Source { alias: target, ty: to, known: and([known, filter]) });
        self.joined.push((from, field, row));
        Some(row)
    }

    fn select(&mut self, text: String) -> usize {
        self.columns.iter().position(|c| *c == text).unwrap_or_else(|| {
            self.columns.push(text);
            self.shows.push(None);
            self.columns.len() - 1
        })
    }

    fn show(&mut self, text: String, row: RowRef, shows: Shows) -> usize {
        let column = self.select(text);
        self.shows[column] = Some((row, shows));
        column
    }

    /// How many tables the rows are read from.
    pub fn tables(&self) -> usize {
        2 + self.joined.len() + self.guards.len()
    }

    /// Puts the field into the select list; the index of its column.
    pub fn column(&mut self, row: RowRef, field: usize) -> usize {
        self.learn(row, field);
        let text = self.read(row, field);
        self.show(text, row, Shows::Field(field))
    }

    /// The column of the row's key, which tells whether there is such a row. To hand the key itself out is to
    /// read it: that is [`Select::column`].
    pub fn key_column(&mut self, row: RowRef) -> usize {
        let text = self.read(row, 0);
        self.show(text, row, Shows::Field(0))
    }

    fn learn(&mut self, row: RowRef, field: usize) {
        self.reads.insert((self.sources[row.0].ty, field));
    }

    /// A column that tells whether the field is shown in this row; `None` if it always is.
    pub fn flag(&mut self, row: RowRef, field: usize) -> Option<usize> {
        let levels = self.levels(row, field);
        if field == 0 || levels.last().is_some_and(|(p, _)| p.is_always()) {
            return None;
        }
        let any: Vec<String> =
            levels.iter().map(|(p, _)| format!("{}.\"id\" IS NOT NULL", self.guard(row, p))).collect();
        Some(self.show(format!("CASE WHEN {} THEN 1 ELSE 0 END", any.join(" OR ")), row, Shows::Flag(field)))
    }

    /// A column with the version of the shared data, so that an answer tells whether its view was current.
    pub fn version(&mut self) -> usize {
        self.select("(SELECT version FROM access_version)".into())
    }

    // ---- the parts of a statement

    fn table(&self) -> String {
        let first = &self.sources[0];
        format!("\"{}\" {}", CATALOGUE.ty(first.ty).table, first.alias)
    }

    fn filter(&self) -> String {
        filter(self.conditions.iter().chain(&self.late))
    }

    fn list(&self) -> String {
        if self.columns.is_empty() { "1".into() } else { self.columns.join(", ") }
    }

    /// The page without SQL, if it is one of rows that are given.
    fn outline(&self, limit: usize) -> Option<Outline> {
        let by_key = matches!(&self.order[..], [OrderBy { field: 0, descending: false }]) && !self.reversed;
        if !by_key || !self.keyed || self.narrowed {
            return None;
        }
        let reached =
            |row: usize| self.joined.iter().find(|(.., to)| to.0 == row).map(|(from, field, _)| (from.0, *field));
        // a source that no reference leads to is another statement's
        let sources: Vec<_> = self.sources.iter().enumerate().map(|(row, source)| (source.ty, reached(row))).collect();
        if sources.iter().skip(1).any(|(_, from)| from.is_none()) {
            return None;
        }
        let mut outline = Outline::new(sources.into_iter(), limit);
        for shows in &self.shows {
            let (row, shows) = (*shows)?;
            outline.column(row.0, shows);
        }
        Some(outline)
    }

    fn statement(self, text: &str) -> Statement {
        let sql = self.sql.assemble(text);
        tracing::debug!(sql, "statement");
        let Sql { binds, noted, .. } = self.sql;
        Statement { sql, binds, pace: Pace::default(), reads: self.reads, noted, release: None, outline: None }
    }
}

fn filter<'a>(conditions: impl Iterator<Item = &'a String>) -> String {
    let all: Vec<&str> = conditions.map(String::as_str).collect();
    if all.is_empty() { String::new() } else { format!(" WHERE {}", all.join(" AND ")) }
}

impl Statement {
    /// What no view stands behind: for the eyes of the gate and of the operator's tools only.
    pub(in crate::access) fn written(sql: Sql) -> Self {
        let text = sql.assemble(&sql.text);
        let Sql { binds, noted, .. } = sql;
        Statement {
            sql: text,
            binds,
            pace: Pace::default(),
            reads: BTreeSet::new(),
            noted,
            release: None,
            outline: None,
        }
    }

    /// Slots from `base` on were given out before it was known where they begin.
    pub fn shift_slots(&mut self, base: usize, start: usize) {
        for bind in &mut self.binds {
            if let Bind::Slot(slot) = bind
                && *slot >= base
            {
                *slot = *slot - base + start;
            }
        }
    }

    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The fields that whoever gets the rows learns something of: selected, filtered, ordered, grouped by,
    /// aggregated, or followed.
    pub fn reads(&self) -> &BTreeSet<(TypeId, usize)> {
        &self.reads
    }

    pub(super) fn noted(&self) -> &Noted {
        &self.noted
    }

    /// What its rows depend on beside themselves.
    pub fn leads(&self) -> Leads {
        Leads::of(&self.noted, &self.sql)
    }

    pub(super) fn outline(&self) -> Option<&Outline> {
        self.outline.as_ref()
    }

    /// How its rows are told, if not as they are.
    pub(super) fn release(&self) -> Option<&Arc<Release>> {
        self.release.as_ref()
    }

    pub fn pace(&self) -> &Pace {
        &self.pace
    }

    /// How often the text names the table, or a word like it.
    pub fn mentions(&self, table: &str) -> usize {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let alone = |(at, _): &(usize, &str)| {
            !self.sql[..*at].ends_with(inner) && !self.sql[at + table.len()..].starts_with(inner)
        };
        self.sql.match_indices(table).filter(alone).count()
    }

    pub fn names(&self, table: &str) -> bool {
        self.mentions(table) > 0
    }

    /// Statements of one meaning give the same rows at one moment from the same slots.
    pub fn meaning(&self) -> String {
        format!("{} {:?}", self.sql, self.binds)
    }

    /// The answer depends on the person who asks.
    pub fn is_personal(&self) -> bool {
        self.binds.contains(&Bind::Me)
    }

    pub fn arguments(&self, binding: &Binding<'_>) -> Vec<Arg> {
        let now = binding.now.0.div_euclid(1000);
        self.binds
            .iter()
            .map(|bind| match bind {
                Bind::Now { offset, add } => {
                    Arg::Int(now.saturating_add(*offset).saturating_mul(1000).saturating_add(*add))
                }
                Bind::Today { offset, ceil } => Arg::Date(day(now.saturating_add(*offset), *ceil)),
                Bind::Me => Arg::Id(binding.me),
                Bind::Secret => Arg::Text(binding.secret.into()),
                Bind::Slot(slot) => binding.slots[*slot].clone(),
            })
            .collect()
    }
}

/// The day of a cell, however the database keeps it.
pub fn day_of(cell: super::read::Cell<'_>) -> Option<NaiveDate> {
    match cell {
        super::read::Cell::Day(n) => DateTime::from_timestamp(i64::from(n) * 86_400, 0).map(|t| t.date_naive()),
        super::read::Cell::Text(text) => text.parse().ok(),
        _ => None,
    }
}
