//! Many who follow: one that does not read costs the hub little and holds up nobody, and whoever goes leaves nothing.

use std::fs;

use entente::access::connect::Dialect;
use serde_json::json;

use super::{AQUA, CERAM, Follower, PLANNER, Topic};
use crate::{
    harness::{Hub, tests, until},
    streams::client::{PROTOCOL, Socket, soon},
};

tests! {
    changing: who_never_reads_is_bounded_and_holds_up_nobody, who_goes_leaves_nothing;
}

const PRODUCTS: Topic = Topic {
    field: "changes",
    arguments: ", types: [PRODUCT]",
    list: "products",
    filter: "",
    on: Some("Product"),
    fields: "id name",
};

/// Each a megabyte, of one product.
const CHANGES: usize = 120;
/// What the hub may grow by meanwhile, in megabytes: without a bound it would hold all of them.
const GROWS: u64 = 80;

/// Over the hub of another process, whose memory is its own.
async fn follow(hub: &Hub, url: &str) -> Follower {
    let mut socket = Socket::open_with(url, &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
    let bearer = format!("Bearer {}", hub.token(PLANNER).await);
    socket.say(json!({ "type": "connection_init", "payload": { "authorization": bearer } })).await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    socket.say(json!({ "id": "1", "type": "subscribe", "payload": { "query": PRODUCTS.document() } })).await;
    let mut follower =
        Follower { socket, topic: PRODUCTS, copy: Default::default(), cursor: String::new(), seen: Vec::new() };
    follower.up_to_date().await;
    follower.seen.clear();
    follower
}

/// In megabytes; `None` where the system does not tell.
fn memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}

async fn who_never_reads_is_bounded_and_holds_up_nobody(hub: Hub) {
    let mut serving = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).env("ENTENTE_STREAMS__KEEP_ALIVE", "3600").start();
    let line = serving.says("serving http").await;
    let url = line.trim().trim_start_matches("serving ").trim_end_matches("/graphql").to_owned();
    // all of one group
    let mut reads = follow(&hub, &url).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(follow(&hub, &url).await);
    }
    let long = match hub.dialect() {
        Dialect::Postgres => "repeat('x', 1000000)",
        Dialect::Sqlite => "replace(hex(zeroblob(500000)), '0', 'x')",
    };
    let mut most = 0;
    let before = memory(serving.id());
    for n in 0..CHANGES {
        hub.sql(&format!(
            "UPDATE product SET name = '{n} ' || {long} WHERE id = (SELECT id FROM product ORDER BY sku LIMIT 1)"
        ))
        .await;
        let event = loop {
            let event = reads.event().await;
            if event["kind"] != "CHECKPOINT" {
                break event;
            }
        };
        let name = event["node"]["name"].as_str().unwrap();
        assert!(event["kind"] == "CHANGED" && name.starts_with(&format!("{n} ")), "{n}: {}", &name[..8]);
        most = most.max(memory(serving.id()).unwrap_or_default());
    }
    if let Some(before) = before {
        assert!(most < before + GROWS, "{before} MB became {most} MB");
    }
    // what it did not read in time it is told from the log
    for mut slow in others {
        slow.agrees(&hub, PLANNER).await;
        assert!(slow.seen.len() >= 2 && slow.copy == reads.copy, "{:?}", slow.seen);
    }
    serving.signal("TERM").await;
    serving.ended().await;
}

async fn who_goes_leaves_nothing(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    for _ in 0..3 {
        let mut all = Vec::new();
        for n in 0..100 {
            let seat = [PLANNER, AQUA, CERAM][n % 3];
            let mut socket = Socket::signed_in(&hub, seat).await;
            // some share a group, others ask something of their own
            let own = if n % 2 == 0 { 0 } else { n };
            socket.ask("1", &format!("subscription {{ a{own}: changes(types: [PRODUCT]) {{ kind }} }}")).await;
            // most hang up before the first answer, or amid their snapshot
            if n % 4 == 0 {
                assert_eq!(socket.hear().await["type"], "next");
            }
            all.push(socket);
        }
        drop(all);
        until("no connection", async || (hub.app().connections.count() == 0).then_some(())).await;
        let groups = hub.app().feed.load_full().unwrap();
        soon("the end of all groups", groups.settled()).await;
    }
    Follower::of(&hub, AQUA, PRODUCTS).await;
}
