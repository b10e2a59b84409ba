//! A statement about rows whose keys are given, said without SQL: what its columns show of the rows, and of those that
//! they lead to. Whoever has the rows at hand gets from it what the database gives from the text.

use uuid::Uuid;

use super::{Case, Known, Needs, treated};
use crate::{
    access::{
        read::{Cell, Rows},
        treat::Treatment,
        view::View,
    },
    catalogue::{TypeId, Value},
};

#[derive(Debug)]
pub struct Outline {
    /// More rows are not given.
    pub(in crate::access) limit: usize,
    sources: Vec<Source>,
    columns: Vec<Column>,
}

/// A row that is read.
#[derive(Debug)]
struct Source {
    ty: TypeId,
    /// The source and its reference that lead here; the first one is given by its key.
    from: Option<(usize, usize)>,
    /// The fields that are asked for, each once.
    fields: Vec<usize>,
}

/// What a column shows of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    Field(usize),
    /// Whether the field is shown.
    Flag(usize),
}

/// Source, field by its place among those that are asked for, and whether only its flag is shown.
#[derive(Debug)]
struct Column {
    source: usize,
    place: usize,
    flag: bool,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Eye<'a> {
    pub view: &'a View,
    pub me: Uuid,
    pub secret: &'a str,
}

/// A row as it is seen: its values as they are stored, and how each field that is asked for is shown.
type Seen<'k> = Option<(&'k [Value], Vec<Option<Treatment>>)>;

impl Outline {
    /// Sources in an order in which each comes behind the one that leads to it.
    pub fn new(sources: impl Iterator<Item = (TypeId, Option<(usize, usize)>)>, limit: usize) -> Self {
        let sources = sources.map(|(ty, from)| Source { ty, from, fields: Vec::new() }).collect::<Vec<_>>();
        let mut outline = Outline { limit, sources, columns: Vec::new() };
        for i in 0..outline.sources.len() {
            if let Some((source, field)) = outline.sources[i].from {
                outline.place(source, field);
            }
        }
        outline
    }

    pub fn column(&mut self, source: usize, shows: Shows) {
        let (Shows::Field(field) | Shows::Flag(field)) = shows;
        let place = self.place(source, field);
        self.columns.push(Column { source, place, flag: matches!(shows, Shows::Flag(_)) });
    }

    fn place(&mut self, source: usize, field: usize) -> usize {
        let fields = &mut self.sources[source].fields;
        fields.iter().position(|f| *f == field).unwrap_or_else(|| {
            fields.push(field);
            fields.len() - 1
        })
    }

    /// The rows in the order of their keys. `None`: facts are lacking, and the needs say which.
    pub fn rows(&self, eye: Eye<'_>, keys: &[Uuid], known: &Known, needs: &mut Needs) -> Option<Rows> {
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        keys.dedup();
        let mut rows = Rows::new(self.columns.len().max(1));
        let mut whole = true;
        for key in keys {
            whole &= self.row(eye, key, known, needs, &mut rows).is_some();
        }
        whole.then_some(rows)
    }

    fn row(&self, eye: Eye<'_>, key: Uuid, known: &Known, needs: &mut Needs, rows: &mut Rows) -> Option<()> {
        let mut seen: Vec<Seen<'_>> = Vec::with_capacity(self.sources.len());
        let mut open = false;
        for source in &self.sources {
            let key = source.from.map_or(Some(key), |(from, field)| self.leads(from, field, &seen));
            let here = match key.map(|key| self.see(eye, source, key, known, needs)) {
                Some(None) => {
                    open = true;
                    None
                }
                Some(Some(here)) => here,
                None => None,
            };
            if seen.is_empty() && here.is_none() {
                return (!open).then_some(());
            }
            seen.push(here);
        }
        if open {
            return None;
        }
        if self.columns.is_empty() {
            rows.keep(Cell::Int(1));
        }
        for column in &self.columns {
            self.show(eye, column, &seen[column.source], known, rows);
        }
        Some(())
    }

    /// The key that a reference shows.
    fn leads(&self, from: usize, field: usize, seen: &[Seen<'_>]) -> Option<Uuid> {
        let (row, shown) = seen[from].as_ref()?;
        let place = self.sources[from].fields.iter().position(|f| *f == field)?;
        match (&row[field], shown[place]) {
            (Value::Id(key), Some(Treatment::Full)) => Some(*key),
            _ => None,
        }
    }

    /// The row of a source, if the view shows it. `None`: that is not known yet.
    fn see<'k>(
        &self,
        eye: Eye<'_>,
        source: &Source,
        key: Uuid,
        known: &'k Known,
        needs: &mut Needs,
    ) -> Option<Seen<'k>> {
        let Some(row) = known.row(source.ty, key) else {
            needs.row(source.ty, key);
            return None;
        };
        let Some(row) = row else { return Some(None) };
        let case = Case { view: eye.view, me: eye.me, ty: source.ty, row, fields: &source.fields };
        Some(case.decide(known, needs)?.map(|shown| (row, shown)))
    }

    fn show(&self, eye: Eye<'_>, column: &Column, seen: &Seen<'_>, known: &Known, rows: &mut Rows) {
        let Source { ty, fields, .. } = &self.sources[column.source];
        let Some((row, shown)) = seen else {
            return rows.keep(if column.flag { Cell::Int(0) } else { Cell::Null });
        };
        let how = shown[column.place];
        if column.flag {
            return rows.keep(Cell::Int(i64::from(how.is_some())));
        }
        let stored = &row[fields[column.place]];
        match how {
            Some(Treatment::Full) => keep(rows, stored),
            None => rows.keep(Cell::Null),
            Some(how @ Treatment::DaysOfSupply(_)) => {
                let case = Case { view: eye.view, me: eye.me, ty: *ty, row, fields };
                keep(rows, &case.lasting(how, stored, known));
            }
            Some(_) => keep(rows, &treated(how, stored, eye.secret)),
        }
    }
}

/// As the database would give it.
fn keep(rows: &mut Rows, value: &Value) {
    match value {
        Value::Null => rows.keep(Cell::Null),
        Value::Bool(b) => rows.keep(Cell::Bool(*b)),
        Value::Int(n) => rows.keep(Cell::Int(*n)),
        Value::Decimal(n) => rows.keep(Cell::Int(n.0)),
        Value::Instant(at) => rows.keep(Cell::Int(at.0)),
        Value::Text(text) => rows.keep(Cell::Text(text)),
        Value::Id(id) => rows.keep(Cell::Id(*id)),
        Value::Date(day) => {
            let days = day.signed_duration_since(chrono::NaiveDate::default()).num_days();
            rows.keep(i32::try_from(days).map_or(Cell::Null, Cell::Day));
        }
        Value::Json(json) => rows.keep(Cell::Text(&json.to_string())),
    }
}
