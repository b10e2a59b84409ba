//! Conditions that a request adds: tests of fields, related rows, keys. They can only narrow the view.

use entities::meta::Kind;

use super::{Piece, RowRef, Select, Source};
use crate::{
    access::{
        connect::Dialect,
        lead::Link,
        sql::{Bind, BindType, Reach, Sql},
    },
    catalogue::{CATALOGUE, TypeId},
};

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

impl Select<'_> {
    pub fn keep(&mut self, condition: Piece) {
        self.narrowed = true;
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
        self.learn(row, field);
        self.tested(row, field, test, slot)
    }

    fn tested(&mut self, row: RowRef, field: usize, test: Test, slot: usize) -> Piece {
        let (ty, alias) = self.source(row);
        let kind = CATALOGUE.ty(ty).fields[field].kind;
        let shown = self.shown(ty, &alias, field);
        Piece(self.piece(|sql| tested(sql, &shown, kind, test, slot)))
    }

    pub fn is_null(&mut self, row: RowRef, field: usize, null: bool) -> Piece {
        self.learn(row, field);
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
        self.learn(row, field);
        let (ty, alias) = self.source(row);
        let key = self.shown(ty, &alias, field);
        let Some(to) = CATALOGUE.ty(ty).fields[field].to else { return Ok(Piece("1 = 0".into())) };
        let (target, inside) = self.inside(&alias, Link::To(field), to, inner)?;
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
        self.reads.insert((of, by));
        let (_, alias) = self.source(row);
        let (target, inside) = self.inside(&alias, Link::Of(by), of, inner)?;
        let key = self.shown(of, &target, by);
        let table = CATALOGUE.ty(of).table;
        Ok(Piece(format!("{alias}.\"id\" IN (SELECT {key} FROM \"{table}\" {target} WHERE {inside})")))
    }

    fn inside<E>(
        &mut self,
        from: &str,
        link: Link,
        ty: TypeId,
        inner: impl FnOnce(&mut Self, RowRef) -> Result<Piece, E>,
    ) -> Result<(String, String), E> {
        let target = self.sql.alias();
        self.sql.noted.row(from, link, &target, ty);
        let filter = self.row_filter(ty, &target, Reach::Many);
        let row = RowRef(self.sources.len());
        self.sources.push(Source { alias: target.clone(), ty, known: self.view.of(ty).row.clone() });
        let mut all: Vec<Piece> = filter.into_iter().map(Piece).collect();
        all.push(inner(self, row)?);
        Ok((target, Self::all(all).0))
    }

    /// The key is one of the bound list, or the bound one. Whoever asks knows it, and learns nothing of it.
    pub fn with_key(&mut self, slot: usize, list: bool) {
        let test = self.tested(RowRef(0), 0, if list { Test::In } else { Test::Eq }, slot);
        self.conditions.push(test.0);
        self.keyed |= list;
        self.narrowed |= !list;
        if let Some(at) = self.sql.binds.iter().position(|bind| list && *bind == Bind::Slot(slot)) {
            self.sql.noted.keys(at + 1);
        }
    }
}

/// The value of an expression against a bound one, or a list of them.
pub(super) fn tested(sql: &mut Sql, shown: &str, kind: Kind, test: Test, slot: usize) {
    let dialect = sql.dialect;
    sql.push(shown);
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
}

fn joined(parts: Vec<Piece>, word: &str, none: &str) -> String {
    match parts.len() {
        0 => none.to_string(),
        _ => format!("({})", parts.into_iter().map(|p| p.0).collect::<Vec<_>>().join(word)),
    }
}
