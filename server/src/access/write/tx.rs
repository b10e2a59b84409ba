//! One write transaction of a request, over SeaORM: one code for both databases. Rows that it reads it locks, so that
//! they are the same at the commit as before the guard; what belongs to a set is as of the moment when it is asked.
//! Dropped without a commit it leaves nothing.

use chrono::NaiveDate;
use entities::{Decimal, Instant, meta::Kind};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbErr, QueryResult, RuntimeErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
    sea_query::{Alias, Expr, ExprTrait, LockType, Query},
    sqlx,
};
use uuid::Uuid;

use crate::{
    access::{
        chain::Head,
        connect::{Db, Dialect},
        log::Acting,
        memory::{Known, Needs},
        read::Arg,
        select::{Binding, Statement},
        sql::{Bind, BindType, Sql},
    },
    audit::{Line, Who, linked},
    catalogue::{CATALOGUE, Field, Type, Value},
    error::{Error, Result},
};

pub(super) struct Tx {
    inner: DatabaseTransaction,
    dialect: Dialect,
}

/// Why the database does not take a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Another row has values that must differ.
    Taken,
    /// It points at a row that is not there, or others point at it.
    Dangling,
    /// A value that the column cannot hold.
    Value,
}

/// How long a row that is read stays as it is: until the transaction ends.
#[derive(Clone, Copy)]
pub(super) enum Lock {
    /// Others may read it, and decide by it.
    Share,
    /// It is about to be written.
    Write,
}

impl From<Lock> for LockType {
    fn from(lock: Lock) -> Self {
        match lock {
            Lock::Share => LockType::Share,
            Lock::Write => LockType::Update,
        }
    }
}

impl Tx {
    /// On SQLite it is the only writer from here on.
    pub async fn begin(db: &Db) -> Result<Self> {
        let immediate = Some(SqliteTransactionMode::Immediate);
        let options = TransactionOptions { sqlite_transaction_mode: immediate, ..TransactionOptions::default() };
        Ok(Tx { inner: db.writer().begin_with_options(options).await?, dialect: db.dialect() })
    }

    /// Who makes the changes that follow, for the change log.
    pub async fn act(&self, who: Who, at: Instant) -> Result<()> {
        let acting = Acting { principal: Some(who.principal), organisation: Some(who.organisation), at: Some(at) };
        acting.say(&self.inner).await
    }

    pub async fn commit(self) -> Result<()> {
        Acting::commit(self.inner).await
    }

    /// The connection, for what belongs to the hub and to no type.
    pub fn inner(&self) -> &DatabaseTransaction {
        &self.inner
    }

    /// The version of the shared data, which stays until the transaction ends, unless it raises it itself: for that
    /// it is locked to be written from the start. Two that share it would wait for each other.
    pub async fn version(&self, lock: Lock) -> Result<i64> {
        let mut query = Query::select();
        query.column(Alias::new("version")).from(Alias::new("access_version")).lock(lock.into());
        let row = self.inner.query_one(&query).await.map_err(failed)?;
        row.ok_or_else(|| Error::internal("table access_version is empty"))?.try_get_by_index(0).map_err(Error::from)
    }

    /// All values of a row, in the type's order.
    pub async fn row(&self, ty: &Type, key: Uuid, lock: Lock) -> Result<Option<Vec<Value>>> {
        let mut query = Query::select();
        for field in &ty.fields {
            let column = Expr::col(Alias::new(field.column));
            query.expr(match field.kind {
                // however narrow it is kept
                Kind::Int => column.cast_as(Alias::new("bigint")),
                _ => column,
            });
        }
        query.from(Alias::new(ty.table)).and_where(Expr::col(Alias::new("id")).eq(key));
        query.lock(lock.into());
        let Some(row) = self.inner.query_one(&query).await.map_err(failed)? else { return Ok(None) };
        ty.fields.iter().enumerate().map(|(i, field)| read(field, &row, i)).collect::<Result<_>>().map(Some)
    }

    /// `Err`: the database refuses, and the transaction is as it was.
    pub async fn insert(&self, ty: &Type, row: &[(usize, Value)]) -> Result<std::result::Result<(), Reason>> {
        let mut query = Query::insert();
        query.into_table(Alias::new(ty.table)).columns(row.iter().map(|(i, _)| Alias::new(ty.fields[*i].column)));
        let values = row.iter().map(|(i, value)| Expr::value(stored(&ty.fields[*i], value)));
        query.values(values).map_err(|e| Error::internal(e.to_string()))?;
        self.attempt(&query).await
    }

    pub async fn update(
        &self,
        ty: &Type,
        key: Uuid,
        values: &[(usize, Value)],
    ) -> Result<std::result::Result<(), Reason>> {
        let mut query = Query::update();
        query.table(Alias::new(ty.table)).and_where(Expr::col(Alias::new("id")).eq(key));
        for (i, value) in values {
            query.value(Alias::new(ty.fields[*i].column), Expr::value(stored(&ty.fields[*i], value)));
        }
        self.attempt(&query).await
    }

    pub async fn delete(&self, ty: &Type, key: Uuid) -> Result<std::result::Result<(), Reason>> {
        let mut query = Query::delete();
        query.from_table(Alias::new(ty.table)).and_where(Expr::col(Alias::new("id")).eq(key));
        self.attempt(&query).await
    }

    /// In a transaction within, since PostgreSQL gives up the outer one at a refusal.
    async fn attempt(&self, statement: &impl sea_orm::StatementBuilder) -> Result<std::result::Result<(), Reason>> {
        let within = self.inner.begin().await?;
        match within.execute(statement).await {
            Ok(_) => {
                within.commit().await?;
                Ok(Ok(()))
            }
            Err(error) => {
                let Some(reason) = reason(&error) else { return Err(failed(error)) };
                within.rollback().await?;
                Ok(Err(reason))
            }
        }
    }

    /// Puts a line at the end of the access log. Other writers wait for it, so it comes last.
    pub async fn log(&self, line: Line) -> Result<()> {
        let names = ["chain", "since", "seq", "hash"];
        let mut query = Query::select();
        query.columns(names.map(Alias::new)).from(Alias::new("audit_chain")).lock(LockType::Update);
        let row = self.inner.query_one(&query).await.map_err(failed)?;
        let row = row.ok_or_else(|| Error::internal("table audit_chain is empty"))?;
        let mut head = Head {
            chain: row.try_get_by_index(0)?,
            since: row.try_get_by_index(1)?,
            seq: row.try_get_by_index(2)?,
            hash: row.try_get_by_index(3)?,
        };
        let (ty, values) = linked(&mut head, line)?;
        let refused = |reason| Error::internal(format!("the access log does not take a line: {reason:?}"));
        self.insert(ty, &values).await?.map_err(refused)?;
        let mut query = Query::update();
        query.table(Alias::new("audit_chain"));
        query.value(Alias::new("seq"), head.seq).value(Alias::new("hash"), head.hash);
        self.inner.execute(&query).await?;
        Ok(())
    }

    /// Decides with facts as this transaction sees them: asks for those that are lacking until there is an answer.
    pub async fn decide<T>(
        &self,
        now: Instant,
        mut decision: impl FnMut(&Known, &mut Needs) -> Option<T>,
    ) -> Result<T> {
        let mut known = Known::at(now);
        loop {
            let mut needs = Needs::default();
            if let Some(decided) = decision(&known, &mut needs) {
                return Ok(decided);
            }
            if needs.is_empty() {
                return Err(Error::internal("a decision that lacks facts does not say which"));
            }
            for (ty, key) in needs.rows() {
                let row = self.row(CATALOGUE.ty(ty), key, Lock::Share).await?;
                known.learn_row(ty, key, row);
            }
            for (set, holder, member) in needs.members() {
                let is = self.is_member(now, set, holder, &member).await?;
                known.learn_member(set, holder, &member, is);
            }
        }
    }

    async fn is_member(&self, now: Instant, set: &str, holder: Uuid, member: &Value) -> Result<bool> {
        let (member, ty) = match member {
            Value::Id(key) => (Arg::Id(*key), BindType::Id),
            Value::Text(code) => (Arg::Text(code.clone()), BindType::Text),
            _ => return Ok(false),
        };
        let mut sql = Sql::new(self.dialect);
        sql.push("SELECT CASE WHEN ").bind(Bind::Slot(1), ty);
        sql.push(" IN (").members(set, |sql| sql.bind(Bind::Slot(0), BindType::Id));
        sql.push(") THEN 1 ELSE 0 END");
        let statement = Statement::written(sql);
        let slots = [Arg::Id(holder), member];
        let binding = Binding { now, me: Uuid::nil(), secret: "", slots: &slots };
        let values = statement.arguments(&binding).into_iter().map(bound);
        let backend = self.inner.get_database_backend();
        let asked = sea_orm::Statement::from_sql_and_values(backend, statement.sql(), values);
        let row = self.inner.query_one_raw(asked).await?.ok_or_else(|| Error::internal("a question without answer"))?;
        let is: i32 = row.try_get_by_index(0)?;
        Ok(is == 1)
    }
}

fn bound(arg: Arg) -> sea_orm::Value {
    match arg {
        Arg::Int(n) => n.into(),
        Arg::Bool(b) => b.into(),
        Arg::Text(text) => text.into(),
        Arg::Id(id) => id.into(),
        Arg::Date(day) => day.into(),
        // no set is asked for with lists
        Arg::Null | Arg::Ints(_) | Arg::Texts(_) | Arg::Ids(_) | Arg::Dates(_) => sea_orm::Value::String(None),
    }
}

/// A null has a type too.
fn stored(field: &Field, value: &Value) -> sea_orm::Value {
    use sea_orm::Value as V;
    match (field.kind, value) {
        (Kind::Id, Value::Id(id)) => (*id).into(),
        (Kind::Id, _) => V::Uuid(None),
        (Kind::Text, Value::Text(text)) => text.clone().into(),
        (Kind::Text, _) => V::String(None),
        (Kind::Bool, Value::Bool(b)) => (*b).into(),
        (Kind::Bool, _) => V::Bool(None),
        (Kind::Date, Value::Date(day)) => (*day).into(),
        (Kind::Date, _) => V::ChronoDate(None),
        (Kind::Json, Value::Json(json)) => json.clone().into(),
        (Kind::Json, _) => V::Json(None),
        (Kind::Int, Value::Int(n)) | (Kind::Decimal, Value::Decimal(Decimal(n))) => (*n).into(),
        (Kind::Instant, Value::Instant(Instant(n))) => (*n).into(),
        (Kind::Int | Kind::Decimal | Kind::Instant, _) => V::BigInt(None),
    }
}

fn read(field: &Field, row: &QueryResult, i: usize) -> Result<Value> {
    let number = || row.try_get_by_index::<Option<i64>>(i);
    Ok(match field.kind {
        Kind::Id => row.try_get_by_index::<Option<Uuid>>(i)?.into(),
        Kind::Text => row.try_get_by_index::<Option<String>>(i)?.into(),
        Kind::Bool => row.try_get_by_index::<Option<bool>>(i)?.into(),
        Kind::Date => row.try_get_by_index::<Option<NaiveDate>>(i)?.into(),
        Kind::Json => row.try_get_by_index::<Option<serde_json::Value>>(i)?.map_or(Value::Null, Value::Json),
        Kind::Int => number()?.into(),
        Kind::Decimal => number()?.map(Decimal).into(),
        Kind::Instant => number()?.map(Instant).into(),
    })
}

fn code(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error else {
        return None;
    };
    match &**cause {
        sqlx::Error::Database(cause) => cause.code().map(|code| code.into_owned()),
        _ => None,
    }
}

/// Deadlocks and the like, which end one of two transactions.
pub(super) fn failed(error: DbErr) -> Error {
    match code(&error).as_deref() {
        Some("40P01" | "40001" | "55P03") => Error::InTheWay,
        _ => error.into(),
    }
}

/// By the code of PostgreSQL or SQLite: unique, foreign key, then what a column cannot hold.
fn reason(error: &DbErr) -> Option<Reason> {
    match code(error)?.as_str() {
        "23505" | "2067" | "1555" => Some(Reason::Taken),
        "23503" | "787" => Some(Reason::Dangling),
        "23502" | "23514" | "22003" | "22021" | "1299" | "275" => Some(Reason::Value),
        _ => None,
    }
}
