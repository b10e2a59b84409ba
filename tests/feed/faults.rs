//! What goes wrong beneath a stream: the database is away, the clock jumps, the token ends, the hub is killed. Whoever
//! follows loses nothing and gets nothing twice.

use std::time::Duration;

use entente::access::connect::Dialect;
use serde_json::json;
use tokio::time::timeout;

use super::{AQUA, CERAM, DEMAND, Follower, PLANNER, Topic, bucket};
use crate::{
    harness::{Hub, Running, tests},
    streams::client::{PROTOCOL, Socket},
};

tests! {
    changing:
        somebody_else_holds_the_database,
        no_connection_is_free_while_one_catches_up,
        the_clock_goes_forward_and_back,
        a_token_ends_and_another_goes_on,
        a_hub_is_killed_within_a_snapshot,
        nothing_happens_and_a_cursor_comes;
    postgres: the_database_goes_and_comes_back, its_server_ends_every_connection;
    alone: its_server_is_killed_and_recovers;
}

async fn change(hub: &Hub, nth: usize) {
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("aqua-seals", nth))).await;
}

async fn supersede(hub: &Hub, status: &str) {
    hub.sql(&format!("UPDATE forecast_version SET status = '{status}' WHERE status IN ('published', 'superseded')"))
        .await;
}

impl Follower {
    /// With a token of one's own, at any address.
    async fn at(url: &str, token: &str, topic: Topic, variables: serde_json::Value) -> Self {
        let mut socket = Socket::open_with(url, &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
        let payload = json!({ "authorization": format!("Bearer {token}") });
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await["type"], "connection_ack");
        let payload = json!({ "query": topic.document(), "variables": variables });
        socket.say(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        Follower { socket, topic, copy: Default::default(), cursor: String::new(), seen: Vec::new() }
    }

    async fn resume_at(self, url: &str, token: &str) -> Self {
        let Follower { socket, topic, copy, cursor, .. } = self;
        drop(socket);
        let next = Follower::at(url, token, topic, json!({ "after": cursor })).await;
        Follower { copy, cursor, ..next }
    }
}

async fn the_database_goes_and_comes_back(hub: Hub) {
    let (far, wire) = hub.wired().await;
    far.token(PLANNER).await;
    let mut followers = [Follower::of(&far, AQUA, DEMAND).await, Follower::of(&far, CERAM, DEMAND).await];
    for status in ["superseded", "published"] {
        // away while it is told of many rows, and while more happens
        supersede(&hub, status).await;
        followers[0].told().await;
        wire.cut().await;
        change(&hub, 0).await;
        change(&hub, 1).await;
        // it is asked for meanwhile, in vain
        assert!(far.query(PLANNER, "{ products { totalCount } }").await.json().get("errors").is_some());
        wire.mend();
        for (follower, seat) in followers.iter_mut().zip([AQUA, CERAM]) {
            follower.agrees(&hub, seat).await;
            assert!(!follower.seen.contains(&"GAP".to_owned()), "{seat}");
        }
    }
}

async fn its_server_ends_every_connection(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    for status in ["superseded", "published"] {
        supersede(&hub, status).await;
        follower.told().await;
        hub.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
        change(&hub, 0).await;
        crate::harness::until("the database", || async {
            let reply = hub.query(AQUA, "{ demandBuckets { totalCount } }").await;
            reply.json().get("errors").is_none().then_some(())
        })
        .await;
        follower.agrees(&hub, AQUA).await;
    }
    assert!(!follower.seen.contains(&"GAP".to_owned()));
}

async fn its_server_is_killed_and_recovers() {
    let (hub, server) = Hub::killable().await;
    hub.token(PLANNER).await;
    let mut followers = [Follower::of(&hub, AQUA, DEMAND).await, Follower::of(&hub, CERAM, DEMAND).await];
    for status in ["superseded", "published"] {
        // amid what is told of many rows
        supersede(&hub, status).await;
        followers[0].told().await;
        server.kill();
        assert!(hub.query(PLANNER, "{ products { totalCount } }").await.json().get("errors").is_some());
        server.start(&[]).unwrap();
        change(&hub, 0).await;
        crate::harness::until("the database", || async {
            let reply = hub.query(AQUA, "{ demandBuckets { totalCount } }").await;
            reply.json().get("errors").is_none().then_some(())
        })
        .await;
        for (follower, seat) in followers.iter_mut().zip([AQUA, CERAM]) {
            follower.agrees(&hub, seat).await;
            assert!(!follower.seen.contains(&"GAP".to_owned()), "{seat}");
        }
        // one who was not there then
        let [aqua, ceram] = followers;
        followers = [aqua.resume(&hub, AQUA).await, ceram];
    }
}

/// A long transaction of somebody else holds up writers, not streams; on SQLite it locks the file.
async fn somebody_else_holds_the_database(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    change(&hub, 0).await;
    follower.told().await;
    let statement = format!("UPDATE demand_bucket SET qty = qty + 70000 WHERE id = {}", bucket("aqua-seals", 1));
    match hub.dialect() {
        Dialect::Sqlite => {
            let url = hub.database_url().to_owned();
            tokio::task::spawn_blocking(move || {
                let connection = rusqlite::Connection::open(url.trim_start_matches("sqlite:")).unwrap();
                connection.busy_timeout(Duration::from_secs(10)).unwrap();
                connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
                connection.execute(&statement, []).unwrap();
                std::thread::sleep(Duration::from_secs(3));
                connection.execute_batch("COMMIT").unwrap();
            })
            .await
            .unwrap();
        }
        Dialect::Postgres => {
            hub.sql(&format!(
                "BEGIN; LOCK TABLE demand_bucket IN EXCLUSIVE MODE; {statement}; SELECT pg_sleep(3); COMMIT"
            ))
            .await;
        }
    }
    assert_eq!(follower.told().await.0, "CHANGED");
    follower.agrees(&hub, AQUA).await;
    assert_eq!(follower.seen, ["CHANGED", "CHANGED"]);
}

const PRODUCTS: Topic = Topic {
    field: "changes",
    arguments: ", types: [PRODUCT]",
    list: "products",
    filter: "",
    on: Some("Product"),
    fields: "id name",
};

/// Whoever is not there yet waits for the database as those do who are.
async fn no_connection_is_free_while_one_catches_up(hub: Hub) {
    let hub = hub.with(|config| (config.streams.keep_alive, config.streams.buffer_bytes) = (3600, 100_000)).await;
    let (mut reads, mut slow) =
        (Follower::of(&hub, PLANNER, PRODUCTS).await, Follower::of(&hub, PLANNER, PRODUCTS).await);
    let long = match hub.dialect() {
        Dialect::Postgres => "repeat('x', 1000000)",
        Dialect::Sqlite => "replace(hex(zeroblob(500000)), '0', 'x')",
    };
    // more than waits in any buffer, so that it has to be told from the log
    for n in 0..40 {
        let one = "(SELECT id FROM product ORDER BY sku LIMIT 1)";
        hub.sql(&format!("UPDATE product SET name = '{n} ' || {long} WHERE id = {one}")).await;
        reads.told().await;
    }
    let mut taken = Vec::new();
    while let Ok(session) = timeout(Duration::from_secs(1), hub.app().gate.session(true)).await {
        taken.push(session.unwrap());
    }
    // it takes what waits, and whoever asks for more has to give up after ten seconds
    let reading = async {
        loop {
            slow.event().await;
        }
    };
    assert!(timeout(Duration::from_secs(13), reading).await.is_err());
    drop(taken);
    slow.agrees(&hub, PLANNER).await;
    assert!(!slow.seen.contains(&"GAP".to_owned()) && slow.copy == reads.copy, "{:?}", slow.seen);
}

async fn the_clock_goes_forward_and_back(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    let rows = follower.copy.clone();
    let jumps: [(&str, &[&str]); 4] = [
        ("2026-06-16T10:00:00Z", &["ENTERED", "LEFT"]),
        ("2026-06-16T09:00:00Z", &[]),
        ("2026-07-16T09:00:00Z", &["ENTERED", "LEFT"]),
        ("2026-06-15T10:00:00Z", &["ENTERED", "LEFT"]),
    ];
    for (now, kinds) in jumps {
        follower.seen.clear();
        hub.set_clock(now);
        change(&hub, 30).await;
        follower.agrees(&hub, AQUA).await;
        let mut others = follower.seen.iter().filter(|kind| *kind != "CHANGED");
        assert!(others.all(|kind| kinds.contains(&kind.as_str())), "{now}: {:?}", follower.seen);
    }
    assert!(follower.copy.keys().eq(rows.keys()), "what was shown is shown again");
    // and while nobody is connected
    for now in ["2026-07-16T09:00:00Z", "2026-07-16T08:00:00Z", "2026-06-15T10:00:00Z"] {
        hub.set_clock(now);
        change(&hub, 31).await;
        follower = follower.resume(&hub, AQUA).await;
        follower.up_to_date().await;
        assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await, "{now}");
    }
}

async fn a_token_ends_and_another_goes_on(hub: Hub) {
    let short = hub.new_token(AQUA, "1h").await;
    let mut follower = Follower::at(hub.url(), &short, DEMAND, json!({})).await;
    follower.up_to_date().await;
    change(&hub, 0).await;
    assert_eq!(follower.event().await["kind"], "CHANGED");
    hub.set_clock("2026-06-15T11:00:00Z");
    let (code, reason) = follower.socket.closed().await;
    assert!(code == 4401 && reason.contains("expired"), "{code} {reason}");
    change(&hub, 1).await;
    follower.seen.clear();
    let mut follower = follower.resume_at(hub.url(), &hub.new_token(AQUA, "1h").await).await;
    assert_eq!(follower.told().await.0, "CHANGED");
    follower.agrees(&hub, AQUA).await;
    assert_eq!(follower.seen, ["CHANGED"]);
}

async fn serve(hub: &Hub) -> (Running, String) {
    let mut running = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).start();
    let line = running.says("serving http").await;
    let url = line.trim().trim_start_matches("serving ").trim_end_matches("/graphql").to_owned();
    (running, url)
}

async fn a_hub_is_killed_within_a_snapshot(hub: Hub) {
    let expected = DEMAND.asked(&hub, AQUA).await.len();
    let (token, mut entered) = (hub.token(AQUA).await, 0);
    let (mut running, mut url) = serve(&hub).await;
    let mut follower = Follower::at(&url, &token, DEMAND, json!({})).await;
    for part in 1..4 {
        while entered < expected * part / 4 {
            entered += usize::from(follower.event().await["kind"] == "ENTERED");
        }
        running.killed().await;
        // a row that was told, or will be
        change(&hub, part * 5).await;
        (running, url) = serve(&hub).await;
        follower = follower.resume_at(&url, &token).await;
    }
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
    assert!(follower.seen.iter().all(|kind| kind == "ENTERED" || kind == "CHANGED"), "{:?}", follower.seen);
    drop(running);
}

async fn nothing_happens_and_a_cursor_comes(hub: Hub) {
    let mut follower = Follower::of(&hub, AQUA, DEMAND).await;
    let before = follower.cursor.clone();
    // of others' changes nothing is told, but that all was told
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("ceram-motors", 0))).await;
    let event = follower.event().await;
    assert_eq!((&event["kind"], &event["id"], &event["node"]), (&json!("CHECKPOINT"), &json!(null), &json!(null)));
    assert_ne!(follower.cursor, before);
    let mut follower = follower.resume(&hub, AQUA).await;
    change(&hub, 0).await;
    assert_eq!(follower.told().await.0, "CHANGED");
    assert_eq!(follower.seen, ["CHANGED"]);
}
