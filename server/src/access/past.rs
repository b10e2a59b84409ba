//! The rows as they stood: statements of views over the state behind any position of the change log. A clause
//! in front of the statement stands in the place of each table that was changed since.

use std::fmt::Write;

use entities::{Instant, meta::Kind};
use uuid::Uuid;

use super::{
    connect::Dialect,
    gate::Gate,
    read::{Arg, Cell, Pace, Rows, Session},
    select::{Binding, Statement},
    sql::Sql,
};
use crate::{
    catalogue::{CATALOGUE, Type, TypeId},
    error::Result,
};

/// A place to run statements over one past state.
pub struct Past {
    session: Session,
    dialect: Dialect,
    position: i64,
    /// Tables with changes since.
    changed: Vec<&'static Type>,
}

impl Gate {
    /// The state behind this position.
    pub async fn past(&self, position: i64) -> Result<Past> {
        let mut session = self.db.reader.session(true).await?;
        let sql = match self.dialect() {
            Dialect::Postgres => {
                "SELECT DISTINCT e.object_table FROM change_commit c JOIN change_event e ON e.tx = c.tx WHERE c.position > $1::int8"
            }
            Dialect::Sqlite => "SELECT DISTINCT object_table FROM change_event WHERE id > ?1",
        };
        let rows = session.query(sql, &[Arg::Int(position)], &Pace::default(), false).await?;
        let changed = (0..rows.len()).filter_map(|r| match rows.cell(r, 0) {
            Cell::Text(table) => CATALOGUE.types.iter().find(|ty| ty.table == table),
            _ => None,
        });
        let changed = changed.collect();
        Ok(Past { session, dialect: self.dialect(), position, changed })
    }
}

impl Past {
    pub async fn run(&mut self, statement: &Statement, binding: &Binding<'_>) -> Result<Rows> {
        let mut arguments = statement.arguments(binding);
        let asked: Vec<&Type> = self.changed.iter().copied().filter(|ty| statement.names(ty.table)).collect();
        if asked.is_empty() {
            return self.session.query(statement.sql(), &arguments, statement.pace(), false).await;
        }
        arguments.push(Arg::Int(self.position));
        let mut sql = String::from("WITH ");
        for (i, ty) in asked.into_iter().enumerate() {
            if i > 0 {
                sql.push_str(", ");
            }
            self.shadow(ty, arguments.len(), &mut sql);
        }
        match statement.sql().strip_prefix("WITH ") {
            Some(rest) => _ = write!(sql, ", {rest}"),
            None => _ = write!(sql, " {}", statement.sql()),
        }
        self.session.query(&sql, &arguments, statement.pace(), false).await
    }

    /// Those of the keys that have a row, whoever may see it.
    pub async fn existing(&mut self, ty: TypeId, keys: Vec<Uuid>) -> Result<Vec<Uuid>> {
        let mut sql = Sql::new(self.dialect);
        sql.push(&format!("SELECT \"id\" FROM \"{}\" WHERE \"id\"", CATALOGUE.ty(ty).table));
        sql.among(0, Kind::Id);
        let binding = Binding { now: Instant(0), me: Uuid::nil(), secret: "", slots: &[Arg::Ids(keys)] };
        let rows = self.run(&Statement::written(sql), &binding).await?;
        Ok((0..rows.len()).filter_map(|r| rows.id(r, 0)).collect())
    }

    pub async fn finish(self) -> Result<()> {
        self.session.finish().await
    }

    /// The rows that were not touched since, and of the others what the first change found.
    fn shadow(&self, ty: &Type, slot: usize, out: &mut String) {
        let table = ty.table;
        let _ = match self.dialect {
            Dialect::Postgres => write!(
                out,
                "\"{table}\" AS (SELECT r.* FROM public.\"{table}\" r WHERE NOT EXISTS (SELECT 1 FROM change_event e \
                 JOIN change_commit c ON c.tx = e.tx WHERE e.object_table = '{table}' AND e.object_id = r.id \
                 AND c.position > ${slot}::int8) UNION ALL SELECT r.* FROM (SELECT DISTINCT ON (e.object_id) e.before_row \
                 FROM change_event e JOIN change_commit c ON c.tx = e.tx WHERE e.object_table = '{table}' \
                 AND c.position > ${slot}::int8 ORDER BY e.object_id, c.position, e.id) f \
                 CROSS JOIN LATERAL json_populate_record(NULL::public.\"{table}\", f.before_row) r \
                 WHERE f.before_row IS NOT NULL)"
            ),
            Dialect::Sqlite => {
                let plain: Vec<String> = ty.fields.iter().map(|f| format!("r.\"{}\"", f.column)).collect();
                let kept = ty.fields.iter().map(|f| match f.kind {
                    Kind::Id => format!("unhex(json_extract(f.before_row, '$.{}'))", f.column),
                    _ => format!("json_extract(f.before_row, '$.{}')", f.column),
                });
                let kept: Vec<String> = kept.collect();
                write!(
                    out,
                    "\"{table}\" AS (SELECT r.rowid AS rowid, {} FROM main.\"{table}\" r WHERE NOT EXISTS (SELECT 1 \
                     FROM change_event e WHERE e.object_table = '{table}' AND e.object_id = r.id AND e.id > ?{slot}) \
                     UNION ALL SELECT -f.id, {} FROM change_event f WHERE f.before_row IS NOT NULL AND f.id IN \
                     (SELECT min(e.id) FROM change_event e WHERE e.object_table = '{table}' AND e.id > ?{slot} \
                     GROUP BY e.object_id))",
                    plain.join(", "),
                    kept.join(", "),
                )
            }
        };
    }
}
