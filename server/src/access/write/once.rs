//! Writes that are done once, however often they are sent: a key that the writer chose, what it stood for and the
//! row that came of it. The key is taken in the transaction that writes, so that two senders meet there.

use std::sync::atomic::{AtomicI64, Ordering};

use entities::Instant;
use sea_orm::{
    ConnectionTrait,
    sea_query::{Alias, Expr, ExprTrait, OnConflict, Query},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Change, Tx, Write, tx::failed};
use crate::{
    access::{connect::Db, roster::Caller},
    catalogue::CATALOGUE,
    error::{Error, Result},
};

const TABLE: &str = "write_key";
/// How long a key is remembered.
const KEPT: i64 = 7 * 86_400_000_000;
/// How often a process looks for those that are too old.
const PERIOD: i64 = 3_600_000_000;

/// When this process last took away old keys.
#[derive(Debug, Default)]
pub(in crate::access) struct Keys(AtomicI64);

impl Keys {
    pub(super) async fn forget(&self, db: &Db, now: Instant) -> Result<()> {
        let last = self.0.load(Ordering::Relaxed);
        // a clock may jump back, too
        if (now.0 - last).abs() < PERIOD
            || self.0.compare_exchange(last, now.0, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return Ok(());
        }
        let mut query = Query::delete();
        query.from_table(Alias::new(TABLE)).and_where(Expr::col(Alias::new("at")).lt(now.0.saturating_sub(KEPT)));
        db.writer().execute(&query).await?;
        Ok(())
    }
}

/// The name of a write, and what it stands for.
pub(super) struct Once<'a> {
    pub key: &'a str,
    pub digest: String,
}

impl<'a> Once<'a> {
    pub fn of(write: &'a Write) -> Option<Self> {
        write.once.as_deref().map(|key| Once { key, digest: digest(write) })
    }
}

/// Takes the key of the write, if it has one. `Some`: it was done before, to this row.
pub(super) async fn claim(
    tx: &Tx,
    caller: &Caller,
    once: Option<Once<'_>>,
    row: Uuid,
    now: Instant,
) -> Result<Option<Uuid>> {
    let Some(Once { key, digest }) = once else { return Ok(None) };
    let who = who(caller);
    let mut query = Query::insert();
    query.into_table(Alias::new(TABLE)).columns(["caller", "key", "digest", "object_id", "at"].map(Alias::new));
    let values: [sea_orm::Value; 5] = [who.clone().into(), key.into(), digest.clone().into(), row.into(), now.0.into()];
    query.values(values.map(Expr::value)).map_err(|e| Error::internal(e.to_string()))?;
    // whoever comes second waits here until the first one has ended
    query.on_conflict(OnConflict::columns(["caller", "key"].map(Alias::new)).do_nothing().to_owned());
    if tx.inner().execute(&query).await.map_err(failed)?.rows_affected() == 1 {
        return Ok(None);
    }
    let mut query = Query::select();
    query.columns(["digest", "object_id"].map(Alias::new)).from(Alias::new(TABLE));
    query.and_where(Expr::col(Alias::new("caller")).eq(who)).and_where(Expr::col(Alias::new("key")).eq(key));
    let before = tx.inner().query_one(&query).await?.ok_or_else(|| Error::internal("a key is taken and not there"))?;
    if before.try_get_by_index::<String>(0)? != digest {
        return Err(Error::Conflict(format!(
            "the `idempotencyKey` `{key}` was used for something else: give each write a key of its own"
        )));
    }
    Ok(Some(before.try_get_by_index(1)?))
}

/// A person in a seat, and in whose place.
fn who(caller: &Caller) -> String {
    let own = format!("{}/{}/{}", caller.seat.organisation, caller.seat.role, caller.principal);
    match &caller.place {
        Some(place) => format!("{own} {}/{}/{}", place.seat.organisation, place.seat.role, place.principal),
        None => own,
    }
}

/// What is written, whatever order its fields were given in.
fn digest(write: &Write) -> String {
    let ty = CATALOGUE.ty(write.ty);
    let what = match &write.change {
        Change::Create(_) => "create".to_owned(),
        Change::Update(key, _) => format!("update {key}"),
        Change::Delete(key) => format!("delete {key}"),
    };
    let mut values: Vec<String> =
        write.change.values().iter().map(|(field, value)| format!("{} {value:?}", ty.fields[*field].name)).collect();
    values.sort();
    let text = format!("{} {what} {:?} {}", ty.name, write.seen, values.join("\n"));
    digested(&text)
}

pub(super) fn digested(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
