//! Rights move, and the stream follows: by a write, by the clock, by new policies.

use serde_json::json;

use super::{AQUA, BERGMANN, CERAM, DEMAND, Follower, Topic, bucket, noted};
use crate::harness::{Hub, policies, tests, until};

tests! {
    changing:
        a_customer_moves_to_another_country,
        an_agreement_ends_by_a_write,
        an_agreement_ends_by_the_clock,
        an_embargo_passes,
        a_customer_is_put_under_nda,
        other_policies_are_taken,
        the_window_moves_while_nobody_is_connected,
        deliveries_are_in_the_access_log;
}

const CUSTOMERS: Topic = Topic {
    field: "changes",
    arguments: ", types: [CUSTOMER]",
    list: "customers",
    filter: "",
    on: Some("Customer"),
    fields: "id name region",
};

const PRODUCTS: Topic = Topic {
    field: "changes",
    arguments: ", types: [PRODUCT]",
    list: "products",
    filter: "",
    on: Some("Product"),
    fields: "id sku name",
};

const CASES: Topic = Topic {
    field: "caseUpdates",
    arguments: "",
    list: "cases",
    filter: "",
    on: None,
    fields: "id number subjectShared",
};

/// What is seen of a change comes by itself.
async fn follows(follower: &mut Follower, hub: &Hub, seat: &str) {
    follower.told().await;
    follower.agrees(hub, seat).await;
}

/// R4, L18
async fn a_customer_moves_to_another_country(hub: Hub) {
    let mut follower = Follower::of(&hub, BERGMANN, CUSTOMERS).await;
    let (id, row) = follower.copy.iter().next().unwrap();
    let (id, name) = (id.clone(), row["name"].as_str().unwrap().to_owned());
    hub.sql(&format!("UPDATE customer SET region = 'PT' WHERE name = '{name}'")).await;
    let (kind, event, _) = follower.told().await;
    assert_eq!((kind.as_str(), &event["id"], &event["node"]), ("LEFT", &json!(id), &json!(null)));
    follower.agrees(&hub, BERGMANN).await;
}

/// L19
async fn an_agreement_ends_by_a_write(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    let mut other = Follower::of(&hub, CERAM, DEMAND).await;
    let rows = follower.copy.len();
    let aqua = "grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals')";
    hub.sql(&format!("UPDATE sharing_agreement SET status = 'ended' WHERE {aqua}")).await;
    for _ in 0..rows {
        assert_eq!(follower.told().await.0, "LEFT");
    }
    assert!(follower.copy.is_empty());
    let (code, message) = follower.refused().await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{message}");
    // others stay
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("ceram-motors", 0))).await;
    assert_eq!(other.told().await.0, "CHANGED");
    assert_eq!(other.seen.len(), 1);
}

/// R2, L19
async fn an_agreement_ends_by_the_clock(hub: Hub) {
    hub.set_clock("2026-12-31T12:00:00Z");
    let mut follower = Follower::of(&hub, AQUA, CASES).await;
    hub.set_clock("2026-12-31T23:59:59.999999Z");
    assert!(!follower.copy.is_empty());
    hub.set_clock("2027-01-01T00:00:00Z");
    follows(&mut follower, &hub, AQUA).await;
    assert!(follower.seen.contains(&"LEFT".to_owned()), "{:?}", follower.seen);
}

/// R8
async fn an_embargo_passes(hub: Hub) {
    hub.set_clock("2026-09-01T08:59:59Z");
    let mut follower = Follower::of(&hub, BERGMANN, PRODUCTS).await;
    hub.set_clock("2026-09-01T09:00:00Z");
    follows(&mut follower, &hub, BERGMANN).await;
    assert_eq!(follower.seen.iter().filter(|kind| *kind == "ENTERED").count(), 3);
}

/// R9
async fn a_customer_is_put_under_nda(hub: Hub) {
    let mut follower = Follower::of(&hub, BERGMANN, CUSTOMERS).await;
    let name = follower.copy.values().next().unwrap()["name"].as_str().unwrap().to_owned();
    hub.sql(&format!("UPDATE customer SET nda_level = 2 WHERE name = '{name}'")).await;
    follows(&mut follower, &hub, BERGMANN).await;
}

async fn other_policies_are_taken(hub: Hub) {
    let folder = policies();
    let path = folder.path().to_owned();
    let hub = hub.with(|config| config.policies = Some(path.clone())).await;
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    let file = path.join("demand.cedar");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replace("duration(\"-183d\")", "duration(\"-8d\")").replace("duration(\"546d\")", "duration(\"100d\")"),
    )
    .unwrap();
    hub.app().gate.reload_policies().unwrap();
    follows(&mut follower, &hub, AQUA).await;
    assert!(!follower.copy.is_empty() && follower.seen.iter().all(|kind| kind == "LEFT") && !follower.seen.is_empty());
}

async fn the_window_moves_while_nobody_is_connected(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("aqua-seals", 0))).await;
    hub.set_clock("2026-06-29T10:00:00Z");
    follower = follower.resume(&hub, AQUA).await;
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
    assert!(
        !follower.seen.contains(&"GAP".to_owned()) && follower.seen.contains(&"LEFT".to_owned()),
        "{:?}",
        follower.seen
    );
}

async fn deliveries_are_in_the_access_log(hub: Hub) {
    let end = hub.log_end().await;
    let rows = DEMAND.asked(&hub, AQUA).await.len();
    let end = hub.log_end().await.max(end);
    let mut follower = Follower::open(&hub, AQUA, DEMAND, json!({})).await;
    follower.up_to_date().await;
    drop(follower);
    until("the lines of the subscription", async || (noted(&hub, end).await == rows).then_some(())).await;
    let first = hub.log(end).await.into_iter().find(|line| line.contains("subscribe DemandBucket")).unwrap();
    assert!(first.starts_with("aqua-seals/") && first.contains(" 0 "), "a line before the first row: {first}");
}
