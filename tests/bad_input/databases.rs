//! A database that is down, too old, somebody else's, or not as this build left it.

use entente::access::connect::Dialect;

use super::old_server;
use crate::harness::{Database, Hub, entente, tests};

tests! {
    alone: a_server_that_is_down_is_told, a_server_that_is_too_old_is_told, a_server_that_is_none_is_told;
    postgres: who_is_not_let_in_is_told, a_server_that_goes_down_ends_no_hub;
    bare: a_database_without_tables_is_told;
    changing: a_database_of_a_newer_build_is_told, a_file_that_is_locked_is_told;
}

async fn a_server_that_is_down_is_told() {
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["migrate", "up"],
        &["migrate", "status"],
        &["token", "--as", "a/b"],
        &["demo", "--listen", "127.0.0.1:0"],
    ] {
        let said = entente(command).env("DATABASE_URL", "postgres://hub:s3cret@127.0.0.1:1/crm").run().await;
        let sentence = said.sentence(3);
        assert!(sentence.starts_with("cannot reach PostgreSQL at `127.0.0.1:1`"), "{sentence}");
        assert!(sentence.ends_with("start it or correct the database URL"), "{sentence}");
        assert!(!said.stderr.contains("s3cret") && said.stdout.is_empty(), "{}", said.stderr);
    }
}

async fn a_server_that_is_too_old_is_told() {
    let address = old_server::serve("12.22", "120022").await;
    let said =
        entente(&["migrate", "up"]).env("DATABASE_URL", &format!("postgres://hub:s3cret@{address}/crm")).run().await;
    assert_eq!(said.sentence(2), format!("PostgreSQL at `{address}` is version 12, entente needs 13 or newer"));
    assert!(!said.stderr.contains("s3cret"));
}

/// Something listens there, and it is no PostgreSQL.
async fn a_server_that_is_none_is_told() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let said =
        entente(&["migrate", "up"]).env("DATABASE_URL", &format!("postgres://hub:s3cret@{address}/crm")).run().await;
    assert!(said.sentence(3).starts_with(&format!("cannot reach PostgreSQL at `{address}`")), "{}", said.stderr);
    assert!(!said.stderr.contains("s3cret"));
}

async fn who_is_not_let_in_is_told(hub: Hub) {
    let (_, database) = hub.database_url().rsplit_once('/').unwrap();
    let missing = hub.database_url().replace(database, "entente_missing");
    let said = entente(&["migrate", "up"]).env("DATABASE_URL", &missing).run().await;
    assert!(said.sentence(2).contains("has no database `entente_missing`, create it"), "{}", said.stderr);
    let mut url: reqwest::Url = hub.database_url().parse().unwrap();
    if url.set_username("nobody_at_all").is_ok() && url.set_password(Some("s3cret")).is_ok() {
        let said = entente(&["migrate", "up"]).env("DATABASE_URL", url.as_str()).run().await;
        assert!(
            said.sentence(2).contains("refuses user `nobody_at_all`, correct user and password"),
            "{}",
            said.stderr
        );
        assert!(!said.stderr.contains("s3cret"));
    }
}

async fn a_server_that_goes_down_ends_no_hub(hub: Hub) {
    let (wire, url) = crate::harness::Wire::to(hub.database_url()).await;
    let clock = hub.clock().now().to_string();
    let mut running =
        entente(&["serve", "--listen", "127.0.0.1:0"]).env("DATABASE_URL", &url).env("ENTENTE_CLOCK", &clock).start();
    let address = running.says("serving http").await.trim_start_matches("serving ").to_owned();
    let token = hub.token("nordwind/admin").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = || async {
        let request = client
            .post(&address)
            .bearer_auth(&token)
            .json(&serde_json::json!({ "query": "{ products { totalCount } }" }));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 200);
    wire.cut().await;
    assert_eq!(ask().await, 503);
    // the operator reads why, without the password and without values
    // whatever else of the hub meets it first
    while !running.says("the database does not answer").await.contains("WARN") {}
    assert!(!running.heard().contains("entente@"), "{}", running.heard());
    wire.mend();
    crate::harness::until("an answer", || async { (ask().await == 200).then_some(()) }).await;
}

async fn a_database_without_tables_is_told(database: Database) {
    if database.dialect == Dialect::Sqlite {
        // an empty file is a database without tables
        std::fs::write(database.url.trim_start_matches("sqlite:"), "").unwrap();
    }
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["token", "--as", "a/b"], &["schema", "--as", "a/b"]] {
        let said = entente(command).env("DATABASE_URL", &database.url).run().await;
        let sentence = said.sentence(2);
        assert!(
            sentence.contains("migrations are pending on") && sentence.ends_with("run `entente migrate up`"),
            "{sentence}"
        );
    }
    let said = entente(&["migrate", "status"]).env("DATABASE_URL", &database.url).run().await;
    assert!(said.sentence(1).contains("migrations are pending on"), "{}", said.stderr);
    entente(&["migrate", "up"]).env("DATABASE_URL", &database.url).run().await.good();
    let said = entente(&["token", "--as", "a/b"]).env("DATABASE_URL", &database.url).run().await;
    assert!(said.sentence(2).contains("the database has no organisations yet"), "{}", said.stderr);
}

async fn a_database_of_a_newer_build_is_told(hub: Hub) {
    hub.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_later', 0)").await;
    for command in [
        &["serve", "--listen", "127.0.0.1:0"][..],
        &["token", "--as", "nordwind/admin"],
        &["demo", "--listen", "127.0.0.1:0"],
    ] {
        let said = hub.cli(command).run().await;
        assert!(said.sentence(2).contains("was migrated by a newer entente"), "{}", said.stderr);
    }
}

async fn a_file_that_is_locked_is_told(hub: Hub) {
    if hub.dialect() == Dialect::Postgres {
        // another transaction does not keep a hub from reading
        hub.cli(&["token", "--as", "nordwind/admin"]).run().await.good();
        return;
    }
    let file = hub.database_url().trim_start_matches("sqlite:").to_owned();
    let other = rusqlite::Connection::open(file).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // who reads goes on beside a writer
    hub.data("nordwind/admin", "{ products { totalCount } }").await;
    hub.cli(&["token", "--as", "nordwind/admin"]).run().await.good();
    let rows = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(rows.path(), "slug\na\n").unwrap();
    let said = hub
        .cli(&["generate", "--seed", "1", "--customers", "1", "--products", "1", "--partners", "1", "--weeks", "1"])
        .run()
        .await;
    let sentence = said.sentence(3);
    assert!(sentence.contains("another process has been writing to"), "{sentence}");
}
