//! Two nodes on one database, of which one or both are killed at some instant under load and come back with a clock of
//! their own. After each kill all is let settle, and every copy is what a fresh query of its seat shows; no event came
//! twice, each write is there once, and so are its line and its event.
//!
//! `CHAOS_ROUNDS=200 TEST_DEADLINE=7200 cargo test -p server --test entente -- chaos::kills` kills 200 times on each
//! database; `CHAOS_SEED` is what a run printed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use entities::Instant;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::{Client, header};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::RwLock,
    time::{sleep, timeout},
};

use super::{
    follower::{Follower, Part, Topic},
    line::Door,
    load::{self, MARK},
    node::Node,
};
use crate::{
    feed::{AQUA, BERGMANN, CERAM, PLANNER},
    harness::{Hub, NOW, policies, tests},
};

tests! {
    changing: copies_outlive_nodes;
}

const DEMAND: Topic = Topic {
    field: "demandUpdates",
    types: None,
    filter: "",
    parts: &[Part {
        ty: "DemandBucket",
        list: "demandBuckets",
        fields: &["bucketStart", "granularity", "qty", "firmness"],
    }],
};
const FIRM: Topic = Topic { filter: "{ firmness: { eq: FIRM } }", ..DEMAND };
const REGION: Topic = Topic { filter: "{ series: { region: { in: [\"DE\", \"AT\"] } } }", ..DEMAND };
const CASES: Topic = Topic {
    field: "caseUpdates",
    types: None,
    filter: "",
    parts: &[Part { ty: "Case", list: "cases", fields: &["number", "status", "severity", "subjectShared"] }],
};
const CUSTOMER: Part = Part { ty: "Customer", list: "customers", fields: &["name", "region"] };
const SERIES: Part = Part { ty: "DemandSeries", list: "demandSeries", fields: &["region", "uom"] };
const VERSION: Part = Part { ty: "ForecastVersion", list: "forecastVersions", fields: &["name", "status"] };
const MESSAGE: Part = Part { ty: "CaseMessage", list: "caseMessages", fields: &["body"] };
const CUSTOMERS: Topic = Topic { field: "changes", types: Some("CUSTOMER"), filter: "", parts: &[CUSTOMER] };
const PLANS: Topic = Topic {
    types: Some("CUSTOMER, DEMAND_SERIES, FORECAST_VERSION"),
    parts: &[CUSTOMER, SERIES, VERSION],
    ..CUSTOMERS
};
const POSITION: Part = Part { ty: "InventoryPosition", list: "inventoryPositions", fields: &["kind", "qty", "minQty"] };
const STOCK: Topic = Topic { types: Some("INVENTORY_POSITION"), parts: &[POSITION], ..CUSTOMERS };
const MESSAGES: Topic = Topic { types: Some("CASE_MESSAGE"), parts: &[MESSAGE], ..CUSTOMERS };

const WRITERS: usize = 2;
/// For what the writers have sent.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// What the nodes' clocks go before the test's, in hours. A write's key is good for a week.
const SKEWS: [i64; 5] = [0, 0, 0, 1, 40];
const VICTIMS: [&[usize]; 5] = [&[0], &[1], &[0], &[1], &[0, 1]];

fn followers() -> Vec<Arc<Follower>> {
    let lena = "lindner/partner_planner/lena";
    vec![
        Follower::new(AQUA, None, Door::Socket, DEMAND),
        Follower::new(AQUA, None, Door::Events, REGION),
        Follower::new(CERAM, None, Door::Events, DEMAND),
        Follower::new(PLANNER, None, Door::Socket, FIRM),
        Follower::new(PLANNER, None, Door::Events, PLANS),
        Follower::new(BERGMANN, None, Door::Socket, CUSTOMERS),
        Follower::new(AQUA, None, Door::Socket, CASES),
        Follower::new(load::SUPPORT, None, Door::Events, CASES),
        Follower::new(load::SUPPORT, None, Door::Socket, MESSAGES),
        Follower::new(lena, Some("aqua-seals/partner_planner/alice"), Door::Socket, STOCK),
    ]
}

pub struct Run {
    pub hub: Hub,
    pub client: Client,
    pub seed: u64,
    pub policies: TempDir,
    /// Held by each write until it is answered; whoever lets all settle holds it alone.
    pub load: RwLock<()>,
    pub counts: Counts,
    nodes: [Node; 2],
    begun: std::time::Instant,
    over: AtomicBool,
    faults: Mutex<Vec<String>>,
}

#[derive(Default)]
pub struct Counts {
    pub messages: AtomicU64,
    pub edits: AtomicU64,
    pub statements: AtomicU64,
    pub events: AtomicU64,
    pub streams: AtomicU64,
    again: AtomicU64,
    kills: AtomicU64,
    comparisons: AtomicU64,
    rows: AtomicU64,
    refusals: AtomicU64,
    gaps: Mutex<BTreeMap<String, u64>>,
    breaks: Mutex<BTreeMap<String, u64>>,
}

impl Counts {
    pub fn add(&self, count: &AtomicU64, n: u64) {
        count.fetch_add(n, Ordering::Relaxed);
    }

    pub fn lost(&self, reason: &str) {
        *self.gaps.lock().unwrap().entry(reason.to_owned()).or_default() += 1;
    }

    pub fn broke(&self, cause: &str) {
        let cause = cause.split(" (http").next().unwrap_or(cause);
        *self.breaks.lock().unwrap().entry(cause.to_owned()).or_default() += 1;
    }

    fn of(count: &AtomicU64) -> u64 {
        count.load(Ordering::Relaxed)
    }
}

impl Run {
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// All is let settle.
    pub fn is_calm(&self) -> bool {
        self.load.try_read().is_err()
    }

    pub fn fault(&self, fault: String) {
        eprintln!("{:?}, seed {}: {fault}", self.hub.dialect(), self.seed);
        self.faults.lock().unwrap().push(fault);
    }

    /// Any node that serves.
    pub fn some_node(&self) -> Option<String> {
        let urls: Vec<String> = self.nodes.iter().filter_map(Node::url).collect();
        urls.choose(&mut rand::thread_rng()).cloned()
    }

    /// What the seat is answered; `None` if there is no answer, or one that asks to come again.
    pub async fn ask(&self, url: &str, seat: &str, place: Option<&str>, body: &Value) -> Option<Value> {
        let request = self.client.post(format!("{url}/graphql")).bearer_auth(self.hub.token(seat).await).json(body);
        let request = match place {
            Some(place) => request.header("x-entente-as", place),
            None => request,
        };
        let response = request.header(header::ACCEPT, "application/graphql-response+json").send().await.ok()?;
        if response.status().is_server_error() {
            return None;
        }
        serde_json::from_str(&response.text().await.ok()?).ok()
    }

    /// Sends it to one node or another until it is answered.
    pub async fn insist(&self, seat: &str, body: &Value) -> Value {
        loop {
            if let Some(url) = self.some_node()
                && let Some(answer) = self.ask(&url, seat, None, body).await
                && answer["errors"][0]["extensions"]["code"] != "INTERNAL"
            {
                return answer;
            }
            self.counts.add(&self.counts.again, 1);
            sleep(Duration::from_millis(30)).await;
        }
    }

    async fn start(&self, node: usize, rng: &mut StdRng) {
        let now: Instant = NOW.parse().unwrap();
        let ahead = SKEWS.choose(rng).unwrap() * 3_600_000_000 + self.begun.elapsed().as_micros() as i64;
        self.nodes[node].start(&self.hub, self.policies.path(), Instant(now.0 + ahead)).await;
    }

    async fn kill(&self, node: usize) {
        let said = self.nodes[node].kill().await;
        self.counts.add(&self.counts.kills, 1);
        if said.contains("panicked") {
            self.fault(format!("a node panicked: {said}"));
        }
    }

    /// One or both nodes are killed, and come back.
    async fn strike(&self, rng: &mut StdRng) {
        sleep(Duration::from_millis(rng.gen_range(50..900))).await;
        let victims = *VICTIMS.choose(rng).unwrap();
        for node in victims {
            self.kill(*node).await;
        }
        sleep(Duration::from_millis(rng.gen_range(0..150))).await;
        for node in victims {
            self.start(*node, rng).await;
        }
        sleep(Duration::from_millis(rng.gen_range(0..400))).await;
    }

    /// When nothing more is written.
    async fn settled(&self, followers: &[Arc<Follower>]) {
        let Ok(_alone) = timeout(PATIENCE, self.load.write()).await else {
            return self.fault("a write is not answered".into());
        };
        for follower in followers {
            match follower.agrees(self).await {
                Ok(Some(rows)) => {
                    self.counts.add(&self.counts.comparisons, 1);
                    self.counts.add(&self.counts.rows, rows as u64);
                }
                Ok(None) => self.counts.add(&self.counts.refusals, 1),
                Err(fault) => self.fault(fault),
            }
        }
        self.each_write_is_there_once().await;
    }

    async fn each_write_is_there_once(&self) {
        let (messages, edits) = (Counts::of(&self.counts.messages), Counts::of(&self.counts.edits));
        let rows = format!("FROM case_message WHERE body LIKE '{MARK}%'");
        for (what, sql, expected) in [
            ("messages", format!("SELECT count(*) {rows}"), messages),
            ("different messages", format!("SELECT count(DISTINCT body) {rows}"), messages),
            ("lines of messages", LINES.replace('?', "CaseMessage"), messages),
            ("lines of edits", LINES.replace('?', "Case"), edits),
        ] {
            let found = self.hub.number(&sql).await;
            if found != expected as i64 {
                self.fault(format!("{what}: {found} instead of {expected}"));
            }
        }
    }

    fn tell(&self) {
        let counts = &self.counts;
        let of = Counts::of;
        println!(
            "{:?}, seed {}: {} kills, {} writes ({} sent again), {} statements past the hub, {} streams, {} events, \
             {} comparisons of {} rows, {} seats refused, {} faults; gaps {:?}; breaks {:?}",
            self.hub.dialect(),
            self.seed,
            of(&counts.kills),
            of(&counts.messages) + of(&counts.edits),
            of(&counts.again),
            of(&counts.statements),
            of(&counts.streams),
            of(&counts.events),
            of(&counts.comparisons),
            of(&counts.rows),
            of(&counts.refusals),
            self.faults.lock().unwrap().len(),
            counts.gaps.lock().unwrap(),
            counts.breaks.lock().unwrap(),
        );
    }
}

/// Of writes, in the access log.
const LINES: &str = "SELECT count(*) FROM audit_event WHERE action = 'write' AND object_type = '?'";

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

async fn copies_outlive_nodes(hub: Hub) {
    let seed = setting("CHAOS_SEED").unwrap_or_else(|| rand::random::<u32>().into());
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(120)).build().unwrap();
    let run = Arc::new(Run {
        hub,
        client,
        seed,
        policies: policies(),
        load: RwLock::default(),
        counts: Counts::default(),
        nodes: Default::default(),
        begun: std::time::Instant::now(),
        over: AtomicBool::new(false),
        faults: Mutex::default(),
    });
    let rng = |n: u64| StdRng::seed_from_u64(seed.wrapping_mul(1_000).wrapping_add(n));
    let mut own = rng(0);
    for node in 0..2 {
        run.start(node, &mut own).await;
    }
    let followers = followers();
    let mut tasks: Vec<_> =
        followers.iter().map(|follower| tokio::spawn(follower.clone().follow(run.clone()))).collect();
    for nth in 0..WRITERS {
        tasks.push(tokio::spawn(load::write(run.clone(), nth, rng(10 + nth as u64))));
    }
    tasks.push(tokio::spawn(load::operate(run.clone(), rng(1))));

    let rounds = setting("CHAOS_ROUNDS").unwrap_or(3);
    while Counts::of(&run.counts.kills) < rounds {
        run.strike(&mut own).await;
        run.settled(&followers).await;
        if Counts::of(&run.counts.kills) % 10 < 2 {
            run.tell();
        }
    }
    run.hub.cli(&["audit", "verify"]).run().await.good();
    run.over.store(true, Ordering::Relaxed);
    // whoever writes is answered before the last node goes
    drop(run.load.write().await);
    for node in &run.nodes {
        node.kill().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    run.tell();
    let faults = run.faults.lock().unwrap();
    assert!(faults.is_empty(), "seed {seed}: {} faults, the first: {}", faults.len(), faults[0]);
}
