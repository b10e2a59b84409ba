//! `graphql-transport-ws` to the letter: messages, states and the codes of a close.

use std::sync::Arc;

use entente::{
    error::Error,
    feed::{End, Sent},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    ALICE, PLANNER,
    client::{PROTOCOL, Socket},
    tap::{SUBSCRIPTION, Tap, event},
};
use crate::harness::{Hub, tests, until};

tests! {
    reading: a_query_is_answered_as_over_http, a_refusal_is_an_error, what_is_no_message_closes,
        nothing_is_answered_before_the_acknowledgement, a_client_says_once_who_it_is, the_protocol_must_be_asked_for,
        who_says_nothing_is_sent_away, both_sides_may_ping, a_subscription_streams_until_it_ends,
        an_id_is_for_one_operation_at_a_time, a_client_ends_what_it_began, operations_are_bounded, a_feed_may_fail;
}

const DOCUMENTS: &[&str] = &[
    "{ viewer { seat role } }",
    "{ products(first: 5, orderBy: [{ field: NAME }]) { totalCount nodes { id name sku } pageInfo { endCursor } } }",
    "query A { __typename } query B { __schema { queryType { name } } }",
    "{ customers(first: 2) { nodes { id name } } }",
    "{ __typename",
    "{ nothing }",
    "{ products(after: \"x\") { nodes { id } } }",
    "mutation { nothing }",
];

/// `{"id":"1","type":"next","payload":…}` → `…`
fn payload<'a>(message: &'a str, head: &str) -> &'a str {
    message.strip_prefix(head).and_then(|rest| rest.strip_suffix('}')).unwrap_or_else(|| panic!("{message}"))
}

async fn a_query_is_answered_as_over_http(hub: Hub) {
    for seat in [PLANNER, ALICE] {
        let mut socket = Socket::signed_in(&hub, seat).await;
        for (n, document) in DOCUMENTS.iter().enumerate() {
            let payload_sent = json!({ "query": document, "operationName": if n == 2 { Some("B") } else { None } });
            let over_http = hub.post(&hub.token(seat).await, &payload_sent).await;
            socket.say(json!({ "id": "1", "type": "subscribe", "payload": payload_sent })).await;
            let message = socket.text().await;
            if over_http.status == 200 {
                assert_eq!(payload(&message, r#"{"id":"1","type":"next","payload":"#), over_http.text, "{document}");
                assert_eq!(socket.text().await, r#"{"id":"1","type":"complete"}"#);
            } else {
                let errors = payload(&message, r#"{"id":"1","type":"error","payload":"#);
                assert_eq!(format!(r#"{{"errors":{errors}}}"#), over_http.text, "{document}");
            }
        }
        // with variables, and many at once
        let document = "query($n: Int) { products(first: $n) { nodes { sku } } }";
        for n in 0..50 {
            let asked = json!({ "query": document, "variables": { "n": n } });
            socket.say(json!({ "id": n.to_string(), "type": "subscribe", "payload": asked })).await;
        }
        let mut answers = std::collections::HashMap::new();
        while answers.len() < 50 {
            let message = socket.hear().await;
            if message["type"] == "next" {
                answers.insert(message["id"].as_str().unwrap().to_owned(), message["payload"]["data"].clone());
            }
        }
        for n in [0, 7, 49] {
            let over_http = hub.data_with(seat, document, json!({ "n": n })).await;
            assert_eq!(answers[&n.to_string()], over_http);
        }
    }
}

async fn a_refusal_is_an_error(hub: Hub) {
    let mut socket = Socket::signed_in(&hub, ALICE).await;
    socket.ask("a", "{ customers { totalCount } nothing }").await;
    let message = socket.hear().await;
    assert_eq!((&message["id"], &message["type"]), (&json!("a"), &json!("error")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    // nothing comes behind it, and the id is free
    socket.ask("a", "{ __typename }").await;
    assert_eq!(socket.hear().await["type"], "next");
    assert_eq!(socket.hear().await, json!({ "id": "a", "type": "complete" }));
    socket.is_open().await;
}

async fn what_is_no_message_closes(hub: Hub) {
    let long = "x".repeat(hub.app().config.limits.body_bytes + 2_000);
    for (message, part) in [
        (Message::text("hello"), "JSON object"),
        (Message::text("[]"), "JSON object"),
        (Message::text("{}"), "JSON object"),
        (Message::text(r#"{"type":"start","id":"1"}"#), "no such `type`"),
        (Message::text(r#"{"type":"connection_ack"}"#), "no such `type`"),
        (Message::text(r#"{"type":"subscribe","payload":{"query":"{a}"}}"#), "`id`"),
        (Message::text(r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#), "`id`"),
        (Message::text(r#"{"type":"subscribe","id":"1"}"#), "`payload`"),
        (Message::text(r#"{"type":"subscribe","id":"1","payload":{"query":7}}"#), "`query`"),
        (Message::text(r#"{"type":"complete"}"#), "`id`"),
        (Message::text(r#"{"type":"ping","payload":"x"}"#), "`payload`"),
        (Message::binary(br#"{"type":"ping"}"#.to_vec()), "not binary"),
        (Message::text(long), "too large"),
    ] {
        for signed_in in [true, false] {
            let mut socket = if signed_in { Socket::signed_in(&hub, PLANNER).await } else { Socket::open(&hub).await };
            socket.send(message.clone()).await;
            let (code, reason) = socket.closed().await;
            assert!(code == 4400 && reason.contains(part), "{code} {reason}: {part}");
        }
    }
}

async fn nothing_is_answered_before_the_acknowledgement(hub: Hub) {
    let token = hub.token(PLANNER).await;
    let bearer = format!("Bearer {token}");
    for headers in [
        &[("sec-websocket-protocol", PROTOCOL)][..],
        &[("sec-websocket-protocol", PROTOCOL), ("authorization", &bearer)],
    ] {
        let mut socket = Socket::open_with(hub.url(), headers).await.unwrap();
        // what cannot do harm is no offence
        socket.say(json!({ "type": "complete", "id": "1" })).await;
        socket.say(json!({ "type": "pong" })).await;
        socket.is_open().await;
        socket.ask("1", "{ __typename }").await;
        assert_eq!(socket.closed().await, (4401, "Unauthorized".into()));
    }
}

async fn a_client_says_once_who_it_is(hub: Hub) {
    let mut socket = Socket::signed_in(&hub, PLANNER).await;
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.closed().await, (4429, "Too many initialisation requests".into()));
}

async fn the_protocol_must_be_asked_for(hub: Hub) {
    let mut socket = Socket::open_with(hub.url(), &[]).await.unwrap();
    assert_eq!(socket.closed().await, (4406, "Subprotocol not acceptable".into()));
    // among others it is found
    Socket::open_with(hub.url(), &[("sec-websocket-protocol", "graphql-ws, graphql-transport-ws")]).await.unwrap();
}

async fn who_says_nothing_is_sent_away(hub: Hub) {
    let hub = hub.with(|config| config.streams.init_timeout = 1).await;
    let mut socket = Socket::open(&hub).await;
    assert_eq!(socket.closed().await, (4408, "Connection initialisation timeout".into()));
    drop(socket);
    until("an empty hub", async || (hub.app().connections.count() == 0).then_some(())).await;
}

async fn both_sides_may_ping(hub: Hub) {
    let hub = hub.with(|config| config.streams.keep_alive = 3).await;
    let mut socket = Socket::signed_in(&hub, PLANNER).await;
    socket.say(json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
    socket.send(Message::Ping(b"x".to_vec().into())).await;
    socket.is_open().await;
    // a client that reads answers the hub's pings without knowing, and stays
    socket.say(json!({ "type": "pong", "payload": null })).await;
    for _ in 0..3 {
        socket.pinged().await;
    }
    socket.is_open().await;
}

async fn a_subscription_streams_until_it_ends(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let mut socket = Socket::signed_in(&hub, ALICE).await;
    let asked =
        json!({ "query": "subscription S($a: Int) { anything }", "variables": { "a": 1 }, "operationName": "S" });
    socket.say(json!({ "id": "s", "type": "subscribe", "payload": asked })).await;
    let (asked, subscriber) = tap.opened().await;
    assert_eq!((asked.request.operation_name.as_deref(), &asked.request.variables["a"]), (Some("S"), &json!(1)));
    assert_eq!(asked.last_event, None);
    for n in 0..3 {
        assert_eq!(subscriber.send(&event("cursor", n)), Sent::Taken);
    }
    for n in 0..3 {
        let expected = format!(r#"{{"id":"s","type":"next","payload":{{"data":{{"n":{n},"more":""}}}}}}"#);
        assert_eq!(socket.text().await, expected);
    }
    // queries go beside it
    socket.ask("q", "{ viewer { seat } }").await;
    assert_eq!(socket.hear().await["id"], "q");
    assert_eq!(socket.hear().await, json!({ "id": "q", "type": "complete" }));
    subscriber.send(&event("", 3));
    subscriber.end(End::Completed);
    assert_eq!(socket.hear().await["payload"]["data"]["n"], 3);
    assert_eq!(socket.hear().await, json!({ "id": "s", "type": "complete" }));
    socket.is_open().await;
}

async fn a_feed_may_fail(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let mut socket = Socket::signed_in(&hub, ALICE).await;
    for (id, failure, code) in [
        ("1", Some(Error::forbidden("the agreement has ended")), "FORBIDDEN"),
        ("2", Some(Error::Gap("start over".into())), "GAP"),
        ("3", None, "INTERNAL"),
    ] {
        socket.ask(id, SUBSCRIPTION).await;
        let (_, subscriber) = tap.opened().await;
        subscriber.send(&event("", 0));
        match failure {
            Some(failure) => subscriber.end(End::Failed(Arc::new(failure))),
            None => drop(subscriber),
        }
        assert_eq!(socket.hear().await["type"], "next");
        let message = socket.hear().await;
        assert_eq!((&message["id"], &message["type"]), (&json!(id), &json!("error")));
        assert_eq!(message["payload"][0]["extensions"]["code"], code);
    }
    socket.is_open().await;
}

async fn an_id_is_for_one_operation_at_a_time(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let mut socket = Socket::signed_in(&hub, ALICE).await;
    socket.ask("same", SUBSCRIPTION).await;
    let (_, first) = tap.opened().await;
    socket.ask("same", "{ __typename }").await;
    assert_eq!(socket.closed().await, (4409, "Subscriber for same already exists".into()));
    until("the subscription's end", async || first.is_gone().then_some(())).await;
}

async fn a_client_ends_what_it_began(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let mut socket = Socket::signed_in(&hub, ALICE).await;
    for _ in 0..3 {
        socket.ask("1", SUBSCRIPTION).await;
        let (_, subscriber) = tap.opened().await;
        socket.say(json!({ "id": "1", "type": "complete" })).await;
        until("the subscription's end", async || subscriber.is_gone().then_some(())).await;
        assert_eq!(subscriber.send(&event("", 0)), Sent::Gone);
    }
    // a query that is completed before its answer may have been answered already; nothing else comes
    for n in 0..20 {
        socket.ask(&format!("q{n}"), "{ products(first: 100) { nodes { id } } }").await;
        socket.say(json!({ "id": format!("q{n}"), "type": "complete" })).await;
    }
    socket.say(json!({ "id": "never", "type": "complete" })).await;
    socket.say(json!({ "type": "ping", "payload": { "last": 1 } })).await;
    let mut seen: Vec<Value> = Vec::new();
    while seen.last().is_none_or(|message| message["type"] != "pong") {
        seen.push(socket.hear().await);
    }
    assert!(seen.iter().all(|message| message["id"] != "1"), "{seen:?}");
}

async fn operations_are_bounded(hub: Hub) {
    let hub = hub.with(|config| config.streams.operations = 3).await;
    let tap = Tap::on(&hub);
    let mut socket = Socket::signed_in(&hub, ALICE).await;
    let mut open = Vec::new();
    for n in 0..3 {
        socket.ask(&n.to_string(), SUBSCRIPTION).await;
        open.push(tap.opened().await);
    }
    socket.ask("more", "{ __typename }").await;
    let message = socket.hear().await;
    assert_eq!((&message["id"], &message["type"]), (&json!("more"), &json!("error")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    socket.say(json!({ "id": "1", "type": "complete" })).await;
    socket.ask("more", "{ __typename }").await;
    assert_eq!(socket.hear().await["type"], "next");
}
