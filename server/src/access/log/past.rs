//! The rows as they stood behind a position. A clause in front of a statement stands in the place of each table that it
//! reads and that has changed since: the rows that were not touched, and of the others what the first change found. So
//! any statement can be asked of any state that the log reaches back to, and at the last position nothing is added.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write,
};

use entities::meta::Kind;
use uuid::Uuid;

use super::{
    Position,
    read::{Log, Since},
};
use crate::{
    access::{
        connect::{Db, Dialect},
        read::{Arg, Session},
    },
    catalogue::{CATALOGUE, Type, TypeId},
    error::Result,
};

/// So many changes are handed to the statement with their rows; more of them it looks up in the log, which costs a
/// statement over few rows little, and one over whole tables much.
const FEW: usize = 500;

/// What stands in the place of tables.
pub(in crate::access) struct Past {
    dialect: Dialect,
    position: Position,
    tables: Vec<(&'static Type, Found)>,
}

/// Where the changes since are found.
enum Found {
    /// The keys that were touched, and the rows that there were, as JSON.
    Here(Arg, Arg),
    Log,
}

impl Past {
    /// A session whose statements see the state behind the position.
    pub(in crate::access) async fn session(db: &Db, position: Position) -> Result<Session> {
        let (mut log, dialect) = (Log::open(db).await?, db.dialect());
        let since = log.since(position, FEW).await?;
        let tables = match since {
            Since::Nothing => Vec::new(),
            Since::Few(rows) => few(rows),
            Since::Many => logged().map(|ty| (ty, Found::Log)).collect(),
        };
        let mut session = log.into_session();
        if !tables.is_empty() {
            session.look_back(Past { dialect, position, tables });
        }
        Ok(session)
    }

    /// The statement over the state that was; `None`: it reads nothing that has changed.
    pub(in crate::access) fn over(&self, sql: &str, arguments: &[Arg]) -> Option<(String, Vec<Arg>)> {
        let words = words(sql);
        let mut arguments = arguments.to_vec();
        let mut position = None;
        let mut out = String::new();
        for (ty, found) in self.tables.iter().filter(|(ty, _)| words.contains(&ty.table)) {
            out.push_str(if out.is_empty() { "WITH " } else { ", " });
            let mut bind = |arg: &Arg| {
                arguments.push(arg.clone());
                arguments.len()
            };
            let _ = write!(out, "\"{}\" AS NOT MATERIALIZED (", ty.table);
            match found {
                Found::Here(keys, rows) => self.here(ty, bind(keys), bind(rows), &mut out),
                Found::Log => {
                    let at = *position.get_or_insert_with(|| bind(&Arg::Int(self.position.0)));
                    let at = match self.dialect {
                        Dialect::Postgres => format!("${at}::int8"),
                        Dialect::Sqlite => format!("?{at}"),
                    };
                    self.logged(ty, &at, &mut out);
                }
            }
            out.push(')');
        }
        if out.is_empty() {
            return None;
        }
        match sql.strip_prefix("WITH ") {
            Some(rest) => _ = write!(out, ", {rest}"),
            None => _ = write!(out, " {sql}"),
        }
        Some((out, arguments))
    }

    /// A statement over that state which is run elsewhere: the position is written into it.
    pub(in crate::access) fn written(dialect: Dialect, position: Position, sql: &str) -> String {
        let past = Past { dialect, position, tables: Vec::new() };
        let words = words(sql);
        let mut out = String::new();
        for ty in logged().filter(|ty| words.contains(&ty.table)) {
            let _ = write!(out, "{}\"{}\" AS (", if out.is_empty() { "WITH " } else { ", " }, ty.table);
            past.logged(ty, &position.0.to_string(), &mut out);
            out.push(')');
        }
        out + " " + sql
    }

    fn here(&self, ty: &Type, keys: usize, rows: usize, out: &mut String) {
        let (table, now) = (ty.table, self.now(ty));
        let _ = match self.dialect {
            Dialect::Postgres => write!(
                out,
                "{now} WHERE r.\"id\" NOT IN (SELECT unnest(${keys}::uuid[])) UNION ALL SELECT {} FROM \
                 json_populate_recordset(NULL::public.\"{table}\", ${rows}::text::json) r",
                plain(ty)
            ),
            Dialect::Sqlite => write!(
                out,
                "{now} WHERE r.\"id\" NOT IN (SELECT value FROM rarray(?{keys})) UNION ALL SELECT -1 - j.key, {} FROM \
                 json_each(?{rows}) j",
                kept(ty, "j.value")
            ),
        };
    }

    fn logged(&self, ty: &Type, at: &str, out: &mut String) {
        let (table, now) = (ty.table, self.now(ty));
        let _ = match self.dialect {
            Dialect::Postgres => {
                let since = |e: &str, c: &str| {
                    format!(
                        "FROM change_event {e} JOIN change_commit {c} ON {c}.tx = {e}.tx WHERE \
                         {e}.object_table = '{table}' AND {c}.position > {at}"
                    )
                };
                // the key is the log's own column, which has an index
                let columns = plain(ty).replacen("r.\"id\"", "e.object_id", 1);
                write!(
                    out,
                    "{now} WHERE NOT EXISTS (SELECT 1 {} AND e.object_id = r.\"id\") UNION ALL SELECT {columns} FROM \
                     (SELECT e.object_id, e.before_row {} AND e.before_row IS NOT NULL AND NOT EXISTS (SELECT 1 {} \
                     AND f.object_id = e.object_id AND (d.position, f.id) < (c.position, e.id))) e \
                     CROSS JOIN LATERAL json_populate_record(NULL::public.\"{table}\", e.before_row) r",
                    since("e", "c"),
                    since("e", "c"),
                    since("f", "d"),
                )
            }
            Dialect::Sqlite => {
                let since =
                    |e: &str| format!("FROM change_event {e} WHERE {e}.object_table = '{table}' AND {e}.id > {at}");
                let columns =
                    kept(ty, "e.before_row").replacen(&kept_one(&ty.fields[0], "e.before_row"), "e.object_id", 1);
                write!(
                    out,
                    "{now} WHERE NOT EXISTS (SELECT 1 {} AND e.object_id = r.\"id\") UNION ALL SELECT -e.id, {columns} {} \
                     AND e.before_row IS NOT NULL AND NOT EXISTS (SELECT 1 {} AND f.object_id = e.object_id AND f.id < e.id)",
                    since("e"),
                    since("e"),
                    since("f"),
                )
            }
        };
    }

    /// The table as it is. On SQLite pages name its row numbers.
    fn now(&self, ty: &Type) -> String {
        match self.dialect {
            Dialect::Postgres => format!("SELECT {} FROM public.\"{}\" r", plain(ty), ty.table),
            Dialect::Sqlite => format!("SELECT r.rowid AS rowid, {} FROM main.\"{}\" r", plain(ty), ty.table),
        }
    }
}

fn logged() -> impl Iterator<Item = &'static Type> {
    CATALOGUE.types.iter().filter(|ty| ty.table != "audit_event")
}

/// Of each row what the first change found.
fn few(changes: Vec<(TypeId, Uuid, Option<String>)>) -> Vec<(&'static Type, Found)> {
    let mut tables: BTreeMap<TypeId, BTreeMap<Uuid, Option<String>>> = BTreeMap::new();
    for (ty, key, before) in changes {
        if let Entry::Vacant(first) = tables.entry(ty).or_default().entry(key) {
            first.insert(before);
        }
    }
    let found = |(ty, rows): (TypeId, BTreeMap<Uuid, Option<String>>)| {
        let keys = rows.keys().copied().collect();
        let rows: Vec<String> = rows.into_values().flatten().collect();
        (CATALOGUE.ty(ty), Found::Here(Arg::Ids(keys), Arg::Text(format!("[{}]", rows.join(",")))))
    };
    tables.into_iter().map(found).collect()
}

fn plain(ty: &Type) -> String {
    ty.fields.iter().map(|field| format!("r.\"{}\"", field.column)).collect::<Vec<_>>().join(", ")
}

fn kept(ty: &Type, image: &str) -> String {
    ty.fields.iter().map(|field| kept_one(field, image)).collect::<Vec<_>>().join(", ")
}

/// A value of an image, of the column's own affinity: SQLite compares by it, and sees through the clause only if both
/// sides have the same.
fn kept_one(field: &crate::catalogue::Field, image: &str) -> String {
    let value = format!("json_extract({image}, '$.\"{}\"')", field.column);
    match field.kind {
        Kind::Id => format!("CAST(unhex({value}) AS blob)"),
        Kind::Text | Kind::Date | Kind::Json => format!("CAST({value} AS text)"),
        Kind::Bool => format!("CAST({value} AS numeric)"),
        Kind::Int | Kind::Decimal | Kind::Instant => format!("CAST({value} AS integer)"),
    }
}

/// The words of a statement that can be names. One that is none of a table costs a clause that nobody asks.
fn words(sql: &str) -> Vec<&str> {
    sql.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(dialect: Dialect, found: Found) -> Past {
        let ty = CATALOGUE.by_name("CustomerTeam").expect("a type");
        Past { dialect, position: Position(7), tables: vec![(ty, found)] }
    }

    #[test]
    fn only_what_is_read_is_stood_in_for() {
        let here = || Found::Here(Arg::Ids(Vec::new()), Arg::Text("[]".into()));
        assert!(past(Dialect::Sqlite, here()).over("SELECT 1 FROM \"customer\" t1", &[]).is_none());
        let (sql, arguments) = past(Dialect::Postgres, here())
            .over("WITH m0 AS MATERIALIZED (SELECT customer_id FROM customer_team) SELECT $1", &[Arg::Int(1)])
            .expect("it reads the table");
        assert!(
            sql.starts_with("WITH \"customer_team\" AS NOT MATERIALIZED (SELECT ") && sql.contains("), m0 AS MAT"),
            "{sql}"
        );
        assert!(sql.contains("$2::uuid[]") && sql.contains("$3::text::json") && arguments.len() == 3, "{sql}");
        let (sql, arguments) = past(Dialect::Sqlite, Found::Log)
            .over("SELECT 1 FROM \"customer_team\" t1", &[])
            .expect("it reads the table");
        assert!(sql.contains("e.id > ?1") && arguments == [Arg::Int(7)], "{sql}");
    }
}
