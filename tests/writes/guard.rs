//! The guard before and after: L5, L7 and L9. A write moves no row out of what its writer sees, nor into it, and
//! tells nothing of rows that are hidden.

use serde_json::{Value, json};

use super::{first, refused, write};
use crate::harness::{Hub, tests};

tests! {
    changing:
        a_row_does_not_leave_its_writers_view,
        a_row_that_is_seen_and_not_ones_own_is_not_written,
        a_reference_leads_only_to_what_is_seen,
        what_a_write_gives_is_what_a_query_would,
        a_row_is_made_and_deleted,
        a_row_that_others_need_is_not_deleted,
        a_hidden_row_that_is_in_the_way_is_told_to_nobody_else,
        rights_given_by_a_write_hold_at_once,
        the_shared_data_changes_under_a_write,
        the_shared_data_changes_under_a_look;
}

const ANNA: &str = "nordwind/sales_rep/anna";
const BRUNO: &str = "nordwind/sales_rep/bruno";

async fn customer(hub: &Hub, seat: &str, filter: &str) -> Value {
    first(hub, seat, "customers", &format!("filter: {{ {filter} }}"), "id name region city").await
}

/// The name of a customer in a region that is in nobody's care but the territory's.
async fn in_region(hub: &Hub, region: &str) -> String {
    let filter = format!(
        "filter: {{ ndaLevel: {{ eq: 0 }}, region: {{ like: \"{region}%\" }}, team: {{ none: {{ principal: {{ slug: {{ eq: \"anna\" }} }} }} }} }}, \
         orderBy: [{{ field: NAME }}]"
    );
    first(hub, "nordwind/admin", "customers", &filter, "name").await["name"].as_str().unwrap().to_owned()
}

/// L9
async fn a_row_does_not_leave_its_writers_view(hub: Hub) {
    let (near, far) = (in_region(&hub, "DE").await, in_region(&hub, "FR").await);
    let near = format!("name: {{ eq: \"{near}\" }}");
    let row = customer(&hub, ANNA, &near).await;
    let shown = write(&hub, ANNA, "updateCustomer", json!({ "id": row["id"], "city": "Speyer" }), "city region").await;
    assert_eq!(shown, json!({ "city": "Speyer", "region": row["region"] }));
    let input = json!({ "id": row["id"], "city": "Lyon", "region": "FR" });
    let (code, message) = refused(&hub, ANNA, "updateCustomer", input).await;
    assert_eq!(code, "FORBIDDEN", "{message}");
    // nothing of it was written
    assert_eq!(customer(&hub, ANNA, &near).await["city"], "Speyer");
    // nor into it: she sees the name of a customer in France, and would have it
    let far = customer(&hub, ANNA, &format!("name: {{ eq: \"{far}\" }}")).await;
    assert!(far["region"].is_null());
    for change in [json!({ "region": row["region"] }), json!({ "name": "Mine" })] {
        let mut input = change;
        input["id"] = far["id"].clone();
        assert_eq!(refused(&hub, ANNA, "updateCustomer", input).await.0, "FORBIDDEN");
    }
}

async fn a_row_that_is_seen_and_not_ones_own_is_not_written(hub: Hub) {
    let row = customer(&hub, ANNA, "name: { eq: \"Rheinwasser AG\" }").await;
    let (code, _) = refused(&hub, BRUNO, "updateCustomer", json!({ "id": row["id"], "name": "Mine" })).await;
    assert_eq!(code, "FORBIDDEN");
    // of a customer under NDA of the second level only its team knows: there is none
    let secret = customer(&hub, BRUNO, "ndaLevel: { eq: 2 }").await;
    let (code, hidden) = refused(&hub, ANNA, "updateCustomer", json!({ "id": secret["id"], "city": "X" })).await;
    let none = json!({ "id": "Customer_AAAAAAAAAAAAAAAAAAAAAA", "city": "X" });
    assert_eq!((code, hidden), refused(&hub, ANNA, "updateCustomer", none).await);
}

/// L5, I1
async fn a_reference_leads_only_to_what_is_seen(hub: Hub) {
    let case = first(&hub, "nordwind/support_agent", "cases", "orderBy: [{ field: NUMBER }]", "id").await;
    let me = hub.data("nordwind/support_agent", "{ viewer { person { id } } }").await["viewer"]["person"]["id"].clone();
    write(&hub, "nordwind/support_agent", "updateCase", json!({ "id": case["id"], "owner": me }), "id").await;
    let mut answers = Vec::new();
    for owner in ["Principal_AAAAAAAAAAAAAAAAAAAAAA", "Principal_BBBBBBBBBBBBBBBBBBBBBA"] {
        answers.push(
            refused(&hub, "nordwind/support_agent", "updateCase", json!({ "id": case["id"], "owner": owner })).await,
        );
    }
    // the series of C for a bucket of A's planner: see rules::answers; here an id of another organisation
    let theirs = hub.data("aqua-seals/partner_planner", "{ viewer { person { id } } }").await;
    let theirs = &theirs["viewer"]["person"]["id"];
    answers.push(
        refused(&hub, "nordwind/support_agent", "updateCase", json!({ "id": case["id"], "owner": theirs })).await,
    );
    let expected = ("NOT_FOUND".to_owned(), "`owner` names no Principal that you can see".to_owned());
    assert!(answers.iter().all(|answer| *answer == expected), "{answers:?}");
    let (code, _) =
        refused(&hub, "nordwind/support_agent", "updateCase", json!({ "id": case["id"], "owner": case["id"] })).await;
    assert_eq!(code, "BAD_USER_INPUT");
}

/// L7
async fn what_a_write_gives_is_what_a_query_would(hub: Hub) {
    let seat = "aqua-seals/partner_planner";
    let fields = "id qty status series { id product { sku } } supplier { displayName } version { name } committedBy { displayName }";
    let of = "filter: { bucketStart: { eq: \"2026-06-29\" } }";
    let row = first(&hub, seat, "supplyCommitments", of, &format!("rowVersion {fields}")).await;
    let input = json!({ "id": row["id"], "rowVersion": row["rowVersion"], "qty": "5" });
    let written = write(&hub, seat, "updateSupplyCommitment", input, fields).await;
    assert_eq!(written, first(&hub, seat, "supplyCommitments", of, fields).await);
    // what the seat cannot see is no field of what a write gives
    for field in ["commentPrivate", "nonsense"] {
        let document = format!(
            "mutation {{ updateSupplyCommitment(input: {{ id: {}, rowVersion: 2, qty: \"6\" }}) {{ supplyCommitment {{ {field} }} }} }}",
            row["id"]
        );
        let (code, message) = hub.refusal(seat, &document).await;
        let unknown = format!("Unknown field \"{field}\" on type \"SupplyCommitment\".");
        assert_eq!((code.as_str(), message), ("GRAPHQL_VALIDATION_FAILED", unknown));
    }
    assert_eq!(first(&hub, seat, "supplyCommitments", of, "qty").await["qty"], "5");
}

async fn a_row_is_made_and_deleted(hub: Hub) {
    let admin = "nordwind/admin";
    let agreement = first(&hub, admin, "sharingAgreements", "filter: { status: { eq: ACTIVE } }", "id").await;
    let input = json!({ "agreement": agreement["id"], "objectType": "DEMAND", "effect": "INCLUDE", "region": "PT" });
    let made = write(&hub, admin, "createAgreementScope", input, "id region agreement { id }").await;
    assert_eq!((&made["region"], &made["agreement"]["id"]), (&json!("PT"), &agreement["id"]));
    let gone = super::ask(&hub, admin, "deleteAgreementScope", json!({ "id": made["id"] }), "").await.data();
    assert_eq!(gone, json!({ "done": { "id": made["id"] } }));
    assert_eq!(refused(&hub, admin, "deleteAgreementScope", json!({ "id": made["id"] })).await.0, "NOT_FOUND");
    assert_eq!(hub.number("SELECT count(*) FROM agreement_scope WHERE region = 'PT'").await, 0);
}

async fn a_row_that_others_need_is_not_deleted(hub: Hub) {
    let before = hub.number("SELECT count(*) FROM role_assignment").await;
    let row = first(&hub, "nordwind/admin", "roleAssignments", "filter: { role: { eq: \"planner\" } }", "id").await;
    super::ask(&hub, "nordwind/admin", "deleteRoleAssignment", json!({ "id": row["id"] }), "").await.data();
    assert_eq!(hub.number("SELECT count(*) FROM role_assignment").await, before - 1);
    // nobody is permitted to delete a customer: there is no such mutation, for the operator neither
    super::absent(&hub, "nordwind/admin", "deleteCustomer").await;
}

/// L5: that a row is taken learns only who could have written it.
async fn a_hidden_row_that_is_in_the_way_is_told_to_nobody_else(hub: Hub) {
    let seat = "aqua-seals/partner_planner";
    let row = first(
        &hub,
        seat,
        "supplyCommitments",
        "filter: { bucketStart: { eq: \"2026-06-29\" } }",
        "series { id } version { id }",
    )
    .await;
    let own = hub.data(seat, "{ viewer { organisation { id } } }").await["viewer"]["organisation"]["id"].clone();
    let of = |bucket: &str, status: &str| {
        json!({
            "series": row["series"]["id"], "version": row["version"]["id"], "bucketStart": bucket, "supplier": own,
            "qty": "1", "status": status,
        })
    };
    assert_eq!(refused(&hub, seat, "createSupplyCommitment", of("2026-06-29", "COMMITTED")).await.0, "CONFLICT");
    // not permitted: whether there is such a row makes no difference
    let taken = refused(&hub, seat, "createSupplyCommitment", of("2026-06-29", "EXPIRED")).await;
    assert_eq!(taken.0, "FORBIDDEN");
    assert_eq!(taken, refused(&hub, seat, "createSupplyCommitment", of("2031-06-30", "EXPIRED")).await);
}

async fn rights_given_by_a_write_hold_at_once(hub: Hub) {
    let admin = "nordwind/admin";
    let agreement = first(
        &hub,
        admin,
        "sharingAgreements",
        "filter: { grantee: { slug: { eq: \"aqua-seals\" } }, status: { eq: ACTIVE } }",
        "id",
    )
    .await;
    let shared = "{ demandBuckets { totalCount } }";
    assert!(hub.data("aqua-seals/partner_planner", shared).await["demandBuckets"]["totalCount"].as_i64() > Some(0));
    write(&hub, admin, "updateSharingAgreement", json!({ "id": agreement["id"], "status": "ENDED" }), "status").await;
    assert_eq!(hub.query("aqua-seals/partner_planner", shared).await.code(), "GRAPHQL_VALIDATION_FAILED");
}

/// What a stale view permits is not written.
async fn the_shared_data_changes_under_a_write(hub: Hub) {
    let row = customer(&hub, ANNA, "name: { eq: \"Rheinwasser AG\" }").await;
    hub.sql("UPDATE role_assignment SET role = 'marketing' WHERE role = 'sales_rep'").await;
    let reply = super::ask(&hub, ANNA, "updateCustomer", json!({ "id": row["id"], "city": "Speyer" }), "id").await;
    assert_eq!((reply.status, super::fault(&reply).0.as_str()), (401, "UNAUTHENTICATED"));
    assert_eq!(hub.number("SELECT count(*) FROM customer WHERE city = 'Speyer'").await, 0);
}

/// What another process has taken away opens nothing, and is told nothing of rows.
async fn the_shared_data_changes_under_a_look(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub.with(|config| config.mail.folder = Some(folder.path().into())).await;
    let seat = "nordwind/support_agent/svea";
    let of = "{ contacts(filter: { customer: { name: { like: \"Familie Huber%\" } } }) { nodes { id phone } } }";
    let id = hub.data(seat, of).await["contacts"]["nodes"][0]["id"].take();
    let document = "mutation($input: BreakGlassInput!) { done: breakGlass(input: $input) { breakGlass { field } } }";
    let svea = "principal_id = (SELECT id FROM principal WHERE slug = 'svea')";
    let elsewhere = "networks = '[\"203.0.113.0/25\"]'";
    for (change, code) in [(elsewhere, "FORBIDDEN"), ("role = 'marketing'", "UNAUTHENTICATED")] {
        // the view is compiled while she may
        hub.sql(&format!("UPDATE role_assignment SET networks = NULL WHERE {svea}")).await;
        hub.data(seat, of).await;
        hub.sql(&format!("UPDATE role_assignment SET {change} WHERE {svea}")).await;
        let mut told = Vec::new();
        for id in [&id, &json!("Contact_AAAAAAAAAAAAAAAAAAAAAA")] {
            let input = json!({ "id": id, "field": "phone", "reason": "the pump they called about is leaking gas" });
            told.push(super::fault(&hub.query_with(seat, document, json!({ "input": input })).await));
        }
        assert!(told[0].0 == code && told[0] == told[1], "{told:?}");
    }
    assert_eq!(hub.number("SELECT count(*) FROM break_glass").await, 0);
    assert_eq!(hub.number("SELECT count(*) FROM mail").await, 0);
}
