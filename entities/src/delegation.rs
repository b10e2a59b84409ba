use crate::prelude::*;

/// One person acts for another; never more than the delegator holds.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "delegation")]
#[catalogue(name = "Delegation")]
pub struct Model {
    /// Both sides must see it
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Who is represented
    #[field(SHR, to = "Principal", many = "delegationsGiven")]
    pub from_principal_id: Uuid,
    /// Who acts; may belong to another organisation, such as a logistics provider
    #[field(SHR, to = "Principal", many = "delegationsReceived")]
    pub to_principal_id: Uuid,
    /// List of types it is limited to; narrowing only
    #[field(SHR)]
    pub object_types: Json,
    /// Whether the deputy may change anything
    #[field(SHR)]
    pub can_write: bool,
    /// From when it holds
    #[field(SHR)]
    pub valid_from: Instant,
    /// The first instant at which it no longer holds; mandatory, for there is no endless delegation
    #[field(SHR)]
    pub valid_to: Instant,
    /// Why, in the delegator's words
    #[field(SHR)]
    pub reason: String,
    /// Who on our side agreed
    #[field(INT, to = "Principal")]
    pub approved_by_id: Option<Uuid>,
}
