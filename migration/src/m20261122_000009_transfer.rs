//! Under which contract data on persons may go to an organisation in a country that does not protect them.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::table::{add, drop_column, text};

pub(crate) struct Transfer;

impl MigrationName for Transfer {
    fn name(&self) -> &str {
        "m20261122_000009_transfer"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Transfer {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "organisation", text("transfer_contract").null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_column(manager, "organisation", "transfer_contract").await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
