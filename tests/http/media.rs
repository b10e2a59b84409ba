//! Media types of answers, and the statuses that go with them.

use reqwest::{Method, header::ACCEPT};
use serde_json::{Value, json};

use crate::harness::{Hub, Reply, send, tests};

const SEAT: &str = "nordwind/planner";
const NEW: &str = "application/graphql-response+json; charset=utf-8";
const OLD: &str = "application/json; charset=utf-8";

tests! {
    reading: the_client_chooses_the_media_type, statuses_follow_the_media_type, no_other_media_type_is_served,
        every_answer_is_guarded;
}

async fn ask(hub: &Hub, accept: Option<&str>, document: &str) -> Reply {
    let body: Value = json!({ "query": document });
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(SEAT).await).json(&body);
    send(match accept {
        Some(accept) => request.header(ACCEPT, accept),
        None => request,
    })
    .await
}

async fn the_client_chooses_the_media_type(hub: Hub) {
    for (accept, media) in [
        (None, NEW),
        (Some("*/*"), NEW),
        (Some("application/graphql-response+json"), NEW),
        (Some("application/json"), OLD),
        (Some("application/json, application/graphql-response+json;q=0.9"), OLD),
        (Some("application/graphql-response+json, application/json;q=0.9"), NEW),
        (Some("text/html, application/json;q=0.5"), OLD),
    ] {
        let reply = ask(&hub, accept, "{ viewer { role } }").await;
        assert_eq!(reply.header("content-type"), media, "{accept:?}");
        assert_eq!(reply.data(), json!({ "viewer": { "role": "planner" } }));
    }
}

async fn statuses_follow_the_media_type(hub: Hub) {
    for (document, code) in [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ products(after: \"x\") { nodes { id } } }", "BAD_USER_INPUT"),
        ("query A { __typename } query B { __typename }", "BAD_USER_INPUT"),
    ] {
        for (accept, status) in [("application/graphql-response+json", 400), ("application/json", 200)] {
            let reply = ask(&hub, Some(accept), document).await;
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{accept} {document}");
        }
    }
}

async fn no_other_media_type_is_served(hub: Hub) {
    for accept in ["text/html", "application/xml", "application/json;q=0"] {
        let reply = ask(&hub, Some(accept), "{ viewer { role } }").await;
        assert_eq!((reply.status, reply.code().as_str()), (406, "BAD_USER_INPUT"), "{accept}");
    }
}

async fn every_answer_is_guarded(hub: Hub) {
    let mut seen = Vec::new();
    for (method, path) in [
        (Method::GET, "/graphql"),
        (Method::GET, "/healthz"),
        (Method::GET, "/nowhere"),
        (Method::POST, "/graphql"),
        (Method::DELETE, "/graphql"),
        (Method::GET, "/graphiql/start.js"),
    ] {
        let reply = send(hub.request(method.clone(), path)).await;
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{method} {path}");
        assert_eq!(reply.header("x-frame-options"), "DENY");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
        let cached = reply.header("cache-control");
        assert_eq!(cached, if path.starts_with("/graphiql/") { "public, max-age=3600" } else { "no-store" }, "{path}");
        seen.push(reply.header("x-request-id").to_owned());
    }
    seen.sort();
    seen.dedup();
    assert!(seen.len() == 6 && seen.iter().all(|id| id.len() == 16), "each request has an id of its own: {seen:?}");
}
