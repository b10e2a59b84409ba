//! What of the log is dropped, and that nobody reads past it unawares.

use entente::{access::log::Position, config::Changes, error::Code};

use super::{head, since};
use crate::harness::{Hub, tests, until};

tests! {
    changing: old_changes_go, too_many_changes_go, what_is_gone_is_a_gap;
    postgres: a_reader_of_before_is_waited_for;
}

fn limits(keep: &str, most: u32) -> Changes {
    Changes { keep: keep.parse().unwrap(), most, listen: true, look: None }
}

/// As the task does, minute by minute, until it has reached its aim.
async fn trim(hub: &Hub, limits: Changes, aim: Position) {
    until("the log to be trimmed", || async {
        hub.app().gate.trim_changes(&limits).await.unwrap();
        (hub.app().gate.oldest().await.unwrap() >= aim).then_some(())
    })
    .await;
}

async fn old_changes_go(hub: Hub) {
    let built = head(&hub).await;
    hub.app().gate.trim_changes(&limits("30d", 1_000_000)).await.unwrap();
    assert_eq!(hub.app().gate.oldest().await.unwrap(), Position(0));
    // PostgreSQL closes what it writes to when a sixth of the time has passed
    hub.set_clock("2026-06-25T10:00:00Z");
    hub.app().gate.trim_changes(&limits("30d", 1_000_000)).await.unwrap();
    hub.sql("UPDATE product SET name = name || '!'").await;
    let at = head(&hub).await;
    hub.set_clock("2026-07-20T10:00:00Z");
    trim(&hub, limits("30d", 1_000_000), built).await;
    assert_eq!(hub.app().gate.oldest().await.unwrap(), built);
    assert!(!since(&hub, built).await.is_empty());
    assert_eq!(head(&hub).await, at);
    until("the events to be gone", || async {
        hub.app().gate.trim_changes(&limits("30d", 1_000_000)).await.unwrap();
        (hub.number("SELECT count(*) FROM change_event WHERE op = 'insert'").await == 0).then_some(())
    })
    .await;
}

async fn too_many_changes_go(hub: Hub) {
    let products = hub.number("SELECT count(*) FROM product").await;
    for _ in 0..20 {
        hub.sql("UPDATE product SET name = name || '!'").await;
        hub.app().gate.trim_changes(&limits("30d", 60)).await.unwrap();
    }
    let built = hub.app().gate.oldest().await.unwrap();
    assert!(built > Position(0));
    until("the log to be small", || async {
        hub.app().gate.trim_changes(&limits("30d", 60)).await.unwrap();
        (hub.number("SELECT count(*) FROM change_event").await <= 60 + products).then_some(())
    })
    .await;
    // what comes next has room
    let at = head(&hub).await;
    hub.sql("UPDATE product SET name = name || '!'").await;
    assert_eq!(since(&hub, at).await.len() as i64, products);
}

async fn what_is_gone_is_a_gap(hub: Hub) {
    let start = head(&hub).await;
    hub.sql("UPDATE product SET name = name || '!'").await;
    let at = head(&hub).await;
    hub.set_clock("2027-06-15T10:00:00Z");
    hub.app().gate.trim_changes(&limits("1d", 1_000_000)).await.unwrap();
    trim(&hub, limits("1d", 1_000_000), at).await;
    let gap = hub.app().gate.changes(start, 10).await.unwrap_err();
    assert_eq!(gap.code(), Code::Gap, "{gap}");
    assert_eq!(hub.app().gate.touched(Position(0), 10).await.unwrap_err().code(), Code::Gap);
    // an emptied log is where it was
    assert_eq!(head(&hub).await, at);
    assert!(since(&hub, at).await.is_empty());
}

async fn a_reader_of_before_is_waited_for(hub: Hub) {
    let start = head(&hub).await;
    hub.sql("UPDATE product SET name = name || '!'").await;
    let at = head(&hub).await;
    let reader = super::operator(&hub).await;
    let read = "SELECT count(*) FROM change_event e JOIN change_commit c USING (tx) WHERE position > $1";
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT oldest FROM change_bounds").await.unwrap();
    hub.set_clock("2027-06-15T10:00:00Z");
    hub.app().gate.trim_changes(&limits("1d", 1_000_000)).await.unwrap();
    trim(&hub, limits("1d", 1_000_000), at).await;
    for _ in 0..3 {
        hub.app().gate.trim_changes(&limits("1d", 1_000_000)).await.unwrap();
    }
    let count: i64 = reader.query_one(read, &[&start.0]).await.unwrap().get(0);
    assert!(count > 0);
    reader.batch_execute("COMMIT").await.unwrap();
    // the database itself may be reading, too, to vacuum
    until("the segment to be emptied", || async {
        hub.app().gate.trim_changes(&limits("1d", 1_000_000)).await.unwrap();
        let count: i64 = reader.query_one(read, &[&start.0]).await.unwrap().get(0);
        (count == 0).then_some(())
    })
    .await;
}
