//! Webhooks. The endpoint is a row of the model, for its owner to read; how far each has come, its secrets and what
//! it did not take belong to the hub.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::{
    change,
    table::{Table, big, boolean, bytes, create, drop_all, instant, int, key, keyed, one_of, table, text, uuid},
};

pub(crate) struct Webhooks;

impl MigrationName for Webhooks {
    fn name(&self) -> &str {
        "m20261122_000015_webhooks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Webhooks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, &tables()).await?;
        change::watch(manager, &["webhook_endpoint"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change::unwatch(manager, &["webhook_endpoint"]).await?;
        drop_all(manager, &tables()).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn tables() -> Vec<Table> {
    vec![
        table(
            "webhook_endpoint",
            [
                key("organisation_id", "organisation").paged(),
                key("principal_id", "principal"),
                text("role"),
                text("url"),
                text("document"),
                one_of("status", "active paused disabled"),
                text("reason").null(),
                instant("failing_since").null(),
                instant("created_at"),
            ],
        ),
        // one row for each endpoint that can be delivered to
        keyed(
            "webhook_delivery",
            ["endpoint_id"],
            [
                key("endpoint_id", "webhook_endpoint"),
                // behind the last event that is done with
                text("cursor").null(),
                // the receiver has not been told yet that its copy is complete
                boolean("copying"),
                // raised by whoever moves the cursor by hand
                big("generation"),
                int("attempts"),
                text("pending").null(),
                instant("pending_since").null(),
                instant("next_attempt_at").null(),
                instant("delivered_at").null(),
                text("last_error").null(),
                uuid("lease_holder").null(),
                instant("lease_until").null(),
            ],
        ),
        table(
            "webhook_secret",
            [
                key("endpoint_id", "webhook_endpoint").paged(),
                bytes("sealed"),
                instant("created_at"),
                instant("valid_until").null(),
            ],
        ),
        table(
            "webhook_dead_letter",
            [
                key("endpoint_id", "webhook_endpoint").paged(),
                text("message"),
                text("body"),
                text("error"),
                int("attempts"),
                instant("died_at"),
                instant("redelivered_at").null(),
            ],
        ),
    ]
}
