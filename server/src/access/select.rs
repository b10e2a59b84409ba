//! The only way to a statement that reads: a builder over a view. Whatever table it touches brings the
//! view's row filter, and a field is only ever the expression that the view shows, in the select list,
//! in filters, orders, groups and aggregates alike. So no caller can write a bypass.

use std::fmt::Write;

use chrono::{DateTime, NaiveDate};
use entities::{Instant, meta::Kind};
use uuid::Uuid;

use super::{
    connect::Dialect,
    read::Arg,
    sql::{Bind, BindType, Sql, day},
    view::View,
};
use crate::catalogue::{CATALOGUE, Type, TypeId};

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
    /// Conditions and orders speak of this alias of the first row.
    base: String,
    joins: String,
    joined: Vec<(RowRef, usize, RowRef)>,
    columns: Vec<String>,
    conditions: Vec<String>,
    order: Vec<OrderBy>,
    reversed: bool,
}

impl<'v> Select<'v> {
    /// The rows of a type that the view shows.
    pub fn rows(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        let mut sql = Sql::new(dialect);
        let alias = sql.alias();
        let mut select = Select {
            view,
            sql,
            base: alias.clone(),
            sources: vec![Source { alias, ty }],
            joins: String::new(),
            joined: Vec::new(),
            columns: Vec::new(),
            conditions: Vec::new(),
            order: Vec::new(),
            reversed: false,
        };
        let base = select.base.clone();
        let filter = select.row_filter(ty, &base);
        select.conditions.extend(filter);
        (select, RowRef(0))
    }

    /// The rows of a type that belong to parents which are bound when the statement runs.
    pub fn children(view: &'v View, dialect: Dialect, ty: TypeId) -> (Self, RowRef) {
        let (mut select, row) = Self::rows(view, dialect, ty);
        if dialect == Dialect::Sqlite {
            // no LATERAL there: the page of each parent is an id sub-select with an alias of its own
            select.base = select.sql.alias();
            let base = select.base.clone();
            select.conditions = select.row_filter(ty, &base).into_iter().collect();
        }
        (select, row)
    }

    fn row_filter(&mut self, ty: TypeId, alias: &str) -> Option<String> {
        let filter = self.view.of(ty).row.clone();
        let ty = CATALOGUE.ty(ty);
        (!filter.is_always()).then(|| self.piece(|sql| sql.pred(ty, alias, &filter)))
    }

    /// Writes with the statement's binds, but beside its text.
    fn piece(&mut self, write: impl FnOnce(&mut Sql)) -> String {
        let text = std::mem::take(&mut self.sql.text);
        write(&mut self.sql);
        std::mem::replace(&mut self.sql.text, text)
    }

    fn ty(&self, row: RowRef) -> &'static Type {
        CATALOGUE.ty(self.sources[row.0].ty)
    }

    fn shown(&mut self, ty: TypeId, alias: &str, field: usize) -> String {
        let view = &self.view.of(ty).fields[field];
        self.piece(|sql| sql.shown(CATALOGUE.ty(ty), alias, field, view))
    }

    /// The row that a reference leads to, if the view shows it.
    pub fn join(&mut self, from: RowRef, field: usize) -> Option<RowRef> {
        if let Some((.., row)) = self.joined.iter().find(|(r, f, _)| *r == from && *f == field) {
            return Some(*row);
        }
        let (ty, alias) = (self.sources[from.0].ty, self.sources[from.0].alias.clone());
        let to = CATALOGUE.ty(ty).fields[field].to?;
        let key = self.shown(ty, &alias, field);
        let target = self.sql.alias();
        let filter = self.row_filter(to, &target).map(|f| format!(" AND {f}")).unwrap_or_default();
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
        let (ty, alias) = (self.sources[row.0].ty, self.sources[row.0].alias.clone());
        let text = self.shown(ty, &alias, field);
        self.select(text)
    }

    /// A column that tells whether the field is shown in this row; `None` if it always is.
    pub fn flag(&mut self, row: RowRef, field: usize) -> Option<usize> {
        let (ty, alias) = (self.sources[row.0].ty, self.sources[row.0].alias.clone());
        let view = &self.view.of(ty).fields[field];
        if field == 0 || view.levels.last().is_some_and(|(p, _)| p.is_always()) {
            return None;
        }
        let access = view.access();
        let text = self.piece(|sql| {
            sql.push("CASE WHEN ").pred(CATALOGUE.ty(ty), &alias, &access);
            sql.push(" THEN 1 ELSE 0 END");
        });
        Some(self.select(text))
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

    /// A condition's row: the first one goes by the alias that conditions use.
    fn alias(&self, row: RowRef) -> String {
        if row.0 == 0 { self.base.clone() } else { self.sources[row.0].alias.clone() }
    }

    fn collated(&self, text: String, kind: Kind) -> String {
        // the order of texts must not depend on where the database was set up
        if kind == Kind::Text && self.sql.dialect == Dialect::Postgres { format!("{text} COLLATE \"C\"") } else { text }
    }

    pub fn test(&mut self, row: RowRef, field: usize, test: Test, slot: usize) -> Piece {
        let (ty, alias) = (self.sources[row.0].ty, self.alias(row));
        let kind = CATALOGUE.ty(ty).fields[field].kind;
        let shown = self.shown(ty, &alias, field);
        let ordered = matches!(test, Test::Gt | Test::Gte | Test::Lt | Test::Lte);
        let shown = if ordered { self.collated(shown, kind) } else { shown };
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
        let (ty, alias) = (self.sources[row.0].ty, self.alias(row));
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
        let (ty, alias) = (self.sources[row.0].ty, self.alias(row));
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
        let alias = self.alias(row);
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
        let filter = self.row_filter(ty, &target);
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
        self.order.clone().into_iter().map(|o| self.column(RowRef(0), o.field)).collect()
    }

    /// Only rows behind (or, turned round, before) a cursor. `nulls` tells which of its values are null.
    pub fn beyond(&mut self, before: bool, nulls: &[bool], slots: &[usize]) {
        let ty = self.sources[0].ty;
        let base = self.base.clone();
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
                    Some(format!("({0} > {value} OR {shown} IS NULL)", self.collated(shown.clone(), kind)))
                }
                (false, true) => Some(format!("{} > {value}", self.collated(shown.clone(), kind))),
                (false, false) => Some(format!("{} < {value}", self.collated(shown.clone(), kind))),
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

    fn order_text(&mut self, alias: &str) -> String {
        let ty = self.sources[0].ty;
        let mut terms = Vec::new();
        for term in self.order.clone() {
            let kind = CATALOGUE.ty(ty).fields[term.field].kind;
            let shown = self.shown(ty, alias, term.field);
            let shown = self.collated(shown, kind);
            let descending = term.descending != self.reversed;
            // PostgreSQL's own order; SQLite must be told
            let nulls = match (self.sql.dialect, self.can_be_null(ty, term.field), descending) {
                (Dialect::Sqlite, true, false) => " NULLS LAST",
                (Dialect::Sqlite, true, true) => " NULLS FIRST",
                _ => "",
            };
            terms.push(format!("{shown}{}{nulls}", if descending { " DESC" } else { "" }));
        }
        terms.join(", ")
    }

    fn from(&self) -> String {
        let first = &self.sources[0];
        format!("\"{}\" {}{}", CATALOGUE.ty(first.ty).table, first.alias, self.joins)
    }

    fn filter(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) }
    }

    fn list(&self) -> String {
        if self.columns.is_empty() { "1".into() } else { self.columns.join(", ") }
    }

    fn statement(self, sql: String) -> Statement {
        Statement { sql, binds: self.sql.binds }
    }

    /// At most `limit` rows, in order.
    pub fn page(mut self, limit: usize) -> Statement {
        let base = self.base.clone();
        let order = self.order_text(&base);
        let order = if order.is_empty() { order } else { format!(" ORDER BY {order}") };
        let sql = format!("SELECT {} FROM {}{}{order} LIMIT {limit}", self.list(), self.from(), self.filter());
        self.statement(sql)
    }

    pub fn count(mut self) -> Statement {
        let version = self.version();
        let version = self.columns.swap_remove(version);
        let sql = format!("SELECT count(*), {version} FROM {}{}", self.from(), self.filter());
        self.statement(sql)
    }

    /// At most `limit` rows of each parent in the slot, in order; the first column is the parent's key.
    pub fn page_of_each(mut self, by: usize, parents: usize, limit: usize) -> Statement {
        let ty = self.sources[0].ty;
        let (base, row) = (self.base.clone(), self.sources[0].alias.clone());
        let key = self.shown(ty, &base, by);
        let order = self.order_text(&base);
        let keys = self.piece(|sql| sql.bind(Bind::Slot(parents), BindType::Ids));
        let sql = match self.sql.dialect {
            Dialect::Postgres => {
                self.conditions.insert(0, format!("{key} = k.id"));
                format!(
                    "SELECT k.id, x.* FROM unnest({keys}) AS k(id) CROSS JOIN LATERAL (SELECT {} FROM {}{} ORDER BY {order} LIMIT {limit}) x",
                    self.list(),
                    self.from(),
                    self.filter(),
                )
            }
            Dialect::Sqlite => {
                self.conditions.insert(0, format!("{key} = k.value"));
                let outer = self.order_text(&row);
                let table = CATALOGUE.ty(ty).table;
                format!(
                    "SELECT k.value, {} FROM rarray({keys}) k CROSS JOIN {} WHERE {row}.\"id\" IN (SELECT {base}.\"id\" FROM \"{table}\" {base}{} ORDER BY {order} LIMIT {limit}) ORDER BY k.rowid, {outer}",
                    self.list(),
                    self.from(),
                    self.filter(),
                )
            }
        };
        self.statement(sql)
    }

    /// How many rows each parent in the slot has; parents without any are absent.
    pub fn count_of_each(mut self, by: usize, parents: usize) -> Statement {
        let ty = self.sources[0].ty;
        let row = self.sources[0].alias.clone();
        // counting needs no page, so both aliases are one
        self.conditions =
            self.conditions.iter().map(|c| c.replace(&format!("{}.", self.base), &format!("{row}."))).collect();
        let key = self.shown(ty, &row, by);
        let keys = self.piece(|sql| sql.bind(Bind::Slot(parents), BindType::Ids));
        self.conditions.insert(
            0,
            match self.sql.dialect {
                Dialect::Postgres => format!("{key} = ANY({keys})"),
                Dialect::Sqlite => format!("{key} IN (SELECT value FROM rarray({keys}))"),
            },
        );
        let sql = format!("SELECT {key}, count(*) FROM {}{} GROUP BY 1", self.from(), self.filter());
        self.statement(sql)
    }

    // ---- aggregates

    /// A group's key: the field as it is shown, cut to a bucket of time if asked.
    pub fn key(&mut self, row: RowRef, field: usize, bucket: Option<Bucket>) -> usize {
        let kind = self.ty(row).fields[field].kind;
        let (ty, alias) = (self.sources[row.0].ty, self.sources[row.0].alias.clone());
        let shown = self.shown(ty, &alias, field);
        let text = bucket.map_or(shown.clone(), |b| bucketed(self.sql.dialect, &shown, kind, b));
        self.select(text)
    }

    pub fn aggregate(&mut self, field: usize, aggregate: Aggregate) -> usize {
        let ty = self.sources[0].ty;
        let alias = self.sources[0].alias.clone();
        let kind = CATALOGUE.ty(ty).fields[field].kind;
        let shown = self.shown(ty, &alias, field);
        let shown =
            if matches!(aggregate, Aggregate::Min | Aggregate::Max) { self.collated(shown, kind) } else { shown };
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
        let sql = format!("SELECT {} FROM {}{}{tail}", self.list(), self.from(), self.filter());
        (self.statement(sql), version)
    }
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
