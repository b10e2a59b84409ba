//! Loading into SQLite: one prepared statement per row, in place, in one transaction. Without a server
//! in between this is as fast as statements with many rows, and the refused row is known at once.

use std::collections::{HashMap, HashSet};

use entities::{Decimal, Instant, meta::Kind};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Row, ToSql, params,
    types::{ToSqlOutput, Type as CellType, Value as Cell, ValueRef},
};
use uuid::Uuid;

use super::{Outcome, Reason, Refusal, names};
use crate::{
    access::{
        chain::{HEAD, Head},
        connect::{DatabaseUrl, Dialect},
        log::Acting,
    },
    catalogue::{Type, Value},
    error::{Error, Result},
};

/// How long the transaction waits for another writer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) struct Writer(Connection);

impl Writer {
    pub(super) fn begin(url: &DatabaseUrl) -> Result<Self> {
        let file = url.file().ok_or_else(|| Error::internal("no file in a SQLite URL"))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(PATIENCE)?;
        // pages that do not fit go to the log early, so memory stays bounded at any size
        connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA cache_size = -32768;")?;
        rusqlite::vtab::array::load_module(&connection)?;
        connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::unavailable(format!(
                "another process has been writing to `{}` for {} s, try again when it is done",
                file.display(),
                PATIENCE.as_secs()
            )),
            _ => error.into(),
        })?;
        let mut writer = Writer(connection);
        // whoever it is, its changes are one transaction
        writer.act(&Acting::default())?;
        Ok(writer)
    }

    pub(super) fn act(&mut self, acting: &Acting) -> Result<()> {
        Ok(self.0.execute_batch(&acting.begin(Dialect::Sqlite))?)
    }

    pub(super) fn insert(&mut self, ty: &Type, columns: &[usize], rows: &[Vec<Value>]) -> Result<()> {
        let mut statement = self.0.prepare_cached(&insert_sql(ty, columns))?;
        for row in rows {
            if let Err(error) = statement.execute(rusqlite::params_from_iter(row)) {
                let reason = reason(ty, &error).ok_or(error)?;
                return Err(Error::Conflict(format!("a new row of `{}` is refused: {reason}", ty.name)));
            }
        }
        Ok(())
    }

    pub(super) fn insert_each(&mut self, ty: &Type, columns: &[usize], rows: &[Vec<Value>]) -> Outcome {
        let mut statement = self.0.prepare_cached(&insert_sql(ty, columns))?;
        let mut refusals = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            // a refused statement undoes itself and leaves the transaction
            if let Err(error) = statement.execute(rusqlite::params_from_iter(row)) {
                refusals.push(Refusal { row: at, reason: reason(ty, &error).ok_or(error)? });
            }
        }
        Ok(refusals)
    }

    pub(super) fn update_each(&mut self, ty: &Type, columns: &[usize], rows: &[(Uuid, Vec<Value>)]) -> Outcome {
        let set: Vec<_> = columns.iter().map(|c| format!("\"{}\" = ?", ty.fields[*c].column)).collect();
        let sql = format!("UPDATE \"{}\" SET {} WHERE \"id\" = ?", ty.table, set.join(", "));
        let mut statement = self.0.prepare_cached(&sql)?;
        let mut refusals = Vec::new();
        for (at, (id, row)) in rows.iter().enumerate() {
            let id = Value::Id(*id);
            if let Err(error) = statement.execute(rusqlite::params_from_iter(row.iter().chain([&id]))) {
                refusals.push(Refusal { row: at, reason: reason(ty, &error).ok_or(error)? });
            }
        }
        Ok(refusals)
    }

    pub(super) fn existing(&mut self, ty: &Type, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let sql = format!("SELECT \"id\" FROM \"{}\" WHERE \"id\" IN rarray(?)", ty.table);
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params![blobs(ids)], |row| id(row, 0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn values(&mut self, ty: &Type, field: usize, ids: &[Uuid]) -> Result<HashMap<Uuid, Value>> {
        let field = &ty.fields[field];
        let sql = format!("SELECT \"id\", \"{}\" FROM \"{}\" WHERE \"id\" IN rarray(?)", field.column, ty.table);
        let mut statement = self.0.prepare_cached(&sql)?;
        let rows = statement.query_map(params![blobs(ids)], |row| {
            let value = if row.get_ref(1)? == ValueRef::Null { Value::Null } else { value(row, 1, field.kind)? };
            Ok((id(row, 0)?, value))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn keyed(&mut self, ty: &Type, source: &str, keys: &[String]) -> Result<HashMap<String, Uuid>> {
        let sql = "SELECT key, object_id FROM external_key WHERE object_type = ? AND source = ? AND key IN rarray(?)";
        let mut statement = self.0.prepare_cached(sql)?;
        let wanted: Vec<Cell> = keys.iter().map(|key| Cell::Text(key.clone())).collect();
        let rows = statement
            .query_map(params![ty.name, source, std::rc::Rc::new(wanted)], |row| Ok((row.get(0)?, id(row, 1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    pub(super) fn register(&mut self, ty: &Type, source: &str, keys: &[(String, Uuid)]) -> Result<()> {
        let sql = "INSERT INTO external_key (object_type, source, key, object_id) VALUES (?, ?, ?, ?)";
        let mut statement = self.0.prepare_cached(sql)?;
        for (key, id) in keys {
            statement.execute(params![ty.name, source, key, id.as_bytes()])?;
        }
        Ok(())
    }

    pub(super) fn first_with(&mut self, ty: &Type, field: usize, text: &str) -> Result<Option<Uuid>> {
        let column = ty.fields[field].column;
        let sql = format!("SELECT \"id\" FROM \"{}\" WHERE \"{column}\" = ? ORDER BY \"id\" LIMIT 1", ty.table);
        Ok(self.0.query_row(&sql, [text], |row| id(row, 0)).optional()?)
    }

    pub(super) fn is_empty(&mut self, ty: &Type) -> Result<bool> {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM \"{}\")", ty.table);
        Ok(self.0.query_row(&sql, [], |row| row.get(0))?)
    }

    pub(super) fn audit_head(&mut self) -> Result<Option<Head>> {
        let head = |row: &Row| Ok(Head { chain: row.get(0)?, since: row.get(1)?, seq: row.get(2)?, hash: row.get(3)? });
        Ok(self.0.query_row(HEAD, [], head).optional()?)
    }

    pub(super) fn set_audit_head(&mut self, head: &Head) -> Result<()> {
        self.0.execute("UPDATE audit_chain SET seq = ?, hash = ?", params![head.seq, head.hash])?;
        Ok(())
    }

    pub(super) fn commit(self, grown: &[&str]) -> Result<()> {
        // a sample is enough to choose an index, and reading all would double the time of a big load
        self.0.execute_batch("PRAGMA analysis_limit = 1000")?;
        for table in grown {
            self.0.execute_batch(&format!("ANALYZE \"{table}\""))?;
        }
        if let Some(end) = Acting::end(Dialect::Sqlite) {
            self.0.execute_batch(end)?;
        }
        Ok(self.0.execute_batch("COMMIT")?)
    }
}

fn insert_sql(ty: &Type, columns: &[usize]) -> String {
    let marks = vec!["?"; columns.len()].join(", ");
    format!("INSERT INTO \"{}\" ({}) VALUES ({marks})", ty.table, names(ty, columns))
}

fn blobs(ids: &[Uuid]) -> std::rc::Rc<Vec<Cell>> {
    std::rc::Rc::new(ids.iter().map(|id| Cell::Blob(id.as_bytes().to_vec())).collect())
}

fn id(row: &Row, at: usize) -> rusqlite::Result<Uuid> {
    row.get(at).map(Uuid::from_bytes)
}

fn value(row: &Row, at: usize, kind: Kind) -> rusqlite::Result<Value> {
    let unreadable = |cause| rusqlite::Error::FromSqlConversionFailure(at, CellType::Text, cause);
    Ok(match kind {
        Kind::Id => Value::Id(id(row, at)?),
        Kind::Text => Value::Text(row.get(at)?),
        Kind::Int => Value::Int(row.get(at)?),
        Kind::Bool => Value::Bool(row.get(at)?),
        Kind::Decimal => Value::Decimal(Decimal(row.get(at)?)),
        Kind::Instant => Value::Instant(Instant(row.get(at)?)),
        Kind::Date => {
            Value::Date(row.get_ref(at)?.as_str()?.parse().map_err(|e: chrono::ParseError| unreadable(e.into()))?)
        }
        Kind::Json => {
            let text = row.get_ref(at)?.as_str()?;
            Value::Json(serde_json::from_str(text).map_err(|e| unreadable(e.into()))?)
        }
    })
}

/// Why a row was refused, or nothing if the fault is not the row's.
fn reason(ty: &Type, error: &rusqlite::Error) -> Option<Reason> {
    use rusqlite::ffi;
    let rusqlite::Error::SqliteFailure(code, Some(text)) = error else { return None };
    // `UNIQUE constraint failed: org_unit.organisation_id, org_unit.name`
    let columns = || -> Vec<String> {
        let list = text.split_once(": ").map_or("", |(_, list)| list);
        let own = format!("{}.", ty.table);
        list.split(", ").map(|column| column.strip_prefix(&own).unwrap_or(column).to_owned()).collect()
    };
    match code.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => Some(Reason::Taken(columns())),
        ffi::SQLITE_CONSTRAINT_NOTNULL => Some(Reason::Missing(columns().join(", "))),
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Some(Reason::Dangling(None)),
        _ if code.code == ErrorCode::ConstraintViolation => Some(Reason::Other(text.clone())),
        _ => None,
    }
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Value::Int(n) | Value::Decimal(Decimal(n)) | Value::Instant(Instant(n)) => {
                ToSqlOutput::Owned(Cell::Integer(*n))
            }
            Value::Bool(flag) => ToSqlOutput::Owned(Cell::Integer(i64::from(*flag))),
            Value::Date(day) => ToSqlOutput::Owned(Cell::Text(day.to_string())),
            Value::Id(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Value::Json(json) => ToSqlOutput::Owned(Cell::Text(json.to_string())),
        })
    }
}
