//! SQLite in place: the statement runs on the thread that asks, which costs less than handing it over.
//! Only one that proves long is run beside the threads that serve.

use std::{
    path::Path,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, ErrorCode, OpenFlags,
    functions::FunctionFlags,
    types::{ToSql, ToSqlOutput, Value, ValueRef},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Arg, Pace, Rows};
use crate::{
    access::treat::pseudonym,
    error::{Error, Result},
};

/// A feed has about five for each view that is followed; without them most of its time goes into preparing them.
const STATEMENTS: usize = 1_024;

pub struct Pool {
    idle: Arc<Mutex<Vec<Lite>>>,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Pool {
    pub fn open(file: &Path, connections: usize, patience: Duration) -> Result<Self> {
        let connections = connections.max(1);
        let all = (0..connections).map(|_| connect(file)).collect::<Result<Vec<_>>>()?;
        Ok(Pool { idle: Arc::new(Mutex::new(all)), places: Arc::new(Semaphore::new(connections)), patience })
    }

    pub async fn take(&self) -> Result<Session> {
        let wait = tokio::time::timeout(super::PATIENCE, self.places.clone().acquire_owned());
        let place = match wait.await {
            Ok(Ok(place)) => place,
            _ => return Err(Error::unavailable("no database connection became free in time")),
        };
        let connection = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = connection.ok_or_else(|| Error::internal("the connection pool is out of step"))?;
        Ok(Session {
            connection: Some(connection),
            idle: self.idle.clone(),
            open: false,
            patience: self.patience,
            _place: place,
        })
    }
}

/// A connection, and how far the statement that it runs may go.
struct Lite {
    connection: Connection,
    watch: Arc<Mutex<Watch>>,
}

/// When to interrupt: after so many looks, or at the first one after this moment.
#[derive(Default)]
struct Watch {
    looks: Option<u32>,
    deadline: Option<Instant>,
}

impl Watch {
    fn is_over(&mut self) -> bool {
        let looked_enough = self.looks.as_mut().is_some_and(|left| {
            *left = left.saturating_sub(1);
            *left == 0
        });
        looked_enough || self.deadline.is_some_and(|end| end < Instant::now())
    }
}

/// How often SQLite looks at the clock: every so many of its instructions.
const LOOK: i32 = 20_000;
/// A statement may hold up what else waits for its thread for so many looks, a few milliseconds of work.
/// Telling the runtime beforehand costs two wake-ups of other threads, as much as a small page itself.
const LOOKS_IN_PLACE: u32 = 5;

fn connect(file: &Path) -> Result<Lite> {
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // `like` must tell upper from lower case, as it does on PostgreSQL
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA case_sensitive_like = ON; PRAGMA mmap_size = 268435456; \
         PRAGMA cache_size = -4096; PRAGMA temp_store = MEMORY",
    )?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    rusqlite::vtab::array::load_module(&connection)?;
    connection.create_scalar_function(
        "pseudonym",
        2,
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC,
        |arguments| {
            let (secret, value): (String, Option<String>) = (arguments.get(0)?, arguments.get(1)?);
            Ok(value.map(|value| pseudonym(&secret, &value)))
        },
    )?;
    let watch: Arc<Mutex<Watch>> = Arc::default();
    let watched = watch.clone();
    connection
        .progress_handler(LOOK, Some(move || watched.lock().unwrap_or_else(PoisonError::into_inner).is_over()))?;
    Ok(Lite { connection, watch })
}

pub struct Session {
    connection: Option<Lite>,
    idle: Arc<Mutex<Vec<Lite>>>,
    open: bool,
    patience: Duration,
    _place: OwnedSemaphorePermit,
}

impl Session {
    fn connection(&self) -> Result<&Connection> {
        Ok(&self.lite()?.connection)
    }

    fn lite(&self) -> Result<&Lite> {
        self.connection.as_ref().ok_or_else(|| Error::internal("a finished session"))
    }

    pub fn begin(&mut self) -> Result<()> {
        self.connection()?.execute_batch("BEGIN")?;
        self.open = true;
        Ok(())
    }

    pub fn end(&mut self) -> Result<()> {
        if std::mem::take(&mut self.open) {
            self.connection()?.execute_batch("COMMIT")?;
        }
        Ok(())
    }

    pub fn query(&mut self, sql: &str, args: &[Arg], pace: &Pace) -> Result<Rows> {
        let lite = self.lite()?;
        let flavor = tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor());
        let shared = flavor.is_ok_and(|flavor| flavor == tokio::runtime::RuntimeFlavor::MultiThread);
        if !shared {
            return Ok(lite.run(sql, args, None, self.patience)?);
        }
        if pace.is_short() {
            match lite.run(sql, args, Some(LOOKS_IN_PLACE), self.patience) {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => pace.set_long(),
                done => return Ok(done?),
            }
        }
        Ok(tokio::task::block_in_place(|| lite.run(sql, args, None, self.patience))?)
    }
}

impl Lite {
    fn run(&self, sql: &str, args: &[Arg], looks: Option<u32>, patience: Duration) -> rusqlite::Result<Rows> {
        let deadline = Some(Instant::now() + patience);
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = Watch { looks, deadline };
        let mut statement = self.connection.prepare_cached(sql)?;
        let columns = statement.column_count();
        let mut out = Rows::new(columns);
        let mut rows = statement.query(rusqlite::params_from_iter(args))?;
        while let Some(row) = rows.next()? {
            for i in 0..columns {
                out.push(row.get_ref(i)?);
            }
        }
        Ok(out)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(lite) = self.connection.take() else { return };
        if self.open && lite.connection.execute_batch("ROLLBACK").is_err() {
            tracing::error!("a read transaction could not be ended");
        }
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lite);
    }
}

impl ToSql for Arg {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let array = |values: Vec<Value>| ToSqlOutput::from_rc(Rc::new(values), c"rarray");
        Ok(match self {
            Arg::Null => ToSqlOutput::Owned(Value::Null),
            Arg::Int(n) => ToSqlOutput::Owned(Value::Integer(*n)),
            Arg::Bool(b) => ToSqlOutput::Owned(Value::Integer(i64::from(*b))),
            Arg::Text(s) => ToSqlOutput::Borrowed(ValueRef::Text(s.as_bytes())),
            Arg::Id(id) => ToSqlOutput::Borrowed(ValueRef::Blob(id.as_bytes())),
            Arg::Date(day) => ToSqlOutput::Owned(Value::Text(day.to_string())),
            Arg::Ints(v) => array(v.iter().map(|n| Value::Integer(*n)).collect()),
            Arg::Texts(v) => array(v.iter().map(|s| Value::Text(s.clone())).collect()),
            Arg::Ids(v) => array(v.iter().map(|id| Value::Blob(id.as_bytes().to_vec())).collect()),
            Arg::Dates(v) => array(v.iter().map(|d| Value::Text(d.to_string())).collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    #[tokio::test]
    async fn a_statement_that_takes_too_long_is_ended_and_the_connection_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("empty.db")).unwrap();
        let pool = Pool::open(&folder.path().join("empty.db"), 1, Duration::from_millis(50)).unwrap();
        let mut session = pool.take().await.unwrap();
        let endless = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c";
        let error = session.query(endless, &[], &Pace::default()).err().unwrap();
        assert_eq!(error.code(), Code::CostLimitExceeded);
        assert!(session.query("SELECT 1", &[], &Pace::default()).is_ok());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_long_statement_is_begun_again_beside_the_threads_that_serve() {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("empty.db")).unwrap();
        let pool = Pool::open(&folder.path().join("empty.db"), 1, Duration::from_secs(60)).unwrap();
        let (mut session, pace) = (pool.take().await.unwrap(), Pace::default());
        session.begin().unwrap();
        let counted = |n: u32| {
            format!("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT {n}) SELECT count(*) FROM c")
        };
        session.query(&counted(10), &[], &pace).unwrap();
        assert!(pace.is_short());
        let rows = session.query(&counted(1_000_000), &[], &pace).unwrap();
        assert_eq!(rows.int(0, 0), Some(1_000_000));
        assert!(!pace.is_short());
        session.end().unwrap();
    }
}
