//! The kinds of events, and what they say.

use serde_json::json;

use super::{AQUA, BERGMANN, CERAM, DEMAND, Follower, PLANNER, Topic, bucket};
use crate::{
    harness::{Hub, tests},
    streams::client::Socket,
};

tests! {
    changing:
        a_row_enters_changes_and_goes,
        what_is_hidden_is_silent,
        a_filter_is_entered_and_left,
        who_wants_no_snapshot_gets_none,
        several_types_in_one_stream,
        deletes_reach_only_those_who_saw_the_row,
        a_rule_on_a_hidden_field_moves_rows,
        all_members_get_the_same;
    reading: a_seat_follows_only_what_it_can_see, one_field_at_a_time, a_wrong_document_is_refused_as_a_query_is;
}

async fn a_row_enters_changes_and_goes(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    let one = bucket("aqua-seals", 0);
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {one}")).await;
    let (kind, event, fields) = follower.told().await;
    assert_eq!((kind.as_str(), fields), ("CHANGED", vec!["qty".to_owned()]), "{event}");
    assert!(event["node"]["series"]["id"].is_string() && event["reason"].is_null());
    let columns = "series_id, version_id, supplier_id, bucket_start, granularity, qty, qty_low, qty_high, firmness, \
                   contributors, top_share, source, updated_at";
    let other = columns.replace("granularity", "'day'");
    let new = "CAST('00000000-0000-7000-8000-000000000001' AS uuid)";
    let new = if hub.dialect() == entente::access::connect::Dialect::Sqlite {
        "X'00000000000070008000000000000001'"
    } else {
        new
    };
    hub.sql(&format!(
        "INSERT INTO demand_bucket (id, {columns}) SELECT {new}, {other} FROM demand_bucket WHERE id = {one}"
    ))
    .await;
    let (kind, event, _) = follower.told().await;
    assert_eq!(kind, "ENTERED");
    let id = event["id"].clone();
    hub.sql(&format!("DELETE FROM demand_bucket WHERE id = {new}")).await;
    let (kind, event, _) = follower.told().await;
    assert_eq!((kind.as_str(), &event["id"], &event["node"]), ("DELETED", &id, &json!(null)));
    // handed to another supplier
    let other = "(SELECT id FROM organisation WHERE slug = 'ceram-motors')";
    hub.sql(&format!("UPDATE demand_bucket SET supplier_id = {other} WHERE id = {one}")).await;
    let (kind, event, _) = follower.told().await;
    assert_eq!((kind.as_str(), &event["node"]), ("LEFT", &json!(null)));
    follower.agrees(&hub, AQUA).await;
}

/// L17: the row decides as a whole, hidden fields are taken away after.
async fn what_is_hidden_is_silent(hub: Hub) {
    let (mut aqua, mut planner) = (Follower::of(&hub, AQUA, DEMAND).await, Follower::of(&hub, PLANNER, DEMAND).await);
    let one = bucket("aqua-seals", 0);
    hub.sql(&format!("UPDATE demand_bucket SET contributors = contributors + 40 WHERE id = {one}")).await;
    let (kind, _, fields) = planner.told().await;
    assert_eq!((kind.as_str(), fields), ("CHANGED", vec!["contributors".to_owned()]));
    hub.sql(&format!("UPDATE demand_bucket SET contributors = contributors + 1, qty = qty + 10000 WHERE id = {one}"))
        .await;
    let (kind, _, fields) = aqua.told().await;
    assert_eq!((kind.as_str(), fields), ("CHANGED", vec!["qty".to_owned()]), "only of the second");
    let (_, _, mut fields) = planner.told().await;
    fields.sort();
    assert_eq!(fields, ["contributors", "qty"]);
    assert_eq!(aqua.seen.len(), 1);
}

async fn a_filter_is_entered_and_left(hub: Hub) {
    let topic = Topic {
        arguments: ", filter: { firmness: { eq: FIRM } }",
        filter: ", filter: { firmness: { eq: FIRM } }",
        ..DEMAND
    };
    let one = bucket("aqua-seals", 0);
    hub.sql(&format!("UPDATE demand_bucket SET firmness = 'firm' WHERE id = {one}")).await;
    let mut follower = Follower::of(&hub, AQUA, topic).await;
    assert!(!follower.copy.is_empty());
    hub.sql(&format!("UPDATE demand_bucket SET firmness = 'forecast' WHERE id = {one}")).await;
    assert_eq!(follower.told().await.0, "LEFT");
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {one}")).await;
    hub.sql(&format!("UPDATE demand_bucket SET firmness = 'firm' WHERE id = {one}")).await;
    assert_eq!(follower.told().await.0, "ENTERED");
    follower.agrees(&hub, AQUA).await;
    assert_eq!(follower.seen, ["LEFT", "ENTERED"]);
}

async fn who_wants_no_snapshot_gets_none(hub: Hub) {
    let mut follower = Follower::open(&hub, AQUA, DEMAND, json!({ "from": "NOW" })).await;
    assert_eq!(follower.event().await["kind"], "CHECKPOINT");
    follower.copy = DEMAND.asked(&hub, AQUA).await;
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("aqua-seals", 1))).await;
    assert_eq!(follower.told().await.0, "CHANGED");
    follower.agrees(&hub, AQUA).await;
}

async fn several_types_in_one_stream(hub: Hub) {
    let mut socket = Socket::signed_in(&hub, PLANNER).await;
    socket
        .ask(
            "1",
            "subscription { changes(types: [PRODUCT, DEMAND_SERIES], from: NOW) { kind changedFields node { \
             __typename id ... on Product { sku } ... on DemandSeries { region } } } }",
        )
        .await;
    let hear = async |socket: &mut Socket| loop {
        let message = socket.hear().await;
        let event = message["payload"]["data"]["changes"].clone();
        assert!(event.is_object(), "{message}");
        if event["kind"] != "CHECKPOINT" {
            return event;
        }
    };
    assert_eq!(socket.hear().await["payload"]["data"]["changes"]["kind"], "CHECKPOINT");
    hub.sql("UPDATE product SET name = 'Other' WHERE sku = 'S40'").await;
    let event = hear(&mut socket).await;
    assert_eq!((&event["node"]["__typename"], &event["node"]["sku"]), (&json!("Product"), &json!("S40")), "{event}");
    assert_eq!(event["changedFields"], json!(["name"]));
    hub.sql("UPDATE demand_series SET uom = 'box' WHERE id = (SELECT id FROM demand_series ORDER BY id LIMIT 1)").await;
    let event = hear(&mut socket).await;
    assert_eq!(event["node"]["__typename"], "DemandSeries", "{event}");
}

/// L10
async fn deletes_reach_only_those_who_saw_the_row(hub: Hub) {
    let (mut aqua, mut ceram) = (Follower::of(&hub, AQUA, DEMAND).await, Follower::of(&hub, CERAM, DEMAND).await);
    hub.sql(&format!("DELETE FROM demand_bucket WHERE id = {}", bucket("aqua-seals", 0))).await;
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("ceram-motors", 0))).await;
    assert_eq!(aqua.told().await.0, "DELETED");
    assert_eq!(ceram.told().await.0, "CHANGED");
    assert_eq!((aqua.seen.len(), ceram.seen.len()), (1, 1));
}

/// L17: whether a version is published is on a row of another type.
async fn a_rule_on_a_hidden_field_moves_rows(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    let rows = follower.copy.len();
    hub.sql("UPDATE forecast_version SET status = 'superseded' WHERE status = 'published'").await;
    follower.agrees(&hub, AQUA).await;
    assert!(follower.copy.is_empty() && rows > 0);
    assert!(follower.seen.iter().all(|kind| kind == "LEFT") && follower.seen.len() == rows);
    hub.sql("UPDATE forecast_version SET status = 'published' WHERE status = 'superseded'").await;
    follower.agrees(&hub, AQUA).await;
    assert!(follower.copy.len() >= rows);
}

async fn all_members_get_the_same(hub: Hub) {
    let mut followers = Vec::new();
    for _ in 0..5 {
        let mut socket = Socket::signed_in(&hub, AQUA).await;
        socket.ask("1", "subscription { demandUpdates(from: NOW) { cursor kind id node { qty } } }").await;
        socket.hear().await;
        followers.push(socket);
    }
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("aqua-seals", 0))).await;
    let mut texts = Vec::new();
    for socket in &mut followers {
        texts.push(socket.text().await);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "the cursor is sealed anew for each group, not for each member: {texts:?}");
}

async fn a_seat_follows_only_what_it_can_see(hub: Hub) {
    // a distributor sees no demand
    let mut socket = Socket::signed_in(&hub, BERGMANN).await;
    socket.ask("1", "subscription { demandUpdates { kind } }").await;
    let known = socket.hear().await;
    socket.ask("2", "subscription { nonsense { kind } }").await;
    let nonsense = socket.hear().await;
    let text = |value: &serde_json::Value| value["payload"][0]["message"].as_str().unwrap().to_owned();
    assert_eq!(text(&known), text(&nonsense).replace("nonsense", "demandUpdates"));
    socket.ask("3", "subscription { changes(types: [DEMAND_BUCKET]) { kind } }").await;
    assert_eq!(socket.hear().await["type"], "error");
}

async fn one_field_at_a_time(hub: Hub) {
    let mut socket = Socket::signed_in(&hub, AQUA).await;
    for (i, document) in [
        "subscription { a: demandUpdates { kind } b: demandUpdates { kind } }",
        "subscription { __typename }",
        "subscription { demandUpdates(after: \"x\", from: NOW) { kind } }",
        "subscription { changes(types: []) { kind } }",
    ]
    .iter()
    .enumerate()
    {
        socket.ask(&i.to_string(), document).await;
        let answer = socket.hear().await;
        assert_eq!(answer["type"], "error", "{document}: {answer}");
    }
    let answer = hub.query(AQUA, "subscription { demandUpdates { kind } }").await;
    assert_eq!(answer.code(), "BAD_USER_INPUT");
}

async fn a_wrong_document_is_refused_as_a_query_is(hub: Hub) {
    let mut socket = Socket::signed_in(&hub, AQUA).await;
    for (i, (document, code)) in [
        ("subscription { demandUpdates { kind node { contributors } } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { demandUpdates(filter: { contributors: { gt: 3 } }) { kind } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { demandUpdates(filter: { series: { id: { eq: \"x\" } } }) { kind } }", "BAD_USER_INPUT"),
        ("subscription { demandUpdates", "GRAPHQL_PARSE_FAILED"),
    ]
    .iter()
    .enumerate()
    {
        socket.ask(&i.to_string(), document).await;
        let answer = socket.hear().await;
        assert_eq!(answer["payload"][0]["extensions"]["code"], *code, "{document}: {answer}");
    }
}
