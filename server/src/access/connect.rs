//! The database, and the only place where it is opened. Its connections are private to `access`: a door
//! that would read past the gate does not compile.

use std::{fmt, fs, io, path::PathBuf, sync::Arc, time::Duration};

use migration::{Migrator, MigratorTrait};
use sea_orm::{
    DatabaseConnection, DbErr, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        self, ConnectOptions, Connection, PgConnection,
        postgres::{PgConnectOptions, PgPoolOptions},
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    },
};

use super::{
    read::Reader,
    url::{Place, address},
};
use crate::error::{Error, Result};

pub use super::url::{DatabaseUrl, Dialect};

/// The oldest PostgreSQL that is tested.
const POSTGRES_MINIMUM: i32 = 130_000;
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long one waits for a connection that others use. As long as a statement may take: a queue is no lost database.
const ACQUIRE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a writer waits for another process on the same SQLite file.
const BUSY_PATIENCE: Duration = Duration::from_secs(30);
/// Connections for whole rows that are read: few are, and shortly.
const WHOLE: u32 = 4;
/// Any constant; two processes that migrate one PostgreSQL database wait for each other by it.
const MIGRATION_LOCK: i64 = 0x0065_6e74_656e_7465;

/// How the database is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    /// Connections kept for reads of callers, and on PostgreSQL as many again for writes.
    pub connections: usize,
    /// Whether a commit on SQLite survives the loss of power. The demo's world can be built again.
    pub durable: bool,
}

impl Default for Opening {
    fn default() -> Self {
        Opening { connections: 8, durable: true }
    }
}

/// One migration and whether it has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    pub applied: bool,
}

#[derive(Clone)]
pub struct Db {
    pub(super) url: DatabaseUrl,
    write: DatabaseConnection,
    /// Apart from `write`: whoever finds out what a caller may do never waits for those who write.
    whole: DatabaseConnection,
    pub(super) reader: Arc<Reader>,
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Db").field(&self.url).finish()
    }
}

impl Db {
    pub async fn open(url: &DatabaseUrl) -> Result<Self> {
        Db::open_as(url, Opening::default()).await
    }

    pub async fn open_as(url: &DatabaseUrl, opening: Opening) -> Result<Self> {
        let (write, whole) = match &url.place {
            Place::File(path) => open_file(path.clone(), opening).await?,
            Place::Server(options) => open_server(options, opening).await?,
        };
        let reader = Reader::open(url, opening.connections.max(1)).await?;
        Ok(Db { url: url.clone(), write, whole, reader: Arc::new(reader) })
    }

    /// Reads whole rows, whoever asks, and cannot write. What answers a caller reads through his view.
    pub(in crate::access) fn orm(&self) -> &DatabaseConnection {
        &self.whole
    }

    /// Writes.
    pub(in crate::access) fn writer(&self) -> &DatabaseConnection {
        &self.write
    }

    pub fn dialect(&self) -> Dialect {
        self.url.dialect()
    }

    pub fn url(&self) -> &DatabaseUrl {
        &self.url
    }

    /// Runs what is pending and names it.
    pub async fn migrate_up(&self) -> Result<Vec<String>> {
        let _lock = MigrationLock::take(&self.url).await?;
        let pending = self.pending().await?;
        Migrator::up(&self.write, None).await?;
        Ok(pending)
    }

    /// Takes back the last `steps` migrations and names them.
    pub async fn migrate_down(&self, steps: u32) -> Result<Vec<String>> {
        let _lock = MigrationLock::take(&self.url).await?;
        let mut applied: Vec<_> = self.migrations().await?.into_iter().filter(|step| step.applied).collect();
        applied.reverse();
        applied.truncate(usize::try_from(steps).unwrap_or(usize::MAX));
        Migrator::down(&self.write, Some(steps)).await?;
        Ok(applied.into_iter().map(|step| step.name).collect())
    }

    /// Every migration of this build, without writing anything.
    pub async fn migrations(&self) -> Result<Vec<Step>> {
        let newer = |error: DbErr| match error {
            DbErr::Custom(_) => Error::usage(format!(
                "{} was migrated by a newer entente, use that one or take back its migrations with it",
                self.url
            )),
            other => other.into(),
        };
        let applied = Migrator::get_applied_migrations_read_only(self.orm()).await.map_err(newer)?;
        let pending = Migrator::get_pending_migrations_read_only(self.orm()).await.map_err(newer)?;
        let applied = applied.iter().map(|m| Step { name: m.name().to_owned(), applied: true });
        let pending = pending.iter().map(|m| Step { name: m.name().to_owned(), applied: false });
        Ok(applied.chain(pending).collect())
    }

    /// Refuses a database whose tables are not those of this build.
    pub async fn check_migrated(&self) -> Result<()> {
        let pending = self.pending().await?;
        match pending.len() {
            0 => Ok(()),
            n => Err(Error::usage(format!("{n} migrations are pending on {}, run `entente migrate up`", self.url))),
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.whole.ping().await?)
    }

    async fn pending(&self) -> Result<Vec<String>> {
        let steps = self.migrations().await?;
        Ok(steps.into_iter().filter(|step| !step.applied).map(|step| step.name).collect())
    }
}

/// Held while migrations run on PostgreSQL; dropping its connection frees it.
struct MigrationLock(#[expect(dead_code, reason = "held, not used")] Option<PgConnection>);

impl MigrationLock {
    async fn take(url: &DatabaseUrl) -> Result<Self> {
        let Place::Server(options) = &url.place else { return Ok(MigrationLock(None)) };
        let mut connection = connect(options).await?;
        let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(MIGRATION_LOCK);
        lock.execute(&mut connection).await.map_err(|cause| Error::unavailable(cause.to_string()))?;
        Ok(MigrationLock(Some(connection)))
    }
}

async fn open_file(path: PathBuf, opening: Opening) -> Result<(DatabaseConnection, DatabaseConnection)> {
    probe(&path)?;
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(if opening.durable { SqliteSynchronous::Full } else { SqliteSynchronous::Normal })
        .foreign_keys(true)
        .busy_timeout(BUSY_PATIENCE)
        .disable_statement_logging();
    // SQLite has one writer at a time anyway; a second connection could only meet it as "database is locked"
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(ACQUIRE_PATIENCE);
    let write = pool.connect_with(options.clone()).await.map_err(|error| {
        let code = error.as_database_error().and_then(|cause| cause.code()).unwrap_or_default().into_owned();
        match code.as_str() {
            "26" => Error::usage(format!("`{}` is no SQLite database, give another file", path.display())),
            "5" | "261" => Error::unavailable(format!("`{}` is locked by another program", path.display())),
            _ => Error::usage(format!("cannot open `{}`: {error}", path.display())),
        }
    })?;
    let whole = SqlitePoolOptions::new().max_connections(WHOLE).acquire_timeout(ACQUIRE_PATIENCE);
    let whole = whole.connect_lazy_with(options.pragma("query_only", "ON"));
    let connector = SqlxSqliteConnector::from_sqlx_sqlite_pool;
    Ok((connector(write), connector(whole)))
}

/// SQLite falls back to reading when it may not write, and says so at the first change only.
fn probe(path: &std::path::Path) -> Result<()> {
    let Err(error) = fs::OpenOptions::new().append(true).create(true).open(path) else { return Ok(()) };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.display().to_string(),
        _ => ".".to_owned(),
    };
    Err(Error::usage(match error.kind() {
        io::ErrorKind::NotFound if !fs::exists(&folder).unwrap_or(false) => {
            format!("folder `{folder}` does not exist, create it or name another database file")
        }
        io::ErrorKind::IsADirectory => format!("`{}` is a folder, name a file for the database", path.display()),
        _ if path.exists() => {
            format!("cannot write to `{}` ({error}), make it writable or name another database file", path.display())
        }
        _ => format!("cannot create a database in folder `{folder}` ({error}), make it writable or use another one"),
    }))
}

async fn open_server(options: &PgConnectOptions, opening: Opening) -> Result<(DatabaseConnection, DatabaseConnection)> {
    // not through the pool, which would go on trying a closed port until its patience ends
    let mut first = connect(options).await?;
    let version: String = sqlx::query_scalar("SHOW server_version_num")
        .fetch_one(&mut first)
        .await
        .map_err(|cause| Error::unavailable(cause.to_string()))?;
    if version.parse::<i32>().is_ok_and(|version| version < POSTGRES_MINIMUM) {
        let major = version.get(..version.len() - 4).unwrap_or(&version).to_owned();
        let (at, least) = (address(options), POSTGRES_MINIMUM / 10_000);
        return Err(Error::usage(format!("PostgreSQL at `{at}` is version {major}, entente needs {least} or newer")));
    }
    drop(first.close().await);
    let most = u32::try_from(opening.connections.max(2)).unwrap_or(u32::MAX);
    let pool = |most, options| {
        let pool = PgPoolOptions::new().max_connections(most).acquire_timeout(ACQUIRE_PATIENCE);
        SqlxPostgresConnector::from_sqlx_postgres_pool(pool.connect_lazy_with(options))
    };
    let reading = options.clone().options([("default_transaction_read_only", "on")]);
    Ok((pool(most, options.clone()), pool(WHOLE, reading)))
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let at = address(options);
    let down = |cause: String| {
        Error::unavailable(format!("cannot reach PostgreSQL at `{at}` ({cause}), start it or correct the database URL"))
    };
    let error = match tokio::time::timeout(CONNECT_PATIENCE, options.connect()).await {
        Ok(Ok(connection)) => return Ok(connection),
        Ok(Err(error)) => error,
        Err(_) => return Err(down(format!("no answer within {} s", CONNECT_PATIENCE.as_secs()))),
    };
    let code = error.as_database_error().and_then(|cause| cause.code()).unwrap_or_default().into_owned();
    let (user, database) = (options.get_username(), options.get_database().unwrap_or(options.get_username()));
    Err(match (&error, code.as_str()) {
        (_, "28P01" | "28000") => Error::usage(format!(
            "PostgreSQL at `{at}` refuses user `{user}`, correct user and password in the database URL"
        )),
        (_, "3D000") => Error::usage(format!(
            "PostgreSQL at `{at}` has no database `{database}`, create it or correct the database URL"
        )),
        (sqlx::Error::Tls(_), _) => Error::usage(format!(
            "PostgreSQL at `{at}` asks for TLS, which this build does not speak: use `sslmode=disable` over a private network"
        )),
        (sqlx::Error::Io(cause), _) => down(cause.to_string()),
        (other, _) => down(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_closed_port_is_one_sentence_with_host_and_port() {
        let url: DatabaseUrl = "postgres://hub:s3cret@127.0.0.1:1/crm".parse().expect("valid");
        let error = Db::open(&url).await.expect_err("nobody listens there");
        assert!(matches!(error, Error::Unavailable(_)));
        let text = error.to_string();
        assert!(text.contains("127.0.0.1:1") && !text.contains("s3cret"), "{text}");
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_is_named() {
        let error = Db::open(&DatabaseUrl::sqlite("/nowhere/at/all.db")).await.expect_err("no folder");
        assert!(error.to_string().contains("folder `/nowhere/at` does not exist"), "{error}");
    }
}
