//! How the log stays small: what is too old, or too much, goes. PostgreSQL empties a whole segment of the ring at once;
//! SQLite, which has no such thing, deletes by number in short transactions, between which others write.

use std::{sync::Arc, time::Duration};

use entities::Instant;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, TransactionTrait};
use tokio::{sync::oneshot, time};

use crate::{
    access::{
        Gate,
        connect::{Db, Dialect},
    },
    config,
    error::{Error, Result},
};

/// How often it is looked for what may go.
const PERIOD: Duration = Duration::from_secs(60);
/// Events that SQLite deletes in one transaction.
const SLICE: i64 = 5_000;
/// A segment is closed when it has so much of what is kept.
const SHARE: i64 = 6;
/// Any constant: one hub at a time looks after the log.
const LOCK: i64 = 0x0065_6e74_6b65_6570;

impl Gate {
    /// Looks after the log until told to stop.
    pub async fn keep_changes(self: Arc<Self>, settings: config::Changes, mut stop: oneshot::Receiver<()>) {
        let mut failing = false;
        while time::timeout(PERIOD, &mut stop).await.is_err() {
            let kept = self.trim_changes(&settings).await;
            if let (Err(error), false) = (&kept, failing) {
                tracing::error!("old changes stay in the change log: {error}");
            }
            failing = kept.is_err();
        }
    }

    /// Drops what is older or more than is to be kept.
    pub async fn trim_changes(&self, settings: &config::Changes) -> Result<()> {
        let limits = Limits { since: Instant(self.now().0 - settings.keep.micros()), settings: *settings };
        match self.dialect() {
            Dialect::Sqlite => trim_file(&self.db, &limits).await,
            Dialect::Postgres => trim_ring(&self.db, &limits, self.now()).await,
        }
    }
}

struct Limits {
    /// What is older goes.
    since: Instant,
    settings: config::Changes,
}

impl Limits {
    fn most(&self) -> i64 {
        i64::from(self.settings.most)
    }
}

async fn trim_file(db: &Db, limits: &Limits) -> Result<()> {
    let db = db.writer();
    loop {
        let bound = "SELECT max(id) FROM (SELECT id, at FROM change_event ORDER BY id LIMIT ?) e \
                     WHERE at < ? OR id <= (SELECT max(id) FROM change_event) - ?";
        let values = [SLICE.into(), limits.since.0.into(), limits.most().into()];
        let row = db.query_one_raw(Statement::from_sql_and_values(DbBackend::Sqlite, bound, values)).await?;
        let Some(bound) = row.map(|row| row.try_get_by_index::<Option<i64>>(0)).transpose()?.flatten() else {
            return Ok(());
        };
        let transaction = db.begin().await?;
        for sql in [
            format!("DELETE FROM change_event WHERE id <= {bound}"),
            format!("UPDATE change_bounds SET oldest = max(oldest, {bound})"),
        ] {
            transaction.execute_unprepared(&sql).await?;
        }
        transaction.commit().await?;
    }
}

/// A segment of the ring that has commits.
struct Segment {
    segment: i16,
    /// The number of the event before its first.
    number: i64,
    last: i64,
    first_at: i64,
    last_at: i64,
}

async fn trim_ring(db: &Db, limits: &Limits, now: Instant) -> Result<()> {
    let transaction = db.writer().begin().await?;
    if !flag(&transaction, &format!("SELECT pg_try_advisory_xact_lock({LOCK})")).await? {
        return Ok(());
    }
    let bounds = one(
        &transaction,
        "SELECT b.segment::bigint, count(*), (SELECT last_value FROM change_number) \
                                    FROM change_bounds b, change_segment s GROUP BY b.segment",
    )
    .await?;
    let [current, count, number] = bounds[..] else { return Err(Error::internal("table change_bounds is empty")) };
    let segments = segments(&transaction).await?;
    let following = |segment: i16| (i64::from(segment) + 1) % count;
    // the oldest comes behind the current one in the ring
    let mut old: Vec<&Segment> = segments.iter().filter(|s| i64::from(s.segment) != current).collect();
    old.sort_by_key(|s| (i64::from(s.segment) - current).rem_euclid(count));
    let expired = old.into_iter().take_while(|s| s.last_at < limits.since.0 || number - s.number > limits.most());
    if let Some(oldest) = expired.map(|s| s.last).max() {
        let sql =
            format!("UPDATE change_bounds SET oldest = {oldest}, moved_at = clock_timestamp() WHERE oldest < {oldest}");
        transaction.execute_unprepared(&sql).await?;
    }
    let writing = segments.iter().find(|s| i64::from(s.segment) == current);
    let share = limits.settings.keep.micros() / SHARE;
    if let Some(full) = writing.filter(|s| number - s.number >= limits.most() / SHARE || s.first_at < now.0 - share) {
        let next = following(full.segment);
        if !segments.iter().any(|s| i64::from(s.segment) == next) {
            transaction.execute_unprepared(&format!("UPDATE change_bounds SET segment = {next}")).await?;
            let begin = format!("UPDATE change_segment SET number = {number} WHERE segment = {next}");
            transaction.execute_unprepared(&begin).await?;
        }
    }
    transaction.commit().await?;
    empty(db).await
}

/// Emptying a table takes it from snapshots, too, so whoever may still read by an earlier bound is waited for.
async fn empty(db: &Db) -> Result<()> {
    let transaction = db.writer().begin().await?;
    let sql = format!("SELECT pg_try_advisory_xact_lock({LOCK})");
    if !flag(&transaction, &sql).await? {
        return Ok(());
    }
    let alone = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity a, change_bounds b WHERE a.datname = current_database() \
                 AND a.pid <> pg_backend_pid() AND a.xact_start <= b.moved_at)";
    if !flag(&transaction, alone).await? {
        return Ok(());
    }
    let oldest = one(&transaction, "SELECT oldest, segment::bigint FROM change_bounds").await?;
    let [oldest, current] = oldest[..] else { return Err(Error::internal("table change_bounds is empty")) };
    transaction.execute_unprepared("SET LOCAL lock_timeout = '2s'").await?;
    for gone in segments(&transaction).await?.iter().filter(|s| i64::from(s.segment) != current && s.last <= oldest) {
        let segment = gone.segment;
        transaction.execute_unprepared(&format!("TRUNCATE change_event_{segment}")).await?;
        transaction.execute_unprepared(&format!("DELETE FROM change_commit WHERE segment = {segment}")).await?;
    }
    Ok(transaction.commit().await?)
}

async fn segments(transaction: &DatabaseTransaction) -> Result<Vec<Segment>> {
    let sql = "SELECT s.segment, s.number, max(c.position), min(c.at), max(c.at) \
               FROM change_segment s JOIN change_commit c ON c.segment = s.segment GROUP BY s.segment, s.number";
    let rows = transaction.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let segment = |row: &sea_orm::QueryResult| {
        Ok(Segment {
            segment: row.try_get_by_index(0)?,
            number: row.try_get_by_index(1)?,
            last: row.try_get_by_index(2)?,
            first_at: row.try_get_by_index(3)?,
            last_at: row.try_get_by_index(4)?,
        })
    };
    rows.iter().map(segment).collect()
}

async fn flag(transaction: &DatabaseTransaction, sql: &str) -> Result<bool> {
    let row = transaction.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    Ok(row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or(false))
}

/// The numbers of the only row.
async fn one(transaction: &DatabaseTransaction, sql: &str) -> Result<Vec<i64>> {
    let row = transaction.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
    let Some(row) = row else { return Ok(Vec::new()) };
    (0..row.column_names().len()).map(|at| Ok(row.try_get_by_index(at)?)).collect()
}
