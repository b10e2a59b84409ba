//! A look past the views, for the operator's tools alone: which conditions hold of a row, how many rows
//! satisfy them, what one policy set shows and another does not. No other door asks here.

use std::{fmt::Write, pin::Pin, sync::Arc};

use entities::{Decimal, Instant, meta::Kind};
use uuid::Uuid;

use super::{
    connect::Db,
    lens::Lens,
    pred::{Op, Pred, Term, Val, and, at_path},
    read::{Cell, Rows},
    select::{Binding, Statement, day_of},
    sql::{Reach, Sql},
    treat::Treatment,
    view::{FieldView, TypeView},
};
use crate::{
    catalogue::{CATALOGUE, Field, Type, TypeId},
    error::Result,
};

/// What a row is called by, most telling first.
const NAMES: &[&str] = &["sku", "number", "slug", "title", "code", "name", "displayName"];

/// For one person at one moment.
#[derive(Clone)]
pub struct Probe {
    db: Db,
    pub now: Instant,
    pub me: Uuid,
    /// What may be told to whoever asks; at the operator's shell everything.
    lens: Option<Arc<Lens>>,
}

impl Probe {
    pub fn new(db: &Db, me: Uuid, now: Instant) -> Self {
        Probe { db: db.clone(), now, me, lens: None }
    }

    /// For somebody who is told no more than this lens shows.
    pub fn through(self, lens: Option<&Arc<Lens>>) -> Self {
        Probe { lens: lens.cloned(), ..self }
    }

    /// The same person at another moment.
    pub fn at(&self, now: Instant) -> Self {
        Probe { now, ..self.clone() }
    }

    /// Which of the conditions hold of the row; `None` if there is no such row.
    pub async fn on_row(&self, ty: &Type, key: Uuid, conditions: &[Arc<Pred>]) -> Result<Option<Vec<bool>>> {
        // PostgreSQL takes 1,664 columns
        const MOST: usize = 500;
        let mut out = Vec::with_capacity(conditions.len());
        for some in conditions.chunks(MOST) {
            let (mut sql, row) = self.over(Reach::One);
            sql.push("SELECT 1");
            for condition in some {
                sql.push(", CASE WHEN ");
                sql.pred(ty, &row, condition);
                sql.push(" THEN 1 ELSE 0 END");
            }
            let _ = write!(sql.text, " FROM \"{}\" {row} WHERE ", ty.table);
            self.told(&mut sql, ty, &row, &[]);
            let _ = write!(sql.text, "{row}.\"id\" = ");
            sql.id_literal(key);
            let rows = self.run(sql).await?;
            if rows.is_empty() {
                return Ok(None);
            }
            out.extend((0..some.len()).map(|i| rows.int(0, i + 1) == Some(1)));
        }
        if conditions.is_empty() && self.find(ty, &is_key(key), 1).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some(out))
    }

    /// How the row's fields are shown under a view of its type; `None` if it is not there.
    pub async fn shown(&self, ty: &Type, key: Uuid, view: &TypeView) -> Result<Option<Vec<Option<Treatment>>>> {
        let holds = self.on_row(ty, key, &view.conditions()).await?;
        Ok(holds.and_then(|holds| view.shown(&holds)))
    }

    pub async fn count(&self, ty: &Type, condition: &Pred) -> Result<i64> {
        let (mut sql, row) = self.over(Reach::Many);
        let _ = write!(sql.text, "SELECT count(*) FROM \"{}\" {row} WHERE ", ty.table);
        self.told(&mut sql, ty, &row, &[condition]);
        sql.pred(ty, &row, condition);
        self.number(sql).await
    }

    /// How many rows the one condition lets through and the other does not.
    pub async fn beyond(&self, ty: &Type, condition: &Pred, other: &Pred) -> Result<i64> {
        let (mut sql, row) = self.over(Reach::Many);
        let _ = write!(sql.text, "SELECT count(*) FROM \"{}\" {row} WHERE ", ty.table);
        self.told(&mut sql, ty, &row, &[condition, other]);
        sql.pred(ty, &row, condition);
        sql.push(" AND (");
        sql.pred(ty, &row, other);
        sql.push(") IS NOT TRUE");
        self.number(sql).await
    }

    /// How many rows of the one view show the field more fully than the other does.
    pub async fn fuller(&self, ty: &Type, field: usize, view: &TypeView, other: &TypeView) -> Result<i64> {
        let shown = |view: &TypeView| view.fields[field].levels.iter().map(|(_, shown)| *shown).collect::<Vec<_>>();
        let mut ranks = [shown(view), shown(other)].concat();
        ranks.sort_by_key(|shown| shown.fullness());
        let (mut sql, row) = self.over(Reach::Many);
        let _ = write!(sql.text, "SELECT count(*) FROM \"{}\" {row} WHERE ", ty.table);
        let levels = [view, other].into_iter().flat_map(|of| of.fields[field].levels.iter().map(|(p, _)| &**p));
        self.told(&mut sql, ty, &row, &levels.chain([&*view.row, &*other.row]).collect::<Vec<_>>());
        sql.pred(ty, &row, &view.row);
        sql.push(" AND ");
        for (i, of) in [view, other].into_iter().enumerate() {
            sql.push(if i == 0 { "CASE WHEN (" } else { " > CASE WHEN (" });
            sql.pred(ty, &row, &of.row);
            sql.push(") IS NOT TRUE THEN 0");
            for (p, shown) in &of.fields[field].levels {
                let rank = ranks.iter().position(|rank| rank == shown).unwrap_or_default() + 1;
                sql.push(" WHEN ");
                sql.pred(ty, &row, p);
                let _ = write!(sql.text, " THEN {rank}");
            }
            sql.push(" ELSE 0 END");
        }
        self.number(sql).await
    }

    /// The keys of the rows that satisfy the condition, oldest first.
    pub async fn find(&self, ty: &Type, condition: &Pred, limit: usize) -> Result<Vec<Uuid>> {
        let (mut sql, row) = self.over(Reach::Many);
        let _ = write!(sql.text, "SELECT {row}.\"id\" FROM \"{}\" {row} WHERE ", ty.table);
        self.told(&mut sql, ty, &row, &[condition]);
        sql.pred(ty, &row, condition);
        let _ = write!(sql.text, " ORDER BY {row}.\"id\" LIMIT {limit}");
        let rows = self.run(sql).await?;
        Ok((0..rows.len()).filter_map(|i| rows.id(i, 0)).collect())
    }

    /// The value at the end of a path from the row, as people read it; `None`: there is none.
    pub async fn value(&self, ty: &Type, key: Uuid, path: &[usize]) -> Result<Option<String>> {
        let (field, rows) = self.at_end(ty, key, path).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        match (field.to, rows.id(0, 0)) {
            (Some(to), Some(id)) => Ok(Some(self.label(CATALOGUE.ty(to), id).await?)),
            _ => Ok(text(field, rows.cell(0, 0))),
        }
    }

    /// The stored moment at the end of a path, in milliseconds as policies count them.
    pub async fn moment(&self, ty: &Type, key: Uuid, path: &[usize]) -> Result<Option<i64>> {
        let (field, rows) = self.at_end(ty, key, path).await?;
        Ok(if rows.is_empty() { None } else { millis(field, rows.cell(0, 0)) })
    }

    /// The first stored moment at the end of a path, over all rows, that comes after this one.
    pub async fn next_moment(&self, ty: &Type, path: &[usize], after: i64) -> Result<Option<i64>> {
        let later = on_path(path, |field| Pred::Cmp(Op::Lt, Term::Lit(Val::Time(after)), Term::Col(field)));
        let (field, rows) = self.end_of(ty, path, "min", &later).await?;
        Ok(if rows.is_empty() { None } else { millis(field, rows.cell(0, 0)) })
    }

    async fn at_end(&self, ty: &Type, key: Uuid, path: &[usize]) -> Result<(&'static Field, Rows)> {
        self.end_of(ty, path, "", &is_key(key)).await
    }

    async fn end_of(&self, ty: &Type, path: &[usize], of_all: &str, rows: &Pred) -> Result<(&'static Field, Rows)> {
        let (mut sql, first) = self.over(Reach::One);
        let (mut row, mut of, mut joins) = (first.clone(), CATALOGUE.ty(ty.id), String::new());
        let (last, steps) = path.split_last().map_or((&0, &[][..]), |(last, steps)| (last, steps));
        let mut way = Vec::new();
        for step in steps {
            let Some(to) = of.fields[*step].to else { break };
            way.push((row.clone(), of, *step));
            let next = sql.alias();
            let column = of.fields[*step].column;
            of = CATALOGUE.ty(to);
            let _ = write!(joins, " JOIN \"{}\" {next} ON {next}.\"id\" = {row}.\"{column}\"", of.table);
            row = next;
        }
        let field = &of.fields[*last];
        let _ =
            write!(sql.text, "SELECT {of_all}({row}.\"{}\") FROM \"{}\" {first}{joins} WHERE ", field.column, ty.table);
        sql.pred(ty, &first, rows);
        if let Some(lens) = &self.lens {
            way.push((row, of, *last));
            for (row, of, step) in way {
                sql.push(" AND ");
                sql.pred(of, &row, &and([lens.row(of.id).clone(), lens.full(of.id, step).clone()]));
            }
        }
        Ok((field, self.run(sql).await?))
    }

    /// What people call the row: its name or number, or those of the rows that it points at. Names of
    /// persons are left out.
    pub fn label<'a>(&'a self, ty: &'a Type, key: Uuid) -> Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>> {
        Box::pin(async move {
            if self.lens.is_some() && self.find(ty, &is_key(key), 1).await?.is_empty() {
                return Ok("one that you are not shown".into());
            }
            for name in NAMES {
                if let Some(field) = ty.field_index(name).filter(|_| !(ty.name == "Principal" && *name != "slug"))
                    && let Some(name) = self.value(ty, key, &[field]).await?
                {
                    return Ok(name);
                }
            }
            let mut parts = Vec::new();
            let told = |f: &Field| f.kind == Kind::Date || f.name == "lineNo" || f.name == "role" || f.name == "field";
            for (i, field) in ty.fields.iter().enumerate().skip(1) {
                let references = parts.len();
                if ((field.to.is_some() && references < 2) || told(field))
                    && let Some(part) = self.value(ty, key, &[i]).await?
                    && parts.len() < 4
                {
                    parts.push(part);
                }
            }
            Ok(match parts.is_empty() {
                false => parts.join(", "),
                // keys are for the shell
                true if self.lens.is_some() => "one without a name".into(),
                true => key.to_string(),
            })
        })
    }

    /// The begin of a condition: the rows of which it may be told whether they satisfy these.
    fn told(&self, sql: &mut Sql, ty: &Type, row: &str, conditions: &[&Pred]) {
        if let Some(lens) = &self.lens {
            sql.pred(ty, row, &lens.over(ty, conditions));
            sql.push(" AND ");
        }
    }

    fn over(&self, reach: Reach) -> (Sql, String) {
        let mut sql = Sql::new(self.db.dialect());
        sql.reach = reach;
        let row = sql.alias();
        (sql, row)
    }

    async fn number(&self, sql: Sql) -> Result<i64> {
        Ok(self.run(sql).await?.int(0, 0).unwrap_or_default())
    }

    async fn run(&self, sql: Sql) -> Result<Rows> {
        let statement = Statement::written(sql);
        let arguments = statement.arguments(&Binding { now: self.now, me: self.me, secret: "", slots: &[] });
        let mut session = self.db.reader.session(false).await?;
        session.query(statement.sql(), &arguments, statement.pace(), true).await
    }
}

impl TypeView {
    /// All that decides about a row, in one list: the row itself, then the levels of each field.
    pub fn conditions(&self) -> Vec<Arc<Pred>> {
        let levels = self.fields.iter().flat_map(|field| field.levels.iter().map(|(p, _)| p.clone()));
        std::iter::once(self.row.clone()).chain(levels).collect()
    }

    /// What follows if these of them hold.
    pub fn shown(&self, holds: &[bool]) -> Option<Vec<Option<Treatment>>> {
        let (row, mut levels) = holds.split_first()?;
        let first = |field: &FieldView| {
            let (mine, rest) = levels.split_at_checked(field.levels.len())?;
            levels = rest;
            field.levels.iter().zip(mine).find_map(|((_, shown), holds)| holds.then_some(*shown))
        };
        row.then(|| self.fields.iter().map(first).collect())
    }
}

/// The row with this key.
pub fn is_key(key: Uuid) -> Pred {
    Pred::Cmp(Op::Eq, Term::Col(0), Term::Lit(Val::Id(key)))
}

/// A path as it is written, `product.sku`, as field indices; `Err` names the step that leads nowhere.
pub fn path(ty: &Type, text: &str) -> std::result::Result<(Vec<usize>, &'static Field), String> {
    let mut of: Option<TypeId> = Some(ty.id);
    let mut out: Vec<usize> = Vec::new();
    let mut found = None;
    for step in text.split('.') {
        let ty = of.map(|of| CATALOGUE.ty(of)).ok_or_else(|| format!("`{text}`: nothing is behind the value"))?;
        let index = ty.field_index(step).ok_or_else(|| format!("{} has no field `{step}`", ty.name))?;
        out.push(index);
        of = ty.fields[index].to;
        found = Some(&ty.fields[index]);
    }
    found.map(|field| (out, field)).ok_or_else(|| "a path needs a field".to_string())
}

/// A condition on the value at the end of a path.
pub fn on_path(path: &[usize], build: impl FnOnce(usize) -> Pred) -> Arc<Pred> {
    let (last, steps) = path.split_last().map_or((&0, &[][..]), |(last, steps)| (last, steps));
    at_path(steps, Arc::new(build(*last)))
}

/// As policies count moments; a day is its midnight.
fn millis(field: &Field, cell: Cell<'_>) -> Option<i64> {
    match (field.kind, cell) {
        (Kind::Instant, Cell::Int(micros)) => Some(micros.div_euclid(1000)),
        (Kind::Date, cell) => Some(day_of(cell)?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()),
        _ => None,
    }
}

fn text(field: &Field, cell: Cell<'_>) -> Option<String> {
    Some(match (field.kind, cell) {
        (_, Cell::Null) => return None,
        (Kind::Decimal, Cell::Int(n)) => Decimal(n).to_string(),
        (Kind::Instant, Cell::Int(n)) => Instant(n).to_string(),
        (Kind::Bool, Cell::Int(n)) => (n != 0).to_string(),
        (Kind::Date, cell) => day_of(cell)?.to_string(),
        (_, Cell::Int(n)) => n.to_string(),
        (_, Cell::Bool(b)) => b.to_string(),
        (_, Cell::Text(text)) => text.to_string(),
        (_, Cell::Id(id)) => id.to_string(),
        (_, Cell::Day(_)) => return None,
    })
}
