//! When a view changes without any write. Wherever it compares a stored time with the moment, and wherever a set
//! that it asks for does, some row is the next to cross; the database says which. It may be a row that the
//! seat would not see anyway, so an edge can be for nothing, but between two of them all answers are the same.

use std::collections::{BTreeMap, BTreeSet};

use entities::{
    Instant,
    meta::{Kind, Turn},
};
use uuid::Uuid;

use super::{
    gate::Gate,
    pred::{Op, Pred, Term, Val},
    read::Cell,
    select::{Binding, Statement, day_of},
    sql::{Bind, BindType, Sql},
    treat::Treatment,
    view::View,
};
use crate::{
    catalogue::{CATALOGUE, Field, Type, TypeId},
    error::Result,
};

/// In microseconds.
const DAY: i64 = 86_400_000_000;

/// What of a view depends on the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moments {
    /// Columns that are compared with the moment.
    pub columns: BTreeSet<Column>,
    /// Constants that are, in milliseconds.
    pub constants: BTreeSet<i64>,
    /// Sets with their holder; `None`: the person who asks.
    pub sets: BTreeSet<(&'static str, Option<Uuid>)>,
    /// Something is shown that looks ahead from today.
    pub daily: bool,
}

/// A stored time in a comparison. The comparison changes `offset` milliseconds before the stored one, or with
/// `late` a millisecond after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    pub ty: TypeId,
    pub field: usize,
    pub offset: i64,
    pub late: bool,
}

impl View {
    pub fn moments(&self) -> Moments {
        let mut moments = Moments::default();
        for ty in &CATALOGUE.types {
            let view = self.of(ty.id);
            moments.collect(ty.id, &view.row);
            for (p, shown) in view.fields.iter().flat_map(|field| &field.levels) {
                moments.collect(ty.id, p);
                moments.daily |= matches!(shown, Treatment::DaysOfSupply(_));
            }
            if let Some(guard) = &view.guard {
                moments.collect(ty.id, &guard.row);
            }
        }
        moments
    }
}

impl Moments {
    fn collect(&mut self, ty: TypeId, p: &Pred) {
        match p {
            Pred::And(all) | Pred::Or(all) => all.iter().for_each(|p| self.collect(ty, p)),
            Pred::Not(inner) => self.collect(ty, inner),
            Pred::If(a, b, c) => [a, b, c].into_iter().for_each(|p| self.collect(ty, p)),
            Pred::At(step, inner) => {
                if let Some(to) = CATALOGUE.ty(ty).fields[*step].to {
                    self.collect(to, inner);
                }
            }
            // a time begins to be in the past at its own millisecond, and to be over at the next
            Pred::Cmp(op, time, Term::Now(offset)) => {
                self.compared(ty, time, *offset, [*op != Op::Lt, *op != Op::Le]);
            }
            Pred::Cmp(op, Term::Now(offset), time) => {
                self.compared(ty, time, *offset, [*op != Op::Le, *op != Op::Lt]);
            }
            Pred::Member(_, set, holder) => {
                let holder = if let Term::Lit(Val::Id(id)) = holder { Some(*id) } else { None };
                self.sets.insert((set, holder));
            }
            Pred::Const(_) | Pred::Cmp(..) | Pred::In(..) | Pred::Has(_) | Pred::Like(..) => {}
        }
    }

    fn compared(&mut self, ty: TypeId, time: &Term, offset: i64, [early, late]: [bool; 2]) {
        for late in [early.then_some(false), late.then_some(true)].into_iter().flatten() {
            match time {
                Term::Col(field) => _ = self.columns.insert(Column { ty, field: *field, offset, late }),
                Term::Lit(Val::Time(at)) => _ = self.constants.insert(crossed(*at, offset, late)),
                _ => {}
            }
        }
    }
}

fn crossed(at: i64, offset: i64, late: bool) -> i64 {
    at.saturating_sub(offset).saturating_add(i64::from(late))
}

/// What decides when rights move by themselves.
pub struct EdgeLeads {
    /// Every column of their rows.
    pub types: BTreeSet<TypeId>,
    /// These alone.
    pub columns: BTreeMap<TypeId, BTreeSet<usize>>,
}

/// A sub-select of the next time, and what its row means.
enum Next {
    Column(Column),
    Turn { after: i64 },
}

impl Gate {
    /// The next instant at which anything that the view shows this person can change by itself; never later
    /// than the first change.
    pub async fn next_edge(&self, view: &View, me: Uuid, now: Instant) -> Result<Option<Instant>> {
        let position = self.head().await?;
        self.next_edge_at(position.0, view, me, now).await
    }

    /// The same if nothing had changed behind this position of the change log.
    pub async fn next_edge_at(&self, position: i64, view: &View, me: Uuid, now: Instant) -> Result<Option<Instant>> {
        let moments = view.moments();
        let held = view.holders.iter().filter(|held| held.principal == me);
        let mut edges: Vec<Instant> = held.flat_map(|held| [Some(held.from), held.until]).flatten().collect();
        edges.extend(view.edges.until);
        edges.extend(moments.constants.iter().map(|at| Instant(at.saturating_mul(1000))));
        edges.extend(moments.daily.then(|| Instant((now.0.div_euclid(DAY) + 1) * DAY)));
        let (sql, all) = self.statement(&moments);
        if !all.is_empty() {
            let binding = Binding { now, me, secret: "", slots: &[] };
            let mut past = self.past(position).await?;
            let rows = past.run(&sql, &binding).await?;
            past.finish().await?;
            edges.extend(all.iter().enumerate().filter_map(|(i, next)| next.edge(rows.cell(0, i))));
        }
        Ok(edges.into_iter().filter(|at| *at > now).min())
    }

    /// What decides when that is.
    pub fn edge_leads(&self, view: &View) -> EdgeLeads {
        let Moments { columns, sets, .. } = view.moments();
        let (statement, _) = self.statement(&Moments { sets, ..Moments::default() });
        let types = CATALOGUE.types.iter().filter(|ty| statement.names(ty.table)).map(|ty| ty.id).collect();
        let mut leads = EdgeLeads { types, columns: BTreeMap::new() };
        for Column { ty, field, .. } in columns {
            leads.columns.entry(ty).or_default().insert(field);
        }
        leads
    }

    fn statement(&self, moments: &Moments) -> (Statement, Vec<Next>) {
        let (mut sql, mut all) = (Sql::new(self.dialect()), Vec::new());
        for column in &moments.columns {
            let ty = CATALOGUE.ty(column.ty);
            let field = &ty.fields[column.field];
            sql.push(if all.is_empty() { "SELECT " } else { ", " });
            // the first that is crossed in the milliseconds after this one
            let offset = column.offset.saturating_add(i64::from(!column.late));
            next(&mut sql, ty, &format!("\"{}\"", field.column), "", |sql| match field.kind {
                Kind::Date => sql.push(" >= ").bind(Bind::Today { offset, ceil: true }, BindType::Date),
                _ => sql.push(" >= ").bind(Bind::Now { offset, add: 0 }, BindType::Int),
            });
            all.push(Next::Column(*column));
        }
        for (set, holder) in &moments.sets {
            let Some((_, membership)) = CATALOGUE.membership(set) else { continue };
            for Crossing { turn, ty, field, time } in membership.turns.iter().flat_map(crossings) {
                sql.push(if all.is_empty() { "SELECT " } else { ", " });
                let mut filter = Sql::new(sql.dialect);
                std::mem::swap(&mut filter.binds, &mut sql.binds);
                filter.filled(turn.filter, |sql, _| match holder {
                    Some(id) => sql.id_literal(*id),
                    None => sql.bind(Bind::Me, BindType::Id),
                });
                std::mem::swap(&mut filter.binds, &mut sql.binds);
                next(&mut sql, ty, &time, &filter.text, |sql| match field.kind {
                    Kind::Date => sql.push(" > ").bind(Bind::Today { offset: 0, ceil: false }, BindType::Date),
                    _ => sql.push(" > ").bind(Bind::Now { offset: 0, add: -turn.after }, BindType::Int),
                });
                all.push(Next::Turn { after: turn.after });
            }
        }
        (Statement::written(sql), all)
    }
}

/// A time of a turn.
struct Crossing {
    turn: &'static Turn,
    ty: &'static Type,
    field: &'static Field,
    /// As the database computes it.
    time: String,
}

fn crossings(turn: &'static Turn) -> impl Iterator<Item = Crossing> {
    let ty = CATALOGUE.types.iter().find(|ty| ty.table == turn.table);
    ty.into_iter().flat_map(move |ty| {
        turn.columns.iter().filter_map(move |column| {
            let (column, days) = column.split_once(" + ").map_or((*column, None), |(at, days)| (at, Some(days)));
            let field = ty.fields.iter().find(|field| field.column == column)?;
            let days = days
                .map(|days| format!(" + CASE WHEN \"{days}\" < 36500 THEN \"{days}\" ELSE 36500 END * 86400000000"));
            let time = format!("\"{column}\"{}", days.unwrap_or_default());
            Some(Crossing { turn, ty, field, time })
        })
    })
}

/// The least of these times of the type's rows that are beyond the bound.
fn next(sql: &mut Sql, ty: &Type, time: &str, filter: &str, beyond: impl FnOnce(&mut Sql)) {
    sql.push(&format!("(SELECT {time} FROM \"{}\" WHERE {time}", ty.table));
    beyond(sql);
    if !filter.is_empty() {
        sql.push(&format!(" AND {filter}"));
    }
    sql.push(&format!(" ORDER BY {time} LIMIT 1)"));
}

impl Next {
    /// From a stored time to the whole millisecond at which it counts.
    fn edge(&self, cell: Cell<'_>) -> Option<Instant> {
        let micros = match cell {
            Cell::Int(micros) => micros,
            Cell::Null => return None,
            day => day_of(day)?.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_micros(),
        };
        let ms = match self {
            Next::Column(column) => crossed(micros.div_euclid(1000), column.offset, column.late),
            Next::Turn { after } => {
                let at = micros.saturating_add(*after);
                at.div_euclid(1000) + i64::from(at.rem_euclid(1000) != 0)
            }
        };
        Some(Instant(ms.saturating_mul(1000)))
    }
}
