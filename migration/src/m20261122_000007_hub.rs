//! Tables that belong to the hub and to no partner: its signing keys, the keys of imported rows, and the
//! number that tells every process that the data behind compiled access views changed.

use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::ConnectionTrait,
    sea_query::{Alias, Query},
};

use crate::{
    dialect::{Watched, unwatch, watch},
    table::{Table, big, bytes, create, drop_all, instant, int, keyed, text, uuid},
};

pub(crate) struct Hub;

impl MigrationName for Hub {
    fn name(&self) -> &str {
        "m20261122_000007_hub"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Hub {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, &tables()).await?;
        let first = Query::insert()
            .into_table(Alias::new("access_version"))
            .columns([Alias::new("id"), Alias::new("version")])
            .values_panic([1.into(), 1i64.into()])
            .to_owned();
        manager.execute(first).await?;
        for statement in watch(manager.get_database_backend(), WATCHED) {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in unwatch(manager.get_database_backend(), WATCHED) {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
        drop_all(manager, &tables()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn tables() -> Vec<Table> {
    vec![
        keyed("hub_key", ["name"], [text("name"), bytes("value"), instant("created_at")]),
        keyed("access_version", ["id"], [int("id").between(1, 1), big("version")]),
        keyed(
            "external_key",
            ["object_type", "source", "key"],
            [text("object_type"), text("source"), text("key"), uuid("object_id")],
        )
        .index(["object_id"]),
    ]
}

pub(crate) const WATCHED: &[Watched] = &[
    Watched { table: "organisation", columns: &[] },
    Watched { table: "org_role", columns: &[] },
    // not `last_seen_at`: a sign-in would make every compiled view stale
    Watched {
        table: "principal",
        columns: &[
            "organisation_id",
            "unit_id",
            "slug",
            "kind",
            "subject",
            "display_name",
            "email",
            "locale",
            "status",
        ],
    },
    Watched { table: "role_assignment", columns: &[] },
    Watched { table: "org_unit", columns: &[] },
    Watched { table: "sharing_agreement", columns: &[] },
    Watched { table: "agreement_scope", columns: &[] },
    Watched { table: "agreement_field", columns: &[] },
    Watched { table: "delegation", columns: &[] },
];
