//! When time alone changes what a seat sees: the hub knows the instant beforehand, nothing changes until then,
//! and something does there.

use std::sync::Arc;

use entente::access::{Caller, Origin, roster::resolve};
use entities::Instant;
use serde_json::Value;

use super::{AQUA, BERGMANN, BERGMANN_MARKETING, all, groups};
use crate::harness::{Hub, NOW, tests};

tests! {
    changing:
        the_window_moves_at_midnight,
        an_agreement_ends,
        what_was_given_ends,
        a_scope_ends,
        an_embargo_ends,
        a_sum_loses_rows,
        a_consent_begins_and_ends,
        a_supply_ends,
        a_delegation_ends,
        a_role_ends;
}

async fn caller(hub: &Hub, seat: &str) -> Caller {
    let (seat, principal) = resolve(hub.db(), seat, hub.clock().now()).await.unwrap();
    Caller { seat: Arc::new(seat), principal, expires: Instant(i64::MAX), place: None, origin: Origin::Here }
}

async fn next(hub: &Hub, seat: &str) -> Option<Instant> {
    edge(hub, &caller(hub, seat).await).await
}

async fn edge(hub: &Hub, caller: &Caller) -> Option<Instant> {
    let (gate, now) = (&hub.app().gate, hub.clock().now());
    let view = gate.view(caller, now).await.unwrap();
    gate.next_edge(&view, caller.principal, now).await.unwrap()
}

fn instant(text: &str) -> Instant {
    text.parse().unwrap()
}

/// From now on the rows of the list stay the same until exactly then.
async fn turns(hub: &Hub, seat: &str, from: &str, list: &str, fields: &str, at: &str) {
    hub.set_clock(from);
    assert_eq!(next(hub, seat).await, Some(instant(at)), "{seat} from {from}");
    let rows = async |at: Instant| -> Vec<Value> {
        hub.set_clock(&at.to_string());
        all(hub, seat, list, fields).await
    };
    let (before, at) = (rows(instant(from)).await, instant(at));
    for part in [1, 3, 4] {
        let between = Instant(at.0 - 1 - (at.0 - 1 - instant(from).0) / part * (part - 1));
        assert_eq!(rows(between).await, before, "{seat} at {between}");
    }
    assert_eq!(rows(Instant(at.0 - 1)).await, before, "{seat}");
    assert_ne!(rows(at).await, before, "{seat} at {at}");
}

/// R3
async fn the_window_moves_at_midnight(hub: Hub) {
    turns(&hub, AQUA, NOW, "demandBuckets", "bucketStart", "2026-06-16T00:00:00Z").await;
    turns(&hub, AQUA, "2026-06-21T12:00:00Z", "demandBuckets", "bucketStart", "2026-06-22T00:00:00Z").await;
}

/// R2
async fn an_agreement_ends(hub: Hub) {
    turns(&hub, AQUA, "2026-12-31T12:00:00Z", "cases", "number", "2027-01-01T00:00:00Z").await;
}

/// R18
async fn what_was_given_ends(hub: Hub) {
    turns(&hub, AQUA, "2027-03-30T12:00:00Z", "supplyCommitments", "qty", "2027-04-01T00:00:00Z").await;
}

async fn a_scope_ends(hub: Hub) {
    turns(&hub, AQUA, "2026-05-15T18:00:00Z", "demandSeries", "product { sku }", "2026-05-16T00:00:00Z").await;
}

/// R8
async fn an_embargo_ends(hub: Hub) {
    turns(&hub, BERGMANN, "2026-09-01T08:00:00Z", "products", "sku", "2026-09-01T09:00:00Z").await;
    turns(&hub, "nordwind/support_agent", "2026-08-25T08:30:00.000001Z", "products", "sku", "2026-08-25T09:00:00Z")
        .await;
}

/// R6
async fn a_sum_loses_rows(hub: Hub) {
    let ahead = "@id(\"demand.marketing\") @doc(\"For a test.\") @treatment(\"aggregate_only:2,0.99\") \
        @by(\"bucketStart.month\") \
        permit (principal in Role::\"partner_marketing\", action == Action::\"DemandBucket.qty\", resource is DemandBucket) \
        when { resource.version.status == \"published\" && resource.bucketStart > context.now };\n";
    let (hub, _folder) = groups::with(&hub, ahead).await;
    let at = "2026-06-22T00:00:00Z";
    assert_eq!(next(&hub, BERGMANN_MARKETING).await, Some(instant(at)));
    let counted = async |at: Instant| {
        hub.set_clock(&at.to_string());
        hub.data(BERGMANN_MARKETING, "{ demandBucketAggregate { count } }").await
    };
    let before = counted(instant(NOW)).await;
    assert_eq!(counted(Instant(instant(at).0 - 1)).await, before);
    assert_ne!(counted(instant(at)).await, before);
}

/// R15
async fn a_consent_begins_and_ends(hub: Hub) {
    let ours = "recipient_id = (SELECT id FROM organisation WHERE slug = 'bergmann') AND status = 'given'";
    let one = format!("id = (SELECT id FROM consent WHERE {ours} AND purpose = 'partner_contact' ORDER BY id LIMIT 1)");
    // within a millisecond it counts from the next one on
    let (begin, end) = (instant("2026-06-15T11:00:00.000250Z").0, instant("2026-06-15T12:00:00.000750Z").0);
    hub.sql(&format!("UPDATE consent SET given_at = {begin}, expires_at = {end} WHERE {one}")).await;
    let fields = "email givenName";
    turns(&hub, BERGMANN, "2026-06-15T10:30:00Z", "contacts", fields, "2026-06-15T11:00:00.001Z").await;
    turns(&hub, BERGMANN, "2026-06-15T11:30:00Z", "contacts", fields, "2026-06-15T12:00:00.001Z").await;
}

async fn a_supply_ends(hub: Hub) {
    let product = "product_id = (SELECT id FROM product WHERE sku = 'S40')";
    let day = "valid_to = '2026-06-18'";
    hub.sql(&format!("UPDATE partner_product SET {day} WHERE role = 'supplies' AND {product}")).await;
    hub.set_clock("2026-06-17T12:00:00Z");
    assert_eq!(next(&hub, AQUA).await, Some(instant("2026-06-18T00:00:00Z")));
}

/// R10
async fn a_delegation_ends(hub: Hub) {
    let until = instant("2026-06-15T10:20:00.000003Z");
    hub.sql(&format!("UPDATE delegation SET valid_to = {}", until.0)).await;
    let (deputy, gate) = (caller(&hub, "lindner/partner_planner/lena").await, &hub.app().gate);
    let place = "aqua-seals/partner_planner/alice";
    let deputy = gate.in_place(&deputy, place, hub.clock().now()).await.unwrap();
    assert_eq!(edge(&hub, &deputy).await, Some(until));
    hub.set_clock("2026-06-15T10:20:00.000002Z");
    assert!(gate.view(&deputy, hub.clock().now()).await.is_ok());
    hub.set_clock("2026-06-15T10:20:00.000003Z");
    assert!(gate.view(&deputy, hub.clock().now()).await.is_err());
}

async fn a_role_ends(hub: Hub) {
    let until = instant("2026-06-15T10:20:00.000003Z");
    let people =
        "SELECT p.id FROM principal p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'aqua-seals'";
    hub.sql(&format!("UPDATE role_assignment SET valid_to = {} WHERE principal_id IN ({people})", until.0)).await;
    assert_eq!(next(&hub, AQUA).await, Some(until));
    let token = hub.token(AQUA).await;
    let ask = async || hub.post(&token, &serde_json::json!({ "query": "{ __typename }" })).await.status;
    hub.set_clock("2026-06-15T10:20:00.000002Z");
    assert_eq!(ask().await, 200);
    hub.set_clock("2026-06-15T10:20:00.000003Z");
    assert_eq!(ask().await, 401);
}
