//! Which methods are served: POST, and GET for queries.

use reqwest::{
    Method,
    header::{ACCEPT, CONNECTION, UPGRADE},
};
use serde_json::json;

use crate::harness::{Hub, Reply, send, tests};

const SEAT: &str = "nordwind/planner";

tests! {
    reading: a_query_may_be_asked_by_get, get_asks_queries_only, other_methods_are_not_allowed,
        a_subscription_needs_a_stream;
}

async fn get(hub: &Hub, parameters: &[(&str, &str)]) -> Reply {
    let request = hub.request(Method::GET, "/graphql").query(parameters).bearer_auth(hub.token(SEAT).await);
    send(request.header(ACCEPT, "application/graphql-response+json")).await
}

async fn a_query_may_be_asked_by_get(hub: Hub) {
    let document =
        "query A($sku: String) { products(filter: { sku: { eq: $sku } }) { nodes { sku } } } query B { __typename }";
    let reply = get(&hub, &[("query", document), ("operationName", "A"), ("variables", r#"{"sku":"S40"}"#)]).await;
    assert_eq!(reply.data(), json!({ "products": { "nodes": [{ "sku": "S40" }] } }));
    assert_eq!(get(&hub, &[("query", "{ __typename }")]).await.data(), json!({ "__typename": "Query" }));
    for (parameters, part) in [
        (vec![], "no `query`"),
        (vec![("query", "")], "no `query`"),
        (vec![("query", "{ __typename }"), ("variables", "[1]")], "`variables`"),
        (vec![("query", "{ __typename }"), ("variables", "{")], "`variables`"),
        (vec![("query", "{ __typename }"), ("query", "{ viewer { role } }")], "twice"),
        (vec![("query", document), ("operationName", "C")], "no operation `C`"),
    ] {
        let reply = get(&hub, &parameters).await;
        let (code, message) = reply.refusal();
        assert_eq!((reply.status, code.as_str()), (400, "BAD_USER_INPUT"), "{message}");
        assert!(message.contains(part), "{message}");
    }
}

async fn get_asks_queries_only(hub: Hub) {
    for document in ["mutation { a }", "subscription { a }"] {
        let reply = get(&hub, &[("query", document)]).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "POST"), "{document}");
        assert_eq!(reply.code(), "BAD_USER_INPUT");
    }
    // among several operations the chosen one decides
    let both = "query A { __typename } mutation B { a }";
    assert_eq!(get(&hub, &[("query", both), ("operationName", "B")]).await.status, 405);
    assert_eq!(
        get(&hub, &[("query", both), ("operationName", "A")]).await.status,
        400,
        "what `B` asks for is not there"
    );
}

async fn other_methods_are_not_allowed(hub: Hub) {
    for method in [Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        let request = hub.request(method.clone(), "/graphql").bearer_auth(hub.token(SEAT).await);
        let reply = send(request.json(&json!({ "query": "{ __typename }" }))).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "GET, POST"), "{method}");
        assert!(!reply.text.contains("Query"));
    }
    let head = send(hub.request(Method::HEAD, "/graphql").bearer_auth(hub.token(SEAT).await)).await;
    assert_eq!((head.status, head.text.as_str()), (405, ""));
}

async fn a_subscription_needs_a_stream(hub: Hub) {
    let request = hub.request(Method::GET, "/graphql").bearer_auth(hub.token(SEAT).await);
    let reply = send(request.header(CONNECTION, "upgrade").header(UPGRADE, "websocket")).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_USER_INPUT"));
    let (code, message) = hub.refusal(SEAT, "subscription { demandUpdates { cursor } }").await;
    assert_eq!(code, "BAD_USER_INPUT");
    assert!(message.contains("over WebSocket or as an event stream"), "{message}");
}
