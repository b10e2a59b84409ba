//! Which writes leave changes, and what is in them.

use std::{fs, time::Duration};

use entente::{
    access::log::Position,
    catalogue::{CATALOGUE, Value},
};
use entities::Instant;
use tokio::sync::watch;

use super::{field, head, since, told};
use crate::harness::{Hub, NOW, tests};

tests! {
    reading: the_demo_world_is_one_transaction;
    changing: an_operators_sql_is_logged, a_row_is_told_as_it_was_and_is, what_does_not_change_is_no_change,
        who_waits_is_woken_at_once;
    empty: an_import_is_one_transaction_at_the_hubs_time, rows_come_back_as_they_were_stored;
}

async fn the_demo_world_is_one_transaction(hub: Hub) {
    let all = since(&hub, Position(0)).await;
    let head = head(&hub).await;
    assert!(all.len() > 500 && all.iter().all(|change| change.position == head), "{}", all.len());
    assert!(all.iter().all(|change| change.at == NOW.parse::<Instant>().unwrap() && change.actor.is_none()));
    // one for each row that there is, but the access log's
    for ty in CATALOGUE.types.iter().filter(|ty| ty.name != "AuditEvent") {
        let rows = hub.number(&format!("SELECT count(*) FROM {}", ty.table)).await;
        let told = all.iter().filter(|change| change.ty == ty.id).map(|change| change.key);
        assert!(told.collect::<std::collections::BTreeSet<_>>().len() as i64 >= rows, "{}", ty.name);
    }
    let touched = hub.app().gate.touched(Position(0), 10).await.unwrap();
    assert_eq!((touched.until, touched.list.len()), (head, all.len()));
    assert!(
        touched.list.iter().zip(&all).all(|(touched, change)| touched.key == change.key && touched.ty == change.ty)
    );
    assert!(since(&hub, head).await.is_empty());
}

async fn an_operators_sql_is_logged(hub: Hub) {
    let before = head(&hub).await;
    let changed = hub.sql("UPDATE product SET name = name || ' II'").await;
    hub.sql("INSERT INTO customer_team (id, customer_id, principal_id) SELECT c.id, c.id, p.id FROM customer c, principal p \
             ORDER BY c.id, p.id LIMIT 1").await;
    hub.sql("DELETE FROM customer_team WHERE id = customer_id").await;
    let told = told(&since(&hub, before).await);
    let [products @ .., insert, delete] = &told[..] else { panic!("{told:?}") };
    assert_eq!(products.iter().filter(|line| *line == "Product update").count() as u64, changed);
    assert_eq!([insert, delete], ["CustomerTeam insert", "CustomerTeam delete"]);
}

async fn a_row_is_told_as_it_was_and_is(hub: Hub) {
    let before = head(&hub).await;
    hub.sql("UPDATE customer SET nda_level = (nda_level + 1) % 3 WHERE name = (SELECT min(name) FROM customer)").await;
    let changes = since(&hub, before).await;
    let [change] = &changes[..] else { panic!("{changes:?}") };
    let [Some(Value::Int(was)), Some(Value::Int(is))] = field(change, "ndaLevel") else { panic!("{change:?}") };
    assert_eq!((was + 1) % 3, is);
    assert_eq!(field(change, "id"), [Some(Value::Id(change.key)), Some(Value::Id(change.key))]);
    let (Some(a), Some(b)) = (&change.before, &change.after) else { panic!("{change:?}") };
    assert_eq!(a.iter().zip(b).filter(|(a, b)| a != b).count(), 1);
}

async fn what_does_not_change_is_no_change(hub: Hub) {
    let before = head(&hub).await;
    hub.sql("UPDATE product SET name = name").await;
    hub.sql("UPDATE product SET name = 'x' WHERE sku = 'there is none'").await;
    hub.sql("UPDATE audit_chain SET seq = seq").await;
    assert!(since(&hub, before).await.is_empty());
    assert_eq!(head(&hub).await, before);
}

async fn who_waits_is_woken_at_once(hub: Hub) {
    let mut heads = hub.app().gate.heads();
    let start = head(&hub).await;
    until_moved(&mut heads, |head| head >= start).await;
    let mut waits = Vec::new();
    for _ in 0..20 {
        let before = *heads.borrow_and_update();
        hub.sql("UPDATE product SET name = name || '.'").await;
        let committed = std::time::Instant::now();
        until_moved(&mut heads, |head| head > before).await;
        waits.push(committed.elapsed());
    }
    // the safety net alone takes a second for each
    waits.sort_unstable();
    assert!(waits[waits.len() / 2] < Duration::from_millis(700), "{waits:?}");
}

async fn until_moved(heads: &mut watch::Receiver<Position>, there: impl Fn(Position) -> bool) {
    let moved = tokio::time::timeout(Duration::from_secs(60), heads.wait_for(|head| there(*head)));
    moved.await.expect("nobody is woken").unwrap();
}

async fn an_import_is_one_transaction_at_the_hubs_time(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("organisations.csv");
    let rows: String = (0..50).map(|n| format!("o{n},Name {n},Name {n},AT,AT,active\n")).collect();
    fs::write(&file, format!("slug,displayName,legalName,country,region,status\n{rows}")).unwrap();
    let before = head(&hub).await;
    hub.cli(&["import", "Organisation", &file.to_string_lossy()]).run().await.good();
    let changes = since(&hub, before).await;
    assert_eq!(told(&changes), vec!["Organisation insert"; 50]);
    let position = changes[0].position;
    assert!(changes.iter().all(|c| c.position == position && (c.at.0 - hub.clock().now().0).abs() < 600_000_000));
}

async fn rows_come_back_as_they_were_stored(hub: Hub) {
    let before = head(&hub).await;
    let id = match hub.dialect() {
        entente::access::connect::Dialect::Postgres => "'11111111-2222-3333-4444-555555555555'",
        entente::access::connect::Dialect::Sqlite => "X'11111111222233334444555555555555'",
    };
    hub.sql(&format!(
        "INSERT INTO organisation (id, slug, display_name, legal_name, country, region, status, created_at, external_ids) \
         VALUES ({id}, 's', 'Tür \"5\" \\ 💧', '', 'AT', 'AT', 'active', 9007199254740993, '{{\"b\": [1.50, null], \"a\": 2}}')"
    ))
    .await;
    let changes = since(&hub, before).await;
    let value = |name: &str| field(&changes[0], name)[1].clone().unwrap();
    assert_eq!(value("id"), Value::Id("11111111-2222-3333-4444-555555555555".parse().unwrap()));
    assert_eq!(value("displayName"), Value::from("Tür \"5\" \\ 💧"));
    assert_eq!(value("legalName"), Value::from(""));
    assert_eq!(value("createdAt"), Value::Instant(Instant(9_007_199_254_740_993)));
    assert_eq!(value("externalIds"), Value::Json(serde_json::json!({ "b": [1.50, null], "a": 2 })));
    assert!(field(&changes[0], "id")[0].is_none());
}
