//! No line of an answer that somebody got is lost, and none is doubled.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::harness::{Hub, Running, tests, until};

tests! {
    changing: what_was_answered_is_in_the_log_after_a_kill, a_server_that_stops_leaves_nothing_behind,
        what_another_hub_left_is_taken, lines_wait_while_the_table_does_not_take_them,
        a_big_backlog_is_taken_and_what_cannot_be_read_is_kept;
}

const AQUA: &str = "aqua-seals/partner_planner";
const ADMIN: &str = "nordwind/admin";
const CLIENTS: usize = 6;

async fn serve(hub: &Hub) -> (Running, String) {
    let mut running = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).start();
    let url = running.says("serving http").await.trim_start_matches("serving ").to_owned();
    (running, url)
}

/// Pages of different sizes, until the hub is gone: the sizes that were answered, each once.
async fn load(url: &str, token: &str, next: Arc<AtomicUsize>, most: usize, answered: Arc<Mutex<Vec<usize>>>) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    loop {
        let size = next.fetch_add(1, Ordering::Relaxed) + 1;
        if size > most {
            return;
        }
        let document = format!("{{ orderLines(first: {size}) {{ nodes {{ qty order {{ number }} }} }} }}");
        let request = client.post(url).bearer_auth(token).json(&serde_json::json!({ "query": document }));
        let Ok(reply) = request.send().await else { return };
        let Ok(text) = reply.text().await else { return };
        assert!(text.starts_with("{\"data\":{\"orderLines\":{\"nodes\":[{"), "{text}");
        answered.lock().unwrap().push(size);
    }
}

/// How many lines of the type there are, by the rows that they tell.
async fn counted(hub: &Hub, ty: &str, after: i64) -> BTreeMap<usize, usize> {
    let sql = format!("SELECT \"rows\" FROM audit_event WHERE object_type = '{ty}' AND seq > {after}");
    let mut counts = BTreeMap::new();
    for rows in hub.texts(&sql).await.into_iter().flatten() {
        *counts.entry(rows.parse().unwrap()).or_default() += 1;
    }
    counts
}

async fn what_was_answered_is_in_the_log_after_a_kill(hub: Hub) {
    let end = hub.log_end().await;
    let most = usize::try_from(hub.number("SELECT count(*) FROM order_line").await).unwrap().min(1_000);
    let next = Arc::new(AtomicUsize::new(0));
    let answered = Arc::new(Mutex::new(Vec::new()));
    let token = hub.token(ADMIN).await;
    // several deaths, each under load
    for round in 1..=4 {
        let (running, url) = serve(&hub).await;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                let (url, token, next, answered) = (url.clone(), token.clone(), next.clone(), answered.clone());
                tokio::spawn(async move { load(&url, &token, next, most, answered).await })
            })
            .collect();
        until("some answers", || async { (answered.lock().unwrap().len() >= round * 60).then_some(()) }).await;
        running.signal("KILL").await;
        assert_eq!(running.ended().await.code, None);
        for client in clients {
            client.await.unwrap();
        }
    }
    let answered = std::mem::take(&mut *answered.lock().unwrap());
    let asked = next.load(Ordering::Relaxed);
    assert!(answered.len() >= 240 && asked < most, "{} of {asked}, {most} rows", answered.len());
    // the next one takes what was left before it serves
    let (running, _) = serve(&hub).await;
    for ty in ["OrderLine", "SalesOrder"] {
        let counts = counted(&hub, ty, end).await;
        for size in &answered {
            assert_eq!(counts.get(size), Some(&1), "{ty}: {size} rows");
        }
        // an answer that was on its way when the hub died may have one, too, but not two
        assert!(counts.values().all(|count| *count == 1) && counts.len() <= answered.len() + 4 * CLIENTS, "{ty}");
    }
    running.signal("TERM").await;
    assert_eq!(running.ended().await.code, Some(0));
    hub.cli(&["audit", "verify"]).run().await.good();
    assert_eq!(files(&hub.journal()), [""; 0]);
}

fn files(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

async fn ask(url: &str, token: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let document = serde_json::json!({ "query": "{ demandBuckets(first: 3) { nodes { qty } } }" });
    assert_eq!(client.post(url).bearer_auth(token).json(&document).send().await.unwrap().status(), 200);
}

async fn a_server_that_stops_leaves_nothing_behind(hub: Hub) {
    let (end, token) = (hub.log_end().await, hub.token(AQUA).await);
    let (running, url) = serve(&hub).await;
    ask(&url, &token).await;
    // it takes lines while it serves
    until("the line", || async { (counted(&hub, "DemandBucket", end).await.len() == 1).then_some(()) }).await;
    ask(&url, &token).await;
    running.signal("TERM").await;
    assert_eq!(running.ended().await.code, Some(0));
    assert_eq!(counted(&hub, "DemandBucket", end).await[&3], 2);
    assert_eq!(files(&hub.journal()), [""; 0]);
}

async fn what_another_hub_left_is_taken(hub: Hub) {
    let (end, token) = (hub.log_end().await, hub.token(AQUA).await);
    let (running, url) = serve(&hub).await;
    ask(&url, &token).await;
    running.signal("KILL").await;
    running.ended().await;
    let left = files(&hub.journal());
    // it may have been quick enough; a file is then a copy of what is in the table
    let copies: Vec<_> = left.iter().map(|name| fs::read(hub.journal().join(name)).unwrap()).collect();
    hub.take_log().await;
    assert_eq!(counted(&hub, "DemandBucket", end).await[&3], 1);
    // a file that comes back, as from a process that died between its commit and the file's end
    for (name, copy) in left.iter().zip(copies) {
        fs::write(hub.journal().join(name), copy).unwrap();
    }
    assert_eq!(hub.take_log().await, 0);
    assert_eq!(counted(&hub, "DemandBucket", end).await[&3], 1);
    assert_eq!(files(&hub.journal()), [""; 0]);
}

async fn lines_wait_while_the_table_does_not_take_them(hub: Hub) {
    let end = hub.log_end().await;
    hub.sql("ALTER TABLE audit_event RENAME TO elsewhere").await;
    for _ in 0..3 {
        hub.data(AQUA, "{ demandBuckets(first: 3) { nodes { qty } } }").await;
    }
    assert!(hub.app().audit.take().await.is_err());
    hub.data(AQUA, "{ demandBuckets(first: 3) { nodes { qty } } }").await;
    assert!(hub.app().audit.take().await.is_err());
    hub.sql("ALTER TABLE elsewhere RENAME TO audit_event").await;
    assert_eq!(hub.take_log().await, 4);
    assert_eq!(counted(&hub, "DemandBucket", end).await[&3], 4);
    assert_eq!(files(&hub.journal()), [""; 0]);
}

async fn a_big_backlog_is_taken_and_what_cannot_be_read_is_kept(hub: Hub) {
    const LINES: usize = 9_000;
    let line = |n: usize| {
        let id = uuid::Uuid::from_u128(n as u128);
        format!(
            "{{\"id\":\"{id}\",\"at\":{n},\"action\":\"read\",\"object_type\":\"Customer\",\"fields\":[\"name\"],\
             \"rows\":{n},\"decision\":\"allow\",\"policy_version\":\"x\"}}\n"
        )
    };
    let mut text: String = (1..=LINES).map(line).collect();
    text.push_str("{ this is no line }\n");
    // the same once more, and one that was torn when its process died
    text.push_str(&line(7));
    text.push_str("{\"id\":\"0000");
    fs::write(hub.journal().join("log-of-tests-1.jsonl"), text).unwrap();
    assert_eq!(hub.take_log().await, LINES as u64);
    let said = hub.cli(&["audit", "verify"]).run().await.good();
    assert!(said.starts_with(&format!("{} lines", 5 + LINES)), "{said}");
    assert_eq!(files(&hub.journal()), ["log-of-tests-1.damaged"]);
}
