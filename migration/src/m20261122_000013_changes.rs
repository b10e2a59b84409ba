//! The change log: every change of a row of the model, whoever made it and by whatever path, with the row before and
//! after, written by triggers in the same transaction. The access log is not among the tables: it is one itself.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::change;

pub(crate) struct Changes;

const TABLES: &[&str] = &[
    "agreement_field",
    "agreement_scope",
    "capacity_bucket",
    "case_message",
    "case_party",
    "case_product",
    "consent",
    "contact",
    "crm_case",
    "customer",
    "customer_team",
    "delegation",
    "demand_bucket",
    "demand_series",
    "demand_signal",
    "exception_item",
    "forecast_version",
    "inventory_position",
    "order_line",
    "org_role",
    "org_unit",
    "organisation",
    "partner_product",
    "principal",
    "privacy_request",
    "product",
    "product_component",
    "role_assignment",
    "sales_order",
    "sharing_agreement",
    "supply_commitment",
];

impl MigrationName for Changes {
    fn name(&self) -> &str {
        "m20261122_000013_changes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Changes {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change::create(manager).await?;
        change::watch(manager, TABLES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        change::unwatch(manager, TABLES).await?;
        change::drop_log(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}
