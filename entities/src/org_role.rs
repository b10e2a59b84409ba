use crate::prelude::*;

/// What an organisation is to us, with dates: one firm is often supplier and customer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "org_role")]
#[catalogue(name = "OrgRole")]
pub struct Model {
    /// Key of the role
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(SHR)]
    pub id: Uuid,
    /// Whose role it is
    #[field(PUB, to = "Organisation", many = "roles")]
    pub organisation_id: Uuid,
    /// The full supplier list is a secret; a partner sees its own row only
    #[field(SEC, one_of = "internal supplier distributor contract_manufacturer logistics service_partner customer")]
    pub kind: String,
    /// From when the role holds; as secret as the role
    #[field(SEC)]
    pub valid_from: Instant,
    /// The first instant at which the role no longer holds; as secret as the role
    #[field(SEC)]
    pub valid_to: Option<Instant>,
}
