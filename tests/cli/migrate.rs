//! `entente migrate`: there, back, and there again.

use entente::access::connect::Dialect;

use crate::harness::{Database, entente, tests};

tests! {
    bare: up_down_and_up_again_is_where_it_was, steps_are_taken_one_by_one, status_says_what_is_pending,
        two_at_once_do_not_meet;
}

async fn migrate(database: &Database, arguments: &[&str]) -> crate::harness::Output {
    let arguments: Vec<&str> = ["migrate"].iter().chain(arguments).copied().collect();
    entente(&arguments).env("DATABASE_URL", &database.url).run().await
}

/// Every table, column, index and trigger, in the database's own words.
async fn tables(database: &Database) -> Vec<String> {
    let words = match database.dialect {
        Dialect::Sqlite => {
            // the counters of AUTOINCREMENT are the database's own table, which nobody may drop
            "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master \
             WHERE name NOT IN ('seaql_migrations', 'sqlite_sequence') ORDER BY 1"
        }
        Dialect::Postgres => {
            "SELECT table_name || ' ' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || coalesce(column_default, '') || ' ' || coalesce(collation_name, '') \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'seaql_migrations' \
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' \
             UNION ALL SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace \
             UNION ALL SELECT event_object_table || ' ' || trigger_name || ' ' || event_manipulation || ' ' || action_statement FROM information_schema.triggers \
             UNION ALL SELECT proname || ' ' || prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1"
        }
    };
    let all = database.texts(words).await.into_iter().flatten();
    // its own book of what was applied stays
    all.filter(|line| !line.contains("seaql_migrations")).collect()
}

async fn up_down_and_up_again_is_where_it_was(database: Database) {
    let bare = tables(&database).await;
    let up = migrate(&database, &["up"]).await.good();
    let steps = up.lines().count();
    assert!(steps >= 5 && up.lines().all(|line| line.starts_with("applied m20")), "{up}");
    let first = tables(&database).await;
    assert!(first.len() > 100, "{first:?}");
    assert_eq!(migrate(&database, &["up"]).await.good(), "nothing is pending\n");

    let down = migrate(&database, &["down", "--steps", "1000"]).await.good();
    let back: Vec<_> = down.lines().map(|line| line.trim_start_matches("taken back ")).collect();
    let mut there: Vec<_> = up.lines().map(|line| line.trim_start_matches("applied ")).collect();
    there.reverse();
    assert_eq!(back, there);
    assert_eq!(tables(&database).await, bare);
    assert_eq!(migrate(&database, &["up"]).await.good(), up);
    assert_eq!(tables(&database).await, first);
}

async fn steps_are_taken_one_by_one(database: Database) {
    let up = migrate(&database, &["up"]).await.good();
    let whole = tables(&database).await;
    let names: Vec<String> = up.lines().map(|line| line.trim_start_matches("applied ").to_owned()).collect();
    for name in names.iter().rev() {
        assert_eq!(migrate(&database, &["down"]).await.good(), format!("taken back {name}\n"));
    }
    assert_eq!(migrate(&database, &["down"]).await.good(), "nothing was applied\n");
    assert_eq!(migrate(&database, &["up"]).await.good(), up);
    assert_eq!(tables(&database).await, whole);
}

async fn status_says_what_is_pending(database: Database) {
    migrate(&database, &["up"]).await.good();
    let all = migrate(&database, &["status"]).await.good();
    assert!(all.lines().all(|line| line.starts_with("applied ")), "{all}");
    migrate(&database, &["down", "--steps", "2"]).await.good();
    let status = migrate(&database, &["status"]).await;
    let pending = status.stdout.lines().filter(|line| line.starts_with("pending ")).count();
    assert_eq!((pending, status.stdout.lines().count()), (2, all.lines().count()), "{}", status.stdout);
    assert!(status.sentence(1).starts_with("2 migrations are pending on "), "{}", status.stderr);
    assert!(status.sentence(1).ends_with("run `entente migrate up`"));
    // a database of a newer build is left alone
    migrate(&database, &["up"]).await.good();
    database.sql("INSERT INTO seaql_migrations (version, applied_at) VALUES ('m29990101_000001_later', 0)").await;
    for command in [&["status"][..], &["up"], &["down"]] {
        let said = migrate(&database, command).await;
        assert!(said.sentence(2).contains("was migrated by a newer entente"), "{}", said.stderr);
    }
}

/// Two hubs that are started together with a new version.
async fn two_at_once_do_not_meet(database: Database) {
    let (one, two) = match database.dialect {
        Dialect::Postgres => tokio::join!(migrate(&database, &["up"]), migrate(&database, &["up"])),
        // a file is one hub's, which is started once
        Dialect::Sqlite => (migrate(&database, &["up"]).await, migrate(&database, &["up"]).await),
    };
    let applied =
        |said: &crate::harness::Output| said.stdout.lines().filter(|line| line.starts_with("applied ")).count();
    let (a, b) = (applied(&one), applied(&two));
    one.good();
    two.good();
    let steps = migrate(&database, &["status"]).await.good().lines().count();
    assert!(a + b >= steps && a.max(b) == steps, "one of them did it all: {a} {b}");
}
