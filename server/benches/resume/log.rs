//! Who fills the log: an operator's transactions of some twenty changed rows, mostly demand, and now and then what demand
//! leads to.

use std::time::Duration;

use tokio::{task::JoinHandle, time};
use tokio_postgres::{Client, NoTls};

use crate::Outcome;

/// Buckets that a transaction changes.
const BUCKETS: usize = 20;

pub struct Writer {
    on: On,
    /// Transactions so far.
    count: usize,
    buckets: usize,
}

enum On {
    Sqlite(rusqlite::Connection),
    Postgres(Client, JoinHandle<Result<(), tokio_postgres::Error>>),
}

impl Writer {
    pub async fn open(url: &str) -> Outcome<Self> {
        let on = match url.strip_prefix("sqlite:") {
            Some(file) => {
                let connection = rusqlite::Connection::open(file)?;
                connection.busy_timeout(Duration::from_secs(60))?;
                connection.execute_batch("PRAGMA synchronous = OFF")?;
                On::Sqlite(connection)
            }
            None => {
                let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
                let driver = tokio::spawn(connection);
                client.batch_execute("SET synchronous_commit = off").await?;
                On::Postgres(client, driver)
            }
        };
        let mut writer = Writer { on, count: 0, buckets: 0 };
        // numbered once, so that a transaction finds its rows by key
        for (table, of) in [("bench_bucket", "demand_bucket"), ("bench_product", "product")] {
            writer
                .run(&format!("CREATE TABLE {table} AS SELECT row_number() OVER (ORDER BY id) AS n, id FROM {of}"))
                .await?;
            writer.run(&format!("CREATE INDEX ix_{table} ON {table} (n)")).await?;
        }
        writer.buckets = writer.number("SELECT count(*) FROM bench_bucket").await?;
        Ok(writer)
    }

    /// Changed rows in the log.
    pub async fn rows(&self) -> Outcome<usize> {
        self.number("SELECT count(*) FROM change_event").await
    }

    pub async fn fill(&mut self, rows: usize) -> Outcome<()> {
        let left = rows.saturating_sub(self.rows().await?);
        self.transactions(left / BUCKETS).await
    }

    pub async fn transactions(&mut self, count: usize) -> Outcome<()> {
        for _ in 0..count {
            self.count += 1;
            let of = |n: usize, most: usize| 1 + n.wrapping_mul(7_919) % most;
            let keys: Vec<String> =
                (0..BUCKETS).map(|i| of(self.count * BUCKETS + i, self.buckets).to_string()).collect();
            let mut text = format!(
                "UPDATE demand_bucket SET qty = qty + 10000 WHERE id IN (SELECT id FROM bench_bucket WHERE n IN ({}));",
                keys.join(", ")
            );
            if self.count.is_multiple_of(10) {
                let product = of(self.count, 2_000);
                text += &format!(
                    "UPDATE product SET name = substr('x' || name, 1, 40) WHERE id = \
                     (SELECT id FROM bench_product WHERE n = {product});"
                );
            }
            let begin = match self.on {
                On::Sqlite(_) => "BEGIN IMMEDIATE; UPDATE change_context SET last = last + 1, tx = last + 1;",
                On::Postgres(..) => "BEGIN;",
            };
            let end = match self.on {
                On::Sqlite(_) => "UPDATE change_context SET tx = NULL; COMMIT",
                On::Postgres(..) => "COMMIT",
            };
            self.run(&format!("{begin}{text}{end}")).await?;
        }
        Ok(())
    }

    /// What a database does now and then of itself.
    pub async fn settle(&mut self) -> Outcome<()> {
        self.run("ANALYZE").await?;
        time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }

    async fn run(&mut self, text: &str) -> Outcome<()> {
        match &self.on {
            On::Sqlite(connection) => connection.execute_batch(text)?,
            On::Postgres(client, _) => client.batch_execute(text).await?,
        }
        Ok(())
    }

    async fn number(&self, text: &str) -> Outcome<usize> {
        let number: i64 = match &self.on {
            On::Sqlite(connection) => connection.query_row(text, [], |row| row.get(0))?,
            On::Postgres(client, _) => client.query_one(text, &[]).await?.try_get(0)?,
        };
        Ok(number.try_into()?)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let On::Postgres(_, driver) = &self.on {
            driver.abort();
        }
    }
}
