//! Reading the log. On PostgreSQL a transaction's events hang on its commit, which has the position. On SQLite an
//! event's number is its place, and a transaction's position is that of its last event; events that nobody said a
//! transaction of (an operator's) are taken together as far as they follow each other, so that none is cut.

use std::ops::Range;

use uuid::Uuid;

use super::{Change, Changes, Op, Position, Touched, ahead, gap, image};
use crate::{
    access::{
        connect::{Db, Dialect},
        read::{Arg, Cell, Pace, Rows, Session},
    },
    catalogue::{CATALOGUE, TypeId},
    error::{Error, Result},
};

/// One state of the log.
pub(super) struct Log {
    session: Session,
    dialect: Dialect,
}

/// What was changed since.
pub(super) enum Since {
    Nothing,
    /// In order.
    Few(Vec<Before>),
    Many,
}

/// A changed row, and what it was before.
pub(super) struct Before {
    pub ty: TypeId,
    pub key: Uuid,
    pub row: Option<String>,
    /// There is a row, but it is too long to be handed along.
    pub is_long: bool,
}

/// How much is read of an event.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Key,
    /// With the row before, unless it takes more bytes than this.
    Before(usize),
    Whole,
}

/// Columns of what is read, in this order; the last ones only where whole changes are wanted.
const TX: usize = 0;
const ID: usize = 1;
const TABLE: usize = 2;
const KEY: usize = 3;
const AT: usize = 4;
const OP: usize = 5;
const LONG: usize = 5;
const BEFORE: usize = 6;
const AFTER: usize = 7;
const ACTOR: usize = 8;
const ORGANISATION: usize = 9;

impl Log {
    pub(super) async fn open(db: &Db) -> Result<Self> {
        Ok(Log { session: db.reader.session(true).await?, dialect: db.dialect() })
    }

    pub(super) async fn head(mut self) -> Result<Position> {
        let rows = self.ask(head(self.dialect), &[], true).await?;
        rows.int(0, 0).map(Position).ok_or_else(|| Error::internal("table change_bounds is empty"))
    }

    pub(super) async fn oldest(mut self) -> Result<Position> {
        let rows = self.ask("SELECT oldest FROM change_bounds", &[], true).await?;
        rows.int(0, 0).map(Position).ok_or_else(|| Error::internal("table change_bounds is empty"))
    }

    pub(super) async fn changes(mut self, after: Position, most: usize) -> Result<Changes<Change>> {
        let (until, rows) = self.whole(after, most, Extent::Whole).await?;
        self.session.finish().await?;
        let change = |(row, position): (usize, Position)| {
            let Some(ty) = type_of(&rows, row) else { return Ok(None) };
            let image = |column| match rows.cell(row, column) {
                Cell::Text(text) => image::row(self.dialect, CATALOGUE.ty(ty), text).map(Some),
                _ => Ok(None),
            };
            Ok(Some(Change {
                position,
                ty,
                key: key(&rows, row)?,
                op: match rows.cell(row, OP) {
                    Cell::Text("insert") => Op::Insert,
                    Cell::Text("delete") => Op::Delete,
                    _ => Op::Update,
                },
                before: image(BEFORE)?,
                after: image(AFTER)?,
                actor: rows.id(row, ACTOR),
                organisation: rows.id(row, ORGANISATION),
                at: at(&rows, row),
            }))
        };
        let positions = positions(self.dialect, &rows, until.1);
        let list = positions.into_iter().map(change).filter_map(Result::transpose).collect::<Result<_>>()?;
        Ok(Changes { until: until.0, list })
    }

    pub(super) async fn touched(mut self, after: Position, most: usize) -> Result<Changes<Touched>> {
        let (until, rows) = self.whole(after, most, Extent::Key).await?;
        self.session.finish().await?;
        let touched = |(row, position): (usize, Position)| match type_of(&rows, row) {
            Some(ty) => key(&rows, row).map(|key| Some(Touched { position, ty, key, at: at(&rows, row) })),
            None => Ok(None),
        };
        let positions = positions(self.dialect, &rows, until.1);
        let list = positions.into_iter().map(touched).filter_map(Result::transpose).collect::<Result<_>>()?;
        Ok(Changes { until: until.0, list })
    }

    /// What was changed behind a position: at most `few` changes, each of at most `long` bytes.
    pub(super) async fn since(&mut self, position: Position, few: usize, long: usize) -> Result<Since> {
        let head = self.bounds(position).await?;
        if position >= head {
            return if position == head { Ok(Since::Nothing) } else { Err(ahead(position, head)) };
        }
        // a position has at least one change
        if head.0 - position.0 > few as i64 {
            return Ok(Since::Many);
        }
        let rows = self.events(position, few + 1, Extent::Before(long)).await?;
        if rows.len() > few {
            return Ok(Since::Many);
        }
        let change = |row: usize| {
            let text = match rows.cell(row, BEFORE) {
                Cell::Text(text) => Some(text.to_owned()),
                _ => None,
            };
            let is_long = rows.int(row, LONG) == Some(1);
            type_of(&rows, row).map(|ty| Ok(Before { ty, key: key(&rows, row)?, row: text, is_long }))
        };
        Ok(Since::Few((0..rows.len()).filter_map(change).collect::<Result<_>>()?))
    }

    pub(super) async fn far(mut self, position: Position, few: usize) -> Result<bool> {
        let head = self.bounds(position).await?;
        let far = head.0 - position.0 > few as i64
            || position < head && self.events(position, few + 1, Extent::Key).await?.len() > few;
        self.session.finish().await?;
        Ok(far)
    }

    pub(super) async fn keys(mut self, ty: TypeId, behind: Uuid, most: usize) -> Result<Vec<Uuid>> {
        let table = CATALOGUE.ty(ty).table;
        let behind_it = if self.dialect == Dialect::Postgres { "$1::uuid" } else { "?1" };
        let sql = format!(
            "SELECT k.id FROM (SELECT * FROM (SELECT r.id FROM \"{table}\" r WHERE r.id > {behind_it} ORDER BY r.id \
             LIMIT {most}) a UNION SELECT * FROM (SELECT DISTINCT e.object_id FROM change_event e WHERE \
             e.object_table = '{table}' AND e.object_id > {behind_it} ORDER BY e.object_id LIMIT {most}) b) k \
             ORDER BY k.id LIMIT {most}"
        );
        let rows = self.ask(&sql, &[Arg::Id(behind)], true).await?;
        Ok((0..rows.len()).filter_map(|row| rows.id(row, 0)).collect())
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }

    /// The last position; refuses what lies before the first.
    async fn bounds(&mut self, after: Position) -> Result<Position> {
        let bounds = format!("SELECT oldest, ({}) FROM change_bounds", head(self.dialect));
        let bounds = self.ask(&bounds, &[], false).await?;
        match [0, 1].map(|column| bounds.int(0, column)) {
            [Some(oldest), Some(_)] if after.0 < oldest => Err(gap(after, Position(oldest))),
            [Some(_), Some(head)] => Ok(Position(head)),
            _ => Err(Error::internal("table change_bounds is empty")),
        }
    }

    /// The rows of whole transactions: up to which position, and how many of the rows given are theirs.
    async fn whole(&mut self, after: Position, most: usize, extent: Extent) -> Result<((Position, usize), Rows)> {
        let head = self.bounds(after).await?;
        let most = most.max(1);
        let rows = self.events(after, most + 1, extent).await?;
        if rows.len() <= most {
            let all = rows.len();
            return Ok(((head.max(after), all), rows));
        }
        // the transaction that the last row belongs to may be longer
        let last = rows.int(most, TX);
        let kept = (0..=most).rev().take_while(|row| rows.int(*row, TX) == last).last().unwrap_or(0);
        if kept > 0 {
            return Ok(((position(self.dialect, &rows, kept - 1), kept), rows));
        }
        let rows = self.transaction(&rows, extent).await?;
        let all = rows.len();
        let until = if all == 0 { after } else { position(self.dialect, &rows, all - 1) };
        Ok(((until, all), rows))
    }

    async fn events(&mut self, after: Position, limit: usize, extent: Extent) -> Result<Rows> {
        let sql = match self.dialect {
            Dialect::Postgres => format!(
                "SELECT {} FROM (SELECT * FROM change_commit WHERE position > $1 ORDER BY position LIMIT {limit}) c \
                 JOIN change_event e ON e.tx = c.tx AND e.segment = c.segment ORDER BY c.position, e.id LIMIT {limit}",
                columns(self.dialect, extent)
            ),
            Dialect::Sqlite => format!(
                "SELECT {} FROM change_event e WHERE e.id > ?1 ORDER BY e.id LIMIT {limit}",
                columns(self.dialect, extent)
            ),
        };
        self.ask(&sql, &[Arg::Int(after.0)], false).await
    }

    /// All of the transaction that these rows begin.
    async fn transaction(&mut self, begun: &Rows, extent: Extent) -> Result<Rows> {
        let columns = columns(self.dialect, extent);
        let (sql, arguments) = match (self.dialect, begun.int(0, TX)) {
            (Dialect::Postgres, position) => (
                format!(
                    "SELECT {columns} FROM change_commit c JOIN change_event e ON e.tx = c.tx AND e.segment = c.segment \
                     WHERE c.position = $1 ORDER BY e.id"
                ),
                vec![position.map_or(Arg::Null, Arg::Int)],
            ),
            (Dialect::Sqlite, tx) => {
                let first = begun.int(0, ID).unwrap_or_default();
                let tx = tx.map_or(Arg::Null, Arg::Int);
                let next = "SELECT id FROM change_event WHERE id >= ?1 AND tx IS NOT ?2 ORDER BY id LIMIT 1";
                let next = self.ask(next, &[Arg::Int(first), tx], false).await?;
                let next = if next.is_empty() { i64::MAX } else { next.int(0, 0).unwrap_or(i64::MAX) };
                (
                    format!("SELECT {columns} FROM change_event e WHERE e.id >= ?1 AND e.id < ?2 ORDER BY e.id"),
                    vec![Arg::Int(first), Arg::Int(next)],
                )
            }
        };
        self.ask(&sql, &arguments, false).await
    }

    async fn ask(&mut self, sql: &str, arguments: &[Arg], last: bool) -> Result<Rows> {
        self.session.query(sql, arguments, &Pace::default(), last).await
    }
}

/// The last position, as a statement of one value.
pub(super) const fn head(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => {
            "SELECT greatest((SELECT max(position) FROM change_commit), (SELECT oldest FROM change_bounds))"
        }
        Dialect::Sqlite => {
            "SELECT max(coalesce((SELECT max(id) FROM change_event), 0), (SELECT oldest FROM change_bounds))"
        }
    }
}

fn columns(dialect: Dialect, extent: Extent) -> String {
    // as it is stored: what has to be unpacked to be measured is long
    let (tx, of, length) = match dialect {
        Dialect::Postgres => ("c.position", "c", "pg_column_size(e.before_row)"),
        Dialect::Sqlite => ("e.tx", "e", "octet_length(e.before_row)"),
    };
    let key = format!("{tx}, e.id, e.object_table, e.object_id, {of}.at");
    match extent {
        Extent::Key => key,
        Extent::Before(most) => format!(
            "{key}, CAST(CASE WHEN {length} > {most} THEN 1 ELSE 0 END AS bigint), \
             CASE WHEN {length} <= {most} THEN CAST(e.before_row AS text) END"
        ),
        Extent::Whole => {
            format!("{key}, e.op, CAST(e.before_row AS text), CAST(e.after_row AS text), {of}.actor, {of}.organisation")
        }
    }
}

/// The position of the transaction that ends with this row.
fn position(dialect: Dialect, rows: &Rows, row: usize) -> Position {
    let column = if dialect == Dialect::Postgres { TX } else { ID };
    Position(rows.int(row, column).unwrap_or_default())
}

/// The first rows, each with the position of its transaction.
fn positions(dialect: Dialect, rows: &Rows, count: usize) -> Vec<(usize, Position)> {
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let start = out.len();
        let tx = rows.int(start, TX);
        let end = (start..count).find(|row| rows.int(*row, TX) != tx).unwrap_or(count);
        let position = position(dialect, rows, end - 1);
        out.extend(Range { start, end }.map(|row| (row, position)));
    }
    out
}

/// A table that this build does not know has no type.
fn type_of(rows: &Rows, row: usize) -> Option<TypeId> {
    match rows.cell(row, TABLE) {
        Cell::Text(table) => CATALOGUE.types.iter().find(|ty| ty.table == table).map(|ty| ty.id),
        _ => None,
    }
}

fn at(rows: &Rows, row: usize) -> entities::Instant {
    entities::Instant(rows.int(row, AT).unwrap_or_default())
}

fn key(rows: &Rows, row: usize) -> Result<Uuid> {
    rows.id(row, KEY).ok_or_else(|| Error::internal("a change has no key"))
}
