//! Order, cursors and pages, of all rows or of each parent's.

use super::{RowRef, Select, Statement, filter};
use crate::{
    access::{
        connect::Dialect,
        sql::{Bind, BindType},
    },
    catalogue::{CATALOGUE, TypeId},
};

/// One term of an order, with the direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OrderBy {
    pub field: usize,
    pub descending: bool,
}

impl Select<'_> {
    /// The order of the rows; the key comes last, so that it is total.
    pub fn order(&mut self, order: &[OrderBy], reversed: bool) {
        self.order = order.to_vec();
        order.iter().for_each(|term| self.learn(RowRef(0), term.field));
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
        self.narrowed = true;
        let (ty, base) = self.source(RowRef(0));
        let mut either: Vec<String> = Vec::new();
        let mut equal: Vec<String> = Vec::new();
        for (i, term) in self.order.clone().into_iter().enumerate() {
            let kind = CATALOGUE.ty(ty).fields[term.field].kind;
            let shown = self.shown(ty, &base, term.field);
            // PostgreSQL cannot tell the type of a parameter that no condition names
            let value = match nulls[i] {
                true => String::new(),
                false => self.piece(|sql| sql.bind(Bind::Slot(slots[i]), BindType::of(kind))),
            };
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

    /// At most `limit` rows, in order. The page is cut first; what its rows lead to is read for them alone.
    pub fn page(mut self, limit: usize) -> Statement {
        let outline = self.outline(limit);
        let text = self.page_text(limit);
        Statement { outline, ..self.statement(&text) }
    }

    fn page_text(&mut self, limit: usize) -> String {
        let terms = self.order_terms();
        let (_, alias) = self.source(RowRef(0));
        let inside = order_by(terms.iter().map(|t| t.inside.clone()));
        let from = match self.late.is_empty() {
            true => format!("{}{}", self.table(), self.filter()),
            // put in order first, so that the late tests end with the page
            false => {
                let (early, late) = (filter(self.conditions.iter()), filter(self.late.iter()));
                format!("(SELECT * FROM {}{early}{inside}) {alias}{late}", self.table())
            }
        };
        if self.joins.is_empty() && terms.iter().all(|t| t.extra.is_empty()) {
            return format!("SELECT {} FROM {from}{inside} LIMIT {limit}", self.list());
        }
        let extra: String = terms.iter().map(|t| t.extra.as_str()).collect();
        let outside = order_by(terms.iter().map(OrderTerm::outside));
        format!(
            "SELECT {} FROM (SELECT {alias}.*{extra} FROM {from}{inside} LIMIT {limit}) {alias}{}{outside}",
            self.list(),
            self.joins,
        )
    }

    pub fn count(mut self) -> Statement {
        let version = self.version();
        let version = self.columns.swap_remove(version);
        let text = format!("SELECT count(*), {version} FROM {}{}", self.table(), self.filter());
        self.statement(&text)
    }

    /// At most `limit` rows of each parent in the slot, in order; the first column is the parent's key.
    pub fn page_of_each(mut self, by: usize, parents: usize, limit: usize) -> Statement {
        self.learn(RowRef(0), by);
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
            // no LATERAL there: the page of each parent is a sub-select of row numbers, which the index has at hand
            Dialect::Sqlite => {
                self.conditions.insert(0, format!("{key} = k.value"));
                let outside =
                    order_by(std::iter::once("k.value".to_string()).chain(terms.iter().map(|t| t.inside.clone())));
                // that only the number of rows is wanted leaves no column
                let columns: String = self.columns.iter().map(|c| format!(", {}", inline(c, &terms))).collect();
                format!(
                    "SELECT k.value{columns} FROM rarray({keys}) k CROSS JOIN {table} ON {alias}.rowid IN (SELECT {alias}.rowid FROM {table}{}{inside} LIMIT {limit}){}{outside}",
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
        self.learn(RowRef(0), by);
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
