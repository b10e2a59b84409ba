//! Whole processes on one database and one bus: a node is killed under load and its clients go on elsewhere, or cannot
//! sign in at the bus and serves all the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{AQUA, DEMAND, Follower, PLANNER, bucket};
use crate::{
    harness::{Command, Hub, Nats, Running, entente, tests, until},
    streams::client::{PROTOCOL, Socket},
};

tests! {
    changing: a_node_that_dies_under_load_loses_and_doubles_nothing, who_cannot_sign_in_at_the_bus_is_told_and_serves;
    alone: the_secrets_of_the_bus_are_not_printed;
}

struct Process {
    running: Running,
    /// `http://127.0.0.1:PORT`
    url: String,
}

fn serve(hub: &Hub, nats: &Nats) -> Command {
    hub.cli(&["serve", "--listen", "127.0.0.1:0"]).env("ENTENTE_BUS__URL", &nats.url())
}

impl Process {
    async fn start(command: Command) -> Self {
        let mut running = command.start();
        let line = running.says("serving http").await;
        let url = line.trim_start_matches("serving ").trim_end_matches("/graphql").to_owned();
        Process { running, url }
    }

    async fn bus_is(&self, state: &str) {
        until("the bus", || async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let ready = client.request(Method::GET, format!("{}/readyz", self.url)).send().await.unwrap();
            assert_eq!(ready.status(), 200);
            let ready: Value = ready.json().await.unwrap();
            (ready == json!({ "status": "ready", "bus": state })).then_some(())
        })
        .await;
    }

    async fn follow(&self, hub: &Hub, seat: &str) -> Follower {
        follow(&self.url, &hub.token(seat).await, json!({})).await
    }
}

async fn follow(url: &str, token: &str, variables: Value) -> Follower {
    let mut socket = Socket::open_with(url, &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap();
    let payload = json!({ "authorization": format!("Bearer {token}") });
    socket.say(json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
    let payload = json!({ "query": DEMAND.document(), "variables": variables });
    socket.say(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    Follower { socket, topic: DEMAND, copy: Default::default(), cursor: String::new(), seen: Vec::new() }
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
        let mut follower = follow(&url, &token, json!({})).await;
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
                    let next = follow(&here, &self.token, json!({ "after": self.follower.cursor })).await;
                    let Follower { copy, cursor, seen, .. } = self.follower;
                    self.follower = Follower { copy, cursor, seen, ..next };
                }
            }
        }
    }
}

async fn a_node_that_dies_under_load_loses_and_doubles_nothing(hub: Hub) {
    let nats = Nats::start().await;
    let mut now = Process::start(serve(&hub, &nats)).await;
    let mut next = Process::start(serve(&hub, &nats)).await;
    let (place, at) = watch::channel(now.url.clone());
    let (known, all) = watch::channel(None);
    let clients = [Client::new(&hub, AQUA, at.clone()).await, Client::new(&hub, PLANNER, at).await];
    let told: Vec<_> = clients.iter().map(|client| client.told.clone()).collect();
    let clients: Vec<_> = clients.map(|client| tokio::spawn(client.run(all.clone()))).into();

    let stop = Arc::new(AtomicBool::new(false));
    let (writing, stopped) = (hub.clone(), stop.clone());
    let writer = tokio::spawn(async move {
        let mut written = 0;
        while !stopped.load(Ordering::Relaxed) {
            let (qty, bucket) = (FIRST + written, bucket("aqua-seals", written % 3));
            writing.sql(&format!("UPDATE demand_bucket SET qty = {qty} * 10000 WHERE id = {bucket}")).await;
            written += 1;
            sleep(Duration::from_millis(15)).await;
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
        next = Process::start(serve(&hub, &nats)).await;
    }
    stop.store(true, Ordering::Relaxed);
    let written = writer.await.unwrap();
    known.send(Some(written)).unwrap();
    let expected: Vec<_> = (FIRST..FIRST + written).map(|qty| qty.to_string()).collect();
    for (client, seat) in clients.into_iter().zip([AQUA, PLANNER]) {
        let client = timeout(Duration::from_secs(120), client).await.expect("waited in vain for the rest").unwrap();
        assert_eq!(client.quantities, expected, "{seat}");
        let mut follower = client.follower;
        follower.up_to_date().await;
        assert_eq!(follower.seen.len(), written, "{seat}: more than was written");
        assert_eq!(follower.copy, DEMAND.asked(&hub, seat).await, "{seat}");
    }
}

async fn who_cannot_sign_in_at_the_bus_is_told_and_serves(hub: Hub) {
    let nats = Nats::guarded(Some(("entente", "r1ght"))).await;
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
