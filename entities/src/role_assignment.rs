use crate::prelude::*;

/// Role of a person or service account, limited to a unit and a time.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel, Catalogued)]
#[sea_orm(table_name = "role_assignment")]
#[catalogue(name = "RoleAssignment")]
pub struct Model {
    /// Key of the assignment
    #[sea_orm(primary_key, auto_increment = false)]
    #[field(INT)]
    pub id: Uuid,
    /// Who has the role
    #[field(INT, to = "Principal", many = "roles")]
    pub principal_id: Uuid,
    /// Name of the role, as policies and seats write it
    #[field(INT)]
    pub role: String,
    /// Limits the role to a unit and its children
    #[field(INT, to = "OrgUnit")]
    pub scope_unit_id: Option<Uuid>,
    /// From when the role holds
    #[field(INT)]
    pub valid_from: Instant,
    /// The first instant without the role: it ends without anyone remembering
    #[field(INT)]
    pub valid_to: Option<Instant>,
}
