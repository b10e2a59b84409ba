//! Tokens at the door: without a good one there is 401 on every path, and nothing more to learn.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::SigningKey;
use entente::{
    access::{key::Keys, roster},
    auth::Tokens,
};
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, COOKIE},
};
use serde_json::{Value, json};

use crate::harness::{Hub, Reply, send, tests};

const SEAT: &str = "nordwind/planner";

tests! {
    reading: without_a_token_every_path_is_closed, a_token_comes_in_its_header_only, a_foreign_token_is_refused,
        a_token_without_a_signature_is_refused, a_changed_token_is_refused, what_is_no_token_is_refused,
        a_token_ends_with_its_second, a_refusal_is_the_same_everywhere;
}

fn closed(reply: &Reply, part: &str) {
    let (code, message) = reply.refusal();
    assert_eq!((reply.status, code.as_str()), (401, "UNAUTHENTICATED"), "{message}");
    assert!(message.contains(part), "{message}");
    assert!(reply.header("www-authenticate").starts_with("Bearer realm=\"entente\""), "{:?}", reply.headers);
}

async fn asked(hub: &Hub, token: &str) -> Reply {
    hub.post(token, &json!({ "query": "{ viewer { seat } }" })).await
}

async fn without_a_token_every_path_is_closed(hub: Hub) {
    for path in [
        "/graphql",
        "/graphql?query=%7B__typename%7D",
        "/",
        "/metrics",
        "/admin",
        "/graphiql/",
        "/graphiql/../graphql",
        "/graphql/",
        "/GRAPHQL",
        "/healthz/",
        "/.well-known/openid-configuration",
        "/.git/config",
        "/%00",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let request = hub.request(method.clone(), path).header(ACCEPT, "*/*");
            let reply = send(request.json(&json!({ "query": "{ __typename }" }))).await;
            closed(&reply, "no token");
        }
    }
    // what is open is open for reading only
    for path in ["/healthz", "/readyz", "/.well-known/jwks.json", "/graphiql/start.js"] {
        assert_eq!(send(hub.request(Method::GET, path)).await.status, 200, "{path}");
        closed(&send(hub.request(Method::POST, path)).await, "no token");
    }
}

async fn a_token_comes_in_its_header_only(hub: Hub) {
    let token = hub.token(SEAT).await;
    let ask = |request: reqwest::RequestBuilder| send(request.json(&json!({ "query": "{ __typename }" })));
    closed(&ask(hub.request(Method::POST, &format!("/graphql?access_token={token}&token={token}"))).await, "no token");
    closed(&ask(hub.request(Method::POST, "/graphql").header(COOKIE, format!("token={token}"))).await, "no token");
    for wrong in [format!("Basic {token}"), token.clone(), format!("Bearer{token}")] {
        closed(&ask(hub.request(Method::POST, "/graphql").header(AUTHORIZATION, wrong)).await, "no bearer token");
    }
    closed(&ask(hub.request(Method::POST, "/graphql").header(AUTHORIZATION, "Bearer ")).await, "");
    let twice =
        hub.request(Method::POST, "/graphql").bearer_auth(&token).header(AUTHORIZATION, format!("Bearer {token}"));
    closed(&ask(twice).await, "more than one");
    // the scheme's case does not matter
    assert_eq!(
        ask(hub.request(Method::POST, "/graphql").header(AUTHORIZATION, format!("bEARER {token}"))).await.status,
        200
    );
}

async fn a_foreign_token_is_refused(hub: Hub) {
    let app = hub.app();
    let (seat, person) = roster::resolve(&app.db, SEAT, app.clock.now()).await.unwrap();
    let other = Tokens::new(&Keys { signing: SigningKey::from_bytes(&[9; 32]), seal: [9; 32] });
    let foreign = other.issue(&seat, person, "1h".parse().unwrap(), &app.clock).unwrap();
    closed(&asked(&hub, &foreign).await, "this hub's key");

    // the right key's name over the other key's signature
    let own = hub.token(SEAT).await;
    let (head, _) = own.split_once('.').unwrap();
    let (_, rest) = foreign.split_once('.').unwrap();
    closed(&asked(&hub, &format!("{head}.{rest}")).await, "signature");
}

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn a_token_without_a_signature_is_refused(hub: Hub) {
    let token = hub.token(SEAT).await;
    let parts: Vec<&str> = token.split('.').collect();
    for alg in ["none", "None", "HS256", "RS256", "ES256", "eddsa", ""] {
        let mut head = decoded(parts[0]);
        head["alg"] = alg.into();
        for signature in ["", parts[2]] {
            let forged = format!("{}.{}.{signature}", encoded(&head), parts[1]);
            closed(&asked(&hub, &forged).await, "EdDSA");
        }
    }
    closed(&asked(&hub, &format!("{}.{}.", parts[0], parts[1])).await, "");
    closed(&asked(&hub, &format!("{}.{}", parts[0], parts[1])).await, "malformed");
}

async fn a_changed_token_is_refused(hub: Hub) {
    let token = hub.token("aqua-seals/partner_planner").await;
    let parts: Vec<&str> = token.split('.').collect();
    let host = decoded(hub.token("nordwind/admin").await.split('.').nth(1).unwrap());
    for (claim, value) in [
        ("role", Value::from("admin")),
        ("org", host["org"].clone()),
        ("sub", host["sub"].clone()),
        ("exp", Value::from(9_999_999_999_i64)),
    ] {
        let mut claims = decoded(parts[1]);
        assert_ne!(claims[claim], value);
        claims[claim] = value;
        closed(&asked(&hub, &format!("{}.{}.{}", parts[0], encoded(&claims), parts[2])).await, "signature");
    }
    assert_eq!(asked(&hub, &token).await.data()["viewer"]["seat"], "aqua-seals/partner_planner");
}

async fn what_is_no_token_is_refused(hub: Hub) {
    let long = "x".repeat(5_000);
    for wrong in ["x", "a.b.c", "....", "null", "{}", "eyJhbGciOiJFZERTQSJ9.e30.", &long, "' OR 1=1 --"] {
        let reply = asked(&hub, wrong).await;
        closed(&reply, "");
        assert!(!reply.text.contains(wrong) || wrong.len() < 5, "a token is never echoed");
    }
}

async fn a_token_ends_with_its_second(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let token = hub.new_token(SEAT, "1h").await;
    let never_seen = hub.new_token(SEAT, "1h").await;
    hub.set_clock("2026-06-15T10:59:59.999999Z");
    assert_eq!(asked(&hub, &token).await.status, 200);
    hub.set_clock("2026-06-15T11:00:00Z");
    for token in [token, never_seen] {
        let reply = asked(&hub, &token).await;
        closed(&reply, "expired");
        assert!(reply.header("www-authenticate").contains("error=\"invalid_token\""), "{:?}", reply.headers);
    }
}

async fn a_refusal_is_the_same_everywhere(hub: Hub) {
    // which paths there are, is not for strangers
    let there = send(hub.request(Method::GET, "/graphql").header(ACCEPT, "application/json")).await;
    let nowhere = send(hub.request(Method::GET, "/nowhere").header(ACCEPT, "application/json")).await;
    assert_eq!((there.status, &there.text), (nowhere.status, &nowhere.text));
    let known = hub.request(Method::GET, "/nowhere").bearer_auth(hub.token(SEAT).await);
    let reply = send(known).await;
    assert_eq!((reply.status, reply.code().as_str()), (404, "NOT_FOUND"));
}
