//! A connection is its caller's: without one there is none, and it ends with the right.

use std::time::Duration;

use ed25519_dalek::SigningKey;
use entente::{
    access::{key::Keys, roster},
    auth::Tokens,
};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    ALICE, PLANNER,
    client::{Events, PROTOCOL, Socket},
    tap::{SUBSCRIPTION, Tap},
};
use crate::harness::{Hub, tests, until};

tests! {
    reading: without_a_good_token_there_is_no_acknowledgement, a_token_may_come_with_the_handshake,
        a_socket_asks_in_the_place_of_another, a_connection_ends_with_its_token;
    changing: who_is_locked_is_disconnected, a_role_ends_by_the_clock, a_deputy_is_disconnected_with_the_delegation,
        who_left_before_coming_is_not_let_in;
}

async fn refused(hub: &Hub, message: Value) -> String {
    let mut socket = Socket::open(hub).await;
    socket.say(message).await;
    // a query behind it is not answered either
    socket.feed(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ __typename }" } })).await;
    let (code, reason) = socket.closed().await;
    assert_eq!(code, 4403, "{reason}");
    reason
}

async fn without_a_good_token_there_is_no_acknowledgement(hub: Hub) {
    let app = hub.app();
    let (seat, person) = roster::resolve(&app.db, PLANNER, app.clock.now()).await.unwrap();
    let other = Tokens::new(&Keys { signing: SigningKey::from_bytes(&[9; 32]), seal: [9; 32] });
    let foreign = other.issue(&seat, person, "1h".parse().unwrap(), &app.clock).unwrap();
    let good = hub.token(PLANNER).await;
    let init = |payload: Value| json!({ "type": "connection_init", "payload": payload });
    assert!(refused(&hub, json!({ "type": "connection_init" })).await.contains("no token"));
    for (payload, part) in [
        (json!(null), "no token"),
        (json!({}), "no token"),
        (json!({ "token": good, "cookie": good }), "no token"),
        (json!({ "authorization": "" }), "bearer"),
        (json!({ "authorization": good }), "bearer"),
        (json!({ "authorization": "Bearer " }), "token"),
        (json!({ "authorization": null }), "text"),
        (json!({ "authorization": [format!("Bearer {good}")] }), "text"),
        (json!({ "authorization": "Bearer a.b.c" }), "malformed"),
        (json!({ "authorization": format!("Bearer {foreign}") }), "this hub's key"),
        (json!({ "authorization": format!("Bearer {good}x") }), "token"),
        (
            json!({ "authorization": format!("Bearer {good}"), "Authorization": format!("Bearer {good}") }),
            "more than one",
        ),
    ] {
        let reason = refused(&hub, init(payload.clone())).await;
        assert!(reason.contains(part), "{payload}: {reason}");
    }
    let hub = hub.with(|_| ()).await;
    let short = hub.new_token(PLANNER, "1h").await;
    hub.set_clock("2026-06-15T11:00:00Z");
    assert!(refused(&hub, init(json!({ "authorization": format!("Bearer {short}") }))).await.contains("expired"));
}

async fn a_token_may_come_with_the_handshake(hub: Hub) {
    let bearer = format!("bearer {}", hub.token(PLANNER).await);
    let protocol = ("sec-websocket-protocol", PROTOCOL);
    let mut socket = Socket::open_with(hub.url(), &[protocol, ("authorization", &bearer)]).await.unwrap();
    socket.say(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    for wrong in ["Bearer a.b.c", "Basic x", ""] {
        let (status, body) = Socket::open_with(hub.url(), &[protocol, ("authorization", wrong)]).await.err().unwrap();
        assert!(status == 401 && body.contains("UNAUTHENTICATED"), "{status} {body}");
    }
    // the first message is the later word
    let mut socket = Socket::open_with(hub.url(), &[protocol, ("authorization", &bearer)]).await.unwrap();
    let alice = format!("Bearer {}", hub.token(ALICE).await);
    socket.say(json!({ "type": "connection_init", "payload": { "AUTHORIZATION": alice } })).await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    socket.ask("1", "{ viewer { seat } }").await;
    assert_eq!(socket.hear().await["payload"]["data"]["viewer"]["seat"], "aqua-seals/partner_planner");
    // a token in a cookie, in the address or in the protocol's name is none
    let token = hub.token(PLANNER).await;
    let named = format!("{PROTOCOL}, {token}");
    for headers in
        [&[protocol, ("cookie", &*format!("authorization=Bearer {token}"))][..], &[("sec-websocket-protocol", &*named)]]
    {
        let mut socket = Socket::open_with(hub.url(), headers).await.unwrap();
        socket.say(json!({ "type": "connection_init" })).await;
        assert_eq!(socket.closed().await.0, 4403);
    }
}

async fn a_socket_asks_in_the_place_of_another(hub: Hub) {
    let admin = format!("Bearer {}", hub.token("nordwind/admin").await);
    let mut socket =
        Socket::signed_in_with(&hub, json!({ "Authorization": admin, "x-entente-as": "aqua-seals/partner_planner" }))
            .await;
    socket.ask("1", "{ viewer { seat } customers { totalCount } }").await;
    let message = socket.hear().await;
    let over_http = hub.refusal(ALICE, "{ viewer { seat } customers { totalCount } }").await;
    assert_eq!((message["type"].as_str(), over_http.0.as_str()), (Some("error"), "GRAPHQL_VALIDATION_FAILED"));
    socket.ask("2", "{ viewer { seat } }").await;
    assert_eq!(socket.hear().await["payload"]["data"]["viewer"]["seat"], "aqua-seals/partner_planner");

    let alice = format!("Bearer {}", hub.token(ALICE).await);
    let place = json!({ "authorization": alice, "X-Entente-As": "nordwind/admin" });
    let reason = refused(&hub, json!({ "type": "connection_init", "payload": place })).await;
    assert!(reason.contains("you cannot act as"), "{reason}");
}

async fn stream(hub: &Hub, token: &str) -> Events {
    let request = hub.request(Method::POST, "/graphql").bearer_auth(token);
    Events::open(request.json(&json!({ "query": SUBSCRIPTION }))).await
}

/// Both doors say so, and let go of their subscriptions.
async fn both_end(mut socket: Socket, mut events: Events, part: &str) {
    let (code, reason) = socket.closed().await;
    assert!(code == 4401 && reason.contains(part), "{code} {reason}");
    let event = events.event().await.unwrap();
    let body: Value = serde_json::from_str(&event.data).unwrap();
    assert_eq!((event.event.as_str(), &body["errors"][0]["extensions"]["code"]), ("next", &json!("UNAUTHENTICATED")));
    assert_eq!(events.event().await.unwrap().event, "complete");
    assert!(events.event().await.is_none());
}

async fn a_connection_ends_with_its_token(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let short = hub.new_token(ALICE, "1h").await;
    let mut socket = Socket::signed_in_with(&hub, json!({ "authorization": format!("Bearer {short}") })).await;
    let mut other = Socket::signed_in(&hub, ALICE).await;
    let events = stream(&hub, &short).await;
    let (_, subscriber) = tap.opened().await;
    hub.set_clock("2026-06-15T10:59:59.999999Z");
    tokio::time::sleep(Duration::from_millis(600)).await;
    socket.is_open().await;
    hub.set_clock("2026-06-15T11:00:00Z");
    both_end(socket, events, "expired").await;
    until("the subscription's end", async || subscriber.is_gone().then_some(())).await;
    // the same person with another token stays
    other.is_open().await;
}

async fn who_is_locked_is_disconnected(hub: Hub) {
    let tap = Tap::on(&hub);
    let socket = Socket::signed_in(&hub, ALICE).await;
    let mut other = Socket::signed_in(&hub, PLANNER).await;
    let events = stream(&hub, &hub.token(ALICE).await).await;
    let _open = tap.opened().await;
    assert_eq!(hub.sql("UPDATE principal SET status = 'locked' WHERE slug = 'alice'").await, 1);
    both_end(socket, events, "does not hold").await;
    other.is_open().await;
    until("an only connection", async || (hub.app().connections.count() == 1).then_some(())).await;
}

async fn a_role_ends_by_the_clock(hub: Hub) {
    let tap = Tap::on(&hub);
    let end = hub.clock().now().0 + 60_000_000;
    hub.sql(&format!(
        "UPDATE role_assignment SET valid_to = {end} \
         WHERE principal_id = (SELECT id FROM principal WHERE slug = 'anna') AND role = 'sales_rep'"
    ))
    .await;
    let mut socket = Socket::signed_in(&hub, "nordwind/sales_rep/anna").await;
    let mut bruno = Socket::signed_in(&hub, "nordwind/sales_rep/bruno").await;
    let events = stream(&hub, &hub.token("nordwind/sales_rep/anna").await).await;
    let _open = tap.opened().await;
    hub.set_clock("2026-06-15T10:00:59.999999Z");
    tokio::time::sleep(Duration::from_millis(600)).await;
    socket.is_open().await;
    hub.set_clock("2026-06-15T10:01:00Z");
    both_end(socket, events, "does not hold").await;
    bruno.is_open().await;
}

async fn a_deputy_is_disconnected_with_the_delegation(hub: Hub) {
    let lena = format!("Bearer {}", hub.token("lindner/partner_planner/lena").await);
    let place = json!({ "authorization": lena, "x-entente-as": ALICE });
    let mut socket = Socket::signed_in_with(&hub, place).await;
    let mut herself = Socket::signed_in_with(&hub, json!({ "authorization": lena })).await;
    let past = hub.clock().now().0 - 1;
    hub.sql(&format!("UPDATE delegation SET valid_to = {past}")).await;
    let (code, reason) = socket.closed().await;
    assert!(code == 4401 && reason.contains("you cannot act as"), "{code} {reason}");
    herself.is_open().await;
}

async fn who_left_before_coming_is_not_let_in(hub: Hub) {
    let token = hub.token(ALICE).await;
    // the view of the seat is compiled, and knows her
    Socket::signed_in(&hub, ALICE).await.is_open().await;
    hub.sql("UPDATE principal SET status = 'locked' WHERE slug = 'alice'").await;
    let payload = json!({ "authorization": format!("Bearer {token}") });
    assert!(refused(&hub, json!({ "type": "connection_init", "payload": payload })).await.contains("does not hold"));
}
