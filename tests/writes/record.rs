//! One transaction: the row and its line in the access log, both or neither. And several writes in one document.

use serde_json::json;

use super::{answer, ask, change, fault, first, write};
use crate::harness::{Hub, tests};

tests! {
    changing:
        a_write_leaves_a_line,
        without_its_line_nothing_is_written,
        writes_of_one_document_run_in_its_order,
        the_chain_holds_after_many_writers;
    postgres:
        a_database_that_goes_takes_the_write_along;
}

const AQUA: &str = "aqua-seals/partner_planner";
/// One that is still open.
const WEEK: &str = "2026-06-29";

async fn a_write_leaves_a_line(hub: Hub) {
    let row = answer(&hub, AQUA, WEEK).await;
    let end = hub.log_end().await;
    write(&hub, AQUA, "updateSupplyCommitment", change(&row, "9"), "qty").await;
    let lines = hub.log(end).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("aqua-seals/alice write SupplyCommitment [\"qty\"] 1 allow"), "{lines:?}");
    assert!(lines[1].starts_with("aqua-seals/alice read SupplyCommitment"), "{lines:?}");
    // what is refused leaves none
    let end = hub.log_end().await;
    ask(&hub, AQUA, "updateSupplyCommitment", change(&row, "9"), "qty").await;
    assert!(hub.log(end).await.is_empty());
    hub.cli(&["audit", "verify"]).run().await.good();
}

async fn without_its_line_nothing_is_written(hub: Hub) {
    let row = answer(&hub, AQUA, WEEK).await;
    hub.take_log().await;
    hub.sql("DELETE FROM audit_chain").await;
    let reply = ask(&hub, AQUA, "updateSupplyCommitment", change(&row, "9"), "qty").await;
    assert_eq!(fault(&reply).0, "INTERNAL");
    assert_eq!(hub.number("SELECT count(*) FROM supply_commitment WHERE row_version > 1").await, 0);
}

async fn writes_of_one_document_run_in_its_order(hub: Hub) {
    let row = answer(&hub, AQUA, WEEK).await;
    let id = &row["id"];
    let update = |alias: &str, version: i64, qty: &str| {
        format!(
            "{alias}: updateSupplyCommitment(input: {{ id: {id}, rowVersion: {version}, qty: \"{qty}\" }}) {{ supplyCommitment {{ qty rowVersion }} }} "
        )
    };
    let document = format!(
        "mutation {{ __typename {}{}{}{} }}",
        update("z", 1, "1"),
        update("stale", 1, "2"),
        update("a", 2, "3"),
        update("b", 3, "4")
    );
    let body = hub.query(AQUA, &document).await.json();
    let shown = |qty: &str, version: i64| json!({ "supplyCommitment": { "qty": qty, "rowVersion": version } });
    let data =
        json!({ "__typename": "Mutation", "z": shown("1", 2), "stale": null, "a": shown("3", 3), "b": shown("4", 4) });
    assert_eq!(body["data"], data);
    assert_eq!(body["errors"].as_array().map(Vec::len), Some(1), "{body}");
    assert_eq!(
        (&body["errors"][0]["path"], &body["errors"][0]["extensions"]["code"]),
        (&json!(["stale"]), &json!("CONFLICT"))
    );
    // what is wrong with the document stops it before the first write
    let document = format!("mutation {{ {}{} }}", update("a", 4, "5"), update("b", 5, "no number"));
    assert_eq!(hub.refusal(AQUA, &document).await.0, "BAD_USER_INPUT");
    assert_eq!(answer(&hub, AQUA, WEEK).await["rowVersion"], 4);
}

async fn the_chain_holds_after_many_writers(hub: Hub) {
    let support = "nordwind/support_agent";
    let case = first(&hub, support, "cases", "orderBy: [{ field: NUMBER }]", "id").await;
    let other = hub.with(|_| ()).await;
    let mut asked = Vec::new();
    for i in 0..20 {
        let (hub, case) = (if i % 2 == 0 { hub.clone() } else { other.clone() }, case.clone());
        asked.push(tokio::spawn(async move {
            let input = json!({ "case": case["id"], "visibility": "INTERNAL", "body": format!("note {i}") });
            write(&hub, support, "createCaseMessage", input, "id").await;
            hub.take_log().await;
        }));
    }
    for asked in asked {
        asked.await.unwrap();
    }
    assert_eq!(hub.number("SELECT count(*) FROM case_message WHERE body LIKE 'note %'").await, 20);
    assert_eq!(hub.number("SELECT count(*) FROM audit_event WHERE action = 'write'").await, 20);
    hub.cli(&["audit", "verify"]).run().await.good();
}

async fn a_database_that_goes_takes_the_write_along(hub: Hub) {
    let row = answer(&hub, AQUA, WEEK).await;
    let (far, wire) = hub.wired().await;
    answer(&far, AQUA, WEEK).await;
    // the row is held by somebody else: the write waits for it, and then its connection is gone
    let held = hub.database_url().to_owned();
    let (client, connection) = tokio_postgres::connect(&held, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE supply_commitment IN EXCLUSIVE MODE").await.unwrap();
    let input = change(&row, "9");
    let waiting = tokio::spawn(async move { ask(&far, AQUA, "updateSupplyCommitment", input, "qty").await });
    // others of the server's databases have locks, too
    let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'supply_commitment'::regclass \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    crate::harness::until("the write waits", || async { (hub.number(waits).await > 0).then_some(()) }).await;
    wire.cut().await;
    client.batch_execute("COMMIT").await.unwrap();
    let reply = waiting.await.unwrap();
    assert!(reply.json().get("errors").is_some(), "{}", reply.text);
    assert_eq!(answer(&hub, AQUA, WEEK).await["rowVersion"], 1);
}
