//! Inputs: what is missing, wrong, hidden or unknown, and what a seat's schema has of them.

use serde_json::{Value, json};

use super::{absent, answer, change, first, refused, write};
use crate::harness::{Hub, tests};

tests! {
    reading:
        a_seat_has_the_mutations_that_it_may_use,
        nobody_writes_what_the_hub_fills;
    changing:
        values_of_every_kind_are_kept,
        numbers_are_within_their_range,
        null_empties_and_nothing_leaves,
        bad_values_are_told,
        hidden_fields_are_unknown_to_inputs;
}

const AQUA: &str = "aqua-seals/partner_planner";
const REP: &str = "nordwind/sales_rep/anna";

async fn mutations(hub: &Hub, seat: &str) -> Vec<String> {
    let data = hub.data(seat, "{ __schema { mutationType { fields { name } } } }").await;
    let fields = data["__schema"]["mutationType"]["fields"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = fields.iter().filter_map(|f| f["name"].as_str().map(String::from)).collect();
    names.sort();
    names
}

async fn a_seat_has_the_mutations_that_it_may_use(hub: Hub) {
    let expected: [(&str, &[&str]); 6] = [
        ("aqua-seals/partner_planner", &["createSupplyCommitment", "updateSupplyCommitment"]),
        ("aqua-seals/service_account", &[]),
        ("bergmann/partner_sales", &[]),
        (REP, &["breakGlass", "createCustomer", "updateCustomer"]),
        ("nordwind/support_agent", &["breakGlass", "createCaseMessage", "updateCase"]),
        ("nordwind/finance", &[]),
    ];
    for (seat, names) in expected {
        assert_eq!(mutations(&hub, seat).await, names, "{seat}");
    }
    absent(&hub, REP, "deleteCustomer").await;
    absent(&hub, "bergmann/partner_sales", "updateCustomer").await;
}

async fn nobody_writes_what_the_hub_fills(hub: Hub) {
    let document = "{ __schema { types { name inputFields { name } } } }";
    for seat in ["nordwind/admin", "nordwind/planner", REP, "aqua-seals/partner_planner"] {
        let data = hub.data(seat, document).await;
        let inputs = data["__schema"]["types"].as_array().unwrap().iter().filter(|ty| {
            let name = ty["name"].as_str().unwrap();
            name.ends_with("Input")
        });
        for input in inputs {
            let ty = input["name"].as_str().unwrap();
            for field in input["inputFields"].as_array().unwrap() {
                let name = field["name"].as_str().unwrap();
                assert!(
                    !["createdAt", "updatedAt", "committedAt", "committedBy", "createdBy", "author"].contains(&name),
                    "{seat} {ty}.{name}"
                );
                assert!(
                    !ty.contains("AuditEvent") && (name != "id" || !ty.starts_with("Create")),
                    "{seat} {ty}.{name}"
                );
            }
        }
    }
}

async fn values_of_every_kind_are_kept(hub: Hub) {
    let agreement =
        first(&hub, "nordwind/admin", "sharingAgreements", "filter: { status: { eq: ACTIVE } }", "id").await;
    let change = json!({
        "id": agreement["id"], "title": "Ünder 'quotes' \"and\" \\", "status": "SUSPENDED",
        "validFrom": "2026-01-01T00:00:00.000001Z", "validTo": null, "historyDays": 7,
    });
    let fields = "title status validFrom validTo historyDays";
    let shown = write(&hub, "nordwind/admin", "updateSharingAgreement", change.clone(), fields).await;
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(*value, change[name], "{name}");
    }
    let case = first(&hub, "nordwind/support_agent", "cases", "orderBy: [{ field: NUMBER }]", "id").await;
    let change =
        json!({ "id": case["id"], "safetyFlag": true, "severity": 2, "csat": 5, "closedAt": "2026-06-15T09:00:00Z" });
    let shown =
        write(&hub, "nordwind/support_agent", "updateCase", change.clone(), "safetyFlag severity csat closedAt").await;
    for (name, value) in shown.as_object().unwrap() {
        assert_eq!(*value, change[name], "{name}");
    }
    let version = first(&hub, "nordwind/planner", "forecastVersions", "filter: { status: { eq: DRAFT } }", "id").await;
    let change = json!({ "id": version["id"], "horizonTo": "2028-02-29" });
    let shown = write(&hub, "nordwind/planner", "updateForecastVersion", change, "horizonTo").await;
    assert_eq!(shown["horizonTo"], "2028-02-29");
}

async fn numbers_are_within_their_range(hub: Hub) {
    let row = answer(&hub, AQUA, "2026-06-29").await;
    for qty in ["-0.0001", "-5"] {
        let told = ("BAD_USER_INPUT".into(), format!("`input.qty` is `{qty}`, expected a number, at least 0"));
        assert_eq!(refused(&hub, AQUA, "updateSupplyCommitment", change(&row, qty)).await, told);
    }
    write(&hub, AQUA, "updateSupplyCommitment", change(&row, "0"), "id").await;
    let agreement = first(&hub, "nordwind/admin", "sharingAgreements", "", "id readAfterEndDays").await;
    assert_eq!(agreement["readAfterEndDays"], 90);
    for (days, taken) in [(-1, false), (0, true), (36_500, true), (36_501, false)] {
        let change = json!({ "id": agreement["id"], "readAfterEndDays": days });
        if taken {
            write(&hub, "nordwind/admin", "updateSharingAgreement", change, "id").await;
        } else {
            let told = format!("`input.readAfterEndDays` is `{days}`, expected a number, from 0 to 36500");
            assert_eq!(refused(&hub, "nordwind/admin", "updateSharingAgreement", change).await.1, told);
        }
    }
}

async fn null_empties_and_nothing_leaves(hub: Hub) {
    let row =
        first(&hub, REP, "customers", "filter: { name: { eq: \"Rheinwasser AG\" } }", "id industry postcode").await;
    let change = json!({ "id": row["id"], "industry": null });
    let shown = write(&hub, REP, "updateCustomer", change, "industry postcode").await;
    assert_eq!(shown, json!({ "industry": null, "postcode": row["postcode"] }));
    let (code, message) = refused(&hub, REP, "updateCustomer", json!({ "id": row["id"], "name": null })).await;
    assert_eq!((code.as_str(), message.contains("input.name")), ("BAD_USER_INPUT", true), "{message}");
}

async fn bad_values_are_told(hub: Hub) {
    let row = first(&hub, REP, "customers", "filter: { name: { eq: \"Rheinwasser AG\" } }", "id").await;
    let case = first(&hub, "nordwind/support_agent", "cases", "orderBy: [{ field: NUMBER }]", "id").await;
    let bad: [(&str, &str, Value); 8] = [
        (REP, "updateCustomer", json!({ "id": row["id"] })),
        (REP, "updateCustomer", json!({ "id": case["id"], "name": "x" })),
        (REP, "updateCustomer", json!({ "id": "nonsense", "name": "x" })),
        (REP, "updateCustomer", json!({ "id": row["id"], "name": "a\u{0}b" })),
        (REP, "updateCustomer", json!({ "id": row["id"], "lifecycleStage": "FRIEND" })),
        ("nordwind/support_agent", "updateCase", json!({ "id": case["id"], "severity": 40_000 })),
        ("nordwind/support_agent", "updateCase", json!({ "id": case["id"], "closedAt": "yesterday" })),
        ("nordwind/support_agent", "createCaseMessage", json!({ "case": case["id"], "visibility": "INTERNAL" })),
    ];
    for (seat, mutation, input) in bad {
        let (code, message) = refused(&hub, seat, mutation, input.clone()).await;
        assert_eq!(code, "BAD_USER_INPUT", "{input}: {message}");
    }
}

/// I1: once a document has been seen its variables are not validated again; the answer is the same.
async fn hidden_fields_are_unknown_to_inputs(hub: Hub) {
    let row = first(&hub, REP, "customers", "filter: { name: { eq: \"Rheinwasser AG\" } }", "id").await;
    write(&hub, REP, "updateCustomer", json!({ "id": row["id"], "name": "Rheinwasser AG" }), "id").await;
    let other = async |field: &str| {
        let (code, message) = refused(&hub, REP, "updateCustomer", json!({ "id": row["id"], field: 1 })).await;
        (code, message.replace(field, "…"))
    };
    let unknown = other("nonsense").await;
    for field in ["ndaLevel", "creditLimit", "clv", "rowVersion", "createdAt"] {
        assert_eq!(other(field).await, unknown, "{field}");
    }
}
