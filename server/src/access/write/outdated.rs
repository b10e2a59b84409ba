//! Old lines of the access log go, from its begin on and in pieces. What goes, where the log now begins, and the line
//! that says so are one transaction: whenever a process dies, the chain can be checked from its begin.

use entities::Instant;
use sea_orm::{
    ConnectionTrait, Statement,
    sea_query::{Alias, Expr, ExprTrait, Query},
};

use super::Tx;
use crate::{
    access::{chain::Anchor, connect::Db},
    audit::Line,
    error::{Error, Result},
};

/// Lines that one transaction drops, while nobody else can put one at the end.
const PIECE: i64 = 5_000;

/// Drops the first lines, as far as all of them are from before the moment; how many. `noted` is the line that says so.
pub async fn drop_lines(db: &Db, before: Instant, noted: impl FnOnce(&Anchor, i64) -> Line) -> Result<i64> {
    let tx = Tx::begin(db).await?;
    let inner = tx.inner();
    let asked = |sql: String| Statement::from_string(inner.get_database_backend(), sql);
    // who appends waits from here on
    inner.execute_unprepared("UPDATE audit_chain SET seq = seq").await?;
    let head = "SELECT chain, since, coalesce(dropped, 0), coalesce(dropped_hash, chain) FROM audit_chain".to_owned();
    let head = inner.query_one_raw(asked(head)).await?;
    let head = head.ok_or_else(|| Error::internal("table audit_chain is empty"))?;
    let (chain, since): (String, i64) = (head.try_get_by_index(0)?, head.try_get_by_index(1)?);
    let begin = Anchor { seq: head.try_get_by_index(2)?, hash: head.try_get_by_index(3)? };
    let first = "SELECT seq, at, prev_hash, hash FROM audit_event";
    let lines = format!("{first} WHERE seq > {} ORDER BY seq LIMIT {PIECE}", begin.seq);
    let mut last = begin.clone();
    for line in inner.query_all_raw(asked(lines)).await? {
        let (seq, at): (i64, i64) = (line.try_get_by_index(0)?, line.try_get_by_index(1)?);
        if at >= before.0 {
            break;
        }
        let (prev, hash): (Option<String>, Option<String>) = (line.try_get_by_index(2)?, line.try_get_by_index(3)?);
        // a fault must not go with the lines that tell it
        if seq != last.seq + 1 || (seq > since && (prev.as_deref() != Some(last.hash.as_str()) || hash.is_none())) {
            return Err(Error::refused(format!(
                "the access log is broken at line {seq}: no old line of it is dropped, see `entente audit verify`"
            )));
        }
        // those that are older than the chain have no hash
        last = Anchor { seq, hash: if seq > since { hash.unwrap_or_default() } else { chain.clone() } };
    }
    let dropped = last.seq - begin.seq;
    if dropped == 0 {
        return Ok(0);
    }
    tx.log(noted(&last, dropped)).await?;
    let mut gone = Query::delete();
    gone.from_table(Alias::new("audit_event")).and_where(Expr::col(Alias::new("seq")).lte(last.seq));
    inner.execute(&gone).await?;
    let mut begins = Query::update();
    begins.table(Alias::new("audit_chain"));
    begins.value(Alias::new("dropped"), last.seq).value(Alias::new("dropped_hash"), last.hash);
    inner.execute(&begins).await?;
    tx.commit().await?;
    Ok(dropped)
}
