//! Random writes of all sorts while several seats follow: in the end each copy is what a fresh query shows.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

use super::{AQUA, BERGMANN, CERAM, DEMAND, Follower, PLANNER, Topic};
use crate::harness::{Hub, tests};

tests! {
    changing:
        copies_are_what_queries_show,
        who_comes_back_late_is_told_all,
        a_snapshot_under_writes_has_no_hole_and_no_double;
}

/// A statement that changes what somebody sees: the rows themselves, rows that they lead to, rows that point at them,
/// members of the sets that are asked about them.
pub fn write(rng: &mut StdRng) -> String {
    let any = |rng: &mut StdRng, table: &str, most: usize| {
        format!("(SELECT id FROM {table} ORDER BY id LIMIT 1 OFFSET {})", rng.gen_range(0..most))
    };
    let bucket = |rng: &mut StdRng| any(rng, "demand_bucket", 200);
    let supplier = |rng: &mut StdRng| {
        let slug = ["aqua-seals", "ceram-motors"].choose(rng).unwrap();
        format!("(SELECT id FROM organisation WHERE slug = '{slug}')")
    };
    match rng.gen_range(0..24) {
        0..=4 => format!("UPDATE demand_bucket SET qty = {} WHERE id = {}", rng.gen_range(0..90) * 10_000, bucket(rng)),
        5 => format!("UPDATE demand_bucket SET contributors = {} WHERE id = {}", rng.gen_range(0..9), bucket(rng)),
        6 => format!("UPDATE demand_bucket SET supplier_id = {} WHERE id = {}", supplier(rng), bucket(rng)),
        7 => {
            let firmness = ["firm", "trade_off", "forecast"].choose(rng).unwrap();
            format!("UPDATE demand_bucket SET firmness = '{firmness}' WHERE id IN ({}, {})", bucket(rng), bucket(rng))
        }
        8 => format!("DELETE FROM demand_bucket WHERE id = {}", bucket(rng)),
        9 => {
            let region = ["AT", "DE", "CH"].choose(rng).unwrap();
            format!("UPDATE demand_series SET region = '{region}' WHERE id = {}", any(rng, "demand_series", 6))
        }
        10 => {
            let status = ["published", "superseded"].choose(rng).unwrap();
            format!("UPDATE forecast_version SET status = '{status}' WHERE status IN ('published', 'superseded')")
        }
        11 => {
            let region = ["AT", "DE", "CH", "PT"].choose(rng).unwrap();
            format!("UPDATE customer SET region = '{region}' WHERE id = {}", any(rng, "customer", 9))
        }
        12 => format!("UPDATE customer SET name = name || 'x' WHERE id = {}", any(rng, "customer", 9)),
        13 => {
            let title = rng.gen_range(0..9);
            format!("UPDATE sharing_agreement SET title = title || '{title}' WHERE status = 'active'")
        }
        14..=15 => {
            let level = [0, 2].choose(rng).unwrap();
            format!("UPDATE customer SET nda_level = {level} WHERE id = {}", any(rng, "customer", 9))
        }
        16 => {
            let (customer, member) = (any(rng, "customer", 9), any(rng, "customer_team", 4));
            format!(
                "UPDATE customer_team SET customer_id = {customer} WHERE id = {member} AND NOT EXISTS (SELECT 1 FROM \
                 customer_team o WHERE o.customer_id = {customer} AND o.principal_id = customer_team.principal_id)"
            )
        }
        17 => format!("DELETE FROM customer_team WHERE id = {}", any(rng, "customer_team", 12)),
        18..=19 => {
            let product = any(rng, "product", 8);
            format!("UPDATE case_product SET product_id = {product} WHERE id = {}", any(rng, "case_product", 8))
        }
        20 => format!(
            "UPDATE case_product SET case_id = {} WHERE id = {}",
            any(rng, "crm_case", 6),
            any(rng, "case_product", 8)
        ),
        21 => {
            let end = ["NULL", "'2025-06-01'", "'2026-05-01'"].choose(rng).unwrap();
            format!("UPDATE partner_product SET valid_to = {end} WHERE id = {}", any(rng, "partner_product", 8))
        }
        22 => {
            let customer = any(rng, "customer", 9);
            format!("UPDATE crm_case SET customer_id = {customer} WHERE id = {}", any(rng, "crm_case", 6))
        }
        _ => {
            let sku = ["P", "M"].choose(rng).unwrap();
            format!("UPDATE product SET sku = '{sku}' || substr(sku, 2) WHERE id = {}", any(rng, "product", 8))
        }
    }
}

/// So many clients at once are slow to say who they are, and to read.
async fn patient(hub: Hub) -> Hub {
    hub.with(|config| (config.streams.keep_alive, config.streams.init_timeout) = (300, 60)).await
}

const CUSTOMERS: Topic = Topic {
    field: "changes",
    arguments: ", types: [CUSTOMER]",
    list: "customers",
    filter: "",
    on: Some("Customer"),
    fields: "id name region",
};

const CASES: Topic =
    Topic { field: "caseUpdates", arguments: "", list: "cases", filter: "", on: None, fields: "id number severity" };

/// Who sees every case still sees a customer only while there is no agreement about it.
const COMPLAINTS: Topic = Topic { fields: "id number customer { id }", ..CASES };

const PUMPS: Topic = Topic {
    arguments: ", filter: { products: { some: { product: { sku: { like: \"P%\" } } } } }",
    filter: ", filter: { products: { some: { product: { sku: { like: \"P%\" } } } } }",
    ..CASES
};

const AUSTRIA: Topic = Topic {
    arguments: ", filter: { not: { series: { region: { eq: \"AT\" } } } }",
    filter: ", filter: { not: { series: { region: { eq: \"AT\" } } } }",
    ..DEMAND
};

const SEATS: [(&str, Topic); 10] = [
    (AQUA, DEMAND),
    (CERAM, DEMAND),
    (PLANNER, DEMAND),
    (PLANNER, AUSTRIA),
    (BERGMANN, CUSTOMERS),
    ("nordwind/sales_rep", CUSTOMERS),
    ("nordwind/sales_rep", CASES),
    (AQUA, CASES),
    ("nordwind/support_agent", COMPLAINTS),
    ("nordwind/support_agent", PUMPS),
];

async fn copies_are_what_queries_show(hub: Hub) {
    let hub = patient(hub).await;
    let mut followers = Vec::new();
    for (seat, topic) in SEATS {
        followers.push(Follower::of(&hub, seat, topic).await);
    }
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..6 {
        for _ in 0..20 {
            hub.sql(&write(&mut rng)).await;
        }
        // all read at once, as clients do: who does not read is given up
        let each = followers.into_iter().enumerate().map(|(i, mut follower)| {
            let hub = &hub;
            async move {
                let (seat, topic) = SEATS[i];
                // now and then a client dies with whatever waits for it
                if (round + i) % 3 == 0 {
                    follower = follower.resume(hub, seat).await;
                }
                follower.agrees(hub, seat).await;
                assert!(!follower.seen.contains(&"GAP".to_owned()), "{seat} {}", topic.field);
                follower
            }
        });
        followers = futures_util::future::join_all(each).await;
    }
}

/// So much has changed meanwhile that the past is looked up in the log.
async fn who_comes_back_late_is_told_all(hub: Hub) {
    let hub = patient(hub).await;
    let mut away = Vec::new();
    for (seat, topic) in SEATS {
        let Follower { copy, cursor, .. } = Follower::of(&hub, seat, topic).await;
        away.push((copy, cursor));
    }
    let mut rng = StdRng::seed_from_u64(13);
    for _ in 0..4 {
        for _ in 0..12 {
            hub.sql(&write(&mut rng)).await;
        }
        hub.sql("UPDATE demand_bucket SET qty = qty + 10000").await;
    }
    for ((seat, topic), (copy, cursor)) in SEATS.into_iter().zip(away) {
        let next = Follower::open(&hub, seat, topic, json!({ "after": cursor })).await;
        let mut follower = Follower { copy, cursor, ..next };
        follower.agrees(&hub, seat).await;
        assert!(!follower.seen.contains(&"GAP".to_owned()), "{seat} {}", topic.field);
    }
}

async fn a_snapshot_under_writes_has_no_hole_and_no_double(hub: Hub) {
    let hub = patient(hub).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, stopped) = (hub.clone(), stop.clone());
    let writes = tokio::spawn(async move {
        let mut rng = StdRng::seed_from_u64(11);
        while !stopped.load(Ordering::Relaxed) {
            writer.sql(&write(&mut rng)).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    // each reads all the time, as a client does: who does not read is given up
    let mut followers = Vec::new();
    let came = Arc::new(AtomicUsize::new(0));
    for seat in [AQUA, PLANNER, CERAM, AQUA] {
        let (hub, stopped, came) = (hub.clone(), stop.clone(), came.clone());
        followers.push(tokio::spawn(async move {
            let mut follower = Follower::open(&hub, seat, DEMAND, json!({})).await;
            follower.up_to_date().await;
            came.fetch_add(1, Ordering::Relaxed);
            while !stopped.load(Ordering::Relaxed) {
                _ = tokio::time::timeout(Duration::from_millis(50), follower.event()).await;
            }
            follower.agrees(&hub, seat).await;
        }));
    }
    while came.load(Ordering::Relaxed) < followers.len() && !followers.iter().any(|follower| follower.is_finished()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    writes.await.unwrap();
    for follower in followers {
        follower.await.unwrap();
    }
}
