//! Where reads run. Connections of their own, which the database itself keeps from writing: binary
//! rows from PostgreSQL, SQLite in place. Statements come from plans only.

mod lite;
mod rows;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use chrono::NaiveDate;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Timeouts};
use futures_util::TryStreamExt;
use tokio_postgres::{
    NoTls,
    types::{Format, IsNull, ToSql, Type as PgType, private::BytesMut, to_sql_checked},
};
use uuid::Uuid;

use rows::Sent;
pub use rows::{Cell, Rows};

use super::{
    lead::Noted,
    log::Past,
    url::{DatabaseUrl, Dialect},
};
use crate::error::{Error, Result};

/// How long one statement of a read may take, on both databases, and how long one waits for those before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Prepared statements that one connection keeps before it starts anew.
const STATEMENTS: usize = 1_500;

/// A bound value. Its variant is the type that the statement names.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Id(Uuid),
    Date(NaiveDate),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    Ids(Vec<Uuid>),
    Dates(Vec<NaiveDate>),
}

/// What runs have shown of a statement: one that proved long is taken for long in so many runs, then tried
/// anew. Only SQLite, in our process, cares.
#[derive(Debug, Default)]
pub struct Pace(AtomicU32);

impl Pace {
    fn is_short(&self) -> bool {
        let less = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        less.is_err()
    }

    fn set_long(&self) {
        self.0.store(100, Ordering::Relaxed);
    }
}

#[derive(Clone)]
pub struct Reader(Kind);

#[derive(Clone)]
enum Kind {
    Postgres(Pool),
    Sqlite(Arc<lite::Pool>),
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    pub async fn open(url: &DatabaseUrl, connections: usize) -> Result<Self> {
        match url.dialect() {
            Dialect::Sqlite => {
                let file = url.file().ok_or_else(|| Error::internal("a SQLite database without a file"))?;
                Ok(Reader(Kind::Sqlite(Arc::new(lite::Pool::open(file, connections, PATIENCE)?))))
            }
            Dialect::Postgres => {
                let mut config: tokio_postgres::Config =
                    url.reveal().parse().map_err(|_| Error::usage("the database URL is no PostgreSQL URL"))?;
                // plans carry their constants in the text, so one plan per statement serves every value
                // pages follow an index instead of sorting what it finds, and no page is worth a second process
                let ours = format!(
                    "-c default_transaction_read_only=on -c jit=off -c plan_cache_mode=force_generic_plan \
                     -c random_page_cost=1.1 -c parallel_setup_cost=100000 -c statement_timeout={}",
                    PATIENCE.as_millis()
                );
                let options = config.get_options().map_or_else(|| ours.clone(), |given| format!("{given} {ours}"));
                config.options(options).application_name("entente");
                let manager =
                    Manager::from_config(config, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
                let timeout = Some(Duration::from_secs(10));
                let pool = Pool::builder(manager)
                    .max_size(connections.max(1))
                    .timeouts(Timeouts { wait: Some(PATIENCE), create: timeout, recycle: timeout })
                    .runtime(deadpool_postgres::Runtime::Tokio1)
                    .build()
                    .map_err(|e| Error::internal(e.to_string()))?;
                Ok(Reader(Kind::Postgres(pool)))
            }
        }
    }

    /// A place to run the statements of one request. With `snapshot` they see one state of the data.
    pub async fn session(&self, snapshot: bool) -> Result<Session> {
        let on = match &self.0 {
            Kind::Sqlite(pool) => {
                let mut session = pool.take().await?;
                if snapshot {
                    session.begin()?;
                }
                On::Sqlite(session)
            }
            Kind::Postgres(pool) => {
                let client = pool.get().await?;
                if client.statement_cache.size() > STATEMENTS {
                    client.statement_cache.clear();
                }
                let begin = if snapshot { Transaction::Wanted } else { Transaction::None };
                On::Postgres(PgSession { client: Some(client), transaction: begin })
            }
        };
        Ok(Session { on, past: None })
    }
}

pub struct Session {
    on: On,
    /// Statements see a state that was.
    past: Option<Box<Past>>,
}

enum On {
    Sqlite(lite::Session),
    Postgres(PgSession),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transaction {
    None,
    /// Opened together with the first statement, to save a round trip.
    Wanted,
    Open,
}

pub struct PgSession {
    client: Option<Object>,
    transaction: Transaction,
}

impl Session {
    /// With `last` nothing follows, so the transaction can end with the statement.
    pub async fn query(&mut self, sql: &str, args: &[Arg], pace: &Pace, last: bool) -> Result<Rows> {
        self.noted(sql, args, &Noted::default(), pace, last).await
    }

    /// The same of a statement of which it is known what it leads to.
    pub async fn noted(&mut self, sql: &str, args: &[Arg], noted: &Noted, pace: &Pace, last: bool) -> Result<Rows> {
        let past = self.past.as_ref().and_then(|past| past.over(sql, args, noted));
        let (sql, args) = past.as_ref().map_or((sql, args), |(sql, args)| (sql, args));
        match &mut self.on {
            On::Sqlite(session) => session.query(sql, args, pace),
            On::Postgres(session) => session.query(sql, args, last).await,
        }
    }

    pub(in crate::access) fn look_back(&mut self, past: Past) {
        self.past = Some(Box::new(past));
    }

    pub(in crate::access) fn looks_far(&self) -> bool {
        self.past.as_ref().is_some_and(|past| past.is_far())
    }

    pub fn dialect(&self) -> Dialect {
        match &self.on {
            On::Sqlite(_) => Dialect::Sqlite,
            On::Postgres(_) => Dialect::Postgres,
        }
    }

    pub async fn finish(mut self) -> Result<()> {
        match &mut self.on {
            On::Sqlite(session) => session.end(),
            On::Postgres(session) => {
                if let (Transaction::Open, Some(client)) = (session.transaction, &session.client) {
                    client.batch_execute("COMMIT").await?;
                }
                session.transaction = Transaction::None;
                Ok(())
            }
        }
    }
}

impl PgSession {
    async fn query(&mut self, sql: &str, args: &[Arg], last: bool) -> Result<Rows> {
        let client = self.client.as_ref().ok_or_else(|| Error::internal("a finished session"))?;
        let statement = client.prepare_cached(sql).await?;
        let read = async {
            let columns = Sent::columns(&statement);
            let mut rows = Rows::new(columns.len());
            let mut stream = pin!(client.query_raw(&statement, args).await?);
            while let Some(row) = stream.try_next().await? {
                rows.push_row(&row, &columns);
            }
            Ok::<_, tokio_postgres::Error>(rows)
        };
        if self.transaction == Transaction::None {
            return Ok(read.await?);
        }
        let begins = self.transaction == Transaction::Wanted;
        // from here on a session that is dropped half way must not go back to the pool
        self.transaction = Transaction::Open;
        let say = async |text: &str, wanted: bool| if wanted { client.batch_execute(text).await } else { Ok(()) };
        // sent together, in this order
        let (begun, rows, ended) = futures_util::future::join3(
            say("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", begins),
            read,
            say("COMMIT", last),
        )
        .await;
        begun?;
        let rows = rows?;
        ended?;
        if last {
            self.transaction = Transaction::None;
        }
        Ok(rows)
    }
}

impl Drop for PgSession {
    fn drop(&mut self) {
        if let (Transaction::Open, Some(client)) = (self.transaction, self.client.take()) {
            drop(Object::take(client));
        }
    }
}

impl ToSql for Arg {
    fn to_sql(
        &self,
        ty: &PgType,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Arg::Null => Ok(IsNull::Yes),
            Arg::Int(n) => n.to_sql(ty, out),
            Arg::Bool(b) => b.to_sql(ty, out),
            Arg::Text(s) => s.to_sql(ty, out),
            Arg::Id(id) => id.to_sql(ty, out),
            Arg::Date(day) => day.to_sql(ty, out),
            Arg::Ints(v) => v.to_sql(ty, out),
            Arg::Texts(v) => v.to_sql(ty, out),
            Arg::Ids(v) => v.to_sql(ty, out),
            Arg::Dates(v) => v.to_sql(ty, out),
        }
    }

    fn accepts(_: &PgType) -> bool {
        true
    }

    fn encode_format(&self, _: &PgType) -> Format {
        Format::Binary
    }

    to_sql_checked!();
}
