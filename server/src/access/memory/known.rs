//! What decisions know beside the row that they are about: other rows, and who is a member of what. It belongs
//! to one moment and is read in one state of the data, by type and by set, however many rows ask.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use entities::{Instant, meta::Kind};
use uuid::Uuid;

use super::logic::Scalar;
use crate::{
    access::{
        connect::Dialect,
        read::{Arg, Cell, Rows, Session},
        select::{Binding, Statement, day_of},
        sql::{Bind, BindType, Sql},
    },
    catalogue::{CATALOGUE, Field, Type, TypeId, Value},
    error::Result,
};

type Row = Box<[Value]>;

#[derive(Debug)]
pub struct Known {
    now: Instant,
    /// Without a row: there is none with this key.
    rows: HashMap<(TypeId, Uuid), Option<Row>>,
    sets: HashMap<&'static str, Set>,
    /// What is needed in so many days, by product and place.
    demand: HashMap<Ground, HashMap<[Uuid; 2], Option<i64>>>,
}

/// A type that declares a demand, and the days to look ahead.
type Ground = (TypeId, u32);

/// By holder and member.
#[derive(Debug, Default)]
struct Set {
    rows: HashMap<(Uuid, Uuid), bool>,
    codes: HashMap<Uuid, HashMap<String, bool>>,
}

/// Facts that decisions lack.
#[derive(Debug, Default)]
pub struct Needs {
    rows: BTreeMap<TypeId, BTreeSet<Uuid>>,
    sets: BTreeMap<&'static str, Asked>,
    demand: BTreeMap<Ground, BTreeSet<[Uuid; 2]>>,
}

/// Whether any of these members is one of any of these holders'.
#[derive(Debug, Default)]
struct Asked {
    holders: BTreeSet<Uuid>,
    rows: BTreeSet<Uuid>,
    codes: BTreeSet<String>,
}

impl Needs {
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.sets.is_empty() && self.demand.is_empty()
    }

    /// Of each set whose members are asked for.
    pub(in crate::access) fn holders(&self) -> impl Iterator<Item = (&'static str, Uuid)> {
        self.sets.iter().flat_map(|(set, asked)| asked.holders.iter().map(|holder| (*set, *holder)))
    }

    /// Asks for one more holder of a set, if any is asked for.
    pub(in crate::access) fn hold(&mut self, set: &'static str, holder: Uuid) -> bool {
        self.sets.get_mut(set).map(|asked| asked.holders.insert(holder)).is_some()
    }

    /// Those of both.
    pub(in crate::access) fn add(&mut self, other: Self) {
        for (ty, keys) in other.rows {
            self.rows.entry(ty).or_default().extend(keys);
        }
        for (set, asked) in other.sets {
            let here = self.sets.entry(set).or_default();
            here.holders.extend(asked.holders);
            here.rows.extend(asked.rows);
            here.codes.extend(asked.codes);
        }
        for (ground, all) in other.demand {
            self.demand.entry(ground).or_default().extend(all);
        }
    }

    /// One by one, for whoever learns them elsewhere than at a reader.
    pub(in crate::access) fn rows(&self) -> impl Iterator<Item = (TypeId, Uuid)> {
        self.rows.iter().flat_map(|(ty, keys)| keys.iter().map(|key| (*ty, *key)))
    }

    /// Set, holder and member.
    pub(in crate::access) fn members(&self) -> impl Iterator<Item = (&'static str, Uuid, Value)> {
        self.sets.iter().flat_map(|(set, asked)| {
            let keys = asked.rows.iter().map(|key| Value::Id(*key));
            let members: Vec<Value> = keys.chain(asked.codes.iter().map(|code| Value::Text(code.clone()))).collect();
            let of = |holder: &Uuid| members.iter().map(|m| (*set, *holder, m.clone())).collect::<Vec<_>>();
            asked.holders.iter().flat_map(of).collect::<Vec<_>>()
        })
    }

    pub(in crate::access) fn row(&mut self, ty: TypeId, key: Uuid) {
        self.rows.entry(ty).or_default().insert(key);
    }

    pub(super) fn demand(&mut self, ty: TypeId, days: u32, of: [Uuid; 2]) {
        self.demand.entry((ty, days)).or_default().insert(of);
    }

    pub(super) fn member(&mut self, set: &'static str, holder: Uuid, value: Scalar<'_>) {
        let asked = self.sets.entry(set).or_default();
        asked.holders.insert(holder);
        match value {
            Scalar::Id(key) => drop(asked.rows.insert(key)),
            Scalar::Text(code) => drop(asked.codes.insert(code.to_string())),
            _ => {}
        }
    }
}

impl Known {
    /// Nothing yet.
    pub fn at(now: Instant) -> Self {
        Known { now, rows: HashMap::new(), sets: HashMap::new(), demand: HashMap::new() }
    }

    /// As conditions count it.
    pub(super) fn now_ms(&self) -> i64 {
        self.now.0.div_euclid(1000)
    }

    /// `Some(None)`: there is no such row.
    pub(in crate::access) fn row(&self, ty: TypeId, key: Uuid) -> Option<Option<&[Value]>> {
        self.rows.get(&(ty, key)).map(Option::as_deref)
    }

    /// `Some(None)`: nothing is planned.
    pub(super) fn demand(&self, ty: TypeId, days: u32, of: [Uuid; 2]) -> Option<Option<i64>> {
        self.demand.get(&(ty, days))?.get(&of).copied()
    }

    pub(super) fn member(&self, set: &str, holder: Uuid, value: Scalar<'_>) -> Option<bool> {
        let set = self.sets.get(set);
        match value {
            Scalar::Id(key) => set?.rows.get(&(holder, key)).copied(),
            Scalar::Text(code) => set?.codes.get(&holder)?.get(code).copied(),
            // nothing else is ever a member
            _ => Some(false),
        }
    }

    pub(in crate::access) fn learn_row(&mut self, ty: TypeId, key: Uuid, row: Option<Vec<Value>>) {
        self.rows.insert((ty, key), row.map(Vec::into_boxed_slice));
    }

    pub(in crate::access) fn learn_member(&mut self, set: &'static str, holder: Uuid, member: &Value, is: bool) {
        let set = self.sets.entry(set).or_default();
        match member {
            Value::Id(key) => drop(set.rows.insert((holder, *key), is)),
            Value::Text(code) => drop(set.codes.entry(holder).or_default().insert(code.clone(), is)),
            _ => {}
        }
    }

    /// What another knows of the same moment.
    pub(in crate::access) fn take(&mut self, other: Self) {
        self.rows.extend(other.rows);
        for (name, set) in other.sets {
            let here = self.sets.entry(name).or_default();
            here.rows.extend(set.rows);
            for (holder, codes) in set.codes {
                here.codes.entry(holder).or_default().extend(codes);
            }
        }
        for (ground, all) in other.demand {
            self.demand.entry(ground).or_default().extend(all);
        }
    }

    pub(in crate::access) async fn fetch(
        &mut self,
        session: &mut Session,
        dialect: Dialect,
        needs: &Needs,
    ) -> Result<()> {
        for (ty, keys) in &needs.rows {
            let slots = [Arg::Ids(keys.iter().copied().collect())];
            let ty = CATALOGUE.ty(*ty);
            let rows = self.run(session, &whole_rows(dialect, ty), &slots).await?;
            self.rows.extend(keys.iter().map(|key| ((ty.id, *key), None)));
            for r in 0..rows.len() {
                let row: Row = ty.fields.iter().enumerate().map(|(i, field)| value(field, rows.cell(r, i))).collect();
                if let Value::Id(key) = row[0] {
                    self.rows.insert((ty.id, key), Some(row));
                }
            }
        }
        for (name, asked) in &needs.sets {
            self.fetch_members(session, dialect, name, asked).await?;
        }
        for (ground, asked) in &needs.demand {
            let statement = demand_of(dialect, *ground);
            for of in asked {
                let rows = self.run(session, &statement, &of.map(Arg::Id)).await?;
                self.demand.entry(*ground).or_default().insert(*of, rows.int(0, 0));
            }
        }
        Ok(())
    }

    async fn fetch_members(
        &mut self,
        session: &mut Session,
        dialect: Dialect,
        name: &'static str,
        asked: &Asked,
    ) -> Result<()> {
        let members = match asked.codes.is_empty() {
            true => Arg::Ids(asked.rows.iter().copied().collect()),
            false => Arg::Texts(asked.codes.iter().cloned().collect()),
        };
        let statement = members_of(dialect, name, asked.codes.is_empty());
        let holders: Vec<Uuid> = asked.holders.iter().copied().collect();
        let mut found = Vec::new();
        match dialect {
            Dialect::Postgres => found.push(self.run(session, &statement, &[Arg::Ids(holders), members]).await?),
            // there a set of one holder is made once, one that depends on a column anew for every member
            Dialect::Sqlite => {
                for holder in holders {
                    found.push(self.run(session, &statement, &[Arg::Id(holder), members.clone()]).await?);
                }
            }
        }
        let set = self.sets.entry(name).or_default();
        for holder in &asked.holders {
            set.rows.extend(asked.rows.iter().map(|key| ((*holder, *key), false)));
            if !asked.codes.is_empty() {
                let codes = set.codes.entry(*holder).or_default();
                codes.extend(asked.codes.iter().map(|code| (code.clone(), false)));
            }
        }
        for rows in found {
            for r in 0..rows.len() {
                match (rows.cell(r, 0), rows.cell(r, 1)) {
                    (Cell::Id(holder), Cell::Id(key)) => drop(set.rows.insert((holder, key), true)),
                    (Cell::Id(holder), Cell::Text(code)) => {
                        set.codes.entry(holder).or_default().insert(code.to_string(), true);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    async fn run(&self, session: &mut Session, statement: &Statement, slots: &[Arg]) -> Result<Rows> {
        // no set and no row depends on who asks: a holder is always named
        let binding = Binding { now: self.now, me: Uuid::nil(), secret: "", slots };
        let arguments = statement.arguments(&binding);
        session.noted(statement.sql(), &arguments, statement.noted(), statement.pace(), false).await
    }
}

/// Rows by their keys, slot 0, with all columns as they are stored.
fn whole_rows(dialect: Dialect, ty: &Type) -> Statement {
    let mut sql = Sql::new(dialect);
    for (i, field) in ty.fields.iter().enumerate() {
        sql.push(if i == 0 { "SELECT " } else { ", " }).column("t", field.column);
    }
    sql.push(&format!(" FROM \"{}\" t WHERE t.\"id\"", ty.table));
    sql.among(0, Kind::Id);
    sql.noted.root("t", ty.id);
    sql.noted.keys(1);
    Statement::written(sql)
}

/// Which pairs of a holder, slot 0, and a member, slot 1, are in the set: all holders on PostgreSQL, one on SQLite.
fn members_of(dialect: Dialect, name: &str, rows: bool) -> Statement {
    let kind = if rows { Kind::Id } else { Kind::Text };
    let mut sql = Sql::new(dialect);
    match dialect {
        Dialect::Postgres => {
            sql.push("SELECT h.key, s.member FROM unnest(").bind(Bind::Slot(0), BindType::Ids);
            sql.push(") AS h(key) CROSS JOIN LATERAL (");
            sql.members(name, |sql| _ = sql.push("h.key"));
            sql.push(") AS s(member) WHERE s.member");
            sql.among(1, kind);
        }
        Dialect::Sqlite => {
            sql.push("SELECT ").bind(Bind::Slot(0), BindType::Id);
            sql.push(", value FROM rarray(").bind(Bind::Slot(1), BindType::list(kind));
            sql.push(") WHERE value IN (");
            sql.members(name, |sql| sql.bind(Bind::Slot(0), BindType::Id));
            sql.push(")");
        }
    }
    Statement::written(sql)
}

/// What is needed of a product, slot 0, in a place, slot 1.
fn demand_of(dialect: Dialect, (ty, days): Ground) -> Statement {
    let mut sql = Sql::new(dialect);
    match CATALOGUE.ty(ty).demand {
        Some(demand) => {
            sql.push(&format!("SELECT CAST({} AS bigint) FROM ", demand.sum));
            sql.demanded(&demand, days, |sql, column| {
                sql.bind(Bind::Slot(usize::from(column == demand.place)), BindType::Id);
            });
        }
        None => _ = sql.push("SELECT NULL"),
    }
    Statement::written(sql)
}

/// A stored value, however the database keeps it.
fn value(field: &Field, cell: Cell<'_>) -> Value {
    match (cell, field.kind) {
        (cell, Kind::Date) => day_of(cell).into(),
        (Cell::Null | Cell::Day(_), _) => Value::Null,
        (Cell::Int(n), Kind::Bool) => (n != 0).into(),
        (Cell::Int(n), Kind::Decimal) => entities::Decimal(n).into(),
        (Cell::Int(n), Kind::Instant) => Instant(n).into(),
        (Cell::Int(n), _) => n.into(),
        (Cell::Bool(b), _) => b.into(),
        (Cell::Text(text), Kind::Json) => serde_json::from_str(text).map_or(Value::Null, Value::Json),
        (Cell::Text(text), _) => text.into(),
        (Cell::Id(id), _) => id.into(),
    }
}
