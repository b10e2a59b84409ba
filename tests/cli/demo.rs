//! `entente demo`: from an empty folder to an answer.

use std::collections::BTreeMap;

use super::ask;
use crate::harness::{Hub, NOW, Running, entente, tests};

tests! {
    alone: an_empty_folder_becomes_a_hub, a_second_run_keeps_the_data, it_needs_nothing_but_itself,
        what_only_asks_makes_no_database;
    empty: a_given_database_is_used;
}

/// Seats that the contract names.
const SEATS: &[&str] = &[
    "nordwind/admin",
    "nordwind/planner",
    "nordwind/sales_rep",
    "nordwind/sales_manager",
    "nordwind/support_agent",
    "nordwind/finance",
    "nordwind/marketing",
    "aqua-seals/partner_planner",
    "aqua-seals/service_account",
    "bergmann/partner_sales",
    "bergmann/partner_marketing",
    "ceram-motors/partner_planner",
    "dauphin/partner_sales",
    "lindner/partner_planner",
];

/// The address, and the token of each seat.
async fn served(demo: &mut Running) -> (String, BTreeMap<String, String>) {
    let last = demo.says("Ctrl-C stops").await;
    let url = last.trim_start_matches("serving ").split(',').next().unwrap().to_owned();
    let mut seats = BTreeMap::new();
    let mut seat = "";
    for line in demo.heard().lines() {
        match line.split_once("#token=") {
            Some((_, token)) => drop(seats.insert(seat.to_owned(), token.to_owned())),
            None => seat = line.trim(),
        }
    }
    (url, seats)
}

async fn an_empty_folder_becomes_a_hub() {
    let mut demo = entente(&["demo", "--listen", "127.0.0.1:0"]).env("ENTENTE_CLOCK", NOW).start();
    let (url, seats) = served(&mut demo).await;
    assert!(demo.heard().contains("built in sqlite:entente-demo.db"), "{}", demo.heard());
    for seat in SEATS {
        let token = seats.get(*seat).unwrap_or_else(|| panic!("no token for {seat}:\n{}", demo.heard()));
        let (status, body) = ask(&url, token, "{ viewer { seat } }").await;
        assert_eq!((status, &body["data"]["viewer"]["seat"]), (200, &(*seat).into()), "{body}");
    }
    let (_, own) = ask(&url, &seats["aqua-seals/partner_planner"], "{ demandSeries { totalCount } }").await;
    let (_, all) = ask(&url, &seats["nordwind/admin"], "{ demandSeries { totalCount } }").await;
    let count = |body: &serde_json::Value| body["data"]["demandSeries"]["totalCount"].as_u64().unwrap();
    assert!(0 < count(&own) && count(&own) < count(&all));
    demo.signal("TERM").await;
    let end = demo.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.stderr);
}

async fn a_second_run_keeps_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let run = || entente(&["demo", "--listen", "127.0.0.1:0", "--dir", "here/there"]).folder(folder.path());
    let mut demo = run().start();
    let (_, first) = served(&mut demo).await;
    demo.signal("INT").await;
    assert_eq!(demo.ended().await.code, Some(0));
    let file = folder.path().join("here/there/entente-demo.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    assert_eq!(connection.execute("UPDATE product SET name = 'mine' WHERE sku = 'S40'", []).unwrap(), 1);
    drop(connection);

    let mut demo = run().start();
    let (url, seats) = served(&mut demo).await;
    assert!(demo.heard().contains("kept in"), "{}", demo.heard());
    let document = "{ products(filter: { sku: { eq: \"S40\" } }) { nodes { name } } }";
    // the key is kept as well, so a token of the first run is still good
    for token in [&seats["nordwind/admin"], &first["nordwind/admin"]] {
        let (_, body) = ask(&url, token, document).await;
        assert_eq!(body["data"]["products"]["nodes"][0]["name"], "mine");
    }
}

/// No configuration, no home, no path, no time zone, no network.
async fn it_needs_nothing_but_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = entente(&["demo", "--listen", "127.0.0.1:0"]).folder(folder.path()).start();
    let (url, seats) = served(&mut demo).await;
    let (status, _) = ask(&url, &seats["bergmann/partner_sales"], "{ customers { nodes { codeName } } }").await;
    assert_eq!(status, 200);
    // other commands in that folder take its database
    let token = entente(&["token", "--as", "nordwind/planner"]).folder(folder.path()).run().await.good();
    let (status, body) = ask(&url, token.trim(), "{ viewer { role } }").await;
    assert_eq!((status, &body["data"]["viewer"]["role"]), (200, &"planner".into()));
    let export = ["export", "DemandBucket", "--as", "aqua-seals/partner_planner"];
    let sheet = entente(&export).folder(folder.path()).run().await.good();
    assert!(sheet.lines().count() > 1, "{sheet}");
    let status = entente(&["migrate", "status"]).folder(folder.path()).run().await.good();
    assert!(!status.contains("pending"), "{status}");
    let mut left: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    left.retain(|name| !name.starts_with("entente-demo.db"));
    assert!(left.is_empty(), "{left:?}");
}

async fn what_only_asks_makes_no_database() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["token", "--as", "nordwind/admin"][..],
        &["export", "Product", "--as", "nordwind/admin"],
        &["import", "Product", "product.csv"],
        &["generate"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["audit", "verify"],
        &["webhook", "list"],
        &["schema", "--as", "nordwind/admin"],
        &["policy", "matrix"],
        &["migrate", "status"],
        &["migrate", "down"],
    ] {
        let said = entente(arguments).folder(folder.path()).run().await;
        let sentence = said.sentence(2);
        assert!(sentence.contains("there is no database `entente.db`, run `entente migrate up`"), "{sentence}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{arguments:?}");
    }
}

async fn a_given_database_is_used(hub: Hub) {
    let mut demo = hub.cli(&["demo", "--listen", "127.0.0.1:0"]).start();
    let (url, seats) = served(&mut demo).await;
    let (_, body) = ask(&url, &seats["nordwind/admin"], "{ salesOrders { totalCount } }").await;
    let count = hub.number("SELECT count(*) FROM sales_order").await;
    assert!(count > 200);
    assert_eq!(body["data"]["salesOrders"]["totalCount"], count);
}
