//! Whole processes on one database and one bus: a node is killed under load and its clients go on elsewhere, or cannot
//! sign in at the bus and serves all the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{AQUA, DEMAND, Follower, PLANNER, Topic, bucket};
use crate::{
    harness::{Command, Hub, Nats, Running, entente, tests, until},
    streams::client::{PROTOCOL, Socket},
    writes,
};

tests! {
    changing: a_node_that_dies_under_load_loses_and_doubles_nothing, a_client_goes_on_where_others_have_stood_longer,
        who_cannot_sign_in_at_the_bus_is_told_and_serves;
    alone: the_secrets_of_the_bus_are_not_printed;
}

/// What a supplier promises.
pub(super) const ANSWERS: Topic = Topic {
    field: "changes",
    arguments: ", types: [SUPPLY_COMMITMENT]",
    list: "supplyCommitments",
    filter: "",
    on: Some("SupplyCommitment"),
    fields: "id qty rowVersion",
};

/// One of them, changed through a hub: each time a transaction of its own on both databases.
pub(super) struct Answer {
    hub: Hub,
    id: Value,
    version: i64,
}

impl Answer {
    pub(super) async fn of(hub: &Hub) -> Self {
        let filter = "filter: { bucketStart: { eq: \"2026-06-29\" } }";
        let row = writes::first(hub, AQUA, "supplyCommitments", filter, "id rowVersion").await;
        Answer { hub: hub.clone(), id: row["id"].clone(), version: row["rowVersion"].as_i64().unwrap() }
    }

    pub(super) async fn set(&mut self, qty: usize) {
        let input = json!({ "id": self.id, "rowVersion": self.version, "qty": qty.to_string() });
        let row = writes::write(&self.hub, AQUA, "updateSupplyCommitment", input, "rowVersion").await;
        self.version = row["rowVersion"].as_i64().unwrap();
    }
}

pub(super) struct Process {
    pub running: Running,
    /// `http://127.0.0.1:PORT`
    pub url: String,
}

pub(super) fn serve(hub: &Hub, nats: &Nats) -> Command {
    hub.cli(&["serve", "--listen", "127.0.0.1:0"]).env("ENTENTE_BUS__URL", &nats.url())
}

impl Process {
    pub async fn start(command: Command) -> Self {
        let mut running = command.start();
        let line = running.says("serving http").await;
        let url = line.trim_start_matches("serving ").trim_end_matches("/graphql").to_owned();
        Process { running, url }
    }

    pub async fn bus_is(&self, state: &str) {
        until("the bus", || async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let ready = client.request(Method::GET, format!("{}/readyz", self.url)).send().await.unwrap();
            assert_eq!(ready.status(), 200);
            let ready: Value = ready.json().await.unwrap();
            (ready == json!({ "status": "ready", "bus": state })).then_some(())
        })
        .await;
    }

    pub async fn follow(&self, hub: &Hub, seat: &str) -> Follower {
        follow(&self.url, &hub.token(seat).await, DEMAND, json!({})).await
    }
}

async fn follow(url: &str, token: &str, topic: Topic, variables: Value) -> Follower {
    let mut socket = Socket::open_with(url, &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
    let payload = json!({ "authorization": format!("Bearer {token}") });
    socket.say(json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
    let payload = json!({ "query": topic.document(), "variables": variables });
    socket.say(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    Follower { socket, topic, copy: Default::default(), cursor: String::new(), seen: Vec::new() }
}

/// Quantities of their own, each written once.
const FIRST: usize = 10_001;
const KILLS: usize = 3;
/// Events that each follower has seen between two kills.
const BETWEEN: usize = 25;

/// A client: reads where it is told to, and goes on from its cursor when the node there is gone.
struct Client {
    follower: Follower,
    token: String,
    at: watch::Receiver<String>,
    told: Arc<AtomicUsize>,
    quantities: Vec<String>,
}

impl Client {
    async fn new(hub: &Hub, seat: &str, at: watch::Receiver<String>) -> Self {
        let token = hub.token(seat).await;
        let url = at.borrow().clone();
        let mut follower = follow(&url, &token, ANSWERS, json!({})).await;
        follower.up_to_date().await;
        follower.seen.clear();
        Client { follower, token, at, told: Arc::default(), quantities: Vec::new() }
    }

    /// Until so many changes were told, once it is known how many there are.
    async fn run(mut self, mut all: watch::Receiver<Option<usize>>) -> Self {
        let mut here = self.at.borrow().clone();
        loop {
            let wanted = *all.borrow_and_update();
            if wanted.is_some_and(|wanted| self.quantities.len() >= wanted) {
                return self;
            }
            let message = tokio::select! {
                message = self.follower.socket.hear_or_end() => message,
                Ok(()) = all.changed() => continue,
            };
            match message {
                Some(message) => {
                    let event = self.follower.take(&message);
                    if event["kind"] != "CHECKPOINT" {
                        assert_eq!(event["kind"], "CHANGED", "{event}");
                        self.quantities.push(event["node"]["qty"].as_str().unwrap().to_owned());
                        self.told.store(self.quantities.len(), Ordering::Relaxed);
                    }
                }
                None => {
                    here = self.at.wait_for(|url| *url != here).await.unwrap().clone();
                    let next = follow(&here, &self.token, ANSWERS, json!({ "after": self.follower.cursor })).await;
                    let Follower { copy, cursor, seen, .. } = self.follower;
                    self.follower = Follower { copy, cursor, seen, ..next };
                }
            }
        }
    }
}

async fn a_node_that_dies_under_load_loses_and_doubles_nothing(hub: Hub) {
    let nats = Nats::start().await;
    // their clocks agree, whenever they begin
    let begun = Instant::now();
    let serve = || {
        let now = entities::Instant(hub.clock().now().0 + i64::try_from(begun.elapsed().as_micros()).unwrap());
        Process::start(serve(&hub, &nats).env("ENTENTE_CLOCK", &now.to_string()))
    };
    let mut now = serve().await;
    let mut next = serve().await;
    let (place, at) = watch::channel(now.url.clone());
    let (known, all) = watch::channel(None);
    let clients = [Client::new(&hub, AQUA, at.clone()).await, Client::new(&hub, PLANNER, at).await];
    let told: Vec<_> = clients.iter().map(|client| client.told.clone()).collect();
    let clients: Vec<_> = clients.map(|client| tokio::spawn(client.run(all.clone()))).into();

    let stop = Arc::new(AtomicBool::new(false));
    let (mut answer, stopped) = (Answer::of(&hub).await, stop.clone());
    let writer = tokio::spawn(async move {
        let mut written = 0;
        while !stopped.load(Ordering::Relaxed) {
            answer.set(FIRST + written).await;
            written += 1;
            sleep(Duration::from_millis(60)).await;
        }
        written
    });
    for kill in 1..=KILLS {
        let seen = async {
            while told.iter().any(|told| told.load(Ordering::Relaxed) < kill * BETWEEN) {
                assert!(!clients.iter().any(|client| client.is_finished()), "a client has failed");
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(120), seen).await.expect("waited in vain for events");
        now.running.signal("KILL").await;
        let dead = std::mem::replace(&mut now, next);
        assert_eq!(dead.running.ended().await.code, None);
        place.send(now.url.clone()).unwrap();
        next = serve().await;
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    known.send(Some(written)).unwrap();
    let expected: Vec<_> = (FIRST..FIRST + written).map(|qty| qty.to_string()).collect();
    for (client, seat) in clients.into_iter().zip([AQUA, PLANNER]) {
        let client = timeout(Duration::from_secs(300), client).await.expect("waited in vain for the rest").unwrap();
        assert_eq!(client.quantities, expected, "{seat}");
        let mut follower = client.follower;
        follower.up_to_date().await;
        assert_eq!(follower.seen.len(), written, "{seat}: more than was written");
        assert_eq!(follower.copy, ANSWERS.asked(&hub, seat).await, "{seat}");
    }
}

async fn a_client_goes_on_where_others_have_stood_longer(hub: Hub) {
    let other = hub.with(|_| ()).await;
    let _standing = Follower::of(&hub, AQUA, ANSWERS).await;
    for node in [&hub, &other] {
        node.set_clock("2026-06-15T10:00:02Z");
    }
    let follower = Follower::of(&other, AQUA, ANSWERS).await;
    let mut answer = Answer::of(&hub).await;
    for qty in FIRST..FIRST + 3 {
        answer.set(qty).await;
    }
    let mut follower = follower.resume(&hub, AQUA).await;
    for qty in FIRST..FIRST + 3 {
        let (kind, event, _) = follower.told().await;
        assert_eq!((kind.as_str(), &event["node"]["qty"]), ("CHANGED", &json!(qty.to_string())), "{event}");
    }
}

async fn who_cannot_sign_in_at_the_bus_is_told_and_serves(hub: Hub) {
    let nats = Nats::with(&["--user", "entente", "--pass", "r1ght"]).await;
    let signed =
        |password: &str| serve(&hub, &nats).env("ENTENTE_BUS__USER", "entente").env("ENTENTE_BUS__PASSWORD", password);
    let mut wrong = Process::start(signed("wr0ng")).await;
    wrong.bus_is("away").await;
    let sentence = "it refuses the credentials, check `bus.user` and `bus.password`";
    if !wrong.running.heard().contains(sentence) {
        wrong.running.says(sentence).await;
    }
    let right = Process::start(signed("r1ght")).await;
    right.bus_is("up").await;
    for node in [&wrong, &right] {
        let mut follower = node.follow(&hub, AQUA).await;
        follower.up_to_date().await;
        let bucket = bucket("aqua-seals", 0);
        hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {bucket}")).await;
        assert_eq!(follower.told().await.0, "CHANGED");
    }
    // several attempts later it was told once
    wrong.running.signal("TERM").await;
    let heard = wrong.running.heard().to_owned();
    let end = wrong.running.ended().await;
    assert_eq!(end.code, Some(0));
    let heard = heard + &end.stderr;
    assert_eq!(heard.matches(sentence).count(), 1, "{heard}");
    assert!(heard.contains("changes are found in the database") && !heard.contains("wr0ng"), "{heard}");
    // what cannot be tried at all is refused
    let end = serve(&hub, &nats).env("ENTENTE_BUS__USER", "entente").run().await;
    assert!(end.sentence(2).contains("signs in at its bus in one way"), "{}", end.stderr);
    let end = serve(&hub, &nats).env("ENTENTE_BUS__CREDENTIALS_FILE", "gone.creds").run().await;
    assert!(end.sentence(2).contains("`bus.credentials_file` `gone.creds`"), "{}", end.stderr);
}

async fn the_secrets_of_the_bus_are_not_printed() {
    let print = || entente(&["serve", "--print-config"]);
    let set = print().env("ENTENTE_BUS__URL", "tls://nats.example").env("ENTENTE_BUS__TOKEN", "s3cret");
    let printed = set.env("ENTENTE_BUS__PASSWORD", "s3cret").run().await.good();
    assert!(printed.contains("tls://nats.example") && !printed.contains("s3cret"), "{printed}");
    for (name, value, part) in [
        ("ENTENTE_BUS__URL", "nats://hub:s3cret@nats.example", "`bus.password`"),
        ("ENTENTE_BUS__PASSWORD", "0073", "in quotes"),
        ("ENTENTE_BUS__URLS", "s3cret", "unknown setting `bus.urls`"),
    ] {
        let end = print().env(name, value).run().await;
        let sentence = end.sentence(2);
        assert!(sentence.contains(part) && !sentence.contains("s3cret") && !sentence.contains("73"), "{sentence}");
    }
}
