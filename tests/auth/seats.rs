//! Whoever leaves a seat is out with the next request, and whoever takes one is in.

use crate::harness::{Hub, tests};

const DOCUMENT: &str = "{ viewer { seat } customers { totalCount } }";

tests! {
    changing: who_loses_a_role_is_out_at_once, who_is_given_a_role_is_in_at_once, a_role_ends_by_the_clock,
        who_is_locked_is_out, a_suspended_organisation_is_out, a_role_at_a_partner_is_not_the_hosts;
    reading: a_seat_is_of_its_organisation;
}

async fn out(hub: &Hub, token: &str) {
    let reply = hub.post(token, &serde_json::json!({ "query": DOCUMENT })).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "UNAUTHENTICATED"), "{}", reply.text);
    assert!(reply.header("www-authenticate").starts_with("Bearer"));
}

async fn is_in(hub: &Hub, token: &str) {
    let reply = hub.post(token, &serde_json::json!({ "query": DOCUMENT })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

const ANNAS_ROLE: &str = "principal_id = (SELECT id FROM principal WHERE slug = 'anna') AND role = 'sales_rep'";

async fn who_loses_a_role_is_out_at_once(hub: Hub) {
    let (anna, bruno) = (hub.token("nordwind/sales_rep/anna").await, hub.token("nordwind/sales_rep/bruno").await);
    is_in(&hub, &anna).await;
    let past = hub.clock().now().0 - 1;
    assert_eq!(hub.sql(&format!("UPDATE role_assignment SET valid_to = {past} WHERE {ANNAS_ROLE}")).await, 1);
    out(&hub, &anna).await;
    // the seat stays, for the others in it
    is_in(&hub, &bruno).await;
    out(&hub, &anna).await;
    assert_eq!(hub.sql(&format!("UPDATE role_assignment SET valid_to = NULL WHERE {ANNAS_ROLE}")).await, 1);
    is_in(&hub, &anna).await;
    assert_eq!(hub.sql(&format!("DELETE FROM role_assignment WHERE {ANNAS_ROLE}")).await, 1);
    out(&hub, &anna).await;
}

async fn who_is_given_a_role_is_in_at_once(hub: Hub) {
    // paula's token for the seat of the sales representatives, from before she left it
    assert_eq!(
        hub.sql("UPDATE role_assignment SET role = 'sales_rep' WHERE role = 'planner'").await,
        1,
        "the demo world has one planner"
    );
    let paula = hub.token("nordwind/sales_rep/paula").await;
    assert_eq!(
        hub.sql(
            "UPDATE role_assignment SET role = 'planner' \
             WHERE principal_id = (SELECT id FROM principal WHERE slug = 'paula')"
        )
        .await,
        1
    );
    let anna = hub.token("nordwind/sales_rep/anna").await;
    is_in(&hub, &anna).await;
    out(&hub, &paula).await;
    hub.sql("UPDATE role_assignment SET role = 'sales_rep' WHERE role = 'planner'").await;
    is_in(&hub, &paula).await;
}

async fn a_role_ends_by_the_clock(hub: Hub) {
    let anna = hub.token("nordwind/sales_rep/anna").await;
    let end = hub.clock().now().0 + 60_000_000;
    hub.sql(&format!("UPDATE role_assignment SET valid_to = {end} WHERE {ANNAS_ROLE}")).await;
    is_in(&hub, &anna).await;
    hub.set_clock("2026-06-15T10:00:59.999999Z");
    is_in(&hub, &anna).await;
    hub.set_clock("2026-06-15T10:01:00Z");
    out(&hub, &anna).await;
}

async fn who_is_locked_is_out(hub: Hub) {
    let alice = hub.token("aqua-seals/partner_planner/alice").await;
    is_in_partner(&hub, &alice).await;
    assert_eq!(hub.sql("UPDATE principal SET status = 'locked' WHERE slug = 'alice'").await, 1);
    out(&hub, &alice).await;
}

async fn a_suspended_organisation_is_out(hub: Hub) {
    let alice = hub.token("aqua-seals/partner_planner").await;
    let bea = hub.token("bergmann/partner_sales").await;
    is_in_partner(&hub, &alice).await;
    assert_eq!(hub.sql("UPDATE organisation SET status = 'suspended' WHERE slug = 'aqua-seals'").await, 1);
    out(&hub, &alice).await;
    is_in_partner(&hub, &bea).await;
    hub.sql("UPDATE organisation SET status = 'active' WHERE slug = 'aqua-seals'").await;
    is_in_partner(&hub, &alice).await;
}

async fn is_in_partner(hub: &Hub, token: &str) {
    let reply = hub.post(token, &serde_json::json!({ "query": "{ viewer { seat } }" })).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
}

/// A partner's own administration of roles cannot reach what is the host's.
async fn a_role_at_a_partner_is_not_the_hosts(hub: Hub) {
    hub.sql("UPDATE role_assignment SET role = 'admin' WHERE principal_id = (SELECT id FROM principal WHERE slug = 'alice')")
        .await;
    let data = hub.data("aqua-seals/admin", "{ viewer { rights { type } } }").await;
    // what the law tells every supplier about a dangerous lot, and nothing of what an admin sees
    let types: Vec<_> = data["viewer"]["rights"].as_array().unwrap().iter().map(|right| &right["type"]).collect();
    assert_eq!(types, ["Product", "Case", "CaseProduct"]);
    for list in ["customers", "salesOrders", "organisations", "principals"] {
        let (code, _) = hub.refusal("aqua-seals/admin", &format!("{{ {list} {{ totalCount }} }}")).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
    }
}

async fn a_seat_is_of_its_organisation(hub: Hub) {
    for (seat, name) in [
        ("aqua-seals/partner_planner", "Aqua Seals"),
        ("bergmann/partner_sales", "Bergmann"),
        ("nordwind/admin", "Nordwind"),
    ] {
        let data = hub.data(seat, "{ viewer { seat organisation { displayName } } }").await;
        assert_eq!(data["viewer"]["seat"], seat);
        assert_eq!(data["viewer"]["organisation"]["displayName"], name);
    }
}
