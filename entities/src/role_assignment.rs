use crate::prelude::*;

/// Role of a person or service account, limited to a unit, a time, networks and a budget.
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
    /// Addresses from which the role can be used, as a list of networks in CIDR notation. Without a list a person
    /// comes from anywhere, a machine from nowhere
    #[field(INT)]
    pub networks: Option<Json>,
    /// Objects that may be asked for in a minute, as the cost of documents counts them; without a number the hub's
    /// setting holds
    #[field(INT, least = 0)]
    pub cost_per_minute: Option<i32>,
}
