//! The rows as they stood behind a position. A clause in front of a statement stands in the place of each table that it
//! reads and that has changed since: the rows that were not touched, and of the others what the first change found. So
//! any statement can be asked of any state that the log reaches back to, and at the last position nothing is added. What a
//! statement about few rows leads to is looked up key by key, so that it costs as little in a long log as in a short one.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt::Write,
};

use entities::meta::Kind;
use uuid::Uuid;

use super::{
    Position,
    read::{Before, Log, Since},
};
use crate::{
    access::{
        connect::{Db, Dialect},
        lead::Noted,
        read::{Arg, Session},
    },
    catalogue::{CATALOGUE, Type, TypeId},
    error::Result,
};

/// So many changes are handed to the statement with their rows; more of them it looks up in the log, which costs a
/// statement over few rows little, and one over whole tables much.
pub const FEW: usize = 500;
/// Rows of more bytes are not handed along, but looked up: each statement of whoever catches up would carry them all.
const LONG: usize = 4_096;

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
        let since = log.since(position, FEW, LONG).await?;
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

    /// What has changed since is looked up in the log.
    pub(in crate::access) fn is_far(&self) -> bool {
        self.tables.iter().any(|(_, found)| matches!(found, Found::Log))
    }

    /// The statement over the state that was; `None`: it reads nothing that has changed.
    pub(in crate::access) fn over(&self, sql: &str, arguments: &[Arg], noted: &Noted) -> Option<(String, Vec<Arg>)> {
        let found = |ty: TypeId| self.tables.iter().find(|(t, _)| t.id == ty).map(|(_, found)| found);
        let mut bound = Bound { arguments: arguments.to_vec(), slots: BTreeMap::new() };
        let (mut text, mut clauses) = (sql.to_owned(), Vec::new());
        for row in noted.by_key(self.dialect, |ty| found(ty).is_some()) {
            let Some(found) = found(row.ty) else { continue };
            let ty = CATALOGUE.ty(row.ty);
            text = renamed(&text, &format!("\"{}\" {}", ty.table, row.alias), &format!("{} {}", row.name, row.alias));
            if !row.again {
                let body = self.rows(ty, found, &mut bound, Some(&row.keys));
                clauses.push(format!("{} AS MATERIALIZED ({body})", row.name));
            }
        }
        let words = words(&text);
        for (ty, found) in self.tables.iter().filter(|(ty, _)| words.contains(&ty.table)) {
            let body = self.rows(ty, found, &mut bound, None);
            clauses.push(format!("\"{}\" AS NOT MATERIALIZED ({body})", ty.table));
        }
        if clauses.is_empty() {
            return None;
        }
        let clauses = clauses.join(", ");
        let text = match text.strip_prefix("WITH ") {
            Some(rest) => format!("WITH {clauses}, {rest}"),
            None => format!("WITH {clauses} {text}"),
        };
        Some((text, bound.arguments))
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

    /// The rows of a table as they stood, or of them those with keys that a sub-select names.
    fn rows(&self, ty: &Type, found: &Found, bound: &mut Bound, among: Option<&str>) -> String {
        let mut out = String::new();
        match (found, among) {
            (Found::Here(keys, rows), _) => {
                let (keys, rows) = (bound.slot((ty.table, "keys"), keys), bound.slot((ty.table, "rows"), rows));
                self.here(ty, keys, rows, among, &mut out);
            }
            (Found::Log, among) => {
                let at = bound.slot(("", "position"), &Arg::Int(self.position.0));
                let at = match self.dialect {
                    Dialect::Postgres => format!("${at}::int8"),
                    Dialect::Sqlite => format!("?{at}"),
                };
                match among {
                    Some(keys) => self.looked_up(ty, &at, keys, &mut out),
                    None => self.logged(ty, &at, &mut out),
                }
            }
        }
        out
    }

    fn here(&self, ty: &Type, keys: usize, rows: usize, among: Option<&str>, out: &mut String) {
        let (table, now) = (ty.table, self.now(ty));
        let among = |word: &str, id: &str| among.map(|keys| format!(" {word} {id} IN ({keys})")).unwrap_or_default();
        let _ = match self.dialect {
            Dialect::Postgres => write!(
                out,
                "{now} WHERE r.\"id\" NOT IN (SELECT unnest(${keys}::uuid[])){} UNION ALL SELECT {} FROM \
                 json_populate_recordset(NULL::public.\"{table}\", ${rows}::text::json) r{}",
                among("AND", "r.\"id\""),
                plain(ty),
                among("WHERE", "r.\"id\""),
            ),
            Dialect::Sqlite => write!(
                out,
                "{now} WHERE r.\"id\" NOT IN (SELECT value FROM rarray(?{keys})){} UNION ALL SELECT -1 - j.key, {} FROM \
                 json_each(?{rows}) j{}",
                among("AND", "r.\"id\""),
                kept(ty, "j.value"),
                among("WHERE", &kept_one(&ty.fields[0], "j.value")),
            ),
        };
    }

    /// Key by key: the first change since, and where there is none the row as it is.
    fn looked_up(&self, ty: &Type, at: &str, keys: &str, out: &mut String) {
        let (table, now) = (ty.table, self.now(ty));
        let _ = match self.dialect {
            Dialect::Postgres => {
                let of = |key: &str| {
                    format!(
                        "FROM change_event e JOIN change_commit c ON c.tx = e.tx WHERE e.object_table = '{table}' \
                         AND e.object_id = {key}"
                    )
                };
                // changes of one row wait for each other, so their numbers and the positions of their transactions are
                // in the same order, which is not so for different rows: from anywhere in the transaction at the
                // position it is a step or two to the row's own last change before it, however many it has
                let near = format!(
                    "(SELECT n.id FROM change_event n WHERE (n.tx, n.segment) = (SELECT d.tx, d.segment FROM change_commit d \
                     WHERE d.position <= {at} ORDER BY d.position DESC LIMIT 1) LIMIT 1)"
                );
                write!(
                    out,
                    "{now} WHERE r.\"id\" IN ({keys}) AND NOT coalesce((SELECT c.position > {at} {} ORDER BY e.id DESC \
                     LIMIT 1), false) UNION ALL SELECT {} FROM (SELECT DISTINCT key FROM ({keys}) k) k \
                     CROSS JOIN LATERAL (SELECT e.before_row {} AND c.position > {at} AND e.id > coalesce((SELECT e.id {} \
                     AND e.id <= {near} AND c.position <= {at} ORDER BY e.id DESC LIMIT 1), 0) ORDER BY e.id LIMIT 1) e \
                     CROSS JOIN LATERAL json_populate_record(NULL::public.\"{table}\", e.before_row) r \
                     WHERE e.before_row IS NOT NULL",
                    of("r.\"id\""),
                    plain(ty).replacen("r.\"id\"", "k.key", 1),
                    of("k.key"),
                    of("k.key"),
                )
            }
            Dialect::Sqlite => {
                let columns =
                    kept(ty, "e.before_row").replacen(&kept_one(&ty.fields[0], "e.before_row"), "e.object_id", 1);
                let since = |e: &str, key: &str| {
                    format!(
                        "FROM change_event {e} WHERE {e}.object_table = '{table}' AND {e}.object_id = {key} AND {e}.id > {at}"
                    )
                };
                write!(
                    out,
                    "{now} WHERE r.\"id\" IN ({keys}) AND NOT EXISTS (SELECT 1 {}) UNION ALL SELECT -e.id, {columns} \
                     FROM change_event e WHERE e.id IN (SELECT (SELECT min(f.id) {}) FROM ({keys}) k) \
                     AND e.before_row IS NOT NULL",
                    since("e", "r.\"id\""),
                    since("f", "k.key"),
                )
            }
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

/// The arguments, with what clauses add to them.
struct Bound {
    arguments: Vec<Arg>,
    slots: BTreeMap<(&'static str, &'static str), usize>,
}

impl Bound {
    fn slot(&mut self, name: (&'static str, &'static str), value: &Arg) -> usize {
        *self.slots.entry(name).or_insert_with(|| {
            self.arguments.push(value.clone());
            self.arguments.len()
        })
    }
}

/// Whole words only: `"customer" t1` is not the beginning of `"customer" t12`.
fn renamed(text: &str, from: &str, to: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        out.push_str(before);
        out.push_str(if after.starts_with(|c: char| c.is_ascii_digit()) { from } else { to });
        rest = after;
    }
    out + rest
}

/// Of each row what the first change found.
fn few(changes: Vec<Before>) -> Vec<(&'static Type, Found)> {
    let mut tables: BTreeMap<TypeId, BTreeMap<Uuid, Before>> = BTreeMap::new();
    for change in changes {
        if let Entry::Vacant(first) = tables.entry(change.ty).or_default().entry(change.key) {
            first.insert(change);
        }
    }
    let found = |(ty, rows): (TypeId, BTreeMap<Uuid, Before>)| {
        if rows.values().any(|before| before.is_long) {
            return (CATALOGUE.ty(ty), Found::Log);
        }
        let keys = rows.keys().copied().collect();
        let rows: Vec<String> = rows.into_values().filter_map(|before| before.row).collect();
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
        assert!(past(Dialect::Sqlite, here()).over("SELECT 1 FROM \"customer\" t1", &[], &Noted::default()).is_none());
        let (sql, arguments) = past(Dialect::Postgres, here())
            .over(
                "WITH m0 AS MATERIALIZED (SELECT customer_id FROM customer_team) SELECT $1",
                &[Arg::Int(1)],
                &Noted::default(),
            )
            .expect("it reads the table");
        assert!(
            sql.starts_with("WITH \"customer_team\" AS NOT MATERIALIZED (SELECT ") && sql.contains("), m0 AS MAT"),
            "{sql}"
        );
        assert!(sql.contains("$2::uuid[]") && sql.contains("$3::text::json") && arguments.len() == 3, "{sql}");
        let (sql, arguments) = past(Dialect::Sqlite, Found::Log)
            .over("SELECT 1 FROM \"customer_team\" t1", &[], &Noted::default())
            .expect("it reads the table");
        assert!(sql.contains("e.id > ?1") && arguments == [Arg::Int(7)], "{sql}");
    }
}
