//! Where a stream is taken up: each event once, or a plain word that it cannot be.

use entente::{
    access::connect::Dialect,
    catalogue::{CATALOGUE, Value},
};
use serde_json::json;
use uuid::Uuid;

use super::{AQUA, CERAM, DEMAND, Follower, PLANNER, bucket, noted};
use crate::{
    harness::{Hub, tests, until},
    streams::client::Socket,
};

tests! {
    changing:
        what_happened_meanwhile_comes_once,
        another_hub_takes_it_up,
        a_snapshot_is_taken_up_half_way,
        half_way_it_is_taken_up_by_a_hub_that_looked_earlier,
        a_stream_costs_what_queries_cost,
        only_a_cursor_of_this_seat_and_subject_is_taken,
        what_the_log_no_longer_holds_begins_anew,
        an_event_stream_goes_on_from_its_last_event,
        who_is_far_behind_is_told_what_moved;
}

async fn change(hub: &Hub, nth: usize) {
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("aqua-seals", nth))).await;
}

async fn what_happened_meanwhile_comes_once(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    change(&hub, 0).await;
    follower.told().await;
    // the client dies
    for nth in [1, 2, 1] {
        change(&hub, nth).await;
        // the operator's changes of SQLite are one transaction as far as nothing is between them
        hub.sql("UPDATE product SET name = name || '.' WHERE sku = 'S40'").await;
    }
    hub.sql(&format!("DELETE FROM demand_bucket WHERE id = {}", bucket("aqua-seals", 3))).await;
    let mut follower = follower.resume(&hub, AQUA).await;
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
    assert_eq!(follower.seen.last().map(String::as_str), Some("DELETED"));
    let changed = follower.seen.iter().filter(|kind| *kind == "CHANGED").count();
    assert!(matches!((hub.dialect(), changed), (_, 3) | (Dialect::Sqlite, 2)), "{:?}", follower.seen);
    // nothing of it comes again
    let mut follower = follower.resume(&hub, AQUA).await;
    follower.up_to_date().await;
    assert!(follower.seen.is_empty());
    change(&hub, 0).await;
    assert_eq!(follower.told().await.0, "CHANGED");
}

async fn another_hub_takes_it_up(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    change(&hub, 0).await;
    follower.told().await;
    let other = hub.with(|_| ()).await;
    change(&hub, 1).await;
    let mut follower = follower.resume(&other, AQUA).await;
    assert_eq!(follower.told().await.0, "CHANGED");
    change(&hub, 2).await;
    assert_eq!(follower.told().await.0, "CHANGED");
    follower.agrees(&other, AQUA).await;
    assert_eq!(follower.seen.len(), 2);
}

async fn a_snapshot_is_taken_up_half_way(hub: Hub) {
    let expected = DEMAND.asked(&hub, PLANNER).await;
    let mut follower = Follower::open(&hub, PLANNER, DEMAND, json!({})).await;
    for _ in 0..expected.len() / 2 {
        follower.event().await;
    }
    change(&hub, 0).await;
    let mut follower = follower.resume(&hub, PLANNER).await;
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&hub, PLANNER).await);
}

async fn half_way_it_is_taken_up_by_a_hub_that_looked_earlier(hub: Hub) {
    let earlier = hub.with(|_| ()).await;
    let stays = Follower::of(&earlier, PLANNER, DEMAND).await;
    hub.clock().set(entities::Instant(hub.clock().now().0 + 60_000_000));
    let mut follower = Follower::open(&hub, PLANNER, DEMAND, json!({})).await;
    for _ in 0..stays.copy.len() / 2 {
        follower.event().await;
    }
    let mut follower = follower.resume(&earlier, PLANNER).await;
    follower.up_to_date().await;
    assert_eq!(follower.copy, stays.copy);
    assert!(!follower.seen.contains(&"GAP".to_owned()));
}

/// R19
async fn a_stream_costs_what_queries_cost(hub: Hub) {
    let change = |config: &mut entente::config::Config| {
        (config.limits.budgets, config.limits.cost_per_minute) = (true, 901);
    };
    let (metered, start) = (hub.with(change).await, hub.clock().now());
    let end = hub.log_end().await;
    let mut follower = Follower::open(&metered, AQUA, DEMAND, json!({})).await;
    for minute in 0..2 {
        let (code, message) = follower.refused().await;
        assert_eq!(code, "RATE_LIMITED", "{message}");
        // one for the subscription, three for a row with its series and version
        assert_eq!(follower.copy.len(), (minute + 1) * 300);
        let again = json!({ "after": follower.cursor });
        assert_eq!(Follower::open(&metered, AQUA, DEMAND, again).await.refused().await.0, "RATE_LIMITED");
        metered.clock().set(entities::Instant(start.0 + (minute as i64 + 1) * 60_000_000));
        follower = follower.resume(&metered, AQUA).await;
    }
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
    // whatever way a stream ends, what it handed out is in the access log
    let handed_out = follower.copy.len();
    drop(follower);
    until("the lines", async || (noted(&metered, end).await == handed_out).then_some(())).await;
}

async fn only_a_cursor_of_this_seat_and_subject_is_taken(hub: Hub) {
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    let cursor = follower.cursor.clone();
    let refused = async |seat: &str, arguments: &str, cursor: &str| {
        let mut socket = Socket::signed_in(&hub, seat).await;
        socket
            .ask("1", &format!("subscription {{ demandUpdates({arguments} after: {}) {{ kind }} }}", json!(cursor)))
            .await;
        let answer = socket.hear().await;
        assert_eq!(answer["type"], "error", "{seat} {arguments} {cursor}: {answer}");
        (answer["payload"][0]["extensions"]["code"].clone(), answer["payload"][0]["message"].clone())
    };
    let first = refused(AQUA, "", "").await;
    assert_eq!(first.0, "BAD_USER_INPUT");
    let mut changed = cursor.clone().into_bytes();
    changed[20] = if changed[20] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for (seat, arguments, cursor) in [
        (AQUA, "", &cursor[..cursor.len() - 4]),
        (AQUA, "", &changed),
        (AQUA, "", "🦀"),
        (AQUA, "filter: { firmness: { eq: FIRM } },", &cursor),
        (CERAM, "", &cursor),
        (PLANNER, "", &cursor),
        ("aqua-seals/service_account", "", &cursor),
    ] {
        assert_eq!(refused(seat, arguments, cursor).await, first, "{seat} {arguments}");
    }
    // of a log that has gone further
    let other = Follower::of(&hub, AQUA, DEMAND).await;
    drop((follower, other));
    match hub.dialect() {
        Dialect::Sqlite => hub.sql("DELETE FROM change_event").await,
        entente::access::connect::Dialect::Postgres => hub.sql("DELETE FROM change_commit").await,
    };
    assert_eq!(refused(AQUA, "", &cursor).await, first);
}

async fn what_the_log_no_longer_holds_begins_anew(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    change(&hub, 0).await;
    follower.told().await;
    change(&hub, 1).await;
    hub.sql("UPDATE change_bounds SET oldest = (SELECT max(p) FROM (SELECT max(id) AS p FROM change_event) x)").await;
    let mut follower = follower.resume(&hub, AQUA).await;
    let (kind, event, _) = follower.told().await;
    assert_eq!(kind, "GAP");
    assert!(event["reason"].as_str().unwrap().contains("drop all rows"), "{event}");
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
}

async fn an_event_stream_goes_on_from_its_last_event(hub: Hub) {
    use crate::streams::client::Events;
    let token = hub.token(AQUA).await;
    let document = "subscription { demandUpdates(from: NOW) { kind cursor node { qty } } }";
    let open = async |last: Option<&str>| {
        let body = json!({ "query": document });
        let mut request = hub.request(reqwest::Method::POST, "/graphql").bearer_auth(&token).json(&body);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Events::open(request).await
    };
    let mut events = open(None).await;
    let first = events.event().await.unwrap();
    drop(events);
    change(&hub, 0).await;
    let mut events = open(Some(&first.id)).await;
    let event = events.event().await.unwrap();
    assert!(event.data.contains("CHANGED"), "{event:?}");
}

/// Gives all buckets of a week to a supplier, in a transaction of its own.
async fn give(hub: &Hub, week: &str, to: &str) {
    let text = if hub.dialect() == Dialect::Sqlite { "hex(id)" } else { "CAST(id AS text)" };
    let keys = async |from: &str| -> Vec<Uuid> {
        let keys = hub.texts(&format!("SELECT {text} FROM {from}")).await;
        keys.iter().map(|key| key.as_deref().unwrap().parse().unwrap()).collect()
    };
    let supplier = keys(&format!("organisation WHERE slug = '{to}'")).await[0];
    let buckets = keys(&format!("demand_bucket WHERE bucket_start = '{week}'")).await;
    let ty = CATALOGUE.by_name("DemandBucket").unwrap();
    let rows: Vec<_> = buckets.into_iter().map(|key| (key, vec![Value::Id(supplier)])).collect();
    let mut load = hub.db().load().await.unwrap();
    let refused = load.update_each(ty, &[ty.field_index("supplier").unwrap()], &rows).await.unwrap();
    assert!(!rows.is_empty() && refused.is_empty());
    load.commit().await.unwrap();
}

/// Behind more changes than are handed along.
async fn who_is_far_behind_is_told_what_moved(hub: Hub) {
    let (mine, theirs) = ("aqua-seals", "ceram-motors");
    give(&hub, "2026-08-03", theirs).await;
    give(&hub, "2026-08-10", mine).await;
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    give(&hub, "2026-08-03", mine).await;
    give(&hub, "2026-08-10", theirs).await;
    for n in 0..600 {
        hub.sql(&format!("UPDATE product SET name = 'far {n}' WHERE sku = 'P100'")).await;
    }
    let mut follower = follower.resume(&hub, AQUA).await;
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
    for kind in ["ENTERED", "LEFT"] {
        assert!(follower.seen.iter().any(|seen| seen == kind), "{:?}", follower.seen);
    }
    assert!(follower.seen.iter().all(|seen| seen != "GAP" && seen != "CHANGED"), "{:?}", follower.seen);
}
