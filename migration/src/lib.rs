//! Schema migrations, one code for SQLite and PostgreSQL. Each is frozen: it does not read the entity
//! crate, so that an entity may change without rewriting history. A test compares the outcome of all of
//! them with the entities.

use sea_orm_migration::{MigrationTrait, async_trait};
pub use sea_orm_migration::{MigratorTrait, SchemaManager};

mod change;
mod dialect;
mod m20261122_000001_partners;
mod m20261122_000002_customers;
mod m20261122_000003_products;
mod m20261122_000004_demand;
mod m20261122_000005_cases;
mod m20261122_000006_sharing;
mod m20261122_000007_hub;
mod m20261122_000008_audit;
mod m20261122_000009_transfer;
mod m20261122_000011_moments;
mod m20261122_000012_guard;
mod m20261122_000013_changes;
mod m20261122_000014_write_key;
mod m20261122_000015_webhooks;
mod m20261122_000021_limits;
mod m20261122_000022_break_glass;
mod m20261122_000023_policy_set;
mod m20261122_000024_audit_keep;
mod m20261123_000025_change_order;
mod table;

pub struct Migrator;

/// The tables whose rows decide who may see what: a write of one raises `access_version`.
pub fn watched() -> impl Iterator<Item = &'static str> {
    m20261122_000007_hub::WATCHED.iter().map(|watched| watched.table)
}

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_partners::TABLES),
            Box::new(m20261122_000002_customers::TABLES),
            Box::new(m20261122_000003_products::TABLES),
            Box::new(m20261122_000004_demand::TABLES),
            Box::new(m20261122_000005_cases::TABLES),
            Box::new(m20261122_000006_sharing::TABLES),
            Box::new(m20261122_000007_hub::Hub),
            Box::new(m20261122_000008_audit::Audit),
            Box::new(m20261122_000009_transfer::Transfer),
            Box::new(m20261122_000011_moments::Moments),
            Box::new(m20261122_000012_guard::TABLES),
            Box::new(m20261122_000013_changes::Changes),
            Box::new(m20261122_000014_write_key::TABLES),
            Box::new(m20261122_000015_webhooks::Webhooks),
            Box::new(m20261122_000021_limits::Limits),
            Box::new(m20261122_000022_break_glass::BreakGlass),
            Box::new(m20261122_000023_policy_set::TABLES),
            Box::new(m20261122_000024_audit_keep::AuditKeep),
            Box::new(m20261123_000025_change_order::ChangeOrder),
        ]
    }
}
