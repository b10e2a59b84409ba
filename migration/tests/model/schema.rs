//! Up, down, up; the same columns as the entities; what the database itself refuses.

use std::collections::{BTreeMap, BTreeSet};

use entities::{REGISTRY, meta::Kind};
use migration::{Migrator, MigratorTrait};
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::{
    harness::{Fresh, empty, migrated},
    world,
};

async fn texts(db: &DatabaseConnection, sql: &str) -> Vec<Vec<String>> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
    let width = |row: &_| sea_orm_migration::sea_orm::QueryResult::column_names(row).len();
    rows.iter().map(|row| (0..width(row)).map(|i| row.try_get_by_index::<String>(i).unwrap()).collect()).collect()
}

async fn tables(fresh: &Fresh) -> BTreeSet<String> {
    let sql = match fresh.backend() {
        DbBackend::Postgres => "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
        _ => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
    };
    texts(&fresh.db, sql).await.into_iter().flatten().filter(|name| name != "seaql_migrations").collect()
}

#[tokio::test]
async fn migrations_run_up_down_and_up_again() {
    for fresh in empty().await {
        Migrator::up(&fresh.db, None).await.unwrap();
        let first = tables(&fresh).await;
        world::build(&fresh.db).await;
        Migrator::down(&fresh.db, None).await.unwrap();
        assert_eq!(tables(&fresh).await, BTreeSet::new());
        Migrator::up(&fresh.db, None).await.unwrap();
        assert_eq!(tables(&fresh).await, first);
        fresh.drop().await;
    }
}

#[tokio::test]
async fn tables_and_entities_hold_the_same_columns() {
    for fresh in migrated().await {
        for entity in REGISTRY {
            let sql = match fresh.backend() {
                DbBackend::Postgres => format!(
                    "SELECT column_name::text, CASE is_nullable WHEN 'YES' THEN 'null' ELSE '' END, \
                     data_type || coalesce(' ' || collation_name, '') \
                     FROM information_schema.columns WHERE table_name = '{}'",
                    entity.table
                ),
                _ => format!(
                    "SELECT name, CASE \"notnull\" WHEN 0 THEN 'null' ELSE '' END, lower(type) \
                     FROM pragma_table_info('{}')",
                    entity.table
                ),
            };
            let rows = texts(&fresh.db, &sql).await;
            let found: BTreeMap<_, _> =
                rows.iter().map(|row| (row[0].as_str(), (row[1] == "null", row[2].as_str()))).collect();
            let postgres = fresh.backend() == DbBackend::Postgres;
            let wanted = entity.fields.iter().map(|field| {
                let kind = match (field.kind, postgres) {
                    (Kind::Id, true) => "uuid",
                    (Kind::Id, false) => "blob",
                    (Kind::Text, true) => "text C",
                    (Kind::Text, false) => "text",
                    (Kind::Decimal | Kind::Instant, true) => "bigint",
                    (Kind::Decimal | Kind::Instant, false) => "integer",
                    (Kind::Bool, _) => "boolean",
                    (Kind::Date, true) => "date",
                    (Kind::Date, false) => "date_text",
                    (Kind::Json, true) => "json",
                    (Kind::Json, false) => "json_text",
                    // the entity's 16 or 32 bits are tried by the rows that are read back
                    (Kind::Int, _) => found.get(field.column).map_or("", |(_, kind)| kind),
                };
                (field.column, (field.optional, kind))
            });
            assert_eq!(found, wanted.collect(), "{}", entity.table);
        }
        fresh.drop().await;
    }
}

#[tokio::test]
async fn values_are_kept_as_the_plans_expect() {
    for fresh in migrated().await {
        world::build(&fresh.db).await;
        let sql = match fresh.backend() {
            DbBackend::Postgres => {
                "SELECT pg_typeof(b.id)::text, bucket_start::text, qty::text, b.updated_at::text \
                 FROM demand_bucket b"
            }
            _ => {
                "SELECT typeof(b.id) || length(b.id), bucket_start, '' || qty, '' || b.updated_at \
                 FROM demand_bucket b"
            }
        };
        let key = if fresh.backend() == DbBackend::Postgres { "uuid" } else { "blob16" };
        assert_eq!(texts(&fresh.db, sql).await, [[key, "2026-07-06", "1200000", "1782898200000001"]]);
        fresh.drop().await;
    }
}

#[tokio::test]
async fn closed_sets_are_those_of_the_entities() {
    for fresh in migrated().await {
        if fresh.backend() == DbBackend::Postgres {
            fresh.drop().await;
            continue;
        }
        for entity in REGISTRY {
            let sql = format!("SELECT sql FROM sqlite_master WHERE name = '{}'", entity.table);
            let created = texts(&fresh.db, &sql).await.remove(0).remove(0);
            for field in entity.fields {
                let check = format!("CHECK (\"{}\" IN ('{}'))", field.column, field.one_of.join("', '"));
                let named = created.contains(&format!("CHECK (\"{}\" IN", field.column));
                assert_eq!(created.contains(&check), named, "{}.{}", entity.table, field.column);
                assert_eq!(named, !field.one_of.is_empty(), "{}.{}", entity.table, field.column);
            }
        }
        fresh.drop().await;
    }
}

#[tokio::test]
async fn every_list_has_an_index() {
    for fresh in migrated().await {
        let sql = match fresh.backend() {
            DbBackend::Postgres => {
                "SELECT tablename::text, indexname::text, replace(indexdef, '\"', '') FROM pg_indexes \
                 WHERE schemaname = 'public'"
            }
            _ => "SELECT tbl_name, name, replace(coalesce(sql, ''), '\"', '') FROM sqlite_master WHERE type = 'index'",
        };
        let indexes = texts(&fresh.db, sql).await;
        for row in &indexes {
            // PostgreSQL cuts longer names, and two cut names may be one
            assert!(row[1].len() < 64, "{}", row[1]);
        }
        for entity in REGISTRY {
            for field in entity.fields.iter().filter(|field| field.many.is_some()) {
                let columns = format!("({}, id)", field.column);
                let found = indexes.iter().any(|row| row[0] == entity.table && row[2].contains(&columns));
                assert!(found, "{}.{}", entity.table, field.column);
            }
        }
        fresh.drop().await;
    }
}

#[tokio::test]
async fn the_database_refuses_what_the_model_excludes() {
    for fresh in migrated().await {
        world::build(&fresh.db).await;
        for sql in [
            "UPDATE customer SET nda_level = 3",
            "UPDATE crm_case SET status = 'lost'",
            "UPDATE principal SET subject = 'same'",
            "UPDATE principal SET slug = 'x', organisation_id = (SELECT id FROM organisation WHERE slug = 'bergmann')",
            "UPDATE organisation SET slug = 'same'",
            "UPDATE product SET sku = 'same'",
            "DELETE FROM product",
            "UPDATE demand_bucket SET series_id = version_id",
            "INSERT INTO access_version (id, version) VALUES (2, 1)",
        ] {
            assert!(fresh.db.execute_unprepared(sql).await.is_err(), "{sql}");
        }
        fresh.drop().await;
    }
}

async fn version(db: &DatabaseConnection) -> i64 {
    let sql = Statement::from_string(db.get_database_backend(), "SELECT version FROM access_version");
    db.query_one_raw(sql).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn the_access_version_rises_with_what_views_are_made_of() {
    for fresh in migrated().await {
        world::build(&fresh.db).await;
        for (sql, counts) in [
            ("UPDATE organisation SET status = 'suspended' WHERE slug = 'aqua-seals'", true),
            ("DELETE FROM org_role WHERE kind = 'distributor'", true),
            ("UPDATE principal SET status = 'locked' WHERE slug = 'rita'", true),
            ("UPDATE principal SET last_seen_at = 1", false),
            ("DELETE FROM role_assignment WHERE valid_to IS NOT NULL", true),
            ("UPDATE org_unit SET parent_id = NULL WHERE parent_id IS NOT NULL", true),
            ("DELETE FROM agreement_scope WHERE effect = 'exclude'", true),
            ("UPDATE sharing_agreement SET status = 'ended' WHERE status = 'active'", true),
            ("DELETE FROM agreement_field", true),
            ("DELETE FROM delegation", true),
            ("UPDATE product SET name = 'x' WHERE sku = 'PUMP'", false),
            ("DELETE FROM consent", false),
        ] {
            let before = version(&fresh.db).await;
            assert!(fresh.db.execute_unprepared(sql).await.unwrap().rows_affected() > 0, "{sql}");
            assert_eq!(version(&fresh.db).await > before, counts, "{sql}");
        }
        fresh.drop().await;
    }
}

/// The images of a table's last event, before and after.
async fn images(fresh: &Fresh, table: &str) -> Vec<Option<serde_json::Value>> {
    let sql = format!(
        "SELECT CAST(before_row AS text), CAST(after_row AS text) FROM change_event WHERE object_table = '{table}' \
         ORDER BY id DESC LIMIT 1"
    );
    let rows = fresh.db.query_all_raw(Statement::from_string(fresh.backend(), sql)).await.unwrap();
    let row =
        rows.first().unwrap_or_else(|| panic!("table `{table}` has no change triggers, call `change::watch` for it"));
    let image =
        |at| row.try_get_by_index::<Option<String>>(at).unwrap().map(|text| serde_json::from_str(&text).unwrap());
    vec![image(0), image(1)]
}

fn named(image: &Option<serde_json::Value>) -> Option<BTreeSet<&str>> {
    image.as_ref().map(|row| row.as_object().unwrap().keys().map(String::as_str).collect())
}

#[tokio::test]
async fn every_change_of_the_model_is_logged_with_all_columns() {
    for fresh in migrated().await {
        world::build(&fresh.db).await;
        // each trigger of each table is to fire, whatever points at the rows
        let free = match fresh.backend() {
            DbBackend::Postgres => {
                "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS t, conname FROM pg_constraint \
                 WHERE contype = 'f' LOOP EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); \
                 END LOOP; END $$"
            }
            _ => "PRAGMA foreign_keys = OFF",
        };
        fresh.db.execute_unprepared(free).await.unwrap();
        for entity in REGISTRY.iter().filter(|entity| entity.table != "audit_event") {
            let columns: BTreeSet<&str> = entity.fields.iter().map(|field| field.column).collect();
            let found = images(&fresh, entity.table).await;
            assert_eq!([named(&found[0]), named(&found[1])], [None, Some(columns.clone())], "{} insert", entity.table);
            for field in entity.fields.iter().filter(|field| field.column != "id") {
                let (table, column) = (entity.table, field.column);
                let other = match (field.kind, fresh.backend()) {
                    (Kind::Id, DbBackend::Postgres) => "gen_random_uuid()".into(),
                    (Kind::Id, _) => "randomblob(16)".into(),
                    (Kind::Text, _) => format!("coalesce({column}, '') || 'x'"),
                    (Kind::Bool, _) => format!("NOT {column}"),
                    (Kind::Date, _) => "'2031-01-01'".into(),
                    (Kind::Json, _) => "'[77]'".into(),
                    (Kind::Int | Kind::Decimal | Kind::Instant, _) => format!("coalesce({column}, 0) + 1"),
                };
                // a closed set refuses it
                if fresh.db.execute_unprepared(&format!("UPDATE {table} SET {column} = {other}")).await.is_err() {
                    continue;
                }
                let found = images(&fresh, table).await;
                assert_eq!(named(&found[0]), Some(columns.clone()), "{table}.{column}");
                assert_eq!(named(&found[1]), Some(columns.clone()), "{table}.{column}");
                let [Some(before), Some(after)] = &found[..] else { unreachable!() };
                assert_ne!(before[column], after[column], "{table}.{column}");
            }
            fresh.db.execute_unprepared(&format!("DELETE FROM {}", entity.table)).await.unwrap();
            let found = images(&fresh, entity.table).await;
            assert_eq!([named(&found[0]), named(&found[1])], [Some(columns), None], "{} delete", entity.table);
        }
        fresh.drop().await;
    }
}
