//! What whoever runs the hub asks.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Hub, Reply, send, tests, until};

tests! {
    reading: a_hub_is_alive_and_ready;
    changing: a_hub_whose_tables_are_gone_is_not_ready, a_failure_tells_its_id_and_no_more;
    postgres: a_database_that_goes_and_comes_back_is_told_and_used;
}

async fn get(hub: &Hub, path: &str) -> Reply {
    send(hub.request(Method::GET, path)).await
}

async fn a_hub_is_alive_and_ready(hub: Hub) {
    let alive = get(&hub, "/healthz").await;
    assert_eq!((alive.status, alive.json()), (200, json!({ "status": "alive" })));
    // a busy one may be too slow for whoever asks
    let ready = async || Some(get(&hub, "/readyz").await).filter(|reply| reply.status == 200);
    assert_eq!(until("readiness", ready).await.json(), json!({ "status": "ready" }));
    let keys = get(&hub, "/.well-known/jwks.json").await.json();
    assert_eq!((&keys["keys"][0]["alg"], keys["keys"][0].get("d")), (&json!("EdDSA"), None));
}

async fn a_hub_whose_tables_are_gone_is_not_ready(hub: Hub) {
    hub.sql("DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)").await;
    let reply = get(&hub, "/readyz").await;
    // how far behind it is, is not for strangers
    assert_eq!((reply.status, reply.json()), (503, json!({ "status": "not ready", "waitingFor": "database" })));
    assert_eq!(get(&hub, "/healthz").await.status, 200);
}

async fn a_failure_tells_its_id_and_no_more(hub: Hub) {
    hub.sql("ALTER TABLE product RENAME TO product_gone").await;
    let reply = hub.query("nordwind/planner", "{ products { nodes { sku } } }").await;
    assert_eq!((reply.status, reply.code().as_str()), (500, "INTERNAL"));
    untold(&reply);
}

async fn a_database_that_goes_and_comes_back_is_told_and_used(hub: Hub) {
    let (hub, wire) = hub.wired().await;
    let document = json!({ "query": "{ products { nodes { sku } } }" });
    let token = hub.token("nordwind/planner").await;
    assert_eq!(hub.post(&token, &document).await.status, 200);
    wire.cut().await;
    for _ in 0..6 {
        let reply = hub.post(&token, &document).await;
        let (code, message) = reply.refusal();
        assert_eq!((reply.status, code.as_str(), reply.header("retry-after")), (503, "INTERNAL", "5"), "{message}");
        assert!(message.contains("cannot reach its database"), "{message}");
        untold(&reply);
    }
    let ready = get(&hub, "/readyz").await;
    assert_eq!((ready.status, get(&hub, "/healthz").await.status), (503, 200));
    wire.mend();
    until("an answer", || async { (hub.post(&token, &document).await.status == 200).then_some(()) }).await;
    until("readiness", || async { (get(&hub, "/readyz").await.status == 200).then_some(()) }).await;
}

/// Nothing of the cause but the id by which the operator finds it.
fn untold(reply: &Reply) {
    for word in ["product", "postgres", "sqlite", "table", "socket", "refused", "127.0.0.1", "entente_"] {
        assert!(!reply.text.to_lowercase().contains(word), "{}", reply.text);
    }
    let id = reply.json()["errors"][0]["extensions"]["requestId"].clone();
    assert_eq!(id, reply.header("x-request-id"));
}
