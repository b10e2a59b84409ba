//! A database for each test: a copy of a template that is built once per run. SQLite copies a file,
//! PostgreSQL a database.

use std::{
    fs,
    path::PathBuf,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use entente::{
    access::{
        connect::{DatabaseUrl, Db, Dialect, Opening},
        key,
    },
    clock::Clock,
    demo,
};
use tokio::{sync::OnceCell, task::JoinHandle};
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::{
    NOW, RUNTIME,
    cluster::{self, Cluster},
    skip,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// The Nordwind world.
    Demo,
    /// Tables and keys.
    Empty,
}

/// Taken away when dropped.
pub struct Database {
    pub dialect: Dialect,
    pub url: String,
    file: Option<PathBuf>,
    name: String,
    /// Its server goes with it.
    lone: bool,
}

pub const fn slug(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
    }
}

/// Files of this run.
static FILES: LazyLock<PathBuf> =
    LazyLock::new(|| tempfile::Builder::new().prefix("entente-tests-").tempdir().unwrap().keep());

pub fn remove_files() {
    let _ = fs::remove_dir_all(&*FILES);
}

/// A name that no other database of this run or of another has.
fn fresh(what: &str) -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("entente_{what}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Database {
    /// Without tables.
    pub async fn bare(dialect: Dialect) -> Self {
        let name = fresh("bare");
        if dialect == Dialect::Postgres {
            admin(&format!("CREATE DATABASE {name}")).await;
        }
        Database::named(dialect, name).await
    }

    pub async fn copy(dialect: Dialect, of: Template) -> Self {
        let template = template(dialect, of).await;
        let name = fresh("test");
        match dialect {
            Dialect::Sqlite => {
                fs::copy(FILES.join(template), FILES.join(format!("{name}.db"))).unwrap();
            }
            Dialect::Postgres => admin(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await,
        }
        Database::named(dialect, name).await
    }

    async fn named(dialect: Dialect, name: String) -> Self {
        match dialect {
            Dialect::Sqlite => {
                let file = FILES.join(format!("{name}.db"));
                Database { dialect, url: format!("sqlite:{}", file.display()), file: Some(file), name, lone: false }
            }
            Dialect::Postgres => {
                let mut url: reqwest::Url = cluster::url().await.parse().unwrap();
                url.set_path(&name);
                Database { dialect, url: url.to_string(), file: None, name, lone: false }
            }
        }
    }

    /// The demo world on a server that the test may kill, and the server.
    pub async fn killable() -> (Self, Cluster) {
        let Ok(cluster::Found::Programs(programs)) = cluster::found() else { skip("needs the programs of PostgreSQL") };
        let made = tokio::task::spawn_blocking(move || {
            let cluster = Cluster::make(&programs)?;
            cluster.start(&[]).map(|()| cluster)
        });
        let cluster = made.await.unwrap().unwrap_or_else(|reason| panic!("PostgreSQL does not start: {reason}"));
        let url = cluster.url();
        let database = Database { dialect: Dialect::Postgres, url, file: None, name: fresh("killable"), lone: true };
        fill(&database, Template::Demo).await;
        (database, cluster)
    }

    pub fn parsed(&self) -> DatabaseUrl {
        self.url.parse().unwrap()
    }

    pub async fn open(&self, connections: usize) -> Db {
        Db::open_as(&self.parsed(), Opening { connections, durable: false }).await.unwrap()
    }

    /// The folder for the access log's journal of whoever works on this database.
    pub fn journal(&self) -> PathBuf {
        FILES.join(format!("{}-journal", self.name))
    }

    /// Runs a statement past the hub; the number of rows that it changed.
    pub async fn sql(&self, sql: &str) -> u64 {
        match &self.file {
            Some(file) => {
                let connection = lite(file);
                connection.execute(sql, []).unwrap_or_else(|error| panic!("{sql}: {error}")) as u64
            }
            None => {
                let messages = postgres(&self.url, sql).await;
                messages.iter().map(|m| if let SimpleQueryMessage::CommandComplete(n) = m { *n } else { 0 }).sum()
            }
        }
    }

    /// Runs statements past the hub, all of them or none.
    pub async fn all(&self, statements: &[String]) {
        let all = statements.join(";\n");
        match &self.file {
            Some(file) => {
                let batch = format!("BEGIN IMMEDIATE; {all}; COMMIT");
                lite(file).execute_batch(&batch).unwrap_or_else(|error| panic!("{all}: {error}"));
            }
            None => drop(postgres(&self.url, &all).await),
        }
    }

    /// The first column of each row as text, null as nothing.
    pub async fn texts(&self, sql: &str) -> Vec<Option<String>> {
        match &self.file {
            Some(file) => {
                let connection = lite(file);
                let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
                let rows = statement.query_map([], |row| {
                    use rusqlite::types::ValueRef;
                    Ok(match row.get_ref(0)? {
                        ValueRef::Null => None,
                        ValueRef::Integer(n) => Some(n.to_string()),
                        ValueRef::Real(n) => Some(n.to_string()),
                        ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                        ValueRef::Blob(blob) => Some(uuid::Uuid::from_slice(blob).unwrap_or_default().to_string()),
                    })
                });
                rows.unwrap().map(Result::unwrap).collect()
            }
            None => {
                let rows = postgres(&self.url, sql).await;
                let row = |m: SimpleQueryMessage| match m {
                    SimpleQueryMessage::Row(row) => Some(row.get(0).map(String::from)),
                    _ => None,
                };
                rows.into_iter().filter_map(row).collect()
            }
        }
    }
}

fn lite(file: &PathBuf) -> rusqlite::Connection {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection
}

async fn postgres(url: &str, sql: &str) -> Vec<SimpleQueryMessage> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let messages = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    drop(client);
    let _ = connection.await;
    messages
}

async fn admin(sql: &str) {
    postgres(cluster::url().await, sql).await;
}

/// Built at the first call; a file name, or the name of a database.
async fn template(dialect: Dialect, of: Template) -> &'static str {
    static TEMPLATES: [OnceCell<String>; 4] = [const { OnceCell::const_new() }; 4];
    let at = usize::from(dialect == Dialect::Postgres) * 2 + usize::from(of == Template::Empty);
    TEMPLATES[at].get_or_init(|| build(dialect, of)).await
}

async fn build(dialect: Dialect, of: Template) -> String {
    let raw = Database::bare(dialect).await;
    fill(&raw, of).await;
    match &raw.file {
        Some(file) => {
            let name = format!("template-{}.db", usize::from(of == Template::Empty));
            let copy = FILES.join(&name);
            lite(file).execute("VACUUM INTO ?1", [copy.to_string_lossy()]).unwrap();
            lite(&copy).pragma_update(None, "journal_mode", "WAL").unwrap();
            name
        }
        None => {
            raw.sql("ANALYZE").await;
            let name = fresh("template");
            // renaming needs what copying needs: nobody else is connected
            let others =
                format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", raw.name);
            admin(&others).await;
            admin(&format!("ALTER DATABASE {} RENAME TO {name}", raw.name)).await;
            KEPT.lock().unwrap().push(name.clone());
            name
        }
    }
}

async fn fill(database: &Database, of: Template) {
    let clock = Clock::held(NOW.parse().unwrap());
    let db = database.open(1).await;
    db.migrate_up().await.unwrap();
    keep_keys(database, of).await;
    key::keys(&db, &clock).await.unwrap();
    if of == Template::Demo {
        let mut load = db.load().await.unwrap();
        demo::build(&mut load, &clock).await.unwrap();
        load.commit().await.unwrap();
    }
}

/// The same on both databases, so that ids, cursors and with them whole answers can be compared; a token
/// of the demo world is good at every hub over it.
async fn keep_keys(database: &Database, of: Template) {
    let digit = if of == Template::Demo { '5' } else { '6' };
    let value = match database.dialect {
        Dialect::Sqlite => format!("X'{}'", digit.to_string().repeat(64)),
        Dialect::Postgres => format!("'\\x{}'::bytea", digit.to_string().repeat(64)),
    };
    let values = ["signing", "seal"].map(|name| format!("('{name}', {value}, 0)")).join(", ");
    // and so that the access log's hashes can be
    database.sql("UPDATE audit_chain SET chain = 'log-of-tests', hash = 'log-of-tests'").await;
    database.sql(&format!("INSERT INTO hub_key (name, value, created_at) VALUES {values}")).await;
}

/// Templates on PostgreSQL.
static KEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());
static DROPPING: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

impl Drop for Database {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.journal());
        match &self.file {
            Some(file) => {
                for end in ["", "-wal", "-shm"] {
                    let _ = fs::remove_file(format!("{}{end}", file.display()));
                }
            }
            None if self.lone => {}
            None => DROPPING.lock().unwrap().push(RUNTIME.spawn(drop_database(std::mem::take(&mut self.name)))),
        }
    }
}

async fn drop_database(name: String) {
    let Ok((client, connection)) = tokio_postgres::connect(cluster::url().await, NoTls).await else { return };
    let connection = tokio::spawn(connection);
    let _ = client.simple_query(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    drop(client);
    let _ = connection.await;
}

/// Takes away what is left on a PostgreSQL server.
pub async fn drop_all() {
    let running = std::mem::take(&mut *DROPPING.lock().unwrap());
    for drop in running {
        let _ = drop.await;
    }
    let kept = std::mem::take(&mut *KEPT.lock().unwrap());
    // a cluster of our own goes away as a whole
    if matches!(cluster::found(), Ok(cluster::Found::Server(_))) {
        for name in kept {
            drop_database(name).await;
        }
    }
}
