//! Writing in the place of another: an operator never does, a deputy what was handed over for writing.

use reqwest::Method;
use serde_json::{Value, json};

use super::{answer, fault};
use crate::harness::{Hub, Reply, send, tests};

tests! {
    changing:
        an_operator_in_the_place_of_a_seat_only_reads,
        a_deputy_writes_what_it_was_given_to_write,
        a_mutation_is_not_a_get;
}

const ALICE: &str = "aqua-seals/partner_planner/alice";
const LENA: &str = "lindner/partner_planner/lena";
/// One that is still open to answers.
const WEEK: &str = "2026-06-29";

fn document(row: &Value, qty: &str) -> String {
    format!(
        "mutation {{ done: updateSupplyCommitment(input: {{ id: {}, rowVersion: {}, qty: \"{qty}\" }}) {{ __typename }} }}",
        row["id"], row["rowVersion"]
    )
}

async fn act(hub: &Hub, seat: &str, document: &str) -> Reply {
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(seat).await);
    send(request.header("X-Entente-As", ALICE).json(&json!({ "query": document }))).await
}

async fn an_operator_in_the_place_of_a_seat_only_reads(hub: Hub) {
    let row = answer(&hub, ALICE, WEEK).await;
    let reply = act(&hub, "nordwind/admin", &document(&row, "1")).await;
    let told = "you may write nothing here: your schema has no mutations";
    assert_eq!(reply.refusal(), ("GRAPHQL_VALIDATION_FAILED".into(), told.into()));
    let schema = act(&hub, "nordwind/admin", "{ __schema { mutationType { name } } }").await.data();
    assert!(schema["__schema"]["mutationType"].is_null());
    assert_eq!(answer(&hub, ALICE, WEEK).await["rowVersion"], 1);
}

async fn a_deputy_writes_what_it_was_given_to_write(hub: Hub) {
    let row = answer(&hub, ALICE, WEEK).await;
    // lena stands for alice on stock, to read; nothing of the answers is hers
    assert_eq!(act(&hub, LENA, &document(&row, "1")).await.code(), "GRAPHQL_VALIDATION_FAILED");
    // an answer is a secret of the supplier that no other partner may be shown: a colleague of alice stands for her
    hub.sql(
        "UPDATE role_assignment SET role = 'partner_admin' WHERE principal_id IN \
         (SELECT id FROM principal WHERE slug <> 'alice' AND organisation_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals'))",
    )
    .await;
    hub.sql(
        "UPDATE delegation SET object_types = '[\"SupplyCommitment\", \"DemandSeries\", \"ForecastVersion\"]', \
         to_principal_id = (SELECT id FROM principal WHERE slug <> 'alice' AND organisation_id = \
         (SELECT id FROM organisation WHERE slug = 'aqua-seals') ORDER BY slug LIMIT 1)",
    )
    .await;
    let slug = hub.texts("SELECT slug FROM principal WHERE id = (SELECT to_principal_id FROM delegation)").await;
    let deputy = format!("aqua-seals/partner_admin/{}", slug[0].as_deref().unwrap());
    assert_eq!(act(&hub, &deputy, &document(&row, "1")).await.code(), "GRAPHQL_VALIDATION_FAILED");
    hub.sql("UPDATE delegation SET can_write = TRUE").await;
    let end = hub.log_end().await;
    assert_eq!(
        act(&hub, &deputy, &document(&row, "1")).await.data()["done"]["__typename"],
        "UpdateSupplyCommitmentPayload"
    );
    assert_eq!(answer(&hub, ALICE, WEEK).await["qty"], "1");
    let line = hub.log(end).await.remove(0);
    assert!(line.starts_with(&format!("aqua-seals/{} write SupplyCommitment", slug[0].as_deref().unwrap())), "{line}");
    assert_eq!(
        hub.number("SELECT count(*) FROM audit_event WHERE action = 'write' AND on_behalf_of_id IS NOT NULL").await,
        1
    );
    // no more than the one it stands for
    hub.set_clock("2026-06-26T18:00:00Z");
    let reply = act(&hub, &deputy, &document(&answer(&hub, ALICE, WEEK).await, "2")).await;
    assert_eq!(fault(&reply).0, "FORBIDDEN", "{}", reply.text);
}

async fn a_mutation_is_not_a_get(hub: Hub) {
    let row = answer(&hub, ALICE, WEEK).await;
    let request = hub.request(Method::GET, "/graphql").bearer_auth(hub.token(ALICE).await);
    let reply = send(request.query(&[("query", document(&row, "1"))])).await;
    assert_eq!((reply.status, reply.header("allow")), (405, "POST"));
    assert_eq!(answer(&hub, ALICE, WEEK).await["rowVersion"], 1);
}
