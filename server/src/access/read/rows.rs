//! Rows as the driver left them, read cell by cell: nothing is decoded that is not written.

use rusqlite::types::ValueRef;
use tokio_postgres::types::{FromSql, Type as PgType};
use uuid::Uuid;

pub enum Rows {
    Sqlite(LiteRows),
    Postgres(Vec<tokio_postgres::Row>),
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

/// Cells in one buffer: a row costs no allocation of its own.
pub struct LiteRows {
    columns: usize,
    cells: Vec<LiteCell>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy)]
enum LiteCell {
    Null,
    Int(i64),
    Text(u32, u32),
    Blob([u8; 16]),
}

impl LiteRows {
    pub(super) fn new(columns: usize) -> Self {
        LiteRows { columns, cells: Vec::new(), bytes: Vec::new() }
    }

    pub(super) fn push(&mut self, value: ValueRef<'_>) {
        let cell = match value {
            ValueRef::Null => LiteCell::Null,
            ValueRef::Integer(n) => LiteCell::Int(n),
            // no column and no expression of ours is a float
            ValueRef::Real(x) => LiteCell::Int(x as i64),
            ValueRef::Text(text) => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(text);
                LiteCell::Text(start as u32, self.bytes.len() as u32)
            }
            ValueRef::Blob(blob) => blob.try_into().map_or(LiteCell::Null, LiteCell::Blob),
        };
        self.cells.push(cell);
    }
}

struct Raw<'a>(&'a PgType, &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(ty: &PgType, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        // the type lives as long as the statement; only its identity is needed
        let known: &'static PgType = match *ty {
            PgType::BOOL => &PgType::BOOL,
            PgType::UUID => &PgType::UUID,
            PgType::DATE => &PgType::DATE,
            PgType::INT2 => &PgType::INT2,
            PgType::INT4 => &PgType::INT4,
            PgType::INT8 => &PgType::INT8,
            _ => &PgType::TEXT,
        };
        Ok(Raw(known, raw))
    }

    fn accepts(_: &PgType) -> bool {
        true
    }
}

/// PostgreSQL counts days from 2000.
const DAYS_1970_TO_2000: i32 = 10_957;

impl Rows {
    pub fn none() -> Self {
        Rows::Postgres(Vec::new())
    }

    pub fn len(&self) -> usize {
        match self {
            Rows::Sqlite(rows) => rows.cells.len().checked_div(rows.columns).unwrap_or(0),
            Rows::Postgres(rows) => rows.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        match self {
            Rows::Sqlite(rows) => match rows.cells[row * rows.columns + column] {
                LiteCell::Null => Cell::Null,
                LiteCell::Int(n) => Cell::Int(n),
                LiteCell::Text(start, end) => {
                    std::str::from_utf8(&rows.bytes[start as usize..end as usize]).map_or(Cell::Null, Cell::Text)
                }
                LiteCell::Blob(bytes) => Cell::Id(Uuid::from_bytes(bytes)),
            },
            Rows::Postgres(rows) => {
                let raw: Option<Raw<'_>> = rows[row].try_get(column).ok().flatten();
                raw.map_or(Cell::Null, decode)
            }
        }
    }

    pub fn int(&self, row: usize, column: usize) -> Option<i64> {
        match self.cell(row, column) {
            Cell::Int(n) => Some(n),
            Cell::Bool(b) => Some(i64::from(b)),
            _ => None,
        }
    }

    pub fn id(&self, row: usize, column: usize) -> Option<Uuid> {
        match self.cell(row, column) {
            Cell::Id(id) => Some(id),
            _ => None,
        }
    }
}

fn decode(Raw(ty, raw): Raw<'_>) -> Cell<'_> {
    let cell = match *ty {
        PgType::BOOL => raw.first().map(|b| Cell::Bool(*b != 0)),
        PgType::UUID => Uuid::from_slice(raw).ok().map(Cell::Id),
        PgType::DATE => raw.try_into().ok().map(|b| Cell::Day(i32::from_be_bytes(b) + DAYS_1970_TO_2000)),
        PgType::INT2 => raw.try_into().ok().map(|b| Cell::Int(i64::from(i16::from_be_bytes(b)))),
        PgType::INT4 => raw.try_into().ok().map(|b| Cell::Int(i64::from(i32::from_be_bytes(b)))),
        PgType::INT8 => raw.try_into().ok().map(|b| Cell::Int(i64::from_be_bytes(b))),
        _ => std::str::from_utf8(raw).ok().map(Cell::Text),
    };
    cell.unwrap_or(Cell::Null)
}
