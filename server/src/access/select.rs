//! The only way to a statement that reads: a builder over a view. Whatever table it touches brings the
//! view's row filter, and a field is only ever the expression that the view shows, in the select list,
//! in filters, orders, groups and aggregates alike. So no caller can write a bypass.

use std::{fmt::Write, sync::Arc};

use chrono::{DateTime, NaiveDate};
use entities::{Instant, meta::Kind};
use uuid::Uuid;

use super::{
    connect::Dialect,
    pred::Pred,
    read::Arg,
    sql::{Bind, BindType, Reach, Sql, day},
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
}

/// The values of one run.
#[derive(Debug)]
pub struct Binding<'a> {
    pub now: Instant,
    pub me: Uuid,
    pub slots: &'a [Arg],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    Eq,
    Ne,
    In,
    NotIn,
    Gt,
    Gte,
    Lt,
    Lte,
    Like,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bucket {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aggregate {
    Sum,
    Min,
    Max,
    /// The number of values, from which an average is made exactly.
    Values,
}

/// One term of an order, with the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderBy {
    pub field: usize,
    pub descending: bool,
}

struct Source {
    alias: String,
    ty: TypeId,
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
    conditions: Vec<String>,
    order: Vec<OrderBy>,
    reversed: bool,
    /// Reads many rows to give few: joins look up sets, not rows.
    bulk: bool,
}

impl<'v> Select<'v> {
    /// The rows of a type that the view shows.
    pub fn rows(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        Self::new(view, dialect, ty, Reach::Many, false)
    }

    /// The same, for a few rows whose keys, or whose parents' keys, are bound when the statement runs.
    pub fn some_rows(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        Self::new(view, dialect, ty, Reach::Few, false)
    }

    /// The same, to be counted or aggregated.
    pub fn all_rows(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        Self::new(view, dialect, ty, Reach::Many, true)
    }

    fn new(view: &'v View, dialect: Dialect, ty: TypeId, reach: Reach, bulk: bool) -> (Self, RowRef) {
        let mut sql = Sql::new(dialect);
        let alias = sql.alias();
        let mut select = Select {
            view,
            sql,
            sources: vec![Source { alias: alias.clone(), ty }],
            joins: String::new(),
            joined: Vec::new(),
            guards: Vec::new(),
            columns: Vec::new(),
            conditions: Vec::new(),
            order: Vec::new(),
            reversed: false,
            bulk,
        };
        let filter = select.row_filter(ty, &alias, reach);
        select.conditions.extend(filter);
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
        let levels = &self.view.of(ty).fields[field].levels;
        let def = &CATALOGUE.ty(ty).fields[field];
        if field == 0 || self.bulk || levels.iter().all(|(p, _)| p.is_always()) {
            return self.shown(ty, &alias, field);
        }
        let mut parts = Vec::new();
        for (p, shown) in levels {
            let from = if p.is_always() { alias.clone() } else { self.guard(row, p) };
            let value = self.piece(|sql| sql.treated(&from, def.column, def.kind, *shown));
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

    fn guard(&mut self, row: RowRef, p: &Arc<Pred>) -> String {
        if let Some((.., alias)) = self.guards.iter().find(|(r, q, _)| *r == row && q == p) {
            return alias.clone();
        }
        let (ty, alias) = self.source(row);
        let guard = self.sql.alias();
        let condition = self.condition(ty, &alias, p, Reach::Few);
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
        let to = CATALOGUE.ty(self.sources[from.0].ty).fields[field].to?;
        let key = self.read(from, field);
        let target = self.sql.alias();
        let reach = if self.bulk { Reach::Many } else { Reach::Few };
        let filter = self.row_filter(to, &target, reach).map(|f| format!(" AND {f}")).unwrap_or_default();
        let table = CATALOGUE.ty(to).table;
        let _ = write!(self.joins, " LEFT JOIN \"{table}\" {target} ON {target}.\"id\" = {key}{filter}");
        let row = RowRef(self.sources.len());
        self.sources.push(Source { alias: target, ty: to });
        self.joined.push((from, field, row));
        Some(row)
    }

    fn select(&mut self, text: String) -> usize {
        self.columns.iter().position(|c| *c == text).unwrap_or_else(|| {
            self.columns.push(text);
            self.columns.len() - 1
        })
    }

    /// Puts the field into the select list; the index of its column.
    pub fn column(&mut self, row: RowRef, field: usize) -> usize {
        let text = self.read(row, field);
        self.select(text)
    }

    /// A column that tells whether the field is shown in this row; `None` if it always is.
    pub fn flag(&mut self, row: RowRef, field: usize) -> Option<usize> {
        let (ty, _) = self.source(row);
        let levels = &self.view.of(ty).fields[field].levels;
        if field == 0 || levels.last().is_some_and(|(p, _)| p.is_always()) {
            return None;
        }
        let any: Vec<String> =
            levels.iter().map(|(p, _)| format!("{}.\"id\" IS NOT NULL", self.guard(row, p))).collect();
        Some(self.select(format!("CASE WHEN {} THEN 1 ELSE 0 END", any.join(" OR "))))
    }

    /// A column with the version of the shared data, so that an answer tells whether its view was current.
    pub fn version(&mut self) -> usize {
        self.select("(SELECT version FROM access_version)".into())
    }

    // ---- conditions

    pub fn keep(&mut self, condition: Piece) {
        self.conditions.push(condition.0);
    }

    pub fn all(parts: Vec<Piece>) -> Piece {
        Piece(joined(parts, " AND ", "1 = 1"))
    }

    pub fn any(parts: Vec<Piece>) -> Piece {
        Piece(joined(parts, " OR ", "1 = 0"))
    }

    /// Two-valued: what is unknown is not so.
    pub fn negate(part: &Piece) -> Piece {
        Piece(format!("({}) IS NOT TRUE", part.0))
    }

    pub fn test(&mut self, row: RowRef, field: usize, test: Test, slot: usize) -> Piece {
        let (ty, alias) = self.source(row);
        let kind = CATALOGUE.ty(ty).fields[field].kind;
        let shown = self.shown(ty, &alias, field);
        let dialect = self.sql.dialect;
        Piece(self.piece(|sql| {
            sql.push(&shown);
            let one = |sql: &mut Sql, sign: &str| {
                sql.push(sign);
                sql.bind(Bind::Slot(slot), BindType::of(kind));
            };
            match test {
                Test::Eq => one(sql, " = "),
                Test::Ne => one(sql, if dialect == Dialect::Postgres { " IS DISTINCT FROM " } else { " IS NOT " }),
                Test::Gt => one(sql, " > "),
                Test::Gte => one(sql, " >= "),
                Test::Lt => one(sql, " < "),
                Test::Lte => one(sql, " <= "),
                Test::Like => {
                    one(sql, " LIKE ");
                    sql.push(" ESCAPE '\\'");
                }
                Test::In | Test::NotIn => match dialect {
                    Dialect::Postgres => {
                        sql.push(" = ANY(").bind(Bind::Slot(slot), BindType::list(kind));
                        sql.push(")");
                    }
                    Dialect::Sqlite => {
                        sql.push(" IN (SELECT value FROM rarray(").bind(Bind::Slot(slot), BindType::list(kind));
                        sql.push("))");
                    }
                },
            }
            if test == Test::NotIn {
                sql.text = format!("({}) IS NOT TRUE", sql.text);
            }
        }))
    }

    pub fn is_null(&mut self, row: RowRef, field: usize, null: bool) -> Piece {
        let (ty, alias) = self.source(row);
        let shown = self.shown(ty, &alias, field);
        Piece(format!("{shown} IS {}NULL", if null { "" } else { "NOT " }))
    }

    /// The row that the reference leads to is one of the view's and satisfies what `inner` says of it.
    pub fn related<E>(
        &mut self,
        row: RowRef,
        field: usize,
        inner: impl FnOnce(&mut Self, RowRef) -> Result<Piece, E>,
    ) -> Result<Piece, E> {
        let (ty, alias) = self.source(row);
        let key = self.shown(ty, &alias, field);
        let Some(to) = CATALOGUE.ty(ty).fields[field].to else { return Ok(Piece("1 = 0".into())) };
        let (target, inside) = self.inside(to, inner)?;
        let table = CATALOGUE.ty(to).table;
        Ok(Piece(format!("{key} IN (SELECT {target}.\"id\" FROM \"{table}\" {target} WHERE {inside})")))
    }

    /// Some row of the list is one of the view's, is shown to belong here and satisfies what `inner` says.
    pub fn some<E>(
        &mut self,
        row: RowRef,
        of: TypeId,
        by: usize,
        inner: impl FnOnce(&mut Self, RowRef) -> Result<Piece, E>,
    ) -> Result<Piece, E> {
        let (_, alias) = self.source(row);
        let (target, inside) = self.inside(of, inner)?;
        let key = self.shown(of, &target, by);
        let table = CATALOGUE.ty(of).table;
        Ok(Piece(format!("{alias}.\"id\" IN (SELECT {key} FROM \"{table}\" {target} WHERE {inside})")))
    }

    fn inside<E>(
        &mut self,
        ty: TypeId,
        inner: impl FnOnce(&mut Self, RowRef) -> Result<Piece, E>,
    ) -> Result<(String, String), E> {
        let target = self.sql.alias();
        let filter = self.row_filter(ty, &target, Reach::Many);
        let row = RowRef(self.sources.len());
        self.sources.push(Source { alias: target.clone(), ty });
        let mut all: Vec<Piece> = filter.into_iter().map(Piece).collect();
        all.push(inner(self, row)?);
        Ok((target, Self::all(all).0))
    }

    /// The key is one of the bound list, or the bound one.
    pub fn with_key(&mut self, slot: usize, list: bool) {
        let test = self.test(RowRef(0), 0, if list { Test::In } else { Test::Eq }, slot);
        self.conditions.push(test.0);
    }

    // ---- order and pages

    /// The order of the rows; the key comes last, so that it is total.
    pub fn order(&mut self, order: &[OrderBy], reversed: bool) {
        self.order = order.to_vec();
        if !self.order.iter().any(|o| o.field == 0) {
            self.order.push(OrderBy { field: 0, descending: false });
        }
        self.reversed = reversed;
    }

    /// The select list gets what a cursor must know of a row: the values of the order's terms.
    pub fn cursor_columns(&mut self) -> Vec<usize> {
        let terms = self.order_terms();
        terms.into_iter().map(|term| self.select(term.outside)).collect()
    }

    /// Only rows behind (or, turned round, before) a cursor. `nulls` tells which of its values are null.
    pub fn beyond(&mut self, before: bool, nulls: &[bool], slots: &[usize]) {
        let (ty, base) = self.source(RowRef(0));
        let mut either: Vec<String> = Vec::new();
        let mut equal: Vec<String> = Vec::new();
        for (i, term) in self.order.clone().into_iter().enumerate() {
            let kind = CATALOGUE.ty(ty).fields[term.field].kind;
            let shown = self.shown(ty, &base, term.field);
            let value = self.piece(|sql| sql.bind(Bind::Slot(slots[i]), BindType::of(kind)));
            let ahead = term.descending == before;
            // nulls count as larger than every value
            let here = match (nulls[i], ahead) {
                (true, true) => None,
                (true, false) => Some(format!("{shown} IS NOT NULL")),
                (false, true) if self.can_be_null(ty, term.field) => {
                    Some(format!("({0} > {value} OR {shown} IS NULL)", shown))
                }
                (false, true) => Some(format!("{} > {value}", shown)),
                (false, false) => Some(format!("{} < {value}", shown)),
            };
            if let Some(here) = here {
                let mut all = equal.clone();
                all.push(here);
                either.push(format!("({})", all.join(" AND ")));
            }
            equal.push(if nulls[i] { format!("{shown} IS NULL") } else { format!("{shown} = {value}") });
        }
        self.conditions.push(if either.is_empty() { "1 = 0".into() } else { format!("({})", either.join(" OR ")) });
    }

    fn can_be_null(&self, ty: TypeId, field: usize) -> bool {
        let shown = &self.view.of(ty).fields[field];
        field != 0
            && (CATALOGUE.ty(ty).fields[field].optional || !shown.levels.last().is_some_and(|(p, _)| p.is_always()))
    }

    fn order_terms(&mut self) -> Vec<OrderTerm> {
        let (ty, alias) = self.source(RowRef(0));
        let mut terms = Vec::new();
        for (i, term) in self.order.clone().into_iter().enumerate() {
            let def = &CATALOGUE.ty(ty).fields[term.field];
            let shown = self.shown(ty, &alias, term.field);
            let plain = shown == format!("{alias}.\"{}\"", def.column);
            let descending = term.descending != self.reversed;
            // PostgreSQL's own order; SQLite must be told
            let nulls = match (self.sql.dialect, self.can_be_null(ty, term.field), descending) {
                (Dialect::Sqlite, true, false) => " NULLS LAST",
                (Dialect::Sqlite, true, true) => " NULLS FIRST",
                _ => "",
            };
            let direction = format!("{}{nulls}", if descending { " DESC" } else { "" });
            let outside = if plain { shown.clone() } else { format!("{alias}.o{i}") };
            let extra = if plain { String::new() } else { format!(", {shown} AS o{i}") };
            terms.push(OrderTerm { inside: format!("{shown}{direction}"), direction, outside, extra });
        }
        terms
    }

    fn table(&self) -> String {
        let first = &self.sources[0];
        format!("\"{}\" {}", CATALOGUE.ty(first.ty).table, first.alias)
    }

    fn filter(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) }
    }

    fn list(&self) -> String {
        if self.columns.is_empty() { "1".into() } else { self.columns.join(", ") }
    }

    fn statement(self, text: &str) -> Statement {
        let sql = self.sql.assemble(text);
        tracing::debug!(sql, "statement");
        Statement { sql, binds: self.sql.binds }
    }

    /// At most `limit` rows, in order. The page is cut first; what its rows lead to is read for them alone.
    pub fn page(mut self, limit: usize) -> Statement {
        let terms = self.order_terms();
        let (_, alias) = self.source(RowRef(0));
        let inside = order_by(terms.iter().map(|t| t.inside.clone()));
        if self.joins.is_empty() && terms.iter().all(|t| t.extra.is_empty()) {
            let text = format!("SELECT {} FROM {}{}{inside} LIMIT {limit}", self.list(), self.table(), self.filter());
            return self.statement(&text);
        }
        let extra: String = terms.iter().map(|t| t.extra.as_str()).collect();
        let outside = order_by(terms.iter().map(OrderTerm::outside));
        let text = format!(
            "SELECT {} FROM (SELECT {alias}.*{extra} FROM {}{}{inside} LIMIT {limit}) {alias}{}{outside}",
            self.list(),
            self.table(),
            self.filter(),
            self.joins,
        );
        self.statement(&text)
    }

    pub fn count(mut self) -> Statement {
        let version = self.version();
        let version = self.columns.swap_remove(version);
        let text = format!("SELECT count(*), {version} FROM {}{}", self.table(), self.filter());
        self.statement(&text)
    }

    /// At most `limit` rows of each parent in the slot, in order; the first column is the parent's key.
    pub fn page_of_each(mut self, by: usize, parents: usize, limit: usize) -> Statement {
        let (ty, alias) = self.source(RowRef(0));
        let key = self.shown(ty, &alias, by);
        let terms = self.order_terms();
        let inside = order_by(terms.iter().map(|t| t.inside.clone()));
        let keys = self.piece(|sql| sql.bind(Bind::Slot(parents), BindType::Ids));
        let text = match self.sql.dialect {
            Dialect::Postgres => {
                self.conditions.insert(0, format!("{key} = k.id"));
                let extra: String = terms.iter().map(|t| t.extra.as_str()).collect();
                let outside = order_by(std::iter::once("k.id".to_string()).chain(terms.iter().map(OrderTerm::outside)));
                format!(
                    "SELECT k.id, {} FROM unnest({keys}) AS k(id) CROSS JOIN LATERAL (SELECT {alias}.*{extra} FROM {}{}{inside} LIMIT {limit}) {alias}{}{outside}",
                    self.list(),
                    self.table(),
                    self.filter(),
                    self.joins,
                )
            }
            // no LATERAL there: the page of each parent is an id sub-select
            Dialect::Sqlite => {
                self.conditions.insert(0, format!("{key} = k.value"));
                let outside =
                    order_by(std::iter::once("k.value".to_string()).chain(terms.iter().map(|t| t.inside.clone())));
                let columns: Vec<String> = self.columns.iter().map(|c| inline(c, &terms)).collect();
                format!(
                    "SELECT k.value, {} FROM rarray({keys}) k CROSS JOIN {table} ON {alias}.\"id\" IN (SELECT {alias}.\"id\" FROM {table}{}{inside} LIMIT {limit}){}{outside}",
                    columns.join(", "),
                    self.filter(),
                    self.joins,
                    table = self.table(),
                )
            }
        };
        self.statement(&text)
    }

    /// How many rows each parent in the slot has; parents without any are absent.
    pub fn count_of_each(mut self, by: usize, parents: usize) -> Statement {
        let (ty, alias) = self.source(RowRef(0));
        let key = self.shown(ty, &alias, by);
        let keys = self.piece(|sql| sql.bind(Bind::Slot(parents), BindType::Ids));
        let of_parents = match self.sql.dialect {
            Dialect::Postgres => format!("{key} = ANY({keys})"),
            Dialect::Sqlite => format!("{key} IN (SELECT value FROM rarray({keys}))"),
        };
        self.conditions.insert(0, of_parents);
        let text = format!("SELECT {key}, count(*) FROM {}{} GROUP BY 1", self.table(), self.filter());
        self.statement(&text)
    }

    // ---- aggregates

    /// A group's key: the field as it is shown, cut to a bucket of time if asked.
    pub fn key(&mut self, row: RowRef, field: usize, bucket: Option<Bucket>) -> usize {
        let (ty, alias) = self.source(row);
        let kind = CATALOGUE.ty(ty).fields[field].kind;
        let shown = self.shown(ty, &alias, field);
        let text = bucket.map_or(shown.clone(), |b| bucketed(self.sql.dialect, &shown, kind, b));
        self.select(text)
    }

    pub fn aggregate(&mut self, field: usize, aggregate: Aggregate) -> usize {
        let (ty, alias) = self.source(RowRef(0));
        let shown = self.shown(ty, &alias, field);
        let text = match (aggregate, self.sql.dialect) {
            (Aggregate::Sum, Dialect::Postgres) => format!("sum({shown})::int8"),
            (Aggregate::Sum, Dialect::Sqlite) => format!("sum({shown})"),
            (Aggregate::Min, _) => format!("min({shown})"),
            (Aggregate::Max, _) => format!("max({shown})"),
            (Aggregate::Values, _) => format!("count({shown})"),
        };
        self.select(text)
    }

    pub fn count_column(&mut self) -> usize {
        self.select("count(*)".into())
    }

    /// One row for each group, ordered by its keys, which are the columns of these indices.
    /// With it the column of the version.
    pub fn groups(mut self, keys: &[usize], limit: usize) -> (Statement, usize) {
        let version = self.version();
        let nulls = if self.sql.dialect == Dialect::Sqlite { " NULLS LAST" } else { "" };
        let by: Vec<String> = keys.iter().map(|k| (k + 1).to_string()).collect();
        let order: Vec<String> = by.iter().map(|k| format!("{k}{nulls}")).collect();
        let tail = if by.is_empty() {
            String::new()
        } else {
            format!(" GROUP BY {} ORDER BY {} LIMIT {limit}", by.join(", "), order.join(", "))
        };
        let text = format!("SELECT {} FROM {}{}{}{tail}", self.list(), self.table(), self.joins, self.filter());
        (self.statement(&text), version)
    }
}

struct OrderTerm {
    /// Where the rows are cut.
    inside: String,
    /// Where the page is read: a value that is no plain column is handed out as an extra one.
    outside: String,
    direction: String,
    extra: String,
}

impl OrderTerm {
    fn outside(&self) -> String {
        format!("{}{}", self.outside, self.direction)
    }
}

fn order_by(terms: impl Iterator<Item = String>) -> String {
    let terms: Vec<String> = terms.collect();
    if terms.is_empty() { String::new() } else { format!(" ORDER BY {}", terms.join(", ")) }
}

/// A column that names an extra value, written out where there is no extra column.
fn inline(column: &str, terms: &[OrderTerm]) -> String {
    let term = terms.iter().find(|t| !t.extra.is_empty() && t.outside == column);
    term.map_or_else(|| column.to_string(), |t| t.inside.strip_suffix(&t.direction).unwrap_or(&t.inside).to_string())
}

fn joined(parts: Vec<Piece>, word: &str, none: &str) -> String {
    match parts.len() {
        0 => none.to_string(),
        _ => format!("({})", parts.into_iter().map(|p| p.0).collect::<Vec<_>>().join(word)),
    }
}

fn bucketed(dialect: Dialect, x: &str, kind: Kind, bucket: Bucket) -> String {
    match dialect {
        Dialect::Postgres => {
            let unit = match bucket {
                Bucket::Day => "day",
                Bucket::Week => "week",
                Bucket::Month => "month",
                Bucket::Quarter => "quarter",
                Bucket::Year => "year",
            };
            let at = if kind == Kind::Instant {
                format!("timestamp 'epoch' + ({x}) * interval '1 microsecond'")
            } else {
                format!("({x})::timestamp")
            };
            format!("date_trunc('{unit}', {at})::date")
        }
        Dialect::Sqlite => {
            let day =
                if kind == Kind::Instant { format!("date(({x}) / 1000000, 'unixepoch')") } else { format!("({x})") };
            match bucket {
                Bucket::Day => format!("date({day})"),
                // Monday, as ISO weeks begin
                Bucket::Week => format!("date({day}, 'weekday 0', '-6 days')"),
                Bucket::Month => format!("date({day}, 'start of month')"),
                Bucket::Quarter => {
                    format!("date({day}, 'start of month', '-' || ((strftime('%m', {day}) - 1) % 3) || ' months')")
                }
                Bucket::Year => format!("date({day}, 'start of year')"),
            }
        }
    }
}

impl Statement {
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
