//! Loading into PostgreSQL: `COPY` in text form, which needs neither the types of the columns nor a
//! plan. A batch with a refused row is taken back to its savepoint and halved until the row is found.

use std::{
    collections::{HashMap, HashSet},
    fmt::Write as _,
    io::Cursor,
};

use entities::{Decimal, Instant, meta::Kind};
use futures_util::{SinkExt, future::try_join_all};
use tokio_postgres::{Client, NoTls, error::SqlState, types::ToSql};
use uuid::Uuid;

use super::{Outcome, Reason, Refusal, lift::Lifted, names};
use crate::{
    access::{
        chain::{HEAD, Head},
        connect::{DatabaseUrl, Dialect},
        log::Acting,
    },
    catalogue::{Type, Value},
    error::{Error, Result},
};

/// Copied rows go over the wire in pieces of this size.
const PIECE: usize = 64 * 1024;

/// Dropping the client closes the connection, and the server takes back what was not committed.
pub(super) struct Writer {
    client: Client,
    lifted: Lifted,
}

#[derive(Clone, Copy)]
enum Batch<'a> {
    New(&'a [Vec<Value>]),
    Kept(&'a [(Uuid, Vec<Value>)]),
}

impl Batch<'_> {
    const fn len(&self) -> usize {
        match self {
            Batch::New(rows) => rows.len(),
            Batch::Kept(rows) => rows.len(),
        }
    }
}

/// A batch that was not taken.
enum Fault {
    /// Because of a row in it.
    Row(Reason),
    /// Because of something else.
    Lost(Error),
}

impl Fault {
    fn of(error: tokio_postgres::Error) -> Self {
        match reason(&error) {
            Some(reason) => Fault::Row(reason),
            None => Fault::Lost(error.into()),
        }
    }
}

impl Writer {
    pub(super) async fn begin(url: &DatabaseUrl) -> Result<Self> {
        let (client, connection) = tokio_postgres::connect(url.reveal(), NoTls).await?;
        // what breaks the connection reaches the client's next call as an error
        tokio::spawn(connection);
        client
            .batch_execute("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL application_name = 'entente load'")
            .await?;
        Ok(Writer { client, lifted: Lifted::default() })
    }

    pub(super) async fn act(&mut self, acting: &Acting) -> Result<()> {
        Ok(self.client.batch_execute(&acting.begin(Dialect::Postgres)).await?)
    }

    pub(super) async fn copy(&mut self, ty: &Type, columns: &[usize], rows: &[Vec<Value>]) -> Result<()> {
        self.send(ty, columns, rows).await.map_err(|fault| match fault {
            Fault::Row(reason) => Error::Conflict(format!("a new row of `{}` is refused: {reason}", ty.name)),
            Fault::Lost(error) => error,
        })
    }

    pub(super) async fn copy_each(&mut self, ty: &Type, columns: &[usize], rows: &[Vec<Value>]) -> Outcome {
        self.each(ty, columns, Batch::New(rows)).await
    }

    pub(super) async fn update_each(&mut self, ty: &Type, columns: &[usize], rows: &[(Uuid, Vec<Value>)]) -> Outcome {
        self.each(ty, columns, Batch::Kept(rows)).await
    }

    async fn each(&self, ty: &Type, columns: &[usize], batch: Batch<'_>) -> Outcome {
        let mut refusals = Vec::new();
        // the part that comes first is last, so that rows are there before what points at them
        let mut parts: Vec<_> = std::iter::once(0..batch.len()).collect();
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            self.client.batch_execute("SAVEPOINT batch").await?;
            let outcome = match batch {
                Batch::New(rows) => self.send(ty, columns, &rows[part.clone()]).await,
                Batch::Kept(rows) => self.update(ty, columns, &rows[part.clone()]).await,
            };
            match outcome {
                Ok(()) => self.client.batch_execute("RELEASE SAVEPOINT batch").await?,
                Err(Fault::Lost(error)) => return Err(error),
                Err(Fault::Row(reason)) => {
                    self.client.batch_execute("ROLLBACK TO SAVEPOINT batch; RELEASE SAVEPOINT batch").await?;
                    if part.len() == 1 {
                        refusals.push(Refusal { row: part.start, reason });
                    } else {
                        let middle = part.start + part.len() / 2;
                        parts.extend([middle..part.end, part.start..middle]);
                    }
                }
            }
        }
        Ok(refusals)
    }

    async fn send(&self, ty: &Type, columns: &[usize], rows: &[Vec<Value>]) -> std::result::Result<(), Fault> {
        let sql = format!("COPY \"{}\" ({}) FROM STDIN", ty.table, names(ty, columns));
        let sink = self.client.copy_in::<_, Cursor<String>>(&sql).await.map_err(Fault::of)?;
        futures_util::pin_mut!(sink);
        let mut piece = String::with_capacity(PIECE + PIECE / 8);
        for row in rows {
            line(&mut piece, row);
            if piece.len() >= PIECE {
                let full = std::mem::replace(&mut piece, String::with_capacity(PIECE + PIECE / 8));
                sink.send(Cursor::new(full)).await.map_err(Fault::of)?;
            }
        }
        if !piece.is_empty() {
            sink.send(Cursor::new(piece)).await.map_err(Fault::of)?;
        }
        sink.finish().await.map_err(Fault::of).map(|_| ())
    }

    async fn update(
        &self,
        ty: &Type,
        columns: &[usize],
        rows: &[(Uuid, Vec<Value>)],
    ) -> std::result::Result<(), Fault> {
        // values travel as text and become what the column is on the other side: the catalogue has one kind of integer
        let set = columns.iter().enumerate().map(|(at, c)| {
            let field = &ty.fields[*c];
            format!("\"{}\" = ${}{}", field.column, at + 2, cast(field.kind))
        });
        let sql = format!("UPDATE \"{}\" SET {} WHERE \"id\" = $1", ty.table, set.collect::<Vec<_>>().join(", "));
        let statement = self.client.prepare(&sql).await.map_err(Fault::of)?;
        let rows: Vec<(Uuid, Vec<Option<String>>)> =
            rows.iter().map(|(id, row)| (*id, row.iter().map(text).collect())).collect();
        // sent one behind the other without waiting for each answer
        let sent = rows.iter().map(|(id, row)| {
            let parameters: Vec<&(dyn ToSql + Sync)> = std::iter::once(id as &(dyn ToSql + Sync))
                .chain(row.iter().map(|v| v as &(dyn ToSql + Sync)))
                .collect();
            let statement = &statement;
            async move { self.client.execute(statement, &parameters).await }
        });
        try_join_all(sent).await.map_err(Fault::of).map(|_| ())
    }

    pub(super) async fn existing(&mut self, ty: &Type, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let sql = format!("SELECT \"id\" FROM \"{}\" WHERE \"id\" = ANY($1)", ty.table);
        let rows = self.client.query(&sql, &[&ids]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    pub(super) async fn values(&mut self, ty: &Type, field: usize, ids: &[Uuid]) -> Result<HashMap<Uuid, Value>> {
        let field = &ty.fields[field];
        let cast = match field.kind {
            Kind::Int => "::bigint",
            Kind::Json => "::text",
            _ => "",
        };
        let sql = format!("SELECT \"id\", \"{}\"{cast} FROM \"{}\" WHERE \"id\" = ANY($1)", field.column, ty.table);
        let rows = self.client.query(&sql, &[&ids]).await?;
        let value = |row: &tokio_postgres::Row| -> Result<Value> {
            Ok(match field.kind {
                Kind::Id => row.try_get::<_, Option<Uuid>>(1)?.into(),
                Kind::Text => row.try_get::<_, Option<String>>(1)?.into(),
                Kind::Int => row.try_get::<_, Option<i64>>(1)?.into(),
                Kind::Bool => row.try_get::<_, Option<bool>>(1)?.into(),
                Kind::Decimal => row.try_get::<_, Option<i64>>(1)?.map(Decimal).into(),
                Kind::Instant => row.try_get::<_, Option<i64>>(1)?.map(Instant).into(),
                Kind::Date => row.try_get::<_, Option<chrono::NaiveDate>>(1)?.into(),
                Kind::Json => match row.try_get::<_, Option<String>>(1)? {
                    None => Value::Null,
                    Some(text) => {
                        Value::Json(serde_json::from_str(&text).map_err(|cause| Error::internal(cause.to_string()))?)
                    }
                },
            })
        };
        rows.iter().map(|row| Ok((row.try_get(0)?, value(row)?))).collect()
    }

    pub(super) async fn keyed(&mut self, ty: &Type, source: &str, keys: &[String]) -> Result<HashMap<String, Uuid>> {
        let sql = "SELECT key, object_id FROM external_key WHERE object_type = $1 AND source = $2 AND key = ANY($3)";
        let rows = self.client.query(sql, &[&ty.name, &source, &keys]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    pub(super) async fn register(&mut self, ty: &Type, source: &str, keys: &[(String, Uuid)]) -> Result<()> {
        let (keys, ids): (Vec<&str>, Vec<Uuid>) = keys.iter().map(|(key, id)| (key.as_str(), *id)).unzip();
        let sql = "INSERT INTO external_key (object_type, source, key, object_id) \
                   SELECT $1, $2, k, o FROM unnest($3::text[], $4::uuid[]) AS new (k, o)";
        self.client.execute(sql, &[&ty.name, &source, &keys, &ids]).await?;
        Ok(())
    }

    pub(super) async fn first_with(&mut self, ty: &Type, field: usize, text: &str) -> Result<Option<Uuid>> {
        let column = ty.fields[field].column;
        let sql = format!("SELECT \"id\" FROM \"{}\" WHERE \"{column}\" = $1 ORDER BY \"id\" LIMIT 1", ty.table);
        let row = self.client.query_opt(&sql, &[&text]).await?;
        row.map(|row| Ok(row.try_get(0)?)).transpose()
    }

    pub(super) async fn is_empty(&mut self, ty: &Type) -> Result<bool> {
        let sql = format!("SELECT NOT EXISTS (SELECT 1 FROM \"{}\")", ty.table);
        Ok(self.client.query_one(&sql, &[]).await?.try_get(0)?)
    }

    pub(super) async fn lift(&mut self, ty: &Type) -> Result<()> {
        if self.is_empty(ty).await? {
            self.lifted.lift(&self.client, ty.table).await?;
        }
        Ok(())
    }

    pub(super) async fn audit_head(&mut self) -> Result<Option<Head>> {
        let row = self.client.query_opt(&format!("{HEAD} FOR UPDATE"), &[]).await?;
        let head = |row: tokio_postgres::Row| {
            Ok(Head { chain: row.try_get(0)?, since: row.try_get(1)?, seq: row.try_get(2)?, hash: row.try_get(3)? })
        };
        row.map(head).transpose()
    }

    pub(super) async fn set_audit_head(&mut self, head: &Head) -> Result<()> {
        self.client.execute("UPDATE audit_chain SET seq = $1, hash = $2", &[&head.seq, &head.hash]).await?;
        Ok(())
    }

    pub(super) async fn commit(self, grown: &[&str]) -> Result<()> {
        self.lifted.build(&self.client).await?;
        for table in grown {
            self.client.batch_execute(&format!("ANALYZE \"{table}\"")).await?;
        }
        Ok(self.client.batch_execute("COMMIT").await?)
    }
}

/// One row in the text form of `COPY`.
fn line(out: &mut String, row: &[Value]) {
    for (at, value) in row.iter().enumerate() {
        if at > 0 {
            out.push('\t');
        }
        match value {
            Value::Null => out.push_str("\\N"),
            Value::Text(text) => escaped(out, text),
            Value::Json(json) => escaped(out, &json.to_string()),
            // writing to a string cannot fail
            Value::Int(n) | Value::Decimal(Decimal(n)) | Value::Instant(Instant(n)) => drop(write!(out, "{n}")),
            Value::Bool(flag) => out.push(if *flag { 't' } else { 'f' }),
            Value::Date(day) => drop(write!(out, "{day}")),
            Value::Id(id) => out.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer())),
        }
    }
    out.push('\n');
}

fn escaped(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            other => out.push(other),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(text.clone()),
        Value::Json(json) => Some(json.to_string()),
        Value::Int(n) | Value::Decimal(Decimal(n)) | Value::Instant(Instant(n)) => Some(n.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Date(day) => Some(day.to_string()),
        Value::Id(id) => Some(id.to_string()),
    }
}

const fn cast(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "::text",
        Kind::Json => "::text::json",
        Kind::Bool => "::text::boolean",
        Kind::Date => "::text::date",
        Kind::Id => "::text::uuid",
        // assigned to a narrower column, PostgreSQL checks the range
        Kind::Int | Kind::Decimal | Kind::Instant => "::text::bigint",
    }
}

/// Why a row was refused, or nothing if the fault is not the row's.
fn reason(error: &tokio_postgres::Error) -> Option<Reason> {
    let cause = error.as_db_error()?;
    // `Key (organisation_id, name)=(…, …) already exists.`
    let columns = || -> Vec<String> {
        let list = cause
            .detail()
            .and_then(|detail| detail.strip_prefix("Key (")?.split_once(")="))
            .map_or("", |(list, _)| list);
        list.split(", ").map(|column| column.trim_matches('"').to_owned()).collect()
    };
    match cause.code() {
        code if *code == SqlState::UNIQUE_VIOLATION => Some(Reason::Taken(columns())),
        code if *code == SqlState::NOT_NULL_VIOLATION => {
            Some(Reason::Missing(cause.column().unwrap_or_default().to_owned()))
        }
        code if *code == SqlState::FOREIGN_KEY_VIOLATION => Some(Reason::Dangling(columns().pop())),
        // integrity constraints and values that do not fit their column
        code if code.code().starts_with("23") || code.code().starts_with("22") => {
            Some(Reason::Other(cause.message().to_owned()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_line_cannot_be_broken_by_its_text() {
        let mut out = String::new();
        let row =
            [Value::from("a\tb\\N\r\nc"), Value::Null, Value::from(true), Value::from(Decimal(-5)), Value::from("\\N")];
        line(&mut out, &row);
        assert_eq!(out, "a\\tb\\\\N\\r\\nc\t\\N\tt\t-5\t\\\\N\n");
    }
}
