//! The shared model. One file per entity: columns, class and reason of each field, references.
//! To add one: its file, a `pub mod` line, a line in [`REGISTRY`], a migration and a policy file.

pub mod agreement_field;
pub mod agreement_scope;
pub mod audit_event;
pub mod break_glass;
pub mod capacity_bucket;
pub mod case;
pub mod case_message;
pub mod case_party;
pub mod case_product;
pub mod consent;
pub mod contact;
pub mod customer;
pub mod customer_team;
pub mod delegation;
pub mod demand_bucket;
pub mod demand_series;
pub mod demand_signal;
pub mod exception_item;
pub mod forecast_version;
pub mod inventory_position;
pub mod mail;
pub mod order_line;
pub mod org_role;
pub mod org_unit;
pub mod organisation;
pub mod partner_product;
pub mod principal;
pub mod privacy_request;
pub mod product;
pub mod product_component;
pub mod role_assignment;
pub mod sales_order;
pub mod sharing_agreement;
pub mod supply_commitment;

pub mod meta;
mod value;

use meta::{Catalogued, EntityDef};

pub use value::{Decimal, Instant, ParseDecimalError, ParseInstantError};

/// What an entity file needs beside SeaORM.
pub mod prelude {
    // one prelude, so that our value types win over those of the same name in SeaORM's
    pub use entities_derive::Catalogued;
    pub use sea_orm::entity::prelude::*;

    pub use crate::{
        Decimal, Instant,
        meta::{Behind, Demand, Holder, Membership, Scope, Turn},
    };
}

/// Every entity of the hub, in the order in which rows can be inserted: what is pointed at comes first.
pub static REGISTRY: &[EntityDef] = &[
    organisation::Entity::DEF,
    org_role::Entity::DEF,
    org_unit::Entity::DEF,
    principal::Entity::DEF,
    role_assignment::Entity::DEF,
    delegation::Entity::DEF,
    customer::Entity::DEF,
    customer_team::Entity::DEF,
    contact::Entity::DEF,
    product::Entity::DEF,
    product_component::Entity::DEF,
    partner_product::Entity::DEF,
    sales_order::Entity::DEF,
    order_line::Entity::DEF,
    forecast_version::Entity::DEF,
    demand_series::Entity::DEF,
    demand_bucket::Entity::DEF,
    demand_signal::Entity::DEF,
    supply_commitment::Entity::DEF,
    capacity_bucket::Entity::DEF,
    inventory_position::Entity::DEF,
    exception_item::Entity::DEF,
    case::Entity::DEF,
    case_product::Entity::DEF,
    case_party::Entity::DEF,
    case_message::Entity::DEF,
    sharing_agreement::Entity::DEF,
    agreement_scope::Entity::DEF,
    agreement_field::Entity::DEF,
    consent::Entity::DEF,
    privacy_request::Entity::DEF,
    audit_event::Entity::DEF,
    break_glass::Entity::DEF,
    mail::Entity::DEF,
];
