//! graphql-sse: an operation, its events, and where a client goes on.

use std::sync::Arc;

use entente::{error::Error, feed::End};
use reqwest::{
    Method,
    header::{ACCEPT, CONTENT_TYPE},
};
use serde_json::json;

use super::{
    ALICE, PLANNER,
    client::{Event, Events},
    tap::{SUBSCRIPTION, Tap, event},
};
use crate::harness::{Hub, send, tests, until};

tests! {
    reading: a_query_is_one_event, what_comes_before_the_stream_is_plain_http, a_subscription_streams_until_it_ends,
        a_client_goes_on_behind_its_last_event, a_feed_may_fail, who_hangs_up_is_let_go, an_idle_stream_shows_signs_of_life;
}

async fn a_query_is_one_event(hub: Hub) {
    for seat in [PLANNER, ALICE] {
        for document in [
            "{ viewer { seat role } }",
            "{ products(first: 5, orderBy: [{ field: NAME }]) { totalCount nodes { id name sku } } }",
            "{ __typename",
            "{ nothing }",
        ] {
            let body = json!({ "query": document });
            let token = hub.token(seat).await;
            let over_http = hub.post(&token, &body).await;
            let url = reqwest::Url::parse_with_params("http://hub/graphql", [("query", document)]).unwrap();
            let path = format!("/graphql?{}", url.query().unwrap());
            for request in [hub.request(Method::POST, "/graphql").json(&body), hub.request(Method::GET, &path)] {
                let mut events = Events::open(request.bearer_auth(&token)).await;
                assert_eq!(events.response.headers()["cache-control"], "no-store");
                let next = Event { event: "next".into(), data: over_http.text.clone(), ..Event::default() };
                assert_eq!(events.next().await.unwrap(), next, "{document}");
                assert_eq!(events.next().await.unwrap(), Event { event: "complete".into(), ..Event::default() });
                assert!(events.next().await.is_none());
            }
        }
    }
}

async fn what_comes_before_the_stream_is_plain_http(hub: Hub) {
    let token = hub.token(PLANNER).await;
    let post = || hub.request(Method::POST, "/graphql").header(ACCEPT, "text/event-stream");
    let good = json!({ "query": "{ __typename }" });
    for (request, status) in [
        (post().json(&good), 401),
        (post().bearer_auth("a.b.c").json(&good), 401),
        (post().bearer_auth(&token).header(CONTENT_TYPE, "text/plain").body(good.to_string()), 415),
        (post().bearer_auth(&token).json(&json!({ "query": 1 })), 400),
        (post().bearer_auth(&token).header("x-entente-as", "nordwind/admin").json(&good), 403),
        (
            hub.request(Method::GET, "/graphql?query=mutation%7Ba%7D")
                .bearer_auth(&token)
                .header(ACCEPT, "text/event-stream"),
            405,
        ),
        (hub.request(Method::PUT, "/graphql").bearer_auth(&token).header(ACCEPT, "text/event-stream"), 405),
    ] {
        let reply = send(request).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, "application/graphql-response+json; charset=utf-8")
        );
        reply.refusal();
    }
    // who takes both gets no stream
    let both = post().header(ACCEPT, "application/json").bearer_auth(&token).json(&good);
    assert!(send(both).await.header("content-type").starts_with("text/event-stream"), "named first");
    let any = hub.request(Method::POST, "/graphql").header(ACCEPT, "*/*").bearer_auth(&token).json(&good);
    assert!(send(any).await.header("content-type").starts_with("application/graphql-response+json"));
}

async fn a_subscription_streams_until_it_ends(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let token = hub.token(ALICE).await;
    let post = hub.request(Method::POST, "/graphql").json(&json!({ "query": SUBSCRIPTION }));
    for request in [post, hub.request(Method::GET, "/graphql?query=subscription%7Banything%7D")] {
        let mut events = Events::open(request.bearer_auth(&token)).await;
        assert!(events.next().await.unwrap().sign, "it opens before there is anything to say");
        let (asked, subscriber) = tap.opened().await;
        assert_eq!(
            (asked.last_event, asked.caller.principal),
            (None, {
                let app = hub.app();
                entente::access::roster::resolve(&app.db, ALICE, app.clock.now()).await.unwrap().1
            })
        );
        for n in 0..3 {
            subscriber.send(&event(&format!("cursor-{n}"), n));
        }
        for n in 0..3 {
            let next = events.event().await.unwrap();
            let data = format!(r#"{{"data":{{"n":{n},"more":""}}}}"#);
            assert_eq!(next, Event { event: "next".into(), id: format!("cursor-{n}"), data, sign: false });
        }
        subscriber.end(End::Completed);
        assert_eq!(events.event().await.unwrap().event, "complete");
        assert!(events.next().await.is_none());
    }
    until("an empty hub", async || (hub.app().connections.count() == 0).then_some(())).await;
}

async fn a_client_goes_on_behind_its_last_event(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    for (sent, heard) in [("cursor-7", Some("cursor-7")), ("", None)] {
        let request = hub.request(Method::GET, "/graphql?query=subscription%7Banything%7D");
        let request = request.bearer_auth(hub.token(ALICE).await).header("Last-Event-ID", sent);
        let _events = Events::open(request).await;
        assert_eq!(tap.opened().await.0.last_event.as_deref(), heard);
    }
}

async fn a_feed_may_fail(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(ALICE).await);
    let mut events = Events::open(request.json(&json!({ "query": SUBSCRIPTION }))).await;
    let (_, subscriber) = tap.opened().await;
    subscriber.send(&event("1", 1));
    subscriber.end(End::Failed(Arc::new(Error::forbidden("the agreement has ended"))));
    assert_eq!(events.event().await.unwrap().id, "1");
    let told = events.event().await.unwrap();
    assert_eq!(told.event, "next");
    assert_eq!(told.data, r#"{"errors":[{"message":"the agreement has ended","extensions":{"code":"FORBIDDEN"}}]}"#);
    assert_eq!(events.event().await.unwrap().event, "complete");
    assert!(events.next().await.is_none());
}

async fn who_hangs_up_is_let_go(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(ALICE).await);
    let events = Events::open(request.json(&json!({ "query": SUBSCRIPTION }))).await;
    let (_, subscriber) = tap.opened().await;
    assert_eq!(hub.app().connections.count(), 1);
    drop(events);
    until("the subscription's end", async || subscriber.is_gone().then_some(())).await;
    until("an empty hub", async || (hub.app().connections.count() == 0).then_some(())).await;
}

async fn an_idle_stream_shows_signs_of_life(hub: Hub) {
    let hub = hub.with(|config| config.streams.keep_alive = 1).await;
    let tap = Tap::on(&hub);
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(ALICE).await);
    let mut events = Events::open(request.json(&json!({ "query": SUBSCRIPTION }))).await;
    let _open = tap.opened().await;
    for _ in 0..3 {
        assert!(events.next().await.unwrap().sign);
    }
}
