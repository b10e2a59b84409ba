//! `entente serve`: settings, reloads, an orderly end.

use std::fs;

use super::ask;
use crate::harness::{Database, Hub, Running, entente, policies, tests, until};

tests! {
    changing: it_serves_what_the_settings_say, policies_are_taken_when_their_files_change,
        a_hangup_takes_the_policies_anew, requests_that_have_begun_are_ended;
    bare: it_wants_its_tables;
    alone: settings_are_printed_without_secrets;
}

async fn address(running: &mut Running) -> String {
    running.says("serving http").await.trim_start_matches("serving ").to_owned()
}

const ADMIN: &str = "nordwind/admin";
const BERGMANN: &str = "bergmann/partner_sales";

async fn it_serves_what_the_settings_say(hub: Hub) {
    let folder = tempfile::tempdir().unwrap();
    let settings = format!(
        "database_url = '{}'\nlisten = '127.0.0.1:0'\n[limits]\ndepth = 3\n[log]\njson = true\n",
        hub.database_url()
    );
    fs::write(folder.path().join("entente.toml"), settings).unwrap();
    let clock = hub.clock().now().to_string();
    let mut running = entente(&["serve"]).folder(folder.path()).env("ENTENTE_CLOCK", &clock).start();
    let url = address(&mut running).await;
    let token = hub.token(ADMIN).await;
    let (status, _) = ask(&url, &token, "{ products { nodes { sku } } }").await;
    assert_eq!(status, 200);
    let (status, body) = ask(&url, &token, "{ orderLines { nodes { product { sku } } } }").await;
    assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (400, &"COST_LIMIT_EXCEEDED".into()));
    // a flag wins over a variable, that over the file
    let mut running = entente(&["serve", "--listen", "127.0.0.1:0"])
        .folder(folder.path())
        .env("ENTENTE_CLOCK", &clock)
        .env("ENTENTE_LIMITS__DEPTH", "9")
        .env("ENTENTE_LISTEN", "127.0.0.1:1")
        .start();
    let url = address(&mut running).await;
    assert_eq!(ask(&url, &token, "{ orderLines { nodes { product { sku } } } }").await.0, 200);
    running.signal("TERM").await;
    let end = running.ended().await;
    assert_eq!(end.code, Some(0));
    assert!(end.stderr.lines().all(|line| line.starts_with('{')), "one JSON object a line: {}", end.stderr);
    assert!(!end.stderr.contains(&token));
}

const NO_CUSTOMERS: &str = "@id(\"test.no-customers\")\n@doc(\"For a test.\")\n\
    forbid (principal, action in Action::\"Customer\", resource is Customer) unless { principal in Kind::\"internal\" };\n";

async fn started(hub: &Hub, folder: &tempfile::TempDir) -> (Running, String, String) {
    let policies = folder.path().to_string_lossy().into_owned();
    let mut running = hub.cli(&["serve", "--listen", "127.0.0.1:0", "--policies", &policies]).start();
    let url = address(&mut running).await;
    let token = hub.token(BERGMANN).await;
    assert_eq!(ask(&url, &token, "{ customers { totalCount } }").await.0, 200);
    (running, url, token)
}

async fn policies_are_taken_when_their_files_change(hub: Hub) {
    let folder = policies();
    let (mut running, url, token) = started(&hub, &folder).await;
    let file = folder.path().join("test.cedar");
    fs::write(&file, NO_CUSTOMERS).unwrap();
    running.says("policies taken").await;
    assert_eq!(ask(&url, &token, "{ customers { totalCount } }").await.0, 400);
    // what does not hold is told with its place, and the last good set stays
    fs::write(&file, "permit (principal, action, resource").unwrap();
    let refused = running.says("policies refused").await;
    assert!(refused.contains("the old ones stay") && refused.contains("test.cedar:1"), "{refused}");
    assert_eq!(ask(&url, &token, "{ customers { totalCount } }").await.0, 400);
    fs::remove_file(&file).unwrap();
    running.says("policies taken").await;
    assert_eq!(ask(&url, &token, "{ customers { totalCount } }").await.0, 200);
}

async fn a_hangup_takes_the_policies_anew(hub: Hub) {
    let folder = policies();
    let (mut running, url, token) = started(&hub, &folder).await;
    running.signal("HUP").await;
    running.says("unchanged").await;
    fs::write(folder.path().join("test.cedar"), NO_CUSTOMERS).unwrap();
    running.signal("HUP").await;
    until("the new policies", || async {
        (ask(&url, &token, "{ customers { totalCount } }").await.0 == 400).then_some(())
    })
    .await;
    running.signal("TERM").await;
    assert_eq!(running.ended().await.code, Some(0));
}

async fn requests_that_have_begun_are_ended(hub: Hub) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut running = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).start();
    let url = address(&mut running).await;
    let host = url.trim_start_matches("http://").trim_end_matches("/graphql").to_owned();
    let token = hub.token(ADMIN).await;
    let body = "{\"query\":\"{ viewer { role } }\"}";
    let mut stream = tokio::net::TcpStream::connect(&host).await.unwrap();
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // another answer tells that the hub is at work on the first
    assert_eq!(ask(&url, &token, "{ viewer { role } }").await.0, 200);
    running.signal("TERM").await;
    running.says("stopping").await;
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"role\":\"admin\""), "{answer}");
    assert_eq!(running.ended().await.code, Some(0));
}

async fn it_wants_its_tables(database: Database) {
    let serve = || entente(&["serve", "--listen", "127.0.0.1:0"]).env("DATABASE_URL", &database.url);
    let said = serve().run().await;
    let sentence = said.sentence(2);
    assert!(sentence.ends_with("run `entente migrate up`") || sentence.contains("there is no database"), "{sentence}");
    entente(&["migrate", "up"]).env("DATABASE_URL", &database.url).run().await.good();
    let mut running = serve().start();
    address(&mut running).await;
    running.signal("INT").await;
    assert_eq!(running.ended().await.code, Some(0));
}

async fn settings_are_printed_without_secrets() {
    let url = "postgres://hub:s3cret@db.example:6543/crm";
    let print =
        entente(&["serve", "--print-config"]).env("ENTENTE_DATABASE_URL", url).env("ENTENTE_LISTEN", "127.0.0.1:99");
    let printed = print.run().await.good();
    assert!(printed.contains("postgres://db.example:6543/crm") && !printed.contains("s3cret"), "{printed}");
    assert!(printed.contains("listen = \"127.0.0.1:99\"") && printed.contains("[limits]"), "{printed}");
    // it can be used as a file again
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("again.toml"), &printed).unwrap();
    let again =
        entente(&["serve", "--print-config", "--config", "again.toml"]).folder(folder.path()).run().await.good();
    assert_eq!(again, printed);
}
