//! Writers that meet: those that change the shared data itself, and those that wait while their right ends.

use serde_json::json;

use super::{fault, first, write};
use crate::harness::{Hub, tests, until};

tests! {
    changing: many_change_what_is_shared;
    postgres: who_waited_too_long_is_asked_for_its_token_again;
}

async fn many_change_what_is_shared(hub: Hub) {
    let admin = "nordwind/admin";
    let agreement = first(&hub, admin, "sharingAgreements", "filter: { status: { eq: ACTIVE } }", "id").await;
    let other = hub.with(|_| ()).await;
    let mut asked = Vec::new();
    for i in 0..24 {
        let (hub, agreement) = (if i % 4 == 0 { other.clone() } else { hub.clone() }, agreement["id"].clone());
        asked.push(tokio::spawn(async move {
            let input = json!({ "agreement": agreement, "objectType": "DEMAND", "effect": "EXCLUDE", "region": format!("X{i}") });
            write(&hub, admin, "createAgreementScope", input, "region").await
        }));
    }
    for (i, asked) in asked.into_iter().enumerate() {
        assert_eq!(asked.await.unwrap(), json!({ "region": format!("X{i}") }));
    }
    assert_eq!(hub.number("SELECT count(*) FROM agreement_scope WHERE region LIKE 'X%'").await, 24);
}

async fn who_waited_too_long_is_asked_for_its_token_again(hub: Hub) {
    let seat = "aqua-seals/partner_planner";
    let of = "filter: { bucketStart: { eq: \"2026-06-29\" } }";
    let row = first(&hub, seat, "supplyCommitments", of, "id rowVersion qty").await;
    let token = hub.new_token(seat, "1h").await;
    let (client, connection) = tokio_postgres::connect(hub.database_url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; SELECT 1 FROM supply_commitment FOR UPDATE").await.unwrap();
    let document = format!(
        "mutation {{ done: updateSupplyCommitment(input: {{ id: {}, rowVersion: {}, qty: \"9\" }}) {{ __typename }} }}",
        row["id"], row["rowVersion"]
    );
    let far = hub.clone();
    let waiting = tokio::spawn(async move { far.post(&token, &json!({ "query": document })).await });
    let blocked =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("the write waits", || async { (hub.number(blocked).await > 0).then_some(()) }).await;
    hub.set_clock("2026-06-15T11:00:00Z");
    client.batch_execute("COMMIT").await.unwrap();
    let reply = waiting.await.unwrap();
    assert_eq!((reply.status, fault(&reply).0.as_str()), (401, "UNAUTHENTICATED"), "{}", reply.text);
    assert_eq!(first(&hub, seat, "supplyCommitments", of, "id rowVersion qty").await, row);
}
