//! Many who follow: one that does not read costs the hub little and holds up nobody, and whoever goes leaves nothing.

use std::fs;

use entente::access::connect::Dialect;
use serde_json::json;

use super::{AQUA, CERAM, Follower, PLANNER, Topic, nodes::Process};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    harness::{Hub, tests, until},
    streams::client::{PROTOCOL, Socket, soon},
};

tests! {
    changing: who_never_reads_is_bounded_and_holds_up_nobody, who_goes_leaves_nothing, ten_thousand_come_and_go;
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
/// Of connections, so many at once.
const WAVES: usize = 50;
const WAVE: usize = 200;

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

/// Files and connections that are open; `None` where the system does not tell.
fn open(process: u32) -> Option<usize> {
    fs::read_dir(format!("/proc/{process}/fd")).ok().map(Iterator::count)
}

/// Places for five waves: one in six that is not given back would be missed.
const PLACES: usize = 5 * WAVE;

async fn serve(hub: &Hub) -> Process {
    let serve = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).env("ENTENTE_STREAMS__KEEP_ALIVE", "3600");
    // two thousand at once take their time to say who they are
    let serve = serve.env("ENTENTE_STREAMS__INIT_TIMEOUT", "120");
    Process::start(serve.env("ENTENTE_STREAMS__CONNECTIONS", &PLACES.to_string())).await
}

async fn who_never_reads_is_bounded_and_holds_up_nobody(hub: Hub) {
    let Process { running: serving, url } = serve(&hub).await;
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

/// One of a wave that goes no further than this.
enum Comer {
    Silent(#[expect(dead_code, reason = "held open")] TcpStream),
    Socket(#[expect(dead_code, reason = "held open")] Box<Socket>),
}

async fn comer(url: String, token: String, nth: usize) -> Comer {
    if nth % 5 < 2 {
        let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).await.unwrap();
        if nth % 5 == 1 {
            stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: hub\r\ncontent-length: 100\r\n\r\n{").await.unwrap();
        }
        return Comer::Silent(stream);
    }
    let mut socket = Socket::open_with(&url, &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
    if nth % 5 > 2 {
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
    }
    if nth % 5 == 4 {
        let own = if nth.is_multiple_of(2) { 0 } else { nth };
        socket.ask("1", &format!("subscription {{ a{own}: changes(types: [PRODUCT]) {{ kind }} }}")).await;
        if !nth.is_multiple_of(4) {
            assert_eq!(socket.hear().await["type"], "next");
        }
    }
    Comer::Socket(Box::new(socket))
}

/// Some say nothing, some half a request, some go amid their snapshot.
async fn ten_thousand_come_and_go(hub: Hub) {
    let Process { running: serving, url } = serve(&hub).await;
    let mut stays = follow(&hub, &url).await;
    let mut tokens = Vec::new();
    for seat in [PLANNER, AQUA, CERAM] {
        tokens.push(hub.token(seat).await);
    }
    let (files, mut before) = (open(serving.id()), None);
    for wave in 0..WAVES {
        let comers = (0..WAVE).map(|nth| tokio::spawn(comer(url.clone(), tokens[nth % 3].clone(), nth)));
        let mut all = Vec::new();
        for comer in comers.collect::<Vec<_>>() {
            all.push(comer.await.unwrap());
        }
        drop(all);
        if wave == WAVES / 5 {
            before = memory(serving.id());
        }
    }
    // what it opens for itself is some connections to its database
    until("the end of all connections", async || (open(serving.id()) <= files.map(|files| files + 40)).then_some(()))
        .await;
    if let (Some(before), Some(after)) = (before, memory(serving.id())) {
        assert!(after < before + GROWS, "{before} MB became {after} MB");
    }
    // who has stayed has lost nothing, and whoever comes is served
    hub.sql("UPDATE product SET name = name || '.' WHERE id = (SELECT id FROM product ORDER BY sku LIMIT 1)").await;
    assert_eq!(stays.told().await.0, "CHANGED");
    assert_eq!((&stays.seen[..], &stays.copy), (&["CHANGED".to_owned()][..], &PRODUCTS.asked(&hub, PLANNER).await));
    follow(&hub, &url).await;
    serving.signal("TERM").await;
    assert_eq!(serving.ended().await.code, Some(0));
}
