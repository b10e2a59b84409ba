//! Looks at hidden fields, the mails that tell of them, and who gets those that have no other reader.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::{
    change,
    table::{Table, add, create, drop_all, drop_column, instant, int, key, table, text, uuid},
};

pub(crate) struct BreakGlass;

impl MigrationName for BreakGlass {
    fn name(&self) -> &str {
        "m20261122_000022_break_glass"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for BreakGlass {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        create(manager, &tables()).await?;
        add(manager, "organisation", text("privacy_contact").null()).await?;
        change::watch(manager, &["organisation", "break_glass", "mail"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change::unwatch(manager, &["organisation", "break_glass", "mail"]).await?;
        drop_column(manager, "organisation", "privacy_contact").await?;
        drop_all(manager, &tables()).await?;
        change::watch(manager, &["organisation"]).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn tables() -> Vec<Table> {
    vec![
        table(
            "break_glass",
            [
                key("principal_id", "principal").paged(),
                text("object_type"),
                uuid("object_id"),
                text("field"),
                text("reason"),
                instant("opened_at"),
                instant("ends_at"),
            ],
        )
        .index(["principal_id", "ends_at"]),
        table(
            "mail",
            [
                text("recipient"),
                text("subject"),
                text("body"),
                instant("created_at"),
                int("attempts"),
                instant("next_at"),
                instant("sent_at").null(),
                text("problem").null(),
            ],
        )
        .index(["sent_at", "next_at"]),
    ]
}
