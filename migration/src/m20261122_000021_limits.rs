//! From which addresses a role can be used, and how much may be asked for in a minute.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::{
    change,
    table::{add, drop_column, int, json},
};

pub(crate) struct Limits;

const TABLES: &[&str] = &["role_assignment"];

impl MigrationName for Limits {
    fn name(&self) -> &str {
        "m20261122_000021_limits"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Limits {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "role_assignment", json("networks").null()).await?;
        add(manager, "role_assignment", int("cost_per_minute").null()).await?;
        change::watch(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change::unwatch(manager, TABLES).await?;
        drop_column(manager, "role_assignment", "cost_per_minute").await?;
        drop_column(manager, "role_assignment", "networks").await?;
        change::watch(manager, TABLES).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
