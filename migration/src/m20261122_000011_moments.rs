//! Finds the next row that time alone brings into a view or takes out of it, in tables that grow large.

use sea_orm_migration::{
    DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait,
    sea_query::{Alias, Index},
};

pub(crate) struct Moments;

const INDEXES: &[(&str, &str)] = &[
    ("demand_bucket", "bucket_start"),
    ("product", "embargo_until"),
    ("consent", "given_at"),
    ("consent", "expires_at"),
    ("crm_case", "closed_at"),
];

impl MigrationName for Moments {
    fn name(&self) -> &str {
        "m20261122_000011_moments"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Moments {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in INDEXES {
            let mut index = Index::create();
            index.name(name(table, column)).table(Alias::new(*table)).col(Alias::new(*column));
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in INDEXES {
            let index = Index::drop().name(name(table, column)).table(Alias::new(*table)).to_owned();
            manager.drop_index(index).await?;
        }
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn name(table: &str, column: &str) -> String {
    format!("ix_{table}_{column}")
}
