//! The databases that are read: a SQLite file, and a database of its own on a PostgreSQL server.

use std::{path::Path, time::Duration};

use entente::{
    access::{
        connect::{Db, Dialect},
        roster,
    },
    auth::{Tokens, Ttl},
    clock::Clock,
};
use tempfile::TempDir;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::{Outcome, cluster, process, world};

pub struct Database {
    pub url: String,
    folder: TempDir,
    db: Db,
    server: Option<Cluster>,
    seats: Vec<Seat>,
}

/// Where the database is, and who answers for it.
struct Cluster {
    url: String,
    name: String,
    postmaster: Option<u32>,
}

/// Somebody who asks.
#[derive(Clone)]
pub struct Seat {
    pub token: String,
    pub organisation: Uuid,
    pub person: Uuid,
}

impl Database {
    /// Builds the world; `None` if there is no such server.
    pub async fn make(name: &str, times: usize) -> Outcome<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let (url, server) = match name {
            "sqlite" => (format!("sqlite:{}", folder.path().join("bench.db").display()), None),
            _ => match Cluster::find().await? {
                Some((url, cluster)) => (url, Some(cluster)),
                None => return Ok(None),
            },
        };
        let db = Db::open(&url.parse()?).await?;
        db.migrate_up().await?;
        world::build(&db, times).await?;
        match db.dialect() {
            Dialect::Postgres => run(&url, &["VACUUM (ANALYZE)", "CHECKPOINT"]).await?,
            // the rows move from the log to where they stay
            Dialect::Sqlite => rusqlite::Connection::open(folder.path().join("bench.db"))?.query_row(
                "PRAGMA wal_checkpoint(TRUNCATE)",
                [],
                |_| Ok(()),
            )?,
        }
        let mut database = Database { url, folder, db, server, seats: Vec::new() };
        let suppliers = (0..world::SUPPLIERS).map(|n| format!("{}/partner_planner", world::supplier_slug(n)));
        for name in std::iter::once("nordwind/finance".to_owned()).chain(suppliers) {
            let seat = database.seat(&name).await?;
            database.seats.push(seat);
        }
        Ok(Some(database))
    }

    async fn seat(&self, name: &str) -> Outcome<Seat> {
        let clock = Clock::starting_at(world::NOW.parse()?);
        let (seat, person) = roster::resolve(&self.db, name, clock.now()).await?;
        let tokens = Tokens::new(&entente::access::key::keys(&self.db, &clock).await?);
        let token = tokens.issue(&seat, person, Ttl::days(1), &clock)?;
        Ok(Seat { token, organisation: seat.organisation, person })
    }

    /// The host's finance, and so many suppliers.
    pub fn seats(&self, suppliers: usize) -> Outcome<Vec<Seat>> {
        Ok(self.seats[..=suppliers].to_vec())
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// CPU time of the database, where that is a process of its own.
    pub fn cpu(&self) -> Duration {
        let postmaster = self.server.as_ref().and_then(|server| server.postmaster);
        postmaster.map(process::cluster_cpu).unwrap_or_default()
    }

    pub async fn remove(self) -> Outcome<()> {
        drop(self.db);
        if let Some(server) = self.server {
            run(&server.url, &[&format!("DROP DATABASE {} WITH (FORCE)", server.name)]).await?;
        }
        Ok(())
    }
}

impl Cluster {
    /// A new database, on the server that `TEST_DATABASE_URL` names or on a cluster that ends with this process.
    async fn find() -> Outcome<Option<(String, Self)>> {
        if cluster::found().is_err() {
            return Ok(None);
        }
        let (url, name) = (cluster::url().await, format!("entente_bench_{}", std::process::id()));
        run(url, &[&format!("CREATE DATABASE {name}")]).await?;
        let (server, _) = url.rsplit_once('/').ok_or("a PostgreSQL URL ends in its database")?;
        let of = format!("{server}/{name}");
        let postmaster = postmaster(&of).await?;
        Ok(Some((of, Cluster { url: url.to_owned(), name, postmaster })))
    }
}

/// The process that started this server's backends, if it runs on this machine.
async fn postmaster(url: &str) -> Outcome<Option<u32>> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?;
    let found = process::parent(backend.unsigned_abs());
    driver.abort();
    Ok(found)
}

async fn run(url: &str, statements: &[&str]) -> Outcome<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    for statement in statements {
        client.batch_execute(statement).await?;
    }
    driver.abort();
    Ok(())
}
