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
    changing: copies_are_what_queries_show, a_snapshot_under_writes_has_no_hole_and_no_double;
}

/// A statement that changes what somebody sees.
pub fn write(rng: &mut StdRng) -> String {
    let bucket = |rng: &mut StdRng| {
        format!("(SELECT id FROM demand_bucket ORDER BY id LIMIT 1 OFFSET {})", rng.gen_range(0..200))
    };
    let supplier = |rng: &mut StdRng| {
        let slug = ["aqua-seals", "ceram-motors"].choose(rng).unwrap();
        format!("(SELECT id FROM organisation WHERE slug = '{slug}')")
    };
    match rng.gen_range(0..14) {
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
            let one = rng.gen_range(0..6);
            format!(
                "UPDATE demand_series SET region = '{region}' WHERE id = (SELECT id FROM demand_series ORDER BY id LIMIT 1 OFFSET {one})"
            )
        }
        10 => {
            let status = ["published", "superseded"].choose(rng).unwrap();
            format!("UPDATE forecast_version SET status = '{status}' WHERE status IN ('published', 'superseded')")
        }
        11 => {
            let region = ["AT", "DE", "CH", "PT"].choose(rng).unwrap();
            let one = rng.gen_range(0..9);
            format!(
                "UPDATE customer SET region = '{region}' WHERE id = (SELECT id FROM customer ORDER BY id LIMIT 1 OFFSET {one})"
            )
        }
        12 => {
            let one = rng.gen_range(0..9);
            format!(
                "UPDATE customer SET name = name || 'x' WHERE id = (SELECT id FROM customer ORDER BY id LIMIT 1 OFFSET {one})"
            )
        }
        _ => {
            let title = rng.gen_range(0..9);
            format!("UPDATE sharing_agreement SET title = title || '{title}' WHERE status = 'active'")
        }
    }
}

const CUSTOMERS: Topic = Topic {
    field: "changes",
    arguments: ", types: [CUSTOMER]",
    list: "customers",
    filter: "",
    on: Some("Customer"),
    fields: "id name region",
};

async fn copies_are_what_queries_show(hub: Hub) {
    let seats =
        [(AQUA, DEMAND), (CERAM, DEMAND), (PLANNER, DEMAND), (BERGMANN, CUSTOMERS), ("nordwind/sales_rep", CUSTOMERS)];
    let mut followers = Vec::new();
    for (seat, topic) in seats {
        followers.push(Follower::of(&hub, seat, topic).await);
    }
    let mut rng = StdRng::seed_from_u64(7);
    for round in 0..6 {
        for _ in 0..12 {
            hub.sql(&write(&mut rng)).await;
        }
        for (i, (seat, _)) in seats.iter().enumerate() {
            // now and then a client dies with whatever waits for it
            if (round + i) % 3 == 0 {
                let follower = followers.remove(i).resume(&hub, seat).await;
                followers.insert(i, follower);
            }
            followers[i].agrees(&hub, seat).await;
            assert!(!followers[i].seen.contains(&"GAP".to_owned()), "{seat}");
        }
    }
}

async fn a_snapshot_under_writes_has_no_hole_and_no_double(hub: Hub) {
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
