//! Connections are bounded, leave nothing behind, and none of them holds up another.

use std::time::{Duration, Instant};

use entente::feed::{Sent, Subscriber};
use reqwest::{Method, header::ACCEPT};
use serde_json::json;

use super::{
    ALICE, PLANNER,
    client::{Events, PROTOCOL, Socket},
    tap::{SUBSCRIPTION, Tap, event, sized},
};
use crate::harness::{Hub, send, tests, until};

tests! {
    reading: connections_are_bounded, many_come_and_go, a_slow_reader_holds_up_nobody, who_takes_nothing_is_given_up,
        who_shows_no_life_is_given_up, answers_that_nobody_takes_are_bounded;
    changing: a_hub_that_stops_says_so;
}

async fn emptied(hub: &Hub) {
    until("an empty hub", async || (hub.app().connections.count() == 0).then_some(())).await;
}

async fn connections_are_bounded(hub: Hub) {
    let hub = hub.with(|config| config.streams.connections = 2).await;
    let tap = Tap::on(&hub);
    let token = hub.token(ALICE).await;
    let stream = || hub.request(Method::POST, "/graphql").bearer_auth(&token).json(&json!({ "query": SUBSCRIPTION }));
    let socket = Socket::signed_in(&hub, ALICE).await;
    let events = Events::open(stream()).await;
    let _open = tap.opened().await;

    let refused = Socket::open_with(hub.url(), &[("sec-websocket-protocol", PROTOCOL)]).await.err().unwrap();
    assert!(refused.0 == 503 && refused.1.contains("RATE_LIMITED"), "{refused:?}");
    let reply = send(stream().header(ACCEPT, "text/event-stream")).await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "RATE_LIMITED", "5"));
    // queries need no place
    assert_eq!(hub.query(ALICE, "{ __typename }").await.status, 200);

    drop(socket);
    until("a place", async || (hub.app().connections.count() == 1).then_some(())).await;
    Socket::signed_in(&hub, ALICE).await;
    drop(events);
    emptied(&hub).await;
}

async fn many_come_and_go(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let tap = Tap::on(&hub);
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        let mut open = Vec::new();
        for n in 0..200 {
            // some do not even say who they are
            let mut socket = Socket::open(&hub).await;
            if n % 4 > 0 {
                let bearer = format!("Bearer {}", hub.token(if n % 2 == 0 { ALICE } else { PLANNER }).await);
                socket.say(json!({ "type": "connection_init", "payload": { "authorization": bearer } })).await;
            }
            if n % 4 > 1 {
                assert_eq!(socket.hear().await["type"], "connection_ack");
                socket.ask("1", SUBSCRIPTION).await;
                subscribers.push(tap.opened().await.1);
            }
            open.push(socket);
        }
        assert_eq!(hub.app().connections.count(), 200);
        drop(open);
        emptied(&hub).await;
    }
    assert!(subscribers.len() == 300 && subscribers.iter().all(|subscriber| subscriber.is_gone()));
    assert_eq!(hub.query(ALICE, "{ __typename }").await.status, 200);
}

/// A socket and a stream that stay connected, and never read.
async fn slow(hub: &Hub, tap: &Tap) -> (Socket, Events, [Subscriber; 2]) {
    let mut socket = Socket::signed_in(hub, PLANNER).await;
    socket.ask("s", SUBSCRIPTION).await;
    let (_, never_read) = tap.opened().await;
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(PLANNER).await);
    let hung = Events::open(request.json(&json!({ "query": SUBSCRIPTION }))).await;
    let (_, hung_stream) = tap.opened().await;
    (socket, hung, [never_read, hung_stream])
}

async fn a_slow_reader_holds_up_nobody(hub: Hub) {
    let hub = hub.with(|config| (config.streams.keep_alive, config.streams.buffer_messages) = (600, 20)).await;
    let tap = Tap::on(&hub);
    let (_socket, _hung, slow) = slow(&hub, &tap).await;
    let mut fast = Socket::signed_in(&hub, ALICE).await;
    fast.ask("f", SUBSCRIPTION).await;
    let (_, read) = tap.opened().await;

    let large = sized("", 0, 100_000);
    let mut beside = 0;
    for n in 0..500 {
        // the feed is told that they take nothing
        let full = slow.each_ref().map(|subscriber| subscriber.send(&large) == Sent::Full);
        assert_eq!(read.send(&event("", n)), Sent::Taken);
        assert_eq!(fast.hear().await["payload"]["data"]["n"], n);
        beside += u32::from(full == [true, true]);
    }
    assert!(beside > 0, "nobody was slow");
}

/// The socket by the hub, the stream by the system.
async fn who_takes_nothing_is_given_up(hub: Hub) {
    let hub = hub.with(|config| (config.streams.keep_alive, config.streams.buffer_messages) = (2, 20)).await;
    let tap = Tap::on(&hub);
    let (_socket, _hung, slow) = slow(&hub, &tap).await;
    let large = sized("", 0, 100_000);
    let of_system = cfg!(target_os = "linux");
    let given_up = if of_system { &slow[..] } else { &slow[..1] };
    for subscriber in given_up {
        until("its end", async || (subscriber.send(&large) == Sent::Gone).then_some(())).await;
    }
    if of_system {
        emptied(&hub).await;
    }
}

async fn answers_that_nobody_takes_are_bounded(hub: Hub) {
    let hub = hub.with(|config| config.streams.keep_alive = 1).await;
    let mut socket = Socket::signed_in(&hub, PLANNER).await;
    let document = "{ products(first: 1000) { nodes { id name sku } } customers(first: 1000) { nodes { id name } } }";
    let mut asked = 0;
    let flooding = async {
        while socket
            .feed(json!({ "id": asked.to_string(), "type": "subscribe", "payload": { "query": document } }))
            .await
        {
            asked += 1;
        }
    };
    // the hub stops reading, and then is rid of it
    drop(tokio::time::timeout(Duration::from_secs(10), flooding).await);
    emptied(&hub).await;
}

async fn who_shows_no_life_is_given_up(hub: Hub) {
    let hub = hub.with(|config| config.streams.keep_alive = 1).await;
    let begun = Instant::now();
    // it does not read, so it does not answer the hub's pings
    let _silent = Socket::signed_in(&hub, ALICE).await;
    emptied(&hub).await;
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
}

async fn a_hub_that_stops_says_so(hub: Hub) {
    let serve = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).env("ENTENTE_STREAMS__INIT_TIMEOUT", "60");
    let mut running = serve.start();
    let line = running.says("serving http").await;
    let url = line.trim().trim_start_matches("serving ").trim_end_matches("/graphql").to_owned();
    let token = hub.token(PLANNER).await;
    let open = async || {
        let mut socket = Socket::open_with(&url, &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        socket
    };
    let mut sockets = [open().await, open().await];
    let unknown = Socket::open_with(&url, &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
    sockets[1].ask("1", "{ products(first: 10) { nodes { id } } }").await;
    // who is answered has been heard before
    sockets[1].say(json!({ "type": "ping" })).await;
    let mut heard = Vec::new();
    while heard.last().is_none_or(|kind| kind != "pong") {
        heard.push(sockets[1].hear().await["type"].clone());
    }
    running.signal("TERM").await;
    if !heard.contains(&json!("next")) {
        assert_eq!(sockets[1].hear().await["type"], "next");
    }
    for mut socket in sockets.into_iter().chain([unknown]) {
        assert_eq!(socket.closed().await, (1001, "the hub stops, connect again".into()));
    }
    assert_eq!(running.ended().await.code, Some(0));
}
