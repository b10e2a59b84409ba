//! The operator's door for writing many rows: import, generation and the demo world. One [`Load`] is
//! one write transaction; what is not committed was never there. It has no view, because it serves
//! nobody who asks over a network: whoever runs a system command holds the database already.

mod lift;
mod postgres;
mod sqlite;

use std::collections::{HashMap, HashSet};

use entities::{Decimal, Instant, meta::Kind};
use sea_orm::{ActiveModelTrait, EntityTrait, IdenStatic, Iterable};
use uuid::Uuid;

use super::{
    chain::Head,
    connect::{Db, Dialect},
    log::Acting,
};
use crate::{
    catalogue::{CATALOGUE, Type, Value},
    error::{Error, Result},
};

/// So many rows go to the database at once: enough to hide the round trip, few enough to hold in memory.
pub const CHUNK: usize = 5_000;
/// From so many new rows on, the planner's statistics of a table are taken anew before the commit.
const WORTH_ANALYZING: usize = 5_000;

/// One write transaction of a system command. Dropped without [`Load::commit`], it leaves nothing.
pub struct Load {
    door: Door,
    /// New rows by table.
    written: HashMap<&'static str, usize>,
}

enum Door {
    Postgres(postgres::Writer),
    Sqlite(sqlite::Writer),
}

/// A row that the database does not take, by its place in the rows given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub row: usize,
    pub reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another row has these values in these columns, which must differ.
    Taken(Vec<String>),
    /// The column must not be null.
    Missing(String),
    /// What the column points at is not there; SQLite does not say which column.
    Dangling(Option<String>),
    /// Anything else, in the database's words.
    Other(String),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Reason::Taken(columns) => write!(f, "another row has the same `{}`", columns.join("`, `")),
            Reason::Missing(column) => write!(f, "`{column}` must not be empty"),
            Reason::Dangling(Some(column)) => write!(f, "the row that `{column}` points at does not exist"),
            Reason::Dangling(None) => f.write_str("a row that it points at does not exist"),
            Reason::Other(text) => f.write_str(text),
        }
    }
}

/// Rows of one entity, ready to be written by the catalogue.
pub struct Batch {
    pub ty: &'static Type,
    /// Values of all fields, in the order of [`Type::fields`].
    pub rows: Vec<Vec<Value>>,
}

impl Batch {
    /// A value that is not set is null.
    pub fn of<E: EntityTrait>(rows: impl IntoIterator<Item = E::ActiveModel>) -> Result<Self> {
        let ty = type_of(E::default().table_name())?;
        let columns: Result<Vec<_>> =
            E::Column::iter().map(|column| Ok((column, place(ty, column.as_str())?))).collect();
        let columns = columns?;
        let row = |row: E::ActiveModel| {
            let mut out = vec![Value::Null; ty.fields.len()];
            for (column, at) in &columns {
                if let Some(value) = row.get(*column).into_value() {
                    let field = &ty.fields[*at];
                    let unknown = || Error::internal(format!("`{}.{}` has an unknown kind", ty.table, field.column));
                    out[*at] = of_orm(value, field.kind).ok_or_else(unknown)?;
                }
            }
            Ok(out)
        };
        Ok(Batch { ty, rows: rows.into_iter().map(row).collect::<Result<_>>()? })
    }
}

/// The database's answer to a batch: it took the rows but those named, or the transaction is lost.
type Outcome = Result<Vec<Refusal>>;

impl Db {
    /// Begins the transaction on a connection of its own. On SQLite it waits some seconds for another
    /// writer to end, and no other can write until this one has.
    pub async fn load(&self) -> Result<Load> {
        let door = match self.dialect() {
            Dialect::Postgres => Door::Postgres(postgres::Writer::begin(&self.url).await?),
            Dialect::Sqlite => Door::Sqlite(sqlite::Writer::begin(&self.url)?),
        };
        Ok(Load { door, written: HashMap::new() })
    }
}

impl Load {
    /// Says who acts, before the first row is written. Without it nobody does.
    pub async fn act(&mut self, acting: &Acting) -> Result<()> {
        match &mut self.door {
            Door::Postgres(writer) => writer.act(acting).await,
            Door::Sqlite(writer) => writer.act(acting),
        }
    }

    /// Inserts rows of one entity. A value that is not set is null.
    pub async fn insert_many<E: EntityTrait>(&mut self, rows: Vec<E::ActiveModel>) -> Result<()> {
        self.insert_batch(&Batch::of::<E>(rows)?).await
    }

    pub async fn insert_batch(&mut self, batch: &Batch) -> Result<()> {
        let columns: Vec<usize> = (0..batch.ty.fields.len()).collect();
        self.insert(batch.ty, &columns, &batch.rows).await
    }

    /// Inserts rows by the catalogue: `columns` are indices of [`Type::fields`], each row has their
    /// values in this order. A refused row ends the transaction.
    pub async fn insert(&mut self, ty: &Type, columns: &[usize], rows: &[Vec<Value>]) -> Result<()> {
        for chunk in rows.chunks(CHUNK) {
            match &mut self.door {
                Door::Postgres(writer) => writer.copy(ty, columns, chunk).await?,
                Door::Sqlite(writer) => writer.insert(ty, columns, chunk)?,
            }
        }
        self.note(ty, rows.len());
        Ok(())
    }

    /// As [`Load::insert`], but a refused row leaves the others in place and is named.
    pub async fn insert_each(&mut self, ty: &Type, columns: &[usize], rows: &[Vec<Value>]) -> Outcome {
        let refusals = match &mut self.door {
            Door::Postgres(writer) => writer.copy_each(ty, columns, rows).await?,
            Door::Sqlite(writer) => writer.insert_each(ty, columns, rows)?,
        };
        self.note(ty, rows.len() - refusals.len());
        Ok(refusals)
    }

    /// Sets `columns` of the rows with these keys.
    pub async fn update_each(&mut self, ty: &Type, columns: &[usize], rows: &[(Uuid, Vec<Value>)]) -> Outcome {
        match &mut self.door {
            Door::Postgres(writer) => writer.update_each(ty, columns, rows).await,
            Door::Sqlite(writer) => writer.update_each(ty, columns, rows),
        }
    }

    /// Which of these rows exist.
    pub async fn existing(&mut self, ty: &Type, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        match &mut self.door {
            Door::Postgres(writer) => writer.existing(ty, ids).await,
            Door::Sqlite(writer) => writer.existing(ty, ids),
        }
    }

    /// One field of these rows; those that do not exist are left out.
    pub async fn values(&mut self, ty: &Type, field: usize, ids: &[Uuid]) -> Result<HashMap<Uuid, Value>> {
        match &mut self.door {
            Door::Postgres(writer) => writer.values(ty, field, ids).await,
            Door::Sqlite(writer) => writer.values(ty, field, ids),
        }
    }

    /// The rows that these keys of a source stand for; unknown keys are left out.
    pub async fn keyed(&mut self, ty: &Type, source: &str, keys: &[String]) -> Result<HashMap<String, Uuid>> {
        match &mut self.door {
            Door::Postgres(writer) => writer.keyed(ty, source, keys).await,
            Door::Sqlite(writer) => writer.keyed(ty, source, keys),
        }
    }

    /// Notes the keys under which a source knows these rows.
    pub async fn register(&mut self, ty: &Type, source: &str, keys: &[(String, Uuid)]) -> Result<()> {
        match &mut self.door {
            Door::Postgres(writer) => writer.register(ty, source, keys).await,
            Door::Sqlite(writer) => writer.register(ty, source, keys),
        }
    }

    /// The first row, by key, with this text in the field.
    pub async fn first_with(&mut self, ty: &Type, field: usize, text: &str) -> Result<Option<Uuid>> {
        match &mut self.door {
            Door::Postgres(writer) => writer.first_with(ty, field, text).await,
            Door::Sqlite(writer) => writer.first_with(ty, field, text),
        }
    }

    /// Promises that very many right rows of this type follow. Where that pays, and the table is empty, its
    /// keys are checked and its indexes built at the end; others wait for the table until then.
    pub async fn expect_many(&mut self, ty: &Type) -> Result<()> {
        match &mut self.door {
            Door::Postgres(writer) => writer.lift(ty).await,
            Door::Sqlite(_) => Ok(()),
        }
    }

    pub async fn is_empty(&mut self, ty: &Type) -> Result<bool> {
        match &mut self.door {
            Door::Postgres(writer) => writer.is_empty(ty).await,
            Door::Sqlite(writer) => writer.is_empty(ty),
        }
    }

    /// The end of the access log, which no other writer can move until this transaction ends.
    pub async fn audit_head(&mut self) -> Result<Head> {
        let head = match &mut self.door {
            Door::Postgres(writer) => writer.audit_head().await?,
            Door::Sqlite(writer) => writer.audit_head()?,
        };
        head.ok_or_else(|| Error::internal("table audit_chain is empty"))
    }

    pub async fn set_audit_head(&mut self, head: &Head) -> Result<()> {
        match &mut self.door {
            Door::Postgres(writer) => writer.set_audit_head(head).await,
            Door::Sqlite(writer) => writer.set_audit_head(head),
        }
    }

    pub async fn commit(self) -> Result<()> {
        let grown: Vec<_> = self.written.into_iter().filter(|(_, n)| *n >= WORTH_ANALYZING).map(|(t, _)| t).collect();
        match self.door {
            Door::Postgres(writer) => writer.commit(&grown).await,
            Door::Sqlite(writer) => writer.commit(&grown),
        }
    }

    fn note(&mut self, ty: &Type, rows: usize) {
        *self.written.entry(ty.table).or_default() += rows;
    }
}

fn type_of(table: &str) -> Result<&'static Type> {
    let ty = CATALOGUE.types.iter().find(|ty| ty.table == table);
    ty.ok_or_else(|| Error::internal(format!("table `{table}` is not in the catalogue")))
}

fn place(ty: &Type, column: &str) -> Result<usize> {
    let at = ty.fields.iter().position(|field| field.column == column);
    at.ok_or_else(|| Error::internal(format!("`{}.{column}` is not in the catalogue", ty.table)))
}

fn of_orm(value: sea_orm::Value, kind: Kind) -> Option<Value> {
    use sea_orm::Value as V;
    Some(match value {
        V::String(text) => text.into(),
        V::Bool(flag) => flag.into(),
        V::SmallInt(n) => n.map(i64::from).into(),
        V::Int(n) => n.map(i64::from).into(),
        V::BigInt(n) => match kind {
            Kind::Decimal => n.map(Decimal).into(),
            Kind::Instant => n.map(Instant).into(),
            _ => n.into(),
        },
        V::ChronoDate(day) => day.into(),
        V::Uuid(id) => id.into(),
        V::Json(json) => json.map_or(Value::Null, |json| Value::Json(*json)),
        _ => return None,
    })
}

/// `"a", "b"`
fn names(ty: &Type, columns: &[usize]) -> String {
    columns.iter().map(|c| format!("\"{}\"", ty.fields[*c].column)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use sea_orm::ActiveValue::Set;

    use super::*;
    use crate::access::connect::DatabaseUrl;

    async fn hub() -> (tempfile::TempDir, Db) {
        let folder = tempfile::tempdir().expect("a folder");
        let db = Db::open(&DatabaseUrl::sqlite(folder.path().join("hub.db"))).await.expect("a database");
        db.migrate_up().await.expect("tables");
        (folder, db)
    }

    fn named(name: &str) -> &'static Type {
        CATALOGUE.by_name(name).expect("a type")
    }

    fn columns(ty: &Type, names: &[&str]) -> Vec<usize> {
        names.iter().map(|name| ty.field_index(name).expect("a field")).collect()
    }

    fn organisation(n: u128, slug: &str) -> Vec<Value> {
        let id = Value::Id(Uuid::from_u128(n));
        let status = Value::from("active");
        vec![id, slug.into(), "A".into(), "A".into(), "AT".into(), "AT".into(), status, Instant(0).into()]
    }

    const COLUMNS: &[&str] = &["id", "slug", "displayName", "legalName", "country", "region", "status", "createdAt"];

    #[tokio::test]
    async fn what_is_not_committed_was_never_there() {
        let (_folder, db) = hub().await;
        let ty = named("Organisation");
        let columns = columns(ty, COLUMNS);
        let mut load = db.load().await.expect("a transaction");
        load.insert(ty, &columns, &[organisation(1, "a")]).await.expect("taken");
        assert!(!load.is_empty(ty).await.expect("an answer"));
        drop(load);

        let mut load = db.load().await.expect("a transaction");
        assert!(load.is_empty(ty).await.expect("an answer"));
        load.insert(ty, &columns, &[organisation(1, "a")]).await.expect("taken");
        load.commit().await.expect("kept");
        let mut load = db.load().await.expect("a transaction");
        assert!(!load.is_empty(ty).await.expect("an answer"));
    }

    #[tokio::test]
    async fn refused_rows_are_named_and_the_others_stay() {
        let (_folder, db) = hub().await;
        let (ty, units) = (named("Organisation"), named("OrgUnit"));
        let mut load = db.load().await.expect("a transaction");
        let rows = [organisation(1, "a"), organisation(2, "b"), organisation(3, "a"), organisation(4, "d")];
        let refusals = load.insert_each(ty, &columns(ty, COLUMNS), &rows).await.expect("an answer");
        assert_eq!(refusals, [Refusal { row: 2, reason: Reason::Taken(vec!["slug".into()]) }]);
        let ids: Vec<Uuid> = (1..=4).map(Uuid::from_u128).collect();
        let there = load.existing(ty, &ids).await.expect("an answer");
        assert!(there.len() == 3 && !there.contains(&ids[2]));

        let unit = columns(units, &["id", "organisation", "name", "kind", "country", "region"]);
        let row = |organisation: u128| {
            let texts = ["U", "plant", "AT", "AT"].map(Value::from);
            [vec![Value::Id(Uuid::from_u128(9)), Value::Id(Uuid::from_u128(organisation))], texts.to_vec()].concat()
        };
        let refusals = load.insert_each(units, &unit, &[row(3), row(1)]).await.expect("an answer");
        assert_eq!(refusals, [Refusal { row: 0, reason: Reason::Dangling(None) }]);
        let missing = load.insert_each(ty, &columns(ty, &["id"]), &[vec![Value::Id(Uuid::from_u128(7))]]).await;
        assert!(matches!(missing.expect("an answer")[0].reason, Reason::Missing(_)));
    }

    #[tokio::test]
    async fn models_keys_and_updates() {
        let (_folder, db) = hub().await;
        let mut load = db.load().await.expect("a transaction");
        let id = Uuid::from_u128(5);
        let model = entities::organisation::ActiveModel {
            id: Set(id),
            slug: Set("a".into()),
            display_name: Set("A".into()),
            legal_name: Set("A Ltd".into()),
            country: Set("AT".into()),
            region: Set("AT".into()),
            external_ids: Set(Some(serde_json::json!({"lei": "1"}))),
            status: Set("active".into()),
            created_at: Set(Instant(7)),
            ..Default::default()
        };
        load.insert_many::<entities::organisation::Entity>(vec![model]).await.expect("taken");
        let ty = named("Organisation");
        load.register(ty, "erp", &[("4711".into(), id)]).await.expect("noted");
        let keys = ["4711".to_owned(), "4712".to_owned()];
        assert_eq!(load.keyed(ty, "erp", &keys).await.expect("an answer"), HashMap::from([("4711".to_owned(), id)]));
        assert!(load.keyed(ty, "crm", &keys).await.expect("an answer").is_empty());

        let change = [(id, vec![Value::from("B"), Value::Null])];
        let changed = load.update_each(ty, &columns(ty, &["displayName", "externalIds"]), &change).await;
        assert!(changed.expect("an answer").is_empty());
        for (field, value) in [
            ("displayName", Value::from("B")),
            ("legalName", "A Ltd".into()),
            ("externalIds", Value::Null),
            ("createdAt", Instant(7).into()),
            ("id", id.into()),
        ] {
            let values = load.values(ty, columns(ty, &[field])[0], &[id]).await.expect("an answer");
            assert_eq!(values, HashMap::from([(id, value)]), "{field}");
        }
    }
}
