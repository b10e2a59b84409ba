//! The changes of a row in their order: of a row with thousands the one behind a position is found without reading them.
//! SQLite's index ends with their number by itself.

use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_orm::{ConnectionTrait, DbBackend},
};

pub(crate) struct ChangeOrder;

impl MigrationName for ChangeOrder {
    fn name(&self) -> &str {
        "m20261123_000025_change_order"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for ChangeOrder {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index(manager, "object_table, object_id, id").await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        index(manager, "object_table, object_id").await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

async fn index(manager: &SchemaManager<'_>, columns: &str) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    if connection.get_database_backend() == DbBackend::Postgres {
        connection.execute_unprepared("DROP INDEX ix_change_event_object").await?;
        let made = format!("CREATE INDEX ix_change_event_object ON change_event ({columns})");
        connection.execute_unprepared(&made).await?;
    }
    Ok(())
}
