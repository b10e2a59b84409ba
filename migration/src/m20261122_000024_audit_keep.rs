//! Where the access log begins, once old lines of it were dropped: the number and the hash of the last that is gone.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::table::{add, big, drop_column, text};

pub(crate) struct AuditKeep;

impl MigrationName for AuditKeep {
    fn name(&self) -> &str {
        "m20261122_000024_audit_keep"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for AuditKeep {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        add(manager, "audit_chain", big("dropped").null()).await?;
        add(manager, "audit_chain", text("dropped_hash").null()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_column(manager, "audit_chain", "dropped_hash").await?;
        drop_column(manager, "audit_chain", "dropped").await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
