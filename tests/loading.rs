//! Rows that come from files or from a seed, on each database.

use std::{fs, io::Write, path::Path};

use entente::access::connect::Dialect;
use serde_json::json;

use crate::harness::{Hub, skip, tests};

tests! {
    empty:
        wrong_rows_are_told_by_line_and_keep_all_out,
        good_rows_are_kept_when_asked,
        known_rows_are_updated,
        a_killed_import_leaves_nothing,
        a_generated_world_is_coherent,
        a_big_world_leaves_the_tables_as_they_were;
}

const ORGANISATIONS: &str = "key,slug,displayName,legalName,country,region,status\n\
    A,aqua,Aqua Seals,Aqua Seals GmbH,AT,AT,active\n\
    B,berg,\"Bergmann,\nVienna\",Bergmann AG,AT,AT,active\n";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

async fn wrong_rows_are_told_by_line_and_keep_all_out(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let rows = "C,aqua,Ceram,Ceram,FR,FR,active\n\
        D,d,Dauphin,Dauphin,FR,FR,sleeping\n\
        ,e,E,E,FR,FR,active\n\
        F,f,F\n";
    let file = write(folder.path(), "firms.csv", &format!("{ORGANISATIONS}{rows}"));
    let said = hub.cli(&["import", "Organisation", &file]).run().await;
    let told: Vec<_> = said.stderr.lines().filter(|line| line.starts_with("firms.csv")).collect();
    assert_eq!(
        told,
        [
            "firms.csv line 5: column `slug`: another row has `aqua` already",
            "firms.csv line 6: column `status`: `sleeping` is wrong, expected one of `active`, `suspended`",
            "firms.csv line 7: the key is empty, each row needs its own",
            "firms.csv line 8: has 3 cells, the header has 7",
        ]
    );
    assert_eq!(said.sentence(1), "nothing was imported: 4 rows are wrong, correct them or use --keep-going");
    assert_eq!(hub.number("SELECT count(*) FROM organisation").await, 0);
    assert_eq!(hub.number("SELECT count(*) FROM external_key").await, 0);

    let roles = write(folder.path(), "roles.csv", "organisation,kind,validFrom\nX,supplier,2026-01-01T00:00:00Z\n");
    let said = hub.cli(&["import", "OrgRole", &roles]).run().await;
    assert!(said.stderr.contains("roles.csv line 2: column `organisation`: `X` is wrong"), "{}", said.stderr);
    let unknown = write(folder.path(), "unknown.csv", "slug,colour\na,red\n");
    let said = hub.cli(&["import", "Organisation", &unknown]).run().await;
    assert!(
        said.sentence(2).starts_with("`unknown.csv`: `colour` is no field of `Organisation`, which has `key`, `id`")
    );
}

async fn good_rows_are_kept_when_asked(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    // the refused row is in the middle of a batch
    let firms: String =
        (0..600).map(|n| format!("K{n},s{},F,F,AT,AT,active\n", if n == 301 { 7 } else { n })).collect();
    let header = "key,slug,displayName,legalName,country,region,status\n";
    let file = write(folder.path(), "firms.csv", &format!("{header}{firms}"));
    let said = hub.cli(&["import", "Organisation", &file, "--keep-going"]).run().await;
    assert!(said.stderr.contains("firms.csv line 303: column `slug`: another row has `s7` already"), "{}", said.stderr);
    assert_eq!(said.sentence(1), "599 rows were imported, 1 row is left out as wrong");
    assert_eq!(hub.number("SELECT count(*) FROM organisation").await, 599);
    assert_eq!(hub.number("SELECT count(*) FROM external_key").await, 599);
}

async fn known_rows_are_updated(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "firms.csv", ORGANISATIONS);
    assert_eq!(hub.cli(&["import", "Organisation", &file]).run().await.good(), "Organisation: 2 new, from firms.csv\n");
    let ids = hub.texts("SELECT object_id FROM external_key ORDER BY key").await;
    let change = "key,displayName,externalIds,region\nB,Berg,\"{\"\"lei\"\": \"\"1\"\"}\",WIEN\n";
    let file = write(folder.path(), "change.csv", change);
    let said = hub.cli(&["import", "Organisation", &file, "--update"]).run().await.good();
    assert_eq!(said, "Organisation: 0 new, 1 changed, from change.csv\n");
    assert_eq!(hub.texts("SELECT object_id FROM external_key ORDER BY key").await, ids);
    let name = "SELECT display_name || ' ' || region || ' ' || slug FROM organisation ORDER BY slug";
    assert_eq!(hub.texts(name).await, [Some("Aqua Seals AT aqua".into()), Some("Berg WIEN berg".into())]);
}

async fn a_killed_import_leaves_nothing(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.csv");
    assert!(tokio::process::Command::new("mkfifo").arg(&pipe).status().await.unwrap().success());
    let running = hub.cli(&["import", "Customer", &pipe.display().to_string()]).start();
    // a pipe and its reader hold little: when all this is gone, most of it was read and written
    let writing = tokio::task::spawn_blocking(move || {
        let mut file = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        file.write_all(b"key,name,segment,country,region,lifecycleStage,ndaLevel\n").unwrap();
        for n in 0..40_000 {
            writeln!(file, "K{n},Customer {n},small,AT,AT,customer,0").unwrap();
        }
        file
    });
    let open = writing.await.unwrap();
    running.signal("KILL").await;
    assert_eq!(running.ended().await.code, None);
    drop(open);
    assert_eq!(hub.number("SELECT count(*) FROM customer").await, 0);
    assert_eq!(hub.number("SELECT count(*) FROM external_key").await, 0);

    let file = write(folder.path(), "firms.csv", ORGANISATIONS);
    hub.cli(&["import", "Organisation", &file]).run().await.good();
}

async fn a_generated_world_is_coherent(hub: Hub) {
    let sizes = "--seed 7 --customers 120 --products 40 --partners 12 --weeks 12 --lines 900";
    let mut arguments = vec!["generate", "--base", "2026-06-15T00:00:00Z"];
    arguments.extend(sizes.split(' '));
    let said = hub.cli(&arguments).run().await.good();
    assert!(said.contains("OrderLine: 900 new") && said.contains("Customer: 120 new"), "{said}");

    let alien = "SELECT count(*) FROM order_line l WHERE NOT EXISTS (SELECT 1 FROM partner_product p \
                 WHERE p.product_id = l.product_id AND p.organisation_id = l.source_id AND p.role = 'supplies')";
    assert_eq!(hub.number(alien).await, 0);
    let sums = "SELECT (SELECT sum(total) FROM sales_order) - (SELECT sum(net_amount) FROM order_line)";
    assert_eq!(hub.number(sums).await, 0);
    let future = hub.number("SELECT count(*) FROM sales_order WHERE placed_at >= 1781481600000000").await;
    assert_eq!(future, 0);

    // customers whose existence is hidden do not count
    let own = hub.number(
        "SELECT count(*) FROM order_line l JOIN organisation o ON o.id = l.source_id \
         JOIN sales_order s ON s.id = l.order_id JOIN customer c ON c.id = s.customer_id \
         WHERE o.slug = 'g7-supplier-1' AND c.nda_level < 2",
    );
    let supplier = "g7-supplier-1/partner_planner";
    let seen = hub.data(supplier, "{ orderLineAggregate { count } demandBuckets { totalCount } }").await;
    assert_eq!(seen["orderLineAggregate"], json!([{ "count": own.await }]));
    assert!(seen["demandBuckets"]["totalCount"].as_i64().unwrap() > 0);
    assert_eq!(hub.refusal(supplier, "{ customers { totalCount } }").await.0, "GRAPHQL_VALIDATION_FAILED");

    let again = hub.cli(&arguments).run().await;
    assert_eq!(again.sentence(2), "the world of seed 7 is here already, choose another --seed");
}

async fn a_big_world_leaves_the_tables_as_they_were(hub: Hub) {
    if hub.dialect() == Dialect::Sqlite {
        skip("only PostgreSQL builds keys and indexes after the rows");
    }
    let shape = "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() UNION ALL \
                 SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1";
    let before = hub.texts(shape).await;
    let sizes = "--seed 1 --customers 500 --products 20 --partners 10 --weeks 20 --lines 80000";
    let mut arguments = vec!["generate"];
    arguments.extend(sizes.split(' '));
    hub.cli(&arguments).run().await.good();
    assert_eq!(hub.texts(shape).await, before);
    assert_eq!(hub.number("SELECT count(*) FROM order_line").await, 80_000);
}
