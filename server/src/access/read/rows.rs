//! Rows of either database in one buffer, read cell by cell: a row costs no allocation of its own, and
//! what the driver received it in is free for the next ones.

use rusqlite::types::ValueRef;
use tokio_postgres::{
    Row, Statement,
    types::{FromSql, Type as PgType},
};
use uuid::Uuid;

use crate::access::select::day_of;

pub struct Rows {
    columns: usize,
    cells: Vec<Kept>,
    bytes: Vec<u8>,
}

/// One value. A day comes as its number since 1970 or as text, as the database keeps it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    Null,
    Int(i64),
    Bool(bool),
    Text(&'a str),
    Id(Uuid),
    Day(i32),
}

impl Cell<'_> {
    /// Whether both are one value, each as some database keeps it.
    fn says(self, other: Self) -> bool {
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        match (self, other) {
            (Cell::Bool(b), Cell::Int(n)) | (Cell::Int(n), Cell::Bool(b)) => n == i64::from(b),
            (Cell::Day(_), Cell::Text(_)) | (Cell::Text(_), Cell::Day(_)) => day_of(self) == day_of(other),
            (Cell::Text(a), Cell::Text(b)) => a == b || json(a).is_some_and(|a| json(b) == Some(a)),
            _ => self == other,
        }
    }
}

#[derive(Clone, Copy)]
enum Kept {
    Null,
    Int(i64),
    Bool(bool),
    /// From where to where in the bytes.
    Text(u32, u32),
    Id([u8; 16]),
    Day(i32),
}

/// How PostgreSQL sends the values of a column.
#[derive(Clone, Copy)]
pub(super) enum Sent {
    Bool,
    Id,
    Day,
    Int2,
    Int4,
    Int8,
    Text,
}

impl Sent {
    pub(super) fn columns(statement: &Statement) -> Vec<Self> {
        let sent = statement.columns().iter().map(|column| match *column.type_() {
            PgType::BOOL => Sent::Bool,
            PgType::UUID => Sent::Id,
            PgType::DATE => Sent::Day,
            PgType::INT2 => Sent::Int2,
            PgType::INT4 => Sent::Int4,
            PgType::INT8 => Sent::Int8,
            _ => Sent::Text,
        });
        sent.collect()
    }
}

struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &PgType, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &PgType) -> bool {
        true
    }
}

/// PostgreSQL counts days from 2000.
const DAYS_1970_TO_2000: i32 = 10_957;

impl Rows {
    pub fn none() -> Self {
        Rows::new(1)
    }

    pub(in crate::access) fn new(columns: usize) -> Self {
        Rows { columns, cells: Vec::new(), bytes: Vec::new() }
    }

    pub(super) fn push(&mut self, value: ValueRef<'_>) {
        let cell = match value {
            ValueRef::Null => Kept::Null,
            ValueRef::Integer(n) => Kept::Int(n),
            // no column and no expression of ours is a float
            ValueRef::Real(x) => Kept::Int(x as i64),
            ValueRef::Text(text) => self.text(text),
            ValueRef::Blob(blob) => blob.try_into().map_or(Kept::Null, Kept::Id),
        };
        self.cells.push(cell);
    }

    pub(in crate::access) fn keep(&mut self, value: Cell<'_>) {
        let cell = match value {
            Cell::Null => Kept::Null,
            Cell::Int(n) => Kept::Int(n),
            Cell::Bool(b) => Kept::Bool(b),
            Cell::Text(text) => self.text(text.as_bytes()),
            Cell::Id(id) => Kept::Id(id.into_bytes()),
            Cell::Day(day) => Kept::Day(day),
        };
        self.cells.push(cell);
    }

    pub(super) fn push_row(&mut self, row: &Row, columns: &[Sent]) {
        for (i, sent) in columns.iter().enumerate() {
            let raw: Option<Raw<'_>> = row.try_get(i).ok().flatten();
            let cell = raw.and_then(|Raw(raw)| self.received(*sent, raw)).unwrap_or(Kept::Null);
            self.cells.push(cell);
        }
    }

    fn received(&mut self, sent: Sent, raw: &[u8]) -> Option<Kept> {
        match sent {
            Sent::Bool => raw.first().map(|b| Kept::Bool(*b != 0)),
            Sent::Id => raw.try_into().ok().map(Kept::Id),
            Sent::Day => raw.try_into().ok().map(|b| Kept::Day(i32::from_be_bytes(b) + DAYS_1970_TO_2000)),
            Sent::Int2 => raw.try_into().ok().map(|b| Kept::Int(i64::from(i16::from_be_bytes(b)))),
            Sent::Int4 => raw.try_into().ok().map(|b| Kept::Int(i64::from(i32::from_be_bytes(b)))),
            Sent::Int8 => raw.try_into().ok().map(|b| Kept::Int(i64::from_be_bytes(b))),
            Sent::Text => Some(self.text(raw)),
        }
    }

    fn text(&mut self, text: &[u8]) -> Kept {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        Kept::Text(start as u32, self.bytes.len() as u32)
    }

    /// The first cell that says something else than another's, in words.
    pub fn difference(&self, other: &Self) -> Option<String> {
        if (self.columns, self.len()) != (other.columns, other.len()) {
            return Some(format!("{} rows of {}, {} of {}", self.len(), self.columns, other.len(), other.columns));
        }
        let mut all = (0..self.len()).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        all.find_map(|(row, column)| {
            let (a, b) = (self.cell(row, column), other.cell(row, column));
            (!a.says(b)).then(|| format!("row {row}, column {column}: {a:?}, {b:?}"))
        })
    }

    pub fn len(&self) -> usize {
        self.cells.len().checked_div(self.columns).unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        match self.cells[row * self.columns + column] {
            Kept::Null => Cell::Null,
            Kept::Int(n) => Cell::Int(n),
            Kept::Bool(b) => Cell::Bool(b),
            Kept::Text(start, end) => {
                std::str::from_utf8(&self.bytes[start as usize..end as usize]).map_or(Cell::Null, Cell::Text)
            }
            Kept::Id(bytes) => Cell::Id(Uuid::from_bytes(bytes)),
            Kept::Day(day) => Cell::Day(day),
        }
    }

    pub fn is_null(&self, row: usize, column: usize) -> bool {
        matches!(self.cells[row * self.columns + column], Kept::Null)
    }

    pub fn int(&self, row: usize, column: usize) -> Option<i64> {
        match self.cells[row * self.columns + column] {
            Kept::Int(n) => Some(n),
            Kept::Bool(b) => Some(i64::from(b)),
            _ => None,
        }
    }

    pub fn id(&self, row: usize, column: usize) -> Option<Uuid> {
        match self.cells[row * self.columns + column] {
            Kept::Id(bytes) => Some(Uuid::from_bytes(bytes)),
            _ => None,
        }
    }
}
